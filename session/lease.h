/* lease.h: session leases: a session that showed a fresh signature may go on with that very one.
 *
 * The published client signs when it starts and sends these signatures for the whole run. With a
 * lease such a signature, once seen inside the window, stays good past it: while the session is
 * heard at least every LEASE_GAP_NS, by whichever of its signatures, and until the lease's length
 * after the signature's last fresh use. A session that fell silent for longer has lost all leases.
 * docs/session-lease.md says what this gives away.
 *
 * The caller's duties, before each call: the HMAC was verified again, by a key that is accepted
 * now; lease_grant only for a timestamp inside the window; lease_use only for one that lies too far
 * in the past, never for one in the future. The mac stands for the whole message: equal macs are of
 * the same path, timestamp and session.
 *
 * A table bounded by sessions, sharded by a keyed hash of the id; a shard's lock is held for one
 * look-up. About 260 bytes a session with an id of 36 bytes. In memory only: a restart ends all
 * leases. Any thread; now_ns is monotonic.
 */
#ifndef SIGPOST_SESSION_LEASE_H
#define SIGPOST_SESSION_LEASE_H

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEASE_GAP_NS (NS_PER_SECOND * 60 * 15)
#define LEASE_MAC_LEN 32
#define LEASE_SESSION_MAX 128 /* bytes of a session id */

/* Signatures of one session that are kept, those that were fresh last. The published client has
 * two, for metrics and traces. */
#define LEASE_SIGNATURES 4

struct lease;

/* max_sessions 1 to 2^31, outside of that the nearest; past it the idlest makes room (of the same
 * shard, when there are more than 2,047). NULL when out of memory. */
struct lease *lease_create(size_t max_sessions);
void lease_destroy(struct lease *lease);

/* A fresh, verified request: begins this signature's lease, or begins it anew. A session id that is
 * absent, empty or too long gets none; neither does a new session when memory is short. */
void lease_grant(struct lease *lease, struct slice session, const uint8_t mac[LEASE_MAC_LEN],
                 int64_t now_ns);

/* A verified request whose timestamp is too old. True: it has a lease, goes on, and was counted as
 * heard. A length_ns of 0 is none. */
bool lease_use(struct lease *lease, struct slice session, const uint8_t mac[LEASE_MAC_LEN],
               int64_t now_ns, int64_t length_ns);

/* Off: ends all leases for good, and grants none until it is on again, as it is at first: not even
 * to a caller whose configuration was read before. */
void lease_switch(struct lease *lease, bool on);

/* Frees the sessions that fell silent; returns how many. For memory only: lease_use judges by
 * itself. */
size_t lease_expire(struct lease *lease, int64_t now_ns);

/* Sessions with leases, those that fell silent since the last lease_expire included. */
size_t lease_count(struct lease *lease);

#endif
