/* page_drawing.h: numbers drawn for the pages' SVG, as the values of `d` and `points` attributes:
 * templates have no loops, and what they show is always escaped. */
#ifndef SIGPOST_GATEWAY_PAGE_DRAWING_H
#define SIGPOST_GATEWAY_PAGE_DRAWING_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

/* More places than this are not drawn. */
#define PAGE_PLACES_MAX 60

/* Appends `d` of a path with `n` places, the first of which is the place number `first`: squares of
 * 28 with a gap of 8, ten in a row. With a person in each when `taken`. */
void page_draw_places(struct buf *out, unsigned first, unsigned n, bool taken);

/* Width and height of `n` places, at least one, with room for an outline: the upper left corner is
 * at -1,-1. */
void page_places_size(unsigned n, unsigned *width, unsigned *height);

#define PAGE_LINE_POINTS 60

/* Appends `points` of a polyline: up to 60 values, the last at the right end, in a box of 118 by
 * 60, with the highest value at the top. One value is a line, too. */
void page_draw_line(struct buf *out, const uint64_t *values, size_t n);

#endif
