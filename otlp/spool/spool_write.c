/* spool_write.c: frames into the current segment: writev, one fdatasync, then the replies.
 *
 * No room on the disk (ENOSPC, EDQUOT, the process' file size limit): the file is cut behind the
 * last whole frame, what is whole is made durable and answered, the rest waits. Any other error of
 * a write, and every error of a sync, is final: after a failed sync the kernel may have dropped
 * the pages and called them clean, so a second sync that succeeds proves nothing.
 */
#include "otlp/spool/spool_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct spool_system spool_system = {fdatasync, fallocate, writev};

void spool_write_failed(struct spool *spool, const char *what, int error)
{
    pthread_mutex_lock(&spool->lock);
    bool first = !spool->failed;
    spool->failed = true;
    pthread_mutex_unlock(&spool->lock);
    if (first) {
        char text[128];
        LOG_ERROR("spool: the disk failed; no more data is taken until a restart",
                  LOG_STR("dir", spool->dir), LOG_STR("during", what),
                  LOG_STR("error", strerror_r(error, text, sizeof(text))));
    }
}

bool spool_write_sync(struct spool *spool)
{
    struct spool_write *w = &spool->w;
    int64_t began = clock_mono_ns();
    if (spool_system.fdatasync(w->fd) != 0) {
        spool_write_failed(spool, "fdatasync of a segment", errno);
        return false;
    }
    w->synced_ns = clock_mono_ns();
    w->unsynced = false;
    metric_observe(spool->sync_seconds, (double)(w->synced_ns - began) / (double)NS_PER_SECOND);
    return true;
}

void spool_write_publish(struct spool *spool)
{
    struct spool_write *w = &spool->w;
    pthread_mutex_lock(&spool->lock);
    struct spool_segment *segment = spool_segment_of(spool, w->first);
    segment->used = w->end;
    segment->last = w->last;
    if (w->last > spool->durable) {
        spool->durable = w->last;
    }
    spool_readers_tell(spool, w->signals);
    w->signals = 0;
    w->wake_due = true;
    pthread_mutex_unlock(&spool->lock);
}

/* Fills iov with the next jobs from *job on that fit; the frames get their sequence here. */
static int gather(struct spool *spool, struct spool_job **job, uint64_t *end, uint64_t *sequence)
{
    struct spool_write *w = &spool->w;
    int n = 0;
    while (*job != NULL && n < SPOOL_IOV - 1 && (*job)->frame.total <= w->limit - *end) {
        (*job)->frame.sequence = (*sequence)++;
        (*job)->frame.segment_id = w->id;
        segment_frame_encode(&(*job)->frame, (*job)->body_crc, (*job)->bytes);
        w->iov[n++] = (struct iovec){(*job)->bytes, (*job)->frame.total};
        *end += (*job)->frame.total;
        *job = (*job)->next;
    }
    return n;
}

/* Writes all of iov; the number of bytes written, and 0 or the errno that ended it. */
static uint64_t write_all(int fd, struct iovec *iov, int n, int *error)
{
    uint64_t total = 0;
    *error = 0;
    while (n > 0) {
        ssize_t wrote = spool_system.writev(fd, iov, n);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            *error = wrote < 0 ? errno : EIO;
            break;
        }
        total += (uint64_t)wrote;
        size_t left = (size_t)wrote;
        while (n > 0 && left >= iov->iov_len) {
            left -= iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (char *)iov->iov_base + left;
            iov->iov_len -= left;
        }
    }
    return total;
}

