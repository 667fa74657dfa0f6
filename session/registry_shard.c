/* registry_shard.c: see registry_shard.h. */
#include "session/registry_shard.h"

#include "base/clock.h"

#define TRIES SHARD_PLACES_MIN /* of a place for a newcomer */

uint32_t shard_home(const struct registry_store *store, const struct shard *shard,
                    const uint64_t id[2])
{
    return shard->first_place + (uint32_t)((id[1] & UINT32_MAX) * store->places >> 32);
}

void shard_prefetch(const struct registry_store *store, uint32_t home)
{
    __builtin_prefetch(&store->entries[home], 1);
    __builtin_prefetch(&store->entries[home ^ 1], 1);
}

uint32_t shard_find(const struct registry_store *store, uint32_t home, const uint64_t id[2])
{
    uint32_t at = store->entries[home].head;
    while (at != 0 && (store->entries[at].id[0] != id[0] || store->entries[at].id[1] != id[1])) {
        at = store->entries[at].chain;
    }
    return at;
}

static void count_request(struct registry_store *store, struct entry *entry,
                          const struct registry_request *request)
{
    entry->key = names_change(&store->keys, entry->key, request->key_id);
    if (request->version.len == 0 ||
        !slice_eq(names_text(&store->versions, entry->version), request->version)) {
        entry->version =
            names_change(&store->versions, entry->version, client_version_name(request->version));
    }
    entry->requests += entry->requests != UINT32_MAX;
    entry->items += request->items;
    entry->bytes += request->bytes;
}

bool shard_touch(struct registry_store *store, uint32_t at, const struct registry_request *request,
                 int64_t now_ns, int64_t idle_ns)
{
    struct entry *entry = &store->entries[at];
    bool anew = now_ns - entry->last_ns >= idle_ns;
    if (anew) {
        entry->first_s = (uint32_t)(now_ns / NS_PER_SECOND);
        entry->requests = 0;
        entry->items = entry->bytes = 0;
    }
    count_request(store, entry, request);
    entry->touched = true;
    if (now_ns > entry->last_ns) { /* else a thread whose look at the clock was overtaken */
        entry->last_ns = now_ns;
    }
    return anew;
}

/* A free place: at home, or beside it, which a look-up fetches along with home, or at growing
 * distances, so that full places do not gather. 0 when there is none: a shard is three quarters
 * full at most but for chance, and 64 taken places in a row have one in 10^8. */
static uint32_t free_place(const struct registry_store *store, const struct shard *shard,
                           uint32_t home)
{
    size_t offset = home - shard->first_place;
    uint32_t at = home;
    for (size_t i = 0; i < TRIES && store->entries[at].requests != 0; i++) {
        size_t next = i == 0 ? offset ^ 1 : (offset + i * (i + 1) / 2) % store->places;
        at = i + 1 < TRIES ? shard->first_place + (uint32_t)next : 0;
    }
    return at;
}

bool shard_add(struct registry_store *store, struct shard *shard, const uint64_t id[2],
               const struct registry_request *request, int64_t now_ns)
{
    uint32_t home = shard_home(store, shard, id);
    uint32_t at = free_place(store, shard, home);
    if (at == 0) {
        return false;
    }
    struct entry *entry = &store->entries[at];
    *entry = (struct entry){.id = {id[0], id[1]},
                            .last_ns = now_ns,
                            .first_s = (uint32_t)(now_ns / NS_PER_SECOND),
                            .chain = store->entries[home].head,
                            .key = names_take(&store->keys, (struct slice){0}),
                            .version = names_take(&store->versions, (struct slice){0}),
                            .head = entry->head};
    count_request(store, entry, request);
    store->entries[home].head = at;
    wheel_add(&shard->wheel, store->entries, at);
    return true;
}

static void end_session(struct registry_store *store, struct shard *shard, uint32_t at)
{
    struct entry *entry = &store->entries[at];
    uint32_t *link = &store->entries[shard_home(store, shard, entry->id)].head;
    while (*link != at) {
        link = &store->entries[*link].chain;
    }
    *link = entry->chain;
    names_drop(&store->keys, entry->key);
    names_drop(&store->versions, entry->version);
    entry->requests = 0;
}

static void wait_again(struct registry_store *store, struct shard *shard, uint32_t at)
{
    store->entries[at].touched = false;
    wheel_add(&shard->wheel, store->entries, at);
}

bool shard_end_idlest(struct registry_store *store, struct shard *shard)
{
    uint32_t at = wheel_take(&shard->wheel, store->entries);
    for (size_t steps = 1; at != 0 && steps < SHARD_STEPS_AT_ONCE; steps++) {
        if (!store->entries[at].touched) {
            break;
        }
        wait_again(store, shard, at);
        at = wheel_take(&shard->wheel, store->entries);
    }
    if (at != 0) {
        end_session(store, shard, at);
    }
    return at != 0;
}

bool shard_expire(struct registry_store *store, struct shard *shard, int64_t until_ns,
                  size_t *ended)
{
    for (size_t steps = 0; steps < SHARD_STEPS_AT_ONCE; steps++) {
        uint32_t at = wheel_take_before(&shard->wheel, store->entries, until_ns + 1);
        if (at == 0) {
            return false;
        }
        if (store->entries[at].last_ns <= until_ns) {
            end_session(store, shard, at);
            (*ended)++;
        } else {
            wait_again(store, shard, at);
        }
    }
    return true;
}
