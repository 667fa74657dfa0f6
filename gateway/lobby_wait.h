/* lobby_wait.h: requests that changed the lobby wait until the change is on disk.
 *
 * The keeper's thread answers through the worker's message queue; the request itself may end
 * meanwhile (its pool goes with the connection), so the wait holds its only pointer to it and a
 * hook in the pool clears that pointer.
 */
#ifndef SIGPOST_GATEWAY_LOBBY_WAIT_H
#define SIGPOST_GATEWAY_LOBBY_WAIT_H

#include "gateway/gateway.h"

/* What will be answered, made while the lobby was locked. */
struct lobby_answer {
    void (*send)(struct worker *worker, h2o_req_t *req, const struct lobby_answer *answer);
    struct lobby_view view;
    bool found;  /* the caller was known */
    bool joined; /* it became known: the answer carries its cookie */
    unsigned count;
};

/* Unlocks the lobby, and answers once it is kept as it is now; at once when it is already, or after
 * the worker's reply_deadline when the disk is slow. The answer is copied. */
void lobby_wait_unlock(struct worker *worker, h2o_req_t *req, const struct lobby_answer *answer);

/* Answers the requests in `messages`, on the worker's loop. */
void lobby_wait_settle(h2o_linklist_t *messages);

#endif
