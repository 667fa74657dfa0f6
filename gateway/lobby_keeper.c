/* lobby_keeper.c: see lobby_keeper.h. The bytes are made under the lock (less than 0.1 ms for a
 * full line of 1000) and written outside it. */
#include "gateway/lobby_keeper.h"

#include "base/clock.h"
#include "base/durable_file.h"
#include "base/log.h"
#include "session/lobby_store.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define TOUCHES_EVERY_NS (10 * NS_PER_SECOND)
#define RETRY_NS NS_PER_SECOND
#define NAP_NS (NS_PER_SECOND / 2)

struct lobby_keeper {
    pthread_mutex_t lock;
    pthread_cond_t stirred;
    pthread_t thread;
    struct lobby *lobby;
    char *path;
    struct lobby_commit *waiting; /* whose change is not in a writing yet */
    uint64_t changes;             /* in the last writing that began */
    uint64_t touches;
    uint64_t kept; /* changes on disk, or given up */
    int64_t written_ns;
    bool failed;
    bool stopping;
};

static struct lobby_limits limits_of(const struct config *config)
{
    return (struct lobby_limits){
        .max = config->session.max,
        .max_waiting = config->session.max_waiting,
        .idle_ns = config->session.idle_timeout,
        .named_idle_ns = config->presence.heartbeat_timeout,
        .hold_ns = config->session.hold,
        .patience_ns = config->session.patience,
    };
}

/* Under the lock. */
static bool is_due(const struct lobby_keeper *keeper)
{
    int64_t age_ns = clock_mono_ns() - keeper->written_ns;
    bool touched = keeper->touches != lobby_touches(keeper->lobby);
    return keeper->waiting != NULL || keeper->changes != lobby_changes(keeper->lobby) ||
           (keeper->failed && age_ns >= RETRY_NS) ||
           (touched && (keeper->stopping || age_ns >= TOUCHES_EVERY_NS));
}

/* Under the lock, which it lets go while sleeping. */
static void sleep_until_due(struct lobby_keeper *keeper)
{
    while (!is_due(keeper) && !keeper->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += NAP_NS;
        until.tv_sec += until.tv_nsec / NS_PER_SECOND;
        until.tv_nsec %= NS_PER_SECOND;
        pthread_cond_timedwait(&keeper->stirred, &keeper->lock, &until);
    }
}

static bool write_bytes(struct lobby_keeper *keeper, const struct buf *bytes, bool failed_before)
{
    struct result why = RESULT_INIT;
    bool good = bytes->failed ? result_fail(&why, "out of memory")
                              : durable_file_write(keeper->path, bytes->data, bytes->len, &why);
    if (!good && !failed_before) {
        LOG_ERROR("the lobby cannot be written; it goes on in memory", LOG_STR("why", why.text));
    } else if (good && failed_before) {
        LOG_INFO("the lobby is written again", LOG_STR("file", keeper->path));
    }
    return good;
}

/* Under the lock, which it lets go while the disk works. */
static void write_down(struct lobby_keeper *keeper, struct buf *bytes)
{
    struct lobby_commit *told = keeper->waiting;
    bool failed = keeper->failed;
    keeper->waiting = NULL;
    keeper->changes = lobby_changes(keeper->lobby);
    keeper->touches = lobby_touches(keeper->lobby);
    keeper->written_ns = clock_mono_ns();
    uint64_t changes = keeper->changes;
    buf_clear(bytes);
    lobby_encode(keeper->lobby, clock_mono_ns(), clock_wall_ns(), bytes);
    pthread_mutex_unlock(&keeper->lock);
    failed = !write_bytes(keeper, bytes, failed);
    while (told != NULL) {
        struct lobby_commit *next = told->next;
        told->done(told);
        told = next;
    }
    pthread_mutex_lock(&keeper->lock);
    keeper->failed = failed;
    keeper->kept = changes;
}

static void *run(void *arg)
{
    struct lobby_keeper *keeper = arg;
    struct buf bytes = BUF_INIT;
    pthread_mutex_lock(&keeper->lock);
    for (;;) {
        sleep_until_due(keeper);
        if (is_due(keeper)) {
            write_down(keeper, &bytes);
        }
        if (keeper->stopping && keeper->waiting == NULL) {
            break;
        }
    }
    pthread_mutex_unlock(&keeper->lock);
    buf_free(&bytes);
    return NULL;
}

static void free_keeper(struct lobby_keeper *keeper)
{
    pthread_cond_destroy(&keeper->stirred);
    pthread_mutex_destroy(&keeper->lock);
    lobby_destroy(keeper->lobby);
    free(keeper->path);
    free(keeper);
}

static void init_locks(struct lobby_keeper *keeper)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->stirred, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&keeper->lock, NULL);
}

static void read_state(struct lobby_keeper *keeper)
{
    struct result why = RESULT_INIT;
    if (!lobby_store_read(keeper->lobby, keeper->path, clock_mono_ns(), clock_wall_ns(), &why)) {
        LOG_WARN("the lobby's state cannot be used; it starts empty", LOG_STR("why", why.text));
    }
    keeper->changes = keeper->kept = lobby_changes(keeper->lobby);
    keeper->touches = lobby_touches(keeper->lobby);
    keeper->written_ns = clock_mono_ns();
}

struct lobby_keeper *lobby_keeper_open(const struct config *config, struct result *why)
{
    const struct lobby_limits limits = limits_of(config);
    struct lobby_keeper *keeper = calloc(1, sizeof(*keeper));
    if (keeper == NULL) {
        result_fail(why, "out of memory");
        return NULL;
    }
    init_locks(keeper);
    keeper->lobby = lobby_create(&limits);
    keeper->path = strdup(config->session.state_file);
    if (keeper->lobby == NULL || keeper->path == NULL) {
        result_fail(why, "out of memory");
        goto failed;
    }
    read_state(keeper);
    int error = pthread_create(&keeper->thread, NULL, run, keeper);
    if (error != 0) {
        result_fail_errno(why, error, "cannot start the lobby's thread");
        goto failed;
    }
    return keeper;

failed:
    free_keeper(keeper);
    return NULL;
}

void lobby_keeper_close(struct lobby_keeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    pthread_mutex_lock(&keeper->lock);
    keeper->stopping = true;
    pthread_cond_signal(&keeper->stirred);
    pthread_mutex_unlock(&keeper->lock);
    pthread_join(keeper->thread, NULL);
    free_keeper(keeper);
}

struct lobby *lobby_keeper_lock(struct lobby_keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    return keeper->lobby;
}

void lobby_keeper_unlock(struct lobby_keeper *keeper)
{
    if (keeper->changes != lobby_changes(keeper->lobby) || keeper->waiting != NULL) {
        pthread_cond_signal(&keeper->stirred);
    }
    pthread_mutex_unlock(&keeper->lock);
}

bool lobby_keeper_commit(struct lobby_keeper *keeper, struct lobby_commit *commit)
{
    if (keeper->kept == lobby_changes(keeper->lobby)) {
        return false;
    }
    commit->next = keeper->waiting;
    keeper->waiting = commit;
    return true;
}

void lobby_keeper_set_limits(struct lobby_keeper *keeper, const struct config *config)
{
    const struct lobby_limits limits = limits_of(config);
    lobby_set_limits(lobby_keeper_lock(keeper), &limits);
    lobby_keeper_unlock(keeper);
}

bool lobby_keeper_failed(struct lobby_keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    bool failed = keeper->failed;
    pthread_mutex_unlock(&keeper->lock);
    return failed;
}
