/* lobby_visit.c: what people do in the lobby; see lobby.h.
 *
 * The expected wait takes the slots' ends for a steady stream: with `max` slots of the average
 * length of the last sixteen, one ends every length / max. Who has k people without an offer before
 * them waits for k + 1 ends.
 */
#include "session/lobby_internal.h"

#include "base/clock.h"

#include <stdio.h>

/* Whoever is told of an offer in its last moment has this long to come. */
#define TOLD_NS (5 * NS_PER_SECOND)
#define WAIT_MAX_NS (NS_PER_SECOND * 3600 * 24 * 365)

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
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

static int64_t wait_for(const struct lobby *lobby, size_t ends)
{
    double sum = 0;
    if (lobby->n_lengths == 0) {
        return LOBBY_WAIT_UNKNOWN;
    }
    for (uint32_t i = 0; i < lobby->n_lengths; i++) {
        sum += (double)lobby->lengths[i];
    }
    unsigned max = lobby->limits.max != 0 ? lobby->limits.max : 1;
    double wait = sum / lobby->n_lengths / max * (double)ends;
    return wait < (double)WAIT_MAX_NS ? (int64_t)wait : WAIT_MAX_NS;
}

static size_t count_without_offer(const struct lobby *lobby, size_t before)
{
    size_t n = 0;
    for (size_t i = 0; i < before; i++) {
        n += !lobby->line.all[i].offered;
    }
    return n;
}

void lobby_describe(struct lobby *lobby, const uint64_t *id, struct lobby_view *out)
{
    const struct person *inside = id != NULL ? lobby_find_id(&lobby->inside, id) : NULL;
    const struct person *waiting =
        id != NULL && inside == NULL ? lobby_find_id(&lobby->line, id) : NULL;
    *out = (struct lobby_view){
        .current = (unsigned)lobby->inside.n,
        .held = lobby->offers,
        .max = lobby->limits.max,
        .waiting = (unsigned)lobby->line.n,
    };
    size_t before = lobby->line.n;
    if (inside != NULL) {
        out->place = LOBBY_INSIDE;
        out->key = inside->key;
        out->available = true;
    } else if (waiting != NULL) {
        before = (size_t)(waiting - lobby->line.all);
        out->place = LOBBY_IN_LINE;
        out->key = waiting->key;
        out->position = (unsigned)before + 1;
        out->available = waiting->offered;
    } else {
        out->available = lobby->inside.n + lobby->offers < lobby->limits.max;
    }
    out->wait_ns = out->available ? 0 : wait_for(lobby, count_without_offer(lobby, before) + 1);
}

static void touch(struct lobby *lobby, struct person *person, int64_t now_ns)
{
    person->touched_ns = now_ns > person->touched_ns ? now_ns : person->touched_ns;
    lobby->touches++;
}

void lobby_hear(struct lobby *lobby, struct person *person, int64_t now_ns)
{
    const uint64_t id[2] = {person->key.id[0], person->key.id[1]};
    touch(lobby, person, now_ns);
    if (person->passed) {
        person->passed = false;
        lobby_stir(lobby);
        lobby_settle(lobby, now_ns);
        person = lobby_find_id(&lobby->line, id);
    }
    if (person == NULL || !person->offered || person->told) {
        return;
    }
    int64_t grace = now_ns + (lobby->limits.hold_ns < TOLD_NS ? lobby->limits.hold_ns : TOLD_NS);
    person->told = true;
    person->until_ns = person->until_ns < grace ? grace : person->until_ns;
}

/* Settles, and says who is asking: *inside, *waiting, or neither. */
static bool meet(struct lobby *lobby, struct slice text, int64_t now_ns, uint64_t id[2],
                 struct person **inside, struct person **waiting)
{
    bool known = parse_id(text, id);
    lobby_settle(lobby, now_ns);
    *inside = known ? lobby_find_id(&lobby->inside, id) : NULL;
    *waiting = known && *inside == NULL ? lobby_find_id(&lobby->line, id) : NULL;
    return *inside != NULL || *waiting != NULL;
}

