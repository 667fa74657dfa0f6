/* lobby.h: places for people: at most `max` hold a slot, each until it leaves or falls silent; the
 * rest stand in one line. A pure state machine: the caller hands in monotonic now_ns and the random
 * ids. Not thread-safe: the caller holds one lock around it.
 *
 * The free slots are offered to the first in line, each for hold_ns, then to the next. Whoever has
 * an offer may enter; whoever has none may not, and nobody from outside while somebody in line may.
 * Someone who was told of the offer and did not come goes to the end of the line. Someone who was
 * not heard of while it lasted (a browser lets a hidden page ask once a minute) keeps the place and
 * is passed over; heard of again, they have the first free slot, even if it was offered to somebody
 * behind them meanwhile. Someone in line who is silent for patience_ns has left.
 *
 * People with a name (presence.h) stand in the same line and hold the same slots. They have come to
 * stay: their turn makes them enter.
 */
#ifndef SIGPOST_SESSION_LOBBY_H
#define SIGPOST_SESSION_LOBBY_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOBBY_ID_LEN 32   /* 128 secret random bits as lower-case hex digits */
#define LOBBY_SLOT_LEN 16 /* 64 public ones */
#define LOBBY_WAIT_UNKNOWN INT64_C(-1)

struct lobby;

struct lobby_limits {
    unsigned max;          /* slots */
    unsigned max_waiting;  /* places in line */
    int64_t idle_ns;       /* silence that ends a slot */
    int64_t named_idle_ns; /* the same, and the patience, for people with a name */
    int64_t hold_ns;       /* how long an offer lasts */
    int64_t patience_ns;   /* silence that ends a place in line */
};

/* What a newcomer will be known by: random, and new each time. */
struct lobby_key {
    uint64_t id[2]; /* secret: whoever knows it is this person */
    uint64_t slot;  /* public: names the slot in addresses and logs */
};

enum lobby_place { LOBBY_OUTSIDE, LOBBY_IN_LINE, LOBBY_INSIDE };

/* The lobby as one person sees it. */
struct lobby_view {
    enum lobby_place place;
    struct lobby_key key; /* zero outside */
    unsigned current;     /* slots taken */
    unsigned held;        /* slots offered to somebody in line */
    unsigned max;
    unsigned waiting;
    unsigned position; /* in line, from 1; 0: not in line */
    bool available;    /* this one may enter now, or is inside */
    int64_t wait_ns;   /* expected until this one may enter; LOBBY_WAIT_UNKNOWN */
};

/* NULL when out of memory. */
struct lobby *lobby_create(const struct lobby_limits *limits);
void lobby_destroy(struct lobby *lobby);

/* New limits (reload). Holders past a smaller max keep their slots until they leave, and nobody is
 * sent out of the line. */
void lobby_set_limits(struct lobby *lobby, const struct lobby_limits *limits);

/* In all of these `id` is what a stranger sent: absent and malformed are like unknown. `out` is
 * always set, to how things are afterwards. Each first ends what is over at now_ns. */

/* A look: a sign of life of somebody in line, not of a slot's holder. */
void lobby_look(struct lobby *lobby, struct slice id, int64_t now_ns, struct lobby_view *out);

/* A look, and activity, of who is not shown what came of it: a sign of life, but somebody in line
 * is told of no offer by it. The second is activity of a holder, too. */
void lobby_glance(struct lobby *lobby, struct slice id, int64_t now_ns, struct lobby_view *out);
void lobby_guard(struct lobby *lobby, struct slice id, int64_t now_ns, struct lobby_view *out);

/* Takes a place in line, as `fresh`, for someone who has neither place nor slot; else as
 * lobby_look. False when the line is full or memory ran out. */
bool lobby_join(struct lobby *lobby, struct slice id, const struct lobby_key *fresh, int64_t now_ns,
                struct lobby_view *out);

/* Takes a slot: a holder's activity; of someone in line when it is their turn; of someone from
 * outside, as `fresh`, when a slot is free that nobody waits for. Otherwise as lobby_join. */
bool lobby_enter(struct lobby *lobby, struct slice id, const struct lobby_key *fresh,
                 int64_t now_ns, struct lobby_view *out);

/* Activity of a holder, a sign of life of somebody in line. False when neither. */
bool lobby_touch(struct lobby *lobby, struct slice id, int64_t now_ns, struct lobby_view *out);

/* Gives up the slot or the place in line. False when the id has neither. */
bool lobby_release(struct lobby *lobby, struct slice id, int64_t now_ns);

/* Ends what is over: silent slots, silent places, offers. Returns how many slots it freed. */
unsigned lobby_expire(struct lobby *lobby, int64_t now_ns);

/* Frees the slots that have been silent for at least silent_ns; returns how many. */
unsigned lobby_clear(struct lobby *lobby, int64_t silent_ns, int64_t now_ns);

/* Counts what should outlast the process: slots and places taken and given up, names. And apart
 * from it the signs of life, which may be a little behind on disk. */
uint64_t lobby_changes(const struct lobby *lobby);
uint64_t lobby_touches(const struct lobby *lobby);

/* NUL-terminated hex digits. */
void lobby_format_id(const struct lobby_key *key, char out[LOBBY_ID_LEN + 1]);
void lobby_format_slot(const struct lobby_key *key, char out[LOBBY_SLOT_LEN + 1]);

#endif
