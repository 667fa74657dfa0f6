/* lease.c: see lease.h. Each shard is a chained hash table with a fixed number of buckets, and a
 * list of its sessions from last heard to idlest.
 */
#include "session/lease.h"

#include "session/keyed_hash.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>

#define SHARDS_MAX 64
#define SHARD_SESSIONS_MIN 1024 /* a table of fewer than two of these is one shard */
#define SESSIONS_MAX ((size_t)1 << 31)
#define EXPIRED_AT_ONCE 64 /* under one hold of a shard's lock */

struct signature {
    uint8_t mac[LEASE_MAC_LEN];
    int64_t fresh_ns; /* its last fresh use */
};

struct holder {
    struct holder *chain;
    struct holder *newer, *older;
    int64_t heard_ns;
    uint32_t hash; /* bucket and a cheap first comparison */
    uint8_t n;
    uint8_t id_len;
    struct signature signatures[LEASE_SIGNATURES];
    char id[];
};

struct shard {
    alignas(64) pthread_mutex_t lock;
    struct holder **buckets; /* owned, the holders too */
    size_t mask;
    size_t count;
    size_t cap;
    struct holder *newest, *oldest;
    bool off; /* grants nothing */
};

struct lease {
    struct shard shards[SHARDS_MAX];
    size_t n_shards; /* a power of two */
    struct keyed_hash hash;
};

static bool shard_init(struct shard *shard, size_t cap)
{
    pthread_mutex_init(&shard->lock, NULL);
    size_t buckets = 1;
    while (buckets < cap) {
        buckets *= 2;
    }
    shard->cap = cap;
    shard->mask = buckets - 1;
    shard->buckets = calloc(buckets, sizeof(struct holder *));
    return shard->buckets != NULL;
}

struct lease *lease_create(size_t max_sessions)
{
    struct lease *lease = aligned_alloc(alignof(struct lease), sizeof(*lease));
    if (lease == NULL) {
        return NULL;
    }
    memset(lease, 0, sizeof(*lease));
    size_t max = max_sessions != 0 ? max_sessions : 1;
    max = max < SESSIONS_MAX ? max : SESSIONS_MAX;
    size_t shards = 1;
    while (shards < SHARDS_MAX && max / (shards * 2) >= SHARD_SESSIONS_MIN) {
        shards *= 2;
    }
    lease->n_shards = shards;
    keyed_hash_init(&lease->hash);
    bool complete = true;
    for (size_t i = 0; i < shards; i++) {
        complete = shard_init(&lease->shards[i], max / shards + (i < max % shards)) && complete;
    }
    if (!complete) {
        lease_destroy(lease);
        return NULL;
    }
    return lease;
}

/* A shard's list, from its newest. */
static void free_holders(struct holder *holder)
{
    while (holder != NULL) {
        struct holder *older = holder->older;
        free(holder);
        holder = older;
    }
}

void lease_destroy(struct lease *lease)
{
    if (lease == NULL) {
        return;
    }
    for (size_t i = 0; i < lease->n_shards; i++) {
        struct shard *shard = &lease->shards[i];
        free_holders(shard->newest);
        pthread_mutex_destroy(&shard->lock);
        free(shard->buckets);
    }
    free(lease);
}

/* NULL for an id that gets no lease. */
static struct shard *shard_of(struct lease *lease, struct slice session, uint32_t *hash)
{
    if (session.len == 0 || session.len > LEASE_SESSION_MAX) {
        return NULL;
    }
    uint64_t full = keyed_hash_bytes(&lease->hash, session);
    *hash = (uint32_t)full;
    return &lease->shards[(full >> 32) & (lease->n_shards - 1)];
}

/* NULL when the session has none. */
static struct holder *find(const struct shard *shard, struct slice session, uint32_t hash)
{
    struct holder *holder = shard->buckets[hash & shard->mask];
    while (holder != NULL &&
           (holder->hash != hash || !slice_eq(slice_make(holder->id, holder->id_len), session))) {
        holder = holder->chain;
    }
    return holder;
}

