/* The registry: beginnings and ends of sessions, the cap, the keys, and what a session costs. */
#include "base/clock.h"
#include "session/registry.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define IDLE (900 * NS_PER_SECOND)
#define KEY SLICE_LIT("2026-11")

/* A session id of 36 bytes, as the published client's GUIDs. */
static struct slice id(char text[64], size_t n)
{
    int len = snprintf(text, 64, "%08zx-1111-2222-3333-%012zx", n, n * 7919);
    return slice_make(text, (size_t)len);
}

static bool touch(struct registry *registry, size_t n, int64_t now_ns)
{
    char text[64];
    return registry_touch(registry, id(text, n), KEY, now_ns);
}

static bool knows(struct registry *registry, size_t n)
{
    char text[64];
    char key[65];
    return registry_last_key(registry, id(text, n), key) != 0;
}

Test(registry, a_session_begins_once)
{
    struct registry *registry = registry_create(10, IDLE);
    cr_expect(touch(registry, 1, 0));
    cr_expect(!touch(registry, 1, 1));
    cr_expect(touch(registry, 2, 2));
    cr_expect_eq(registry_count(registry), 2);
    registry_destroy(registry);
    registry_destroy(NULL);
}

Test(registry, a_session_ends_after_silence_to_the_nanosecond)
{
    struct registry *registry = registry_create(1000, IDLE);
    for (size_t n = 0; n < 300; n++) {
        cr_expect(touch(registry, n, (int64_t)n));
    }
    cr_expect_eq(registry_expire(registry, IDLE - 1), 0);
    cr_expect_eq(registry_expire(registry, IDLE), 1);
    cr_expect(!knows(registry, 0));
    cr_expect(knows(registry, 1));
    cr_expect(!touch(registry, 1, IDLE));
    cr_expect_eq(registry_expire(registry, 299 + IDLE), 298);
    cr_expect(knows(registry, 1));
    cr_expect_eq(registry_count(registry), 1);
    cr_expect(touch(registry, 0, 2 * IDLE), "it begins anew");
    registry_destroy(registry);
}

Test(registry, an_older_now_takes_nothing_back)
{
    struct registry *registry = registry_create(10, IDLE);
    touch(registry, 1, 1000);
    touch(registry, 1, 10);
    cr_expect_eq(registry_expire(registry, 999 + IDLE), 0);
    cr_expect_eq(registry_expire(registry, 1000 + IDLE), 1);
    registry_destroy(registry);
}

Test(registry, a_new_idle_time_holds_at_the_next_expiry)
{
    struct registry *registry = registry_create(10, IDLE);
    touch(registry, 1, 0);
    cr_expect_eq(registry_expire(registry, 100), 0);
    registry_set_idle(registry, 100);
    cr_expect_eq(registry_expire(registry, 100), 1);
    registry_destroy(registry);
}

Test(registry, keeps_the_last_key)
{
    struct registry *registry = registry_create(10, IDLE);
    char longest[65];
    char key[65];
    memset(longest, 'k', 64);
    longest[64] = '\0';
    struct slice session = SLICE_LIT("run-1");
    cr_expect_eq(registry_last_key(registry, session, key), 0);
    cr_expect_str_empty(key);
    registry_touch(registry, session, SLICE_LIT("old"), 0);
    cr_expect_eq(registry_last_key(registry, session, key), 3);
    cr_expect_str_eq(key, "old");
    registry_touch(registry, session, slice_of(longest), 1);
    cr_expect_eq(registry_last_key(registry, session, key), 64);
    cr_expect_str_eq(key, longest);
    registry_touch(registry, session, (struct slice){0}, 2);
    cr_expect_eq(registry_last_key(registry, session, key), 0);
    cr_expect_str_empty(key);
    registry_touch(registry, session, SLICE_LIT("new"), 3);
    cr_expect_eq(registry_last_key(registry, session, key), 3);
    cr_expect_str_eq(key, "new");
    registry_destroy(registry);
}

/* Sessions of many keys, which come and go: places of unused ids are used again. */
Test(registry, keys_of_sessions_do_not_mix)
{
    struct registry *registry = registry_create(4000, IDLE);
    for (size_t round = 0; round < 5; round++) {
        char text[64];
        char key[65];
        char want[65];
        for (size_t n = 0; n < 2000; n++) {
            snprintf(want, sizeof(want), "key-%zu-%zu", round, n % 50);
            registry_touch(registry, id(text, n), slice_of(want), (int64_t)round);
        }
        for (size_t n = 0; n < 2000; n++) {
            snprintf(want, sizeof(want), "key-%zu-%zu", round, n % 50);
            registry_last_key(registry, id(text, n), key);
            cr_assert_str_eq(key, want);
        }
    }
    registry_destroy(registry);
}

