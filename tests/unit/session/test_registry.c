/* The registry: beginnings and ends of sessions, the cap, the keys, and what a session costs. */
#include "base/clock.h"
#include "session/registry.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define IDLE (900 * NS_PER_SECOND)
#define KEY SLICE_LIT("2026-11")

/* When a session that was last touched at `last` is gone for certain. */
#define LATEST(last) ((last) + IDLE + IDLE / 64)

/* A session id of 36 bytes, as the published client's GUIDs. */
static struct slice id(char text[64], size_t n)
{
    int len = snprintf(text, 64, "%08zx-1111-2222-3333-%012zx", n, n * 7919);
    return slice_make(text, (size_t)len);
}

static bool touch_with(struct registry *registry, struct slice session, struct slice key_id,
                       int64_t now_ns)
{
    const struct registry_request request = {
        .session = session, .key_id = key_id, .version = SLICE_LIT("2.0.0.0")};
    return registry_touch(registry, &request, now_ns);
}

static bool touch(struct registry *registry, size_t n, int64_t now_ns)
{
    char text[64];
    return touch_with(registry, id(text, n), KEY, now_ns);
}

static bool knows(struct registry *registry, size_t n)
{
    char text[64];
    char key[65];
    return registry_last_key(registry, id(text, n), key) != 0;
}

static bool look(struct registry *registry, size_t n, struct registry_session *out)
{
    char text[64];
    return registry_look(registry, id(text, n), out);
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

Test(registry, a_session_ends_after_silence)
{
    struct registry *registry = registry_create(1000, IDLE);
    for (size_t n = 0; n < 300; n++) {
        cr_expect(touch(registry, n, (int64_t)n));
    }
    cr_expect_eq(registry_expire(registry, IDLE - 1), 0);
    cr_expect(!touch(registry, 1, IDLE - 1));
    cr_expect_eq(registry_expire(registry, LATEST(299)), 299, "a sixty-fourth late at most");
    cr_expect(!knows(registry, 0));
    cr_expect(knows(registry, 1));
    cr_expect_eq(registry_count(registry), 1);
    cr_expect(touch(registry, 0, 2 * IDLE), "it begins anew");
    registry_destroy(registry);
}

/* Whether it was swept away in between is nothing that its client could notice. */
Test(registry, who_comes_back_late_begins_anew_to_the_nanosecond)
{
    struct registry *registry = registry_create(10, IDLE);
    struct registry_session seen;
    touch(registry, 1, 5);
    cr_expect(!touch(registry, 1, 4 + IDLE));
    cr_expect(touch(registry, 1, 4 + 2 * IDLE));
    cr_expect_eq(registry_count(registry), 1);
    cr_expect(look(registry, 1, &seen));
    cr_expect_eq(seen.requests, 1);
    cr_expect_eq(seen.first_s, 2 * IDLE / NS_PER_SECOND);
    registry_destroy(registry);
}

Test(registry, an_older_now_takes_nothing_back)
{
    struct registry *registry = registry_create(10, IDLE);
    touch(registry, 1, IDLE);
    touch(registry, 1, 10);
    cr_expect_eq(registry_expire(registry, 2 * IDLE - 1), 0);
    cr_expect_eq(registry_expire(registry, LATEST(IDLE)), 1);
    registry_destroy(registry);
}

/* Shorter and longer, with sessions in the wheel and one that goes on talking. */
Test(registry, a_new_idle_time_holds_at_the_next_expiry)
{
    static const int64_t idles[] = {900, 1, 3600, 2592000, 1, 30};
    struct registry *registry = registry_create(1000, IDLE);
    int64_t now = 0;
    size_t n = 100;
    for (size_t i = 0; i < sizeof(idles) / sizeof(idles[0]); i++) {
        int64_t idle = idles[i] * NS_PER_SECOND;
        registry_set_idle(registry, idle);
        touch(registry, 1, now);
        touch(registry, n + 1, now);
        touch(registry, n + 2, now + idle / 2);
        cr_expect(!touch(registry, 1, now + idle / 2));
        registry_expire(registry, now + idle - 1);
        cr_expect(knows(registry, n + 1) && knows(registry, n + 2) && knows(registry, 1));
        cr_expect(!touch(registry, 1, now + idle));
        cr_expect_eq(registry_expire(registry, now + idle + idle / 64), 1, "%zu", i);
        cr_expect(!knows(registry, n + 1));
        now += idle + idle / 2 + idle / 64;
        cr_expect_eq(registry_expire(registry, now), 1, "%zu", i);
        cr_expect_eq(registry_count(registry), 1);
        n += 2;
    }
    registry_destroy(registry);
}

Test(registry, keeps_what_a_session_did)
{
    struct registry *registry = registry_create(10, IDLE);
    struct registry_request request = {.session = SLICE_LIT("run-1"),
                                       .key_id = KEY,
                                       .version = SLICE_LIT("2.0"),
                                       .items = 7,
                                       .bytes = 4000000000};
    struct registry_session seen;
    cr_expect(!registry_look(registry, request.session, &seen));
    cr_expect_eq(seen.requests, 0);
    registry_touch(registry, &request, 5 * NS_PER_SECOND + 1);
    registry_touch(registry, &request, 9 * NS_PER_SECOND);
    request.items = request.bytes = 0;
    request.version = SLICE_LIT("no version");
    registry_touch(registry, &request, 8 * NS_PER_SECOND);
    cr_assert(registry_look(registry, request.session, &seen));
    cr_expect_eq(seen.requests, 3);
    cr_expect_eq(seen.items, 14);
    cr_expect_eq(seen.bytes, 8000000000);
    cr_expect_eq(seen.first_s, 5);
    cr_expect_eq(seen.last_ns, 9 * NS_PER_SECOND);
    cr_expect_str_eq(seen.key_id, "2026-11");
    cr_expect_str_eq(seen.version, "other");
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
    touch_with(registry, session, SLICE_LIT("old"), 0);
    cr_expect_eq(registry_last_key(registry, session, key), 3);
    cr_expect_str_eq(key, "old");
    touch_with(registry, session, slice_of(longest), 1);
    cr_expect_eq(registry_last_key(registry, session, key), 64);
    cr_expect_str_eq(key, longest);
    touch_with(registry, session, (struct slice){0}, 2);
    cr_expect_eq(registry_last_key(registry, session, key), 0);
    cr_expect_str_empty(key);
    touch_with(registry, session, SLICE_LIT("new"), 3);
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
            touch_with(registry, id(text, n), slice_of(want), (int64_t)round);
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
        touch_with(registry, SLICE_LIT("run"), slice_of(want), 0);
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
        cr_expect(touch_with(registry, slice_make(text, len), KEY, 0), "%zu", len);
        cr_expect(!touch_with(registry, slice_make(text, len), KEY, 0), "%zu", len);
    }
    text[127] = 'b';
    cr_expect(touch_with(registry, slice_make(text, 128), KEY, 0));
    cr_expect_eq(registry_count(registry), 129);
    registry_destroy(registry);
}

