/* lobby.h: places for people: at most `max` browsers hold a slot, each until it leaves or falls
 * silent. A pure state machine: the caller hands in monotonic now_ns and the random ids. Not
 * thread-safe: the caller holds one lock around it.
 */
#ifndef SIGPOST_SESSION_LOBBY_H
#define SIGPOST_SESSION_LOBBY_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOBBY_ID_LEN 32 /* 128 random bits as hex digits */

struct lobby;

struct lobby_capacity {
    unsigned current; /* slots taken */
    unsigned max;
    bool available; /* a slot could be taken now */
};

/* NULL when out of memory. */
struct lobby *lobby_create(unsigned max, int64_t idle_ns);
void lobby_destroy(struct lobby *lobby);

/* Takes a slot under the fresh id (LOBBY_ID_LEN hex digits), after freeing those that fell silent.
 * False when none is free, or the id is malformed or holds a slot already. */
bool lobby_enter(struct lobby *lobby, struct slice fresh_id, int64_t now_ns);

/* Activity of a slot's holder. False when the id holds no slot (unknown, left, or fell silent). */
bool lobby_touch(struct lobby *lobby, struct slice id, int64_t now_ns);

/* The holder leaves. False when the id holds no slot. */
bool lobby_release(struct lobby *lobby, struct slice id);

/* Frees the slots that fell silent; returns how many. */
unsigned lobby_expire(struct lobby *lobby, int64_t now_ns);

/* After lobby_expire at the same now. */
void lobby_get_capacity(const struct lobby *lobby, struct lobby_capacity *out);

/* New limits (reload). Holders past a smaller max keep their slots until they leave. */
void lobby_set_limits(struct lobby *lobby, unsigned max, int64_t idle_ns);

#endif
