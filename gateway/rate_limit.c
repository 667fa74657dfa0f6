/* rate_limit.c: see rate_limit.h. 4096 sets of 8 buckets, 32 bytes each: 1 MiB whatever comes. The
 * table is zeroed memory from the kernel, so a page is there only once a bucket in it is used.
 * A session is known by 64 bits of its hash: that two of a table's share them is less likely than
 * one in 10^10.
 *
 * A bucket counts in units of 1e-9 token, so that with whole nanoseconds and whole tokens a second
 * there is nothing to round: in t nanoseconds it gains t * per_second units.
 *
 * The set comes from a keyed hash: who owns many addresses cannot aim them at one other's set.
 */
#include "gateway/rate_limit.h"

#include "session/keyed_hash.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SETS 4096U
#define WAYS 8U
#define STRIPES 64U
#define TOKEN INT64_C(1000000000)

/* The whole of an IPv6 network; no IPv4 address is this, its last 8 bytes hold ffff. */
#define ALL_HOSTS 1

struct identity {
    uint64_t network; /* the first 8 bytes of the address, or the session's hash */
    uint64_t host;    /* IPv4: the last 8; else ALL_HOSTS; 0 marks a free bucket */
};

struct bucket {
    struct identity who;
    int64_t used_ns;
    int64_t units;
};

struct set {
    struct bucket ways[WAYS];
};

struct rate_limit {
    struct set *sets; /* owned */
    struct keyed_hash hash;
    _Atomic uint64_t limits; /* per_second << 32 | burst: always seen together */
    pthread_mutex_t stripes[STRIPES];
};

static uint64_t load(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

static bool is_ipv4(const struct ip_addr *address)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->bytes, prefix, sizeof(prefix)) == 0;
}

static void fill(struct bucket *bucket, int64_t now_ns, int64_t per_second, int64_t full)
{
    if (now_ns > bucket->used_ns) {
        int64_t elapsed = now_ns - bucket->used_ns;
        /* Divided rather than multiplied: the product may not fit. */
        bool over = bucket->units >= full || elapsed > (full - bucket->units) / per_second;
        bucket->units = over ? full : bucket->units + elapsed * per_second;
        bucket->used_ns = now_ns;
    }
    if (bucket->units > full) {
        bucket->units = full;
    }
}

/* The bucket of `who` in its set, filled up to now. Who is new takes a free one, or the one longest
 * unused with what is in it. */
static struct bucket *find(struct set *set, struct identity who, int64_t now_ns, int64_t per_second,
                           int64_t full)
{
    struct bucket *bucket = &set->ways[0];
    for (unsigned i = 0; i < WAYS; i++) {
        struct bucket *other = &set->ways[i];
        if (other->who.host == who.host && other->who.network == who.network) {
            fill(other, now_ns, per_second, full);
            return other;
        }
        bool better = other->who.host == 0 || other->used_ns < bucket->used_ns;
        if (bucket->who.host != 0 && better) {
            bucket = other;
        }
    }
    if (bucket->who.host == 0) {
        *bucket = (struct bucket){who, now_ns, full};
        return bucket;
    }
    fill(bucket, now_ns, per_second, full);
    bucket->who = who;
    bucket->used_ns = now_ns;
    bucket->units = bucket->units < TOKEN ? TOKEN : bucket->units;
    return bucket;
}

struct rate_limit *rate_limit_create(unsigned per_second, unsigned burst)
{
    struct rate_limit *limit = calloc(1, sizeof(*limit));
    if (limit == NULL) {
        return NULL;
    }
    limit->sets = calloc(SETS, sizeof(*limit->sets));
    if (limit->sets == NULL) {
        free(limit);
        return NULL;
    }
    keyed_hash_init(&limit->hash);
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&limit->stripes[i], NULL);
    }
    rate_limit_set(limit, per_second, burst);
    return limit;
}

void rate_limit_destroy(struct rate_limit *limit)
{
    if (limit == NULL) {
        return;
    }
    for (unsigned i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&limit->stripes[i]);
    }
    free(limit->sets);
    free(limit);
}

void rate_limit_set(struct rate_limit *limit, unsigned per_second, unsigned burst)
{
    atomic_store(&limit->limits, (uint64_t)per_second << 32 | (burst != 0 ? burst : 1));
}

static bool take(struct rate_limit *limit, struct identity who, int64_t now_ns,
                 unsigned *retry_after_s)
{
    *retry_after_s = 0;
    uint64_t limits = atomic_load(&limit->limits);
    int64_t per_second = (int64_t)(limits >> 32);
    int64_t full = (int64_t)(limits & UINT32_MAX) * TOKEN;
    if (per_second == 0) {
        return true;
    }
    uint64_t hash = keyed_hash_bytes(&limit->hash, slice_make(&who, sizeof(who)));
    unsigned set = (unsigned)(hash % SETS);
    pthread_mutex_t *stripe = &limit->stripes[set % STRIPES];

    pthread_mutex_lock(stripe);
    struct bucket *bucket = find(&limit->sets[set], who, now_ns, per_second, full);
    bool granted = bucket->units >= TOKEN;
    if (granted) {
        bucket->units -= TOKEN;
    } else {
        *retry_after_s = 1; /* the slowest rate is one token a second */
    }
    pthread_mutex_unlock(stripe);
    return granted;
}

bool rate_limit_take(struct rate_limit *limit, const struct ip_addr *address, int64_t now_ns,
                     unsigned *retry_after_s)
{
    struct identity who = {load(address->bytes),
                           is_ipv4(address) ? load(address->bytes + 8) : ALL_HOSTS};
    return take(limit, who, now_ns, retry_after_s);
}

bool rate_limit_take_session(struct rate_limit *limit, struct slice session, int64_t now_ns,
                             unsigned *retry_after_s)
{
    struct identity who = {keyed_hash_bytes(&limit->hash, session), ALL_HOSTS};
    return take(limit, who, now_ns, retry_after_s);
}
