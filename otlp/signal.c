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

#define PATH(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }
#define RPC_PATH(service) PATH("/opentelemetry.proto.collector." service "/Export")

static const struct signal_info table[SIGNAL_COUNT] = {
    [SIGNAL_METRICS] =
        {"metrics", PATH("/v1/metrics"), RPC_PATH("metrics.v1.MetricsService"),
         &opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
         false},
    [SIGNAL_TRACES] =
        {"traces", PATH("/v1/traces"), RPC_PATH("trace.v1.TraceService"),
         &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
         false},
    [SIGNAL_LOGS] =
        {"logs", PATH("/v1/logs"), RPC_PATH("logs.v1.LogsService"),
         &opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor,
         false},
    [SIGNAL_PROFILES] = {"profiles", PATH("/v1development/profiles"),
                         RPC_PATH("profiles.v1development.ProfilesService"), &opaque_request, true},
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

enum signal signal_of_rpc_path(struct slice path)
{
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        if (slice_eq(path, table[i].rpc_path)) {
            return (enum signal)i;
        }
    }
    return SIGNAL_COUNT;
}