static void list_remove(struct shard *shard, struct holder *holder)
{
    if (holder->newer != NULL) {
        holder->newer->older = holder->older;
    } else {
        shard->newest = holder->older;
    }
    if (holder->older != NULL) {
        holder->older->newer = holder->newer;
    } else {
        shard->oldest = holder->newer;
    }
}

static void list_add_newest(struct shard *shard, struct holder *holder)
{
    holder->newer = NULL;
    holder->older = shard->newest;
    if (shard->newest != NULL) {
        shard->newest->newer = holder;
    } else {
        shard->oldest = holder;
    }
    shard->newest = holder;
}

static void heard(struct shard *shard, struct holder *holder, int64_t now_ns)
{
    if (now_ns > holder->heard_ns) { /* else a thread whose look at the clock was overtaken */
        holder->heard_ns = now_ns;
    }
    list_remove(shard, holder);
    list_add_newest(shard, holder);
}

static bool fell_silent(const struct holder *holder, int64_t now_ns)
{
    return now_ns - holder->heard_ns > LEASE_GAP_NS;
}

/* Out of its bucket. */
static void unchain(struct shard *shard, const struct holder *holder)
{
    struct holder **place = &shard->buckets[holder->hash & shard->mask];
    while (*place != holder) {
        place = &(*place)->chain;
    }
    *place = holder->chain;
    shard->count--;
}

/* Of a shard that is not empty. The caller frees it, best without the lock. */
static struct holder *take_oldest(struct shard *shard)
{
    struct holder *holder = shard->oldest;
    shard->oldest = holder->newer;
    if (shard->oldest != NULL) {
        shard->oldest->older = NULL;
    } else {
        shard->newest = NULL;
    }
    unchain(shard, holder);
    return holder;
}

/* Both macs are of verified messages: there is nothing to guess by the time that this takes. */
static struct signature *find_signature(struct holder *holder, const uint8_t mac[LEASE_MAC_LEN])
{
    for (size_t i = 0; i < holder->n; i++) {
        if (memcmp(holder->signatures[i].mac, mac, LEASE_MAC_LEN) == 0) {
            return &holder->signatures[i];
        }
    }
    return NULL;
}

/* A place for one more signature, if need be that of the one that was fresh longest ago. */
static struct signature *signature_place(struct holder *holder)
{
    if (holder->n < LEASE_SIGNATURES) {
        return &holder->signatures[holder->n++];
    }
    struct signature *oldest = &holder->signatures[0];
    for (size_t i = 1; i < LEASE_SIGNATURES; i++) {
        if (holder->signatures[i].fresh_ns < oldest->fresh_ns) {
            oldest = &holder->signatures[i];
        }
    }
    return oldest;
}

static void grant(struct holder *holder, const uint8_t mac[LEASE_MAC_LEN], int64_t now_ns)
{
    struct signature *signature = find_signature(holder, mac);
    if (signature == NULL) {
        signature = signature_place(holder);
        memcpy(signature->mac, mac, LEASE_MAC_LEN);
        signature->fresh_ns = now_ns;
    } else if (now_ns > signature->fresh_ns) {
        signature->fresh_ns = now_ns;
    }
}

/* Adds the session; NULL when out of memory. */
static struct holder *add(struct shard *shard, struct slice session, uint32_t hash, int64_t now_ns)
{
    struct holder *holder = malloc(sizeof(*holder) + session.len);
    if (holder == NULL) {
        return NULL;
    }
    if (shard->count >= shard->cap) {
        free(take_oldest(shard));
    }
    struct holder **bucket = &shard->buckets[hash & shard->mask];
    *holder = (struct holder){.chain = *bucket, .heard_ns = now_ns, .hash = hash};
    holder->id_len = (uint8_t)session.len;
    memcpy(holder->id, session.data, session.len);
    *bucket = holder;
    list_add_newest(shard, holder);
    shard->count++;
    return holder;
}

