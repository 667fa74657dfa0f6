/* export_answer.c: see export_answer.h. */
#include "otlp/export/export_answer.h"

#include "base/utf8.h"

#include <otlp/proto/logs_service.pb-c.h>
#include <otlp/proto/metrics_service.pb-c.h>
#include <otlp/proto/status.pb-c.h>
#include <otlp/proto/trace_service.pb-c.h>
#include <strings.h>

typedef Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceResponse metrics_response;
typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse trace_response;
typedef Opentelemetry__Proto__Collector__Logs__V1__ExportLogsServiceResponse logs_response;

static const ProtobufCMessageDescriptor *response_descriptor(enum signal signal)
{
    switch (signal) {
    case SIGNAL_METRICS:
        return &opentelemetry__proto__collector__metrics__v1__export_metrics_service_response__descriptor;
    case SIGNAL_TRACES:
        return &opentelemetry__proto__collector__trace__v1__export_trace_service_response__descriptor;
    default:
        return &opentelemetry__proto__collector__logs__v1__export_logs_service_response__descriptor;
    }
}

/* Is the media type this one, parameters aside? */
static bool is_type(struct slice content_type, const char *type)
{
    size_t len = strlen(type);
    return content_type.len >= len && strncasecmp(content_type.data, type, len) == 0 &&
           (content_type.len == len || content_type.data[len] == ';' ||
            content_type.data[len] == ' ');
}

/* Copies what is readable: control bytes become spaces, a run of them one, bad UTF-8 is left out.
 */
static void tidy(struct slice text, char out[EXPORT_ANSWER_MESSAGE_MAX])
{
    size_t len = 0;
    size_t at = 0;
    while (at < text.len) {
        size_t n = utf8_sequence(text.data + at, text.len - at);
        if (n == 0) {
            at++;
            continue;
        }
        if (len + n >= EXPORT_ANSWER_MESSAGE_MAX) {
            break;
        }
        unsigned char c = (unsigned char)text.data[at];
        if (c <= 0x20 || c == 0x7f) {
            if (len != 0 && out[len - 1] != ' ') {
                out[len++] = ' ';
            }
        } else {
            memcpy(out + len, text.data + at, n);
            len += n;
        }
        at += n;
    }
    while (len != 0 && out[len - 1] == ' ') {
        len--;
    }
    out[len] = '\0';
}

static void take_partial(struct export_answer *out, int64_t rejected, const char *message)
{
    out->rejected = rejected > 0 ? (uint64_t)rejected : 0;
    tidy(slice_of(message), out->message);
}

static void read_success(enum signal signal, struct slice body, struct export_answer *out)
{
    ProtobufCMessage *response = protobuf_c_message_unpack(response_descriptor(signal), NULL,
                                                           body.len, (const uint8_t *)body.data);
    if (response == NULL) {
        out->unclear = true;
        return;
    }
    if (signal == SIGNAL_METRICS) {
        const metrics_response *m = (const metrics_response *)response;
        if (m->partial_success != NULL) {
            take_partial(out, m->partial_success->rejected_data_points,
                         m->partial_success->error_message);
        }
    } else if (signal == SIGNAL_TRACES) {
        const trace_response *t = (const trace_response *)response;
        if (t->partial_success != NULL) {
            take_partial(out, t->partial_success->rejected_spans,
                         t->partial_success->error_message);
        }
    } else {
        const logs_response *l = (const logs_response *)response;
        if (l->partial_success != NULL) {
            take_partial(out, l->partial_success->rejected_log_records,
                         l->partial_success->error_message);
        }
    }
    protobuf_c_message_free_unpacked(response, NULL);
}

static void read_error(struct slice content_type, struct slice body, struct export_answer *out)
{
    Google__Rpc__Status *status = NULL;
    if (is_type(content_type, "application/x-protobuf")) {
        status = google__rpc__status__unpack(NULL, body.len, (const uint8_t *)body.data);
    }
    if (status != NULL) {
        tidy(slice_of(status->message), out->message);
        google__rpc__status__free_unpacked(status, NULL);
    } else if (!out->foreign) {
        tidy(body, out->message);
    }
}

void export_answer_read(enum signal signal, int status, struct slice content_type,
                        struct slice body, struct export_answer *out)
{
    *out = (struct export_answer){0};
    out->foreign = is_type(content_type, "text/html");
    if (status < 200 || status >= 300) {
        read_error(content_type, body, out);
    } else if (content_type.data == NULL || is_type(content_type, "application/x-protobuf")) {
        read_success(signal, body, out);
    } else {
        out->unclear = body.len != 0;
    }
}
