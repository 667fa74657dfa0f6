/* registry_shard.h: one shard of the registry: a chained hash table, a list from last touched to
 * idlest, and the few key ids its sessions use. Internal to the registry, which holds the shard's
 * lock around every call.
 *
 * Cost of a session with a 36-byte id: 40 bytes of links, time, hash and lengths, the id, malloc's
 * rounding (96 in all) and 5 to 16 bytes of table. With a 128-byte id under 200.
 *
 * A table that grows does so a few buckets an operation, so that nobody waits for all of it. Tables
 * do not shrink: the registry's cap bounds them.
 */
#ifndef SIGPOST_SESSION_REGISTRY_SHARD_H
#define SIGPOST_SESSION_REGISTRY_SHARD_H

#include "base/slice.h"
#include "session/registry.h"
#include "session/registry_names.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGISTRY_ID_MAX 128

struct entry {
    struct entry *chain;
    struct entry *newer, *older;
    int64_t touched_ns;
    uint32_t hash; /* the low half: bucket and a cheap first comparison */
    uint16_t key;  /* their places among the registry's names */
    uint16_t version;
    uint8_t id_len;
    char id[];
};

struct table {
    struct entry **buckets; /* owned */
    size_t n;               /* a power of two, or 0 */
};

struct shard {
    alignas(64) pthread_mutex_t lock;
    struct table table;
    struct table old;     /* what has not yet moved to `table`; n is 0 when nothing moves */
    size_t moved;         /* buckets of `old` below this are empty */
    struct entry *newest; /* the entries are owned, and freed by shard_clear */
    struct entry *oldest;
    size_t count;
    struct names *keys; /* the registry's, as are these: */
    struct names *versions;
};

/* Of a zeroed shard. False when out of memory; shard_clear is due in any case. */
bool shard_init(struct shard *shard);
void shard_clear(struct shard *shard);

/* Goes on with a table's growth. */
void shard_move_buckets(struct shard *shard, size_t at_most);

/* The place that points at the session's entry; *place is NULL when it is not there. */
struct entry **shard_find(const struct shard *shard, struct slice id, uint32_t hash);

/* The session is there: it becomes the newest, with this key and time. */
void shard_touch(struct shard *shard, struct entry *entry, const struct registry_request *request,
                 int64_t now_ns);

/* Takes ownership of the entry and returns true, unless its session is there already: then that one
 * is touched, and the entry is still the caller's. */
bool shard_add(struct shard *shard, struct entry *fresh, const struct registry_request *request);

/* Takes the idlest session out; the caller frees it, best without the lock. NULL when empty. */
struct entry *shard_take_oldest(struct shard *shard);

#endif
