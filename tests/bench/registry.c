/* registry.c: what the registry of telemetry sessions costs: memory, time of a touch, and how long
 * its locks are held while all sessions end at once.
 *
 *     bench_registry [SESSIONS [SECONDS]]     (1,000,000 and 0)
 *
 * SECONDS are waited when all sessions are there, for the kernel to gather their memory in huge
 * pages: about 80, as khugepaged is set by default.
 *
 * The ids are 36 bytes long and are read in the order in which they lie, as ids of requests are in
 * the cache: what is measured is the registry's own misses. Locks are watched by standing before
 * pthread_mutex_lock and _unlock (see CMakeLists.txt). A hold is told by the wall and by the
 * thread's own CPU time: the wall also counts when the machine gave the CPU to somebody else.
 */
#include "session/registry.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define IDLE (3600 * NS_PER_SECOND)
#define ID_LEN 36
#define ROUNDS 5

typedef char session_id[ID_LEN];

static session_id *ids; /* in the order in which the next round touches them */
static size_t n_ids;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

/* --- the locks ------------------------------------------------------------------------------ */

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

static _Thread_local struct {
    bool watched;
    unsigned depth;
    int64_t wall_ns, cpu_ns; /* when the outermost was taken */
    size_t n;
    int64_t longest_wall_ns, longest_cpu_ns;
} holds;

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int result = __real_pthread_mutex_lock(mutex);
    if (holds.watched && holds.depth++ == 0) {
        holds.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        holds.wall_ns = clock_mono_ns();
    }
    return result;
}

static void take_longer(int64_t *longest, int64_t ns)
{
    *longest = ns > *longest ? ns : *longest;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (holds.watched && --holds.depth == 0) {
        take_longer(&holds.longest_wall_ns, clock_mono_ns() - holds.wall_ns);
        take_longer(&holds.longest_cpu_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID) - holds.cpu_ns);
        holds.n++;
    }
    return __real_pthread_mutex_unlock(mutex);
}

/* --- touching ------------------------------------------------------------------------------- */

static uint64_t next_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void shuffle_ids(void)
{
    for (size_t i = n_ids; i-- > 1;) {
        size_t j = next_random() % (i + 1);
        session_id kept;
        memcpy(kept, ids[i], ID_LEN);
        memcpy(ids[i], ids[j], ID_LEN);
        memcpy(ids[j], kept, ID_LEN);
    }
}

static void make_ids(uint64_t series)
{
    for (size_t i = 0; i < n_ids; i++) {
        char text[64];
        snprintf(text, sizeof(text), "%08zx-%04x-4000-8000-%012zx", i, (unsigned)series & 0xffff,
                 i * 7919);
        memcpy(ids[i], text, ID_LEN);
    }
    shuffle_ids();
}

/* What one look at memory costs that nobody has near: a walk through 64 MiB in random order, in
 * huge pages where there are any. No touch of any session can cost less. */
static void measure_miss(void)
{
    enum { LINES = 1 << 20, STEPS = 1000000 };
    typedef struct {
        alignas(64) uint32_t next;
    } line;
    line *lines = aligned_alloc((size_t)2 << 20, LINES * sizeof(line));
    uint32_t *order = calloc(LINES, sizeof(*order));
    if (lines == NULL || order == NULL) {
        exit(1);
    }
    madvise(lines, LINES * sizeof(line), MADV_HUGEPAGE);
    for (uint32_t i = 0; i < LINES; i++) {
        size_t j = next_random() % (i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (size_t i = 0; i < LINES; i++) {
        lines[order[i]].next = order[(i + 1) % LINES];
    }
    uint32_t at = 0;
    int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < STEPS; i++) {
        at = lines[at].next;
    }
    int64_t took_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
    printf("a cache miss, now:        %6.1f ns%s\n", (double)took_ns / STEPS, at == 0 ? " " : "");
    free(lines);
    free(order);
}

static bool touch(struct registry *registry, const session_id session, int64_t now_ns)
{
    const struct registry_request request = {.session = slice_make(session, ID_LEN),
                                             .key_id = SLICE_LIT("2026-11"),
                                             .version = SLICE_LIT("2.0.0.0")};
    return registry_touch(registry, &request, now_ns);
}

/* Of all ids in their order; ns of CPU a touch. */
static double touch_all(struct registry *registry, int64_t now_ns)
{
    int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < n_ids; i++) {
        touch(registry, ids[i], now_ns + (int64_t)i);
    }
    return (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - before) / (double)n_ids;
}

