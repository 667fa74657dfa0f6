/* spool_append.c: records in memory, from who appends them to the writer, and their answers back.
 *
 * A job lies in a block with its frame behind it; an appender fills one block after the other and
 * takes back those whose jobs were all answered, so that in the long run nothing is allocated. The
 * queue's lock is taken once a flush and once an answered group. What one commit settled is sorted
 * by appender first and told then, in one call each.
 */
#include "otlp/spool/spool_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)128 << 10) /* about 40 records of a desktop client's */
#define BLOCKS_KEPT 8                   /* by an appender */

struct spool_tickets {
    struct spool_ticket *head, *tail;
};

struct spool_appender {
    struct spool *spool;
    spool_settled settled;
    void *arg;
    struct spool_block *block;    /* being filled, or NULL */
    struct spool_jobs added;      /* since the last flush */
    struct spool_tickets refused; /* since the last flush: outside the limits, out of memory */

    /* The writer's, within spool_jobs_answer. */
    struct spool_tickets told;
    struct spool_appender *next_told;

    pthread_mutex_t lock;
    struct spool_block *kept; /* under lock */
    unsigned n_kept;
};

/* --- lists ------------------------------------------------------------------------------------ */

void spool_jobs_push(struct spool_jobs *jobs, struct spool_job *job)
{
    job->next = NULL;
    if (jobs->head == NULL) {
        jobs->head = job;
    } else {
        jobs->tail->next = job;
    }
    jobs->tail = job;
}

struct spool_job *spool_jobs_pop(struct spool_jobs *jobs)
{
    struct spool_job *job = jobs->head;
    if (job != NULL) {
        jobs->head = job->next;
        job->next = NULL;
    }
    return job;
}

void spool_jobs_move(struct spool_jobs *to, struct spool_jobs *from)
{
    if (from->head == NULL) {
        return;
    }
    if (to->head == NULL) {
        to->head = from->head;
    } else {
        to->tail->next = from->head;
    }
    to->tail = from->tail;
    from->head = NULL;
}

static void tickets_push(struct spool_tickets *tickets, struct spool_ticket *ticket,
                         enum spool_outcome outcome)
{
    ticket->outcome = outcome;
    ticket->next = NULL;
    if (tickets->head == NULL) {
        tickets->head = ticket;
    } else {
        tickets->tail->next = ticket;
    }
    tickets->tail = ticket;
}

/* --- blocks ----------------------------------------------------------------------------------- */

static struct spool_block *block_create(struct spool_appender *appender, size_t cap)
{
    struct spool_block *block = malloc(sizeof(*block) + cap);
    if (block != NULL) {
        block->next = NULL;
        block->appender = appender;
        block->used = 0;
        block->cap = cap;
        atomic_init(&block->users, 1);
    }
    return block;
}

static void block_let_go(struct spool_block *block)
{
    if (atomic_fetch_sub(&block->users, 1) != 1) {
        return;
    }
    struct spool_appender *appender = block->appender;
    if (appender != NULL && block->cap == BLOCK_BYTES) {
        pthread_mutex_lock(&appender->lock);
        if (appender->n_kept < BLOCKS_KEPT) {
            block->next = appender->kept;
            appender->kept = block;
            appender->n_kept++;
            block = NULL;
        }
        pthread_mutex_unlock(&appender->lock);
    }
    free(block);
}

static struct spool_block *take_kept(struct spool_appender *appender)
{
    pthread_mutex_lock(&appender->lock);
    struct spool_block *block = appender->kept;
    if (block != NULL) {
        appender->kept = block->next;
        appender->n_kept--;
        block->used = 0;
        atomic_store(&block->users, 1);
    }
    pthread_mutex_unlock(&appender->lock);
    return block;
}

static size_t job_size(const struct spool_record *record)
{
    size_t size = sizeof(struct spool_job) + SEGMENT_FRAME_LEN + record->session.len +
                  record->key_id.len + record->payload.len;
    size_t align = _Alignof(max_align_t);
    return (size + align - 1) / align * align;
}

/* The block with room for a job of `size` bytes, held once more for it; a long one has a block to
 * itself. */
