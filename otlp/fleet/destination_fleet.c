/* destination_fleet.c: see destination_fleet.h. The thread around the fleet core: reads frames,
 * folds the metrics among them, and saves.
 *
 * Saving goes: snapshot durable, then the spool's cursor. A crash between the two reads records
 * again that are in the snapshot; their sequence tells. While something is unsaved, a snapshot is
 * written every five seconds, or less often when it is large: at most a twentieth of the time goes
 * to it. The lock is held while a frame is folded (some 50 µs) and while series are rendered;
 * snapshots only read, and only this thread writes, so they need none.
 */
#include "otlp/fleet/destination_fleet.h"

#include "base/clock.h"
#include "base/durable_file.h"
#include "base/log.h"
#include "otlp/fleet/fleet_decode.h"
#include "otlp/fleet/fleet_fold.h"
#include "otlp/fleet/fleet_metrics.h"
#include "otlp/fleet/fleet_snapshot.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#define STREAMS_PER_SESSION 2000
#define STATE_BYTES_MIN ((size_t)64 << 20)
#define STATE_BYTES_PER_SESSION ((size_t)2048) /* some 15 streams; an average, not each one's */
#define DECODED_BYTES ((size_t)256 << 20)
#define SAVE_INTERVAL_NS (5 * NS_PER_SECOND)
#define SAVE_DUTY 20 /* times the last snapshot's duration must pass before the next */
#define READ_AGAIN_MS 1000
#define EXPIRE_AGAIN_MS 2000 /* while nobody sends */

struct fleet_destination {
    struct destination base;
    char *name;
    char *snapshot_path;
    struct fleet_options options;
    struct spool_reader *reader;
    struct fleet_decoder *decoder;
    struct fleet_metrics metrics;
    pthread_t thread;
    int stop_fd;
    atomic_bool stopping;
    _Atomic int64_t deadline_mono_ns; /* of stopping */
    _Atomic uint64_t folded;          /* read.sequence, for other threads */

    pthread_mutex_t lock; /* of the two below */
    struct fleet *f;
    char problem[DESTINATION_PROBLEM_MAX];

    /* The thread's own. */
    struct fleet_position read, saved;
    bool placed;    /* the reader stands behind `saved` */
    bool unsaved;   /* there is in f what is not in the snapshot */
    int64_t due_ns; /* monotonic: when to save, if unsaved */
    int64_t save_end_ns, save_took_ns;
};

/* --- what others see -------------------------------------------------------------------------- */

static void set_problem(struct fleet_destination *d, const char *problem)
{
    pthread_mutex_lock(&d->lock);
    snprintf(d->problem, sizeof(d->problem), "%s", problem);
    pthread_mutex_unlock(&d->lock);
}

static void get_status(struct destination *self, struct destination_status *out)
{
    struct fleet_destination *d = (struct fleet_destination *)self;
    *out = (struct destination_status){0};
    pthread_mutex_lock(&d->lock);
    memcpy(out->problem, d->problem, sizeof(out->problem));
    pthread_mutex_unlock(&d->lock);
    out->ok = out->problem[0] == '\0';
}

static void render(struct destination *self, struct buf *out)
{
    struct fleet_destination *d = (struct fleet_destination *)self;
    pthread_mutex_lock(&d->lock);
    fleet_render(d->f, out);
    pthread_mutex_unlock(&d->lock);
}

static uint64_t get_arrived(struct destination *self, enum signal signal)
{
    if (signal != SIGNAL_METRICS) {
        return UINT64_MAX;
    }
    struct fleet_destination *d = (struct fleet_destination *)self;
    uint64_t drained = spool_reader_drained(d->reader);
    uint64_t folded = atomic_load(&d->folded);
    return drained > folded ? drained : folded;
}

static const char *get_name(const struct destination *self)
{
    return ((const struct fleet_destination *)self)->name;
}

/* --- saving ----------------------------------------------------------------------------------- */

/* Everything read is safe now: either in the snapshot or nothing that would be. */
static void acknowledge(struct fleet_destination *d)
{
    if (d->placed && !d->unsaved) {
        spool_reader_ack(d->reader, d->read.sequence);
    }
}