static void measure_touches(struct registry *registry)
{
    double best = 1e9;
    double worst = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        shuffle_ids();
        double ns = touch_all(registry, (int64_t)((round + 1) * n_ids));
        best = ns < best ? ns : best;
        worst = ns > worst ? ns : worst;
    }
    measure_miss();
    printf("touch, any session:       %6.1f to %.1f ns in %d rounds\n", best, worst, ROUNDS);
    int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < n_ids; i++) {
        touch(registry, ids[i % 1000], (int64_t)(10 * n_ids + i));
    }
    printf("touch, 1,000 of them:     %6.1f ns\n",
           (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - before) / (double)n_ids);
}

/* --- expiry --------------------------------------------------------------------------------- */

struct bystander {
    struct registry *registry;
    atomic_bool done;
    int64_t longest_ns;
    size_t touches;
};

/* Touches while everything ends, and looks how long it had to wait. */
static void *stand_by(void *arg)
{
    struct bystander *self = arg;
    session_id session;
    memset(session, 'b', sizeof(session));
    while (!atomic_load(&self->done)) {
        memcpy(session, &self->touches, sizeof(self->touches));
        int64_t before = clock_mono_ns();
        touch(self->registry, session, 4 * IDLE);
        take_longer(&self->longest_ns, clock_mono_ns() - before);
        self->touches++;
    }
    return NULL;
}

static void measure_expiry(struct registry *registry)
{
    struct bystander bystander = {.registry = registry};
    pthread_t thread;
    pthread_create(&thread, NULL, stand_by, &bystander);
    holds.watched = true;
    int64_t before = clock_mono_ns();
    size_t ended = registry_expire(registry, 4 * IDLE);
    int64_t took_ns = clock_mono_ns() - before;
    holds.watched = false;
    atomic_store(&bystander.done, true);
    pthread_join(thread, NULL);
    printf("expiry, all at once:      %zu ended in %.1f ms, %zu holds of a lock\n", ended,
           (double)took_ns / 1e6, holds.n);
    printf("  longest hold:           %6.1f us by the thread's CPU time, %.1f us by the wall\n",
           (double)holds.longest_cpu_ns / 1e3, (double)holds.longest_wall_ns / 1e3);
    printf("  longest touch meanwhile:%6.1f us by the wall, of %zu by another thread\n",
           (double)bystander.longest_ns / 1e3, bystander.touches);
}

/* Bytes of memory that the process had at most. */
static size_t resident_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

int main(int argc, char **argv)
{
    n_ids = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    ids = calloc(n_ids, sizeof(*ids));
    if (n_ids == 0 || ids == NULL) {
        fprintf(stderr, "usage: bench_registry [SESSIONS [SECONDS]]\n");
        return 2;
    }
    make_ids(0);
    size_t before = resident_bytes();
    struct registry *registry = registry_create(n_ids, IDLE);
    printf("touch, new:               %6.1f ns\n", touch_all(registry, 0));
    size_t bytes = resident_bytes() - before;
    printf("memory:                   %6.1f MB for %zu sessions, %.1f bytes each\n",
           (double)bytes / 1e6, registry_count(registry),
           (double)bytes / (double)registry_count(registry));
    measure_touches(registry);
    if (argc > 2) {
        registry_expire(registry, 0); /* asks for the huge pages */
        sleep((unsigned)strtoul(argv[2], NULL, 10));
        printf("after %s s:\n", argv[2]);
        measure_touches(registry);
    }
    make_ids(1);
    printf("touch, new, at the cap:   %6.1f ns\n", touch_all(registry, IDLE));
    printf("sessions:                 %zu\n", registry_count(registry));
    measure_expiry(registry);
    registry_destroy(registry);
    free(ids);
    return 0;
}
