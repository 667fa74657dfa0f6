/* append_wait.c: see append_wait.h.
 *
 * Three things may happen to a waiting append, in any order: the spool settles it (message), the
 * deadline passes (timeout), the client goes (pool disposal). The message always comes, once, and
 * frees it; the other two only clear `req`.
 */
#include "gateway/append_wait.h"

#include "gateway/reply.h"

#include <stdlib.h>

struct append_wait {
    h2o_multithread_message_t message;
    h2o_timeout_entry_t deadline;
    struct worker *worker;
    h2o_req_t *req;            /* NULL once answered or gone */
    struct append_wait **hook; /* in the request's pool, points back here while req is set */
    int64_t started_ns;
    enum spool_outcome outcome;
    struct append_wait *next; /* once settled */
};

/* The request is no longer this append's to answer. Returns it. */
static h2o_req_t *let_go(struct append_wait *wait)
{
    h2o_req_t *req = wait->req;
    if (req != NULL) {
        *wait->hook = NULL;
        wait->req = NULL;
        h2o_timeout_unlink(&wait->deadline);
    }
    return req;
}

static void on_pool_disposed(void *hook_)
{
    struct append_wait **hook = hook_;
    if (*hook != NULL) {
        let_go(*hook);
    }
}

static void answer_unavailable(struct worker *worker, h2o_req_t *req, int64_t started_ns,
                               const char *detail)
{
    struct spool_stats stats;
    spool_get_stats(worker->gateway->spool, &stats);
    counters_verdict(&worker->gateway->counters, REASON_SPOOL_UNAVAILABLE, started_ns);
    LOG_WARN("payload refused", LOG_STR("reason", "spool_unavailable"), LOG_STR("detail", detail));
    reply_verdict(req, REASON_SPOOL_UNAVAILABLE, detail, stats.retry_after_s);
}

static void on_deadline(h2o_timeout_entry_t *entry)
{
    struct append_wait *wait = H2O_STRUCT_FROM_MEMBER(struct append_wait, deadline, entry);
    h2o_req_t *req = let_go(wait);
    if (req != NULL) {
        answer_unavailable(wait->worker, req, wait->started_ns, "the disk is slow to answer");
    }
}

/* On the spool's thread: nothing but `outcome` and the message may be touched. */
static void on_done(void *arg, enum spool_outcome outcome)
{
    struct append_wait *wait = arg;
    wait->outcome = outcome;
    h2o_multithread_send_message(&wait->worker->settled, &wait->message);
}

void append_wait_start(struct worker *worker, h2o_req_t *req, const struct spool_record *record,
                       int64_t started_ns)
{
    struct append_wait *wait = calloc(1, sizeof(*wait));
    if (wait == NULL) {
        answer_unavailable(worker, req, started_ns, "out of memory");
        return;
    }
    wait->worker = worker;
    wait->req = req;
    wait->started_ns = started_ns;
    wait->hook = h2o_mem_alloc_shared(&req->pool, sizeof(*wait->hook), on_pool_disposed);
    *wait->hook = wait;
    wait->deadline.cb = on_deadline;
    h2o_timeout_link(worker->ctx.loop, &worker->reply_deadline, &wait->deadline);
    worker->waiting++;
    spool_append(worker->gateway->spool, record, on_done, wait);
}

void append_wait_skip(struct worker *worker, h2o_req_t *req, int64_t started_ns)
{
    counters_verdict(&worker->gateway->counters, REASON_OK, started_ns);
    reply_export_ok(req);
}

static const char *outcome_detail(enum spool_outcome outcome)
{
    switch (outcome) {
    case SPOOL_FULL:
        return "the spool is full";
    case SPOOL_FAILED:
        return "the disk failed";
    case SPOOL_CLOSED:
        return "the server is stopping";
    case SPOOL_DURABLE:
        break;
    }
    return "";
}

static void settle(struct append_wait *wait)
{
    h2o_req_t *req = let_go(wait);
    if (req == NULL) {
        return;
    }
    if (wait->outcome == SPOOL_DURABLE) {
        counters_verdict(&wait->worker->gateway->counters, REASON_OK, wait->started_ns);
        reply_export_ok(req);
    } else {
        answer_unavailable(wait->worker, req, wait->started_ns, outcome_detail(wait->outcome));
    }
}

void append_wait_settle(h2o_linklist_t *messages)
{
    struct append_wait *settled = NULL;
    while (!h2o_linklist_is_empty(messages)) {
        struct append_wait *wait =
            H2O_STRUCT_FROM_MEMBER(struct append_wait, message.link, messages->next);
        h2o_linklist_unlink(&wait->message.link);
        wait->next = settled;
        settled = wait;
    }
    while (settled != NULL) {
        struct append_wait *wait = settled;
        settled = wait->next;
        settle(wait);
        wait->worker->waiting--;
        free(wait);
    }
}
