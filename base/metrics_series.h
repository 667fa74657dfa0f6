/* metrics_series.h: one series of base/metrics; internal to it. */
#ifndef SIGPOST_BASE_METRICS_SERIES_H
#define SIGPOST_BASE_METRICS_SERIES_H

#include "base/exposition.h"
#include "base/metrics.h"

#include <stdatomic.h>

#define SERIES_MAX_LABELS 16

enum metric_type { COUNTER, GAUGE, HISTOGRAM };

typedef _Atomic uint64_t cell;

struct metric {
    enum metric_type type;
    size_t n_bounds;
    const double *bounds; /* the family's */
    cell *cells;          /* owned; SHARDS * stride, or 1 line for a gauge */
    size_t stride;        /* cells a shard, whole cache lines; histogram: buckets, then the sum */
    size_t n_labels;
    struct exposition_label labels[SERIES_MAX_LABELS]; /* sorted by name; point into text */
    char *text;                                        /* owned */
    struct metric *next;
};

/* bounds are borrowed for the series' life. NULL when out of memory. */
struct metric *series_new(enum metric_type type, const double *bounds, size_t n_bounds);
void series_free(struct metric *series);

/* Sorts pairs (as of METRIC_LABELS) by name, so that one set of labels is one series in whatever
 * order it is given. Returns their number, or SERIES_MAX_LABELS + 1 when there are too many. The
 * texts are borrowed. */
size_t series_sort_labels(const char *const *pairs, struct exposition_label out[SERIES_MAX_LABELS]);
bool series_has_labels(const struct metric *series, const struct exposition_label *labels,
                       size_t n_labels);
bool series_copy_labels(struct metric *series, const struct exposition_label *labels, size_t n);

/* counts: room for n_bounds + 1. */
void series_render_histogram(const struct metric *series, struct slice name, uint64_t *counts,
                             struct buf *out);

#endif
