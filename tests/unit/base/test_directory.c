/* A directory is made, or it is said why not. That it lasts is checked by the spool's model test.
 */
#include "base/directory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64], path[128];

static void setup(void)
{
    strcpy(base, "/tmp/directory.XXXXXX");
    cr_assert_not_null(mkdtemp(base));
    cr_assert_eq(chdir(base), 0);
    snprintf(path, sizeof(path), "%s/new", base);
}

static void teardown(void)
{
    rmdir(path);
    rmdir(base);
}

TestSuite(directory, .init = setup, .fini = teardown);

static void expect_made(const char *name)
{
    struct result why = RESULT_INIT;
    struct stat st;
    cr_assert(directory_make("place", name, &why), "%s", why.text);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode, S_IFDIR | 0700);
}

Test(directory, is_made_and_may_be_there)
{
    expect_made(path);
    expect_made(path);
    struct result why = RESULT_INIT;
    cr_assert(directory_make("place", "/", &why), "%s", why.text);
}

Test(directory, relative_names_and_trailing_slashes)
{
    expect_made("new");
    rmdir(path);
    expect_made("new///");
    rmdir(path);
    expect_made("./new/");
}

Test(directory, says_why_it_cannot_be_made)
{
    struct result why = RESULT_INIT;
    cr_assert_not(directory_make("place", "no/where", &why));
    cr_assert_str_eq(why.text, "place no/where: cannot be made: No such file or directory");
}
