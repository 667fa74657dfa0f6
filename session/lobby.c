/* lobby.c: see lobby.h. Two dense arrays, allocated as people come and never past the largest
 * limits: 72 bytes a person. Looking for somebody reads all of them, some nanoseconds each; the
 * sweep for what is over is skipped until something can be (due_ns), because signs of life only
 * move an end further away.
 *
 * An id is what lets a browser in, so it is kept as 128 bits and compared without a branch on its
 * content.
 */
#include "session/lobby_internal.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t min_ns(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct lobby *lobby_create(const struct lobby_limits *limits)
{
    struct lobby *lobby = calloc(1, sizeof(*lobby));
    if (lobby != NULL) {
        lobby_set_limits(lobby, limits);
    }
    return lobby;
}

static void free_people(struct people *people)
{
    for (size_t i = 0; i < people->n; i++) {
        free(people->all[i].name);
    }
    free(people->all);
}

void lobby_destroy(struct lobby *lobby)
{
    if (lobby != NULL) {
        free_people(&lobby->inside);
        free_people(&lobby->line);
        free(lobby);
    }
}

void lobby_set_limits(struct lobby *lobby, const struct lobby_limits *limits)
{
    lobby->limits = *limits;
    lobby_stir(lobby);
}

bool people_add(struct people *people, const struct person *person)
{
    if (people->n == people->cap) {
        size_t cap = people->cap != 0 ? people->cap * 2 : 8;
        struct person *grown = realloc(people->all, cap * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        people->all = grown;
        people->cap = cap;
    }
    people->all[people->n++] = *person;
    return true;
}

struct person *lobby_find_id(struct people *people, const uint64_t id[2])
{
    for (size_t i = 0; i < people->n; i++) {
        const uint64_t *known = people->all[i].key.id;
        if (((known[0] ^ id[0]) | (known[1] ^ id[1])) == 0) {
            return &people->all[i];
        }
    }
    return NULL;
}

struct person *lobby_find_user(struct people *people, struct slice user)
{
    for (size_t i = 0; i < people->n; i++) {
        const struct lobby_name *name = people->all[i].name;
        if (name != NULL && slice_eq_str(user, name->user)) {
            return &people->all[i];
        }
    }
    return NULL;
}

/* Takes somebody out of the line; the order of the rest stays. */
static struct person take_from_line(struct lobby *lobby, struct person *person)
{
    struct people *line = &lobby->line;
    struct person taken = *person;
    size_t at = (size_t)(person - line->all);
    line->n--;
    memmove(person, person + 1, (line->n - at) * sizeof(*person));
    lobby->offers -= taken.offered;
    taken.offered = taken.told = taken.passed = false;
    lobby->changes++;
    lobby_stir(lobby);
    return taken;
}

void lobby_end_place(struct lobby *lobby, struct person *person)
{
    free(take_from_line(lobby, person).name);
}

void lobby_end_slot(struct lobby *lobby, struct person *person, int64_t now_ns)
{
    lobby->lengths[lobby->next_length] = now_ns > person->since_ns ? now_ns - person->since_ns : 0;
    lobby->next_length = (lobby->next_length + 1) % LOBBY_LENGTHS;
    lobby->n_lengths += lobby->n_lengths < LOBBY_LENGTHS;
    free(person->name);
    lobby->inside.n--;
    *person = lobby->inside.all[lobby->inside.n];
    lobby->changes++;
    lobby_stir(lobby);
}

bool lobby_admit(struct lobby *lobby, struct person *person, int64_t now_ns)
{
    struct person entering = *person;
    entering.since_ns = now_ns;
    entering.offered = entering.told = entering.passed = false;
    if (!people_add(&lobby->inside, &entering)) {
        return false;
    }
    take_from_line(lobby, person);
    return true;
}

/* --- ends and offers -------------------------------------------------------------------------- */

static int64_t slot_end(const struct lobby *lobby, const struct person *person)
{
    return person->touched_ns +
           (person->name != NULL ? lobby->limits.named_idle_ns : lobby->limits.idle_ns);
}

static int64_t place_end(const struct lobby *lobby, const struct person *person)
{
    return person->touched_ns +
           (person->name != NULL ? lobby->limits.named_idle_ns : lobby->limits.patience_ns);
}

static unsigned end_silent(struct lobby *lobby, int64_t now_ns)
{
    unsigned freed = 0;
    for (size_t i = lobby->inside.n; i > 0; i--) {
        int64_t end_ns = slot_end(lobby, &lobby->inside.all[i - 1]);
        if (now_ns >= end_ns) { /* which may be long ago: sigpost was away */
            lobby_end_slot(lobby, &lobby->inside.all[i - 1], end_ns);
            freed++;
        }
    }
    for (size_t i = lobby->line.n; i > 0; i--) {
        if (now_ns >= place_end(lobby, &lobby->line.all[i - 1])) {
            lobby_end_place(lobby, &lobby->line.all[i - 1]);
        }
    }
    return freed;
}

/* What was offered and not taken: who knew of it goes to the end, who was away is passed over. */
static void end_offers(struct lobby *lobby, int64_t now_ns)
{
    struct people *line = &lobby->line;
    size_t at = 0;
    for (size_t left = line->n; left > 0; left--) {
        struct person *person = &line->all[at];
        if (!person->offered || now_ns < person->until_ns) {
            at++;
        } else if (person->told) {
            struct person last = take_from_line(lobby, person);
            line->all[line->n++] = last; /* the room it left */
        } else {
            person->offered = false;
            person->passed = true;
            lobby->offers--;
            at++;
        }
    }
}

static unsigned free_slots(const struct lobby *lobby)
{
    return lobby->limits.max > lobby->inside.n ? lobby->limits.max - (unsigned)lobby->inside.n : 0;
}

static void set_offer(struct lobby *lobby, struct person *person, bool offered, int64_t now_ns)
{
    if (person->offered == offered) {
        return;
    }
    person->offered = offered;
    person->told = false;
    person->until_ns = now_ns + lobby->limits.hold_ns;
    lobby->offers = offered ? lobby->offers + 1 : lobby->offers - 1;
}

/* The offers are for the first in line who can be expected to come, as many as there are free
 * slots: made to those who have none, taken back from those further behind. */
static void make_offers(struct lobby *lobby, int64_t now_ns)
{
    size_t at = 0;
    unsigned made = 0;
    while (at < lobby->line.n) {
        struct person *person = &lobby->line.all[at];
        bool may_enter = made < free_slots(lobby) && !person->passed;
        if (may_enter && person->name != NULL && lobby_admit(lobby, person, now_ns)) {
            continue;
        }
        set_offer(lobby, person, may_enter && person->name == NULL, now_ns);
        made += person->offered;
        at++;
    }
}

static int64_t find_due(const struct lobby *lobby)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < lobby->inside.n; i++) {
        due = min_ns(due, slot_end(lobby, &lobby->inside.all[i]));
    }
    for (size_t i = 0; i < lobby->line.n; i++) {
        const struct person *person = &lobby->line.all[i];
        due = min_ns(due, place_end(lobby, person));
        due = person->offered ? min_ns(due, person->until_ns) : due;
    }
    return due;
}

