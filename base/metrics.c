/* metrics.c: see metrics.h.
 *
 * A series has 16 shards, each on cache lines of its own; a thread counts on the shard that it was
 * given at its first count, so that up to 16 threads never share a line. A counter costs 1 KiB, a
 * histogram of n bounds 1 KiB for each eight of n + 2 cells. A gauge is one cell: the last value
 * set wins. Scrapes add the shards up without stopping anyone; a histogram's count is the sum of
 * its buckets, so that each scrape agrees with itself.
 */
#include "base/metrics.h"

#include "base/exposition.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SHARDS 16
#define CELLS_PER_LINE 8 /* of 8 bytes: 64 */
#define MAX_SERIES_PER_FAMILY 1000
#define MAX_LABELS 16

enum metric_type { COUNTER, GAUGE, HISTOGRAM };

typedef _Atomic uint64_t cell;

struct metric {
    enum metric_type type;
    size_t n_bounds;
    const double *bounds; /* the family's */
    cell *cells;          /* owned; SHARDS * stride, or 1 line for a gauge */
    size_t stride;        /* cells a shard, whole cache lines; histogram: buckets, then the sum */
    size_t n_labels;
    struct exposition_label labels[MAX_LABELS]; /* sorted by name; point into text */
    char *text;                                 /* owned */
    struct metric *next;
};

struct family {
    char *name; /* owned */
    char *help; /* owned */
    enum metric_type type;
    double *bounds; /* owned */
    size_t n_bounds;
    size_t n_series;
    struct metric *first;
    struct metric **last;
    struct family *next;
};

struct hook {
    void (*call)(void *arg);
    void *arg;
    struct hook *next;
};

struct metrics {
    pthread_mutex_t lock;   /* the lists */
    pthread_mutex_t scrape; /* hooks run one scrape at a time */
    struct family *first;
    struct family **last;
    struct hook *first_hook;
    struct hook **last_hook;
    struct metric *spare[HISTOGRAM + 1]; /* what is counted but not shown */
};

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

static void series_free(struct metric *series)
{
    if (series != NULL) {
        free(series->cells);
        free(series->text);
        free(series);
    }
}

static struct metric *series_new(enum metric_type type, const double *bounds, size_t n_bounds)
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

struct metrics *metrics_create(void)
{
    struct metrics *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return NULL;
    }
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->scrape, NULL);
    m->last = &m->first;
    m->last_hook = &m->first_hook;
    for (int type = COUNTER; type <= HISTOGRAM; type++) {
        m->spare[type] = series_new((enum metric_type)type, NULL, 0);
        if (m->spare[type] == NULL) {
            metrics_destroy(m);
            return NULL;
        }
    }
    return m;
}

static void family_free(struct family *family)
{
    struct metric *series = family->first;
    while (series != NULL) {
        struct metric *next = series->next;
        series_free(series);
        series = next;
    }
    free(family->name);
    free(family->help);
    free(family->bounds);
    free(family);
}

