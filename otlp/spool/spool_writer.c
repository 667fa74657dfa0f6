/* spool_writer.c: the one thread that writes.
 *
 * Round: take all that is queued; write what there is room for (spool_write.c), making segments as
 * needed; refuse what has waited for room too long; sleep until something comes, room is freed, a
 * deadline passes, the interval's sync or the readers' waking is due. Order of arrival is kept: a
 * small record does not overtake a large one that waits for room.
 */
#include "otlp/spool/spool_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <time.h>

#define GATHER_FROM 4 /* records in the last commit */
#define GATHER_EACH_NS (NS_PER_MS / 20)
#define GATHER_MAX_NS (NS_PER_MS / 2)
#define WAKE_PAUSE_NS (10 * NS_PER_MS)
#define SYNC_INTERVAL_NS NS_PER_SECOND
#define FULL_DISK_POLL_NS (NS_PER_SECOND / 4) /* others may have freed room on the disk */

/* Deadlines rise along the list: all jobs wait equally long. */
static void refuse_late(struct spool *spool)
{
    struct spool_jobs *waiting = &spool->w.waiting;
    struct spool_jobs late = {NULL, NULL};
    int64_t now = waiting->head != NULL ? clock_mono_ns() : 0;
    while (waiting->head != NULL && waiting->head->deadline_ns <= now) {
        spool_jobs_push(&late, spool_jobs_pop(waiting));
        spool->w.refused = true;
    }
    spool_jobs_answer(spool, &late, SPOOL_FULL);
}

static void tell_room(struct spool *spool, bool room)
{
    pthread_mutex_lock(&spool->lock);
    bool changed = spool->no_room == room;
    spool->no_room = !room;
    spool->disk_full = spool->w.disk_full;
    pthread_mutex_unlock(&spool->lock);
    if (changed && !room && spool->w.disk_full) {
        LOG_WARN("spool: the disk is full, records wait for room on it",
                 LOG_STR("dir", spool->dir));
    } else if (changed && !room) {
        LOG_WARN("spool: no room, records wait for a destination to take some",
                 LOG_STR("dir", spool->dir), LOG_INT("max_bytes", spool->options.max_bytes));
    } else if (changed) {
        LOG_INFO("spool: there is room again", LOG_STR("dir", spool->dir));
    }
}

/* Room may come back while nobody asks for it: whether there is some, only trying tells. */
static void look_for_room(struct spool *spool)
{
    struct spool_write *w = &spool->w;
    if (!w->refused || w->waiting.head != NULL || spool_segment_make_room(spool) != SPOOL_ROOM) {
        return;
    }
    w->refused = false;
    pthread_mutex_lock(&spool->lock);
    spool->full = false;
    pthread_mutex_unlock(&spool->lock);
    tell_room(spool, true);
}

static bool next_fits(const struct spool_write *w)
{
    return w->fd >= 0 && w->waiting.head->frame.total <= w->limit - w->end;
}

/* A segment without a frame is not left behind for another that would hold no more: its limit was
 * lowered by a write that found no room, which is tried again. */
static enum spool_room make_fit(struct spool *spool)
{
    struct spool_write *w = &spool->w;
    if (next_fits(w)) {
        return SPOOL_ROOM;
    }
    if (w->fd >= 0 && w->end == SEGMENT_HEADER_LEN) {
        w->limit = w->size;
        return SPOOL_ROOM;
    }
    return spool_segment_roll(spool);
}

/* Writes until nothing waits or there is no room. False: the disk failed. */
static bool write_waiting(struct spool *spool)
{
    struct spool_write *w = &spool->w;
    while (w->waiting.head != NULL) {
        enum spool_room room = make_fit(spool);
        if (room == SPOOL_ROOM) {
            room = spool_write_group(spool);
            /* In a segment that holds frames: the next one may have room. */
            if (room == SPOOL_NO_ROOM && !next_fits(w) && w->end > SEGMENT_HEADER_LEN) {
                continue;
            }
        }
        if (room == SPOOL_BROKEN) {
            return false;
        }
        if (room == SPOOL_NO_ROOM) {
            tell_room(spool, false);
            return true;
        }
        tell_room(spool, true);
    }
    return true;
}

static struct timespec to_timespec(int64_t ns)
{
    return (struct timespec){ns / NS_PER_SECOND, ns % NS_PER_SECOND};
}

