/* Threads on one table of leases: workers that grant and use, a housekeeper that expires and
 * counts, with a cap that makes sessions give way. The sanitizer tells of races, this program of
 * wrong results.
 */
#include "session/lease.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define WORKERS 4
#define ROUNDS 60000
#define SESSIONS 3000
#define MAX_SESSIONS 2100 /* two shards */

static struct lease *lease;
static atomic_int_fast64_t now;
static atomic_bool done;
static atomic_size_t used;
static atomic_size_t faults;

static void fault(const char *what)
{
    fprintf(stderr, "tsan_lease: %s\n", what);
    atomic_fetch_add(&faults, 1);
}

/* A session's mac tells the session: a lease of one for another would be seen. */
static void *work(void *seed)
{
    unsigned state = *(const unsigned *)seed;
    for (unsigned round = 0; round < ROUNDS; round++) {
        state = state * 1664525 + 1013904223;
        unsigned n = (state >> 8) % SESSIONS;
        char session[32];
        struct slice id =
            slice_make(session, (size_t)snprintf(session, sizeof(session), "session-%u", n));
        uint8_t mac[LEASE_MAC_LEN] = {(uint8_t)n, (uint8_t)(n >> 8)};
        int64_t now_ns = atomic_fetch_add(&now, 1);
        if ((state >> 4) % 2 == 0) {
            lease_grant(lease, id, mac, now_ns);
        } else {
            atomic_fetch_add(&used, lease_use(lease, id, mac, now_ns, INT64_MAX));
        }
        mac[0] ^= 1;
        if (lease_use(lease, id, mac, now_ns, INT64_MAX)) {
            fault("a lease for a signature that was never fresh");
        }
    }
    return NULL;
}

static void *keep_house(void *unused)
{
    (void)unused;
    while (!atomic_load(&done)) {
        lease_expire(lease, atomic_load(&now));
        if (lease_count(lease) > MAX_SESSIONS) {
            fault("more sessions than the cap");
        }
    }
    return NULL;
}

int main(void)
{
    lease = lease_create(MAX_SESSIONS);
    if (lease == NULL) {
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
    if (atomic_load(&used) == 0) {
        fault("no lease was ever used");
    }
    size_t count = lease_count(lease);
    if (lease_expire(lease, INT64_MAX) != count || lease_count(lease) != 0) {
        fault("the count and the sessions differ");
    }
    lease_destroy(lease);
    return atomic_load(&faults) != 0;
}
