/* registry.c: see registry.h. 64 shards (registry_shard.h), each with a range of the buckets of one
 * chained hash table over one array of sessions.
 *
 * The cap is global: one atomic count. Who comes when it is reached sends away the idlest session
 * of his own shard (about the idlest of all, as ids spread evenly), or of the next shard that has
 * one. While several threads add at once the count may pass the cap by one for each of them.
 *
 * Memory is mapped whole at the start, and taken from the machine page by page as sessions come:
 * ids are spread, so that is 4 KiB each for the first of them. When there are so many that every
 * page is in use, the kernel is asked for huge ones: a look-up waits for the page tables, too.
 */
#include "session/registry.h"

#include "session/keyed_hash.h"
#include "session/registry_shard.h"

#include <stdlib.h>
#include <sys/mman.h>

#define SHARDS 64U
#define SESSIONS_MAX ((size_t)1 << 31)

struct registry {
    struct shard shards[SHARDS];
    struct registry_store store;
    struct keyed_hash hash;
    size_t max_sessions;
    atomic_size_t count;
    _Atomic int64_t idle_ns;
    atomic_bool huge_pages;
};

static size_t store_bytes(const struct registry_store *store)
{
    return (2 + SHARDS * store->places) * sizeof(*store->entries);
}

/* Zeroed memory; NULL when there is none. */
static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    return memory;
}

/* A third more places than sessions, and some for chance. Places 0 and 1 are not used. */
static bool map_store(struct registry *registry)
{
    struct registry_store *store = &registry->store;
    store->places = (registry->max_sessions / 3 * 4 / SHARDS + SHARD_PLACES_MIN) & ~(size_t)1;
    for (size_t i = 0; i < SHARDS; i++) {
        registry->shards[i].first_place = (uint32_t)(2 + i * store->places);
    }
    store->entries = map(store_bytes(store));
    return store->entries != NULL;
}

struct registry *registry_create(size_t max_sessions, int64_t idle_ns)
{
    struct registry *registry = aligned_alloc(alignof(struct registry), sizeof(*registry));
    if (registry == NULL) {
        return NULL;
    }
    memset(registry, 0, sizeof(*registry));
    keyed_hash_init(&registry->hash);
    names_init(&registry->store.keys);
    names_init(&registry->store.versions);
    registry->max_sessions = max_sessions != 0 ? max_sessions : 1;
    if (registry->max_sessions > SESSIONS_MAX) {
        registry->max_sessions = SESSIONS_MAX;
    }
    atomic_init(&registry->count, 0);
    atomic_init(&registry->idle_ns, idle_ns);
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&registry->shards[i].lock, NULL);
        wheel_set_idle(&registry->shards[i].wheel, NULL, idle_ns);
    }
    if (!map_store(registry)) {
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
    struct registry_store *store = &registry->store;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&registry->shards[i].lock);
    }
    names_destroy(&store->keys);
    names_destroy(&store->versions);
    if (store->entries != NULL) {
        munmap(store->entries, store_bytes(store));
    }
    free(registry);
}

static bool is_id(struct slice session)
{
    return session.len != 0 && session.len <= REGISTRY_SESSION_MAX;
}

/* A session's shard, locked, and its place there. */
struct found {
    uint64_t id[2];
    struct shard *shard;
    uint32_t at; /* 0: it is not there */
};

static struct found lock_and_find(struct registry *registry, struct slice session)
{
    struct found found = {0};
    keyed_hash_wide(&registry->hash, session, found.id);
    found.shard = &registry->shards[found.id[0] % SHARDS];
    uint32_t home = shard_home(&registry->store, found.shard, found.id);
    shard_prefetch(&registry->store, home); /* while we take the lock */
    pthread_mutex_lock(&found.shard->lock);
    found.at = shard_find(&registry->store, home, found.id);
    return found;
}

static bool end_one(struct registry *registry, struct shard *shard)
{
    bool ended = shard_end_idlest(&registry->store, shard);
    atomic_fetch_sub(&registry->count, ended ? 1 : 0);
    return ended;
}

/* The cap is passed, and the newcomer's own shard had nobody else: the next shard that has one. */
static void end_one_elsewhere(struct registry *registry, const struct shard *own)
{
    size_t at = (size_t)(own - registry->shards);
    for (size_t tried = 1; tried < SHARDS; tried++) {
        struct shard *shard = &registry->shards[(at + tried) % SHARDS];
        pthread_mutex_lock(&shard->lock);
        bool ended = end_one(registry, shard);
        pthread_mutex_unlock(&shard->lock);
        if (ended) {
            return;
        }
    }
}

