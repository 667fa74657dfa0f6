/* registry.c: see registry.h. 64 shards (registry_shard.h) by a keyed hash of the session id.
 *
 * The cap is global: one atomic count. Who comes when it is reached sends away the idlest session
 * of his own shard (about the idlest of all, as ids spread evenly), or of the next shard that has
 * one. While several threads add at once the count may pass the cap by one for each of them.
 */
#include "session/registry.h"

#include "session/keyed_hash.h"
#include "session/registry_names.h"
#include "session/registry_shard.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SHARD_BITS 6
#define SHARDS (1U << SHARD_BITS)
#define BUCKETS_MOVED_AT_ONCE 4
#define EXPIRED_AT_ONCE 32 /* freed under one hold of a shard's lock */

struct registry {
    struct shard shards[SHARDS];
    struct keyed_hash hash;
    struct names keys;
    struct names versions;
    size_t max_sessions;
    atomic_size_t count;
    _Atomic int64_t idle_ns;
};

static struct shard *shard_of(struct registry *registry, struct slice session, uint32_t *hash)
{
    uint64_t full = keyed_hash_bytes(&registry->hash, session);
    *hash = (uint32_t)full;
    return &registry->shards[full >> (64 - SHARD_BITS)];
}

/* NULL when out of memory. */
static struct entry *make_entry(struct slice session, uint32_t hash, int64_t now_ns)
{
    struct entry *entry = malloc(sizeof(*entry) + session.len);
    if (entry != NULL) {
        *entry = (struct entry){.touched_ns = now_ns, .hash = hash};
        entry->id_len = (uint8_t)session.len;
        memcpy(entry->id, session.data, session.len);
    }
    return entry;
}

/* Sends the idlest away while there are more than max_sessions, beginning at shard `at`. */
static void make_room(struct registry *registry, size_t at)
{
    for (size_t tried = 0; tried < SHARDS; tried++) {
        struct shard *shard = &registry->shards[(at + tried) % SHARDS];
        while (atomic_load(&registry->count) >= registry->max_sessions) {
            pthread_mutex_lock(&shard->lock);
            struct entry *idlest = shard_take_oldest(shard);
            pthread_mutex_unlock(&shard->lock);
            if (idlest == NULL) {
                break;
            }
            atomic_fetch_sub(&registry->count, 1);
            free(idlest);
        }
    }
}

struct registry *registry_create(size_t max_sessions, int64_t idle_ns)
{
    struct registry *registry = aligned_alloc(alignof(struct registry), sizeof(*registry));
    if (registry == NULL) {
        return NULL;
    }
    memset(registry, 0, sizeof(*registry));
    keyed_hash_init(&registry->hash);
    names_init(&registry->keys);
    names_init(&registry->versions);
    registry->max_sessions = max_sessions != 0 ? max_sessions : 1;
    atomic_init(&registry->count, 0);
    atomic_init(&registry->idle_ns, idle_ns);
    bool complete = true;
    for (size_t i = 0; i < SHARDS; i++) {
        registry->shards[i].keys = &registry->keys;
        registry->shards[i].versions = &registry->versions;
        complete = shard_init(&registry->shards[i]) && complete;
    }
    if (!complete) {
        registry_destroy(registry);
        return NULL;
    }
    return registry;
}

void registry_destroy(struct registry *registry)
{
    if (registry == NULL) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        shard_clear(&registry->shards[i]);
    }
    names_destroy(&registry->keys);
    names_destroy(&registry->versions);
    free(registry);
}

bool registry_touch(struct registry *registry, const struct registry_request *request,
                    int64_t now_ns)
{
    struct slice session = request->session;
    if (session.len == 0 || session.len > REGISTRY_ID_MAX) {
        return false;
    }
    uint32_t hash;
    struct shard *shard = shard_of(registry, session, &hash);
    pthread_mutex_lock(&shard->lock);
    shard_move_buckets(shard, BUCKETS_MOVED_AT_ONCE);
    struct entry *entry = *shard_find(shard, session, hash);
    if (entry != NULL) {
        shard_touch(shard, entry, request, now_ns);
    }
    pthread_mutex_unlock(&shard->lock);
    if (entry != NULL) {
        return false;
    }

    struct entry *fresh = make_entry(session, hash, now_ns);
    if (fresh == NULL) {
        return true;
    }
    make_room(registry, (size_t)(shard - registry->shards));
    pthread_mutex_lock(&shard->lock);
    bool added = shard_add(shard, fresh, request);
    if (added) {
        atomic_fetch_add(&registry->count, 1);
    }
    pthread_mutex_unlock(&shard->lock);
    if (!added) {
        free(fresh);
    }
    return added;
}

