/* append_queue.c: see append_queue.h. */
#include "gateway/append_queue.h"

#include <pthread.h>
#include <stdlib.h>

struct append_queue {
    struct spool_appender *appender;
    append_queue_settle settle;
    h2o_multithread_receiver_t *receiver;
    h2o_timeout_entry_t turn_end; /* linked from a turn's first append on */

    pthread_mutex_t lock;
    /* locked */
    struct spool_ticket *settled;
    bool in_turn; /* the loop will look when its turn ends */
    bool called;  /* the message is under way */
    /* end of locked */
    h2o_multithread_message_t message;
};

static void put(struct append_queue *queue, struct spool_ticket *first, struct spool_ticket *last)
{
    pthread_mutex_lock(&queue->lock);
    last->next = queue->settled;
    queue->settled = first;
    bool call = !queue->in_turn && !queue->called;
    queue->called = queue->called || call;
    pthread_mutex_unlock(&queue->lock);
    if (call) {
        h2o_multithread_send_message(queue->receiver, &queue->message);
    }
}

void append_queue_put(struct append_queue *queue, struct spool_ticket *ticket)
{
    put(queue, ticket, ticket);
}

/* On the spool's thread, or in a flush. */
static void on_settled(void *queue, struct spool_ticket *tickets)
{
    struct spool_ticket *last = tickets;
    while (last->next != NULL) {
        last = last->next;
    }
    put(queue, tickets, last);
}

static void settle_all(struct append_queue *queue, bool turn_ends)
{
    pthread_mutex_lock(&queue->lock);
    struct spool_ticket *tickets = queue->settled;
    queue->settled = NULL;
    queue->in_turn = queue->in_turn && !turn_ends;
    pthread_mutex_unlock(&queue->lock);
    if (tickets != NULL) {
        queue->settle(tickets);
    }
}

static void on_turn_end(h2o_timeout_entry_t *entry)
{
    struct append_queue *queue = H2O_STRUCT_FROM_MEMBER(struct append_queue, turn_end, entry);
    spool_appender_flush(queue->appender);
    settle_all(queue, true);
}

/* The message has come, there is no other: once it is taken back it may be sent again. */
void append_queue_look(struct append_queue *queue)
{
    h2o_linklist_unlink(&queue->message.link);
    pthread_mutex_lock(&queue->lock);
    queue->called = false;
    pthread_mutex_unlock(&queue->lock);
    settle_all(queue, false);
}

void append_queue_add(struct append_queue *queue, h2o_context_t *ctx,
                      const struct spool_record *record, struct spool_ticket *ticket)
{
    spool_appender_add(queue->appender, record, ticket);
    if (!h2o_timeout_is_linked(&queue->turn_end)) {
        h2o_timeout_link(ctx->loop, &ctx->zero_timeout, &queue->turn_end);
        pthread_mutex_lock(&queue->lock);
        queue->in_turn = true;
        pthread_mutex_unlock(&queue->lock);
    }
}

struct append_queue *append_queue_create(struct spool *spool, h2o_multithread_receiver_t *receiver,
                                         append_queue_settle settle)
{
    struct append_queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL) {
        return NULL;
    }
    queue->settle = settle;
    queue->receiver = receiver;
    queue->turn_end.cb = on_turn_end;
    queue->appender = spool_appender_open(spool, on_settled, queue);
    if (queue->appender == NULL) {
        free(queue);
        return NULL;
    }
    pthread_mutex_init(&queue->lock, NULL);
    return queue;
}

void append_queue_stop(struct append_queue *queue)
{
    /* Sent, and then found to be needless: a turn had ended meanwhile. */
    if (h2o_linklist_is_linked(&queue->message.link)) {
        h2o_linklist_unlink(&queue->message.link);
    }
    h2o_timeout_unlink(&queue->turn_end);
}

void append_queue_destroy(struct append_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    spool_appender_close(queue->appender);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}
