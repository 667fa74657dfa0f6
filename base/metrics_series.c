/* metrics_series.c: one series: its cells, its labels, counting and adding up.
 *
 * A series has 16 shards, each on cache lines of its own; a thread counts on the shard that it was
 * given at its first count, so that up to 16 threads never share a line. A counter costs 1 KiB, a
 * histogram of n bounds 1 KiB for each eight of n + 2 cells. A gauge is one cell: the last value
 * set wins. Scrapes add the shards up without stopping anyone; a histogram's count is the sum of
 * its buckets, so that each scrape agrees with itself.
 */
#include "base/metrics_series.h"

#include <math.h>
#include <stdlib.h>

#define SHARDS 16
#define CELLS_PER_LINE 8 /* of 8 bytes: 64 */

static atomic_uint next_shard;
static _Thread_local unsigned my_shard = SHARDS;

static cell *shard_of(const struct metric *series)
{
    if (my_shard == SHARDS) {
        my_shard = atomic_fetch_add_explicit(&next_shard, 1, memory_order_relaxed) % SHARDS;
    }
    return series->cells + (size_t)my_shard * series->stride;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

void series_free(struct metric *series)
{
    if (series != NULL) {
        free(series->cells);
        free(series->text);
        free(series);
    }
}

struct metric *series_new(enum metric_type type, const double *bounds, size_t n_bounds)
{
    struct metric *series = calloc(1, sizeof(*series));
    if (series == NULL) {
        return NULL;
    }
    size_t used = type == HISTOGRAM ? n_bounds + 2 : 1;
    series->type = type;
    series->bounds = bounds;
    series->n_bounds = n_bounds;
    series->stride = (used + CELLS_PER_LINE - 1) / CELLS_PER_LINE * CELLS_PER_LINE;
    size_t n_cells = series->stride * (type == GAUGE ? 1 : SHARDS);
    series->cells = aligned_alloc(64, n_cells * sizeof(cell));
    if (series->cells == NULL) {
        free(series);
        return NULL;
    }
    for (size_t i = 0; i < n_cells; i++) {
        atomic_init(&series->cells[i], 0);
    }
    return series;
}

size_t series_sort_labels(const char *const *pairs, struct exposition_label out[SERIES_MAX_LABELS])
{
    size_t n = 0;
    for (; pairs != NULL && pairs[0] != NULL && pairs[1] != NULL; pairs += 2) {
        if (n == SERIES_MAX_LABELS) {
            return SERIES_MAX_LABELS + 1;
        }
        size_t at = n++;
        for (; at > 0 && strcmp(out[at - 1].name.data, pairs[0]) > 0; at--) {
            out[at] = out[at - 1];
        }
        out[at] = (struct exposition_label){slice_of(pairs[0]), slice_of(pairs[1])};
    }
    return n;
}

bool series_has_labels(const struct metric *series, const struct exposition_label *labels,
                       size_t n_labels)
{
    if (series->n_labels != n_labels) {
        return false;
    }
    for (size_t i = 0; i < n_labels; i++) {
        if (!slice_eq(series->labels[i].value, labels[i].value) ||
            !slice_eq(series->labels[i].name, labels[i].name)) {
            return false;
        }
    }
    return true;
}

bool series_copy_labels(struct metric *series, const struct exposition_label *labels, size_t n)
{
    size_t len = 1;
    for (size_t i = 0; i < n; i++) {
        len += labels[i].name.len + labels[i].value.len;
    }
    char *to = malloc(len);
    if (to == NULL) {
        return false;
    }
    series->text = to;
    series->n_labels = n;
    for (size_t i = 0; i < n; i++) {
        const struct slice from[2] = {labels[i].name, labels[i].value};
        struct slice *const into[2] = {&series->labels[i].name, &series->labels[i].value};
        for (int part = 0; part < 2; part++) {
            memcpy(to, from[part].data, from[part].len);
            *into[part] = slice_make(to, from[part].len);
            to += from[part].len;
        }
    }
    return true;
}

void metric_add(struct metric *counter, uint64_t n)
{
    if (counter->type == COUNTER) {
        atomic_fetch_add_explicit(shard_of(counter), n, memory_order_relaxed);
    }
}

void metric_set(struct metric *gauge, double value)
{
    if (gauge->type == GAUGE) {
        atomic_store_explicit(gauge->cells, bits_of(value), memory_order_relaxed);
    }
}

void metric_observe(struct metric *histogram, double value)
{
    if (histogram->type != HISTOGRAM || isnan(value)) {
        return; /* one NaN would spoil the sum for good */
    }
    cell *shard = shard_of(histogram);
    size_t bucket = 0;
    while (bucket < histogram->n_bounds && value > histogram->bounds[bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&shard[bucket], 1, memory_order_relaxed);
    cell *sum = &shard[histogram->n_bounds + 1];
    uint64_t was = atomic_load_explicit(sum, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(sum, &was, bits_of(double_of(was) + value),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

/* The sum of cell `at` over all shards. */
static uint64_t sum_cells(const struct metric *series, size_t at)
{
    uint64_t sum = 0;
    for (size_t shard = 0; shard < SHARDS; shard++) {
        sum +=
            atomic_load_explicit(&series->cells[shard * series->stride + at], memory_order_relaxed);
    }
    return sum;
}

double metric_value(const struct metric *series)
{
    if (series->type == GAUGE) {
        return double_of(atomic_load_explicit(series->cells, memory_order_relaxed));
    }
    uint64_t sum = 0;
    for (size_t i = 0; i <= series->n_bounds; i++) {
        sum += sum_cells(series, i);
    }
    return (double)sum;
}

void series_render_histogram(const struct metric *series, struct slice name, uint64_t *counts,
                             struct buf *out)
{
    double sum = 0;
    for (size_t i = 0; i <= series->n_bounds; i++) {
        counts[i] = sum_cells(series, i);
    }
    for (size_t shard = 0; shard < SHARDS; shard++) {
        const cell *at = &series->cells[shard * series->stride + series->n_bounds + 1];
        sum += double_of(atomic_load_explicit(at, memory_order_relaxed));
    }
    exposition_histogram(out, name, series->labels, series->n_labels, series->bounds, counts,
                         series->n_bounds, sum);
}
