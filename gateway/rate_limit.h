/* rate_limit.h: token buckets per client address, or per session. Pure but for its lock: the caller
 * hands in now.
 *
 * A bucket is a full burst at first, takes one token a request, and fills at `per_second`. IPv6
 * addresses count by /64.
 *
 * Memory is bounded: a table of 32,768 buckets, in sets of 8. Under a flood of more addresses the
 * bucket longest unused in its set makes room, and the newcomer takes over what was in it, but at
 * least one token. So whom the flood displaced is served when he comes (one request at once, then
 * at the rate), and nobody gets a new burst by having himself displaced. Thread-safe.
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

/* What to tell whom the limit met. */
#define RATE_LIMIT_OF_ADDRESS "from this address"
#define RATE_LIMIT_OF_SESSION "of this session"

/* Takes a token. False: *retry_after_s (1 or more) says when there will be one. */
bool rate_limit_take(struct rate_limit *limit, const struct ip_addr *address, int64_t now_ns,
                     unsigned *retry_after_s);

/* The same for a session id of 1 byte or more. A table has either addresses or sessions. */
bool rate_limit_take_session(struct rate_limit *limit, struct slice session, int64_t now_ns,
                             unsigned *retry_after_s);

#endif