void lease_grant(struct lease *lease, struct slice session, const uint8_t mac[LEASE_MAC_LEN],
                 int64_t now_ns)
{
    uint32_t hash;
    struct shard *shard = shard_of(lease, session, &hash);
    if (shard == NULL) {
        return;
    }
    pthread_mutex_lock(&shard->lock);
    struct holder *holder = find(shard, session, hash);
    if (holder == NULL && !shard->off) {
        holder = add(shard, session, hash, now_ns);
    } else if (holder != NULL) {
        if (fell_silent(holder, now_ns)) {
            holder->n = 0; /* what lapsed does not come back with a new signature */
        }
        heard(shard, holder, now_ns);
    }
    if (holder != NULL) {
        grant(holder, mac, now_ns);
    }
    pthread_mutex_unlock(&shard->lock);
}

bool lease_use(struct lease *lease, struct slice session, const uint8_t mac[LEASE_MAC_LEN],
               int64_t now_ns, int64_t length_ns)
{
    uint32_t hash;
    struct shard *shard = shard_of(lease, session, &hash);
    if (shard == NULL || length_ns <= 0) {
        return false;
    }
    bool goes_on = false;
    pthread_mutex_lock(&shard->lock);
    struct holder *holder = find(shard, session, hash);
    if (holder != NULL && fell_silent(holder, now_ns)) {
        list_remove(shard, holder);
        unchain(shard, holder);
        free(holder);
    } else if (holder != NULL) {
        const struct signature *signature = find_signature(holder, mac);
        goes_on = signature != NULL && now_ns - signature->fresh_ns <= length_ns;
        if (goes_on) {
            heard(shard, holder, now_ns);
        }
    }
    pthread_mutex_unlock(&shard->lock);
    return goes_on;
}

/* Takes all sessions out. The caller frees them, best without the lock. */
static struct holder *take_all(struct shard *shard)
{
    struct holder *newest = shard->newest;
    if (newest != NULL) {
        memset(shard->buckets, 0, (shard->mask + 1) * sizeof(struct holder *));
    }
    shard->newest = NULL;
    shard->oldest = NULL;
    shard->count = 0;
    return newest;
}

void lease_switch(struct lease *lease, bool on)
{
    for (size_t i = 0; i < lease->n_shards; i++) {
        struct shard *shard = &lease->shards[i];
        pthread_mutex_lock(&shard->lock);
        shard->off = !on;
        struct holder *ended = on ? NULL : take_all(shard);
        pthread_mutex_unlock(&shard->lock);
        free_holders(ended);
    }
}

/* Up to EXPIRED_AT_ONCE of a shard. */
static size_t expire_some(struct shard *shard, int64_t now_ns)
{
    struct holder *taken[EXPIRED_AT_ONCE];
    size_t n = 0;
    pthread_mutex_lock(&shard->lock);
    while (n < EXPIRED_AT_ONCE && shard->oldest != NULL && fell_silent(shard->oldest, now_ns)) {
        taken[n++] = take_oldest(shard);
    }
    pthread_mutex_unlock(&shard->lock);
    for (size_t i = 0; i < n; i++) {
        free(taken[i]);
    }
    return n;
}

size_t lease_expire(struct lease *lease, int64_t now_ns)
{
    size_t freed = 0;
    for (size_t i = 0; i < lease->n_shards; i++) {
        size_t n;
        do {
            n = expire_some(&lease->shards[i], now_ns);
            freed += n;
        } while (n == EXPIRED_AT_ONCE);
    }
    return freed;
}

size_t lease_count(struct lease *lease)
{
    size_t count = 0;
    for (size_t i = 0; i < lease->n_shards; i++) {
        struct shard *shard = &lease->shards[i];
        pthread_mutex_lock(&shard->lock);
        count += shard->count;
        pthread_mutex_unlock(&shard->lock);
    }
    return count;
}
