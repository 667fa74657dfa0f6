/* fleet_fold.c: see fleet_fold.h. What a stream grew by, added to its series. Nothing is changed
 * until everything about a point was checked, so that a refused point leaves no trace but its
 * count.
 */
#include "otlp/fleet/fleet_internal.h"

#include <math.h>
#include <stdlib.h>

const char *fleet_refusal_word(enum fleet_refusal refusal)
{
    static const char *const words[FLEET_REFUSAL_COUNT] = {
        [FLEET_ACCEPTED] = "accepted",
        [FLEET_GAUGE] = "gauge",
        [FLEET_SUMMARY] = "summary",
        [FLEET_EXPONENTIAL] = "exponential_histogram",
        [FLEET_TEMPORALITY] = "temporality",
        [FLEET_VALUE] = "value",
        [FLEET_MALFORMED] = "malformed",
        [FLEET_BOUNDS] = "bounds",
        [FLEET_NAME] = "name",
        [FLEET_TYPE] = "type",
        [FLEET_METRICS] = "metrics",
        [FLEET_STREAMS] = "streams",
        [FLEET_ATTRIBUTES] = "attributes",
        [FLEET_DECODE] = "decode",
        [FLEET_MEMORY] = "memory",
    };
    return words[(unsigned)refusal < FLEET_REFUSAL_COUNT ? refusal : FLEET_MEMORY];
}

/* --- life ------------------------------------------------------------------------------------- */

static void free_list(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        free(list[i]);
    }
    free(list);
}

/* Ended by NULL. */
static char **copy_list(const char *const *list, size_t n)
{
    char **copy = calloc(n + 1, sizeof(char *));
    for (size_t i = 0; copy != NULL && i < n; i++) {
        copy[i] = strdup(list[i]);
        if (copy[i] == NULL) {
            free_list(copy);
            return NULL;
        }
    }
    return copy;
}

struct fleet *fleet_create(const struct fleet_options *options)
{
    struct fleet *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return NULL;
    }
    f->options = *options;
    f->resource_labels = copy_list(options->rules.resource, options->rules.n_resource);
    f->drop_labels = copy_list(options->rules.drop, options->rules.n_drop);
    if (f->resource_labels == NULL || f->drop_labels == NULL || !fleet_departed_open(f)) {
        fleet_destroy(f);
        return NULL;
    }
    f->options.rules.resource = (const char *const *)f->resource_labels;
    f->options.rules.drop = (const char *const *)f->drop_labels;
    return f;
}

void fleet_destroy(struct fleet *f)
{
    if (f == NULL) {
        return;
    }
    fleet_sessions_free_all(f);
    fleet_series_free_all(f);
    free_list(f->resource_labels);
    free_list(f->drop_labels);
    buf_free(&f->scratch);
    buf_free(&f->names);
    buf_free(&f->labels);
    free(f);
}

const struct fleet_counts *fleet_get_counts(const struct fleet *f)
{
    return &f->counts;
}

void fleet_refuse(struct fleet *f, enum fleet_refusal refusal, uint64_t points)
{
    f->counts.refused[refusal] += points;
}

/* --- what tells streams apart ----------------------------------------------------------------- */

static void put_text(struct buf *out, struct slice text)
{
    uint64_t len = text.len;
    buf_append(out, &len, sizeof(len));
    buf_append_slice(out, text);
}

/* Adds the set's hash to *sum; false when out of memory. The order of attributes is not an
 * identity: SDKs may change it. */
static bool join_attributes(struct fleet *f, struct fleet_hash *sum, char tag,
                            const struct fleet_attribute *items, size_t n, bool stamped_too)
{
    for (size_t i = 0; i < n; i++) {
        if (!stamped_too && fleet_is_stamped(items[i].key, '.')) {
            continue;
        }
        buf_clear(&f->scratch);
        buf_append_char(&f->scratch, tag);
        buf_append_char(&f->scratch, items[i].type);
        put_text(&f->scratch, items[i].key);
        put_text(&f->scratch, items[i].value);
        if (f->scratch.failed) {
            return false;
        }
        fleet_hash_join(sum, fleet_hash(f->options.seed, f->scratch.data, f->scratch.len));
    }
    return true;
}

