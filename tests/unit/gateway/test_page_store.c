/* test_page_store.c: which page is shown: the operator's while it is good, else the built-in one.
 */
#include "gateway/page_store.h"

#include "base/log.h"
#include "gateway/builtin_pages.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char path[96];
static int told; /* what was logged, a file without a name */

static void setup(void)
{
    strcpy(dir, "/tmp/sigpost-pages-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/index.html", dir);
    told = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC | O_APPEND, 0600);
    cr_assert_geq(told, 0);
    log_redirect(told);
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

/* How often the text was logged so far. */
static size_t times_told(const char *text)
{
    char all[16384];
    size_t n = 0;
    log_flush(true);
    ssize_t got = pread(told, all, sizeof(all) - 1, 0);
    cr_assert_geq(got, 0);
    all[got] = '\0';
    for (const char *at = all; (at = strstr(at, text)) != NULL; at++) {
        n++;
    }
    return n;
}

static bool has_strict_policy(struct page_store *store)
{
    struct buf out = BUF_INIT;
    const char *policy = page_store_render(store, PAGE_INDEX, NULL, 0, &out);
    buf_free(&out);
    return policy != NULL && strstr(policy, "default-src 'none'; style-src 'sha256-") != NULL;
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
    cr_assert(has_strict_policy(store));
    page_store_refresh(store, dir);
    cr_assert_eq(times_told("index.html:1:"), 1, "the fault, with its line, once");
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
    cr_assert_eq(times_told("run: chmod o-w /tmp/sigpost-pages-"), 1);
    chmod(path, 0644);
    page_store_refresh(store, dir);
    cr_assert(shows(store, "mine"));
    chmod(dir, 0777);
    page_store_refresh(store, dir);
    cr_assert(page_store_fallback(store));
    cr_assert_not(shows(store, "mine"));
    chmod(dir, 01777);
    page_store_refresh(store, dir);
    cr_assert_not(shows(store, "mine"), "a sticky directory lets everybody put files there");
    chmod(dir, 0755);
    page_store_refresh(store, dir);
    cr_assert(shows(store, "mine"));
    page_store_destroy(store);
}

Test(page_store, refuses_what_is_too_long, .init = setup, .fini = teardown)
{
    write_page("short");
    cr_assert_eq(truncate(path, TEMPLATE_SOURCE_MAX + 1), 0);
    struct page_store *store = page_store_create(dir);
    cr_assert(page_store_fallback(store));
    cr_assert(shows(store, "<html"));
    cr_assert_eq(times_told("262145 bytes; at most 262144 (256 KiB) are read"), 1);
    cr_assert_eq(truncate(path, TEMPLATE_SOURCE_MAX), 0);
    page_store_refresh(store, dir);
    cr_assert_not(page_store_fallback(store), "256 KiB are allowed");
    page_store_destroy(store);
}

Test(page_store, refuses_what_is_no_file, .init = setup)
{
    cr_assert_eq(mkfifo(path, 0644), 0);
    struct page_store *store = page_store_create(dir);
    cr_assert(page_store_fallback(store));
    cr_assert_eq(times_told("not a regular file"), 1);
    unlink(path);
    cr_assert_eq(symlink("index.html", path), 0);
    page_store_refresh(store, dir);
    page_store_refresh(store, dir);
    cr_assert(page_store_fallback(store));
    cr_assert_eq(times_told("cannot open it"), 1);
    unlink(path);
    page_store_refresh(store, dir);
    cr_assert_not(page_store_fallback(store), "there is none any more");
    page_store_destroy(store);
    rmdir(dir);
}

Test(page_store, tells_once_what_it_may_not_read, .init = setup, .fini = teardown)
{
    const uid_t us = geteuid();
    write_page("mine");
    chmod(dir, 0755);
    chmod(path, 0);
    if (us == 0) { /* who may read everything */
        cr_assert_eq(seteuid(65534), 0);
    }
    struct page_store *store = page_store_create(dir);
    for (int i = 0; i < 3; i++) {
        page_store_refresh(store, dir);
        cr_assert(page_store_fallback(store));
        cr_assert(shows(store, "<html"));
    }
    cr_assert_eq(times_told("no right to read it; run: chmod o+x"), 1);
    cr_assert_eq(seteuid(us), 0);
    chmod(path, 0644);
    page_store_refresh(store, dir);
    cr_assert(shows(store, "mine"));
    page_store_destroy(store);
}

Test(page_store, warns_of_a_foreign_owner, .init = setup, .fini = teardown)
{
    if (geteuid() != 0) {
        cr_skip_test("only root can give files away");
    }
    write_page("mine");
    struct page_store *store = page_store_create(dir);
    cr_assert_eq(times_told("belongs to another user"), 0);
    cr_assert_eq(chown(dir, 65534, 65534), 0);
    page_store_refresh(store, dir);
    page_store_refresh(store, dir);
    cr_assert_eq(times_told("belongs to another user"), 1);
    cr_assert_eq(times_told("uid 0 owns it and uid 65534 its directory"), 1);
    cr_assert_eq(times_told("run: chown root /tmp/sigpost-pages-"), 1);
    cr_assert(shows(store, "mine"), "a warning only");
    cr_assert_not(page_store_fallback(store));
    cr_assert_eq(chown(dir, 0, 0), 0);
    cr_assert_eq(chown(path, 65534, 65534), 0);
    page_store_refresh(store, dir);
    cr_assert_eq(times_told("belongs to another user"), 2);
    page_store_destroy(store);
}

Test(page_store, a_copy_of_the_built_in_page_is_the_built_in_page, .init = setup, .fini = teardown)
{
    write_page(builtin_index_html);
    struct page_store *store = page_store_create(dir);
    cr_assert_not(page_store_fallback(store));
    cr_assert(has_strict_policy(store));
    write_page("mine");
    page_store_refresh(store, dir);
    cr_assert_not(has_strict_policy(store));
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
