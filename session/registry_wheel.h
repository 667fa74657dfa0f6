/* registry_wheel.h: the timing wheel of a shard: its sessions by when they were last looked at.
 * Internal to the registry.
 *
 * A touch does not come here: it would cost three cache lines more, those of the neighbours. So a
 * session waits in the slot of its last touch, or in an earlier one, never in a later: what is
 * taken out and was touched since is added again. A session that talks comes round once in an idle
 * time.
 *
 * 256 slots, each 1/128 to 1/64 of the idle time: they reach over two idle times. What is further
 * ahead waits in the last slot. 2 KiB a wheel. Not thread-safe.
 */
#ifndef SIGPOST_SESSION_REGISTRY_WHEEL_H
#define SIGPOST_SESSION_REGISTRY_WHEEL_H

#include "session/registry_entry.h"

#include <stddef.h>

#define WHEEL_SLOTS 256

struct wheel_slot {
    uint32_t first, last; /* first come, first taken */
};

struct wheel {
    unsigned shift; /* a slot is 2^shift ns */
    int64_t base;   /* the number of the earliest slot; slots[number % WHEEL_SLOTS] */
    size_t n;
    struct wheel_slot slots[WHEEL_SLOTS];
};

/* Fits the slots to the idle time. What is in the wheel stays in, in its order: 256 steps, however
 * many sessions there are. Of a zeroed wheel, its beginning. */
void wheel_set_idle(struct wheel *wheel, struct entry *entries, int64_t idle_ns);

/* Adds the entry in the slot of its last_ns. */
void wheel_add(struct wheel *wheel, struct entry *entries, uint32_t at);

/* Takes the first entry of the earliest slot that has any; 0 when the wheel is empty. */
uint32_t wheel_take(struct wheel *wheel, struct entry *entries);

/* Takes one from the slots that have gone by before until_ns: whose entries are all of before it,
 * or were touched since they were added. 0 when there is none. */
uint32_t wheel_take_before(struct wheel *wheel, struct entry *entries, int64_t until_ns);

#endif