void fleet_resource(struct fleet *f, struct slice session, int64_t arrived_ns,
                    struct fleet_attributes attributes)
{
    fleet_sessions_expire(f, arrived_ns);
    f->arrived_ns = arrived_ns;
    f->resource = attributes;
    f->resource_hash = (struct fleet_hash){0, 0};
    f->metric = (struct fleet_metric){0};
    f->session = NULL;
    f->refused = FLEET_ATTRIBUTES;
    if (attributes.n <= FLEET_ATTRIBUTES_MAX) {
        bool hashed =
            join_attributes(f, &f->resource_hash, 'r', attributes.items, attributes.n, false);
        f->session = hashed ? fleet_session_touch(f, session, arrived_ns) : NULL;
        f->refused = f->session != NULL ? FLEET_ACCEPTED : FLEET_MEMORY;
    }
}

void fleet_expire(struct fleet *f, int64_t now_ns)
{
    fleet_sessions_expire(f, now_ns);
}

/* Adds what a scope seldom has to the stream's hash; false when out of memory. One without either
 * adds nothing, so that snapshots from before these were told apart hold its streams still. */
static bool join_scope(struct fleet *f, const struct fleet_metric *metric)
{
    struct fleet_attributes attributes = metric->scope_attributes;
    const struct fleet_attribute schema = {SLICE_LIT(""), metric->scope_schema_url, 0};
    if (attributes.n > FLEET_ATTRIBUTES_MAX) {
        return true; /* check_point refuses its points */
    }
    return join_attributes(f, &f->stream_hash, 's', attributes.items, attributes.n, true) &&
           join_attributes(f, &f->stream_hash, 'u', &schema, schema.value.len > 0 ? 1 : 0, true);
}

void fleet_metric(struct fleet *f, const struct fleet_metric *metric)
{
    f->metric = *metric;
    buf_clear(&f->scratch);
    buf_append_char(&f->scratch, 'm');
    buf_append_char(&f->scratch, (char)('0' + metric->kind));
    buf_append_char(&f->scratch, metric->is_delta ? 'd' : 'c');
    put_text(&f->scratch, metric->scope_name);
    put_text(&f->scratch, metric->scope_version);
    put_text(&f->scratch, metric->name);
    put_text(&f->scratch, metric->unit);
    f->stream_hash = f->resource_hash;
    fleet_hash_join(&f->stream_hash, fleet_hash(f->options.seed, f->scratch.data, f->scratch.len));
    if (f->scratch.failed || !join_scope(f, metric)) {
        f->refused = FLEET_MEMORY;
    }
}

/* --- folding ---------------------------------------------------------------------------------- */

/* What a point adds to its series. The difference of two values is added as two, for it would be
 * rounded, and what an up-down sum takes back must be just what it gave. */
struct step {
    double plus, minus; /* to the total */
    double last;        /* the stream's new last value */
    uint64_t count;     /* histograms: to the count */
    bool whole;         /* cells are added as they are, not their growth */
};

/* Up-down sums are bounded well below what a double holds, for they also go back: whatever is taken
 * away, and in whatever order, 2^43 streams of them have a finite sum. */
static bool is_bounded(enum fleet_kind kind, double value)
{
    return isfinite(value) && (kind != FLEET_UPDOWN || fabs(value) <= FLEET_UPDOWN_MAX);
}

