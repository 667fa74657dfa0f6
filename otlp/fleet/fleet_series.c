/* fleet_series.c: the metrics and series of the fleet, each kept in the order in which they are
 * shown, and the caps on them. Looked up only when a stream is new: a stream knows its series.
 */
#include "otlp/fleet/fleet_internal.h"

#include "otlp/fleet/fleet_names.h"

#include <math.h>
#include <stdlib.h>

void fleet_total_add(struct fleet_total *total, double step)
{
    double sum = total->sum + step;
    if (fabs(total->sum) >= fabs(step)) {
        total->lost += (total->sum - sum) + step;
    } else {
        total->lost += (step - sum) + total->sum;
    }
    total->sum = sum;
}

/* Makes room for one more pointer. */
static bool grow(void **items, size_t n, size_t *cap)
{
    if (n < *cap) {
        return true;
    }
    size_t wanted = *cap == 0 ? 8 : *cap * 2;
    void *grown = realloc(*items, wanted * sizeof(void *));
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *cap = wanted;
    return true;
}

/* Where the family is, or would be put. */
static size_t family_place(const struct fleet *f, struct slice name, bool *found)
{
    size_t low = 0;
    size_t high = f->counts.metrics;
    *found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *other = f->families[middle]->name;
        int order = strncmp(other, name.data, name.len);
        if (order == 0) {
            order = other[name.len] != '\0';
        }
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* A histogram `a` has samples a_bucket, a_sum, a_count: no other metric may be called so. */
static bool names_clash(struct fleet *f, struct slice name, enum fleet_kind kind)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    bool found = false;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        struct slice suffix = slice_of(suffixes[i]);
        if (name.len > suffix.len &&
            memcmp(name.data + name.len - suffix.len, suffix.data, suffix.len) == 0) {
            size_t at = family_place(f, slice_make(name.data, name.len - suffix.len), &found);
            if (found && f->families[at]->kind == FLEET_HISTOGRAM) {
                return true;
            }
        }
        if (kind == FLEET_HISTOGRAM) {
            char longer[2 * FLEET_NAME_MAX + 16];
            if (name.len + suffix.len > sizeof(longer)) {
                return true;
            }
            memcpy(longer, name.data, name.len);
            memcpy(longer + name.len, suffix.data, suffix.len);
            family_place(f, slice_make(longer, name.len + suffix.len), &found);
            if (found) {
                return true;
            }
        }
    }
    return false;
}

static void free_family(struct fleet_family *family)
{
    if (family != NULL) {
        free(family->name);
        free(family->help);
        free(family->series);
        free(family);
    }
}

static struct fleet_family *make_family(struct slice name, struct slice help, enum fleet_kind kind)
{
    struct fleet_family *family = calloc(1, sizeof(*family));
    if (family == NULL) {
        return NULL;
    }
    size_t help_len = help.len;
    if (help_len > FLEET_HELP_MAX) {
        help_len = FLEET_HELP_MAX;
        while (help_len > 0 && ((unsigned char)help.data[help_len] & 0xc0) == 0x80) {
            help_len--;
        }
    }
    family->kind = kind;
    family->name = strndup(name.data, name.len);
    family->help = help_len > 0 ? strndup(help.data, help_len) : strdup("");
    if (family->name == NULL || family->help == NULL) {
        free_family(family);
        return NULL;
    }
    return family;
}

enum fleet_refusal fleet_family_open(struct fleet *f, struct slice name, struct slice help,
                                     enum fleet_kind kind, struct fleet_family **out)
{
    bool found = false;
    size_t at = family_place(f, name, &found);
    *out = NULL;
    if (found) {
        *out = f->families[at]->kind == kind ? f->families[at] : NULL;
        return *out != NULL ? FLEET_ACCEPTED : FLEET_TYPE;
    }
    if (names_clash(f, name, kind)) {
        return FLEET_TYPE;
    }
    if (f->counts.metrics == FLEET_METRICS_MAX) {
        return FLEET_METRICS;
    }
    void *families = f->families;
    if (!grow(&families, f->counts.metrics, &f->families_cap)) {
        return FLEET_MEMORY;
    }
    f->families = families;
    struct fleet_family *family = make_family(name, help, kind);
    if (family == NULL) {
        return FLEET_MEMORY;
    }
    memmove(&f->families[at + 1], &f->families[at],
            (f->counts.metrics - at) * sizeof(struct fleet_family *));
    f->families[at] = family;
    f->counts.metrics++;
    *out = family;
    return FLEET_ACCEPTED;
}

