/* append_wait.h: requests that wait until the spool says "durable".
 *
 * The outcome comes back through the worker's append_queue; the request itself may end meanwhile
 * (its pool goes with the connection), so the waiting append holds its only pointer to it and a
 * hook in the pool clears that pointer.
 */
#ifndef SIGPOST_GATEWAY_APPEND_WAIT_H
#define SIGPOST_GATEWAY_APPEND_WAIT_H

#include "gateway/gateway.h"

/* What is appended for a request, and how it is answered when all goes well. */
struct append {
    struct spool_record record;     /* copied */
    const struct repeat_id *repeat; /* NULL: cannot be told from others. Copied. */
    enum reason verdict;            /* REASON_OK or REASON_LEASED */
    enum encoding encoding;         /* of the body as it came, and its length: counted */
    uint64_t wire_bytes;
    int64_t started_ns; /* monotonic, for the duration metric */
};

/* Appends the record and answers req when its outcome is known, or with 503 when the disk takes
 * longer than the worker's reply_deadline. An exact repeat is not appended: it is answered as the
 * first one is, at once when that is durable. */
void append_wait_start(struct worker *worker, h2o_req_t *req, const struct append *append);

/* Answers 200 to a request that has nothing to store. */
void append_wait_skip(struct worker *worker, h2o_req_t *req, const struct append *append);

/* Answers the requests of settled appends, on their worker's loop: for its append_queue. */
void append_wait_settle(struct spool_ticket *tickets);

/* Frees the memory that the worker kept for further requests. */
void append_wait_free_spare(struct worker *worker);

#endif
