/* The lobby: slots and their ends, the line and its offers, what each one is told. */
#include "lobby_fixture.h"

Test(lobby, holds_no_more_than_max)
{
    struct lobby *lobby = open_lobby(2);
    cr_expect(stranger(lobby, 0).available);
    cr_expect(is_inside(lobby, 1, 0));
    cr_expect_eq(stranger(lobby, 0).current, 1);
    cr_expect(stranger(lobby, 0).available);
    cr_expect(is_inside(lobby, 2, 0));
    cr_expect(is_inside(lobby, 2, 0), "a holder stays inside");
    struct lobby_view third = enter(lobby, 3, 0);
    cr_expect_eq(third.place, LOBBY_IN_LINE);
    cr_expect_eq(third.position, 1);
    cr_expect_eq(third.current, 2);
    cr_expect_eq(third.max, 2);
    cr_expect_eq(third.waiting, 1);
    cr_expect(!third.available);
    cr_expect(!stranger(lobby, 0).available);
    cr_expect(look(lobby, 1, 0).available, "a holder may come in again");
    lobby_destroy(lobby);
}

Test(lobby, a_freed_slot_is_for_the_first_in_line_only)
{
    struct lobby *lobby = open_lobby(1);
    cr_expect(is_inside(lobby, 1, 0));
    for (unsigned n = 2; n <= 4; n++) {
        cr_expect_eq(enter(lobby, n, n).position, n - 1);
    }
    cr_expect(lobby_release(lobby, id(1), 10));
    struct lobby_view first = look(lobby, 2, 10);
    cr_expect(first.available);
    cr_expect_eq(first.current, 0);
    cr_expect_eq(first.held, 1);
    cr_expect(!look(lobby, 3, 10).available);
    cr_expect(!stranger(lobby, 10).available);
    cr_expect_eq(enter(lobby, 3, 10).position, 2, "and cannot be taken by another");
    cr_expect_eq(enter(lobby, 5, 10).position, 4);
    cr_expect_eq(enter(lobby, 2, 11).place, LOBBY_INSIDE);
    cr_expect_eq(look(lobby, 3, 11).position, 1);
    cr_expect_eq(look(lobby, 5, 11).position, 3);
    lobby_destroy(lobby);
}

Test(lobby, several_free_slots_are_for_several)
{
    struct lobby *lobby = open_lobby(3);
    for (unsigned n = 1; n <= 7; n++) {
        enter(lobby, n, 0);
    }
    lobby_release(lobby, id(1), 1);
    lobby_release(lobby, id(3), 1);
    cr_expect(!look(lobby, 6, 1).available);
    cr_expect(look(lobby, 5, 1).available);
    cr_expect(look(lobby, 4, 1).available);
    cr_expect_eq(enter(lobby, 5, 1).place, LOBBY_INSIDE, "each of the two has one of their own");
    cr_expect_eq(enter(lobby, 4, 1).place, LOBBY_INSIDE);
    cr_expect_eq(enter(lobby, 6, 1).position, 1);
    lobby_destroy(lobby);
}

Test(lobby, an_offer_lasts_15_s_to_the_nanosecond_then_the_next_one_has_it)
{
    struct lobby *lobby = open_lobby(1);
    enter(lobby, 1, 0);
    enter(lobby, 2, 0);
    enter(lobby, 3, 0);
    lobby_release(lobby, id(1), 0);
    cr_expect(look(lobby, 2, 2 * S).available);
    cr_expect(look(lobby, 2, HOLD - 1).available);
    cr_expect(!look(lobby, 3, HOLD - 1).available);
    cr_expect(look(lobby, 3, HOLD).available);
    struct lobby_view late = look(lobby, 2, HOLD);
    cr_expect(!late.available);
    cr_expect_eq(late.position, 2, "who knew and did not come is last");
    cr_expect_eq(enter(lobby, 3, HOLD).place, LOBBY_INSIDE);
    cr_expect_eq(look(lobby, 2, HOLD).position, 1);
    lobby_destroy(lobby);
}

