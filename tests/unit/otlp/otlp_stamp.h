/* otlp_stamp.h: a judge that compares the stamping of a request with what decoding, editing and
 * encoding by protobuf-c give. For tests and fuzz targets.
 */
#ifndef SIGPOST_TESTS_OTLP_STAMP_H
#define SIGPOST_TESTS_OTLP_STAMP_H

#include "otlp/stamp.h"
#include "otlp_samples.h"

#include <otlp/proto/logs_service.pb-c.h>
#include <otlp/proto/metrics_service.pb-c.h>
#include <otlp/proto/trace_service.pb-c.h>

typedef Opentelemetry__Proto__Resource__V1__Resource resource;
typedef Opentelemetry__Proto__Common__V1__KeyValue key_value;
typedef Opentelemetry__Proto__Common__V1__AnyValue any_value;

/* What the gateway stamps, one name that is only removed, and keys that otlp_generate.h uses. */
static const struct stamp_attribute stamp_sample[] = {
    {{"sigpost.session.id", 18}, {"session-123", 11}},
    {{"sigpost.key.id", 14}, {"2024-05", 7}},
    {{"deployment.environment", 22}, {"production", 10}},
    {{"service.namespace", 17}, {"kotormodsync", 12}},
    {{"sigpost.reserved", 16}, {NULL, 0}},
    {{"key", 3}, {"caf\xc3\xa9", 5}},
    {{"a", 1}, {"", 0}},
};

#define STAMP_SAMPLE_COUNT (sizeof(stamp_sample) / sizeof(stamp_sample[0]))

/* --- the reference: protobuf-c's generated code --- */

struct envelopes {
    size_t n;
    union {
        Opentelemetry__Proto__Metrics__V1__ResourceMetrics **metrics;
        Opentelemetry__Proto__Trace__V1__ResourceSpans **spans;
        Opentelemetry__Proto__Logs__V1__ResourceLogs **logs;
    } of;
};

static inline struct envelopes envelopes_of(enum signal signal, ProtobufCMessage *message)
{
    struct envelopes out;
    if (signal == SIGNAL_METRICS) {
        Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest *request =
            (void *)message;
        out.n = request->n_resource_metrics;
        out.of.metrics = request->resource_metrics;
    } else if (signal == SIGNAL_TRACES) {
        Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *request =
            (void *)message;
        out.n = request->n_resource_spans;
        out.of.spans = request->resource_spans;
    } else {
        Opentelemetry__Proto__Collector__Logs__V1__ExportLogsServiceRequest *request =
            (void *)message;
        out.n = request->n_resource_logs;
        out.of.logs = request->resource_logs;
    }
    return out;
}

static inline resource **resource_of(enum signal signal, const struct envelopes *all, size_t i)
{
    return signal == SIGNAL_METRICS  ? &all->of.metrics[i]->resource
           : signal == SIGNAL_TRACES ? &all->of.spans[i]->resource
                                     : &all->of.logs[i]->resource;
}

static inline char *copy_text(struct slice text)
{
    char *copy = calloc(1, text.len + 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, text.data, text.len);
    return copy;
}

static inline key_value *new_attribute(const struct stamp_attribute *attribute)
{
    key_value *pair = calloc(1, sizeof(*pair));
    any_value *value = calloc(1, sizeof(*value));
    if (pair == NULL || value == NULL) {
        abort();
    }
    opentelemetry__proto__common__v1__key_value__init(pair);
    opentelemetry__proto__common__v1__any_value__init(value);
    pair->key = copy_text(attribute->key);
    pair->value = value;
    value->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
    value->string_value = copy_text(attribute->value);
    return pair;
}

static inline bool bears_a_name(const key_value *pair, const struct stamp_attribute *attributes,
                                size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (slice_eq_str(attributes[i].key, pair->key)) {
            return true;
        }
    }
    return false;
}

