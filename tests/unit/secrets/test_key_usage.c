/* test_key_usage.c: counting, the file that survives, and what a tool reads from it. */
#include "base/log.h"
#include "fixture.h"
#include "secrets/key_usage.h"

#include <fcntl.h>
#include <pthread.h>

#define HOUR INT64_C(3600)

static const char *path;
static struct result why;
static struct key_usage *usage;
static struct key_usage_counter *counter;

static void set_up(void)
{
    make_dir();
    path = strdup(in_dir("key_usage"));
}

static void tear_down(void)
{
    key_usage_counter_destroy(counter);
    key_usage_close(usage);
    remove_dir();
    free((char *)path);
}

TestSuite(key_usage, .init = set_up, .fini = tear_down);

static void open_usage(void)
{
    usage = key_usage_open(path, &why);
    cr_assert_not_null(usage, "%s", why.text);
    counter = key_usage_counter_create(usage);
    cr_assert_not_null(counter);
}

static void close_usage(void)
{
    key_usage_counter_destroy(counter);
    key_usage_close(usage);
    counter = NULL;
    usage = NULL;
}

static void count(const char *key, const char *version, unsigned n, int64_t at)
{
    for (unsigned i = 0; i < n; i++) {
        key_usage_count(counter, slice_of(key), slice_of(version), at);
    }
}

static struct key_usage_report read_report(int64_t at)
{
    struct key_usage_report report;
    cr_assert(key_usage_read(path, at, &report, &why), "%s", why.text);
    return report;
}

static void expect_key(const struct key_usage_report *report, const char *id, uint64_t day,
                       uint64_t week, int64_t last)
{
    const struct key_usage_key *key = key_usage_find(report, slice_of(id));
    cr_assert_not_null(key, "%s", id);
    cr_assert_eq(key->day, day, "%s: %lu in a day", id, key->day);
    cr_assert_eq(key->week, week, "%s: %lu in a week", id, key->week);
    cr_assert_eq(key->last_used_s, last);
}

Test(key_usage, survives_a_restart_and_adds_up)
{
    open_usage();
    count("old", "1.0", 3, NOW - 2);
    close_usage();
    open_usage();
    count("old", "1.0", 2, NOW);
    count("new", NULL, 5, NOW);
    cr_assert(key_usage_save(usage, NOW + 1, &why), "%s", why.text);
    struct key_usage_report report = read_report(NOW);
    expect_key(&report, "old", 5, 5, NOW);
    expect_key(&report, "new", 5, 5, NOW);
    cr_assert_eq(report.n, 2);
    cr_assert_eq(report.day, 10);
    cr_assert_eq(report.week, 10);
    cr_assert_eq(report.since_s, NOW - 2);
    cr_assert_eq(report.saved_s, NOW + 1);
    cr_assert_null(key_usage_find(&report, SLICE_LIT("never")));
    cr_assert_str_eq(key_usage_find(&report, SLICE_LIT("new"))->versions[0].name, "none");
    key_usage_report_free(&report);
}

Test(key_usage, tells_days_weeks_and_versions_apart)
{
    open_usage();
    count("k", "1.0", 9, NOW);
    count("gone", "1.0", 1, NOW);
    cr_assert(key_usage_save(usage, NOW, &why));
    count("k", "2.0", 20, NOW + 100 * HOUR);
    cr_assert(key_usage_save(usage, NOW, &why));
    count("k", "2.0", 4, NOW + 124 * HOUR);
    count("k", "3.0", 1, NOW + 124 * HOUR);
    cr_assert(key_usage_save(usage, NOW, &why));

    struct key_usage_report report = read_report(NOW + 124 * HOUR);
    expect_key(&report, "k", 25, 34, NOW + 124 * HOUR);
    const struct key_usage_key *key = key_usage_find(&report, SLICE_LIT("k"));
    cr_assert_eq(key->n_versions, 3);
    cr_assert_str_eq(key->versions[0].name, "2.0");
    cr_assert_eq(key->versions[0].week, 24);
    cr_assert_eq(key->versions[0].day, 24);
    cr_assert_str_eq(key->versions[1].name, "1.0");
    cr_assert_eq(key->versions[1].day, 0);
    cr_assert_eq(key->versions[1].last_hour_s, NOW / HOUR * HOUR);
    cr_assert_str_eq(key->versions[2].name, "3.0");
    cr_assert_str_eq(report.keys[1].id, "gone", "the last used comes first");
    key_usage_report_free(&report);

    /* An hour on, the 20 are no longer of the day; a week on, nothing is left but the last use. */
    report = read_report(NOW + 125 * HOUR);
    expect_key(&report, "k", 5, 34, NOW + 124 * HOUR);
    key_usage_report_free(&report);
    report = read_report(NOW + 168 * HOUR);
    expect_key(&report, "gone", 0, 1, NOW);
    key_usage_report_free(&report);
    report = read_report(NOW + 169 * HOUR);
    expect_key(&report, "gone", 0, 0, NOW);
    cr_assert_eq(key_usage_find(&report, SLICE_LIT("gone"))->n_versions, 0);
    key_usage_report_free(&report);
}

