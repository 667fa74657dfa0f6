/* drain.h: the end of a worker's connections. */
#ifndef SIGPOST_GATEWAY_DRAIN_H
#define SIGPOST_GATEWAY_DRAIN_H

#include "gateway/gateway.h"

/* Answers the requests that have begun, until the monotonic deadline, then ends all connections.
 * Returns when the spool holds nothing of this worker's. The worker must have stopped listening.
 * On the worker's thread. */
void drain_requests(struct worker *worker, int64_t deadline_mono_ns);

#endif