static void save(struct fleet_destination *d)
{
    struct result why = RESULT_INIT;
    int64_t begin_ns = clock_mono_ns();
    bool saved = fleet_snapshot_write(d->f, d->read, d->snapshot_path, &why);
    d->save_end_ns = clock_mono_ns();
    d->save_took_ns = d->save_end_ns - begin_ns;
    metric_set(d->metrics.save_seconds, (double)d->save_took_ns / (double)NS_PER_SECOND);
    if (!saved) {
        metric_add(d->metrics.save_failures, 1);
        LOG_ERROR("fleet: the snapshot cannot be written; it is tried again, and the spool keeps "
                  "what is not in it",
                  LOG_STR("problem", why.text));
        set_problem(d, why.text);
        d->due_ns = d->save_end_ns + SAVE_INTERVAL_NS;
        return;
    }
    set_problem(d, "");
    d->saved = d->read;
    d->unsaved = false;
    acknowledge(d);
}

static void mark_unsaved(struct fleet_destination *d)
{
    if (d->unsaved) {
        return;
    }
    int64_t soonest = d->save_end_ns + d->save_took_ns * SAVE_DUTY;
    d->unsaved = true;
    d->due_ns = clock_mono_ns() + SAVE_INTERVAL_NS;
    if (d->due_ns < soonest) {
        d->due_ns = soonest;
    }
}

/* --- folding ---------------------------------------------------------------------------------- */

/* The first frame read stands where the spool's cursor does. Goes to the one behind the snapshot
 * and returns false; true when the frame itself is to be taken. A spool that was removed counts
 * from 1 again: its records have numbers that the snapshot seems to hold, but arrived later. */
static bool place(struct fleet_destination *d, const struct spool_frame *first)
{
    d->placed = true;
    if (first->sequence == d->saved.sequence + 1) {
        return true;
    }
    if (first->sequence <= d->saved.sequence && first->arrived_ns > d->saved.arrived_ns) {
        LOG_WARN("fleet: the spool began anew since the snapshot; its records are added",
                 LOG_INT("snapshot_sequence", d->saved.sequence),
                 LOG_INT("spool_sequence", first->sequence));
        return true;
    }
    spool_reader_seek(d->reader, d->saved.sequence + 1);
    return false;
}

static void take_frame(struct fleet_destination *d, const struct spool_frame *frame)
{
    if (!d->placed && !place(d, frame)) {
        return;
    }
    if (frame->signal == SIGNAL_METRICS) {
        mark_unsaved(d);
        pthread_mutex_lock(&d->lock);
        bool decoded = fleet_decode(d->decoder, d->f, slice_of(frame->session), frame->arrived_ns,
                                    frame->payload);
        fleet_metrics_tell(&d->metrics, fleet_get_counts(d->f)); /* who sees one sees the other */
        pthread_mutex_unlock(&d->lock);
        if (!decoded) {
            LOG_WARN("fleet: a payload could not be decoded and is in no series",
                     LOG_STR("session", frame->session), LOG_INT("sequence", frame->sequence),
                     LOG_INT("bytes", frame->payload.len));
        }
    }
    d->read.sequence = frame->sequence;
    atomic_store(&d->folded, frame->sequence);
    if (d->read.arrived_ns < frame->arrived_ns) {
        d->read.arrived_ns = frame->arrived_ns;
    }
}

/* Everything that arrived is folded, so who is silent by the clock is silent. While records come in
 * this is judged by their arrival, since they may have waited. Returns when to look again, in
 * milliseconds; -1: not before something arrives. */
static int expire(struct fleet_destination *d)
{
    size_t before = fleet_get_counts(d->f)->sessions; /* only this thread changes it */
    if (before == 0) {
        return -1;
    }
    pthread_mutex_lock(&d->lock);
    fleet_expire(d->f, clock_wall_ns());
    fleet_metrics_tell(&d->metrics, fleet_get_counts(d->f));
    pthread_mutex_unlock(&d->lock);
    if (fleet_get_counts(d->f)->sessions != before) {
        mark_unsaved(d);
    }
    return EXPIRE_AGAIN_MS;
}

