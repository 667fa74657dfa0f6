/* One shard: what is done under one hold of its lock is bounded. */
#include "base/clock.h"
#include "session/registry_shard.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define PLACES 8192
#define MANY ((size_t)6000)
#define IDLE (3600 * NS_PER_SECOND)

static struct registry_store store;
static struct shard shard;

static void begin(void)
{
    store.places = PLACES;
    store.entries = aligned_alloc(alignof(struct entry), (2 + PLACES) * sizeof(struct entry));
    memset(store.entries, 0, (2 + PLACES) * sizeof(struct entry));
    names_init(&store.keys);
    names_init(&store.versions);
    shard.first_place = 2;
    wheel_set_idle(&shard.wheel, store.entries, IDLE);
}

static void end(void)
{
    names_destroy(&store.keys);
    names_destroy(&store.versions);
    free(store.entries);
}

static const uint64_t *id(uint64_t n)
{
    static uint64_t words[2];
    words[0] = n;
    words[1] = n * UINT64_C(0x9e3779b97f4a7c15) >> 7;
    return words;
}

static const struct registry_request request = {.version = {"2.0", 3}};

static uint32_t find(uint64_t n)
{
    return shard_find(&store, shard_home(&store, &shard, id(n)), id(n));
}

static void fill(void)
{
    for (uint64_t n = 0; n < MANY; n++) {
        cr_assert(shard_add(&store, &shard, id(n), &request, (int64_t)n));
    }
}

TestSuite(registry_shard, .init = begin, .fini = end);

Test(registry_shard, all_end_at_once_a_few_at_a_time)
{
    fill();
    size_t holds = 0;
    size_t all = 0;
    bool more = true;
    while (more) {
        size_t ended = 0;
        more = shard_expire(&store, &shard, 2 * IDLE, &ended);
        cr_assert_leq(ended, SHARD_STEPS_AT_ONCE);
        cr_assert(!more || ended == SHARD_STEPS_AT_ONCE);
        all += ended;
        holds++;
    }
    cr_expect_eq(all, MANY);
    cr_expect_eq(holds, MANY / SHARD_STEPS_AT_ONCE + 1);
    cr_expect_eq(shard.wheel.n, 0);
}

/* Those that were touched since they came into their slots are work, too. */
Test(registry_shard, nobody_ends_in_bounded_steps)
{
    fill();
    for (uint64_t n = 0; n < MANY; n++) {
        cr_assert(!shard_touch(&store, find(n), &request, IDLE / 2, IDLE));
    }
    size_t ended = 0;
    size_t holds = 1;
    while (shard_expire(&store, &shard, IDLE / 4, &ended)) {
        holds++;
    }
    cr_expect_eq(ended, 0);
    cr_expect_eq(holds, MANY / SHARD_STEPS_AT_ONCE + 1);
    cr_expect(!shard_expire(&store, &shard, IDLE / 4, &ended), "they are not looked at twice");
}

/* All were touched: the sixteenth that is looked at goes, and the others have had their turn. */
Test(registry_shard, making_room_is_bounded)
{
    fill();
    for (uint64_t n = 0; n < MANY; n++) {
        shard_touch(&store, find(n), &request, IDLE / 2, IDLE);
    }
    cr_expect(shard_end_idlest(&store, &shard));
    cr_expect_eq(shard.wheel.n, MANY - 1);
    size_t looked_at = 0;
    for (uint64_t n = 0; n < MANY; n++) {
        uint32_t at = find(n);
        looked_at += at == 0 || !store.entries[at].touched;
    }
    cr_expect_eq(looked_at, SHARD_STEPS_AT_ONCE);
}

Test(registry_shard, a_touch_leaves_the_wheel_alone)
{
    fill();
    struct wheel before = shard.wheel;
    for (uint64_t n = 0; n < MANY; n++) {
        shard_touch(&store, find(n), &request, IDLE - 1, IDLE);
    }
    cr_expect_eq(before.n, shard.wheel.n);
    cr_expect_eq(before.base, shard.wheel.base);
    cr_expect(memcmp(before.slots, shard.wheel.slots, sizeof(before.slots)) == 0);
}

/* A home for all: chains are still right when their sessions go in any order. */
Test(registry_shard, survives_ids_of_one_home)
{
    enum { N = 40 };
    for (uint64_t n = 0; n < N; n++) {
        const uint64_t same_home[2] = {n, 77};
        cr_assert(shard_add(&store, &shard, same_home, &request, (int64_t)(n * 7 % N)));
    }
    for (size_t ended = 0; ended < N; ended++) {
        cr_assert(shard_end_idlest(&store, &shard));
        size_t found = 0;
        for (uint64_t n = 0; n < N; n++) {
            const uint64_t same_home[2] = {n, 77};
            found += shard_find(&store, shard_home(&store, &shard, same_home), same_home) != 0;
        }
        cr_assert_eq(found, N - 1 - ended);
    }
    cr_expect(!shard_end_idlest(&store, &shard));
}

/* Sessions come and go for long: every place is used again, and all who are there are found. */
Test(registry_shard, places_are_used_again)
{
    fill();
    for (uint64_t n = MANY; n < 20 * MANY; n++) {
        cr_assert(shard_end_idlest(&store, &shard));
        cr_assert(shard_add(&store, &shard, id(n), &request, (int64_t)n));
        cr_assert(find(n) != 0);
    }
    for (uint64_t n = 19 * MANY; n < 20 * MANY; n++) {
        cr_assert(find(n) != 0);
    }
    size_t used = 0;
    for (size_t at = 2; at < 2 + PLACES; at++) {
        used += store.entries[at].requests != 0;
    }
    cr_expect_eq(used, MANY);
}