static inline void edit_resource(resource *r, const struct stamp_attribute *attributes, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->n_attributes; i++) {
        if (bears_a_name(r->attributes[i], attributes, n)) {
            protobuf_c_message_free_unpacked(&r->attributes[i]->base, NULL);
        } else {
            r->attributes[kept++] = r->attributes[i];
        }
    }
    r->n_attributes = kept;
    key_value **grown = realloc(r->attributes, (kept + n + 1) * sizeof(key_value *));
    if (grown == NULL) {
        abort();
    }
    r->attributes = grown;
    for (size_t i = 0; i < n; i++) {
        if (attributes[i].value.len != 0) {
            r->attributes[r->n_attributes++] = new_attribute(&attributes[i]);
        }
    }
    if (r->n_attributes == 0) {
        free(r->attributes);
        r->attributes = NULL;
    }
}

static inline void edit_request(enum signal signal, ProtobufCMessage *message,
                                const struct stamp_attribute *attributes, size_t n)
{
    bool adds = false;
    for (size_t i = 0; i < n; i++) {
        adds = adds || attributes[i].value.len != 0;
    }
    struct envelopes all = envelopes_of(signal, message);
    for (size_t i = 0; i < all.n; i++) {
        resource **at = resource_of(signal, &all, i);
        if (*at == NULL && adds) {
            *at = calloc(1, sizeof(resource));
            if (*at == NULL) {
                abort();
            }
            opentelemetry__proto__resource__v1__resource__init(*at);
        }
        if (*at != NULL) {
            edit_resource(*at, attributes, n);
        }
    }
}

/* Appends the message as protobuf-c writes it. */
static inline void put_canonical(struct buf *b, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    char *to = buf_reserve(b, len);
    if (to == NULL || protobuf_c_message_pack(message, (uint8_t *)to) != len) {
        abort();
    }
    b->len += len;
}

/* Is the stamped request what the reference makes of the request? */
static inline const char *differs_from_reference(enum signal signal, struct slice request,
                                                 struct slice stamped,
                                                 const struct stamp_attribute *attributes, size_t n)
{
    const ProtobufCMessageDescriptor *type = signal_info(signal)->request;
    ProtobufCMessage *before =
        protobuf_c_message_unpack(type, NULL, request.len, (const uint8_t *)request.data);
    ProtobufCMessage *after =
        protobuf_c_message_unpack(type, NULL, stamped.len, (const uint8_t *)stamped.data);
    struct buf wanted = BUF_INIT;
    struct buf found = BUF_INIT;
    const char *wrong = NULL;
    if (before == NULL || after == NULL) {
        /* A claim that protobuf-c refuses may be gone; nothing may come. */
        wrong = before != NULL ? "protobuf-c refuses what was stamped" : NULL;
    } else {
        edit_request(signal, before, attributes, n);
        put_canonical(&wanted, before);
        put_canonical(&found, after);
        wrong = slice_eq(buf_slice(&wanted), buf_slice(&found)) ? NULL : "not as the reference";
    }
    protobuf_c_message_free_unpacked(before, NULL);
    protobuf_c_message_free_unpacked(after, NULL);
    buf_free(&wanted);
    buf_free(&found);
    return wrong;
}

/* --- the count: by the wire, also for what protobuf-c does not take --- */

static inline struct slice last_text(struct slice message, uint32_t number)
{
    struct slice found = SLICE_LIT("");
    struct wire w = wire_over(message.data, message.len);
    while (wire_more(&w)) {
        struct wire_tag tag = wire_tag(&w);
        if (tag.number == number) {
            found = wire_bytes(&w);
        } else {
            wire_skip(&w, tag.type);
        }
    }
    return found;
}

struct tally {
    size_t pairs; /* that bear the name */
    size_t right; /* of these, with the value */
};