Test(lobby, who_is_told_late_has_five_seconds)
{
    struct lobby *lobby = open_lobby(1);
    enter(lobby, 1, 0);
    enter(lobby, 2, 0);
    enter(lobby, 3, 0);
    lobby_release(lobby, id(1), 0);
    cr_expect(look(lobby, 2, HOLD - 1).available);
    cr_expect(!look(lobby, 3, HOLD + 5 * S - 2).available);
    cr_expect(look(lobby, 2, HOLD + 5 * S - 2).available, "telling again adds nothing");
    cr_expect(look(lobby, 3, HOLD + 5 * S - 1).available);
    lobby_destroy(lobby);
}

Test(lobby, who_was_away_keeps_the_place)
{
    struct lobby *lobby = open_lobby(1);
    for (unsigned n = 1; n <= 4; n++) {
        enter(lobby, n, 0);
    }
    lobby_release(lobby, id(1), 0);
    cr_expect(look(lobby, 3, HOLD).available, "2 is passed over");
    cr_expect_eq(enter(lobby, 3, HOLD + S).place, LOBBY_INSIDE);
    struct lobby_view back = look(lobby, 2, HOLD + S);
    cr_expect_eq(back.position, 1);
    cr_expect(!back.available);
    lobby_release(lobby, id(3), HOLD + 2 * S);
    cr_expect(look(lobby, 2, HOLD + 2 * S).available, "before everyone behind");
    cr_expect(!look(lobby, 4, HOLD + 2 * S).available);
    lobby_destroy(lobby);
}

/* Who asks where the answer does not tell them, as at a gate, keeps the place like who is away. */
Test(lobby, who_was_not_shown_the_offer_keeps_the_place)
{
    for (int guard = 0; guard <= 1; guard++) {
        struct lobby *lobby = open_lobby(1);
        struct lobby_view view;
        for (unsigned n = 1; n <= 3; n++) {
            enter(lobby, n, 0);
        }
        lobby_release(lobby, id(1), 0);
        for (int64_t now = S; now <= HOLD + S; now += S) {
            (guard ? lobby_guard : lobby_glance)(lobby, id(2), now, &view);
        }
        cr_expect_eq(view.position, 1);
        cr_expect(look(lobby, 3, HOLD + S).available, "2 is passed over");
        cr_expect_eq(look(lobby, 2, HOLD + S).position, 1);
        lobby_destroy(lobby);
    }
}

Test(lobby, a_guard_keeps_a_slot_and_a_glance_does_not)
{
    struct lobby *lobby = open_lobby(1);
    struct lobby_view view;
    enter(lobby, 1, 0);
    lobby_glance(lobby, id(1), IDLE - 1, &view);
    lobby_guard(lobby, id(1), IDLE - 1, &view);
    cr_expect_eq(view.place, LOBBY_INSIDE);
    lobby_glance(lobby, id(1), 2 * IDLE - 2, &view);
    cr_expect_eq(view.place, LOBBY_INSIDE);
    lobby_glance(lobby, id(1), 2 * IDLE - 1, &view);
    cr_expect_eq(view.place, LOBBY_OUTSIDE);
    lobby_destroy(lobby);
}

/* Nobody looked for long after the slot had ended. */
Test(lobby, a_slot_that_ended_long_ago_was_no_longer_than_it_was)
{
    struct lobby *lobby = open_lobby(1);
    enter(lobby, 1, 0);
    enter(lobby, 2, 1000 * IDLE);
    cr_expect_eq(enter(lobby, 3, 1000 * IDLE).wait_ns, IDLE);
    lobby_destroy(lobby);
}

Test(lobby, who_is_back_comes_before_those_behind)
{
    struct lobby *lobby = open_lobby(1);
    for (unsigned n = 1; n <= 4; n++) {
        enter(lobby, n, 0);
    }
    lobby_release(lobby, id(1), 0);
    cr_expect(look(lobby, 3, HOLD).available);
    cr_expect(look(lobby, 2, HOLD + S).available);
    struct lobby_view third = look(lobby, 3, HOLD + S);
    cr_expect(!third.available);
    cr_expect_eq(third.position, 2, "an offer that was taken back costs no place");
    cr_expect_eq(third.held, 1);
    cr_expect(look(lobby, 2, HOLD + HOLD).available, "the 15 s are their own");
    cr_expect(look(lobby, 3, HOLD + HOLD + S).available);
    cr_expect_eq(look(lobby, 2, HOLD + HOLD + S).position, 3);
    lobby_destroy(lobby);
}

