/* test_retry.c: verdicts, pauses, Retry-After. */
#include "otlp/export/retry.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define S INT64_C(1000000000)
#define NOW INT64_C(784111700) /* 77 s before Sun, 06 Nov 1994 08:49:37 GMT */

Test(retry, verdict_of_every_status)
{
    static const int later[] = {0, 408, 425, 429, 500, 501, 502, 503, 504, 505, 507, 511, 520, 599};
    static const int operator[] = {100, 101, 300, 301, 302, 304, 307, 308, 401, 402, 403, 404, 405,
                                   406, 407, 410, 411, 414, 415, 417, 421, 426, 428, 431, 451};
    static const int refused[] = {400, 409, 412, 413, 416, 418, 422, 423, 424, 430, 499};
    static const int delivered[] = {200, 201, 202, 204, 299};
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        cr_expect_eq(retry_classify(later[i]), RETRY_LATER, "%d", later[i]);
    }
    for (size_t i = 0; i < sizeof(operator) / sizeof(operator[0]); i++) {
        cr_expect_eq(retry_classify(operator[i]), RETRY_OPERATOR, "%d", operator[i]);
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        cr_expect_eq(retry_classify(refused[i]), RETRY_REFUSED, "%d", refused[i]);
    }
    for (size_t i = 0; i < sizeof(delivered) / sizeof(delivered[0]); i++) {
        cr_expect_eq(retry_classify(delivered[i]), RETRY_DELIVERED, "%d", delivered[i]);
    }
    for (int status = -5; status < 1100; status++) {
        if (status < 200 || status > 299) {
            cr_expect_neq(retry_classify(status), RETRY_DELIVERED, "%d", status);
        }
    }
}

static int64_t after(const char *text)
{
    int64_t delay = -1;
    if (!retry_after_parse(slice_of(text), NOW, &delay)) {
        cr_expect_eq(delay, 0, "out-parameter after a failure: %s", text);
        return -1;
    }
    return delay;
}

Test(retry, retry_after_seconds)
{
    cr_expect_eq(after("0"), 0);
    cr_expect_eq(after("1"), 1 * S);
    cr_expect_eq(after(" 120\t"), 120 * S);
    cr_expect_eq(after("00030"), 30 * S);
    cr_expect_eq(after("600"), 600 * S);
    cr_expect_eq(after("601"), 600 * S);
    cr_expect_eq(after("99999999999999999999999999"), 600 * S);
    static const char *const bad[] = {"",    " ",   "-1",  "+1", "1.5", "1s",
                                      "0x1", "1 2", "one", ",",  "Sun"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(after(bad[i]), -1, "%s", bad[i]);
    }
    int64_t delay = -1;
    cr_expect_not(retry_after_parse((struct slice){0}, NOW, &delay));
    cr_expect_eq(delay, 0);
}