static bool means_no_room(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/* Half a frame must not stay behind the good ones: the next write begins at w->end. */
static bool cut_back(struct spool *spool)
{
    struct spool_write *w = &spool->w;
    if (ftruncate(w->fd, (off_t)w->end) != 0 || lseek(w->fd, (off_t)w->end, SEEK_SET) < 0) {
        spool_write_failed(spool, "cutting back after a full disk", errno);
        return false;
    }
    return true;
}

/* Moves whole frames among the `wrote` bytes from w->waiting to `written`. */
static void take_written(struct spool_write *w, uint64_t wrote, struct spool_jobs *written)
{
    while (w->waiting.head != NULL && w->waiting.head->frame.total <= wrote) {
        struct spool_job *job = spool_jobs_pop(&w->waiting);
        wrote -= job->frame.total;
        w->end += job->frame.total;
        w->signals |= SPOOL_SIGNAL(job->frame.signal);
        w->last = job->frame.sequence;
        w->next = job->frame.sequence + 1;
        spool_jobs_push(written, job);
        if (wrote == 0) {
            break;
        }
    }
}

static void remember_arrival(struct spool *spool, const struct spool_job *first)
{
    pthread_mutex_lock(&spool->lock);
    spool->recent[spool->n_recent % SPOOL_RECENT] =
        (struct spool_recent){first->frame.sequence, first->frame.arrived_ns};
    spool->n_recent++;
    spool->full = false;
    pthread_mutex_unlock(&spool->lock);
}

/* Durable as the mode wants it, seen by readers, answered. False: the disk failed. */
static bool commit(struct spool *spool, struct spool_jobs *written)
{
    struct spool_write *w = &spool->w;
    enum spool_outcome outcome = SPOOL_DURABLE;
    if (spool->options.sync == SPOOL_SYNC_ALWAYS && !spool_write_sync(spool)) {
        outcome = SPOOL_FAILED;
    }
    w->unsynced = spool->options.sync == SPOOL_SYNC_INTERVAL;
    if (outcome == SPOOL_DURABLE) {
        remember_arrival(spool, written->head);
        if (!w->unsynced) {
            spool_write_publish(spool);
        }
    }
    spool_jobs_answer(spool, written, outcome);
    return outcome == SPOOL_DURABLE;
}

/* Writes the gathered frames, which end at `end`, and in a reused file the end mark behind them:
 * the next write begins at the mark. Returns the frames' bytes written, and 0 or the errno that
 * ended it. */
static uint64_t write_frames(struct spool_write *w, int n, uint64_t end, int *error)
{
    static uint8_t zeros[SEGMENT_END_LEN]; /* never written: writev takes no const */
    uint64_t frames = 0;
    for (int i = 0; i < n; i++) {
        frames += w->iov[i].iov_len;
    }
    uint64_t left = w->reused ? w->size - end : 0;
    size_t mark = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);
    if (mark != 0) {
        w->iov[n++] = (struct iovec){zeros, mark};
    }
    uint64_t wrote = write_all(w->fd, w->iov, n, error);
    if (*error == 0 && mark != 0 && lseek(w->fd, (off_t)end, SEEK_SET) < 0) {
        *error = errno;
    }
    return wrote < frames ? wrote : frames;
}

enum spool_room spool_write_group(struct spool *spool)
{
    struct spool_write *w = &spool->w;
    struct spool_jobs written = {NULL, NULL};
    struct spool_job *next = w->waiting.head;
    uint64_t end = w->end, sequence = w->next;
    int error = 0;
    while (error == 0) {
        int n = gather(spool, &next, &end, &sequence);
        if (n == 0) {
            break;
        }
        uint64_t wrote = write_frames(w, n, end, &error);
        take_written(w, wrote, &written);
    }
    bool whole = true;
    if (error != 0 && !means_no_room(error)) {
        spool_write_failed(spool, "writing a segment", error);
        whole = false;
    } else if (error != 0) {
        whole = cut_back(spool);
        w->limit = w->end; /* the next segment may have room, or is let go for it */
    }
    if (!whole) {
        spool_jobs_answer(spool, &written, SPOOL_FAILED);
        return SPOOL_BROKEN;
    }
    if (written.head == NULL) {
        return SPOOL_NO_ROOM;
    }
    return commit(spool, &written) ? SPOOL_ROOM : SPOOL_BROKEN;
}
