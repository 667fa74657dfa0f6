/* page_drawing.c: see page_drawing.h. */
#include "gateway/page_drawing.h"

#define PITCH 36
#define SIDE 28
#define OUTLINE 2
#define PER_ROW 10
#define STEP 2
#define TOP 2
#define BOTTOM 58

/* Drawn from the upper left corner on. The second part, a head and shoulders, is a hole under
 * fill-rule evenodd. */
static const char square[] = "m6 0h16a6 6 0 0 1 6 6v16a6 6 0 0 1-6 6h-16a6 6 0 0 1-6-6v-16"
                             "a6 6 0 0 1 6-6z";
static const char person[] = "m8 5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9z"
                             "m-8 18a8 7 0 0 1 16 0z";

void page_draw_places(struct buf *out, unsigned first, unsigned n, bool taken)
{
    for (unsigned i = first; i < first + n; i++) {
        buf_printf(out, "M%u %u", i % PER_ROW * PITCH, i / PER_ROW * PITCH);
        buf_append_str(out, square);
        if (taken) {
            buf_append_str(out, person);
        }
    }
}

void page_places_size(unsigned n, unsigned *width, unsigned *height)
{
    unsigned columns = n < PER_ROW ? n : PER_ROW;
    *width = columns * PITCH - (PITCH - SIDE) + OUTLINE;
    *height = (n + PER_ROW - 1) / PER_ROW * PITCH - (PITCH - SIDE) + OUTLINE;
}

static void draw_point(struct buf *out, size_t x, uint64_t value, uint64_t peak)
{
    double share = peak == 0 ? 0 : (double)value / (double)peak;
    buf_printf(out, "%s%zu,%.1f", out->len == 0 ? "" : " ", x, BOTTOM - share * (BOTTOM - TOP));
}

void page_draw_line(struct buf *out, const uint64_t *values, size_t n)
{
    uint64_t peak = 0;
    for (size_t i = 0; i < n; i++) {
        peak = values[i] > peak ? values[i] : peak;
    }
    if (n == 1) {
        draw_point(out, (size_t)(PAGE_LINE_POINTS - 2) * STEP, values[0], peak);
    }
    for (size_t i = 0; i < n; i++) {
        draw_point(out, (PAGE_LINE_POINTS - n + i) * STEP, values[i], peak);
    }
}