/* The shard's lock is held. */
static void add(struct registry *registry, const struct found *found,
                const struct registry_request *request, int64_t now_ns)
{
    if (atomic_load(&registry->count) >= registry->max_sessions) {
        end_one(registry, found->shard);
    }
    bool added = shard_add(&registry->store, found->shard, found->id, request, now_ns);
    atomic_fetch_add(&registry->count, added ? 1 : 0);
}

bool registry_touch(struct registry *registry, const struct registry_request *request,
                    int64_t now_ns)
{
    if (!is_id(request->session)) {
        return false;
    }
    struct found found = lock_and_find(registry, request->session);
    bool begins = found.at == 0;
    if (begins) {
        add(registry, &found, request, now_ns);
    } else {
        begins = shard_touch(&registry->store, found.at, request, now_ns,
                             atomic_load_explicit(&registry->idle_ns, memory_order_relaxed));
    }
    pthread_mutex_unlock(&found.shard->lock);
    if (found.at == 0 && atomic_load(&registry->count) > registry->max_sessions) {
        end_one_elsewhere(registry, found.shard);
    }
    return begins;
}

/* The text of a name, for who holds the lock of a shard where it is used. Returns its length. */
static size_t copy_name(const struct names *names, uint8_t at, char *out)
{
    struct slice text = names_text(names, at);
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return text.len;
}

size_t registry_last_key(struct registry *registry, struct slice session,
                         char out[REGISTRY_KEY_ID_MAX + 1])
{
    out[0] = '\0';
    if (!is_id(session)) {
        return 0;
    }
    struct found found = lock_and_find(registry, session);
    size_t len = found.at != 0
                     ? copy_name(&registry->store.keys, registry->store.entries[found.at].key, out)
                     : 0;
    pthread_mutex_unlock(&found.shard->lock);
    return len;
}

bool registry_look(struct registry *registry, struct slice session, struct registry_session *out)
{
    *out = (struct registry_session){0};
    if (!is_id(session)) {
        return false;
    }
    struct found found = lock_and_find(registry, session);
    if (found.at != 0) {
        const struct entry *entry = &registry->store.entries[found.at];
        out->first_s = entry->first_s;
        out->last_ns = entry->last_ns;
        out->requests = entry->requests;
        out->items = entry->items;
        out->bytes = entry->bytes;
        copy_name(&registry->store.keys, entry->key, out->key_id);
        if (copy_name(&registry->store.versions, entry->version, out->version) == 0) {
            memcpy(out->version, CLIENT_VERSION_OTHER, sizeof(CLIENT_VERSION_OTHER));
        }
    }
    pthread_mutex_unlock(&found.shard->lock);
    return found.at != 0;
}

/* A sixteenth of all sessions is several a page. */
static void ask_for_huge_pages(struct registry *registry)
{
    if (atomic_load(&registry->count) > registry->max_sessions / 16 &&
        !atomic_exchange(&registry->huge_pages, true)) {
        madvise(registry->store.entries, store_bytes(&registry->store), MADV_HUGEPAGE);
    }
}

/* One hold of the shard's lock. Returns whether there is more to do. */
static bool expire_some(struct registry *registry, struct shard *shard, int64_t now_ns,
                        size_t *ended)
{
    int64_t idle_ns = atomic_load(&registry->idle_ns);
    size_t n = 0;
    pthread_mutex_lock(&shard->lock);
    wheel_set_idle(&shard->wheel, registry->store.entries, idle_ns);
    bool more = shard_expire(&registry->store, shard, now_ns - idle_ns, &n);
    atomic_fetch_sub(&registry->count, n);
    pthread_mutex_unlock(&shard->lock);
    *ended += n;
    return more;
}

/* The shards take turns: a mutex is not fair, and who waits for a shard's is to get it while the
 * others have their turns. */
size_t registry_expire(struct registry *registry, int64_t now_ns)
{
    bool finished[SHARDS] = {false};
    size_t ended = 0;
    ask_for_huge_pages(registry);
    for (size_t left = SHARDS; left != 0;) {
        for (size_t i = 0; i < SHARDS; i++) {
            if (!finished[i] && !expire_some(registry, &registry->shards[i], now_ns, &ended)) {
                finished[i] = true;
                left--;
            }
        }
    }
    return ended;
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
    for (uint8_t at = 0; at < NAMES_MAX; at++) {
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
    size_t n = list_versions(&registry->store.versions, all, &other);
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