static struct spool_block *block_for(struct spool_appender *appender, size_t size)
{
    if (size > BLOCK_BYTES / 2) {
        return block_create(appender, size);
    }
    struct spool_block *block = appender->block;
    if (block != NULL && size > block->cap - block->used) {
        appender->block = NULL;
        block_let_go(block);
        block = NULL;
    }
    if (block == NULL) {
        block = take_kept(appender);
    }
    if (block == NULL) {
        block = block_create(appender, BLOCK_BYTES);
    }
    appender->block = block;
    if (block != NULL) {
        atomic_fetch_add(&block->users, 1);
    }
    return block;
}

/* --- jobs ------------------------------------------------------------------------------------- */

static bool record_fits(const struct spool *spool, const struct spool_record *record)
{
    bool fits = record->signal < SIGNAL_COUNT && record->session.len <= SPOOL_SESSION_MAX &&
                record->key_id.len <= SPOOL_KEY_ID_MAX && record->payload.len != 0 &&
                record->payload.len <= spool->options.max_payload;
    if (!fits) {
        LOG_ERROR("spool: a record outside the limits was refused",
                  LOG_INT("payload", record->payload.len), LOG_INT("session", record->session.len),
                  LOG_INT("key_id", record->key_id.len));
    }
    return fits;
}

static uint8_t *put(uint8_t *to, struct slice from)
{
    if (from.len != 0) {
        memcpy(to, from.data, from.len);
    }
    return to + from.len;
}

/* The frame, all but its header; summed here, on the caller's thread. */
static struct spool_job *make_job(struct spool_block *block, const struct spool_record *record)
{
    size_t body = record->session.len + record->key_id.len + record->payload.len;
    struct spool_job *job = (struct spool_job *)(void *)(block->bytes + block->used);
    block->used += job_size(record);
    *job = (struct spool_job){.block = block};
    job->frame.total = (uint32_t)(SEGMENT_FRAME_LEN + body);
    job->frame.payload_len = (uint32_t)record->payload.len;
    job->frame.items = record->items;
    job->frame.session_len = (uint8_t)record->session.len;
    job->frame.key_id_len = (uint8_t)record->key_id.len;
    job->frame.signal = (uint8_t)record->signal;
    job->frame.arrived_ns = record->arrived_ns;
    uint8_t *at = put(job->bytes + SEGMENT_FRAME_LEN, record->session);
    put(put(at, record->key_id), record->payload);
    job->body_crc = segment_crc32c(0, job->bytes + SEGMENT_FRAME_LEN, body);
    return job;
}

static void count_refused(struct spool *spool, enum spool_outcome outcome, size_t n)
{
    if (outcome == SPOOL_FULL) {
        metric_add(spool->refused_full, n);
    } else if (outcome == SPOOL_FAILED) {
        metric_add(spool->refused_failed, n);
    }
}

/* Moves jobs from the front of `from` into the queue, as many as may go in; why the next may not,
 * or DURABLE when none is left. */
static enum spool_outcome enqueue(struct spool *spool, struct spool_jobs *from)
{
    enum spool_outcome outcome = SPOOL_DURABLE;
    int64_t deadline = clock_mono_ns() + spool->options.wait_ns;
    pthread_mutex_lock(&spool->lock);
    bool idle = spool->queue.head == NULL && !spool->gathering;
    while (from->head != NULL && outcome == SPOOL_DURABLE) {
        uint32_t size = from->head->frame.total;
        if (spool->stopping) {
            outcome = SPOOL_CLOSED;
        } else if (spool->failed) {
            outcome = SPOOL_FAILED;
        } else if (spool->queued_bytes != 0 &&
                   spool->queued_bytes + size > spool->options.max_queued) {
            spool->full = true;
            outcome = SPOOL_FULL;
        } else {
            spool->queued_bytes += size;
            from->head->deadline_ns = deadline;
            spool_jobs_push(&spool->queue, spool_jobs_pop(from));
        }
    }
    if (idle && spool->queue.head != NULL) {
        pthread_cond_signal(&spool->work);
    }
    pthread_mutex_unlock(&spool->lock);
    return outcome;
}

void spool_append(struct spool *spool, const struct spool_record *record, spool_done done,
                  void *arg)
{
    enum spool_outcome outcome = SPOOL_FAILED;
    struct spool_block *block = NULL;
    if (record_fits(spool, record)) {
        block = block_create(NULL, job_size(record));
        outcome = SPOOL_FULL;
    }
    if (block != NULL) {
        struct spool_jobs one = {NULL, NULL};
        struct spool_job *job = make_job(block, record);
        job->done = done;
        job->arg = arg;
        spool_jobs_push(&one, job);
        outcome = enqueue(spool, &one);
        if (outcome == SPOOL_DURABLE) {
            return; /* the writer answers; the job may be gone already */
        }
        block_let_go(block);
    }
    count_refused(spool, outcome, 1);
    done(arg, outcome);
}