/* Where the series is, or would be put. */
static size_t series_place(const struct fleet_family *family, struct slice labels, bool *found)
{
    size_t low = 0;
    size_t high = family->n;
    *found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct fleet_series *other = family->series[middle];
        int order = fleet_labels_compare(slice_make(other->labels, other->labels_len), labels);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct fleet_series *make_series(struct fleet_family *family, struct slice labels,
                                        const double *bounds, size_t n_bounds)
{
    struct fleet_series *series = calloc(1, sizeof(*series) + labels.len);
    if (series == NULL) {
        return NULL;
    }
    if (family->kind == FLEET_HISTOGRAM) {
        series->cells = calloc(n_bounds * 2 + 1, sizeof(uint64_t));
        if (series->cells == NULL) {
            free(series);
            return NULL;
        }
        series->n_bounds = (uint32_t)n_bounds;
        series->bounds = (double *)(void *)(series->cells + n_bounds + 1);
        if (n_bounds > 0) {
            memcpy(series->bounds, bounds, n_bounds * sizeof(double));
        }
    }
    series->family = family;
    series->labels_len = labels.len;
    if (labels.len > 0) {
        memcpy(series->labels, labels.data, labels.len);
    }
    return series;
}

struct fleet_series *fleet_series_add(struct fleet *f, struct fleet_family *family,
                                      struct slice labels, const double *bounds, size_t n_bounds)
{
    void *all = f->series;
    void *own = family->series;
    bool grown = grow(&all, f->n_series, &f->series_cap);
    f->series = all;
    grown = grow(&own, family->n, &family->cap) && grown;
    family->series = own;
    struct fleet_series *series = grown ? make_series(family, labels, bounds, n_bounds) : NULL;
    if (series == NULL) {
        return NULL;
    }
    series->id = (uint32_t)f->n_series;
    f->series[f->n_series++] = series;
    if (slice_eq(labels, fleet_labels_overflow())) {
        family->overflow = series;
        return series;
    }
    bool found = false;
    size_t at = series_place(family, labels, &found);
    memmove(&family->series[at + 1], &family->series[at],
            (family->n - at) * sizeof(struct fleet_series *));
    family->series[at] = series;
    family->n++;
    f->counts.series++;
    return series;
}

/* The series of the point's labels, or the overflow series past a cap; made when it is not there.
 * A label set that does not fit, or for which memory ran out, overflows too: the sum stays whole.
 */
static struct fleet_series *series_of(struct fleet *f, struct fleet_family *family,
                                      const struct fleet_point *point)
{
    struct slice overflow = fleet_labels_overflow();
    struct slice labels = overflow;
    buf_clear(&f->labels);
    if (fleet_labels_build(&f->labels, &f->names, &f->options.rules, point->attributes,
                           f->resource)) {
        labels = buf_slice(&f->labels);
    }
    if (!slice_eq(labels, overflow)) {
        bool found = false;
        size_t at = series_place(family, labels, &found);
        if (found) {
            return family->series[at];
        }
        if (family->n >= f->options.max_series || f->counts.series >= FLEET_SERIES_MAX) {
            labels = overflow;
        }
    }
    if (slice_eq(labels, overflow)) {
        f->counts.overflowed++;
        if (family->overflow != NULL) {
            return family->overflow;
        }
    }
    return fleet_series_add(f, family, labels, point->bounds, point->n_bounds);
}

enum fleet_refusal fleet_series_find(struct fleet *f, const struct fleet_point *point,
                                     struct fleet_series **out)
{
    const struct fleet_metric *metric = &f->metric;
    struct fleet_family *family = NULL;
    *out = NULL;
    buf_clear(&f->scratch);
    if (!fleet_metric_name(&f->scratch, metric->name, metric->unit,
                           metric->kind == FLEET_COUNTER ? FLEET_NAME_COUNTER : FLEET_NAME_OTHER)) {
        return FLEET_NAME;
    }
    if (f->scratch.failed) {
        return FLEET_MEMORY;
    }
    enum fleet_refusal refused =
        fleet_family_open(f, buf_slice(&f->scratch), metric->description, metric->kind, &family);
    if (refused != FLEET_ACCEPTED) {
        return refused;
    }
    *out = series_of(f, family, point);
    return *out != NULL ? FLEET_ACCEPTED : FLEET_MEMORY;
}

void fleet_series_free_all(struct fleet *f)
{
    for (size_t i = 0; i < f->n_series; i++) {
        free(f->series[i]->cells);
        free(f->series[i]);
    }
    for (size_t i = 0; i < f->counts.metrics; i++) {
        free_family(f->families[i]);
    }
    free(f->series);
    free(f->families);
}
