/* counters.h: what the gateway counts of its requests. Hot: handles are made once, at start. */
#ifndef SIGPOST_GATEWAY_COUNTERS_H
#define SIGPOST_GATEWAY_COUNTERS_H

#include "base/metrics.h"
#include "base/reason.h"
#include "otlp/encoding.h"
#include "otlp/signal.h"

#include <stdint.h>

struct counters {
    struct metric *verdicts[REASON_COUNT];
    struct metric *requests[SIGNAL_COUNT][ENCODING_COUNT];
    struct metric *items[SIGNAL_COUNT];
    struct metric *bytes;
    struct metric *duration;
    struct metric *age;
};

/* Makes the series, so that each is shown with 0 from the start. */
void counters_register(struct counters *counters, struct metrics *metrics);

/* One ingest request has got its final verdict; started_ns is monotonic. */
void counters_verdict(const struct counters *counters, enum reason verdict, int64_t started_ns);

/* One request's signature verified, age_s after it was made by its own account; below 0 when the
 * client's clock is ahead of ours. */
void counters_signature_age(const struct counters *counters, int64_t age_s);

/* One payload was stored, or was empty and needed no storing. */
void counters_payload(const struct counters *counters, enum signal signal, enum encoding encoding,
                      uint64_t items, uint64_t bytes);

/* All payloads and items so far. */
void counters_totals(const struct counters *counters, uint64_t *requests, uint64_t *items);

#endif
