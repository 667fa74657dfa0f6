/* test_when.c: points in time and lengths of time. */
#include "ctl/when.h"

#include <criterion/criterion.h>
#include <string.h>

#define NOW INT64_C(1712345678) /* 2024-04-05T19:34:38Z */

static int64_t length_of(const char *text)
{
    int64_t seconds;
    return when_length("--grace", text, &seconds, NULL) ? seconds : -1;
}

Test(when, lengths)
{
    struct result why = RESULT_INIT;
    int64_t seconds;
    cr_assert_eq(length_of("30d"), 30 * WHEN_DAY);
    cr_assert_eq(length_of("12h"), 43200);
    cr_assert_eq(length_of("90"), 90);
    cr_assert_eq(length_of("0"), 0);
    cr_assert_eq(length_of("1ms"), 1, "rounded up: never shorter than asked");
    cr_assert_eq(length_of("3660d"), 3660 * WHEN_DAY);
    cr_assert_eq(length_of("3661d"), -1);
    cr_assert_eq(length_of("9223372036854775807d"), -1);
    cr_assert_eq(length_of("-1d"), -1);
    cr_assert_eq(length_of("30 days"), -1);
    cr_assert_eq(length_of(""), -1);
    cr_assert_not(when_length("--grace", "soon", &seconds, &why));
    cr_assert_str_eq(why.text, "--grace takes a length of time: 30d, 12h, 90s; not \"soon\"");
}

static int64_t point_of(const char *text)
{
    int64_t at;
    return when_point("--at", text, NOW, &at, NULL) ? at : -1;
}

Test(when, points)
{
    struct result why = RESULT_INIT;
    int64_t at;
    cr_assert_eq(point_of("now"), NOW);
    cr_assert_eq(point_of("30d"), NOW + 30 * WHEN_DAY);
    cr_assert_eq(point_of("2024-04-05T19:34:38Z"), NOW);
    cr_assert_eq(point_of("2024-04-06"), INT64_C(1712361600));
    cr_assert_not(when_point("--at", "2024-04-05T19:34:37Z", NOW, &at, &why));
    cr_assert_str_eq(why.text, "--at 2024-04-05T19:34:37Z is past; a day to come, or \"now\"");
    cr_assert_not(when_point("--at", "2034-12-31", NOW, &at, &why));
    cr_assert_not_null(strstr(why.text, "more than 10 years off"));
    cr_assert_not(when_point("--at", "2024-02-30", NOW, &at, &why));
    cr_assert_not_null(strstr(why.text, "takes a day (2026-12-31)"));
}

Test(when, told_to_people)
{
    char out[WHEN_TEXT_MAX];
    cr_assert_str_eq(when_text(30 * WHEN_DAY, out), "30 days");
    cr_assert_str_eq(when_text(2 * WHEN_DAY - 1, out), "47 hours");
    cr_assert_str_eq(when_text(7199, out), "119 minutes");
    cr_assert_str_eq(when_text(1, out), "1 second");
    cr_assert_str_eq(when_text(0, out), "0 seconds");
    cr_assert_str_eq(when_text(-3 * WHEN_DAY, out), "3 days");
    cr_assert_str_eq(when_short(30 * WHEN_DAY, out), "30d");
    cr_assert_str_eq(when_short(120, out), "2m");
}