/* Somebody looks (`acts`: is active), and is shown what came of it, or not. Returns whether they
 * have a slot or a place in line. */
static bool visit(struct lobby *lobby, struct slice text, bool acts, bool shown, int64_t now_ns,
                  struct lobby_view *out)
{
    uint64_t id[2];
    struct person *inside;
    struct person *waiting;
    bool known = meet(lobby, text, now_ns, id, &inside, &waiting);
    if (inside != NULL && acts) {
        touch(lobby, inside, now_ns);
    } else if (waiting != NULL && shown) {
        lobby_hear(lobby, waiting, now_ns);
    } else if (waiting != NULL) {
        touch(lobby, waiting, now_ns);
    }
    lobby_describe(lobby, known ? id : NULL, out);
    return known;
}

void lobby_look(struct lobby *lobby, struct slice text, int64_t now_ns, struct lobby_view *out)
{
    visit(lobby, text, false, true, now_ns, out);
}

bool lobby_touch(struct lobby *lobby, struct slice text, int64_t now_ns, struct lobby_view *out)
{
    return visit(lobby, text, true, true, now_ns, out);
}

void lobby_glance(struct lobby *lobby, struct slice text, int64_t now_ns, struct lobby_view *out)
{
    visit(lobby, text, false, false, now_ns, out);
}

void lobby_guard(struct lobby *lobby, struct slice text, int64_t now_ns, struct lobby_view *out)
{
    visit(lobby, text, true, false, now_ns, out);
}

bool lobby_append(struct lobby *lobby, const struct person *person, int64_t now_ns)
{
    if (lobby->line.n >= lobby->limits.max_waiting || !people_add(&lobby->line, person)) {
        return false;
    }
    lobby->changes++;
    lobby_stir(lobby);
    lobby_settle(lobby, now_ns);
    return true;
}

bool lobby_join(struct lobby *lobby, struct slice text, const struct lobby_key *fresh,
                int64_t now_ns, struct lobby_view *out)
{
    lobby_look(lobby, text, now_ns, out);
    if (out->place != LOBBY_OUTSIDE) {
        return true;
    }
    const struct person person = {.key = *fresh, .since_ns = now_ns, .touched_ns = now_ns};
    if (!lobby_append(lobby, &person, now_ns)) {
        return false;
    }
    struct person *joined = lobby_find_id(&lobby->line, fresh->id);
    if (joined != NULL) {
        lobby_hear(lobby, joined, now_ns);
    }
    lobby_describe(lobby, fresh->id, out);
    return true;
}

/* From outside into a slot that nobody waits for. */
static bool walk_in(struct lobby *lobby, const struct lobby_key *fresh, int64_t now_ns)
{
    const struct person person = {.key = *fresh, .since_ns = now_ns, .touched_ns = now_ns};
    if (!people_add(&lobby->inside, &person)) {
        return false;
    }
    lobby->changes++;
    lobby_stir(lobby);
    return true;
}

bool lobby_enter(struct lobby *lobby, struct slice text, const struct lobby_key *fresh,
                 int64_t now_ns, struct lobby_view *out)
{
    bool good = true;
    if (!lobby_touch(lobby, text, now_ns, out)) {
        if (!out->available) {
            return lobby_join(lobby, text, fresh, now_ns, out);
        }
        good = walk_in(lobby, fresh, now_ns);
        lobby_describe(lobby, fresh->id, out);
    } else if (out->place == LOBBY_IN_LINE && out->available) {
        const struct lobby_key key = out->key;
        good = lobby_admit(lobby, lobby_find_id(&lobby->line, key.id), now_ns);
        lobby_describe(lobby, key.id, out);
    }
    return good;
}

bool lobby_release(struct lobby *lobby, struct slice text, int64_t now_ns)
{
    uint64_t id[2];
    struct person *inside;
    struct person *waiting;
    if (!meet(lobby, text, now_ns, id, &inside, &waiting)) {
        return false;
    }
    if (inside != NULL) {
        lobby_end_slot(lobby, inside, now_ns);
    } else {
        lobby_end_place(lobby, waiting);
    }
    lobby_settle(lobby, now_ns);
    return true;
}