/* More keys in a session's life than there are indices: rotation never uses the table up. */
Test(registry, keys_out_of_use_cost_nothing)
{
    struct registry *registry = registry_create(10, IDLE);
    char want[65];
    char key[65];
    for (size_t n = 0; n < 70000; n++) {
        snprintf(want, sizeof(want), "key-%zu", n);
        registry_touch(registry, SLICE_LIT("run"), slice_of(want), 0);
    }
    registry_last_key(registry, SLICE_LIT("run"), key);
    cr_expect_str_eq(key, want);
    registry_destroy(registry);
}

Test(registry, ids_are_compared_to_the_end)
{
    struct registry *registry = registry_create(1000, IDLE);
    char text[128];
    memset(text, 'a', sizeof(text));
    for (size_t len = 1; len <= sizeof(text); len++) {
        cr_expect(registry_touch(registry, slice_make(text, len), KEY, 0), "%zu", len);
        cr_expect(!registry_touch(registry, slice_make(text, len), KEY, 0), "%zu", len);
    }
    text[127] = 'b';
    cr_expect(registry_touch(registry, slice_make(text, 128), KEY, 0));
    cr_expect_eq(registry_count(registry), 129);
    registry_destroy(registry);
}

Test(registry, takes_no_id_that_is_none)
{
    struct registry *registry = registry_create(10, IDLE);
    char text[129] = {0};
    char key[65];
    cr_expect(!registry_touch(registry, SLICE_LIT(""), KEY, 0));
    cr_expect(!registry_touch(registry, (struct slice){0}, KEY, 0));
    cr_expect(!registry_touch(registry, slice_make(text, sizeof(text)), KEY, 0));
    cr_expect_eq(registry_last_key(registry, slice_make(text, sizeof(text)), key), 0);
    cr_expect_eq(registry_count(registry), 0);
    registry_destroy(registry);
}

Test(registry, small_caps_are_exact)
{
    for (size_t max = 1; max <= 200; max += 7) {
        struct registry *registry = registry_create(max, IDLE);
        for (size_t n = 0; n < 3 * max; n++) {
            cr_expect(touch(registry, n, (int64_t)n));
            cr_assert_eq(registry_count(registry), n + 1 < max ? n + 1 : max);
            cr_assert(knows(registry, n), "the newcomer is in");
        }
        registry_destroy(registry);
    }
}

/* Who keeps talking stays, though ten times the cap of others pass through. */
Test(registry, the_idlest_of_a_shard_makes_room)
{
    struct registry *registry = registry_create(6400, IDLE);
    int64_t now = 0;
    for (size_t n = 0; n < 64000; n++) {
        touch(registry, 1000000 + n, now++);
        if (n % 16 == 0) {
            for (size_t regular = 0; regular < 100; regular++) {
                cr_assert_eq(touch(registry, regular, now++), n == 0);
            }
        }
    }
    cr_expect_eq(registry_count(registry), 6400);
    registry_destroy(registry);
}

/* While tables grow, every session stays to be found; afterwards nothing is left. */
Test(registry, grows_and_empties)
{
    enum { MANY = 100000 };
    struct registry *registry = registry_create(MANY, IDLE);
    for (size_t n = 0; n < MANY; n++) {
        cr_assert(touch(registry, n, (int64_t)n));
        cr_assert(knows(registry, n / 2));
        cr_assert(!touch(registry, n, (int64_t)n));
    }
    for (size_t n = 0; n < MANY; n++) {
        cr_assert(knows(registry, n));
    }
    cr_expect_eq(registry_expire(registry, MANY / 2 - 1 + IDLE), MANY / 2);
    cr_expect(!knows(registry, MANY / 2 - 1));
    cr_expect(knows(registry, MANY / 2));
    cr_expect_eq(registry_expire(registry, MANY + IDLE), MANY / 2);
    cr_expect_eq(registry_count(registry), 0);
    cr_expect(touch(registry, 5, 2 * IDLE));
    registry_destroy(registry);
}

/* Heap bytes of 100,000 sessions with ids of this length; all in, the tables too. A sanitizer's
 * allocator does not tell, and gives 0. */
static size_t bytes_a_session(size_t id_len)
{
    enum { MANY = 100000 };
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    struct registry *registry = registry_create(MANY, IDLE);
    char text[129];
    memset(text, 'x', sizeof(text));
    for (size_t n = 0; n < MANY; n++) {
        snprintf(text, sizeof(text), "%08zu", n);
        text[8] = 'x';
        registry_touch(registry, slice_make(text, id_len), KEY, 0);
    }
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    cr_assert_eq(registry_count(registry), (size_t)MANY);
    registry_destroy(registry);
    return (after - before) / MANY;
}

Test(registry, a_session_costs_no_more_than_200_bytes)
{
    size_t usual = bytes_a_session(36);
    size_t longest = bytes_a_session(128);
    cr_log_info("bytes a session: %zu with a 36-byte id, %zu with 128", usual, longest);
    cr_expect_leq(usual, 120);
    cr_expect_leq(longest, 200);
}
