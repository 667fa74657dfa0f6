/* The lobby: slots, their ends, and what the capacity says, against a model in the last test. */
#include "base/clock.h"
#include "session/lobby.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define IDLE (3600 * NS_PER_SECOND)

static char names[64][LOBBY_ID_LEN + 1];

/* The id of person n. */
static struct slice id(unsigned n)
{
    snprintf(names[n % 64], sizeof(names[0]), "%016x%016x", n * 2654435761U, n);
    return slice_of(names[n % 64]);
}

static struct lobby_capacity capacity(const struct lobby *lobby)
{
    struct lobby_capacity out;
    lobby_get_capacity(lobby, &out);
    return out;
}

Test(lobby, holds_no_more_than_max)
{
    struct lobby *lobby = lobby_create(2, IDLE);
    cr_expect(capacity(lobby).available);
    cr_expect(lobby_enter(lobby, id(1), 0));
    cr_expect_eq(capacity(lobby).current, 1);
    cr_expect(capacity(lobby).available);
    cr_expect(lobby_enter(lobby, id(2), 0));
    cr_expect(!capacity(lobby).available);
    cr_expect(!lobby_enter(lobby, id(3), 0));
    cr_expect(!lobby_touch(lobby, id(3), 0));
    cr_expect_eq(capacity(lobby).current, 2);
    cr_expect_eq(capacity(lobby).max, 2);
    lobby_destroy(lobby);
}

Test(lobby, a_slot_ends_on_release)
{
    struct lobby *lobby = lobby_create(1, IDLE);
    cr_expect(lobby_enter(lobby, id(1), 0));
    cr_expect(!lobby_release(lobby, id(2)));
    cr_expect(lobby_release(lobby, id(1)));
    cr_expect(!lobby_release(lobby, id(1)));
    cr_expect(!lobby_touch(lobby, id(1), 0));
    cr_expect(lobby_enter(lobby, id(2), 0));
    lobby_destroy(lobby);
}

Test(lobby, a_slot_ends_on_silence_to_the_nanosecond)
{
    struct lobby *lobby = lobby_create(3, IDLE);
    cr_expect(lobby_enter(lobby, id(1), 100));
    cr_expect(lobby_enter(lobby, id(2), 101));
    cr_expect_eq(lobby_expire(lobby, 99 + IDLE), 0);
    cr_expect_eq(lobby_expire(lobby, 100 + IDLE), 1);
    cr_expect_eq(capacity(lobby).current, 1);
    cr_expect(!lobby_touch(lobby, id(1), 100 + IDLE));
    cr_expect(lobby_touch(lobby, id(2), 100 + IDLE));
    cr_expect_eq(lobby_expire(lobby, 101 + IDLE), 0, "it was touched since");
    cr_expect_eq(lobby_expire(lobby, 100 + 2 * IDLE), 1);
    lobby_destroy(lobby);
}

Test(lobby, silence_counts_before_anyone_expires_it)
{
    struct lobby *lobby = lobby_create(1, IDLE);
    cr_expect(lobby_enter(lobby, id(1), 0));
    cr_expect(lobby_enter(lobby, id(2), IDLE), "the slot of a silent one is free");
    cr_expect(!lobby_touch(lobby, id(1), IDLE));
    cr_expect(lobby_touch(lobby, id(2), IDLE));
    cr_expect(!lobby_touch(lobby, id(2), 2 * IDLE), "nobody comes back after silence");
    cr_expect_eq(capacity(lobby).current, 0);
    lobby_destroy(lobby);
}

Test(lobby, an_older_now_takes_nothing_back)
{
    struct lobby *lobby = lobby_create(1, IDLE);
    cr_expect(lobby_enter(lobby, id(1), 1000));
    cr_expect(lobby_touch(lobby, id(1), 10));
    cr_expect_eq(lobby_expire(lobby, 999 + IDLE), 0);
    lobby_destroy(lobby);
}

Test(lobby, refuses_what_is_no_id)
{
    struct lobby *lobby = lobby_create(100, IDLE);
    const char *const bad[] = {"",
                               "0123456789abcdef0123456789abcde",
                               "0123456789abcdef0123456789abcdef0",
                               "0123456789abcdef0123456789abcdeg",
                               "0123456789abcdef 123456789abcdef",
                               "0x23456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect(!lobby_enter(lobby, slice_of(bad[i]), 0), "%s", bad[i]);
        cr_expect(!lobby_touch(lobby, slice_of(bad[i]), 0), "%s", bad[i]);
        cr_expect(!lobby_release(lobby, slice_of(bad[i])), "%s", bad[i]);
    }
    struct slice absent = {0};
    cr_expect(!lobby_touch(lobby, absent, 0));
    cr_expect_eq(capacity(lobby).current, 0);
    lobby_destroy(lobby);
}

