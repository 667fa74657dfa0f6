/* exporter.c: see exporter.h. The parcels are one list in order of sequence; it is as long as there
 * are requests under way and halves of refused batches, so walking it costs nothing that counts. */
#include "otlp/export/exporter.h"

#include <stdlib.h>

struct exporter {
    struct exporter_options options;
    struct retry retry;
    struct batch *open[SIGNAL_COUNT]; /* NULL or holding at least one frame */
    bool open_alone[SIGNAL_COUNT];    /* takes no other frame */
    struct parcel *parcels;           /* owned; ascending sequence */
    struct batch *spare;              /* NULL or empty: a sent one's memory, for the next */
    unsigned closed;                  /* batches whose memory the parcels hold */
    unsigned sending;
    unsigned sending_of[SIGNAL_COUNT];
    uint64_t last; /* highest sequence taken */
};

struct exporter *exporter_create(const struct exporter_options *options)
{
    struct exporter *e = calloc(1, sizeof(*e));
    if (e != NULL) {
        e->options = *options;
        retry_init(&e->retry, &options->retry);
    }
    return e;
}

void exporter_destroy(struct exporter *e)
{
    if (e == NULL) {
        return;
    }
    while (e->parcels != NULL) {
        struct parcel *parcel = e->parcels;
        e->parcels = parcel->next;
        batch_free(parcel->batch);
        free(parcel);
    }
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        batch_free(e->open[i]);
    }
    batch_free(e->spare);
    free(e);
}

/* Takes the batch over. */
static void insert(struct exporter *e, struct parcel *parcel, struct batch *batch)
{
    *parcel = (struct parcel){.batch = batch, .state = PARCEL_READY};
    uint64_t sequence = batch_first_sequence(batch);
    struct parcel **at = &e->parcels;
    while (*at != NULL && batch_first_sequence((*at)->batch) < sequence) {
        at = &(*at)->next;
    }
    parcel->next = *at;
    *at = parcel;
}

static void drop(struct exporter *e, struct parcel *parcel)
{
    struct parcel **at = &e->parcels;
    while (*at != parcel) {
        at = &(*at)->next;
    }
    *at = parcel->next;
    if (e->spare == NULL && batch_clear(parcel->batch)) {
        e->spare = parcel->batch;
        e->closed--;
    } else if (batch_free(parcel->batch)) {
        e->closed--;
    }
    free(parcel);
}

static bool close_open(struct exporter *e, unsigned signal)
{
    struct parcel *parcel = malloc(sizeof(*parcel));
    if (parcel == NULL) {
        return false;
    }
    insert(e, parcel, e->open[signal]);
    e->open[signal] = NULL;
    e->open_alone[signal] = false;
    e->closed++;
    return true;
}

bool exporter_wants_frames(const struct exporter *e)
{
    return e->retry.phase == RETRY_FLOWING;
}

static struct batch *take_spare(struct exporter *e, enum signal signal)
{
    struct batch *spare = e->spare;
    if (spare == NULL || batch_signal(spare) != signal) {
        return batch_create(signal);
    }
    e->spare = NULL;
    return spare;
}

bool exporter_add(struct exporter *e, const struct spool_frame *frame, bool alone, int64_t now)
{
    struct batch **open = &e->open[frame->signal];
    if (*open != NULL && (alone || e->open_alone[frame->signal] ||
                          !batch_fits(*open, &e->options.batch, frame->payload.len))) {
        if (e->closed >= e->options.in_flight || !close_open(e, frame->signal)) {
            return false;
        }
    }
    if (*open == NULL) {
        struct batch *batch = take_spare(e, frame->signal);
        if (batch == NULL) {
            return false;
        }
        if (!batch_add(batch, frame, now)) {
            batch_free(batch);
            return false;
        }
        *open = batch;
        e->open_alone[frame->signal] = alone;
    } else if (!batch_add(*open, frame, now)) {
        return false;
    }
    e->last = frame->sequence;
    return true;
}

void exporter_flush(struct exporter *e)
{
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        if (e->open[i] != NULL) {
            close_open(e, i);
        }
    }
}

static bool is_due(const struct exporter *e, unsigned signal, int64_t now)
{
    return e->open[signal] != NULL &&
           (e->open_alone[signal] || batch_due(e->open[signal], &e->options.batch, now));
}

/* The due open batch with the lowest sequence closes first, so that requests start in order. */
static void close_due(struct exporter *e, int64_t now)
{
    while (e->closed < e->options.in_flight) {
        unsigned first = SIGNAL_COUNT;
        for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
            if (is_due(e, i, now) &&
                (first == SIGNAL_COUNT ||
                 batch_first_sequence(e->open[i]) < batch_first_sequence(e->open[first]))) {
                first = i;
            }
        }
        if (first == SIGNAL_COUNT || !close_open(e, first)) {
            return;
        }
    }
}

