/* lobby_store.h: the lobby as a file, so that slots, line and names outlast the process.
 *
 * One small file, replaced whole and synced (base/file), its content checksummed. Times are kept as
 * ages beside the wall time of writing: read again, a slot has been silent for the time away too.
 * The line's patience does not run while nobody could be asked; the offers begin anew.
 *
 * All integers little-endian:
 *
 *     "SIGLOBBY" | u32 version 1 | i64 wall time, ns
 *     u32 n, n × i64   lengths of past slots, ns
 *     u32 slots, u32 places in line, then each person:
 *         u64 id[2] | u64 slot | i64 age since | i64 age since heard | u8 named
 *         named: i64 age of the target | u8 n, user | u8 n, target
 *     u32 CRC32C of all before
 */
#ifndef SIGPOST_SESSION_LOBBY_STORE_H
#define SIGPOST_SESSION_LOBBY_STORE_H

#include "base/buf.h"
#include "base/result.h"
#include "session/lobby.h"

/* Appends the lobby's bytes. */
void lobby_encode(const struct lobby *lobby, int64_t mono_ns, int64_t wall_ns, struct buf *out);

/* Fills an empty lobby; limits do not apply to those who were there. False and a sentence when the
 * bytes are not what lobby_encode wrote; the lobby is then still empty. */
bool lobby_decode(struct lobby *lobby, struct slice bytes, int64_t mono_ns, int64_t wall_ns,
                  struct result *why);

/* Fills an empty lobby from the file; a missing one leaves it empty. False and a sentence when the
 * file could not be used: it lies as "{path}.damaged" then, unless even that failed. */
bool lobby_store_read(struct lobby *lobby, const char *path, int64_t mono_ns, int64_t wall_ns,
                      struct result *why);

#endif
