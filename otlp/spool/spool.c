/* spool.c: opening and closing. See spool.h for the contract, spool_internal.h for where
 * the rest is. */
#include "otlp/spool/spool_internal.h"

#include "base/clock.h"
#include "base/directory.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_QUEUED ((uint64_t)64 << 20)

/* 0 and a sentence when the sizes do not go together. */
static uint64_t choose_segment_bytes(const struct spool_options *options, struct result *why)
{
    if (options->max_payload == 0 || options->max_payload > SEGMENT_PAYLOAD_MAX) {
        result_fail(why,
                    "spool: a longest payload of %" PRIu32 " bytes; 1 to %" PRIu32 " can be had",
                    options->max_payload, SEGMENT_PAYLOAD_MAX);
        return 0;
    }
    uint64_t frame = spool_frame_max(options->max_payload);
    uint64_t least = SPOOL_SEGMENT_SLACK + frame;
    uint64_t bytes = options->segment_bytes;
    if (bytes == 0) {
        bytes = options->max_bytes / 16;
        bytes = bytes < SPOOL_SEGMENT_MAX ? bytes : SPOOL_SEGMENT_MAX;
        bytes = bytes > least ? bytes : least;
    } else if (bytes < SEGMENT_HEADER_LEN + frame) {
        result_fail(why,
                    "spool: segments of %" PRIu64 " bytes do not hold the longest record; "
                    "at least %" PRIu64 " are needed",
                    bytes, SEGMENT_HEADER_LEN + frame);
        return 0;
    }
    if (bytes > options->max_bytes / 2) {
        result_fail(why,
                    "spool.max_bytes: %" PRIu64 "KiB are too few for two files that hold a body of "
                    "server.max_body and its stamps; use at least %" PRIu64 "KiB",
                    options->max_bytes / 1024, (2 * bytes + 1023) / 1024);
        return 0;
    }
    return bytes;
}

bool spool_check_sizes(const struct spool_options *options, struct result *why)
{
    return choose_segment_bytes(options, why) != 0;
}

static bool choose_sizes(struct spool *spool, struct result *why)
{
    struct spool_options *options = &spool->options;
    spool->segment_bytes = choose_segment_bytes(options, why);
    if (spool->segment_bytes == 0) {
        return false;
    }
    options->max_queued = options->max_queued != 0 ? options->max_queued : DEFAULT_QUEUED;
    return true;
}

static bool open_directory(struct spool *spool, struct result *why)
{
    if (!directory_make("spool directory", spool->dir, why)) {
        return false;
    }
    spool->dir_fd = open(spool->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (spool->dir_fd < 0 || fstat(spool->dir_fd, &st) != 0) {
        return result_fail_errno(why, errno, "spool directory %s: cannot be opened", spool->dir);
    }
    if ((st.st_mode & 07777) != 0700 && fchmod(spool->dir_fd, 0700) != 0) {
        LOG_WARN("spool: the directory's mode is not 0700 and cannot be changed",
                 LOG_STR("dir", spool->dir));
    }
    if (faccessat(spool->dir_fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        return result_fail_errno(why, errno, "spool directory %s: cannot be written to",
                                 spool->dir);
    }
    return true;
}

static bool lock_directory(struct spool *spool, struct result *why)
{
    spool->lock_fd = openat(spool->dir_fd, "lock", O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (spool->lock_fd < 0) {
        return result_fail_errno(why, errno, "spool lock %s/lock: cannot be opened", spool->dir);
    }
    while (flock(spool->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return result_fail(why,
                               "spool directory %s: another process holds %s/lock; stop it, or "
                               "give each its own state.dir",
                               spool->dir, spool->dir);
        }
        if (errno != EINTR) {
            return result_fail_errno(why, errno, "spool lock %s/lock", spool->dir);
        }
    }
    return true;
}

/* Signals are the main thread's. */
static bool start_threads(struct spool *spool, struct result *why)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&spool->writer, NULL, spool_writer_main, spool);
    if (error == 0) {
        spool->writer_runs = true;
        pthread_setname_np(spool->writer, "spool-writer");
        error = pthread_create(&spool->keeper, NULL, spool_keeper_main, spool);
    }
    if (error == 0) {
        spool->keeper_runs = true;
        pthread_setname_np(spool->keeper, "spool-keeper");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 || result_fail_errno(why, error, "spool: a thread cannot be started");
}

static void init_locks(struct spool *spool)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&spool->work, &monotonic);
    pthread_cond_init(&spool->chores, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutexattr_t adaptive; /* it is held for so short that a sleep costs more */
    pthread_mutexattr_init(&adaptive);
    pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&spool->lock, &adaptive);
    pthread_mutexattr_destroy(&adaptive);
    pthread_mutex_init(&spool->cursor_files, NULL);
    pthread_mutex_init(&spool->damage, NULL);
    pthread_mutex_init(&spool->peek, NULL);
}

