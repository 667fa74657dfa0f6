/* counters.c: see counters.h. */
#include "gateway/counters.h"

#include "base/clock.h"

static const double DURATION_BOUNDS[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                         0.1,    0.25,  0.5,    1,     2.5,  5,     10};

/* Either side of 0, up to the default auth.window. */
static const double AGE_BOUNDS[] = {-240, -120, -60, -30, -10, -5,  -2,  0,  2,
                                    5,    10,   30,  60,  120, 150, 180, 240};

void counters_register(struct counters *counters, struct metrics *metrics)
{
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        counters->verdicts[i] =
            metrics_counter(metrics, "sigpost_auth_requests_total",
                            "Signed requests, for ingest or judged by /auth, by final verdict.",
                            METRIC_LABELS("result", reason_info((enum reason)i)->word));
    }
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        const char *name = signal_info((enum signal)i)->name;
        for (unsigned j = 0; j < ENCODING_COUNT; j++) {
            counters->requests[i][j] = metrics_counter(
                metrics, "sigpost_ingest_requests_total", "Payloads taken in, each once.",
                METRIC_LABELS("signal", name, "encoding", encoding_name((enum encoding)j)));
        }
    }
    counters->bytes =
        metrics_counter(metrics, "sigpost_ingest_bytes_total",
                        "Bytes of payloads taken in, as they came on the wire.", METRIC_NO_LABELS);
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        const char *name = signal_info((enum signal)i)->name;
        counters->items[i] = metrics_counter(metrics, "sigpost_ingest_items_total",
                                             "Data points, spans and log records taken in.",
                                             METRIC_LABELS("signal", name));
    }
    counters->duration = metrics_histogram(
        metrics, "sigpost_request_duration_seconds",
        "Time from the whole request to its answer, the disk included.", METRIC_NO_LABELS,
        DURATION_BOUNDS, sizeof(DURATION_BOUNDS) / sizeof(DURATION_BOUNDS[0]));
    counters->age = metrics_histogram(
        metrics, "sigpost_signature_age_seconds",
        "Server's time less the timestamp of requests that verified within the window: below 0, "
        "the client's clock is ahead of the server's.",
        METRIC_NO_LABELS, AGE_BOUNDS, sizeof(AGE_BOUNDS) / sizeof(AGE_BOUNDS[0]));
}

void counters_signature_age(const struct counters *counters, int64_t age_s)
{
    metric_observe(counters->age, (double)age_s);
}

void counters_verdict(const struct counters *counters, enum reason verdict, int64_t started_ns)
{
    metric_add(counters->verdicts[verdict], 1);
    metric_observe(counters->duration, (double)(clock_mono_ns() - started_ns) / 1e9);
}

void counters_payload(const struct counters *counters, enum signal signal, enum encoding encoding,
                      uint64_t items, uint64_t bytes)
{
    metric_add(counters->requests[signal][encoding], 1);
    metric_add(counters->items[signal], items);
    metric_add(counters->bytes, bytes);
}

void counters_totals(const struct counters *counters, uint64_t *requests, uint64_t *items)
{
    *requests = *items = 0;
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        *items += (uint64_t)metric_value(counters->items[i]);
        for (unsigned j = 0; j < ENCODING_COUNT; j++) {
            *requests += (uint64_t)metric_value(counters->requests[i][j]);
        }
    }
}