/* When the writer must wake though nobody calls it; 0: never. */
static int64_t next_alarm(const struct spool *spool)
{
    const struct spool_write *w = &spool->w;
    int64_t alarm = 0;
    if (w->waiting.head != NULL) {
        int64_t poll = clock_mono_ns() + FULL_DISK_POLL_NS;
        alarm = w->waiting.head->deadline_ns < poll ? w->waiting.head->deadline_ns : poll;
    }
    if (w->refused && w->waiting.head == NULL) {
        alarm = clock_mono_ns() + FULL_DISK_POLL_NS;
    }
    if (w->unsynced && (alarm == 0 || w->synced_ns + SYNC_INTERVAL_NS < alarm)) {
        alarm = w->synced_ns + SYNC_INTERVAL_NS;
    }
    if (w->wake_due && (alarm == 0 || w->woken_ns + WAKE_PAUSE_NS < alarm)) {
        alarm = w->woken_ns + WAKE_PAUSE_NS;
    }
    return alarm;
}

/* How long the next commit waits for more: as long as the last one's records promise company, so
 * that a lone client never waits. */
static int64_t gather_ns(const struct spool_write *w)
{
    int64_t pause = (int64_t)w->group * GATHER_EACH_NS;
    return w->group < GATHER_FROM ? 0 : pause < GATHER_MAX_NS ? pause : GATHER_MAX_NS;
}

/* Lets more come, without being woken for each. A plain sleep: nothing ends it early but the end of
 * the pause, and it costs half the system calls of a condition's. Locked at call and return, not
 * between. */
static void gather(struct spool *spool, int64_t pause_ns)
{
    const struct timespec pause = to_timespec(pause_ns);
    spool->gathering = true;
    pthread_mutex_unlock(&spool->lock);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    pthread_mutex_lock(&spool->lock);
    spool->gathering = false;
}

/* Sleeps until there is something to do, then moves the queue to w.waiting. Returns stopping. */
static bool take_work(struct spool *spool)
{
    struct spool_write *w = &spool->w;
    int64_t alarm = next_alarm(spool);
    struct timespec until = to_timespec(alarm);
    int timed_out = 0;
    pthread_mutex_lock(&spool->lock);
    while (!spool->stopping && spool->queue.head == NULL &&
           !(spool->room_freed && w->waiting.head != NULL) && timed_out == 0) {
        if (alarm != 0) {
            timed_out = pthread_cond_timedwait(&spool->work, &spool->lock, &until);
        } else {
            pthread_cond_wait(&spool->work, &spool->lock);
        }
    }
    int64_t pause_ns = gather_ns(w);
    if (spool->queue.head != NULL && w->waiting.head == NULL && pause_ns != 0 && !spool->stopping) {
        gather(spool, pause_ns);
    }
    spool_jobs_move(&w->waiting, &spool->queue);
    spool->room_freed = false;
    bool stopping = spool->stopping;
    pthread_mutex_unlock(&spool->lock);
    return stopping;
}

static void sync_interval(struct spool *spool, bool now)
{
    struct spool_write *w = &spool->w;
    if (w->unsynced && (now || clock_mono_ns() - w->synced_ns >= SYNC_INTERVAL_NS)) {
        if (spool_write_sync(spool)) {
            spool_write_publish(spool);
        }
    }
}

/* Readers batch what they find for longer than this pause: under load they are woken once in it,
 * not once a commit. */
static void wake_readers(struct spool *spool, bool now)
{
    struct spool_write *w = &spool->w;
    if (w->wake_due && (now || clock_mono_ns() - w->woken_ns >= WAKE_PAUSE_NS)) {
        w->wake_due = false;
        w->woken_ns = clock_mono_ns();
        spool_readers_wake(spool);
    }
}

static bool has_failed(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    bool failed = spool->failed;
    pthread_mutex_unlock(&spool->lock);
    return failed;
}

void *spool_writer_main(void *arg)
{
    struct spool *spool = arg;
    bool stopping = false;
    while (!stopping) {
        stopping = take_work(spool);
        if (has_failed(spool) || !write_waiting(spool)) {
            spool->w.unsynced = false;
            spool_jobs_answer(spool, &spool->w.waiting, SPOOL_FAILED);
            wake_readers(spool, true); /* of what was published before */
            continue;
        }
        refuse_late(spool);
        look_for_room(spool);
        sync_interval(spool, stopping);
        wake_readers(spool, stopping);
    }
    spool_jobs_answer(spool, &spool->w.waiting, SPOOL_CLOSED);
    if (!has_failed(spool)) {
        spool_segment_finish(spool);
    }
    return NULL;
}
