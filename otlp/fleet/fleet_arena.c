/* fleet_arena.c: see fleet_arena.h. A list of blocks, the newest first; the last one is kept. */
#include "otlp/fleet/fleet_arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define BLOCK_BYTES ((size_t)256 * 1024)

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) unsigned char bytes[];
};

struct fleet_arena {
    ProtobufCAllocator allocator;
    struct block *newest;
    size_t limit, taken;
};

static void *allocator_alloc(void *arena, size_t size)
{
    return fleet_arena_take(arena, size);
}

static void allocator_free(void *arena, void *pointer)
{
    (void)arena;
    (void)pointer;
}

static struct block *make_block(size_t size, struct block *next)
{
    struct block *block = malloc(sizeof(*block) + size);
    if (block != NULL) {
        block->next = next;
        block->size = size;
        block->used = 0;
    }
    return block;
}

struct fleet_arena *fleet_arena_create(size_t limit)
{
    struct fleet_arena *arena = calloc(1, sizeof(*arena));
    if (arena == NULL) {
        return NULL;
    }
    arena->newest = make_block(BLOCK_BYTES, NULL);
    if (arena->newest == NULL) {
        free(arena);
        return NULL;
    }
    arena->limit = limit;
    arena->allocator = (ProtobufCAllocator){allocator_alloc, allocator_free, arena};
    return arena;
}

void fleet_arena_destroy(struct fleet_arena *arena)
{
    if (arena != NULL) {
        fleet_arena_reset(arena);
        free(arena->newest);
        free(arena);
    }
}

void *fleet_arena_take(struct fleet_arena *arena, size_t size)
{
    if (size > arena->limit - arena->taken) {
        return NULL;
    }
    size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    if (size > arena->limit - arena->taken) {
        return NULL;
    }
    struct block *block = arena->newest;
    if (block->size - block->used < size) {
        block = make_block(size > BLOCK_BYTES ? size : BLOCK_BYTES, block);
        if (block == NULL) {
            return NULL;
        }
        arena->newest = block;
    }
    void *taken = block->bytes + block->used;
    block->used += size;
    arena->taken += size;
    return taken;
}

void fleet_arena_reset(struct fleet_arena *arena)
{
    while (arena->newest->next != NULL) {
        struct block *block = arena->newest;
        arena->newest = block->next;
        free(block);
    }
    arena->newest->used = 0;
    arena->taken = 0;
}

ProtobufCAllocator *fleet_arena_allocator(struct fleet_arena *arena)
{
    return &arena->allocator;
}
