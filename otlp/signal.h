/* signal.h: the kinds of telemetry, their paths and their message types. */
#ifndef SIGPOST_OTLP_SIGNAL_H
#define SIGPOST_OTLP_SIGNAL_H

#include "base/slice.h"

#include <protobuf-c/protobuf-c.h>

/* Profiles are in development in OTLP 1.x: they are carried as they are, see signal_info.opaque. */
enum signal { SIGNAL_METRICS, SIGNAL_TRACES, SIGNAL_LOGS, SIGNAL_PROFILES, SIGNAL_COUNT };

struct signal_info {
    const char *name;                          /* "metrics": metric label, log word */
    struct slice path;                         /* "/v1/metrics" */
    struct slice rpc_path;                     /* of the export call over gRPC */
    const ProtobufCMessageDescriptor *request; /* ExportMetricsServiceRequest … */
    bool opaque; /* the request has no field that we know: sound protobuf is all that can be said of
                    it. Not from JSON, not stamped, no items, never in one batch with another */
};

const struct signal_info *signal_info(enum signal signal);

/* The signal whose path this is, or SIGNAL_COUNT. */
enum signal signal_of_path(struct slice path);

/* The signal whose export call over gRPC has this path, or SIGNAL_COUNT. */
enum signal signal_of_rpc_path(struct slice path);

#endif
