/* test_signal.c: paths find their signal by their very bytes, and each signal its own message. */
#include "otlp/signal.h"

#include <criterion/criterion.h>

Test(signal, every_signal_is_found_by_its_path)
{
    static const char *const names[] = {"metrics", "traces", "logs", "profiles"};
    static const char *const paths[] = {"/v1/metrics", "/v1/traces", "/v1/logs",
                                        "/v1development/profiles"};
    static const char *const requests[] = {"ExportMetricsServiceRequest",
                                           "ExportTraceServiceRequest", "ExportLogsServiceRequest",
                                           "OpaqueRequest"};
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        const struct signal_info *info = signal_info((enum signal)i);
        cr_assert_str_eq(info->name, names[i]);
        cr_assert(slice_eq_str(info->path, paths[i]));
        cr_assert_str_eq(info->request->short_name, requests[i]);
        cr_assert_eq(signal_of_path(info->path), i);
    }
}

Test(signal, nothing_else_is_a_path)
{
    static const char *const others[] = {"",
                                         "/",
                                         "/v1",
                                         "/v1/",
                                         "/v1/metric",
                                         "/v1/metricss",
                                         "/v1/METRICS",
                                         "v1/metrics",
                                         "/v1/metrics/",
                                         "/v1/metrics?x",
                                         "//v1/logs",
                                         "/v1/profiles"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cr_assert_eq(signal_of_path(slice_of(others[i])), SIGNAL_COUNT, "%s", others[i]);
    }
    cr_assert_eq(signal_of_path(slice_make(NULL, 0)), SIGNAL_COUNT);
    cr_assert_eq(signal_of_path(slice_make("/v1/logs\0", 9)), SIGNAL_COUNT);
}

Test(signal, each_call_over_grpc_has_its_signal)
{
    static const char *const calls[] = {
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
    };
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        cr_assert_eq(signal_of_rpc_path(slice_of(calls[i])), i);
        cr_assert_eq(signal_of_path(slice_of(calls[i])), SIGNAL_COUNT);
        cr_assert_eq(signal_of_rpc_path(signal_info((enum signal)i)->path), SIGNAL_COUNT);
    }
    static const char *const others[] = {
        "",
        "/",
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/",
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/export",
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export/",
        "/opentelemetry.proto.collector.traces.v1.TracesService/Export",
        "opentelemetry.proto.collector.logs.v1.LogsService/Export"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cr_assert_eq(signal_of_rpc_path(slice_of(others[i])), SIGNAL_COUNT, "%s", others[i]);
    }
    cr_assert_eq(signal_of_rpc_path((struct slice){0}), SIGNAL_COUNT);
}