Test(retry, retry_after_dates_in_three_forms)
{
    cr_expect_eq(after("Sun, 06 Nov 1994 08:49:37 GMT"), 77 * S);
    cr_expect_eq(after("Sunday, 06-Nov-94 08:49:37 GMT"), 77 * S);
    cr_expect_eq(after("Sun Nov  6 08:49:37 1994"), 77 * S);
    cr_expect_eq(after("Sun, 06 Nov 1994 08:48:20 GMT"), 0, "now");
    cr_expect_eq(after("Sun, 06 Nov 1994 08:48:00 GMT"), 0, "gone by");
    cr_expect_eq(after("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    cr_expect_eq(after("Fri, 31 Dec 9999 23:59:59 GMT"), 600 * S);
    cr_expect_eq(after("Sun, 06 Nov 1994 08:49:60 GMT"), 100 * S, "leap second");
    cr_expect_eq(after("Sunday, 06-Nov-44 08:49:37 GMT"), 600 * S, "50 years ahead is 2044");
    cr_expect_eq(after("Sunday, 06-Nov-45 08:49:37 GMT"), 0, "51 years ahead is 1945");
}

Test(retry, retry_after_knows_the_calendar)
{
    /* 2028-02-29 00:00:00 is 1835395200, 2028-03-01 is a day later. */
    int64_t delay = -1;
    cr_expect(retry_after_parse(SLICE_LIT("Tue, 29 Feb 2028 00:00:10 GMT"), 1835395200, &delay));
    cr_expect_eq(delay, 10 * S);
    cr_expect(retry_after_parse(SLICE_LIT("Wed, 01 Mar 2028 00:00:00 GMT"), 1835481590, &delay));
    cr_expect_eq(delay, 10 * S);
    cr_expect(
        retry_after_parse(SLICE_LIT("Wednesday, 01-Mar-28 00:00:00 GMT"), 1835481590, &delay));
    cr_expect_eq(delay, 10 * S);
    cr_expect(retry_after_parse(SLICE_LIT("Fri, 31 Dec 1999 23:59:59 GMT"), 946684798, &delay));
    cr_expect_eq(delay, 1 * S);
    cr_expect_not(retry_after_parse(SLICE_LIT("Thu, 29 Feb 2029 00:00:00 GMT"), 0, &delay));
    cr_expect_not(retry_after_parse(SLICE_LIT("Mon, 29 Feb 2100 00:00:00 GMT"), 0, &delay));
    cr_expect(retry_after_parse(SLICE_LIT("Tue, 29 Feb 2000 00:00:00 GMT"), 951782390, &delay));
    cr_expect_eq(delay, 10 * S);
}

Test(retry, retry_after_refuses_what_is_no_date)
{
    static const char *const bad[] = {
        "Sun, 06 Nov 1994 08:49:37",     "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 6 Nov 1994 08:49:37 GMT",  "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",   "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT x",
        "Sun Nov 6 08:49:37 1994",       "Sun Nov 06 08:49:37 199",
        "Sun, 06-Nov 94 08:49:37 GMT",   "06 Nov 1994 08:49:37 GMT",
        "Su, 06 Nov 1994 08:49:37 GMT",  "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994  8:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMTGMT",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_eq(after(bad[i]), -1, "%s", bad[i]);
    }
}

/* Every cut and every changed byte of a date is read without leaving its bytes (ASan watches: the
 * text is an exact heap block). */
Test(retry, retry_after_stays_inside_its_bytes)
{
    static const char *const whole[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994", "120"};
    for (size_t w = 0; w < sizeof(whole) / sizeof(whole[0]); w++) {
        for (size_t len = 0; len <= strlen(whole[w]); len++) {
            for (int change = 0; change < 256; change += 5) {
                char *text = malloc(len != 0 ? len : 1);
                int64_t delay = -1;
                memcpy(text, whole[w], len);
                if (len != 0) {
                    text[len - 1] = (char)change;
                }
                bool read = retry_after_parse(slice_make(text, len), NOW, &delay);
                cr_assert(read || delay == 0);
                cr_assert(delay >= 0 && delay <= RETRY_AFTER_MAX_NS);
                free(text);
            }
        }
    }
}

Test(retry, pauses_double_up_to_the_ceiling_with_full_jitter)
{
    const struct retry_policy policy = {1 * S, 60 * S};
    static const int64_t ceilings[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
    for (unsigned i = 0; i < 9; i++) {
        int64_t span = ceilings[i] * S - RETRY_MIN_NS;
        cr_expect_eq(retry_delay(&policy, i + 1, 0), RETRY_MIN_NS);
        cr_expect_eq(retry_delay(&policy, i + 1, (uint64_t)span), ceilings[i] * S);
        cr_expect_eq(retry_delay(&policy, i + 1, (uint64_t)span + 1), RETRY_MIN_NS);
        cr_expect_eq(retry_delay(&policy, i + 1, (uint64_t)span / 2), RETRY_MIN_NS + span / 2);
        cr_expect_leq(retry_delay(&policy, i + 1, UINT64_MAX), ceilings[i] * S);
    }
    cr_expect_leq(retry_delay(&policy, UINT32_MAX, UINT64_MAX), 60 * S);
}

Test(retry, odd_policies_are_harmless)
{
    const struct retry_policy zero = {0, 0};
    const struct retry_policy upside_down = {60 * S, 1 * S};
    const struct retry_policy huge = {INT64_MAX / 2, INT64_MAX};
    for (unsigned failures = 0; failures < 100; failures++) {
        cr_expect_eq(retry_delay(&zero, failures, 12345), RETRY_MIN_NS);
        cr_expect_leq(retry_delay(&upside_down, failures, UINT64_MAX / 3), 1 * S);
        cr_expect_geq(retry_delay(&huge, failures, UINT64_MAX), RETRY_MIN_NS);
    }
}

static struct retry flowing(void)
{
    const struct retry_policy policy = {1 * S, 60 * S};
    struct retry r;
    retry_init(&r, &policy);
    return r;
}

Test(retry, a_failure_pauses_then_one_probe_goes_first)
{
    struct retry r = flowing();
    cr_assert(retry_may_send(&r, 0));
    cr_assert_not(retry_sent(&r));
    retry_failed(&r, RETRY_LATER, 0, false, 100 * S, (uint64_t)(1 * S - RETRY_MIN_NS));
    cr_expect_eq(r.until, 101 * S);
    cr_expect_eq(r.since, 100 * S);
    cr_expect_not(retry_may_send(&r, 101 * S - 1));
    cr_assert(retry_may_send(&r, 101 * S));
    cr_assert(retry_sent(&r));
    cr_expect_not(retry_may_send(&r, 1000 * S), "only one probe");
    cr_expect(retry_answered(&r, true));
    cr_expect(retry_may_send(&r, 101 * S));
    cr_expect_eq(r.failures, 0);
    cr_expect_not(retry_answered(&r, false), "nothing ended");
}

Test(retry, a_failed_probe_pauses_longer_and_keeps_the_beginning)
{
    struct retry r = flowing();
    int64_t now = 100 * S;
    for (unsigned i = 1; i <= 10; i++) {
        retry_failed(&r, RETRY_LATER, 0, i > 1, now, 0);
        cr_expect_eq(r.failures, i);
        cr_expect_eq(r.since, 100 * S);
        now = r.until;
        cr_assert(retry_sent(&r));
    }
    cr_expect(retry_answered(&r, true));
}

Test(retry, requests_of_before_neither_lengthen_nor_end_a_pause)
{
    struct retry r = flowing();
    retry_failed(&r, RETRY_LATER, 0, false, 10 * S, 5);
    int64_t until = r.until;
    for (int i = 0; i < 7; i++) {
        retry_failed(&r, RETRY_LATER, 0, false, 10 * S + i, UINT64_MAX - 7);
        retry_failed(&r, RETRY_OPERATOR, 0, false, 10 * S + i, UINT64_MAX - 7);
    }
    cr_expect_eq(r.failures, 1);
    cr_expect_eq(r.until, until);
    cr_expect_not(retry_answered(&r, false));
    cr_expect_eq(r.phase, RETRY_PAUSED);
    retry_failed(&r, RETRY_LATER, 30 * S, false, 11 * S, 0);
    cr_expect_eq(r.until, 41 * S, "but what the receiver asks for counts");
    cr_expect_eq(r.failures, 1);
    cr_assert(retry_sent(&r));
    retry_failed(&r, RETRY_LATER, 30 * S, false, 42 * S, 0);
    cr_expect_eq(r.phase, RETRY_PROBING, "the probe decides");
    cr_expect_not(retry_answered(&r, false));
    cr_expect_eq(r.phase, RETRY_PROBING);
}

Test(retry, retry_after_is_the_least_and_bounded)
{
    struct retry r = flowing();
    retry_failed(&r, RETRY_LATER, 7 * S, false, 0, 0);
    cr_expect_eq(r.until, 7 * S);
    r = flowing();
    retry_failed(&r, RETRY_LATER, 5000000, false, 0, (uint64_t)(1 * S - RETRY_MIN_NS));
    cr_expect_eq(r.until, 1 * S, "the backoff where it is longer");
    r = flowing();
    retry_failed(&r, RETRY_LATER, INT64_MAX, false, 0, 0);
    cr_expect_eq(r.until, RETRY_AFTER_MAX_NS);
}

Test(retry, an_operators_mistake_is_tried_at_the_slow_pace_from_the_start)
{
    for (uint64_t random = 0; random < 1000; random++) {
        struct retry r = flowing();
        retry_failed(&r, RETRY_OPERATOR, 0, false, 0, random * UINT64_C(0x9e3779b97f4a7c15));
        cr_expect_geq(r.until, 30 * S);
        cr_expect_leq(r.until, 60 * S);
    }
}
