/* fleet_metrics.c: see fleet_metrics.h. */
#include "otlp/fleet/fleet_metrics.h"

void fleet_metrics_make(struct fleet_metrics *m, struct metrics *registry)
{
    m->folded = metrics_counter(registry, "sigpost_fleet_points_total",
                                "Data points folded into the fleet series.", METRIC_NO_LABELS);
    m->late = metrics_counter(registry, "sigpost_fleet_late_points_total",
                              "Data points not later than their stream's last: repeats, mostly.",
                              METRIC_NO_LABELS);
    m->resumed = metrics_counter(registry, "sigpost_fleet_resumed_points_total",
                                 "First data points of sessions that came back: where growth is "
                                 "counted from, not added.",
                                 METRIC_NO_LABELS);
    for (int i = FLEET_ACCEPTED + 1; i < FLEET_REFUSAL_COUNT; i++) {
        m->refused[i] =
            metrics_counter(registry, "sigpost_fleet_refused_points_total",
                            "Data points that are in no fleet series (reason decode: payloads).",
                            METRIC_LABELS("reason", fleet_refusal_word((enum fleet_refusal)i)));
    }
    m->overflowed =
        metrics_counter(registry, "sigpost_fleet_overflow_streams_total",
                        "Streams added to an otel_metric_overflow series.", METRIC_NO_LABELS);
    m->ended_idle =
        metrics_counter(registry, "sigpost_fleet_sessions_ended_total",
                        "Sessions whose last values were freed.", METRIC_LABELS("reason", "idle"));
    m->ended_full = metrics_counter(registry, "sigpost_fleet_sessions_ended_total", "",
                                    METRIC_LABELS("reason", "full"));
    m->sessions = metrics_gauge(registry, "sigpost_fleet_sessions",
                                "Sessions whose last values are kept.", METRIC_NO_LABELS);
    m->series = metrics_gauge(registry, "sigpost_fleet_series", "Fleet series.", METRIC_NO_LABELS);
    m->state_bytes = metrics_gauge(registry, "sigpost_fleet_state_bytes",
                                   "Bytes of the sessions' last values.", METRIC_NO_LABELS);
    m->save_seconds = metrics_gauge(registry, "sigpost_fleet_snapshot_seconds",
                                    "How long the last snapshot took.", METRIC_NO_LABELS);
    m->save_failures = metrics_counter(registry, "sigpost_fleet_snapshot_failures_total",
                                       "Snapshots that could not be written.", METRIC_NO_LABELS);
}

static void tell(struct metric *counter, uint64_t now, uint64_t told)
{
    if (now != told) {
        metric_add(counter, now - told);
    }
}

void fleet_metrics_tell(struct fleet_metrics *m, const struct fleet_counts *now)
{
    tell(m->folded, now->folded, m->told.folded);
    tell(m->late, now->late, m->told.late);
    tell(m->resumed, now->resumed, m->told.resumed);
    tell(m->overflowed, now->overflowed, m->told.overflowed);
    tell(m->ended_idle, now->ended_idle, m->told.ended_idle);
    tell(m->ended_full, now->ended_full, m->told.ended_full);
    for (int i = FLEET_ACCEPTED + 1; i < FLEET_REFUSAL_COUNT; i++) {
        tell(m->refused[i], now->refused[i], m->told.refused[i]);
    }
    metric_set(m->sessions, (double)now->sessions);
    metric_set(m->series, (double)now->series);
    metric_set(m->state_bytes, (double)now->bytes);
    m->told = *now;
}
