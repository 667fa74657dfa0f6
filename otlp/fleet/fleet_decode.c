/* fleet_decode.c: see fleet_decode.h. Attribute texts that are not strings are written one behind
 * the other into a buffer; because it moves while it grows, they become slices only when all are
 * written.
 */
#include "otlp/fleet/fleet_decode.h"

#include "otlp/fleet/fleet_arena.h"
#include "otlp/fleet/fleet_value.h"
#include "otlp/wire.h"

#include <otlp/proto/metrics_service.pb-c.h>
#include <stdlib.h>
#include <string.h>

typedef Opentelemetry__Proto__Common__V1__KeyValue key_value;
typedef Opentelemetry__Proto__Common__V1__InstrumentationScope instrumentation_scope;
typedef Opentelemetry__Proto__Metrics__V1__Metric metric_message;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint number_point;
typedef Opentelemetry__Proto__Metrics__V1__HistogramDataPoint histogram_point;
typedef Opentelemetry__Proto__Metrics__V1__ScopeMetrics scope_metrics;
typedef Opentelemetry__Proto__Metrics__V1__ResourceMetrics resource_metrics;
typedef Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest request_message;

#define DATA(name) OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_##name
#define NUMBER(name) OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_##name
#define TEMPORALITY(name) \
    OPENTELEMETRY__PROTO__METRICS__V1__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_##name
#define NO_RECORDED_VALUE \
    OPENTELEMETRY__PROTO__METRICS__V1__DATA_POINT_FLAGS__DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK

struct attribute_set {
    struct fleet_attribute items[FLEET_ATTRIBUTES_MAX];
    struct buf texts;
};

struct fleet_decoder {
    struct fleet_arena *arena;
    struct attribute_set resource, scope, point;
};

/* The scope that is being read. */
struct scope {
    const scope_metrics *message;
    struct fleet_attributes attributes;
};

struct fleet_decoder *fleet_decoder_create(size_t limit)
{
    struct fleet_decoder *decoder = calloc(1, sizeof(*decoder));
    if (decoder == NULL) {
        return NULL;
    }
    decoder->arena = fleet_arena_create(limit);
    if (decoder->arena == NULL) {
        free(decoder);
        return NULL;
    }
    return decoder;
}

void fleet_decoder_destroy(struct fleet_decoder *decoder)
{
    if (decoder != NULL) {
        fleet_arena_destroy(decoder->arena);
        buf_free(&decoder->resource.texts);
        buf_free(&decoder->scope.texts);
        buf_free(&decoder->point.texts);
        free(decoder);
    }
}

/* A set that the core refuses: one that is too large. */
static const struct fleet_attributes refused_set = {NULL, FLEET_ATTRIBUTES_MAX + 1};

static struct fleet_attributes read_attributes(struct attribute_set *set, key_value *const *pairs,
                                               size_t n)
{
    size_t ends[FLEET_ATTRIBUTES_MAX];
    if (n > FLEET_ATTRIBUTES_MAX) {
        return refused_set;
    }
    buf_clear(&set->texts);
    for (size_t i = 0; i < n; i++) {
        struct fleet_attribute *item = &set->items[i];
        item->key = slice_of(pairs[i]->key);
        item->type = fleet_value_type(pairs[i]->value);
        if (item->type == FLEET_VALUE_STRING) {
            item->value = slice_of(pairs[i]->value->string_value);
        } else if (!fleet_value_text(&set->texts, pairs[i]->value)) {
            return refused_set;
        }
        ends[i] = set->texts.len;
    }
    for (size_t i = 0; i < n; i++) {
        size_t begin = i > 0 ? ends[i - 1] : 0;
        if (set->items[i].type != FLEET_VALUE_STRING) {
            set->items[i].value = ends[i] > begin
                                      ? slice_make(set->texts.data + begin, ends[i] - begin)
                                      : SLICE_LIT("");
        }
    }
    return (struct fleet_attributes){set->items, n};
}

static void fold_numbers(struct fleet_decoder *decoder, struct fleet *f,
                         number_point *const *points, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const number_point *message = points[i];
        if (message->flags & NO_RECORDED_VALUE) {
            continue;
        }
        if (message->value_case == NUMBER(_NOT_SET)) {
            fleet_refuse(f, FLEET_VALUE, 1);
            continue;
        }
        struct fleet_point point = {
            .attributes =
                read_attributes(&decoder->point, message->attributes, message->n_attributes),
            .start_ns = message->start_time_unix_nano,
            .time_ns = message->time_unix_nano,
            .value = message->value_case == NUMBER(AS_INT) ? (double)message->as_int
                                                           : message->as_double,
        };
        fleet_point(f, &point);
    }
}

static void fold_histograms(struct fleet_decoder *decoder, struct fleet *f,
                            histogram_point *const *points, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const histogram_point *message = points[i];
        if (message->flags & NO_RECORDED_VALUE) {
            continue;
        }
        bool has_sum =
            message->optional_sum_case !=
            OPENTELEMETRY__PROTO__METRICS__V1__HISTOGRAM_DATA_POINT__OPTIONAL_SUM__NOT_SET;
        struct fleet_point point = {
            .attributes =
                read_attributes(&decoder->point, message->attributes, message->n_attributes),
            .start_ns = message->start_time_unix_nano,
            .time_ns = message->time_unix_nano,
            .value = has_sum ? message->sum : 0,
            .count = message->count,
            .cells = message->bucket_counts,
            .n_cells = message->n_bucket_counts,
            .bounds = message->explicit_bounds,
            .n_bounds = message->n_explicit_bounds,
        };
        fleet_point(f, &point);
    }
}

/* Tells the core which metric comes; false, and its points are refused, when it cannot be folded.
 */
