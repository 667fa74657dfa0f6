/* metrics.c: the registry: families in the order of their first registration, their series, and the
 * hooks that set gauges before a scrape. Counting itself takes no lock: see metrics_series.c. */
#include "base/metrics_series.h"

#include <pthread.h>
#include <stdlib.h>

#define MAX_SERIES_PER_FAMILY 1000

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
        if (series_has_labels(series, labels, n_labels)) {
            return series;
        }
    }
    if (family->n_series >= MAX_SERIES_PER_FAMILY) {
        return NULL;
    }
    struct metric *series = series_new(family->type, family->bounds, family->n_bounds);
    if (series == NULL || !series_copy_labels(series, labels, n_labels)) {
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
    struct exposition_label labels[SERIES_MAX_LABELS];
    struct metric *series = NULL;
    size_t n_labels = series_sort_labels(pairs, labels);
    if (n_labels <= SERIES_MAX_LABELS) {
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
            series_render_histogram(series, slice_of(family->name), counts, out);
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
