/* fleet_arena.h: memory for one decoded payload: taken piece by piece, given back all at once.
 *
 * A payload of 4 MiB can decode to hundreds of MiB (an empty attribute is 2 bytes on the wire and
 * some 100 in memory), so what may be taken has a limit. The first block is kept for the next
 * payload: an ordinary one costs no malloc. Not thread-safe.
 */
#ifndef SIGPOST_OTLP_FLEET_ARENA_H
#define SIGPOST_OTLP_FLEET_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

struct fleet_arena;

/* limit: bytes that may be taken between two resets. NULL when out of memory. */
struct fleet_arena *fleet_arena_create(size_t limit);
void fleet_arena_destroy(struct fleet_arena *arena);

/* Aligned for any type, not cleared; NULL past the limit or when out of memory. */
void *fleet_arena_take(struct fleet_arena *arena, size_t size);

/* Everything that was taken is gone. */
void fleet_arena_reset(struct fleet_arena *arena);

/* For protobuf-c; borrowed from the arena. Its free does nothing. */
ProtobufCAllocator *fleet_arena_allocator(struct fleet_arena *arena);

#endif
