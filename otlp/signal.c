/* signal.c: see signal.h. */
#include "otlp/signal.h"

#include <otlp/proto/logs_service.pb-c.h>
#include <otlp/proto/metrics_service.pb-c.h>
#include <otlp/proto/trace_service.pb-c.h>

/* A message without any field of ours. */
static const ProtobufCIntRange no_fields[] = {{0, 0}};
static const ProtobufCMessageDescriptor opaque_request = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "opaque request",
    .short_name = "OpaqueRequest",
    .c_name = "OpaqueRequest",
    .package_name = "",
    .sizeof_message = sizeof(ProtobufCMessage),
    .field_ranges = no_fields,
};

static const struct signal_info table[SIGNAL_COUNT] = {
    [SIGNAL_METRICS] =
        {"metrics",
         {"/v1/metrics", sizeof("/v1/metrics") - 1},
         &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
         false},
    [SIGNAL_TRACES] =
        {"traces",
         {"/v1/traces", sizeof("/v1/traces") - 1},
         &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
         false},
    [SIGNAL_LOGS] =
        {"logs",
         {"/v1/logs", sizeof("/v1/logs") - 1},
         &opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor,
         false},
    [SIGNAL_PROFILES] = {"profiles",
                         {"/v1development/profiles", sizeof("/v1development/profiles") - 1},
                         &opaque_request,
                         true},
};

const struct signal_info *signal_info(enum signal signal)
{
    return &table[signal];
}

enum signal signal_of_path(struct slice path)
{
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        if (slice_eq(path, table[i].path)) {
            return (enum signal)i;
        }
    }
    return SIGNAL_COUNT;
}
