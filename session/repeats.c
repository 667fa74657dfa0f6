/* repeats.c: see repeats.h. Each shard is a chained hash table over one array of entries, linked by
 * indices; those that have settled are a list from first to last settled.
 */
#include "session/repeats.h"

#include "session/keyed_hash.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>

#define SHARDS_MAX 64
#define SHARD_ENTRIES_MIN 1024 /* a table of fewer than two of these is one shard */
#define ENTRIES_MAX ((size_t)1 << 31)
#define NONE UINT32_MAX
#define BUCKETS_PER_ENTRY 2 /* a new id mostly finds its bucket empty, and reads no entry */

struct entry {
    struct repeat_id id;
    int64_t begun_ns;
    struct repeat_waiter *waiters; /* last come first; not owned */
    uint32_t chain;                /* the next of the bucket, or of the free ones */
    uint32_t newer, older;         /* by settling, when settled */
    bool settled;
};

struct shard {
    alignas(64) pthread_mutex_t lock;
    struct entry *entries; /* owned */
    uint32_t cap;
    uint32_t used; /* entries from here on never were */
    uint32_t free;
    uint32_t *buckets; /* owned; index + 1, so that fresh zeros are empty buckets */
    uint32_t mask;
    uint32_t newest, oldest;
};

struct repeats {
    struct shard shards[SHARDS_MAX];
    size_t n_shards; /* a power of two */
    int64_t window_ns;
    struct keyed_hash hash;
};

static bool shard_init(struct shard *shard, uint32_t cap)
{
    pthread_mutex_init(&shard->lock, NULL);
    uint32_t buckets = 1;
    while (buckets < cap) {
        buckets *= 2;
    }
    buckets *= BUCKETS_PER_ENTRY;
    shard->cap = cap;
    shard->mask = buckets - 1;
    shard->free = shard->newest = shard->oldest = NONE;
    shard->entries = calloc(cap, sizeof(*shard->entries));
    shard->buckets = calloc(buckets, sizeof(*shard->buckets));
    return shard->entries != NULL && shard->buckets != NULL;
}

struct repeats *repeats_create(size_t max_entries, int64_t window_ns)
{
    struct repeats *repeats = aligned_alloc(alignof(struct repeats), sizeof(*repeats));
    if (repeats == NULL) {
        return NULL;
    }
    memset(repeats, 0, sizeof(*repeats));
    size_t max = max_entries != 0 ? max_entries : 1;
    max = max < ENTRIES_MAX ? max : ENTRIES_MAX;
    size_t shards = 1;
    while (shards < SHARDS_MAX && max / (shards * 2) >= SHARD_ENTRIES_MIN) {
        shards *= 2;
    }
    repeats->n_shards = shards;
    repeats->window_ns = window_ns;
    keyed_hash_init(&repeats->hash);
    bool complete = true;
    for (size_t i = 0; i < shards; i++) {
        uint32_t cap = (uint32_t)(max / shards + (i < max % shards));
        complete = shard_init(&repeats->shards[i], cap) && complete;
    }
    if (!complete) {
        repeats_destroy(repeats);
        return NULL;
    }
    return repeats;
}

void repeats_destroy(struct repeats *repeats)
{
    if (repeats == NULL) {
        return;
    }
    for (size_t i = 0; i < repeats->n_shards; i++) {
        struct shard *shard = &repeats->shards[i];
        pthread_mutex_destroy(&shard->lock);
        free(shard->entries);
        free(shard->buckets);
    }
    free(repeats);
}

static size_t home_of(const struct repeats *repeats, const struct repeat_id *id)
{
    return id->words[0] & (repeats->n_shards - 1);
}

static uint32_t *bucket_of(const struct shard *shard, const struct repeat_id *id)
{
    return &shard->buckets[id->words[1] & shard->mask];
}

/* The hash of the hashes of the parts: that they have one length each keeps the bounds between
 * parts. */
struct repeat_id repeats_hash(const struct repeats *repeats, const struct slice *parts, size_t n)
{
    struct repeat_id id = {{0, 0}};
    uint64_t hashes[REPEATS_PARTS_MAX][2];
    n = n < REPEATS_PARTS_MAX ? n : REPEATS_PARTS_MAX;
    for (size_t i = 0; i < n; i++) {
        keyed_hash_wide(&repeats->hash, parts[i], hashes[i]);
    }
    keyed_hash_wide(&repeats->hash, slice_make(hashes, n * sizeof(hashes[0])), id.words);
    const struct shard *shard = &repeats->shards[home_of(repeats, &id)];
    __builtin_prefetch(bucket_of(shard, &id)); /* where repeats_begin will look */
    return id;
}

