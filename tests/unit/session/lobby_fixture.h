/* lobby_fixture.h: people by number, and short words for what they do. */
#ifndef SIGPOST_TESTS_LOBBY_FIXTURE_H
#define SIGPOST_TESTS_LOBBY_FIXTURE_H

#include "base/clock.h"
#include "session/lobby.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define S NS_PER_SECOND
#define IDLE (S * 3600)
#define HOLD (15 * S)
#define PATIENCE (150 * S)
#define NAMED_IDLE (90 * S)

static char fixture_id[64][LOBBY_ID_LEN + 1];

static inline struct lobby_key key(unsigned n)
{
    return (struct lobby_key){{n * UINT64_C(0x9e3779b97f4a7c15), n}, n + UINT64_C(0xabc000)};
}

/* The id of person n. */
static inline struct slice id(unsigned n)
{
    const struct lobby_key k = key(n);
    lobby_format_id(&k, fixture_id[n % 64]);
    return slice_of(fixture_id[n % 64]);
}

static inline struct lobby_limits limits(unsigned max)
{
    return (struct lobby_limits){max, 1000, IDLE, NAMED_IDLE, HOLD, PATIENCE};
}

static inline struct lobby *open_lobby(unsigned max)
{
    const struct lobby_limits l = limits(max);
    struct lobby *lobby = lobby_create(&l);
    cr_assert_not_null(lobby);
    return lobby;
}

static inline struct lobby_view look(struct lobby *lobby, unsigned n, int64_t now)
{
    struct lobby_view view;
    lobby_look(lobby, id(n), now, &view);
    return view;
}

/* How it looks to somebody without an id. */
static inline struct lobby_view stranger(struct lobby *lobby, int64_t now)
{
    struct lobby_view view;
    lobby_look(lobby, (struct slice){0}, now, &view);
    return view;
}

static inline struct lobby_view enter(struct lobby *lobby, unsigned n, int64_t now)
{
    const struct lobby_key fresh = key(n);
    struct lobby_view view;
    lobby_enter(lobby, id(n), &fresh, now, &view);
    return view;
}

static inline struct lobby_view join(struct lobby *lobby, unsigned n, int64_t now)
{
    const struct lobby_key fresh = key(n);
    struct lobby_view view;
    lobby_join(lobby, id(n), &fresh, now, &view);
    return view;
}

static inline bool touch(struct lobby *lobby, unsigned n, int64_t now)
{
    struct lobby_view view;
    return lobby_touch(lobby, id(n), now, &view) && view.place == LOBBY_INSIDE;
}

static inline bool is_inside(struct lobby *lobby, unsigned n, int64_t now)
{
    return enter(lobby, n, now).place == LOBBY_INSIDE;
}

#endif
