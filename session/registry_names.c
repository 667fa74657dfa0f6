/* registry_names.c: see registry_names.h.
 *
 * A text is written under the lock, when nobody uses its place, and does not change while anybody
 * does: who holds a use may read it without the lock.
 */
#include "session/registry_names.h"

void names_init(struct names *names)
{
    pthread_mutex_init(&names->lock, NULL);
}

void names_destroy(struct names *names)
{
    pthread_mutex_destroy(&names->lock);
}

struct slice names_text(const struct names *names, uint8_t at)
{
    return slice_make(names->places[at].text, names->places[at].len);
}

/* The place of the text, else one that nobody uses, else NAMES_NONE. */
static uint8_t find_place(const struct names *names, struct slice text)
{
    size_t found = names->n;
    for (size_t i = 0; i < names->n; i++) {
        if (atomic_load_explicit(&names->places[i].users, memory_order_acquire) == 0) {
            found = found == names->n ? i : found;
        } else if (slice_eq(names_text(names, (uint8_t)i), text)) {
            return (uint8_t)i;
        }
    }
    return (uint8_t)found;
}

uint8_t names_take(struct names *names, struct slice text)
{
    uint8_t at = NAMES_NONE;
    if (text.len != 0 && text.len <= NAMES_TEXT_MAX) {
        pthread_mutex_lock(&names->lock);
        at = find_place(names, text);
        struct name *place = &names->places[at];
        if (at != NAMES_NONE && atomic_load(&place->users) == 0) {
            names->n = names->n > at ? names->n : at + 1U;
            place->len = (uint8_t)text.len;
            memcpy(place->text, text.data, text.len);
        }
        atomic_fetch_add(&place->users, 1);
        pthread_mutex_unlock(&names->lock);
    } else {
        atomic_fetch_add(&names->places[at].users, 1);
    }
    return at;
}

void names_drop(struct names *names, uint8_t at)
{
    atomic_fetch_sub_explicit(&names->places[at].users, 1, memory_order_release);
}

uint8_t names_change(struct names *names, uint8_t at, struct slice text)
{
    if (slice_eq(names_text(names, at), text)) {
        return at;
    }
    uint8_t fresh = names_take(names, text);
    names_drop(names, at);
    return fresh;
}

size_t names_look(struct names *names, uint8_t at, char out[NAMES_TEXT_MAX + 1])
{
    const struct name *place = &names->places[at];
    pthread_mutex_lock(&names->lock);
    size_t users = atomic_load(&place->users);
    size_t len = users != 0 ? place->len : 0;
    memcpy(out, place->text, len);
    pthread_mutex_unlock(&names->lock);
    out[len] = '\0';
    return users;
}

size_t names_nameless(const struct names *names)
{
    return atomic_load(&names->places[NAMES_NONE].users);
}
