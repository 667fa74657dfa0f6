/* lobby.c: see lobby.h. A dense array of slots, 24 bytes each, allocated as people come and never
 * past the largest max. Every operation reads all of it: a thousand slots are 24 KB, some
 * microseconds.
 *
 * An id is what lets a browser in, so it is kept as 128 bits and compared without a branch on its
 * content.
 */
#include "session/lobby.h"

#include <stdlib.h>

struct slot {
    uint64_t id[2];
    int64_t touched_ns;
};

struct lobby {
    struct slot *slots; /* owned */
    size_t n;
    size_t cap;
    unsigned max;
    int64_t idle_ns;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static bool parse_id(struct slice text, uint64_t id[2])
{
    id[0] = id[1] = 0;
    if (text.len != LOBBY_ID_LEN) {
        return false;
    }
    for (size_t i = 0; i < LOBBY_ID_LEN; i++) {
        int digit = hex_digit(text.data[i]);
        if (digit < 0) {
            return false;
        }
        id[i / 16] = id[i / 16] << 4 | (uint64_t)digit;
    }
    return true;
}

/* NULL when the id is malformed or holds no slot. */
static struct slot *find(const struct lobby *lobby, struct slice text)
{
    uint64_t id[2];
    if (!parse_id(text, id)) {
        return NULL;
    }
    for (size_t i = 0; i < lobby->n; i++) {
        struct slot *slot = &lobby->slots[i];
        if (((slot->id[0] ^ id[0]) | (slot->id[1] ^ id[1])) == 0) {
            return slot;
        }
    }
    return NULL;
}

static void free_slot(struct lobby *lobby, struct slot *slot)
{
    lobby->n--;
    *slot = lobby->slots[lobby->n];
}

static bool is_silent(const struct lobby *lobby, const struct slot *slot, int64_t now_ns)
{
    return now_ns - slot->touched_ns >= lobby->idle_ns;
}

static bool make_room(struct lobby *lobby)
{
    if (lobby->n < lobby->cap) {
        return true;
    }
    size_t cap = lobby->cap != 0 ? lobby->cap * 2 : 8;
    struct slot *grown = realloc(lobby->slots, cap * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    lobby->slots = grown;
    lobby->cap = cap;
    return true;
}

struct lobby *lobby_create(unsigned max, int64_t idle_ns)
{
    struct lobby *lobby = calloc(1, sizeof(*lobby));
    if (lobby != NULL) {
        lobby_set_limits(lobby, max, idle_ns);
    }
    return lobby;
}

void lobby_destroy(struct lobby *lobby)
{
    if (lobby != NULL) {
        free(lobby->slots);
        free(lobby);
    }
}

bool lobby_enter(struct lobby *lobby, struct slice fresh_id, int64_t now_ns)
{
    lobby_expire(lobby, now_ns);
    struct slot slot = {.touched_ns = now_ns};
    if (lobby->n >= lobby->max || !parse_id(fresh_id, slot.id) || find(lobby, fresh_id) != NULL ||
        !make_room(lobby)) {
        return false;
    }
    lobby->slots[lobby->n++] = slot;
    return true;
}

bool lobby_touch(struct lobby *lobby, struct slice id, int64_t now_ns)
{
    struct slot *slot = find(lobby, id);
    if (slot == NULL) {
        return false;
    }
    if (is_silent(lobby, slot, now_ns)) {
        free_slot(lobby, slot);
        return false;
    }
    if (now_ns > slot->touched_ns) {
        slot->touched_ns = now_ns;
    }
    return true;
}

bool lobby_release(struct lobby *lobby, struct slice id)
{
    struct slot *slot = find(lobby, id);
    if (slot == NULL) {
        return false;
    }
    free_slot(lobby, slot);
    return true;
}

unsigned lobby_expire(struct lobby *lobby, int64_t now_ns)
{
    unsigned freed = 0;
    for (size_t i = lobby->n; i > 0; i--) {
        if (is_silent(lobby, &lobby->slots[i - 1], now_ns)) {
            free_slot(lobby, &lobby->slots[i - 1]);
            freed++;
        }
    }
    return freed;
}

void lobby_get_capacity(const struct lobby *lobby, struct lobby_capacity *out)
{
    out->current = (unsigned)lobby->n;
    out->max = lobby->max;
    out->available = lobby->n < lobby->max;
}

void lobby_set_limits(struct lobby *lobby, unsigned max, int64_t idle_ns)
{
    lobby->max = max;
    lobby->idle_ns = idle_ns;
}
