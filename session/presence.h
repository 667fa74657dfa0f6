/* presence.h: people with a name: who is observing what, since when. They hold the lobby's slots
 * and stand in its line like everybody else; they are known by their name, and whoever may speak
 * for them has been checked before. Pure; not thread-safe: under the lobby's lock.
 */
#ifndef SIGPOST_SESSION_PRESENCE_H
#define SIGPOST_SESSION_PRESENCE_H

#include "session/lobby.h"

#define PRESENCE_USER_MAX 64 /* bytes */
#define PRESENCE_TARGET_MAX 128

struct presence {
    struct slice user; /* borrowed until the lobby is used again */
    struct slice target;
    int64_t since_ns;   /* of this target; monotonic */
    int64_t touched_ns; /* last sign of life */
};

/* Is this a name: 1 to PRESENCE_USER_MAX bytes of UTF-8 without control characters, not blank at
 * either end? And this a target: 0 to PRESENCE_TARGET_MAX bytes of the same? */
bool presence_is_user(struct slice text);
bool presence_is_target(struct slice text);

/* A sign of life of `user`, who looks at `target` now: takes a slot, or a place in line when none
 * is free, unless there is one by that name. Both must have been checked. False when the line is
 * full or memory ran out. */
bool presence_start(struct lobby *lobby, struct slice user, struct slice target,
                    const struct lobby_key *fresh, int64_t now_ns, struct lobby_view *out);

enum presence_found { PRESENCE_FOUND, PRESENCE_NOBODY, PRESENCE_SEVERAL };

/* A sign of life, or the end, of `user`; an absent user means the only one there is. */
enum presence_found presence_heartbeat(struct lobby *lobby, struct slice user, int64_t now_ns,
                                       struct lobby_view *out);
enum presence_found presence_release(struct lobby *lobby, struct slice user, int64_t now_ns);

/* Those inside, longest there first: at most max into out. Returns how many there are. */
size_t presence_list(struct lobby *lobby, int64_t now_ns, struct presence *out, size_t max);

#endif
