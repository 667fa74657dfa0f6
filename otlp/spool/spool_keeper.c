/* spool_keeper.c: the thread beside the writer: cursor files and the deleting of segments, so that
 * neither an acknowledgement nor a commit waits for them.
 *
 * A cursor's file follows at most a second after its acknowledgement, or at once when that freed a
 * segment; a cursor that was only carried along past records of other signals waits for that or for
 * the end: after a crash its reader passes over them again. Files first, then the deletion. When a
 * cursor's file cannot be written (full disk) the segments go all the same: they hold only what was
 * acknowledged, and the room may be what is missing. The newest segment is never deleted: it is
 * where the next start finds the sequence.
 */
#include "otlp/spool/spool_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FREED_SPAN_NS (30 * NS_PER_SECOND)

bool spool_keeper_may_delete(const struct spool *spool)
{
    uint64_t acked;
    return spool_cursor_slowest(spool, &acked) && spool->n_segments > 1 &&
           spool->segments[0].closed && spool->segments[0].last <= acked;
}

void spool_keeper_look(struct spool *spool)
{
    if (spool_keeper_may_delete(spool)) {
        spool->keeper_due = true;
        pthread_cond_signal(&spool->chores);
    }
}

/* The next time a cursor's file is due; INT64_MAX: none. Locked. */
static int64_t next_store(const struct spool *spool)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < spool->n_cursors; i++) {
        const struct spool_cursor *cursor = &spool->cursors[i];
        if (cursor->due > cursor->durable && cursor->retry_at_ns < next) {
            next = cursor->retry_at_ns;
        }
    }
    return next;
}

/* A cursor whose file is to be written now, by value. Locked. */
static bool pick_due(struct spool *spool, bool all, int64_t now, struct spool_cursor *out)
{
    for (size_t i = 0; i < spool->n_cursors; i++) {
        struct spool_cursor *cursor = &spool->cursors[i];
        bool due = cursor->due > cursor->durable && cursor->retry_at_ns <= now;
        if (due || (all && cursor->acked > cursor->durable)) {
            cursor->retry_at_ns = now + NS_PER_SECOND;
            *out = *cursor;
            return true;
        }
    }
    return false;
}

/* Writes the files of due cursors (of all that changed when `all`), each at most once. Locked at
 * call and return, not between. */
static void store_cursors(struct spool *spool, bool all)
{
    int64_t now = clock_mono_ns();
    for (size_t n = spool->n_cursors; n > 0; n--) {
        struct spool_cursor due;
        if (!pick_due(spool, all, now, &due)) {
            return;
        }
        pthread_mutex_unlock(&spool->lock);
        bool stored = spool_cursor_store(spool, due.name);
        if (!stored) {
            char text[128];
            LOG_WARN("spool: a cursor could not be written; after a crash its destination would "
                     "get some records twice",
                     LOG_STR("dir", spool->dir), LOG_STR("cursor", due.name),
                     LOG_STR("error", strerror_r(errno, text, sizeof(text))));
        }
        pthread_mutex_lock(&spool->lock);
        if (!stored) {
            return;
        }
    }
}

/* Two half minutes are kept: this one and the one before. Locked. */
static void count_freed(struct spool *spool, uint64_t bytes)
{
    int64_t age = clock_mono_ns() - spool->freed_since_ns;
    if (age >= FREED_SPAN_NS) {
        spool->freed[1] = age < 2 * FREED_SPAN_NS ? spool->freed[0] : 0;
        spool->freed[0] = 0;
        spool->freed_since_ns = clock_mono_ns();
    }
    spool->freed[0] += bytes;
}

/* A sound file that was written nearly to its end is worth keeping for the next segment. Locked. */
static bool may_keep(const struct spool *spool, const struct spool_segment *segment)
{
    return spool->spare == 0 && !spool->keeper_stopping && segment->n_damage == 0 &&
           segment->used <= spool->segment_bytes && segment->used >= spool->segment_bytes / 2;
}

/* Makes a file the spare, or, when it is not to be kept, deletes it (*kept is false then). Its old
 * name must be gone for good before anything is written to it: a start must not find another
 * segment's bytes under that name. */
static bool retire(struct spool *spool, const char *name, bool *kept)
{
    bool moved = *kept && renameat(spool->dir_fd, name, spool->dir_fd, SPOOL_SPARE_NAME) == 0;
    *kept = moved && fsync(spool->dir_fd) == 0;
    return *kept || unlinkat(spool->dir_fd, moved ? SPOOL_SPARE_NAME : name, 0) == 0 ||
           errno == ENOENT;
}

/* Locked at call and return, not between. */
static void delete_passed(struct spool *spool)
{
    bool unsynced = false; /* names that are gone, with no sync of the directory since */
    while (spool_keeper_may_delete(spool)) {
        char name[SEGMENT_NAME_LEN + 1];
        segment_name(spool->segments[0].first, name);
        uint64_t used = spool->segments[0].used, first = spool->segments[0].first;
        bool kept = may_keep(spool, &spool->segments[0]);
        spool_segment_drop_first(spool);
        pthread_mutex_unlock(&spool->lock);
        bool gone = retire(spool, name, &kept);
        if (!gone) {
            char text[128];
            LOG_WARN("spool: a segment could not be deleted", LOG_STR("dir", spool->dir),
                     LOG_STR("file", name),
                     LOG_STR("error", strerror_r(errno, text, sizeof(text))));
        }
        spool_stats_forget_segment(spool, first);
        pthread_mutex_lock(&spool->lock);
        if (gone) {
            spool->allocated -= kept ? 0 : used;
            spool->spare = kept ? used : spool->spare;
            count_freed(spool, used);
            spool->room_freed = true;
            spool->full = false;
            pthread_cond_signal(&spool->work);
            unsynced = !kept;
        }
    }
    if (unsynced) {
        pthread_mutex_unlock(&spool->lock);
        fsync(spool->dir_fd);
        pthread_mutex_lock(&spool->lock);
    }
}

static void wait_for_chores(struct spool *spool)
{
    int timed_out = 0;
    while (!spool->keeper_stopping && !spool->keeper_due && timed_out == 0) {
        int64_t next = next_store(spool);
        if (next != INT64_MAX) {
            struct timespec until = {next / NS_PER_SECOND, next % NS_PER_SECOND};
            timed_out = pthread_cond_timedwait(&spool->chores, &spool->lock, &until);
        } else {
            pthread_cond_wait(&spool->chores, &spool->lock);
        }
    }
}

void *spool_keeper_main(void *arg)
{
    struct spool *spool = arg;
    bool stopping = false;
    pthread_mutex_lock(&spool->lock);
    while (!stopping) {
        wait_for_chores(spool);
        stopping = spool->keeper_stopping;
        spool->keeper_due = false;
        store_cursors(spool, stopping || spool_keeper_may_delete(spool));
        delete_passed(spool);
    }
    pthread_mutex_unlock(&spool->lock);
    return NULL;
}
