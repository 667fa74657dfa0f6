/* Threads on one lobby and its keeper: workers that take, look and leave, and wait for the disk; a
 * housekeeper that expires; reloads of the limits. The sanitizer tells of races, this program of
 * answers that never came and of a state that does not come back.
 */
#include "base/clock.h"
#include "gateway/lobby_keeper.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKERS 4
#define ROUNDS 300
#define MAX 3

static struct lobby_keeper *keeper;
static atomic_bool done;
static atomic_size_t faults;
static atomic_size_t waited;

struct waiting {
    struct lobby_commit commit;
    sem_t kept;
};

static void fault(const char *what)
{
    fprintf(stderr, "tsan_lobby: %s\n", what);
    atomic_fetch_add(&faults, 1);
}

static void on_kept(struct lobby_commit *commit)
{
    sem_post(&((struct waiting *)(void *)commit)->kept);
}

/* Unlocks, and returns when what was done is on disk. */
static void unlock_and_wait(void)
{
    struct waiting waiting = {.commit.done = on_kept};
    sem_init(&waiting.kept, 0, 0);
    bool waits = lobby_keeper_commit(keeper, &waiting.commit);
    lobby_keeper_unlock(keeper);
    if (waits) {
        sem_wait(&waiting.kept);
        atomic_fetch_add(&waited, 1);
    }
    sem_destroy(&waiting.kept);
}

static void *work(void *seed)
{
    uint64_t state = *(const unsigned *)seed;
    for (unsigned round = 0; round < ROUNDS; round++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        const struct lobby_key key = {{state, round}, state};
        char text[LOBBY_ID_LEN + 1];
        struct lobby_view view;
        lobby_format_id(&key, text);
        struct slice id = slice_of(text);
        if (!lobby_enter(lobby_keeper_lock(keeper), id, &key, clock_mono_ns(), &view)) {
            fault("the line is full");
        }
        unlock_and_wait();
        lobby_look(lobby_keeper_lock(keeper), id, clock_mono_ns(), &view);
        lobby_keeper_unlock(keeper);
        if (view.current > MAX || view.place == LOBBY_OUTSIDE) {
            fault("too many inside, or somebody lost");
        }
        if (!lobby_release(lobby_keeper_lock(keeper), id, clock_mono_ns())) {
            fault("nothing to release");
        }
        unlock_and_wait();
    }
    return NULL;
}

static void *keep_house(void *config)
{
    while (!atomic_load(&done)) {
        lobby_keeper_set_limits(keeper, config);
        lobby_expire(lobby_keeper_lock(keeper), clock_mono_ns());
        lobby_keeper_unlock(keeper);
        if (lobby_keeper_failed(keeper)) {
            fault("the disk failed");
        }
        usleep(200);
    }
    return NULL;
}

/* One slot taken, the keeper closed and opened again: it is there. */
static void come_back(const struct config *config)
{
    const struct lobby_key key = {{1, 2}, 3};
    char text[LOBBY_ID_LEN + 1];
    struct lobby_view view;
    lobby_format_id(&key, text);
    lobby_enter(lobby_keeper_lock(keeper), slice_of(text), &key, clock_mono_ns(), &view);
    lobby_keeper_unlock(keeper);
    lobby_keeper_close(keeper);
    keeper = lobby_keeper_open(config, NULL);
    lobby_look(lobby_keeper_lock(keeper), slice_of(text), clock_mono_ns(), &view);
    lobby_keeper_unlock(keeper);
    if (view.place != LOBBY_INSIDE || view.current != 1 || view.waiting != 0) {
        fault("the state did not come back");
    }
}

int main(void)
{
    char path[] = "/tmp/sigpost-tsan-lobby-XXXXXX";
    int fd = mkstemp(path);
    struct config config = {.session = {.max = MAX,
                                        .max_waiting = 100,
                                        .idle_timeout = 3600 * NS_PER_SECOND,
                                        .hold = 15 * NS_PER_SECOND,
                                        .patience = 150 * NS_PER_SECOND,
                                        .state_file = path},
                            .presence.heartbeat_timeout = 90 * NS_PER_SECOND};
    struct result why = RESULT_INIT;
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    keeper = lobby_keeper_open(&config, &why);
    if (keeper == NULL) {
        fault(why.text);
        return 1;
    }
    pthread_t workers[WORKERS];
    pthread_t housekeeper;
    pthread_create(&housekeeper, NULL, keep_house, &config);
    static unsigned seeds[WORKERS] = {1, 7920, 15839, 23758};
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_create(&workers[i], NULL, work, &seeds[i]);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    atomic_store(&done, true);
    pthread_join(housekeeper, NULL);
    if (atomic_load(&waited) == 0) {
        fault("nobody ever waited for the disk");
    }
    come_back(&config);
    lobby_keeper_close(keeper);
    unlink(path);
    return atomic_load(&faults) != 0;
}