/* Sleeps until there is something to read (watch_spool), to save, or to stop. */
static void wait_for_work(struct fleet_destination *d, bool watch_spool, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = d->stop_fd, .events = POLLIN},
                            {.fd = spool_reader_wake_fd(d->reader), .events = POLLIN}};
    if (d->unsaved) {
        int64_t left_ms = (d->due_ns - clock_mono_ns()) / NS_PER_MS + 1;
        left_ms = left_ms < 0 ? 0 : left_ms;
        if (timeout_ms < 0 || left_ms < timeout_ms) {
            timeout_ms = (int)(left_ms < INT32_MAX ? left_ms : INT32_MAX);
        }
    }
    poll(fds, watch_spool ? 2 : 1, timeout_ms); /* whatever it says, the loop looks again */
}

static void *run(void *arg)
{
    struct fleet_destination *d = arg;
    bool reading_failed = false;
    while (!atomic_load(&d->stopping)) {
        struct spool_frame frame;
        enum spool_read outcome = spool_reader_next(d->reader, &frame);
        if (outcome == SPOOL_READ_OK) {
            take_frame(d, &frame);
        }
        if (reading_failed && outcome != SPOOL_READ_ERROR) {
            reading_failed = false;
            set_problem(d, "");
        }
        if (d->unsaved && clock_mono_ns() >= d->due_ns) {
            save(d);
        }
        if (outcome == SPOOL_READ_EMPTY) {
            acknowledge(d);
            wait_for_work(d, true, expire(d));
        } else if (outcome == SPOOL_READ_ERROR) {
            reading_failed = true;
            set_problem(d, "fleet: the spool cannot be read now");
            wait_for_work(d, false, READ_AGAIN_MS);
        }
    }
    if (d->unsaved && clock_mono_ns() < atomic_load(&d->deadline_mono_ns)) {
        save(d);
    }
    acknowledge(d);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static void free_destination(struct fleet_destination *d)
{
    if (d->reader != NULL) {
        spool_reader_close(d->reader);
    }
    if (d->stop_fd >= 0) {
        close(d->stop_fd);
    }
    fleet_decoder_destroy(d->decoder);
    fleet_destroy(d->f);
    pthread_mutex_destroy(&d->lock);
    free(d->snapshot_path);
    free(d->name);
    free(d);
}

static void begin_stop(struct destination *self, int64_t deadline_mono_ns)
{
    struct fleet_destination *d = (struct fleet_destination *)self;
    const uint64_t one = 1;
    atomic_store(&d->deadline_mono_ns, deadline_mono_ns);
    atomic_store(&d->stopping, true);
    if (write(d->stop_fd, &one, sizeof(one)) < 0) {
        LOG_ERROR("fleet: its thread cannot be woken; it stops at its next frame");
    }
}

static void stop(struct destination *self, int64_t deadline_mono_ns)
{
    struct fleet_destination *d = (struct fleet_destination *)self;
    begin_stop(self, deadline_mono_ns);
    pthread_join(d->thread, NULL);
    free_destination(d);
}

static const struct destination_ops ops = {.begin_stop = begin_stop,
                                           .stop = stop,
                                           .status = get_status,
                                           .render = render,
                                           .arrived = get_arrived,
                                           .name = get_name};

/* Loads the snapshot, or makes an empty core. A damaged one is moved aside, for a person to look
 * at: nothing in a file is a reason not to start. */
static bool load(struct fleet_destination *d, struct result *why)
{
    switch (fleet_snapshot_read(d->snapshot_path, &d->options, &d->f, &d->saved, why)) {
    case FLEET_SNAPSHOT_READ:
        d->read = d->saved;
        atomic_store(&d->folded, d->read.sequence);
        return true;
    case FLEET_SNAPSHOT_MISSING:
        break;
    case FLEET_SNAPSHOT_FAILED:
        return false;
    case FLEET_SNAPSHOT_DAMAGED:
        if (!durable_file_set_aside(d->snapshot_path)) {
            return result_fail_errno(why, errno, "cannot move the damaged fleet snapshot %s aside",
                                     d->snapshot_path);
        }
        LOG_ERROR("fleet: the snapshot is damaged; it was set aside as .damaged beside it, and the "
                  "series start from 0",
                  LOG_STR("problem", why->text), LOG_STR("path", d->snapshot_path));
        break;
    }
    d->placed = true; /* nothing to stand behind: the spool's cursor is the place */
    d->f = fleet_create(&d->options);
    *why = RESULT_INIT;
    return d->f != NULL || result_fail(why, "no memory for the fleet series");
}

static bool check_options(const struct destination_fleet_options *options, struct result *why)
{
    if (options->max_series == 0 || options->max_sessions == 0) {
        return result_fail(why,
                           "destination %s: fleet.max_series and fleet.max_sessions must be "
                           "at least 1",
                           options->name);
    }
    if (options->session_idle_ns <= 0) {
        return result_fail(why, "destination %s: the idle time of sessions must be more than 0",
                           options->name);
    }
    return true;
}

/* Signals are for other threads. */
static int start_thread(struct fleet_destination *d)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&d->thread, NULL, run, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) {
        pthread_setname_np(d->thread, "fleet");
    }
    return error;
}

