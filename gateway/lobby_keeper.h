/* lobby_keeper.h: the lobby behind its one lock, and the thread that writes it down.
 *
 * Whatever takes or gives up a slot or a place is on disk before it is answered: whoever changed
 * the lobby asks to be told (lobby_keeper_commit) while still holding the lock. The thread writes
 * the whole lobby once for all who wait. Signs of life alone are written every ten seconds. When
 * the disk fails the lobby goes on in memory: those who wait are told all the same, readiness says
 * so, and the next writing is a new file. Thread-safe.
 */
#ifndef SIGPOST_GATEWAY_LOBBY_KEEPER_H
#define SIGPOST_GATEWAY_LOBBY_KEEPER_H

#include "base/config.h"
#include "session/lobby.h"

struct lobby_keeper;

/* Somebody who wants to know when the lobby, as it is now, is kept. */
struct lobby_commit {
    void (*done)(struct lobby_commit *commit); /* once, on the keeper's thread */
    struct lobby_commit *next;                 /* the keeper's */
};

/* Reads session.state_file and starts the thread. A file that cannot be used is warned about in the
 * log. NULL and a sentence when memory or threads ran out. */
struct lobby_keeper *lobby_keeper_open(const struct config *config, struct result *why);

/* Writes the lobby a last time, ends the thread, frees all. NULL is nothing. */
void lobby_keeper_close(struct lobby_keeper *keeper);

/* The lobby is the caller's until lobby_keeper_unlock. */
struct lobby *lobby_keeper_lock(struct lobby_keeper *keeper);
void lobby_keeper_unlock(struct lobby_keeper *keeper);

/* Under the lock. False: everything is kept already and `done` will not be called. Otherwise commit
 * is borrowed until then. */
bool lobby_keeper_commit(struct lobby_keeper *keeper, struct lobby_commit *commit);

/* The limits of a reloaded configuration. */
void lobby_keeper_set_limits(struct lobby_keeper *keeper, const struct config *config);

/* Did the last writing fail? */
bool lobby_keeper_failed(struct lobby_keeper *keeper);

#endif
