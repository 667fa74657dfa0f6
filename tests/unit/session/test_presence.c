/* People with a name: the same slots, the same line. */
#include "lobby_fixture.h"
#include "session/presence.h"

static bool start(struct lobby *lobby, const char *user, const char *target, unsigned n,
                  int64_t now, struct lobby_view *out)
{
    const struct lobby_key fresh = key(n);
    return presence_start(lobby, slice_of(user), slice_of(target), &fresh, now, out);
}

static struct presence only(struct lobby *lobby, int64_t now)
{
    struct presence list[2] = {{{0}, {0}, 0, 0}};
    cr_assert_eq(presence_list(lobby, now, list, 2), 1);
    return list[0];
}

Test(presence, says_who_observes_what_since_when)
{
    struct lobby *lobby = open_lobby(5);
    struct lobby_view view;
    cr_expect(start(lobby, "Vera", "M 31", 1, 10 * S, &view));
    cr_expect_eq(view.place, LOBBY_INSIDE);
    cr_expect(slice_eq_str(only(lobby, 10 * S).user, "Vera"));
    cr_expect(slice_eq_str(only(lobby, 10 * S).target, "M 31"));
    cr_expect(start(lobby, "Vera", "M 31", 2, 20 * S, &view));
    cr_expect_eq(only(lobby, 20 * S).since_ns, 10 * S, "the same again begins nothing");
    cr_expect_eq(only(lobby, 20 * S).touched_ns, 20 * S);
    cr_expect_eq(view.current, 1);
    cr_expect(start(lobby, "Vera", "", 3, 30 * S, &view));
    cr_expect_eq(only(lobby, 30 * S).target.len, 0);
    cr_expect_eq(only(lobby, 30 * S).since_ns, 30 * S, "another target does");
    cr_expect_eq(stranger(lobby, 30 * S).current, 1);
    lobby_destroy(lobby);
}

Test(presence, ends_on_silence_and_release)
{
    struct lobby *lobby = open_lobby(5);
    struct lobby_view view;
    start(lobby, "a", "", 1, 0, &view);
    cr_expect_eq(presence_heartbeat(lobby, SLICE_LIT("a"), 50 * S, &view), PRESENCE_FOUND);
    cr_expect_eq(presence_list(lobby, 50 * S + NAMED_IDLE - 1, NULL, 0), 1);
    cr_expect_eq(presence_list(lobby, 50 * S + NAMED_IDLE, NULL, 0), 0);
    cr_expect_eq(presence_heartbeat(lobby, SLICE_LIT("a"), 200 * S, &view), PRESENCE_NOBODY);
    start(lobby, "a", "", 2, 200 * S, &view);
    cr_expect_eq(presence_release(lobby, SLICE_LIT("b"), 200 * S), PRESENCE_NOBODY);
    cr_expect_eq(presence_release(lobby, SLICE_LIT("a"), 200 * S), PRESENCE_FOUND);
    cr_expect_eq(presence_release(lobby, SLICE_LIT("a"), 200 * S), PRESENCE_NOBODY);
    cr_expect_eq(stranger(lobby, 200 * S).current, 0);
    lobby_destroy(lobby);
}

Test(presence, without_a_name_the_only_one_is_meant)
{
    struct lobby *lobby = open_lobby(1);
    struct lobby_view view;
    const struct slice nobody = {0};
    cr_expect_eq(presence_heartbeat(lobby, nobody, 0, &view), PRESENCE_NOBODY);
    start(lobby, "a", "", 1, 0, &view);
    cr_expect_eq(presence_heartbeat(lobby, nobody, S, &view), PRESENCE_FOUND);
    cr_expect_eq(only(lobby, S).touched_ns, S);
    start(lobby, "b", "", 2, S, &view);
    cr_expect_eq(view.place, LOBBY_IN_LINE);
    cr_expect_eq(presence_heartbeat(lobby, nobody, S, &view), PRESENCE_SEVERAL);
    cr_expect_eq(presence_release(lobby, nobody, S), PRESENCE_SEVERAL);
    cr_expect_eq(presence_release(lobby, SLICE_LIT("a"), S), PRESENCE_FOUND);
    cr_expect_eq(presence_release(lobby, nobody, S), PRESENCE_FOUND);
    lobby_destroy(lobby);
}

