/* destination_otlp.h: an OpenTelemetry Collector (or anything that takes OTLP/HTTP) by libcurl.
 *
 * Each signal has a lane of its own: a thread, a cursor ("name.metrics"), connections, a backoff.
 * What one signal waits for holds no other. Batches of one signal, made by laying payloads end to
 * end, posted to {url}/v1/{signal}. Retries for ever what may be retried, with capped exponential
 * backoff, full jitter and Retry-After; halves a batch that was refused for good until the guilty
 * request stands alone, and sets that one aside as a dead letter. Specification: OTLP/HTTP,
 * sections on retryable codes and partial success.
 */
#ifndef SIGPOST_OTLP_DESTINATION_OTLP_H
#define SIGPOST_OTLP_DESTINATION_OTLP_H

#include "otlp/export/dead_letter.h"
#include "otlp/export/destination.h"
#include "otlp/export/export_zip.h"

#include <stddef.h>

struct destination_otlp_options {
    const char *name;           /* metric label and beginning of the cursors' names */
    const char *url;            /* base, without the signal's path and a trailing slash */
    const char *const *headers; /* "Name: value" lines, or NULL */
    size_t n_headers;
    const char *ca_file; /* PEM, or NULL */
    enum export_zip zip;
    unsigned signals; /* bits SPOOL_SIGNAL(signal), at least one */
    uint64_t batch_bytes;
    unsigned batch_requests;
    int64_t batch_age_ns;
    unsigned in_flight;
    int64_t timeout_ns;
    int64_t retry_initial_ns, retry_max_ns;
    struct dead_letter_box *dead; /* borrowed while it runs */
};

/* Could it be started: name, URL, headers, certificates, limits? False and a sentence otherwise. */
bool destination_otlp_check(const struct destination_otlp_options *options, struct result *why);

/* Starts the threads. A cursor `name` of an earlier version is where new lanes begin; it is the
 * caller's to forget. Everything in options but `dead` is copied. NULL and a sentence on failure.
 * metrics gets sigpost_export_* and sigpost_dead_letters_total. curl_global_init must have been
 * called. */
struct destination *destination_otlp_start(const struct destination_otlp_options *options,
                                           struct spool *spool, struct metrics *metrics,
                                           struct result *why);

#endif
