/* spool_reader.c: opening, closing, acknowledging, going back. Reading is in spool_read.c. */
#include "otlp/spool/spool_internal.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void spool_reader_leave_segment(struct spool_reader *reader)
{
    if (reader->scan.fd >= 0) {
        close(reader->scan.fd);
        reader->scan.fd = -1;
    }
    reader->n_marks = 0;
}

static uint64_t first_place(struct spool *spool, const char *heir_of)
{
    const struct spool_cursor *before = heir_of != NULL ? spool_cursor_find(spool, heir_of) : NULL;
    uint64_t oldest = spool->n_segments != 0 ? spool->segments[0].first : spool->durable + 1;
    return before != NULL ? before->acked : oldest - 1;
}

/* After a change. Locked. */
static void note_taken(struct spool *spool)
{
    unsigned taken = 0;
    for (size_t i = 0; i < spool->n_cursors; i++) {
        const struct spool_reader *reader = spool->cursors[i].reader;
        taken |= reader != NULL ? reader->signals : 0;
    }
    atomic_store(&spool->taken, taken);
}

static struct spool_cursor *register_reader(struct spool_reader *reader, const char *name,
                                            const char *heir_of, bool *in_use)
{
    struct spool *spool = reader->spool;
    struct spool_cursor *cursor = spool_cursor_find(spool, name);
    *in_use = cursor != NULL && cursor->reader != NULL;
    if (cursor == NULL) {
        cursor = spool_cursor_add(spool, name, first_place(spool, heir_of));
    }
    if (cursor != NULL && !*in_use) {
        cursor->reader = reader;
        reader->handed = cursor->acked;
        reader->want = cursor->acked + 1;
        note_taken(spool);
    }
    return cursor;
}

static void unregister_reader(struct spool_reader *reader)
{
    struct spool *spool = reader->spool;
    pthread_mutex_lock(&spool->lock);
    struct spool_cursor *cursor = spool_cursor_find(spool, reader->name);
    if (cursor != NULL && cursor->reader == reader) {
        cursor->reader = NULL;
        note_taken(spool);
    }
    pthread_mutex_unlock(&spool->lock);
}

struct spool_reader *spool_reader_open(struct spool *spool, const char *name, struct result *why)
{
    return spool_reader_open_for(spool, name, SPOOL_ALL_SIGNALS, NULL, why);
}

struct spool_reader *spool_reader_open_for(struct spool *spool, const char *name, unsigned signals,
                                           const char *heir_of, struct result *why)
{
    if (!spool_name_valid(name)) {
        result_fail(why,
                    "\"%.64s\" is no name for a reader: 1 to 32 of a-z 0-9 _ -, or two of those "
                    "with a dot between",
                    name);
        return NULL;
    }
    struct spool_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        result_fail(why, "reader %s: not enough memory", name);
        return NULL;
    }
    reader->spool = spool;
    reader->signals = signals;
    reader->scan.fd = -1;
    memcpy(reader->name, name, strlen(name));
    bool in_use = false;
    /* Readable from the start: what is there already has to be looked at once. */
    reader->wake_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reader->wake_fd < 0) {
        result_fail_errno(why, errno, "reader %s: no eventfd", name);
        goto fail;
    }
    pthread_mutex_lock(&spool->lock);
    struct spool_cursor *cursor = register_reader(reader, name, heir_of, &in_use);
    pthread_mutex_unlock(&spool->lock);
    if (cursor == NULL || in_use) {
        result_fail(why, "reader %s: %s", name,
                    in_use ? "is open already; each destination needs a name of its own"
                           : "not enough memory");
        goto fail;
    }
    /* A new reader's file is made at once: it holds segments back from now on, also after a crash.
     */
    if (!spool_cursor_store(spool, name)) {
        result_fail_errno(why, errno, "spool %s: cursor.%s cannot be written", spool->dir, name);
        unregister_reader(reader);
        goto fail;
    }
    return reader;

fail:
    if (reader->wake_fd >= 0) {
        close(reader->wake_fd);
    }
    free(reader);
    return NULL;
}

void spool_reader_close(struct spool_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    unregister_reader(reader);
    if (!spool_cursor_store(reader->spool, reader->name)) {
        LOG_WARN("spool: a cursor could not be written; its destination will get some records "
                 "twice",
                 LOG_STR("dir", reader->spool->dir), LOG_STR("cursor", reader->name));
    }
    spool_reader_leave_segment(reader);
    segment_scan_free(&reader->scan);
    close(reader->wake_fd);
    free(reader);
}

