/* rate_limit.h: token buckets per client address. Pure but for its lock: the caller hands in now.
 *
 * A bucket is a full burst at first, takes one token a request, and fills at `per_second`. IPv6
 * addresses count by /64. Memory is bounded: a fixed table of buckets, where under a flood of
 * addresses the one longest unused in its set makes room (it would be the fullest). Thread-safe.
 */
#ifndef SIGPOST_GATEWAY_RATE_LIMIT_H
#define SIGPOST_GATEWAY_RATE_LIMIT_H

#include "base/cidr.h"

#include <stdbool.h>
#include <stdint.h>

struct rate_limit;

/* per_second 0: off, every request passes. NULL when out of memory. */
struct rate_limit *rate_limit_create(unsigned per_second, unsigned burst);
void rate_limit_destroy(struct rate_limit *limit);

/* New limits for all buckets (reload). */
void rate_limit_set(struct rate_limit *limit, unsigned per_second, unsigned burst);

/* Takes a token. False: *retry_after_s (1 or more) says when there will be one. */
bool rate_limit_take(struct rate_limit *limit, const struct ip_addr *address, int64_t now_ns,
                     unsigned *retry_after_s);

#endif