unsigned lobby_settle(struct lobby *lobby, int64_t now_ns)
{
    if (now_ns < lobby->due_ns) {
        return 0;
    }
    unsigned freed = end_silent(lobby, now_ns);
    end_offers(lobby, now_ns);
    make_offers(lobby, now_ns);
    lobby->due_ns = find_due(lobby);
    return freed;
}

unsigned lobby_expire(struct lobby *lobby, int64_t now_ns)
{
    return lobby_settle(lobby, now_ns);
}

unsigned lobby_clear(struct lobby *lobby, int64_t silent_ns, int64_t now_ns)
{
    unsigned freed = lobby_settle(lobby, now_ns);
    for (size_t i = lobby->inside.n; i > 0; i--) {
        if (now_ns - lobby->inside.all[i - 1].touched_ns >= silent_ns) {
            lobby_end_slot(lobby, &lobby->inside.all[i - 1], now_ns);
            freed++;
        }
    }
    lobby_settle(lobby, now_ns);
    return freed;
}

uint64_t lobby_changes(const struct lobby *lobby)
{
    return lobby->changes;
}

uint64_t lobby_touches(const struct lobby *lobby)
{
    return lobby->touches;
}

void lobby_format_id(const struct lobby_key *key, char out[LOBBY_ID_LEN + 1])
{
    snprintf(out, LOBBY_ID_LEN + 1, "%016llx%016llx", (unsigned long long)key->id[0],
             (unsigned long long)key->id[1]);
}

void lobby_format_slot(const struct lobby_key *key, char out[LOBBY_SLOT_LEN + 1])
{
    snprintf(out, LOBBY_SLOT_LEN + 1, "%016llx", (unsigned long long)key->slot);
}
