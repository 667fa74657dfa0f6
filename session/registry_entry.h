/* registry_entry.h: one telemetry session in one cache line, and in the same line the head of the
 * hash chain that begins at this place. Internal to the registry.
 *
 * Places are named by their number; 0 is none.
 */
#ifndef SIGPOST_SESSION_REGISTRY_ENTRY_H
#define SIGPOST_SESSION_REGISTRY_ENTRY_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

struct entry {
    alignas(64) uint64_t id[2]; /* keyed_hash_wide of the session id */
    int64_t last_ns;
    uint64_t items;
    uint64_t bytes;
    uint32_t first_s;
    uint32_t requests; /* stays at its maximum; 0: the place is free */
    uint32_t chain;    /* the next whose home is the same */
    uint32_t queued;   /* the next of its slot of the wheel */
    uint8_t key;       /* their places among the registry's names */
    uint8_t version;
    bool touched;  /* since it came into its slot */
    uint32_t head; /* the first whose home is this place; whoever lives here */
};

_Static_assert(sizeof(struct entry) == 64, "a touch is to cost one cache line");

#endif