/* Counts what bears the name, in fields 1 of the message, `levels` below it. */
static inline void tally(struct slice message, int levels, const struct stamp_attribute *attribute,
                         struct tally *out)
{
    if (levels == 0) {
        if (slice_eq(last_text(message, 1), attribute->key)) {
            out->pairs++;
            out->right += slice_eq(last_text(last_text(message, 2), 1), attribute->value) ? 1 : 0;
        }
        return;
    }
    struct wire w = wire_over(message.data, message.len);
    while (wire_more(&w)) {
        struct wire_tag tag = wire_tag(&w);
        if (tag.number == 1) {
            tally(wire_bytes(&w), levels - 1, attribute, out);
        } else {
            wire_skip(&w, tag.type);
        }
    }
}

/* Has every resource each stamp once, and nothing else under these names? */
static inline bool each_stamped_once(struct slice stamped, const struct stamp_attribute *attributes,
                                     size_t n)
{
    struct wire w = wire_over(stamped.data, stamped.len);
    while (wire_more(&w)) {
        struct wire_tag tag = wire_tag(&w);
        if (tag.number != 1) {
            wire_skip(&w, tag.type);
            continue;
        }
        struct slice envelope = wire_bytes(&w);
        for (size_t i = 0; i < n; i++) {
            struct tally found = {0, 0};
            tally(envelope, 2, &attributes[i], &found);
            size_t wanted = attributes[i].value.len != 0 ? 1 : 0;
            if (found.pairs != wanted || found.right != wanted) {
                return false;
            }
        }
    }
    return true;
}

/* --- the judge --- */

/* Gives b (as after BUF_INIT) room for so many bytes, where buf_reserve would give more. */
static inline char *buf_exactly(struct buf *b, size_t room)
{
    *b = (struct buf){.data = malloc(room), .cap = room};
    if (b->data == NULL) {
        abort();
    }
    return b->data;
}

/* What is wrong with the stamping of this valid request, or NULL. `stamped` is BUF_INIT, and the
 * caller's to free; it is given with a few bytes before, which must stay. */
static inline const char *misstamped(enum signal signal, struct slice request,
                                     const struct validation *before,
                                     const struct stamp_attribute *attributes, size_t n,
                                     struct buf *stamped)
{
    struct validation after;
    char *room = buf_exactly(stamped, 4 + stamp_size_max(request, attributes, n));
    buf_append_str(stamped, "head");
    if (!stamp_request(signal, request, attributes, n, stamped)) {
        return "a valid request is not stamped";
    }
    if (stamped->data != room) {
        return "more room was made than was said to be needed";
    }
    if (memcmp(stamped->data, "head", 4) != 0) {
        return "what was in the buffer is not there any more";
    }
    struct slice once = slice_make(stamped->data + 4, stamped->len - 4);
    if (once.len > stamp_size_max(request, attributes, n)) {
        return "longer than was said";
    }
    if (!validate_request(signal, (const uint8_t *)once.data, once.len, &after)) {
        return "what was stamped is not valid";
    }
    if (after.items != before->items) {
        return "items came or went";
    }
    if (!each_stamped_once(once, attributes, n)) {
        return "a stamp is missing, or a claim is left";
    }
    struct buf twice = BUF_INIT;
    bool again = stamp_request(signal, once, attributes, n, &twice);
    again = again && slice_eq(buf_slice(&twice), once);
    buf_free(&twice);
    return again ? differs_from_reference(signal, request, once, attributes, n)
                 : "stamping twice is not stamping once";
}

/* As misstamped, for any bytes: those that are no request may be refused, but not misread. */
static inline const char *stamp_disagreement(enum signal signal, const uint8_t *bytes, size_t len,
                                             const struct stamp_attribute *attributes, size_t n)
{
    struct validation before;
    struct slice request = slice_make(bytes, len);
    struct buf stamped = BUF_INIT;
    const char *wrong = NULL;
    if (validate_request(signal, bytes, len, &before)) {
        wrong = misstamped(signal, request, &before, attributes, n, &stamped);
    } else {
        bool taken = stamp_request(signal, request, attributes, n, &stamped);
        wrong = taken == stamped.failed ? "the verdict is not the buffer's" : NULL;
        wrong = !taken && stamped.len != 0 ? "a refused request leaves bytes" : wrong;
    }
    buf_free(&stamped);
    return wrong;
}

#endif
