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
    enum reason verdict; /* when it is durable */
    enum spool_outcome outcome;
    bool tracked; /* `repeat` is known: its outcome is its repeats' too */
    bool counted; /* an exact repeat is not */
    struct repeat_id repeat;
    enum signal signal;
    enum encoding encoding;
    uint64_t items;
    uint64_t wire_bytes;
    struct repeat_waiter waiter; /* of a repeat */
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

static void send_outcome(struct append_wait *wait, enum spool_outcome outcome)
{
    wait->outcome = outcome;
    h2o_multithread_send_message(&wait->worker->settled, &wait->message);
}

/* On the spool's thread: nothing of `wait` but what settling needs may be touched, and nothing at
 * all once its outcome was sent. */
static void on_done(void *arg, enum spool_outcome outcome)
{
    struct append_wait *wait = arg;
    struct repeat_waiter *waiter = NULL;
    if (wait->tracked) {
        waiter =
            repeats_settle(wait->worker->gateway->repeats, &wait->repeat, outcome == SPOOL_DURABLE);
    }
    while (waiter != NULL) {
        struct repeat_waiter *next = waiter->next;
        send_outcome(H2O_STRUCT_FROM_MEMBER(struct append_wait, waiter, waiter), outcome);
        waiter = next;
    }
    send_outcome(wait, outcome);
}

static void answer_accepted(struct worker *worker, h2o_req_t *req, enum reason verdict,
                            int64_t started_ns)
{
    counters_verdict(&worker->gateway->counters, verdict, started_ns);
    reply_export_ok(req);
}

static struct append_wait *make_wait(struct worker *worker, h2o_req_t *req,
                                     const struct append *append)
{
    struct append_wait *wait = calloc(1, sizeof(*wait));
    if (wait == NULL) {
        return NULL;
    }
    wait->worker = worker;
    wait->req = req;
    wait->started_ns = append->started_ns;
    wait->verdict = append->verdict;
    wait->signal = append->record.signal;
    wait->encoding = append->encoding;
    wait->items = append->record.items;
    wait->wire_bytes = append->wire_bytes;
    wait->hook = h2o_mem_alloc_shared(&req->pool, sizeof(*wait->hook), on_pool_disposed);
    *wait->hook = wait;
    wait->deadline.cb = on_deadline;
    h2o_timeout_link(worker->ctx.loop, &worker->reply_deadline, &wait->deadline);
    worker->waiting++;
    return wait;
}

/* The outcome may be known, and `wait` freed on its loop, from the moment it is handed on. */
void append_wait_start(struct worker *worker, h2o_req_t *req, const struct append *append)
{
    struct append_wait *wait = make_wait(worker, req, append);
    enum repeat repeat = REPEAT_NEW;
    if (wait == NULL) {
        answer_unavailable(worker, req, append->started_ns, "out of memory");
        return;
    }
    if (append->repeat != NULL) {
        wait->tracked = true;
        wait->repeat = *append->repeat;
        repeat = repeats_begin(worker->gateway->repeats, &wait->repeat, append->started_ns,
                               &wait->waiter);
    }
    switch (repeat) {
    case REPEAT_NEW:
        wait->counted = true;
        spool_append(worker->gateway->spool, &append->record, on_done, wait);
        break;
    case REPEAT_WAITING:
        break;
    case REPEAT_DONE:
        send_outcome(wait, SPOOL_DURABLE);
        break;
    }
}

void append_wait_skip(struct worker *worker, h2o_req_t *req, const struct append *append)
{
    counters_payload(&worker->gateway->counters, append->record.signal, append->encoding,
                     append->record.items, append->wire_bytes);
    answer_accepted(worker, req, append->verdict, append->started_ns);
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
    if (wait->outcome == SPOOL_DURABLE && wait->counted) {
        counters_payload(&wait->worker->gateway->counters, wait->signal, wait->encoding,
                         wait->items, wait->wire_bytes);
    }
    h2o_req_t *req = let_go(wait);
    if (req == NULL) {
        return;
    }
    if (wait->outcome == SPOOL_DURABLE) {
        answer_accepted(wait->worker, req, wait->verdict, wait->started_ns);
    } else {
        answer_unavailable(wait->worker, req, wait->started_ns, outcome_detail(wait->outcome));
    }
}

void append_wait_settle(h2o_linklist_t *messages)
{
    h2o_linklist_t *link = messages->next;
    h2o_linklist_init_anchor(messages); /* what was in it is ours */
    while (link != messages) {
        struct append_wait *wait = H2O_STRUCT_FROM_MEMBER(struct append_wait, message.link, link);
        link = link->next;
        settle(wait);
        wait->worker->waiting--;
        free(wait);
    }
}