static bool may_start(const struct exporter *e, const struct parcel *parcel)
{
    enum signal signal = batch_signal(parcel->batch);
    return parcel->state == PARCEL_READY &&
           (signal != SIGNAL_METRICS || e->sending_of[SIGNAL_METRICS] == 0);
}

struct parcel *exporter_next(struct exporter *e, int64_t now)
{
    close_due(e, now);
    if (e->sending >= e->options.in_flight || !retry_may_send(&e->retry, now)) {
        return NULL;
    }
    struct parcel *parcel = e->parcels;
    while (parcel != NULL && !may_start(e, parcel)) {
        parcel = parcel->next;
    }
    if (parcel != NULL) {
        parcel->state = PARCEL_SENDING;
        parcel->probe = retry_sent(&e->retry);
        e->sending++;
        e->sending_of[batch_signal(parcel->batch)]++;
    }
    return parcel;
}

static enum exporter_step refuse(struct exporter *e, struct parcel *parcel)
{
    if (batch_count(parcel->batch) == 1) {
        parcel->state = PARCEL_REFUSED;
        return EXPORTER_DEAD;
    }
    struct parcel *second = malloc(sizeof(*second));
    struct batch *upper = second != NULL ? batch_split(parcel->batch) : NULL;
    if (upper == NULL) {
        free(second);
        return EXPORTER_HELD; /* no memory to split now: it is sent whole once more */
    }
    insert(e, second, upper);
    return EXPORTER_SPLIT;
}

enum exporter_step exporter_finish(struct exporter *e, struct parcel *parcel,
                                   enum retry_verdict verdict, int64_t retry_after_ns, int64_t now,
                                   uint64_t random, bool *recovered)
{
    bool probe = parcel->probe;
    parcel->state = PARCEL_READY;
    parcel->probe = false;
    e->sending--;
    e->sending_of[batch_signal(parcel->batch)]--;
    bool answered = verdict == RETRY_DELIVERED || verdict == RETRY_REFUSED;
    bool ended = answered && retry_answered(&e->retry, probe);
    if (recovered != NULL) {
        *recovered = ended;
    }
    if (verdict == RETRY_DELIVERED) {
        drop(e, parcel);
        return EXPORTER_DONE;
    }
    enum exporter_step step = verdict == RETRY_REFUSED ? refuse(e, parcel) : EXPORTER_HELD;
    if (step == EXPORTER_HELD) {
        retry_failed(&e->retry, verdict, retry_after_ns, probe, now, random);
    }
    return step;
}

struct parcel *exporter_dead(struct exporter *e)
{
    struct parcel *parcel = e->parcels;
    while (parcel != NULL && parcel->state != PARCEL_REFUSED) {
        parcel = parcel->next;
    }
    return parcel;
}

void exporter_buried(struct exporter *e, struct parcel *parcel)
{
    drop(e, parcel);
}

uint64_t exporter_done_through(const struct exporter *e)
{
    uint64_t through = e->last;
    if (e->parcels != NULL && batch_first_sequence(e->parcels->batch) <= through) {
        through = batch_first_sequence(e->parcels->batch) - 1;
    }
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        if (e->open[i] != NULL && batch_first_sequence(e->open[i]) <= through) {
            through = batch_first_sequence(e->open[i]) - 1;
        }
    }
    return through;
}

int64_t exporter_due_at(const struct exporter *e)
{
    int64_t due = INT64_MAX;
    if (e->sending >= e->options.in_flight || e->retry.phase == RETRY_PROBING) {
        return due; /* an answer comes first */
    }
    for (unsigned i = 0; i < SIGNAL_COUNT && e->closed < e->options.in_flight; i++) {
        if (e->open[i] != NULL) {
            int64_t at = e->open_alone[i] ? 0 : batch_due_at(e->open[i], &e->options.batch);
            due = at < due ? at : due;
        }
    }
    for (const struct parcel *p = e->parcels; p != NULL; p = p->next) {
        due = may_start(e, p) ? 0 : due;
    }
    if (due != INT64_MAX && e->retry.phase == RETRY_PAUSED && due < e->retry.until) {
        due = e->retry.until;
    }
    return due;
}

unsigned exporter_sending(const struct exporter *e)
{
    return e->sending;
}

bool exporter_has_ready(const struct exporter *e)
{
    const struct parcel *parcel = e->parcels;
    while (parcel != NULL && parcel->state != PARCEL_READY) {
        parcel = parcel->next;
    }
    return parcel != NULL;
}

const struct retry *exporter_retry(const struct exporter *e)
{
    return &e->retry;
}
