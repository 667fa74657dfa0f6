/* test_log.c: lines to the letter, escaping, the cut, floods, one write a line. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOON (INT64_C(1769860800) * NS_PER_SECOND)
#define STAMP "2026-01-31T12:00:00.000Z"

static int pipe_fds[2];
static char text[1 << 20];

static void setup(void)
{
    cr_assert_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    cr_assert_geq(fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 20), 0);
    cr_assert_eq(fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK), 0);
    clock_fake(NOON, 0);
    log_redirect(pipe_fds[1]);
}

TestSuite(log, .init = setup);

/* What was written since the last call. */
static const char *written(void)
{
    size_t len = 0;
    ssize_t got;
    while ((got = read(pipe_fds[0], text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)got;
    }
    text[len] = '\0';
    return text;
}

static size_t count_lines(const char *s)
{
    size_t n = 0;
    for (; *s != '\0'; s++) {
        n += *s == '\n' ? 1 : 0;
    }
    return n;
}

Test(log, text)
{
    LOG_WARN("collector answered 503", LOG_STR("destination", "otlp"), LOG_INT("status", 503));
    cr_assert_str_eq(written(),
                     STAMP " warn  collector answered 503 destination=otlp status=503\n");
    LOG_ERROR("m");
    LOG_INFO("m2", LOG_INT("n", INT64_MIN));
    cr_assert_str_eq(written(), STAMP " error m\n" STAMP " info  m2 n=-9223372036854775808\n");
}

Test(log, json)
{
    log_setup(LOG_FORMAT_JSON, LOG_LEVEL_INFO);
    LOG_WARN("said \"no\"", LOG_STR("destination", "o\"\\\n"), LOG_INT("status", 503));
    cr_assert_str_eq(written(), "{\"time\":\"" STAMP "\",\"level\":\"warn\",\"msg\":\"said "
                                "\\\"no\\\"\",\"destination\":\"o\\\"\\\\\\n\",\"status\":503}\n");
    LOG_INFO("m", LOG_STR("absent", NULL), LOG_STR("empty", ""));
    cr_assert_str_eq(written(),
                     "{\"time\":\"" STAMP "\",\"level\":\"info\",\"msg\":\"m\",\"empty\":\"\"}\n");
}

Test(log, levels)
{
    LOG_DEBUG("hidden");
    cr_assert_str_eq(written(), "");
    cr_assert_not(log_admits(LOG_LEVEL_DEBUG, "hidden"));
    log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
    LOG_WARN("hidden");
    LOG_WARN("hidden");
    LOG_ERROR("shown");
    cr_assert_str_eq(written(), STAMP " error shown\n");
    log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_DEBUG);
    LOG_DEBUG("shown too");
    cr_assert_str_eq(written(), STAMP " debug shown too\n");
}

Test(log, fields_are_not_evaluated_when_the_level_is_off)
{
    int calls = 0;
    LOG_DEBUG("m", LOG_INT("n", ++calls));
    cr_assert_eq(calls, 0);
}

static void expect_value(struct slice value, const char *expected)
{
    char line[8192];
    log_flush(true); /* no folding between the cases */
    written();
    LOG_INFO("m", LOG_SLICE("v", value));
    snprintf(line, sizeof(line), STAMP " info  m%s\n", expected);
    cr_assert_str_eq(written(), line);
}

Test(log, values_in_text)
{
    expect_value((struct slice){0}, "");
    expect_value(SLICE_LIT(""), " v=\"\"");
    expect_value(SLICE_LIT("plain-1.2:3/x[]"), " v=plain-1.2:3/x[]");
    expect_value(SLICE_LIT("a b"), " v=\"a b\"");
    expect_value(SLICE_LIT("a=b"), " v=\"a=b\"");
    expect_value(SLICE_LIT("a\"b"), " v=\"a\\\"b\"");
    expect_value(SLICE_LIT("a\\b"), " v=\"a\\\\b\"");
    expect_value(SLICE_LIT("x\n" STAMP " info  forged"), " v=\"x\\n" STAMP " info  forged\"");
    expect_value(SLICE_LIT("\x1b[31m"), " v=\"\\u001b[31m\"");
    expect_value(slice_make("a\0b", 3), " v=\"a\\u0000b\"");
    expect_value(SLICE_LIT("\xff"), " v=\"\xef\xbf\xbd\"");
    expect_value(SLICE_LIT("é\xc2\x9b"
                           "31m\xc2\x80\xc2\xa0z"),
                 " v=\"é\\u009b31m\\u0080\xc2\xa0z\"");
    expect_value(SLICE_LIT("\xc2"), " v=\"\xef\xbf\xbd\"");
}

Test(log, values_are_cut_between_characters)
{
    char value[300];
    char expected[400];
    memset(value, 'a', sizeof(value));
    expect_value(slice_make(value, 256), (snprintf(expected, 400, " v=%.256s", value), expected));
    expect_value(slice_make(value, 257), (snprintf(expected, 400, " v=%.256s", value), expected));
    static const char *const marks[] = {"é", "€", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(marks[i]);
        for (size_t start = 256 - len; start < 258; start++) {
            memset(value, 'a', sizeof(value));
            memcpy(value + start, marks[i], len);
            size_t kept = start + len <= 256 ? start + len : start < 256 ? start : 256;
            bool quoted = kept > start;
            snprintf(expected, sizeof(expected), " v=%s%.*s%s", quoted ? "\"" : "", (int)kept,
                     value, quoted ? "\"" : "");
            expect_value(slice_make(value, 290), expected);
        }
    }
}