/* --- appenders -------------------------------------------------------------------------------- */

struct spool_appender *spool_appender_open(struct spool *spool, spool_settled settled, void *arg)
{
    struct spool_appender *appender = calloc(1, sizeof(*appender));
    if (appender != NULL) {
        appender->spool = spool;
        appender->settled = settled;
        appender->arg = arg;
        pthread_mutex_init(&appender->lock, NULL);
    }
    return appender;
}

void spool_appender_close(struct spool_appender *appender)
{
    if (appender == NULL) {
        return;
    }
    if (appender->block != NULL) {
        block_let_go(appender->block);
    }
    while (appender->kept != NULL) {
        struct spool_block *block = appender->kept;
        appender->kept = block->next;
        free(block);
    }
    pthread_mutex_destroy(&appender->lock);
    free(appender);
}

void spool_appender_add(struct spool_appender *appender, const struct spool_record *record,
                        struct spool_ticket *ticket)
{
    struct spool *spool = appender->spool;
    enum spool_outcome refused = SPOOL_FAILED;
    if (record_fits(spool, record)) {
        struct spool_block *block = block_for(appender, job_size(record));
        if (block != NULL) {
            struct spool_job *job = make_job(block, record);
            job->ticket = ticket;
            spool_jobs_push(&appender->added, job);
            return;
        }
        refused = SPOOL_FULL;
    }
    count_refused(spool, refused, 1);
    tickets_push(&appender->refused, ticket, refused);
}

void spool_appender_flush(struct spool_appender *appender)
{
    struct spool *spool = appender->spool;
    enum spool_outcome outcome = SPOOL_DURABLE;
    if (appender->added.head != NULL) {
        outcome = enqueue(spool, &appender->added);
    }
    for (struct spool_job *job; (job = spool_jobs_pop(&appender->added)) != NULL;) {
        count_refused(spool, outcome, 1);
        tickets_push(&appender->refused, job->ticket, outcome);
        block_let_go(job->block);
    }
    struct spool_ticket *refused = appender->refused.head;
    if (refused != NULL) {
        appender->refused.head = NULL;
        appender->settled(appender->arg, refused);
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Takes the bytes of answered jobs out of the count; how many there are. */
static size_t uncount(struct spool *spool, const struct spool_jobs *jobs,
                      enum spool_outcome outcome)
{
    size_t n = 0;
    uint64_t bytes = 0;
    for (const struct spool_job *job = jobs->head; job != NULL; job = job->next) {
        bytes += job->frame.total;
        n++;
    }
    pthread_mutex_lock(&spool->lock);
    spool->queued_bytes -= bytes;
    spool->full = spool->full || outcome == SPOOL_FULL;
    pthread_mutex_unlock(&spool->lock);
    return n;
}

/* An appender may be closed from the moment its last ticket came back: its blocks are let go before
 * it is told. */
void spool_jobs_answer(struct spool *spool, struct spool_jobs *jobs, enum spool_outcome outcome)
{
    struct spool_appender *told = NULL;
    if (jobs->head == NULL) {
        return;
    }
    size_t n = uncount(spool, jobs, outcome);
    if (outcome == SPOOL_DURABLE) {
        spool->w.group = n;
        metric_add(spool->records, n);
    } else {
        count_refused(spool, outcome, n);
    }
    for (struct spool_job *job; (job = spool_jobs_pop(jobs)) != NULL;) {
        if (job->ticket != NULL) {
            struct spool_appender *appender = job->block->appender;
            if (appender->told.head == NULL) {
                appender->next_told = told;
                told = appender;
            }
            tickets_push(&appender->told, job->ticket, outcome);
        } else {
            job->done(job->arg, outcome);
        }
        block_let_go(job->block);
    }
    while (told != NULL) {
        struct spool_appender *appender = told;
        struct spool_ticket *tickets = appender->told.head;
        told = appender->next_told;
        appender->told.head = NULL;
        appender->settled(appender->arg, tickets);
    }
}
