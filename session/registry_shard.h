/* registry_shard.h: one shard of the registry: a hash table over a range of its places. Internal to
 * the registry, which holds the shard's lock around every call.
 *
 * The hash of a session's id says its home. A session lives there when the place is free, else
 * beside it, else somewhere; all with one home are a chain whose head is in the home's own cache
 * line. So a look-up mostly costs one miss, of two lines at once; nothing ever moves, and a place
 * is free as soon as its session ends.
 */
#ifndef SIGPOST_SESSION_REGISTRY_SHARD_H
#define SIGPOST_SESSION_REGISTRY_SHARD_H

#include "session/registry.h"
#include "session/registry_names.h"
#include "session/registry_wheel.h"

#include <pthread.h>

/* Steps of the wheel under one hold of a lock. A step is a few cache lines that nobody has near:
 * about 0.5 us. */
#define SHARD_STEPS_AT_ONCE 16

#define SHARD_PLACES_MIN 64

/* What the shards share. */
struct registry_store {
    struct entry *entries; /* by place */
    size_t places;         /* of each shard: even, at least SHARD_PLACES_MIN */
    struct names keys;
    struct names versions;
};

struct shard {
    alignas(64) pthread_mutex_t lock;
    uint32_t first_place; /* even */
    struct wheel wheel;
};

/* Where the session is at home. */
uint32_t shard_home(const struct registry_store *store, const struct shard *shard,
                    const uint64_t id[2]);

/* Fetches what a look-up will need; no lock needed. */
void shard_prefetch(const struct registry_store *store, uint32_t home);

/* The session's place; 0 when it is not there. */
uint32_t shard_find(const struct registry_store *store, uint32_t home, const uint64_t id[2]);

/* One more request of a session that is there; or the first, when it was silent for idle_ns and
 * only was not yet ended. Returns whether it is that. */
bool shard_touch(struct registry_store *store, uint32_t at, const struct registry_request *request,
                 int64_t now_ns, int64_t idle_ns);

/* Adds the session with its first request. False when no place for it was found. */
bool shard_add(struct registry_store *store, struct shard *shard, const uint64_t id[2],
               const struct registry_request *request, int64_t now_ns);

/* Ends about the idlest session; false when there is none. At most SHARD_STEPS_AT_ONCE steps. */
bool shard_end_idlest(struct registry_store *store, struct shard *shard);

/* Takes up to SHARD_STEPS_AT_ONCE steps towards ending what has been silent since until_ns. Adds
 * to *ended; returns whether there is more to do. */
bool shard_expire(struct registry_store *store, struct shard *shard, int64_t until_ns,
                  size_t *ended);

#endif