void spool_reader_seek(struct spool_reader *reader, uint64_t sequence)
{
    pthread_mutex_lock(&reader->spool->lock);
    reader->asleep = false;
    reader->resume.first = 0;
    pthread_mutex_unlock(&reader->spool->lock);
    reader->want = sequence;
    if (reader->scan.fd < 0 || sequence > reader->scan.previous) {
        return;
    }
    for (size_t i = reader->n_marks; i-- > 0;) {
        if (reader->marks[i].previous < sequence) {
            reader->n_marks = i + 1;
            reader->scan.pos = reader->marks[i].pos;
            reader->scan.previous = reader->marks[i].previous;
            return;
        }
    }
    spool_reader_leave_segment(reader);
}

void spool_reader_ack(struct spool_reader *reader, uint64_t sequence)
{
    struct spool *spool = reader->spool;
    pthread_mutex_lock(&spool->lock);
    struct spool_cursor *cursor = spool_cursor_find(spool, reader->name);
    if (sequence > spool->durable) {
        sequence = spool->durable;
    }
    if (cursor != NULL && sequence > cursor->acked) {
        bool clean = cursor->due <= cursor->durable;
        cursor->acked = cursor->due = sequence;
        spool_reader_carry(reader, cursor);
        bool deletes = spool_keeper_may_delete(spool);
        spool->keeper_due = spool->keeper_due || deletes;
        if (clean || deletes) {
            pthread_cond_signal(&spool->chores);
        }
    }
    pthread_mutex_unlock(&spool->lock);
}

uint64_t spool_reader_position(struct spool_reader *reader)
{
    struct spool *spool = reader->spool;
    pthread_mutex_lock(&spool->lock);
    const struct spool_cursor *cursor = spool_cursor_find(spool, reader->name);
    uint64_t position = cursor != NULL ? cursor->acked : 0;
    pthread_mutex_unlock(&spool->lock);
    return position;
}

uint64_t spool_reader_drained(struct spool_reader *reader)
{
    struct spool *spool = reader->spool;
    pthread_mutex_lock(&spool->lock);
    uint64_t sequence = reader->asleep ? spool->durable : 0;
    pthread_mutex_unlock(&spool->lock);
    return sequence;
}

int spool_reader_wake_fd(struct spool_reader *reader)
{
    return reader->wake_fd;
}

void spool_reader_carry(struct spool_reader *reader, struct spool_cursor *cursor)
{
    const struct spool *spool = reader->spool;
    if (!reader->asleep || cursor->acked < reader->handed || spool->n_segments == 0) {
        return;
    }
    const struct spool_segment *last = &spool->segments[spool->n_segments - 1];
    reader->resume.first = last->first;
    reader->resume.pos = last->used;
    reader->resume.previous = spool->durable;
    if (spool->durable > cursor->acked) {
        cursor->acked = spool->durable;
    }
}

void spool_readers_tell(struct spool *spool, unsigned signals)
{
    for (size_t i = 0; i < spool->n_cursors; i++) {
        struct spool_reader *reader = spool->cursors[i].reader;
        if (reader == NULL || !reader->asleep) {
            continue;
        }
        if ((reader->signals & signals) != 0) {
            reader->asleep = false;
            reader->due = true;
        } else {
            spool_reader_carry(reader, &spool->cursors[i]);
        }
    }
    spool_keeper_look(spool);
}

void spool_readers_wake(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    for (size_t i = 0; i < spool->n_cursors; i++) {
        struct spool_reader *reader = spool->cursors[i].reader;
        if (reader != NULL && reader->due) {
            uint64_t one = 1;
            reader->due = false;
            ssize_t wrote = write(reader->wake_fd, &one, sizeof(one));
            (void)wrote; /* fails only when it is readable already */
        }
    }
    pthread_mutex_unlock(&spool->lock);
}

void spool_forget_readers_except(struct spool *spool, const char *const *names, size_t n)
{
    pthread_mutex_lock(&spool->lock);
    for (size_t i = spool->n_cursors; i-- > 0;) {
        struct spool_cursor cursor = spool->cursors[i];
        bool kept = cursor.reader != NULL;
        for (size_t j = 0; j < n && !kept; j++) {
            kept = strcmp(names[j], cursor.name) == 0;
        }
        if (kept) {
            continue;
        }
        spool->n_cursors--;
        memmove(spool->cursors + i, spool->cursors + i + 1,
                (spool->n_cursors - i) * sizeof(spool->cursors[0]));
        pthread_mutex_unlock(&spool->lock);
        LOG_INFO("spool: a cursor that no destination has is dropped",
                 LOG_STR("cursor", cursor.name), LOG_INT("sequence", cursor.acked));
        if (!spool_cursor_remove(spool, cursor.name)) {
            LOG_WARN("spool: a cursor file could not be removed", LOG_STR("cursor", cursor.name));
        }
        pthread_mutex_lock(&spool->lock);
    }
    spool->keeper_due = true;
    pthread_cond_signal(&spool->chores);
    pthread_mutex_unlock(&spool->lock);
}