Test(registry, takes_no_id_that_is_none)
{
    struct registry *registry = registry_create(10, IDLE);
    char text[129] = {0};
    char key[65];
    cr_expect(!touch_with(registry, SLICE_LIT(""), KEY, 0));
    cr_expect(!touch_with(registry, (struct slice){0}, KEY, 0));
    cr_expect(!touch_with(registry, slice_make(text, sizeof(text)), KEY, 0));
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

/* Up to the cap every session stays to be found; afterwards nothing is left. */
Test(registry, fills_and_empties)
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
    for (size_t n = MANY / 2; n < MANY; n++) {
        cr_assert(!touch(registry, n, IDLE / 2));
    }
    cr_expect_eq(registry_expire(registry, LATEST(MANY)), MANY / 2);
    cr_expect(!knows(registry, MANY / 2 - 1));
    cr_expect(knows(registry, MANY / 2));
    cr_expect_eq(registry_expire(registry, LATEST(IDLE / 2)), MANY / 2);
    cr_expect_eq(registry_count(registry), 0);
    cr_expect(touch(registry, 5, 2 * IDLE));
    registry_destroy(registry);
}

/* Bytes of memory that the process had at most. */
static size_t resident_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

/* With a sanitizer, its own shadow included. */
Test(registry, a_session_costs_no_more_than_200_bytes)
{
    enum { MANY = 300000 };
    size_t before = resident_bytes();
    struct registry *registry = registry_create(MANY, IDLE);
    for (size_t n = 0; n < MANY; n++) {
        touch(registry, n, (int64_t)n);
    }
    size_t bytes = (resident_bytes() - before) / MANY;
    cr_expect_eq(registry_count(registry), (size_t)MANY);
    cr_log_info("bytes a session: %zu", bytes);
    cr_expect_leq(bytes, 100);
    registry_destroy(registry);
}

/* --- client versions ------------------------------------------------------------------------ */