Test(lobby, one_id_holds_one_slot)
{
    struct lobby *lobby = lobby_create(5, IDLE);
    cr_expect(lobby_enter(lobby, id(1), 0));
    cr_expect(!lobby_enter(lobby, id(1), 0), "the id is not fresh");
    cr_expect_eq(capacity(lobby).current, 1);
    lobby_destroy(lobby);
}

Test(lobby, tells_ids_apart_by_each_digit)
{
    struct lobby *lobby = lobby_create(1, IDLE);
    char text[LOBBY_ID_LEN + 1] = "00000000000000000000000000000000";
    cr_expect(lobby_enter(lobby, slice_of(text), 0));
    for (size_t i = 0; i < LOBBY_ID_LEN; i++) {
        text[i] = '8';
        cr_expect(!lobby_touch(lobby, slice_of(text), 0), "digit %zu", i);
        text[i] = '0';
    }
    cr_expect(lobby_touch(lobby, slice_of(text), 0));
    lobby_destroy(lobby);
}

Test(lobby, new_limits_send_nobody_away)
{
    struct lobby *lobby = lobby_create(3, IDLE);
    for (unsigned n = 1; n <= 3; n++) {
        cr_expect(lobby_enter(lobby, id(n), 0));
    }
    lobby_set_limits(lobby, 1, IDLE);
    cr_expect_eq(capacity(lobby).current, 3);
    cr_expect_eq(capacity(lobby).max, 1);
    cr_expect(!capacity(lobby).available);
    cr_expect(lobby_touch(lobby, id(3), 1));
    cr_expect(lobby_release(lobby, id(1)));
    cr_expect(lobby_release(lobby, id(2)));
    cr_expect(!lobby_enter(lobby, id(4), 1), "one still holds the one slot");
    cr_expect(lobby_release(lobby, id(3)));
    cr_expect(lobby_enter(lobby, id(4), 1));
    lobby_set_limits(lobby, 1, 10);
    cr_expect_eq(lobby_expire(lobby, 11), 1, "the new time holds for those within");
    lobby_set_limits(lobby, 0, 10);
    cr_expect(!capacity(lobby).available);
    cr_expect(!lobby_enter(lobby, id(5), 11));
    lobby_destroy(lobby);
    lobby_destroy(NULL);
}

/* Random events against the plainest model: one time a person, or none. */
Test(lobby, agrees_with_a_model)
{
    enum { PEOPLE = 40, MAX = 12 };
    int64_t since[PEOPLE];
    for (unsigned i = 0; i < PEOPLE; i++) {
        since[i] = -1;
    }
    struct lobby *lobby = lobby_create(MAX, 50);
    uint32_t seed = 7;
    int64_t now = 0;
    for (unsigned step = 0; step < 20000; step++) {
        seed = seed * 1664525 + 1013904223;
        now += seed >> 29;
        unsigned who = (seed >> 8) % PEOPLE;
        unsigned taken = 0;
        for (unsigned i = 0; i < PEOPLE; i++) {
            since[i] = since[i] >= 0 && now - since[i] >= 50 ? -1 : since[i];
            taken += since[i] >= 0;
        }
        bool inside = since[who] >= 0;
        switch ((seed >> 16) % 4) {
        case 0:
            cr_assert_eq(lobby_enter(lobby, id(who), now), !inside && taken < MAX);
            since[who] = inside || taken == MAX ? since[who] : now;
            break;
        case 1:
            cr_assert_eq(lobby_touch(lobby, id(who), now), inside);
            since[who] = inside ? now : -1;
            break;
        case 2:
            lobby_expire(lobby, now);
            cr_assert_eq(lobby_release(lobby, id(who)), inside);
            since[who] = -1;
            break;
        default:
            lobby_expire(lobby, now);
            cr_assert_eq(capacity(lobby).current, taken);
            cr_assert_eq(capacity(lobby).available, taken < MAX);
            break;
        }
    }
    lobby_destroy(lobby);
}