/* The thread writes by itself, soon after the first use. */
Test(key_usage, writes_without_being_asked, .timeout = 30)
{
    open_usage();
    count("k", "1.0", 1, NOW);
    while (access(path, F_OK) != 0) {
        usleep(20000);
    }
    struct key_usage_report report = read_report(NOW);
    expect_key(&report, "k", 1, 1, NOW);
    key_usage_report_free(&report);
}

Test(key_usage, writes_nothing_when_nothing_was_counted)
{
    open_usage();
    cr_assert(key_usage_save(usage, NOW, &why));
    close_usage();
    cr_assert_neq(access(path, F_OK), 0);
    struct key_usage_report report = read_report(NOW);
    cr_assert_eq(report.n, 0);
    cr_assert_eq(report.since_s, KEY_TIME_NONE);
    key_usage_report_free(&report);
}

Test(key_usage, a_file_that_cannot_be_written_loses_no_count)
{
    struct stat info;
    char temporary[600];
    snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    open_usage();
    cr_assert_eq(mkdir(temporary, 0700), 0);
    count("k", "1.0", 2, NOW);
    cr_assert_not(key_usage_save(usage, NOW, &why));
    cr_assert_not_null(strstr(why.text, path), "%s", why.text);
    cr_assert_eq(rmdir(temporary), 0);
    count("k", "1.0", 1, NOW);
    cr_assert(key_usage_save(usage, NOW, &why), "%s", why.text);
    struct key_usage_report report = read_report(NOW);
    expect_key(&report, "k", 3, 3, NOW);
    key_usage_report_free(&report);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0600);
}

/* --- files that cannot be used ------------------------------------------------------------------
 */

/* Opens over what is at path, expects it moved aside with a warning, and counting to go on. */
static void expect_set_aside(const char *words)
{
    char aside[600];
    char said[2000] = {0};
    snprintf(aside, sizeof(aside), "%s.damaged", path);
    struct key_usage_report report;
    cr_assert_not(key_usage_read(path, NOW, &report, &why));
    cr_assert_eq(report.n, 0);
    int log = open(in_dir("log"), O_RDWR | O_CREAT | O_TRUNC, 0600);
    log_redirect(log);
    open_usage();
    log_redirect(2);
    cr_assert_gt(pread(log, said, sizeof(said) - 1, 0), 0);
    close(log);
    cr_assert_not_null(strstr(said, "counting begins anew"), "%s", said);
    cr_assert_not_null(strstr(said, words), "\"%s\" is not in: %s", words, said);
    cr_assert_eq(access(aside, F_OK), 0);
    cr_assert_neq(access(path, F_OK), 0);
    count("k", "1.0", 1, NOW);
    close_usage();
    report = read_report(NOW);
    expect_key(&report, "k", 1, 1, NOW);
    key_usage_report_free(&report);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(remove(aside), 0);
}

