/* repeats.h: exact repeats: the same request sent again by a client that missed the answer.
 *
 *     struct repeat_id id = repeats_hash(repeats, parts, n);
 *     switch (repeats_begin(repeats, &id, now_ns, &request->waiter)) {
 *     case REPEAT_NEW:      append it, then answer all of repeats_settle(repeats, &id, durable)
 *     case REPEAT_WAITING:  the first is on its way to the disk; its settling hands back the waiter
 *     case REPEAT_DONE:     it is on the disk: 200
 *     }
 *
 * What makes two requests the same is the caller's to say by the parts: session, path, timestamp,
 * body. Ids are 128 bits of SipHash-1-3 under random keys, so that no collision can be aimed at; at
 * 2.4 to 2.9 GB/s: 1.7 us for 4 KiB, 23 ms for 64 MiB.
 *
 * A table bounded by entries, sharded by id; a shard's lock is held for one look-up. An entry takes
 * 56 to 64 bytes, all allocated at the start. Any thread.
 */
#ifndef SIGPOST_SESSION_REPEATS_H
#define SIGPOST_SESSION_REPEATS_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPEATS_PARTS_MAX 8

struct repeats;

struct repeat_id {
    uint64_t words[2];
};

enum repeat { REPEAT_NEW, REPEAT_WAITING, REPEAT_DONE };

/* Embedded by the caller in what waits, which must stay until it comes back. */
struct repeat_waiter {
    struct repeat_waiter *next;
};

/* max_entries 1 to 2^31, outside of that the nearest; what has settled is remembered until
 * window_ns after its beginning, that moment included. NULL when out of memory. */
struct repeats *repeats_create(size_t max_entries, int64_t window_ns);

/* Nothing may wait any more. */
void repeats_destroy(struct repeats *repeats);

/* The id of these 1 to REPEATS_PARTS_MAX parts (further ones would not count). The bounds between
 * the parts count: "a", "bc" is not "ab", "c". */
struct repeat_id repeats_hash(const struct repeats *repeats, const struct slice *parts, size_t n);

/* now_ns is monotonic.
 *
 * NEW: the caller appends, and must call repeats_settle when it knows the outcome. WAITING:
 * `waiter` was queued and is the table's until repeats_settle hands it back, on the thread of the
 * first. DONE: durable already. `waiter` is only touched for WAITING.
 *
 * Entries under way are never forgotten, however old. When the table is full the one that settled
 * first makes room; when all are under way the answer is NEW and nothing is remembered of it. (With
 * more than 2,047 entries "full" is of a shard, which holds about a thousand.) The settling of such
 * a one settles a like one that began since and is remembered: what is told of the bytes is true of
 * both. */
enum repeat repeats_begin(struct repeats *repeats, const struct repeat_id *id, int64_t now_ns,
                          struct repeat_waiter *waiter);

/* The append of a NEW one is over. Returns those who waited for it, first come first, linked by
 * next; NULL when none did, or when the id is not under way. Durable: repeats of it are DONE from
 * now on. Not durable: it is forgotten, so that a retry appends again; it is the caller's to tell
 * those who waited. */
struct repeat_waiter *repeats_settle(struct repeats *repeats, const struct repeat_id *id,
                                     bool durable);

#endif