void metrics_destroy(struct metrics *m)
{
    if (m == NULL) {
        return;
    }
    struct family *family = m->first;
    while (family != NULL) {
        struct family *next = family->next;
        family_free(family);
        family = next;
    }
    struct hook *hook = m->first_hook;
    while (hook != NULL) {
        struct hook *next = hook->next;
        free(hook);
        hook = next;
    }
    for (int type = COUNTER; type <= HISTOGRAM; type++) {
        series_free(m->spare[type]);
    }
    pthread_mutex_destroy(&m->scrape);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* Sorted by name, so that one set of labels is one series in whatever order it is given. Returns
 * the number of labels, or MAX_LABELS + 1 when there are too many. Borrows the texts. */
static size_t sort_labels(const char *const *pairs, struct exposition_label out[MAX_LABELS])
{
    size_t n = 0;
    for (; pairs != NULL && pairs[0] != NULL && pairs[1] != NULL; pairs += 2) {
        if (n == MAX_LABELS) {
            return MAX_LABELS + 1;
        }
        size_t at = n++;
        for (; at > 0 && strcmp(out[at - 1].name.data, pairs[0]) > 0; at--) {
            out[at] = out[at - 1];
        }
        out[at] = (struct exposition_label){slice_of(pairs[0]), slice_of(pairs[1])};
    }
    return n;
}

static bool same_labels(const struct metric *series, const struct exposition_label *labels,
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

static bool copy_labels(struct metric *series, const struct exposition_label *labels, size_t n)
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

static struct family *family_find(const struct metrics *m, const char *name)
{
    struct family *family = m->first;
    while (family != NULL && strcmp(family->name, name) != 0) {
        family = family->next;
    }
    return family;
}

static struct family *family_add(struct metrics *m, enum metric_type type, const char *name,
                                 const char *help, const double *bounds, size_t n_bounds)
{
    struct family *family = calloc(1, sizeof(*family));
    if (family == NULL) {
        return NULL;
    }
    family->type = type;
    family->last = &family->first;
    family->n_bounds = n_bounds;
    family->name = strdup(name);
    family->help = strdup(help);
    family->bounds = calloc(n_bounds + 1, sizeof(double));
    if (family->name == NULL || family->help == NULL || family->bounds == NULL) {
        family_free(family);
        return NULL;
    }
    if (n_bounds != 0) {
        memcpy(family->bounds, bounds, n_bounds * sizeof(double));
    }
    *m->last = family;
    m->last = &family->next;
    return family;
}

static struct metric *series_find_or_add(struct family *family,
                                         const struct exposition_label *labels, size_t n_labels)
{
    for (struct metric *series = family->first; series != NULL; series = series->next) {
        if (same_labels(series, labels, n_labels)) {
            return series;
        }
    }
    if (family->n_series >= MAX_SERIES_PER_FAMILY) {
        return NULL;
    }
    struct metric *series = series_new(family->type, family->bounds, family->n_bounds);
    if (series == NULL || !copy_labels(series, labels, n_labels)) {
        series_free(series);
        return NULL;
    }
    *family->last = series;
    family->last = &series->next;
    family->n_series++;
    return series;
}

static struct metric *look_up(struct metrics *m, enum metric_type type, const char *name,
                              const char *help, const char *const *pairs, const double *bounds,
                              size_t n_bounds)
{
    struct exposition_label labels[MAX_LABELS];
    struct metric *series = NULL;
    size_t n_labels = sort_labels(pairs, labels);
    if (n_labels <= MAX_LABELS) {
        pthread_mutex_lock(&m->lock);
        struct family *family = family_find(m, name);
        if (family == NULL) {
            family = family_add(m, type, name, help, bounds, n_bounds);
        }
        if (family != NULL && family->type == type) {
            series = series_find_or_add(family, labels, n_labels);
        }
        pthread_mutex_unlock(&m->lock);
    }
    return series != NULL ? series : m->spare[type];
}

struct metric *metrics_counter(struct metrics *m, const char *name, const char *help,
                               const char *const *labels)
{
    return look_up(m, COUNTER, name, help, labels, NULL, 0);
}

struct metric *metrics_gauge(struct metrics *m, const char *name, const char *help,
                             const char *const *labels)
{
    return look_up(m, GAUGE, name, help, labels, NULL, 0);
}

struct metric *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                 const char *const *labels, const double *bounds, size_t n_bounds)
{
    return look_up(m, HISTOGRAM, name, help, labels, bounds, n_bounds);
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

void metrics_on_scrape(struct metrics *m, void (*hook)(void *arg), void *arg)
{
    struct hook *added = malloc(sizeof(*added));
    if (added == NULL) {
        return;
    }
    *added = (struct hook){hook, arg, NULL};
    pthread_mutex_lock(&m->lock);
    *m->last_hook = added;
    m->last_hook = &added->next;
    pthread_mutex_unlock(&m->lock);
}

/* Hooks look series up, so they run without the list's lock; hooks are never taken away. */
static void run_hooks(struct metrics *m)
{
    pthread_mutex_lock(&m->lock);
    const struct hook *hook = m->first_hook;
    while (hook != NULL) {
        pthread_mutex_unlock(&m->lock);
        hook->call(hook->arg);
        pthread_mutex_lock(&m->lock);
        hook = hook->next;
    }
    pthread_mutex_unlock(&m->lock);
}

static void render_histogram(const struct family *family, const struct metric *series,
                             uint64_t *counts, struct buf *out)
{
    double sum = 0;
    for (size_t i = 0; i <= series->n_bounds; i++) {
        counts[i] = sum_cells(series, i);
    }
    for (size_t shard = 0; shard < SHARDS; shard++) {
        const cell *at = &series->cells[shard * series->stride + series->n_bounds + 1];
        sum += double_of(atomic_load_explicit(at, memory_order_relaxed));
    }
    exposition_histogram(out, slice_of(family->name), series->labels, series->n_labels,
                         series->bounds, counts, series->n_bounds, sum);
}

static void render_family(const struct family *family, struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    uint64_t *counts = calloc(family->n_bounds + 1, sizeof(*counts));
    if (counts == NULL) {
        out->failed = true;
        return;
    }
    exposition_family(out, slice_of(family->name), slice_of(family->help), types[family->type]);
    for (const struct metric *series = family->first; series != NULL; series = series->next) {
        if (family->type == HISTOGRAM) {
            render_histogram(family, series, counts, out);
        } else {
            exposition_sample(out, slice_of(family->name), "", series->labels, series->n_labels,
                              metric_value(series));
        }
    }
    free(counts);
}

void metrics_render(struct metrics *m, struct buf *out)
{
    pthread_mutex_lock(&m->scrape);
    run_hooks(m);
    pthread_mutex_lock(&m->lock);
    for (const struct family *family = m->first; family != NULL; family = family->next) {
        if (family->first != NULL) {
            render_family(family, out);
        }
    }
    pthread_mutex_unlock(&m->lock);
    pthread_mutex_unlock(&m->scrape);
}
