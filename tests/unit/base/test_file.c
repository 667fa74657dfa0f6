/* Small files, whole: read, replaced, and what stands in the way. */
#include "base/file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char path[96];

static void setup(void)
{
    strcpy(dir, "/tmp/sigpost-file-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/f", dir);
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
}

TestSuite(file, .init = setup, .fini = teardown);

static bool reads(const char *text)
{
    struct buf out = BUF_INIT;
    bool missing;
    bool good = file_read(path, 100, &out, &missing, NULL) && strcmp(buf_cstr(&out), text) == 0;
    buf_free(&out);
    return good;
}

Test(file, replaces_whole_files_of_the_owner)
{
    struct stat st;
    struct result why = RESULT_INIT;
    umask(0);
    cr_expect(file_replace(path, SLICE_LIT("a long first text"), &why), "%s", why.text);
    cr_expect(reads("a long first text"));
    cr_expect(file_replace(path, SLICE_LIT("short"), &why));
    cr_expect(reads("short"));
    cr_expect(file_replace(path, SLICE_LIT(""), &why));
    cr_expect(reads(""));
    cr_expect_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0600);
}

Test(file, tells_what_cannot_be_read)
{
    struct buf out = BUF_INIT;
    struct result why = RESULT_INIT;
    bool missing;
    cr_expect(!file_read(path, 5, &out, &missing, &why));
    cr_expect(missing);
    file_replace(path, SLICE_LIT("12345"), NULL);
    cr_expect(file_read(path, 5, &out, &missing, &why));
    cr_expect(!missing);
    cr_expect(!file_read(path, 4, &out, &missing, &why));
    cr_expect_not_null(strstr(why.text, "5 bytes; at most 4 are read"), "%s", why.text);
    cr_expect(!file_read(dir, 4, &out, &missing, &why));
    cr_expect_not_null(strstr(why.text, "not a regular file"), "%s", why.text);
    buf_free(&out);
}

Test(file, follows_no_link)
{
    char link[128];
    struct buf out = BUF_INIT;
    bool missing;
    snprintf(link, sizeof(link), "%s/link", dir);
    file_replace(path, SLICE_LIT("x"), NULL);
    cr_assert_eq(symlink(path, link), 0);
    cr_expect(!file_read(link, 9, &out, &missing, NULL));
    cr_expect(!missing);
    buf_free(&out);
    unlink(link);
}

Test(file, a_failed_replacement_leaves_the_old_file)
{
    char beside[128];
    struct result why = RESULT_INIT;
    snprintf(beside, sizeof(beside), "%s.tmp", path);
    file_replace(path, SLICE_LIT("old"), NULL);
    cr_assert_eq(mkdir(beside, 0700), 0);
    cr_expect(!file_replace(path, SLICE_LIT("new"), &why));
    cr_expect_not_null(strstr(why.text, ".tmp: cannot write it"), "%s", why.text);
    cr_expect(reads("old"));
    rmdir(beside);
}
