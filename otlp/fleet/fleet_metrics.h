/* fleet_metrics.h: what the fleet destination says of itself among the gateway's metrics. */
#ifndef SIGPOST_OTLP_FLEET_METRICS_H
#define SIGPOST_OTLP_FLEET_METRICS_H

#include "base/metrics.h"
#include "otlp/fleet/fleet_fold.h"

struct fleet_metrics {
    struct metric *folded, *late, *resumed, *overflowed, *ended_idle, *ended_full;
    struct metric *refused[FLEET_REFUSAL_COUNT];
    struct metric *sessions, *series, *state_bytes, *save_seconds, *save_failures;
    struct fleet_counts told; /* what was added so far */
};

/* Registers sigpost_fleet_*. The handles are the registry's. */
void fleet_metrics_make(struct fleet_metrics *m, struct metrics *registry);

/* Adds what was counted since the last call, and sets the gauges. */
void fleet_metrics_tell(struct fleet_metrics *m, const struct fleet_counts *now);

#endif