Test(log, a_line_is_one_write)
{
    int packets[2]; /* O_DIRECT: each write is one packet, each read returns one */
    char got[4096];
    cr_assert_eq(pipe2(packets, O_DIRECT), 0);
    log_redirect(packets[1]);
    char value[256];
    memset(value, '\x01', sizeof(value));
    LOG_INFO("m", LOG_SLICE("v", slice_make(value, sizeof(value))),
             LOG_SLICE("w", slice_make(value, sizeof(value))));
    ssize_t len = read(packets[0], got, sizeof(got));
    cr_assert_gt(len, (ssize_t)2 * 6 * 256);
    cr_assert_eq(got[len - 1], '\n');
}

Test(log, errno_is_kept_and_a_closed_end_does_not_matter)
{
    log_redirect(-1);
    errno = ENOSPC;
    LOG_ERROR("m");
    cr_assert_eq(errno, ENOSPC);
}

Test(log, floods_are_folded)
{
    for (int i = 0; i < 100; i++) {
        LOG_WARN("flood", LOG_INT("i", i));
        LOG_INFO("other");
        if (i == 49) {
            log_flush(false); /* the second is not over */
        }
    }
    const char *lines = written();
    cr_assert_eq(count_lines(lines), 40);
    cr_assert_not_null(strstr(lines, " warn  flood i=19\n"));
    cr_assert_null(strstr(lines, "i=20"));
    clock_fake(NOON, NS_PER_SECOND - 1);
    log_flush(false);
    cr_assert_str_eq(written(), "");
    clock_fake(NOON, NS_PER_SECOND);
    log_flush(false);
    cr_assert_str_eq(written(), STAMP " warn  flood repeated repeated=80\n" STAMP
                                      " info  other repeated repeated=80\n");
    log_flush(true);
    cr_assert_str_eq(written(), "");
    LOG_WARN("flood");
    cr_assert_str_eq(written(), STAMP " warn  flood\n");
}

Test(log, the_next_second_tells_the_count_first)
{
    for (int i = 0; i < 23; i++) {
        LOG_WARN("flood");
    }
    written();
    clock_fake(NOON, NS_PER_SECOND);
    LOG_WARN("flood");
    cr_assert_str_eq(written(), STAMP " warn  flood repeated repeated=3\n" STAMP " warn  flood\n");
}

Test(log, shutdown_tells_all_counts)
{
    for (int i = 0; i < 21; i++) {
        LOG_WARN("flood");
    }
    written();
    log_flush(true);
    cr_assert_str_eq(written(), STAMP " warn  flood repeated repeated=1\n");
}

Test(log, folding_goes_by_text_not_by_address)
{
    static const char one[] = "same text";
    static const char two[] = "same text";
    cr_assert_neq((const void *)one, (const void *)two);
    for (int i = 0; i < 15; i++) {
        LOG_INFO(one);
        LOG_INFO(two);
    }
    cr_assert_eq(count_lines(written()), 20);
}

Test(log, more_messages_than_the_table_holds)
{
    static char messages[300][32];
    for (int i = 0; i < 25; i++) {
        LOG_INFO("first");
    }
    for (int i = 0; i < 300; i++) {
        clock_fake(NOON, i + 1);
        snprintf(messages[i], sizeof(messages[i]), "message %d", i);
        LOG_INFO(messages[i]);
    }
    const char *lines = written();
    cr_assert_eq(count_lines(lines), 20 + 300 + 1);
    cr_assert_not_null(strstr(lines, "first repeated repeated=5\n"));
}

Test(log, a_clock_that_went_back_does_not_fold_for_ever)
{
    clock_fake(NOON, 100 * NS_PER_SECOND);
    for (int i = 0; i < 21; i++) {
        LOG_INFO("m");
    }
    clock_fake(NOON, 0);
    written();
    LOG_INFO("m");
    cr_assert_str_eq(written(), STAMP " info  m repeated repeated=1\n" STAMP " info  m\n");
}

static void *talk(void *arg)
{
    for (int i = 0; i < 200; i++) {
        LOG_INFO("from a thread", LOG_STR("v", "a value with some length to it"));
        LOG_INFO("another from a thread", LOG_INT("i", i));
    }
    return arg;
}

Test(log, lines_of_threads_do_not_mix)
{
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, talk, NULL), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    log_flush(true);
    char *lines = strdup(written());
    long told = 0;
    for (char *line = strtok(lines, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const char *repeated = strstr(line, " repeated=");
        cr_assert_eq(strncmp(line, STAMP " info  ", strlen(STAMP) + 7), 0, "%s", line);
        told += repeated != NULL ? strtol(repeated + 10, NULL, 10) : 1;
    }
    free(lines);
    cr_assert_eq(told, 3200);
}
