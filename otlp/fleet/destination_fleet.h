/* destination_fleet.h: the embedded destination: what all clients together did, as Prometheus
 * series at /metrics/clients, without a Collector.
 *
 * Cumulative sums and histograms of each session become deltas and are added up over sessions, so
 * that a million short runs are a few hundred series. Identities (session.id, user.id, …) are
 * folded away; resets and late points are handled; series past the cap go to one series labelled
 * otel_metric_overflow="true". The state is written to a snapshot together with the sequence it
 * stands for, and only then is the spool's cursor moved: a restart counts nothing twice and loses
 * nothing. Names follow the OpenTelemetry "Prometheus and OpenMetrics compatibility" rules.
 */
#ifndef SIGPOST_OTLP_DESTINATION_FLEET_H
#define SIGPOST_OTLP_DESTINATION_FLEET_H

#include "otlp/export/destination.h"

#include <stddef.h>

struct destination_fleet_options {
    const char *name;          /* cursor name */
    const char *snapshot_path; /* file of ours in the state directory */
    unsigned max_series;       /* per metric, the overflow series not counted */
    unsigned max_sessions;     /* whose last values are kept; past it the idlest goes */
    int64_t session_idle_ns;   /* after this silence (by arrival time) a session's state is freed */
    const char *const *resource_labels; /* resource attributes that become labels */
    size_t n_resource_labels;
    const char *const *drop_labels; /* attributes never kept as labels */
    size_t n_drop_labels;
};

/* Starts the thread. options is copied. NULL and a sentence on failure. */
struct destination *destination_fleet_start(const struct destination_fleet_options *options,
                                            struct spool *spool, struct metrics *metrics,
                                            struct result *why);

#endif