static void touch_version(struct registry *registry, size_t n, struct slice version, int64_t now_ns)
{
    char text[64];
    const struct registry_request request = {
        .session = id(text, n), .key_id = KEY, .version = version};
    registry_touch(registry, &request, now_ns);
}

/* "name:sessions name:sessions …", as registry_versions tells with room for max. */
static const char *versions(struct registry *registry, size_t max)
{
    static char text[8192];
    struct registry_version rows[300];
    size_t len = 0;
    size_t n = registry_versions(registry, rows, max);
    cr_assert_leq(n, max);
    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s:%zu", i != 0 ? " " : "",
                                rows[i].name, rows[i].sessions);
    }
    return text;
}

Test(registry, tells_versions_most_used_first)
{
    struct registry *registry = registry_create(100, IDLE);
    cr_expect_str_eq(versions(registry, 8), "");
    for (size_t n = 0; n < 6; n++) {
        touch_version(registry, n, n < 3 ? SLICE_LIT("2.0") : SLICE_LIT("1.9"), 0);
    }
    touch_version(registry, 6, (struct slice){0}, 0);
    touch_version(registry, 7, SLICE_LIT("2.0"), 0);
    cr_expect_str_eq(versions(registry, 8), "2.0:4 1.9:3 none:1");
    cr_expect_str_eq(versions(registry, 3), "2.0:4 1.9:3 none:1");
    cr_expect_str_eq(versions(registry, 2), "2.0:4 other:4");
    cr_expect_str_eq(versions(registry, 1), "other:8");
    cr_expect_str_eq(versions(registry, 0), "");
    registry_destroy(registry);
}

Test(registry, a_session_counts_for_the_version_it_said_last)
{
    struct registry *registry = registry_create(100, IDLE);
    touch_version(registry, 1, SLICE_LIT("1.0"), 0);
    touch_version(registry, 2, SLICE_LIT("1.0"), 0);
    touch_version(registry, 1, SLICE_LIT("2.0"), 1);
    cr_expect_str_eq(versions(registry, 8), "1.0:1 2.0:1");
    touch_version(registry, 1, (struct slice){0}, 2);
    cr_expect_str_eq(versions(registry, 8), "1.0:1 none:1");
    touch_version(registry, 2, SLICE_LIT("2.0"), 3);
    cr_expect_str_eq(versions(registry, 8), "2.0:1 none:1");
    registry_expire(registry, 2 * IDLE);
    cr_expect_str_eq(versions(registry, 8), "");
    registry_destroy(registry);
}

Test(registry, what_is_no_version_is_other)
{
    struct registry *registry = registry_create(100, IDLE);
    static const char *const said[] = {
        "two words", "<b>", "\"", "\xff", "a\nb", "other", "123456789012345678901234567890123"};
    for (size_t n = 0; n < sizeof(said) / sizeof(said[0]); n++) {
        touch_version(registry, n, slice_of(said[n]), 0);
    }
    cr_expect_str_eq(versions(registry, 8), "other:7");
    cr_expect_str_eq(versions(registry, 1), "other:7");
    touch_version(registry, 100, SLICE_LIT("12345678901234567890123456789012"), 0);
    cr_expect_str_eq(versions(registry, 2), "12345678901234567890123456789012:1 other:7");
    registry_destroy(registry);
}

/* Whoever makes up a version a session fills 255 places and no more; what was in use stays named,
 * and places of versions that went serve new ones. */
Test(registry, made_up_versions_are_bounded)
{
    struct registry *registry = registry_create(10000, IDLE);
    char text[64];
    for (size_t n = 0; n < 100; n++) {
        touch_version(registry, n, SLICE_LIT("2.0"), 0);
    }
    for (size_t n = 100; n < 5000; n++) {
        snprintf(text, sizeof(text), "made-up-%zu", n);
        touch_version(registry, n, slice_of(text), 0);
    }
    touch_version(registry, 5000, SLICE_LIT("2.0"), 0);
    cr_expect_str_eq(versions(registry, 2), "2.0:101 other:4900");
    struct registry_version rows[300];
    cr_expect_eq(registry_versions(registry, rows, 300), 256);
    cr_expect_str_eq(rows[255].name, "other");
    cr_expect_eq(rows[255].sessions, 4900 - 254);

    touch_version(registry, 1, SLICE_LIT("2.0"), IDLE - 1);
    registry_expire(registry, LATEST(0));
    for (size_t n = 6000; n < 6003; n++) {
        touch_version(registry, n, SLICE_LIT("3.0"), IDLE);
    }
    cr_expect_str_eq(versions(registry, 300), "3.0:3 2.0:1");
    registry_destroy(registry);
}