/* Do counts and bounds fit each other? */
static enum fleet_refusal check_histogram(const struct fleet_point *point)
{
    uint64_t sum = 0;
    if (point->n_bounds > FLEET_BOUNDS_MAX || point->n_cells != point->n_bounds + 1) {
        return FLEET_MALFORMED;
    }
    for (size_t i = 0; i < point->n_bounds; i++) {
        if (!isfinite(point->bounds[i]) || (i > 0 && point->bounds[i] <= point->bounds[i - 1])) {
            return FLEET_MALFORMED;
        }
    }
    for (size_t i = 0; i < point->n_cells; i++) {
        if (__builtin_add_overflow(sum, point->cells[i], &sum)) {
            return FLEET_MALFORMED;
        }
    }
    return sum == point->count ? FLEET_ACCEPTED : FLEET_MALFORMED;
}

static enum fleet_refusal check_point(const struct fleet *f, const struct fleet_point *point)
{
    if (f->refused != FLEET_ACCEPTED) {
        return f->refused;
    }
    if (point->attributes.n > FLEET_ATTRIBUTES_MAX ||
        f->metric.scope_attributes.n > FLEET_ATTRIBUTES_MAX) {
        return FLEET_ATTRIBUTES;
    }
    if (!is_bounded(f->metric.kind, point->value) ||
        (f->metric.kind == FLEET_COUNTER && point->value < 0)) {
        return FLEET_VALUE;
    }
    return f->metric.kind == FLEET_HISTOGRAM ? check_histogram(point) : FLEET_ACCEPTED;
}

static bool same_bounds(const struct fleet_series *series, const struct fleet_point *point)
{
    if (series->cells == NULL) {
        return true;
    }
    if (series->n_bounds != point->n_bounds) {
        return false;
    }
    for (size_t i = 0; i < point->n_bounds; i++) {
        if (series->bounds[i] != point->bounds[i]) {
            return false;
        }
    }
    return true;
}

/* Did what the stream counts begin anew? A start time of 0 is an unknown one. */
static bool was_reset(const struct fleet *f, const struct fleet_stream *stream,
                      const struct fleet_point *point)
{
    if (point->start_ns > stream->start_ns && stream->start_ns != 0) {
        return true;
    }
    if (f->metric.kind == FLEET_COUNTER) {
        return point->value < stream->last;
    }
    for (size_t i = 0; i < point->n_cells; i++) {
        if (point->cells[i] < stream->cells[i]) {
            return true;
        }
    }
    return false;
}

/* stream: NULL for a new one. */
static struct step measure(const struct fleet *f, const struct fleet_stream *stream,
                           const struct fleet_point *point)
{
    struct step step = {point->value, 0, point->value, point->count, true};
    if (stream == NULL) {
        return step;
    }
    if (f->metric.kind == FLEET_UPDOWN) {
        step.last = f->metric.is_delta ? stream->last + point->value : point->value;
        step.plus = step.last;
        step.minus = stream->last;
    } else if (!f->metric.is_delta && !was_reset(f, stream, point)) {
        step.whole = false;
        step.minus = stream->last;
        for (size_t i = 0; stream->series->cells != NULL && i < point->n_cells; i++) {
            step.count -= stream->cells[i];
        }
    }
    return step;
}

static bool fits(const struct fleet_series *series, const struct step *step)
{
    return is_bounded(series->family->kind, step->last) &&
           isfinite(series->total.sum + step->plus) &&
           isfinite(series->total.sum + step->plus - step->minus) &&
           series->count <= UINT64_MAX - step->count;
}

static void apply(struct fleet_stream *stream, const struct step *step,
                  const struct fleet_point *point, uint64_t time_ns)
{
    struct fleet_series *series = stream->series;
    fleet_total_add(&series->total, step->plus);
    fleet_total_add(&series->total, -step->minus);
    stream->last = step->last;
    stream->time_ns = time_ns;
    if (point->start_ns > stream->start_ns) {
        stream->start_ns = point->start_ns;
    }
    if (series->cells == NULL) {
        return;
    }
    series->count += step->count;
    for (size_t i = 0; i < point->n_cells; i++) {
        series->cells[i] += point->cells[i] - (step->whole ? 0 : stream->cells[i]);
        stream->cells[i] = point->cells[i];
    }
}