Test(lobby, those_who_are_away_hold_up_nobody)
{
    struct lobby *lobby = open_lobby(1);
    enter(lobby, 1, 0);
    enter(lobby, 2, 0);
    lobby_release(lobby, id(1), 0);
    cr_expect(!stranger(lobby, HOLD - 1).available);
    cr_expect(stranger(lobby, HOLD).available);
    struct lobby_view back = look(lobby, 2, HOLD + S);
    cr_expect(back.available, "heard of again, the slot is theirs");
    cr_expect(!stranger(lobby, HOLD + S).available);
    lobby_destroy(lobby);
}

Test(lobby, a_place_in_line_ends_on_silence_or_release)
{
    struct lobby *lobby = open_lobby(1);
    enter(lobby, 1, 0);
    join(lobby, 2, 0);
    join(lobby, 3, 0);
    join(lobby, 4, 0);
    cr_expect_eq(look(lobby, 3, PATIENCE - 1).position, 2);
    cr_expect_eq(look(lobby, 3, PATIENCE).position, 1, "2 left without a word");
    cr_expect_eq(look(lobby, 2, PATIENCE).place, LOBBY_OUTSIDE);
    cr_expect_eq(look(lobby, 3, PATIENCE).waiting, 1);
    cr_expect(lobby_release(lobby, id(3), PATIENCE));
    cr_expect(!lobby_release(lobby, id(3), PATIENCE));
    cr_expect_eq(stranger(lobby, PATIENCE).waiting, 0);
    lobby_destroy(lobby);
}

Test(lobby, joining_takes_no_slot_but_has_the_turn)
{
    struct lobby *lobby = open_lobby(1);
    struct lobby_view view = join(lobby, 1, 0);
    cr_expect_eq(view.place, LOBBY_IN_LINE);
    cr_expect(view.available);
    cr_expect_eq(view.current, 0);
    cr_expect_eq(view.position, 1);
    cr_expect(!stranger(lobby, 0).available);
    cr_expect_eq(join(lobby, 1, 1).waiting, 1, "once");
    cr_expect_eq(enter(lobby, 1, 1).place, LOBBY_INSIDE);
    cr_expect_eq(join(lobby, 1, 2).place, LOBBY_INSIDE);
    cr_expect_eq(stranger(lobby, 2).waiting, 0);
    lobby_destroy(lobby);
}

Test(lobby, the_line_is_bounded)
{
    struct lobby_limits l = limits(1);
    l.max_waiting = 2;
    struct lobby *lobby = lobby_create(&l);
    struct lobby_view view;
    const struct lobby_key fresh = key(4);
    enter(lobby, 1, 0);
    cr_expect_eq(join(lobby, 2, 0).position, 1);
    cr_expect_eq(enter(lobby, 3, 0).position, 2);
    cr_expect(!lobby_join(lobby, id(4), &fresh, 0, &view));
    cr_expect_eq(view.place, LOBBY_OUTSIDE);
    cr_expect_eq(view.waiting, 2);
    cr_expect(!lobby_enter(lobby, id(4), &fresh, 0, &view));
    cr_expect_eq(view.place, LOBBY_OUTSIDE);
    cr_expect(lobby_enter(lobby, id(3), &fresh, 0, &view), "who is in it stays");
    lobby_release(lobby, id(2), 0);
    cr_expect(lobby_join(lobby, id(4), &fresh, 0, &view));
    lobby_destroy(lobby);
}

Test(lobby, a_slot_ends_on_silence_to_the_nanosecond)
{
    struct lobby *lobby = open_lobby(3);
    enter(lobby, 1, 100);
    enter(lobby, 2, 101);
    cr_expect_eq(lobby_expire(lobby, 99 + IDLE), 0);
    cr_expect_eq(lobby_expire(lobby, 100 + IDLE), 1);
    cr_expect_eq(stranger(lobby, 100 + IDLE).current, 1);
    cr_expect(!touch(lobby, 1, 100 + IDLE), "nobody comes back after silence");
    cr_expect(touch(lobby, 2, 100 + IDLE));
    cr_expect_eq(lobby_expire(lobby, 101 + IDLE), 0, "it was touched since");
    cr_expect_eq(lobby_expire(lobby, 100 + 2 * IDLE), 1);
    lobby_destroy(lobby);
}

