/* json_check.h: OTLP/JSON converted under watch, and what is expected of it. For tests.
 */
#ifndef SIGPOST_TESTS_JSON_CHECK_H
#define SIGPOST_TESTS_JSON_CHECK_H

#include "otlp/json.h"
#include "otlp_samples.h"

#include <criterion/criterion.h>
#include <otlp/proto/logs_service.pb-c.h>
#include <otlp/proto/metrics_service.pb-c.h>
#include <otlp/proto/trace_service.pb-c.h>

typedef Opentelemetry__Proto__Collector__Logs__V1__ExportLogsServiceRequest logs_request;
typedef Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest metrics_request;
typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest traces_request;
typedef Opentelemetry__Proto__Logs__V1__LogRecord log_record;
typedef Opentelemetry__Proto__Common__V1__AnyValue any_value;
typedef Opentelemetry__Proto__Metrics__V1__Metric metric_message;
typedef Opentelemetry__Proto__Trace__V1__Span span_message;

/* The inside of one log record, metric or span as a whole request. */
#define RECORD(inside) "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{" inside "}]}]}]}"
#define METRIC(inside) "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{" inside "}]}]}]}"
#define SPAN(inside) "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" inside "}]}]}]}"
#define POINT(inside) METRIC("\"gauge\":{\"dataPoints\":[{" inside "}]}")
#define HISTOGRAM(inside) METRIC("\"histogram\":{\"dataPoints\":[{" inside "}]}")
#define EXPONENTIAL(inside) METRIC("\"exponentialHistogram\":{\"dataPoints\":[{" inside "}]}")
#define BODY(inside) RECORD("\"body\":{" inside "}")

/* And where a fault in it is. */
#define RECORD_PATH "resourceLogs[0].scopeLogs[0].logRecords[0]"
#define METRIC_PATH "resourceMetrics[0].scopeMetrics[0].metrics[0]"
#define SPAN_PATH "resourceSpans[0].scopeSpans[0].spans[0]"

/* Converts a text behind three bytes that are in the way; on true what comes out, of which these
 * are no part, is a valid request within the promised bound, else nothing has changed. */
static inline bool convert(enum signal signal, const void *text, size_t len, struct buf *out,
                           struct json_fault *fault)
{
    struct validation validation;
    struct buf b = BUF_INIT;
    buf_append_str(&b, "abc");
    bool done = json_to_request(signal, slice_make(text, len), &b, fault);
    cr_assert_not(b.failed);
    cr_assert_eq(memcmp(b.data, "abc", 3), 0);
    cr_assert_eq(fault->text[0] == '\0', done);
    cr_assert_lt(strlen(fault->text), sizeof(fault->text) - 1, "cut: %s", fault->text);
    for (const char *c = fault->text; *c != '\0'; c++) {
        cr_assert(*c >= 0x20 && *c < 0x7f, "byte %d in a fault", *c);
    }
    *out = BUF_INIT;
    if (!done) {
        cr_assert_eq(b.len, 3);
    } else {
        cr_assert_leq(b.len - 3, 4 * len);
        buf_append(out, b.data + 3, b.len - 3);
        cr_assert(
            validate_request(signal, (const uint8_t *)buf_slice(out).data, out->len, &validation),
            "%s", validation.fault);
    }
    buf_free(&b);
    return done;
}

/* The request that the text means, decoded; the caller frees it. */
static inline ProtobufCMessage *decoded(enum signal signal, const char *text)
{
    struct buf out;
    struct json_fault fault;
    cr_assert(convert(signal, text, strlen(text), &out, &fault), "%s\n%s", fault.text, text);
    ProtobufCMessage *message = protobuf_c_message_unpack(
        signal_info(signal)->request, NULL, out.len, (const uint8_t *)buf_slice(&out).data);
    cr_assert_not_null(message, "%s", text);
    cr_assert_eq(message->n_unknown_fields, 0);
    buf_free(&out);
    return message;
}

static inline void release(ProtobufCMessage *message)
{
    protobuf_c_message_free_unpacked(message, NULL);
}

static inline void expect_taken(enum signal signal, const char *text)
{
    release(decoded(signal, text));
}

static inline void expect_refused(enum signal signal, const char *text, const char *why)
{
    struct buf out;
    struct json_fault fault;
    cr_assert_not(convert(signal, text, strlen(text), &out, &fault), "taken: %s", text);
    cr_assert_str_eq(fault.text, why, "%s\n%s", fault.text, text);
}

/* As above, `why` being only a part of the sentence. */
static inline void expect_refused_for(enum signal signal, const char *text, const char *why)
{
    struct buf out;
    struct json_fault fault;
    cr_assert_not(convert(signal, text, strlen(text), &out, &fault), "taken: %s", text);
    cr_assert_not_null(strstr(fault.text, why), "%s\n%s", fault.text, text);
}

#endif
