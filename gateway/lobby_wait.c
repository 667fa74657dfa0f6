/* lobby_wait.c: see lobby_wait.h.
 *
 * Three things may happen to a wait, in any order: the keeper is done (message), the deadline
 * passes (timeout), the client goes (pool disposal). The message always comes, once, and frees it;
 * the other two only clear `req`.
 */
#include "gateway/lobby_wait.h"

#include <stdlib.h>

/* Of a worker. They stay until the disk is done, though their clients go: past so many a change is
 * answered before it is on disk, as it is at the deadline. */
#define WAITS_MAX 1024

struct lobby_wait {
    h2o_multithread_message_t message;
    h2o_timeout_entry_t deadline;
    struct lobby_commit commit;
    struct worker *worker;
    h2o_req_t *req;           /* NULL once answered or gone */
    struct lobby_wait **hook; /* in the request's pool, points back here while req is set */
    struct lobby_answer answer;
};

/* The request is no longer this wait's to answer. Returns it. */
static h2o_req_t *let_go(struct lobby_wait *wait)
{
    h2o_req_t *req = wait->req;
    if (req != NULL) {
        *wait->hook = NULL;
        wait->req = NULL;
        h2o_timeout_unlink(&wait->deadline);
    }
    return req;
}

static void answer(struct lobby_wait *wait)
{
    h2o_req_t *req = let_go(wait);
    if (req != NULL) {
        wait->answer.send(wait->worker, req, &wait->answer);
    }
}

static void on_pool_disposed(void *hook_)
{
    struct lobby_wait **hook = hook_;
    if (*hook != NULL) {
        let_go(*hook);
    }
}

static void on_deadline(h2o_timeout_entry_t *entry)
{
    answer(H2O_STRUCT_FROM_MEMBER(struct lobby_wait, deadline, entry));
}

/* On the keeper's thread. */
static void on_kept(struct lobby_commit *commit)
{
    struct lobby_wait *wait = H2O_STRUCT_FROM_MEMBER(struct lobby_wait, commit, commit);
    h2o_multithread_send_message(&wait->worker->kept, &wait->message);
}

static void begin(struct lobby_wait *wait, struct worker *worker, h2o_req_t *req)
{
    wait->worker = worker;
    wait->req = req;
    wait->hook = h2o_mem_alloc_shared(&req->pool, sizeof(struct lobby_wait *), on_pool_disposed);
    *wait->hook = wait;
    wait->deadline.cb = on_deadline;
    h2o_timeout_link(worker->ctx.loop, &worker->reply_deadline, &wait->deadline);
    worker->waiting++;
    worker->n_lobby_waits++;
}

void lobby_wait_unlock(struct worker *worker, h2o_req_t *req, const struct lobby_answer *what)
{
    struct lobby_keeper *keeper = worker->gateway->lobby;
    struct lobby_wait *wait = worker->n_lobby_waits < WAITS_MAX ? calloc(1, sizeof(*wait)) : NULL;
    bool waits = false;
    if (wait != NULL) {
        wait->answer = *what;
        wait->commit.done = on_kept;
        waits = lobby_keeper_commit(keeper, &wait->commit);
    }
    if (waits) {
        begin(wait, worker, req); /* before the keeper can be done: it needs the lock first */
        lobby_keeper_unlock(keeper);
        return;
    }
    lobby_keeper_unlock(keeper);
    free(wait);
    what->send(worker, req, what);
}

void lobby_wait_settle(h2o_linklist_t *messages)
{
    h2o_linklist_t *link = messages->next;
    h2o_linklist_init_anchor(messages); /* what was in it is ours */
    while (link != messages) {
        struct lobby_wait *wait = H2O_STRUCT_FROM_MEMBER(struct lobby_wait, message.link, link);
        link = link->next;
        answer(wait);
        wait->worker->waiting--;
        wait->worker->n_lobby_waits--;
        free(wait);
    }
}
