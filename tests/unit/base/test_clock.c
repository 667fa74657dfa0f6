/* test_clock.c: the fake stands still, the real one moves, ISO 8601 at its edges. */
#include "base/clock.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

Test(clock, real_clocks)
{
    cr_assert_lt(clock_wall_s() - (int64_t)time(NULL), 2);
    cr_assert_gt(clock_wall_s() - (int64_t)time(NULL), -2);
    int64_t before = clock_mono_ns();
    cr_assert_leq(before, clock_mono_ns());
}

Test(clock, the_fake_stands_still_until_it_is_taken_away)
{
    clock_fake(5 * NS_PER_SECOND + 999999999, 7);
    cr_assert_eq(clock_wall_ns(), 5999999999);
    cr_assert_eq(clock_wall_s(), 5);
    cr_assert_eq(clock_mono_ns(), 7);
    clock_fake(0, 0);
    cr_assert_eq(clock_wall_ns(), 0);
    cr_assert_eq(clock_mono_ns(), 0);
    clock_fake(-1, 0);
    cr_assert_gt(clock_wall_s(), 1600000000);
    cr_assert_gt(clock_mono_ns(), 0);
}

static void expect_iso(int64_t wall_ns, const char *expected)
{
    char out[CLOCK_ISO_MAX];
    cr_assert_eq(clock_format_iso(wall_ns, out), strlen(out));
    cr_assert_str_eq(out, expected);
}

Test(clock, iso_8601)
{
    expect_iso(0, "1970-01-01T00:00:00.000Z");
    expect_iso(INT64_C(1769860800) * NS_PER_SECOND + 1 * NS_PER_MS, "2026-01-31T12:00:00.001Z");
    expect_iso(INT64_C(951782399) * NS_PER_SECOND + 999999999, "2000-02-28T23:59:59.999Z");
    expect_iso(INT64_C(951782400) * NS_PER_SECOND, "2000-02-29T00:00:00.000Z");
    expect_iso(INT64_MAX, "2262-04-11T23:47:16.854Z");
    expect_iso(-1, "1969-12-31T23:59:59.999Z");
    expect_iso(-NS_PER_SECOND, "1969-12-31T23:59:59.000Z");
    expect_iso(INT64_MIN, "1677-09-21T00:12:43.145Z");
}
