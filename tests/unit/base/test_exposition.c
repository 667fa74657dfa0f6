/* test_exposition.c: the text format to the letter. */
#include "base/exposition.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

static struct buf out;

static void setup(void)
{
    out = BUF_INIT;
}

static void teardown(void)
{
    buf_free(&out);
}

TestSuite(exposition, .init = setup, .fini = teardown);

static void expect_number(double value, const char *text)
{
    char line[64];
    buf_clear(&out);
    exposition_sample(&out, SLICE_LIT("m"), "", NULL, 0, value);
    snprintf(line, sizeof(line), "m %s\n", text);
    cr_assert_str_eq(buf_cstr(&out), line);
}

Test(exposition, numbers)
{
    expect_number(0, "0");
    expect_number(-0.0, "0");
    expect_number(1, "1");
    expect_number(-17, "-17");
    expect_number(0.1, "0.1");
    expect_number(1.0 / 3, "0.3333333333333333");
    expect_number(1e6, "1000000");
    expect_number(9007199254740992.0, "9007199254740992");
    expect_number(9007199254740994.0, "9007199254740994");
    expect_number(1e300, "1e+300");
    expect_number(5e-324, "4.94065645841247e-324");
    expect_number(0.30000000000000004, "0.30000000000000004");
    expect_number((double)NAN, "NaN");
    expect_number((double)INFINITY, "+Inf");
    expect_number(-(double)INFINITY, "-Inf");
}

Test(exposition, family)
{
    exposition_family(&out, SLICE_LIT("m"), SLICE_LIT("A \"b\" \\ c\nd \xff."), "gauge");
    exposition_family(&out, SLICE_LIT("n"), (struct slice){0}, "counter");
    exposition_family(&out, SLICE_LIT("o"), SLICE_LIT(""), "histogram");
    cr_assert_str_eq(buf_cstr(&out), "# HELP m A \"b\" \\\\ c\\nd \xef\xbf\xbd.\n# TYPE m gauge\n"
                                     "# TYPE n counter\n"
                                     "# HELP o \n# TYPE o histogram\n");
}

Test(exposition, labels_are_escaped)
{
    const struct exposition_label labels[] = {
        {SLICE_LIT("a"), SLICE_LIT("\"\\\n")},
        {SLICE_LIT("b"), SLICE_LIT("é\xff\xe2\x82")},
        {SLICE_LIT("c"), SLICE_LIT("")},
        {SLICE_LIT("d"), (struct slice){0}},
    };
    exposition_sample(&out, SLICE_LIT("m"), "_sum", labels, 4, 1.5);
    cr_assert_str_eq(buf_cstr(&out), "m_sum{a=\"\\\"\\\\\\n\",b=\"é\xef\xbf\xbd\xef\xbf\xbd"
                                     "\xef\xbf\xbd\",c=\"\",d=\"\"} 1.5\n");
}

Test(exposition, histogram_is_cumulative)
{
    const double bounds[] = {0.5, 10};
    const uint64_t counts[] = {1, 2, 4};
    const struct exposition_label label = {SLICE_LIT("x"), SLICE_LIT("y")};
    exposition_histogram(&out, SLICE_LIT("h"), &label, 1, bounds, counts, 2, 12.25);
    exposition_histogram(&out, SLICE_LIT("i"), NULL, 0, NULL, counts, 0, 3);
    cr_assert_str_eq(buf_cstr(&out), "h_bucket{x=\"y\",le=\"0.5\"} 1\n"
                                     "h_bucket{x=\"y\",le=\"10\"} 3\n"
                                     "h_bucket{x=\"y\",le=\"+Inf\"} 7\n"
                                     "h_sum{x=\"y\"} 12.25\n"
                                     "h_count{x=\"y\"} 7\n"
                                     "i_bucket{le=\"+Inf\"} 1\n"
                                     "i_sum 3\n"
                                     "i_count 1\n");
}