static bool begin_metric(struct fleet *f, const struct scope *scope, const metric_message *message,
                         enum fleet_kind kind, unsigned temporality, size_t n_points)
{
    if (temporality != TEMPORALITY(CUMULATIVE) && temporality != TEMPORALITY(DELTA)) {
        fleet_refuse(f, FLEET_TEMPORALITY, n_points);
        return false;
    }
    const instrumentation_scope *named = scope->message->scope;
    struct fleet_metric metric = {
        .name = slice_of(message->name),
        .unit = slice_of(message->unit),
        .description = slice_of(message->description),
        .scope_name = slice_of(named != NULL ? named->name : NULL),
        .scope_version = slice_of(named != NULL ? named->version : NULL),
        .scope_schema_url = slice_of(scope->message->schema_url),
        .scope_attributes = scope->attributes,
        .kind = kind,
        .is_delta = temporality == TEMPORALITY(DELTA),
    };
    fleet_metric(f, &metric);
    return true;
}

static void fold_metric(struct fleet_decoder *decoder, struct fleet *f, const struct scope *scope,
                        const metric_message *metric)
{
    switch (metric->data_case) {
    case DATA(SUM):
        if (begin_metric(f, scope, metric, metric->sum->is_monotonic ? FLEET_COUNTER : FLEET_UPDOWN,
                         metric->sum->aggregation_temporality, metric->sum->n_data_points)) {
            fold_numbers(decoder, f, metric->sum->data_points, metric->sum->n_data_points);
        }
        break;
    case DATA(HISTOGRAM):
        if (begin_metric(f, scope, metric, FLEET_HISTOGRAM,
                         metric->histogram->aggregation_temporality,
                         metric->histogram->n_data_points)) {
            fold_histograms(decoder, f, metric->histogram->data_points,
                            metric->histogram->n_data_points);
        }
        break;
    case DATA(GAUGE):
        fleet_refuse(f, FLEET_GAUGE, metric->gauge->n_data_points);
        break;
    case DATA(SUMMARY):
        fleet_refuse(f, FLEET_SUMMARY, metric->summary->n_data_points);
        break;
    case DATA(EXPONENTIAL_HISTOGRAM):
        fleet_refuse(f, FLEET_EXPONENTIAL, metric->exponential_histogram->n_data_points);
        break;
    default: /* a metric without data has no points */
        break;
    }
}

static struct slice named_session(struct fleet_attributes attributes)
{
    static const char *const keys[] = {"service.instance.id", "session.id"};
    for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
        for (size_t i = 0; attributes.items != NULL && i < attributes.n; i++) {
            if (slice_eq_str(attributes.items[i].key, keys[k]) &&
                attributes.items[i].value.len > 0) {
                return attributes.items[i].value;
            }
        }
    }
    return SLICE_LIT("");
}

static void fold_scope(struct fleet_decoder *decoder, struct fleet *f, const scope_metrics *message)
{
    struct scope scope = {message, {NULL, 0}};
    if (message->scope != NULL) {
        scope.attributes = read_attributes(&decoder->scope, message->scope->attributes,
                                           message->scope->n_attributes);
    }
    for (size_t i = 0; i < message->n_metrics; i++) {
        fold_metric(decoder, f, &scope, message->metrics[i]);
    }
}

static void fold_resource(struct fleet_decoder *decoder, struct fleet *f, struct slice session,
                          int64_t arrived_ns, const resource_metrics *message)
{
    struct fleet_attributes attributes = {NULL, 0};
    if (message->resource != NULL) {
        attributes = read_attributes(&decoder->resource, message->resource->attributes,
                                     message->resource->n_attributes);
    }
    fleet_resource(f, session.len > 0 ? session : named_session(attributes), arrived_ns,
                   attributes);
    for (size_t i = 0; i < message->n_scope_metrics; i++) {
        fold_scope(decoder, f, message->scope_metrics[i]);
    }
}

/* How deep a resource's attributes lie in a request, by field 1 of each:
 * request { resource_metrics { resource { attributes { key } } } } */
#define KEY_DEPTH 3

/* For protobuf-c a string ends at its first zero byte: it would read the resource's key
 * "deployment.environment\0", which is not the gateway's, as the one that is. Costs a step for each
 * resource and each of its attributes. */
static bool has_zero_in_key(struct slice message, unsigned depth)
{
    struct wire w = wire_over(message.data, message.len);
    while (wire_more(&w)) {
        struct wire_tag tag = wire_tag(&w);
        if (tag.number != 1 || tag.type != WIRE_BYTES) {
            wire_skip(&w, tag.type);
            continue;
        }
        struct slice inner = wire_bytes(&w);
        if (inner.len > 0 && (depth > 0 ? has_zero_in_key(inner, depth - 1)
                                        : memchr(inner.data, '\0', inner.len) != NULL)) {
            return true;
        }
    }
    return false;
}

bool fleet_decode(struct fleet_decoder *decoder, struct fleet *f, struct slice session,
                  int64_t arrived_ns, struct slice payload)
{
    fleet_arena_reset(decoder->arena);
    const request_message *request = NULL;
    if (!has_zero_in_key(payload, KEY_DEPTH)) {
        request =
            opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__unpack(
                fleet_arena_allocator(decoder->arena), payload.len, (const uint8_t *)payload.data);
    }
    if (request == NULL) {
        fleet_arena_reset(decoder->arena);
        fleet_refuse(f, FLEET_DECODE, 1);
        return false;
    }
    for (size_t i = 0; i < request->n_resource_metrics; i++) {
        fold_resource(decoder, f, session, arrived_ns, request->resource_metrics[i]);
    }
    fleet_arena_reset(decoder->arena);
    return true;
}