static void tell_recovered(struct spool *spool)
{
    LOG_INFO("spool: opened", LOG_STR("dir", spool->dir), LOG_INT("segments", spool->n_segments),
             LOG_INT("bytes", spool->allocated), LOG_INT("next", spool->w.next),
             LOG_INT("quarantined", spool->quarantined));
}

struct spool *spool_open(const struct spool_options *options, struct metrics *metrics,
                         struct result *why)
{
    struct spool *spool = calloc(1, sizeof(*spool));
    if (spool == NULL) {
        result_fail(why, "spool: not enough memory");
        return NULL;
    }
    spool->dir_fd = spool->lock_fd = spool->w.fd = spool->peek_scan.fd = -1;
    spool->options = *options;
    spool->options.dir = NULL;
    spool->freed_since_ns = clock_mono_ns();
    init_locks(spool);
    spool->dir = strdup(options->dir);
    if (spool->dir == NULL) {
        result_fail(why, "spool: not enough memory");
        goto fail;
    }
    if (!choose_sizes(spool, why) || !open_directory(spool, why) || !lock_directory(spool, why)) {
        goto fail;
    }
    spool_stats_register(spool, metrics);
    if (!spool_recover(spool, why) || !start_threads(spool, why)) {
        goto fail;
    }
    tell_recovered(spool);
    pthread_mutex_lock(&spool->lock);
    spool->keeper_due = true; /* a deletion may have been cut short */
    pthread_cond_signal(&spool->chores);
    pthread_mutex_unlock(&spool->lock);
    return spool;

fail:
    spool_close(spool);
    return NULL;
}

static void stop_threads(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    spool->stopping = true;
    pthread_cond_signal(&spool->work);
    pthread_mutex_unlock(&spool->lock);
    if (spool->writer_runs) {
        pthread_join(spool->writer, NULL);
    }
    pthread_mutex_lock(&spool->lock);
    spool->keeper_stopping = true;
    pthread_cond_signal(&spool->chores);
    pthread_mutex_unlock(&spool->lock);
    if (spool->keeper_runs) {
        pthread_join(spool->keeper, NULL);
    }
}

static void close_if_open(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

int spool_keep_lock(const struct spool *spool)
{
    return fcntl(spool->lock_fd, F_DUPFD_CLOEXEC, 0);
}

void spool_close(struct spool *spool)
{
    if (spool == NULL) {
        return;
    }
    stop_threads(spool);
    if (spool->spare != 0) {
        unlinkat(spool->dir_fd, SPOOL_SPARE_NAME, 0);
    }
    spool_stats_unregister(spool);
    close_if_open(spool->w.fd);
    close_if_open(spool->peek_scan.fd);
    segment_scan_free(&spool->peek_scan);
    close_if_open(spool->lock_fd);
    close_if_open(spool->dir_fd);
    while (spool->n_segments != 0) {
        spool->n_segments--;
        free(spool->segments[spool->n_segments].damage);
    }
    free(spool->segments);
    free(spool->cursors);
    pthread_cond_destroy(&spool->work);
    pthread_cond_destroy(&spool->chores);
    pthread_mutex_destroy(&spool->lock);
    pthread_mutex_destroy(&spool->cursor_files);
    pthread_mutex_destroy(&spool->damage);
    pthread_mutex_destroy(&spool->peek);
    free(spool->dir);
    free(spool);
}
