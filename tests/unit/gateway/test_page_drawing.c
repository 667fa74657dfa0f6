/* test_page_drawing.c: places and lines as SVG attributes. */
#include "gateway/page_drawing.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t count(const char *text, char c)
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        n += *text == c;
    }
    return n;
}

Test(page_drawing, each_place_begins_where_it_belongs)
{
    struct buf out = BUF_INIT;
    page_draw_places(&out, 9, 3, false);
    const char *d = buf_cstr(&out);
    cr_assert_eq(count(d, 'M'), 3);
    cr_assert_eq(strncmp(d, "M324 0m6", 8), 0, "%s", d);
    cr_assert_not_null(strstr(d, "zM0 36m6"), "the eleventh begins the second row: %s", d);
    cr_assert_not_null(strstr(d, "zM36 36m6"), "%s", d);
    buf_free(&out);
}

Test(page_drawing, a_taken_place_has_somebody_in_it)
{
    struct buf free_place = BUF_INIT, taken = BUF_INIT;
    page_draw_places(&free_place, 0, 1, false);
    page_draw_places(&taken, 0, 1, true);
    cr_assert_eq(count(buf_cstr(&free_place), 'z'), 1);
    cr_assert_eq(count(buf_cstr(&taken), 'z'), 3, "the square, the head, the shoulders");
    buf_free(&free_place);
    buf_free(&taken);
}

Test(page_drawing, no_places_are_an_empty_path)
{
    struct buf out = BUF_INIT;
    page_draw_places(&out, 5, 0, true);
    cr_assert_eq(out.len, 0);
    buf_free(&out);
}

Test(page_drawing, the_size_holds_all_places)
{
    static const struct {
        unsigned n, width, height;
    } rows[] = {{1, 30, 30}, {5, 174, 30}, {10, 354, 30}, {11, 354, 66}, {60, 354, 210}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned width, height;
        page_places_size(rows[i].n, &width, &height);
        cr_assert_eq(width, rows[i].width, "%u places: %u", rows[i].n, width);
        cr_assert_eq(height, rows[i].height, "%u places: %u", rows[i].n, height);
    }
}

static void assert_line(const uint64_t *values, size_t n, const char *expected)
{
    struct buf out = BUF_INIT;
    page_draw_line(&out, values, n);
    cr_assert_str_eq(buf_cstr(&out), expected);
    buf_free(&out);
}

Test(page_drawing, a_line_ends_at_the_right_and_peaks_at_the_top)
{
    assert_line(NULL, 0, "");
    assert_line((const uint64_t[]){7}, 1, "116,2.0 118,2.0");
    assert_line((const uint64_t[]){0}, 1, "116,58.0 118,58.0");
    assert_line((const uint64_t[]){0, 2, 1}, 3, "114,58.0 116,2.0 118,30.0");
    assert_line((const uint64_t[]){UINT64_MAX, 0}, 2, "116,2.0 118,58.0");
}

Test(page_drawing, an_hour_fills_the_width)
{
    uint64_t values[PAGE_LINE_POINTS] = {0};
    struct buf out = BUF_INIT;
    page_draw_line(&out, values, PAGE_LINE_POINTS);
    cr_assert_eq(count(buf_cstr(&out), ','), PAGE_LINE_POINTS);
    cr_assert_eq(strncmp(buf_cstr(&out), "0,58.0 2,58.0 ", 14), 0);
    buf_free(&out);
}
