/* presence.c: see presence.h. */
#include "session/lobby_internal.h"

#include "base/utf8.h"

#include <stdlib.h>

/* One line of UTF-8: no C0, DEL or C1 control characters, no blank at either end. */
static bool is_line(struct slice text, size_t max)
{
    if (text.len > max || !utf8_valid(text.data, text.len)) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        unsigned char next = i + 1 < text.len ? (unsigned char)text.data[i + 1] : 0;
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0)) {
            return false;
        }
    }
    return text.len == 0 || (text.data[0] != ' ' && text.data[text.len - 1] != ' ');
}

bool presence_is_user(struct slice text)
{
    return text.len != 0 && is_line(text, PRESENCE_USER_MAX);
}

bool presence_is_target(struct slice text)
{
    return is_line(text, PRESENCE_TARGET_MAX);
}

static struct lobby_name *make_name(struct slice user, struct slice target, int64_t now_ns)
{
    struct lobby_name *name = calloc(1, sizeof(*name));
    if (name != NULL && user.len <= PRESENCE_USER_MAX && target.len <= PRESENCE_TARGET_MAX) {
        name->since_ns = now_ns;
        memcpy(name->user, user.data, user.len);
        memcpy(name->target, target.len != 0 ? target.data : "", target.len);
    }
    return name;
}

static struct person *find(struct lobby *lobby, struct slice user)
{
    struct person *inside = lobby_find_user(&lobby->inside, user);
    return inside != NULL ? inside : lobby_find_user(&lobby->line, user);
}

static void touch(struct lobby *lobby, struct person *person, int64_t now_ns)
{
    person->touched_ns = now_ns > person->touched_ns ? now_ns : person->touched_ns;
    lobby->touches++;
}

static void turn_to(struct lobby *lobby, struct lobby_name *name, struct slice target,
                    int64_t now_ns)
{
    if (name == NULL || slice_eq_str(target, name->target)) {
        return;
    }
    memset(name->target, 0, sizeof(name->target));
    memcpy(name->target, target.len != 0 ? target.data : "", target.len);
    name->since_ns = now_ns;
    lobby->changes++;
}

bool presence_start(struct lobby *lobby, struct slice user, struct slice target,
                    const struct lobby_key *fresh, int64_t now_ns, struct lobby_view *out)
{
    lobby_settle(lobby, now_ns);
    struct person *there = find(lobby, user);
    if (there != NULL) {
        touch(lobby, there, now_ns);
        turn_to(lobby, there->name, target, now_ns);
        lobby_describe(lobby, there->key.id, out);
        return true;
    }
    struct person person = {.key = *fresh, .since_ns = now_ns, .touched_ns = now_ns};
    person.name = make_name(user, target, now_ns);
    if (person.name == NULL) {
        lobby_describe(lobby, NULL, out);
        return false;
    }
    lobby_describe(lobby, NULL, out);
    bool added = false;
    if (out->available) {
        added = people_add(&lobby->inside, &person);
        lobby->changes += added;
        lobby_stir(lobby);
    } else {
        added = lobby_append(lobby, &person, now_ns);
    }
    if (!added) {
        free(person.name);
    }
    lobby_describe(lobby, added ? fresh->id : NULL, out);
    return added;
}

/* The only one with a name; *several when there are more. */
static struct person *find_only(struct lobby *lobby, bool *several)
{
    struct people *both[] = {&lobby->inside, &lobby->line};
    struct person *only = NULL;
    *several = false;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < both[k]->n; i++) {
            if (both[k]->all[i].name != NULL) {
                *several = *several || only != NULL;
                only = &both[k]->all[i];
            }
        }
    }
    return only;
}

static enum presence_found identify(struct lobby *lobby, struct slice user, int64_t now_ns,
                                    struct person **out)
{
    bool several = false;
    lobby_settle(lobby, now_ns);
    *out = user.data != NULL ? find(lobby, user) : find_only(lobby, &several);
    if (several) {
        return PRESENCE_SEVERAL;
    }
    return *out != NULL ? PRESENCE_FOUND : PRESENCE_NOBODY;
}

enum presence_found presence_heartbeat(struct lobby *lobby, struct slice user, int64_t now_ns,
                                       struct lobby_view *out)
{
    struct person *person;
    enum presence_found found = identify(lobby, user, now_ns, &person);
    if (found == PRESENCE_FOUND) {
        touch(lobby, person, now_ns);
    }
    lobby_describe(lobby, found == PRESENCE_FOUND ? person->key.id : NULL, out);
    return found;
}

enum presence_found presence_release(struct lobby *lobby, struct slice user, int64_t now_ns)
{
    struct person *person;
    enum presence_found found = identify(lobby, user, now_ns, &person);
    if (found != PRESENCE_FOUND) {
        return found;
    }
    if (lobby_find_id(&lobby->inside, person->key.id) == person) {
        lobby_end_slot(lobby, person, now_ns);
    } else {
        lobby_end_place(lobby, person);
    }
    lobby_settle(lobby, now_ns);
    return PRESENCE_FOUND;
}

static int by_since(const void *a, const void *b)
{
    const struct person *const *x = a;
    const struct person *const *y = b;
    return ((*x)->since_ns > (*y)->since_ns) - ((*x)->since_ns < (*y)->since_ns);
}

size_t presence_list(struct lobby *lobby, int64_t now_ns, struct presence *out, size_t max)
{
    size_t n = 0;
    lobby_settle(lobby, now_ns);
    const struct person **named = calloc(lobby->inside.n + 1, sizeof(*named));
    if (named == NULL) {
        return 0;
    }
    for (size_t i = 0; i < lobby->inside.n; i++) {
        if (lobby->inside.all[i].name != NULL) {
            named[n++] = &lobby->inside.all[i];
        }
    }
    qsort(named, n, sizeof(*named), by_since);
    for (size_t i = 0; i < n && i < max; i++) {
        const struct lobby_name *name = named[i]->name;
        out[i] = (struct presence){slice_of(name->user), slice_of(name->target), name->since_ns,
                                   named[i]->touched_ns};
    }
    free(named);
    return n;
}
