/* registry_wheel.c: see registry_wheel.h. */
#include "session/registry_wheel.h"

#include <string.h>

#define SLOTS_AN_IDLE_TIME 64 /* at least */

static struct wheel_slot *slot_of(struct wheel *wheel, int64_t number)
{
    return &wheel->slots[(uint64_t)number % WHEEL_SLOTS];
}

/* Puts the list first..last behind what the slot has; a number out of reach is the nearest. */
static void append(struct wheel *wheel, struct entry *entries, int64_t number,
                   struct wheel_slot list)
{
    number = number > wheel->base ? number : wheel->base;
    number = number < wheel->base + WHEEL_SLOTS ? number : wheel->base + WHEEL_SLOTS - 1;
    struct wheel_slot *slot = slot_of(wheel, number);
    if (slot->first == 0) {
        *slot = list;
    } else {
        entries[slot->last].queued = list.first;
        slot->last = list.last;
    }
}

void wheel_set_idle(struct wheel *wheel, struct entry *entries, int64_t idle_ns)
{
    unsigned shift = 0;
    while (idle_ns >> (shift + 1) >= SLOTS_AN_IDLE_TIME) {
        shift++;
    }
    if (shift == wheel->shift) {
        return;
    }
    const struct wheel before = *wheel;
    memset(wheel->slots, 0, sizeof(wheel->slots));
    wheel->shift = shift;
    wheel->base = before.base * ((int64_t)1 << before.shift) >> shift;
    for (int64_t i = 0; i < WHEEL_SLOTS; i++) {
        struct wheel_slot list = before.slots[(uint64_t)(before.base + i) % WHEEL_SLOTS];
        if (list.first != 0) {
            int64_t starts_ns = (before.base + i) * ((int64_t)1 << before.shift);
            append(wheel, entries, starts_ns >> shift, list);
        }
    }
}

void wheel_add(struct wheel *wheel, struct entry *entries, uint32_t at)
{
    int64_t number = entries[at].last_ns >> wheel->shift;
    if (wheel->n++ == 0) {
        wheel->base = number;
    }
    entries[at].queued = 0;
    append(wheel, entries, number, (struct wheel_slot){at, at});
}

static uint32_t take_first(struct wheel *wheel, struct entry *entries)
{
    struct wheel_slot *slot = slot_of(wheel, wheel->base);
    uint32_t at = slot->first;
    if (at != 0) {
        slot->first = entries[at].queued;
        wheel->n--;
    }
    return at;
}

uint32_t wheel_take(struct wheel *wheel, struct entry *entries)
{
    if (wheel->n == 0) {
        return 0;
    }
    while (slot_of(wheel, wheel->base)->first == 0) {
        wheel->base++;
    }
    return take_first(wheel, entries);
}

/* Puts all slots before `number` into that one, in their order, and begins there. */
static void gather(struct wheel *wheel, struct entry *entries, int64_t number)
{
    struct wheel_slot all = {0};
    for (int64_t i = 0; i < WHEEL_SLOTS && wheel->base + i <= number; i++) {
        struct wheel_slot *slot = slot_of(wheel, wheel->base + i);
        if (slot->first != 0 && all.first != 0) {
            entries[all.last].queued = slot->first;
            all.last = slot->last;
        } else if (slot->first != 0) {
            all = *slot;
        }
        *slot = (struct wheel_slot){0};
    }
    wheel->base = number;
    *slot_of(wheel, number) = all;
}

uint32_t wheel_take_before(struct wheel *wheel, struct entry *entries, int64_t until_ns)
{
    int64_t gone_by = (until_ns >> wheel->shift) - 1;
    if (wheel->n == 0 || wheel->base > gone_by) {
        return 0;
    }
    if (wheel->base < gone_by) {
        gather(wheel, entries, gone_by);
    }
    return take_first(wheel, entries);
}
