/* append_wait.c: see append_wait.h.
 *
 * Three things may happen to a waiting append, in any order: the spool settles it (its ticket comes
 * back), the deadline passes (timeout), the client goes (pool disposal). The ticket always comes,
 * once, and frees it; the other two only clear `req`.
 */
#include "gateway/append_wait.h"

#include "gateway/append_queue.h"
#include "gateway/reply.h"

#include <stdlib.h>

#define SPARE_MAX 256 /* waits that a worker keeps for the next requests */

struct append_wait {
    struct spool_ticket ticket;
    h2o_timeout_entry_t deadline;
    struct worker *worker;
    h2o_req_t *req;            /* NULL once answered or gone */
    struct append_wait **hook; /* in the request's pool, points back here while req is set */
    struct append_wait *next_spare;
    int64_t started_ns;
    enum reason verdict; /* when it is durable */
    bool tracked;        /* `repeat` is known: its outcome is its repeats' too */
    bool counted;        /* an exact repeat is not */
    struct repeat_id repeat;
    enum signal signal;
    enum encoding encoding;
    uint64_t items;
    uint64_t wire_bytes;
    struct repeat_waiter waiter; /* of a repeat */
};

/* libh2o stops reading a connection whose request it has handed out, and epoll would have to be
 * told so twice a request. A client says nothing while it waits, so the connection stays registered
 * instead, without its bytes being taken: it is left alone as soon as there are some, or it ends.
 */
static void on_early_input(h2o_socket_t *sock, const char *error)
{
    (void)error;
    h2o_socket_read_stop(sock);
}

static void stay_registered(h2o_req_t *req)
{
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
    h2o_socket_dont_read(sock, 1);
    h2o_socket_read_start(sock, on_early_input);
}

/* As libh2o had it, before it is given an answer to send. */
static void stop_reading(h2o_req_t *req)
{
    h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
    h2o_socket_read_stop(sock);
    h2o_socket_dont_read(sock, 0);
}

static void detach(struct append_wait *wait)
{
    *wait->hook = NULL;
    wait->req = NULL;
    h2o_timeout_unlink(&wait->deadline);
}

/* The request, to be answered now, or NULL when it is gone or was answered. */
static h2o_req_t *let_go(struct append_wait *wait)
{
    h2o_req_t *req = wait->req;
    if (req != NULL) {
        detach(wait);
        stop_reading(req);
    }
    return req;
}

static void on_pool_disposed(void *hook_)
{
    struct append_wait **hook = hook_;
    if (*hook != NULL) {
        detach(*hook);
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

static void answer_accepted(struct worker *worker, h2o_req_t *req, enum reason verdict,
                            int64_t started_ns)
{
    counters_verdict(&worker->gateway->counters, verdict, started_ns);
    reply_export_ok(req);
}

static struct append_wait *take_memory(struct worker *worker)
{
    struct append_wait *wait = worker->spare_waits;
    if (wait == NULL) {
        return malloc(sizeof(*wait));
    }
    worker->spare_waits = wait->next_spare;
    worker->n_spare_waits--;
    return wait;
}

static void give_memory(struct worker *worker, struct append_wait *wait)
{
    if (worker->n_spare_waits == SPARE_MAX) {
        free(wait);
        return;
    }
    wait->next_spare = worker->spare_waits;
    worker->spare_waits = wait;
    worker->n_spare_waits++;
}

void append_wait_free_spare(struct worker *worker)
{
    while (worker->spare_waits != NULL) {
        struct append_wait *wait = worker->spare_waits;
        worker->spare_waits = wait->next_spare;
        free(wait);
    }
    worker->n_spare_waits = 0;
}

static struct append_wait *make_wait(struct worker *worker, h2o_req_t *req,
                                     const struct append *append)
{
    struct append_wait *wait = take_memory(worker);
    if (wait == NULL) {
        return NULL;
    }
    *wait = (struct append_wait){0};
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
    stay_registered(req);
    return wait;
}

static void put_outcome(struct append_wait *wait, enum spool_outcome outcome)
{
    wait->ticket.outcome = outcome;
    append_queue_put(wait->worker->appends, &wait->ticket);
}

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
        append_queue_add(worker->appends, &worker->ctx, &append->record, &wait->ticket);
        break;
    case REPEAT_WAITING:
        break;
    case REPEAT_DONE:
        put_outcome(wait, SPOOL_DURABLE);
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

/* Those who waited for this one may be of other workers, and are theirs from when they were put. */
static void settle_repeats(const struct append_wait *wait)
{
    struct repeat_waiter *waiter = repeats_settle(wait->worker->gateway->repeats, &wait->repeat,
                                                  wait->ticket.outcome == SPOOL_DURABLE);
    while (waiter != NULL) {
        struct repeat_waiter *next = waiter->next;
        put_outcome(H2O_STRUCT_FROM_MEMBER(struct append_wait, waiter, waiter),
                    wait->ticket.outcome);
        waiter = next;
    }
}

static void settle(struct append_wait *wait)
{
    enum spool_outcome outcome = wait->ticket.outcome;
    if (wait->counted && wait->tracked) {
        settle_repeats(wait);
    }
    if (outcome == SPOOL_DURABLE && wait->counted) {
        counters_payload(&wait->worker->gateway->counters, wait->signal, wait->encoding,
                         wait->items, wait->wire_bytes);
    }
    h2o_req_t *req = let_go(wait);
    if (req == NULL) {
        return;
    }
    if (outcome == SPOOL_DURABLE) {
        answer_accepted(wait->worker, req, wait->verdict, wait->started_ns);
    } else {
        answer_unavailable(wait->worker, req, wait->started_ns, outcome_detail(outcome));
    }
}

void append_wait_settle(struct spool_ticket *tickets)
{
    while (tickets != NULL) {
        struct append_wait *wait = H2O_STRUCT_FROM_MEMBER(struct append_wait, ticket, tickets);
        struct worker *worker = wait->worker;
        tickets = tickets->next;
        settle(wait);
        worker->waiting--;
        give_memory(worker, wait);
    }
}