Test(lobby, a_look_keeps_no_slot)
{
    struct lobby *lobby = open_lobby(1);
    enter(lobby, 1, 0);
    cr_expect_eq(look(lobby, 1, IDLE - 1).place, LOBBY_INSIDE);
    cr_expect_eq(look(lobby, 1, IDLE).place, LOBBY_OUTSIDE);
    lobby_destroy(lobby);
}

Test(lobby, an_older_now_takes_nothing_back)
{
    struct lobby *lobby = open_lobby(1);
    enter(lobby, 1, 1000);
    cr_expect(touch(lobby, 1, 10));
    cr_expect_eq(lobby_expire(lobby, 999 + IDLE), 0);
    lobby_destroy(lobby);
}

Test(lobby, refuses_what_is_no_id)
{
    struct lobby *lobby = open_lobby(100);
    static const char *const bad[] = {"",
                                      "0123456789abcdef0123456789abcde",
                                      "0123456789abcdef0123456789abcdef0",
                                      "0123456789abcdef0123456789abcdeg",
                                      "0123456789abcdef 123456789abcdef",
                                      "0123456789ABCDEF0123456789ABCDEF",
                                      "0x23456789abcdef0123456789abcdef"};
    const struct lobby_key known = {{0x0123456789abcdef, 0x0123456789abcdef}, 1};
    struct lobby_view view;
    cr_expect(lobby_enter(lobby, (struct slice){0}, &known, 0, &view));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect(!lobby_touch(lobby, slice_of(bad[i]), 0, &view), "%s", bad[i]);
        cr_expect_eq(view.place, LOBBY_OUTSIDE);
        cr_expect(!lobby_release(lobby, slice_of(bad[i]), 0), "%s", bad[i]);
    }
    cr_expect(!lobby_touch(lobby, (struct slice){0}, 0, &view));
    cr_expect(lobby_touch(lobby, SLICE_LIT("0123456789abcdef0123456789abcdef"), 0, &view));
    lobby_destroy(lobby);
}

Test(lobby, tells_ids_apart_by_each_digit)
{
    struct lobby *lobby = open_lobby(1);
    char text[LOBBY_ID_LEN + 1] = "00000000000000000000000000000000";
    const struct lobby_key zero = {{0, 0}, 1};
    struct lobby_view view;
    lobby_enter(lobby, (struct slice){0}, &zero, 0, &view);
    for (size_t i = 0; i < LOBBY_ID_LEN; i++) {
        text[i] = '8';
        cr_expect(!lobby_touch(lobby, slice_of(text), 0, &view), "digit %zu", i);
        text[i] = '0';
    }
    cr_expect(lobby_touch(lobby, slice_of(text), 0, &view));
    lobby_destroy(lobby);
}

Test(lobby, new_limits_send_nobody_away)
{
    struct lobby *lobby = open_lobby(3);
    for (unsigned n = 1; n <= 6; n++) {
        enter(lobby, n, 0);
    }
    lobby_release(lobby, id(2), 0);
    cr_expect(look(lobby, 4, 0).available);
    struct lobby_limits l = limits(1);
    l.max_waiting = 1;
    lobby_set_limits(lobby, &l);
    struct lobby_view view = look(lobby, 4, 1);
    cr_expect(!view.available, "the offer is taken back");
    cr_expect_eq(view.position, 1);
    cr_expect_eq(view.current, 2);
    cr_expect_eq(view.max, 1);
    cr_expect_eq(view.waiting, 3);
    cr_expect(touch(lobby, 3, 1));
    lobby_release(lobby, id(1), 2);
    cr_expect(!look(lobby, 4, 2).available, "one still holds the one slot");
    lobby_release(lobby, id(3), 3);
    cr_expect(look(lobby, 4, 3).available);
    l = limits(2);
    lobby_set_limits(lobby, &l);
    cr_expect(look(lobby, 5, 4).available);
    l.idle_ns = 10;
    lobby_set_limits(lobby, &l);
    cr_expect_eq(enter(lobby, 4, 5).place, LOBBY_INSIDE);
    cr_expect_eq(lobby_expire(lobby, 15), 1, "the new time holds for those within");
    lobby_destroy(lobby);
    lobby_destroy(NULL);
}

