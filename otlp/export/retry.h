/* retry.h: what an answer means for the data that was sent, and when to try again. Pure: the
 * caller hands in the time and the random number.
 *
 * One struct retry stands for one destination. While all goes well it is FLOWING. After a failure
 * that may heal it is PAUSED: nothing is sent until `until`. Then one request, the probe, goes
 * first (PROBING); when it is answered all flow again, when it fails the next pause is longer.
 * Requests that were under way when the first one failed do not lengthen the pause: they tell the
 * same story.
 */
#ifndef SIGPOST_OTLP_RETRY_H
#define SIGPOST_OTLP_RETRY_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum retry_verdict {
    RETRY_DELIVERED, /* the data is the receiver's now */
    RETRY_LATER,     /* the receiver's trouble, heals by itself: exponential backoff */
    RETRY_OPERATOR,  /* a person must mend something: hold the data, try at retry_max's pace */
    RETRY_REFUSED    /* this very body will never be taken: halve it, set the guilty one aside */
};

/* The verdict on an HTTP status; 0 stands for "no answer" (connection, TLS, timeout).
 *
 *     2xx                       delivered
 *     0, 408, 425, 429, 5xx     later (OTLP names 429, 502, 503, 504; the others are no reason to
 *                               throw data away either, so they are held and tried again)
 *     1xx, 3xx, 401 to 407, 410, 411, 414, 415, 417, 421, 426, 428, 431, 451
 *                               operator: URL, credentials, headers, compression or a proxy in
 *                               between; no other body would fare better
 *     every other 4xx           refused (400, 413, 422 …)
 */
enum retry_verdict retry_classify(int status);

/* The longest pause that a Retry-After may ask for. */
#define RETRY_AFTER_MAX_NS (INT64_C(600) * 1000000000)

/* A Retry-After value (RFC 9110, 10.2.3): seconds, or an HTTP-date in any of its three forms.
 * *delay_ns is 0 to RETRY_AFTER_MAX_NS (a date gone by is 0); false and 0 when it is neither. */
bool retry_after_parse(struct slice value, int64_t now_wall_s, int64_t *delay_ns);

struct retry_policy {
    int64_t initial_ns; /* ceiling of the first pause; it doubles with each failure */
    int64_t max_ns;     /* ceiling of every pause */
};

/* The pause after the `failures`-th failure in a row (1 for the first), with full jitter: anything
 * from RETRY_MIN_NS to min(max, initial * 2^(failures-1)). */
#define RETRY_MIN_NS INT64_C(1000000)
int64_t retry_delay(const struct retry_policy *policy, unsigned failures, uint64_t random);

enum retry_phase { RETRY_FLOWING, RETRY_PAUSED, RETRY_PROBING };

struct retry {
    struct retry_policy policy;
    enum retry_phase phase;
    unsigned failures; /* in a row */
    int64_t until;     /* monotonic; the end of the pause while PAUSED */
    int64_t since;     /* monotonic; when the first of the failures in a row happened */
};

void retry_init(struct retry *r, const struct retry_policy *policy);

/* May a request be sent now? */
bool retry_may_send(const struct retry *r, int64_t now);

/* A request is being sent (retry_may_send said so). True when it is the probe: the caller says so
 * again when its outcome is known. */
bool retry_sent(struct retry *r);

/* A request ended in `verdict`, RETRY_LATER or RETRY_OPERATOR. retry_after_ns: what the receiver
 * asked for, or 0. */
void retry_failed(struct retry *r, enum retry_verdict verdict, int64_t retry_after_ns, bool probe,
                  int64_t now, uint64_t random);

/* A request ended in RETRY_DELIVERED or RETRY_REFUSED: the receiver is there. True when this ended
 * a row of failures. */
bool retry_answered(struct retry *r, bool probe);

#endif