size_t registry_last_key(struct registry *registry, struct slice session, char out[65])
{
    out[0] = '\0';
    if (session.len == 0 || session.len > REGISTRY_ID_MAX) {
        return 0;
    }
    uint32_t hash;
    struct shard *shard = shard_of(registry, session, &hash);
    size_t len = 0;
    pthread_mutex_lock(&shard->lock);
    const struct entry *entry = *shard_find(shard, session, hash);
    if (entry != NULL) {
        struct slice key = names_text(&registry->keys, entry->key);
        len = key.len;
        memcpy(out, key.data, len);
    }
    pthread_mutex_unlock(&shard->lock);
    out[len] = '\0';
    return len;
}

/* Takes up to EXPIRED_AT_ONCE silent sessions of a shard into `taken`; returns how many. */
static size_t take_silent(struct registry *registry, struct shard *shard, int64_t now_ns,
                          struct entry *taken[EXPIRED_AT_ONCE])
{
    int64_t idle_ns = atomic_load(&registry->idle_ns);
    size_t n = 0;
    pthread_mutex_lock(&shard->lock);
    while (n < EXPIRED_AT_ONCE && shard->oldest != NULL &&
           now_ns - shard->oldest->touched_ns >= idle_ns) {
        taken[n++] = shard_take_oldest(shard);
        atomic_fetch_sub(&registry->count, 1);
    }
    pthread_mutex_unlock(&shard->lock);
    return n;
}

size_t registry_expire(struct registry *registry, int64_t now_ns)
{
    size_t freed = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        struct entry *taken[EXPIRED_AT_ONCE];
        size_t n;
        do {
            n = take_silent(registry, &registry->shards[i], now_ns, taken);
            for (size_t j = 0; j < n; j++) {
                free(taken[j]);
            }
            freed += n;
        } while (n == EXPIRED_AT_ONCE);
    }
    return freed;
}

size_t registry_count(struct registry *registry)
{
    return atomic_load(&registry->count);
}

void registry_set_idle(struct registry *registry, int64_t idle_ns)
{
    atomic_store(&registry->idle_ns, idle_ns);
}

/* --- by version --------------------------------------------------------------------------------
 */

static int most_used_first(const void *left, const void *right)
{
    const struct registry_version *a = left;
    const struct registry_version *b = right;
    return a->sessions != b->sessions ? (a->sessions < b->sessions ? 1 : -1)
                                      : strcmp(a->name, b->name);
}

/* All names in use but "other", whose sessions are added to *other; in no order. */
static size_t list_versions(struct names *names, struct registry_version all[NAMES_MAX],
                            size_t *other)
{
    size_t n = 0;
    *other = names_nameless(names);
    for (uint16_t at = 0; at < NAMES_MAX; at++) {
        char name[NAMES_TEXT_MAX + 1] = "";
        size_t sessions = names_look(names, at, name);
        if (sessions != 0 && strcmp(name, CLIENT_VERSION_OTHER) == 0) {
            *other += sessions;
        } else if (sessions != 0) {
            all[n].sessions = sessions;
            memcpy(all[n++].name, name, sizeof(all[0].name)); /* client_version_name bounds it */
        }
    }
    return n;
}

size_t registry_versions(struct registry *registry, struct registry_version *out, size_t max)
{
    struct registry_version all[NAMES_MAX + 1];
    size_t other;
    if (max == 0) {
        return 0;
    }
    size_t n = list_versions(&registry->versions, all, &other);
    qsort(all, n, sizeof(all[0]), most_used_first);
    while (n > max || (n == max && other != 0)) {
        other += all[--n].sessions;
    }
    if (other != 0) {
        all[n] = (struct registry_version){CLIENT_VERSION_OTHER, other};
        n++;
    }
    memcpy(out, all, n * sizeof(all[0]));
    return n;
}
