/* Threads on one registry: workers that touch and look up, a housekeeper that expires and counts,
 * with a cap that makes them send each other's sessions away. The sanitizer tells of races, this
 * program of wrong results.
 */
#include "session/registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define WORKERS 4
#define ROUNDS 60000
#define IDS 3000
#define MAX_SESSIONS 1000
#define IDLE INT64_C(20000)

static struct registry *registry;
static atomic_int_fast64_t now;
static atomic_bool done;
static atomic_size_t faults;

static void fault(const char *what)
{
    fprintf(stderr, "tsan_registry: %s\n", what);
    atomic_fetch_add(&faults, 1);
}

static void *work(void *seed)
{
    unsigned state = *(const unsigned *)seed;
    for (unsigned round = 0; round < ROUNDS; round++) {
        state = state * 1664525 + 1013904223;
        unsigned n = (state >> 8) % IDS;
        char session[32];
        char key[65];
        char got[65];
        int len = snprintf(session, sizeof(session), "session-%u", n);
        int key_len = snprintf(key, sizeof(key), "key-%u", n % 5);
        char version[16]; /* more than there is room for, and each session's change */
        int version_len = snprintf(version, sizeof(version), "v%u", state % 400);
        struct slice id = slice_make(session, (size_t)len);
        const struct registry_request request = {.session = id,
                                                 .key_id = slice_make(key, (size_t)key_len),
                                                 .version =
                                                     slice_make(version, (size_t)version_len)};
        registry_touch(registry, &request, atomic_fetch_add(&now, 1));
        size_t got_len = registry_last_key(registry, id, got);
        struct registry_session seen;
        if (registry_look(registry, id, &seen) && seen.requests == 0) {
            fault("a session without a request");
        }
        if (got_len != 0 && !slice_eq_str(slice_make(got, got_len), key)) {
            fault("a session with the key of another");
        }
        if (registry_count(registry) > MAX_SESSIONS + WORKERS) {
            fault("more sessions than the cap");
        }
    }
    return NULL;
}

static void *keep_house(void *unused)
{
    (void)unused;
    while (!atomic_load(&done)) {
        registry_expire(registry, atomic_load(&now));
        registry_set_idle(registry, atomic_load(&now) % 2 == 0 ? IDLE : IDLE / 100);
        struct registry_version rows[300];
        size_t n = registry_versions(registry, rows, 300);
        for (size_t i = 0; i < n; i++) {
            if (rows[i].sessions == 0 || rows[i].name[0] == '\0') {
                fault("a version without a name, or that nobody uses");
            }
        }
    }
    return NULL;
}

int main(void)
{
    registry = registry_create(MAX_SESSIONS, IDLE);
    if (registry == NULL) {
        fault("out of memory");
        return 1;
    }
    pthread_t workers[WORKERS];
    pthread_t housekeeper;
    pthread_create(&housekeeper, NULL, keep_house, NULL);
    static unsigned seeds[WORKERS] = {1, 7920, 15839, 23758};
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_create(&workers[i], NULL, work, &seeds[i]);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    atomic_store(&done, true);
    pthread_join(housekeeper, NULL);
    registry_set_idle(registry, IDLE);
    size_t count = registry_count(registry);
    if (registry_expire(registry, atomic_load(&now) + 2 * IDLE) != count ||
        registry_count(registry) != 0) {
        fault("the count and the sessions differ");
    }
    struct registry_version rest;
    if (registry_versions(registry, &rest, 1) != 0) {
        fault("versions in use by nobody");
    }
    registry_destroy(registry);
    return atomic_load(&faults) != 0;
}