Test(key_usage, damaged_files_are_put_aside)
{
    put_file(path, 0600, "not counts at all");
    expect_set_aside("no file of key usage");
    put_file(path, 0600, "");
    expect_set_aside("no file of key usage");
    put_file(path, 0600, "sigpost key usage 2\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    expect_set_aside("another version");
    put_file(path, 0600, "sigpost key usage 1\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    expect_set_aside("checksum");
    put_file(path, 0600, "");
    cr_assert_eq(truncate(path, KEY_USAGE_FILE_MAX + 1), 0);
    expect_set_aside("more than 1000000 bytes");
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect_set_aside("not a regular file");
}

Test(key_usage, a_directory_in_its_place_stops_nothing)
{
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_set_aside("not a regular file");
}

/* --- bounds of the hot path ---------------------------------------------------------------------
 */

/* In one second more versions than a thread's table holds; the two of them make every search. */
Test(key_usage, more_versions_than_cells_are_other)
{
    char version[24];
    open_usage();
    for (int i = 0; i < 5000; i++) {
        snprintf(version, sizeof(version), "1.%d", i % 1000);
        count(i % 2 != 0 ? "a" : "b", version, 1, NOW);
    }
    count("late", "1.0", 7, NOW);
    cr_assert(key_usage_save(usage, NOW, &why));
    struct key_usage_report report = read_report(NOW);
    expect_key(&report, "a", 2500, 2500, NOW);
    expect_key(&report, "b", 2500, 2500, NOW);
    expect_key(&report, "late", 7, 7, NOW);
    key_usage_report_free(&report);
}

/* A cell for each of 128 keys is there when strangers' versions took all others. */
Test(key_usage, versions_crowd_out_no_key)
{
    char text[24];
    open_usage();
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "1.%d", i);
        count("loud", text, 1, NOW);
    }
    for (int i = 0; i < KEY_LIST_MAX - 2; i++) {
        snprintf(text, sizeof(text), "k%d", i);
        count(text, "1.0", 1, NOW);
    }
    cr_assert(key_usage_save(usage, NOW, &why));
    struct key_usage_report report = read_report(NOW);
    expect_key(&report, "loud", 1000, 1000, NOW);
    for (int i = 0; i < KEY_LIST_MAX - 2; i++) {
        snprintf(text, sizeof(text), "k%d", i);
        expect_key(&report, text, 1, 1, NOW);
    }
    key_usage_report_free(&report);
}

Test(key_usage, what_is_no_key_id_is_not_counted)
{
    char id[SIGNATURE_KEY_ID_MAX + 2];
    memset(id, 'k', sizeof(id));
    open_usage();
    key_usage_count(counter, slice_make(id, SIGNATURE_KEY_ID_MAX + 1), SLICE_LIT("1"), NOW);
    key_usage_count(counter, (struct slice){0}, SLICE_LIT("1"), NOW);
    key_usage_count(counter, slice_make(id, SIGNATURE_KEY_ID_MAX), SLICE_LIT("1"), NOW);
    cr_assert(key_usage_save(usage, NOW, &why));
    struct key_usage_report report = read_report(NOW);
    cr_assert_eq(report.n, 1);
    cr_assert_eq(report.day, 1);
    key_usage_report_free(&report);
}

static void *count_much(void *arg)
{
    struct key_usage_counter *own = arg;
    for (int i = 0; i < 20000; i++) {
        key_usage_count(own, SLICE_LIT("k"), i % 2 != 0 ? SLICE_LIT("1") : SLICE_LIT("2"), NOW);
    }
    return NULL;
}

Test(key_usage, threads_lose_no_count_while_it_is_saved, .timeout = 60)
{
    pthread_t threads[4];
    struct key_usage_counter *own[4];
    open_usage();
    for (int i = 0; i < 4; i++) {
        own[i] = key_usage_counter_create(usage);
        cr_assert_eq(pthread_create(&threads[i], NULL, count_much, own[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        cr_assert(key_usage_save(usage, NOW, &why), "%s", why.text);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        key_usage_counter_destroy(own[i]);
    }
    close_usage();
    struct key_usage_report report = read_report(NOW);
    expect_key(&report, "k", 80000, 80000, NOW);
    key_usage_report_free(&report);
}