/* Everything but the core, the reader and the thread. NULL and a sentence. */
static struct fleet_destination *make_destination(const struct destination_fleet_options *options,
                                                  struct result *why)
{
    struct fleet_destination *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        result_fail(why, "destination %s: no memory", options->name);
        return NULL;
    }
    size_t state_bytes = options->max_sessions * STATE_BYTES_PER_SESSION;
    d->base.ops = &ops;
    d->options = (struct fleet_options){
        .max_series = options->max_series,
        .max_sessions = options->max_sessions,
        .max_streams = STREAMS_PER_SESSION,
        .max_bytes = state_bytes > STATE_BYTES_MIN ? state_bytes : STATE_BYTES_MIN,
        .session_idle_ns = options->session_idle_ns,
        .rules = {options->resource_labels, options->n_resource_labels, options->drop_labels,
                  options->n_drop_labels},
    };
    pthread_mutex_init(&d->lock, NULL);
    d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    d->name = strdup(options->name);
    d->snapshot_path = strdup(options->snapshot_path);
    d->decoder = fleet_decoder_create(DECODED_BYTES);
    if (d->stop_fd < 0 || d->name == NULL || d->snapshot_path == NULL || d->decoder == NULL ||
        getrandom(d->options.seed, sizeof(d->options.seed), 0) != sizeof(d->options.seed)) {
        result_fail_errno(why, errno, "destination %s cannot be made", options->name);
        free_destination(d);
        return NULL;
    }
    return d;
}

struct destination *destination_fleet_start(const struct destination_fleet_options *options,
                                            struct spool *spool, struct metrics *metrics,
                                            struct result *why)
{
    char reader[80];
    struct fleet_destination *d =
        check_options(options, why) ? make_destination(options, why) : NULL;
    if (d == NULL) {
        return NULL;
    }
    if (!load(d, why)) {
        goto fail;
    }
    d->options.rules = (struct fleet_label_rules){0}; /* the caller's; the core has copies */
    fleet_metrics_make(&d->metrics, metrics);
    fleet_metrics_tell(&d->metrics, fleet_get_counts(d->f));
    snprintf(reader, sizeof(reader), "%s.%s", options->name, signal_info(SIGNAL_METRICS)->name);
    d->reader =
        spool_reader_open_for(spool, reader, SPOOL_SIGNAL(SIGNAL_METRICS), options->name, why);
    if (d->reader == NULL) {
        goto fail;
    }
    int error = start_thread(d);
    if (error != 0) {
        result_fail_errno(why, error, "destination %s: no thread", options->name);
        goto fail;
    }
    return &d->base;
fail:
    free_destination(d);
    return NULL;
}