Test(presence, shares_the_line_and_enters_at_its_turn)
{
    struct lobby *lobby = open_lobby(1);
    struct lobby_view view;
    enter(lobby, 1, 0);
    enter(lobby, 2, 0);
    cr_expect(start(lobby, "a", "x", 3, 0, &view));
    cr_expect_eq(view.position, 2);
    cr_expect_eq(presence_list(lobby, 0, NULL, 0), 0, "not there yet");
    enter(lobby, 4, 0);
    lobby_release(lobby, id(1), S);
    cr_expect_eq(presence_list(lobby, S, NULL, 0), 0, "the browser was first");
    cr_expect(look(lobby, 2, S).available);
    cr_expect_eq(presence_heartbeat(lobby, SLICE_LIT("a"), 2 * S, &view), PRESENCE_FOUND);
    cr_expect_eq(view.position, 2);
    lobby_release(lobby, id(2), 3 * S);
    cr_expect_eq(presence_list(lobby, 3 * S, NULL, 0), 1);
    cr_expect(!look(lobby, 4, 3 * S).available);
    cr_expect_eq(look(lobby, 4, 92 * S).available, true, "it fell silent");
    lobby_destroy(lobby);
}

Test(presence, the_line_is_bounded_for_names_too)
{
    struct lobby_limits l = limits(1);
    l.max_waiting = 1;
    struct lobby *lobby = lobby_create(&l);
    struct lobby_view view;
    cr_expect(start(lobby, "a", "", 1, 0, &view));
    cr_expect(start(lobby, "b", "", 2, 0, &view));
    cr_expect(!start(lobby, "c", "", 3, 0, &view));
    cr_expect_eq(view.place, LOBBY_OUTSIDE);
    cr_expect(start(lobby, "b", "t", 4, 0, &view));
    lobby_destroy(lobby);
}

Test(presence, lists_the_longest_first_and_no_more_than_asked)
{
    struct lobby *lobby = open_lobby(9);
    struct lobby_view view;
    struct presence list[2];
    start(lobby, "late", "", 1, 3, &view);
    start(lobby, "first", "", 2, 1, &view);
    start(lobby, "second", "", 3, 2, &view);
    enter(lobby, 4, 0);
    cr_expect_eq(presence_list(lobby, 4, list, 2), 3);
    cr_expect(slice_eq_str(list[0].user, "first"));
    cr_expect(slice_eq_str(list[1].user, "second"));
    lobby_destroy(lobby);
}

Test(presence, names)
{
    static const char *const good[] = {"a", "Vera C. Rubin", "\xc3\xa9toile", "<script>",
                                       "a\xc2\xa0"};
    static const char *const bad[] = {"",     " a",       "a ",   "a\nb", "a\tb",
                                      "\x7f", "\xc2\x85", "\xff", "a\xc2"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_expect(presence_is_user(slice_of(good[i])), "%s", good[i]);
        cr_expect(presence_is_target(slice_of(good[i])), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect(!presence_is_user(slice_of(bad[i])), "%zu", i);
        cr_expect_eq(presence_is_target(slice_of(bad[i])), i == 0, "%zu", i);
    }
    char text[PRESENCE_TARGET_MAX + 1];
    memset(text, 'x', sizeof(text));
    cr_expect(presence_is_user(slice_make(text, PRESENCE_USER_MAX)));
    cr_expect(!presence_is_user(slice_make(text, PRESENCE_USER_MAX + 1)));
    cr_expect(presence_is_target(slice_make(text, PRESENCE_TARGET_MAX)));
    cr_expect(!presence_is_target(slice_make(text, PRESENCE_TARGET_MAX + 1)));
    cr_expect(!presence_is_user(slice_make("a\0b", 3)));
}