Test(lobby, clearing_frees_the_silent)
{
    struct lobby *lobby = open_lobby(3);
    enter(lobby, 1, 0);
    enter(lobby, 2, 0);
    enter(lobby, 3, 5 * S);
    enter(lobby, 4, 5 * S);
    touch(lobby, 2, 8 * S);
    cr_expect_eq(lobby_clear(lobby, 6 * S, 10 * S), 1);
    cr_expect(!touch(lobby, 1, 10 * S));
    cr_expect(touch(lobby, 2, 10 * S));
    cr_expect(look(lobby, 4, 10 * S).available);
    cr_expect_eq(lobby_clear(lobby, 0, 10 * S), 2);
    lobby_destroy(lobby);
}

Test(lobby, expects_a_wait_from_past_slots)
{
    struct lobby *lobby = open_lobby(2);
    enter(lobby, 1, 0);
    enter(lobby, 2, 0);
    cr_expect_eq(enter(lobby, 3, 0).wait_ns, LOBBY_WAIT_UNKNOWN);
    cr_expect_eq(stranger(lobby, 0).wait_ns, LOBBY_WAIT_UNKNOWN);
    lobby_release(lobby, id(1), 100 * S);
    cr_expect_eq(look(lobby, 3, 100 * S).wait_ns, 0, "it is their turn");
    cr_expect_eq(enter(lobby, 3, 100 * S).wait_ns, 0);
    cr_expect_eq(enter(lobby, 4, 100 * S).wait_ns, 50 * S);
    cr_expect_eq(enter(lobby, 5, 100 * S).wait_ns, 100 * S);
    cr_expect_eq(stranger(lobby, 100 * S).wait_ns, 150 * S);
    lobby_release(lobby, id(2), 100 * S + 1);
    lobby_release(lobby, id(3), 400 * S);
    cr_expect_eq(look(lobby, 4, 400 * S).place, LOBBY_OUTSIDE, "silent for too long");
    lobby_destroy(lobby);
}

Test(lobby, the_wait_follows_the_last_sixteen_and_never_overflows)
{
    struct lobby *lobby = open_lobby(1);
    int64_t now = 0;
    for (unsigned n = 1; n <= 20; n++) {
        enter(lobby, n, now);
        now += n <= 4 ? 1000 * S : 10 * S;
        lobby_release(lobby, id(n), now);
    }
    enter(lobby, 30, now);
    cr_expect_eq(stranger(lobby, now).wait_ns, 10 * S);
    struct lobby_limits l = limits(1);
    l.idle_ns = INT64_MAX / 2;
    lobby_set_limits(lobby, &l);
    lobby_release(lobby, id(30), now + INT64_MAX / 4);
    enter(lobby, 31, now + INT64_MAX / 4);
    for (unsigned n = 32; n < 60; n++) {
        enter(lobby, n, now + INT64_MAX / 4);
    }
    int64_t wait = stranger(lobby, now + INT64_MAX / 4).wait_ns;
    cr_expect(wait > 0 && wait <= IDLE * 24 * 365);
    lobby_destroy(lobby);
}

Test(lobby, counts_what_must_last)
{
    struct lobby *lobby = open_lobby(1);
    uint64_t before = lobby_changes(lobby);
    stranger(lobby, 0);
    cr_expect_eq(lobby_changes(lobby), before);
    enter(lobby, 1, 0);
    cr_expect_gt(lobby_changes(lobby), before);
    before = lobby_changes(lobby);
    uint64_t touches = lobby_touches(lobby);
    touch(lobby, 1, 1);
    cr_expect_eq(lobby_changes(lobby), before);
    cr_expect_gt(lobby_touches(lobby), touches);
    join(lobby, 2, 1);
    cr_expect_gt(lobby_changes(lobby), before);
    before = lobby_changes(lobby);
    touches = lobby_touches(lobby);
    look(lobby, 2, 2);
    cr_expect_eq(lobby_changes(lobby), before);
    cr_expect_gt(lobby_touches(lobby), touches);
    lobby_release(lobby, id(1), 3);
    cr_expect_gt(lobby_changes(lobby), before);
    lobby_destroy(lobby);
}
