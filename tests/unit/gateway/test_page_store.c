/* test_page_store.c: which page is shown: the operator's while it is good, else the built-in one.
 */
#include "gateway/page_store.h"

#include "base/log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char path[96];

static void setup(void)
{
    strcpy(dir, "/tmp/sigpost-pages-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/index.html", dir);
    log_redirect(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
}

/* By rename, as careful editors do: the inode changes. */
static void write_page(const char *text)
{
    char temporary[128];
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *file = fopen(temporary, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert_eq(rename(temporary, path), 0);
}

static bool shows(struct page_store *store, const char *text)
{
    const struct template_variable current = {"current", TEMPLATE_NUMBER, {0}, 3};
    struct buf out = BUF_INIT;
    page_store_render(store, PAGE_INDEX, &current, 1, &out);
    bool found = strstr(buf_cstr(&out), text) != NULL;
    buf_free(&out);
    return found;
}

Test(page_store, built_in_where_there_is_no_file, .init = setup, .fini = teardown)
{
    struct page_store *store = page_store_create(dir);
    cr_assert(shows(store, "<html"));
    cr_assert_not(page_store_fallback(store));
    page_store_destroy(store);
}

Test(page_store, follows_the_file, .init = setup, .fini = teardown)
{
    write_page("mine {{ current }}");
    struct page_store *store = page_store_create(dir);
    cr_assert(shows(store, "mine 3"));
    write_page("edited {{ current }}");
    page_store_refresh(store, dir);
    cr_assert(shows(store, "edited 3"));
    unlink(path);
    page_store_refresh(store, dir);
    cr_assert(shows(store, "<html"));
    cr_assert_not(page_store_fallback(store));
    page_store_destroy(store);
}

Test(page_store, falls_back_from_a_faulty_template_and_recovers, .init = setup, .fini = teardown)
{
    write_page("{% if current %}never closed");
    struct page_store *store = page_store_create(dir);
    cr_assert(page_store_fallback(store));
    cr_assert(shows(store, "<html"));
    write_page("mended");
    page_store_refresh(store, dir);
    cr_assert_not(page_store_fallback(store));
    cr_assert(shows(store, "mended"));
    page_store_destroy(store);
}

Test(page_store, refuses_what_everybody_may_write, .init = setup, .fini = teardown)
{
    write_page("mine");
    chmod(path, 0666);
    struct page_store *store = page_store_create(dir);
    cr_assert(page_store_fallback(store));
    cr_assert(shows(store, "<html"));
    chmod(path, 0644);
    page_store_refresh(store, dir);
    cr_assert(shows(store, "mine"));
    chmod(dir, 0777);
    page_store_refresh(store, dir);
    cr_assert(page_store_fallback(store));
    cr_assert_not(shows(store, "mine"));
    page_store_destroy(store);
}

Test(page_store, refuses_what_is_too_long, .init = setup, .fini = teardown)
{
    write_page("short");
    cr_assert_eq(truncate(path, TEMPLATE_SOURCE_MAX + 1), 0);
    struct page_store *store = page_store_create(dir);
    cr_assert(page_store_fallback(store));
    cr_assert(shows(store, "<html"));
    page_store_destroy(store);
}

Test(page_store, takes_another_directory, .init = setup, .fini = teardown)
{
    write_page("mine");
    struct page_store *store = page_store_create("/nonexistent");
    cr_assert(shows(store, "<html"));
    page_store_refresh(store, dir);
    cr_assert(shows(store, "mine"));
    page_store_destroy(store);
}