/* Its index, or NONE. */
static uint32_t find(const struct shard *shard, const struct repeat_id *id)
{
    uint32_t at = *bucket_of(shard, id) - 1;
    while (at != NONE && (shard->entries[at].id.words[0] != id->words[0] ||
                          shard->entries[at].id.words[1] != id->words[1])) {
        at = shard->entries[at].chain;
    }
    return at;
}

static void settled_add(struct shard *shard, uint32_t at)
{
    struct entry *entry = &shard->entries[at];
    entry->settled = true;
    entry->newer = NONE;
    entry->older = shard->newest;
    if (shard->newest != NONE) {
        shard->entries[shard->newest].newer = at;
    } else {
        shard->oldest = at;
    }
    shard->newest = at;
}

static void settled_remove(struct shard *shard, uint32_t at)
{
    struct entry *entry = &shard->entries[at];
    entry->settled = false;
    if (entry->newer != NONE) {
        shard->entries[entry->newer].older = entry->older;
    } else {
        shard->newest = entry->older;
    }
    if (entry->older != NONE) {
        shard->entries[entry->older].newer = entry->newer;
    } else {
        shard->oldest = entry->newer;
    }
}

/* Out of its bucket, in among the free ones. */
static void forget(struct shard *shard, uint32_t at)
{
    struct entry *entry = &shard->entries[at];
    uint32_t *bucket = bucket_of(shard, &entry->id);
    if (*bucket == at + 1) {
        *bucket = entry->chain + 1; /* NONE + 1 is 0 */
    } else {
        uint32_t before = *bucket - 1;
        while (shard->entries[before].chain != at) {
            before = shard->entries[before].chain;
        }
        shard->entries[before].chain = entry->chain;
    }
    entry->chain = shard->free;
    shard->free = at;
}

/* A place for a new entry, or NONE when all are under way. */
static uint32_t take_place(struct shard *shard)
{
    if (shard->free == NONE && shard->used < shard->cap) {
        return shard->used++;
    }
    if (shard->free == NONE && shard->oldest != NONE) {
        uint32_t oldest = shard->oldest;
        settled_remove(shard, oldest);
        forget(shard, oldest);
        if (shard->oldest != NONE) {
            __builtin_prefetch(bucket_of(shard, &shard->entries[shard->oldest].id), 1);
        }
    }
    uint32_t at = shard->free;
    if (at != NONE) {
        shard->free = shard->entries[at].chain;
    }
    return at;
}

static void begin_new(struct shard *shard, const struct repeat_id *id, int64_t now_ns)
{
    uint32_t at = take_place(shard);
    if (at != NONE) {
        uint32_t *bucket = bucket_of(shard, id);
        shard->entries[at] = (struct entry){
            .id = *id, .begun_ns = now_ns, .chain = *bucket - 1, .newer = NONE, .older = NONE};
        *bucket = at + 1;
    }
}

enum repeat repeats_begin(struct repeats *repeats, const struct repeat_id *id, int64_t now_ns,
                          struct repeat_waiter *waiter)
{
    struct shard *shard = &repeats->shards[home_of(repeats, id)];
    enum repeat repeat = REPEAT_NEW;
    pthread_mutex_lock(&shard->lock);
    uint32_t at = find(shard, id);
    if (at == NONE) {
        begin_new(shard, id, now_ns);
    } else if (!shard->entries[at].settled) {
        waiter->next = shard->entries[at].waiters;
        shard->entries[at].waiters = waiter;
        repeat = REPEAT_WAITING;
    } else if (now_ns - shard->entries[at].begun_ns > repeats->window_ns) {
        settled_remove(shard, at);
        shard->entries[at].begun_ns = now_ns;
    } else {
        repeat = REPEAT_DONE;
    }
    pthread_mutex_unlock(&shard->lock);
    return repeat;
}

static struct repeat_waiter *reversed(struct repeat_waiter *list)
{
    struct repeat_waiter *turned = NULL;
    while (list != NULL) {
        struct repeat_waiter *next = list->next;
        list->next = turned;
        turned = list;
        list = next;
    }
    return turned;
}

struct repeat_waiter *repeats_settle(struct repeats *repeats, const struct repeat_id *id,
                                     bool durable)
{
    struct shard *shard = &repeats->shards[home_of(repeats, id)];
    struct repeat_waiter *waiters = NULL;
    pthread_mutex_lock(&shard->lock);
    uint32_t at = find(shard, id);
    if (at != NONE && !shard->entries[at].settled) {
        waiters = shard->entries[at].waiters;
        shard->entries[at].waiters = NULL;
        if (durable) {
            settled_add(shard, at);
        } else {
            forget(shard, at);
        }
    }
    pthread_mutex_unlock(&shard->lock);
    return reversed(waiters);
}