/* Of a session that came back, a stream that began before it went: its value, or most of it, was
 * added then. */
static bool was_counted(const struct fleet *f, const struct fleet_point *point)
{
    return f->session->returned_ns != 0 && f->metric.kind != FLEET_UPDOWN && !f->metric.is_delta &&
           point->start_ns != 0 && point->start_ns <= (uint64_t)f->session->returned_ns;
}

/* Keeps the point as the stream's last, adding nothing. */
static void keep(struct fleet_stream *stream, const struct fleet_point *point, uint64_t time_ns)
{
    stream->last = point->value;
    stream->start_ns = point->start_ns;
    stream->time_ns = time_ns;
    if (stream->series->cells != NULL) {
        memcpy(stream->cells, point->cells, point->n_cells * sizeof(point->cells[0]));
    }
}

static enum fleet_refusal fold_new(struct fleet *f, struct fleet_hash hash,
                                   const struct fleet_point *point, uint64_t time_ns)
{
    struct fleet_series *series = NULL;
    struct step step = measure(f, NULL, point);
    if (f->session->n >= f->options.max_streams) {
        return FLEET_STREAMS;
    }
    enum fleet_refusal refused = fleet_series_find(f, point, &series);
    if (refused != FLEET_ACCEPTED) {
        return refused;
    }
    if (!same_bounds(series, point)) {
        return FLEET_BOUNDS;
    }
    if (!fits(series, &step)) {
        return FLEET_VALUE;
    }
    struct fleet_stream *stream = fleet_stream_add(f, f->session, hash, series);
    if (stream == NULL) {
        return FLEET_MEMORY;
    }
    if (was_counted(f, point)) {
        keep(stream, point, time_ns);
        f->counts.resumed++;
    } else {
        apply(stream, &step, point, time_ns);
        f->counts.folded++;
    }
    fleet_sessions_trim(f, f->session);
    return FLEET_ACCEPTED;
}

static enum fleet_refusal fold_known(struct fleet *f, struct fleet_stream *stream,
                                     const struct fleet_point *point, uint64_t time_ns)
{
    if (!same_bounds(stream->series, point)) {
        return FLEET_BOUNDS;
    }
    if (time_ns <= stream->time_ns) {
        f->counts.late++;
        return FLEET_ACCEPTED;
    }
    struct step step = measure(f, stream, point);
    if (!fits(stream->series, &step)) {
        return FLEET_VALUE;
    }
    apply(stream, &step, point, time_ns);
    f->counts.folded++;
    return FLEET_ACCEPTED;
}

enum fleet_refusal fleet_point(struct fleet *f, const struct fleet_point *point)
{
    struct fleet_point whole = *point;
    if (f->metric.kind == FLEET_HISTOGRAM && whole.n_cells == 0 && whole.n_bounds == 0) {
        whole.cells = &whole.count; /* a histogram without buckets is one of a single bucket */
        whole.n_cells = 1;
    }
    enum fleet_refusal refused = check_point(f, &whole);
    if (refused == FLEET_ACCEPTED) {
        uint64_t time_ns = whole.time_ns != 0 ? whole.time_ns : (uint64_t)f->arrived_ns;
        struct fleet_hash hash = f->stream_hash;
        bool hashed =
            join_attributes(f, &hash, 'p', whole.attributes.items, whole.attributes.n, true);
        struct fleet_stream *stream = hashed ? fleet_stream_find(f->session, hash) : NULL;
        if (!hashed) {
            refused = FLEET_MEMORY;
        } else if (stream != NULL) {
            refused = fold_known(f, stream, &whole, time_ns);
        } else {
            refused = fold_new(f, hash, &whole, time_ns);
        }
    }
    if (refused != FLEET_ACCEPTED) {
        f->counts.refused[refused]++;
    }
    return refused;
}
