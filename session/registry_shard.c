/* registry_shard.c: see registry_shard.h. */
#include "session/registry_shard.h"

#include "base/client_version.h"

#include <stdlib.h>

#define BUCKETS_AT_FIRST 16

bool shard_init(struct shard *shard)
{
    pthread_mutex_init(&shard->lock, NULL);
    shard->table.n = BUCKETS_AT_FIRST;
    shard->table.buckets = calloc(BUCKETS_AT_FIRST, sizeof(void *));
    return shard->table.buckets != NULL;
}

void shard_clear(struct shard *shard)
{
    while (shard->oldest != NULL) {
        struct entry *entry = shard->oldest;
        shard->oldest = entry->newer;
        free(entry);
    }
    free(shard->table.buckets);
    free(shard->old.buckets);
    pthread_mutex_destroy(&shard->lock);
}

/* --- the table of a shard ------------------------------------------------------------------- */

static struct entry **bucket_of(const struct shard *shard, uint32_t hash)
{
    if (shard->old.n != 0 && (hash & (shard->old.n - 1)) >= shard->moved) {
        return &shard->old.buckets[hash & (shard->old.n - 1)];
    }
    return &shard->table.buckets[hash & (shard->table.n - 1)];
}

struct entry **shard_find(const struct shard *shard, struct slice id, uint32_t hash)
{
    struct entry **place = bucket_of(shard, hash);
    while (*place != NULL &&
           !((*place)->hash == hash && slice_eq(slice_make((*place)->id, (*place)->id_len), id))) {
        place = &(*place)->chain;
    }
    return place;
}

void shard_move_buckets(struct shard *shard, size_t at_most)
{
    for (; shard->moved < shard->old.n && at_most > 0; at_most--) {
        struct entry *entry = shard->old.buckets[shard->moved];
        shard->old.buckets[shard->moved++] = NULL;
        while (entry != NULL) {
            struct entry *next = entry->chain;
            struct entry **bucket = &shard->table.buckets[entry->hash & (shard->table.n - 1)];
            entry->chain = *bucket;
            *bucket = entry;
            entry = next;
        }
    }
    if (shard->old.n != 0 && shard->moved == shard->old.n) {
        free(shard->old.buckets);
        shard->old = (struct table){0};
    }
}

/* Begins to double the table when it holds 1.5 sessions a bucket. Without memory it stays as it is:
 * longer chains, nothing worse. A move ends long before the next begins: it takes n / 4 operations,
 * and 1.5 n more sessions must come first. */
static void grow_if_full(struct shard *shard)
{
    if (shard->old.n != 0 || shard->count < shard->table.n + shard->table.n / 2) {
        return;
    }
    struct table wider = {.n = shard->table.n * 2};
    wider.buckets = calloc(wider.n, sizeof(void *));
    if (wider.buckets != NULL) {
        shard->old = shard->table;
        shard->table = wider;
        shard->moved = 0;
    }
}

/* --- the list of a shard -------------------------------------------------------------------- */

static void push_newest(struct shard *shard, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = shard->newest;
    *(shard->newest != NULL ? &shard->newest->newer : &shard->oldest) = entry;
    shard->newest = entry;
}

static void unlink_from_list(struct shard *shard, struct entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &shard->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &shard->oldest) = entry->newer;
}

struct entry *shard_take_oldest(struct shard *shard)
{
    struct entry *entry = shard->oldest;
    if (entry != NULL) {
        struct entry **place = shard_find(shard, slice_make(entry->id, entry->id_len), entry->hash);
        *place = entry->chain;
        unlink_from_list(shard, entry);
        names_drop(shard->keys, entry->key);
        names_drop(shard->versions, entry->version);
        shard->count--;
    }
    return entry;
}

void shard_touch(struct shard *shard, struct entry *entry, const struct registry_request *request,
                 int64_t now_ns)
{
    unlink_from_list(shard, entry);
    push_newest(shard, entry);
    entry->key = names_change(shard->keys, entry->key, request->key_id);
    entry->version =
        names_change(shard->versions, entry->version, client_version_name(request->version));
    if (now_ns > entry->touched_ns) {
        entry->touched_ns = now_ns;
    }
}

bool shard_add(struct shard *shard, struct entry *fresh, const struct registry_request *request)
{
    grow_if_full(shard);
    struct entry **place = shard_find(shard, slice_make(fresh->id, fresh->id_len), fresh->hash);
    if (*place != NULL) {
        shard_touch(shard, *place, request, fresh->touched_ns);
        return false;
    }
    *place = fresh;
    push_newest(shard, fresh);
    fresh->key = names_take(shard->keys, request->key_id);
    fresh->version = names_take(shard->versions, client_version_name(request->version));
    shard->count++;
    return true;
}
