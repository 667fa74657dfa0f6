/* destination_otlp.h: an OpenTelemetry Collector (or anything that takes OTLP/HTTP) by libcurl.
 *
 * Batches of one signal, made by laying payloads end to end, posted to {url}/v1/{signal}. Retries
 * for ever what may be retried, with capped exponential backoff, full jitter and Retry-After;
 * halves a batch that was refused for good until the guilty request stands alone, and sets that one
 * aside as a dead letter. Specification: OTLP/HTTP, sections on retryable codes and partial
 * success.
 */
#ifndef SIGPOST_OTLP_DESTINATION_OTLP_H
#define SIGPOST_OTLP_DESTINATION_OTLP_H

#include "otlp/export/destination.h"

#include <stddef.h>

struct destination_otlp_options {
    const char *name;           /* metric label and cursor name */
    const char *url;            /* base, without the signal's path and a trailing slash */
    const char *const *headers; /* "Name: value" lines, or NULL */
    size_t n_headers;
    const char *ca_file; /* PEM, or NULL */
    bool gzip;
    uint64_t batch_bytes;
    unsigned batch_requests;
    int64_t batch_age_ns;
    unsigned in_flight;
    int64_t timeout_ns;
    int64_t retry_initial_ns, retry_max_ns;
    const char *dead_dir; /* directory for dead letters, made when first needed */
};

/* Starts the thread. Everything in options is copied. NULL and a sentence on failure. metrics gets
 * sigpost_export_* and sigpost_dead_letters_total. curl_global_init must have been called. */
struct destination *destination_otlp_start(const struct destination_otlp_options *options,
                                           struct spool *spool, struct metrics *metrics,
                                           struct result *why);

#endif
