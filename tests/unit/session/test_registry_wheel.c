/* The timing wheel: nobody is taken too early, lost or forgotten, whatever the times. */
#include "base/clock.h"
#include "session/registry_wheel.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define IDLE (64 * (int64_t)1024) /* slots of 1024 ns */
#define SLOT ((int64_t)1024)
#define MANY ((size_t)2000)

static struct wheel wheel;
static struct entry entries[MANY + 1];

static void begin(void)
{
    wheel_set_idle(&wheel, entries, IDLE);
}

static void add(uint32_t at, int64_t last_ns)
{
    entries[at].last_ns = last_ns;
    wheel_add(&wheel, entries, at);
}

Test(registry_wheel, takes_in_the_order_of_the_slots, .init = begin)
{
    cr_expect_eq(wheel_take(&wheel, entries), 0);
    add(1, 0);
    add(2, 5 * SLOT);
    add(3, 2 * SLOT);
    add(4, 2 * SLOT + 1);
    add(5, 1);
    cr_expect_eq(wheel.n, 5);
    static const uint32_t order[] = {1, 5, 3, 4, 2, 0, 0};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        cr_expect_eq(wheel_take(&wheel, entries), order[i]);
    }
    cr_expect_eq(wheel.n, 0);
}

/* It waits behind all others; were it the next turn's slot 0, it would be the idlest. */
Test(registry_wheel, what_is_out_of_reach_comes_last, .init = begin)
{
    add(1, 0);
    add(2, 256 * SLOT);
    add(3, SLOT);
    add(4, 255 * SLOT);
    static const uint32_t order[] = {1, 3, 2, 4, 0};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        cr_expect_eq(wheel_take(&wheel, entries), order[i]);
    }
}

/* A thread whose look at the clock was overtaken: its session is in the earliest slot, not in one
 * of the next turn. */
Test(registry_wheel, what_is_past_comes_first, .init = begin)
{
    add(1, 9 * SLOT);
    add(2, 10 * SLOT);
    add(3, 2 * SLOT);
    cr_expect_eq(wheel_take_before(&wheel, entries, 10 * SLOT), 1);
    cr_expect_eq(wheel_take_before(&wheel, entries, 10 * SLOT), 3);
    cr_expect_eq(wheel_take_before(&wheel, entries, 10 * SLOT), 0);
}

Test(registry_wheel, a_slot_is_due_when_it_has_gone_by, .init = begin)
{
    add(1, 3 * SLOT);
    add(2, 4 * SLOT - 1);
    add(3, 4 * SLOT);
    cr_expect_eq(wheel_take_before(&wheel, entries, 4 * SLOT - 1), 0);
    cr_expect_eq(wheel_take_before(&wheel, entries, 4 * SLOT), 1);
    cr_expect_eq(wheel_take_before(&wheel, entries, 4 * SLOT), 2);
    cr_expect_eq(wheel_take_before(&wheel, entries, 4 * SLOT), 0);
    cr_expect_eq(wheel_take_before(&wheel, entries, 5 * SLOT), 3);
}

/* After any pause, however long, all that is due is found in one go. */
Test(registry_wheel, a_long_pause_costs_no_more_than_the_slots, .init = begin)
{
    static const int64_t pauses[] = {SLOT, 255 * SLOT, 256 * SLOT, 257 * SLOT, INT64_MAX / 2};
    int64_t now = 0;
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        for (uint32_t at = 1; at <= 300; at++) {
            add(at, now + at);
        }
        now += pauses[i];
        bool seen[301] = {false};
        int64_t until = now + 2 * SLOT;
        for (uint32_t n = 1; n <= 300; n++) {
            uint32_t at = wheel_take_before(&wheel, entries, until);
            cr_assert(at != 0 && !seen[at], "%zu %u", i, n);
            seen[at] = true;
        }
        cr_expect_eq(wheel_take_before(&wheel, entries, until), 0);
        now = until;
    }
}

/* A model: entries with random touches in between, idle times that change, pauses. Who is taken
 * and was touched since comes again; the others must have been silent, and nobody may be
 * overdue after a sweep. */
Test(registry_wheel, nobody_too_early_and_nobody_forgotten)
{
    static const int64_t idles[] = {IDLE, IDLE * 1000, 3, IDLE / 100, IDLE * 7, 500};
    unsigned state = 12345;
    int64_t now = 0;
    bool in[MANY + 1] = {false};
    for (size_t round = 0; round < 600; round++) {
        int64_t idle = idles[round / 10 % (sizeof(idles) / sizeof(idles[0]))];
        wheel_set_idle(&wheel, entries, idle);
        for (size_t i = 0; i < 50; i++) {
            state = state * 1664525 + 1013904223;
            uint32_t at = 1 + (state >> 8) % MANY;
            now += state >> 24;
            if (in[at]) {
                entries[at].last_ns = now; /* a touch, which the wheel does not hear of */
            } else {
                in[at] = true;
                add(at, now);
            }
        }
        now += (int64_t)(state >> 10) % (2 * idle);
        int64_t until = now - idle;
        uint32_t at;
        size_t taken = 0;
        while ((at = wheel_take_before(&wheel, entries, until)) != 0) {
            cr_assert(in[at] && taken++ <= 2 * MANY, "a sweep ends");
            in[at] = entries[at].last_ns >= until;
            if (in[at]) {
                wheel_add(&wheel, entries, at);
            }
        }
        size_t n = 0;
        for (at = 1; at <= MANY; at++) {
            n += in[at];
            cr_assert(!in[at] || entries[at].last_ns >= until - ((int64_t)1 << wheel.shift));
        }
        cr_assert_eq(wheel.n, n);
    }
}

/* Whatever the idle time from a nanosecond to 30 days, a slot is no more than its 64th. */
Test(registry_wheel, slots_fit_the_idle_time)
{
    for (int64_t idle = 1; idle <= NS_PER_SECOND * 86400 * 30; idle = idle * 3 + 1) {
        wheel_set_idle(&wheel, entries, idle);
        cr_expect(wheel.shift == 0 || (int64_t)1 << wheel.shift <= idle / 64);
        cr_expect_gt((int64_t)256 << wheel.shift, 2 * idle < 256 ? 0 : 2 * idle);
    }
}
