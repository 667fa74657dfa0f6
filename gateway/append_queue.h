/* append_queue.h: a worker's way to the spool and back.
 *
 * What one turn of the loop appends is handed over when the turn ends, and what one commit settled
 * comes back as one list; the loop is woken for it only when it would not look by itself, at the
 * end of a turn that appended. Lock, hand-over and wake-up are so paid a turn or a commit and not a
 * request.
 */
#ifndef SIGPOST_GATEWAY_APPEND_QUEUE_H
#define SIGPOST_GATEWAY_APPEND_QUEUE_H

#include "otlp/spool/spool.h"

#include <h2o.h>

struct append_queue;

/* Called on the worker's loop with tickets whose outcome is known, linked by next. */
typedef void (*append_queue_settle)(struct spool_ticket *tickets);

/* receiver: the worker's, whose callback is to call append_queue_look. NULL when out of memory. Any
 * thread. */
struct append_queue *append_queue_create(struct spool *spool, h2o_multithread_receiver_t *receiver,
                                         append_queue_settle settle);

/* Every ticket has come back, and nobody will put one in any more. On the worker's thread, before
 * its receiver is unregistered. */
void append_queue_stop(struct append_queue *queue);
/* After append_queue_stop, or where the worker's thread never ran. */
void append_queue_destroy(struct append_queue *queue);

/* Appends at the end of this turn (see spool_appender_add). On the worker's loop. */
void append_queue_add(struct append_queue *queue, h2o_context_t *ctx,
                      const struct spool_record *record, struct spool_ticket *ticket);

/* Puts in a ticket that is not the spool's, its outcome set: an exact repeat's. Any thread. */
void append_queue_put(struct append_queue *queue, struct spool_ticket *ticket);

/* Settles what came back. On the worker's loop, for the receiver. */
void append_queue_look(struct append_queue *queue);

#endif
