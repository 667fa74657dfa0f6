/* The lobby against people: thousands of seeds of arrivals, departures, silences, hidden pages and
 * restarts. Nothing is known here of how the lobby works, only what people may rely on:
 *
 * - never more than max inside;
 * - whoever asks every few seconds and comes when told is admitted in the order of arrival;
 * - whoever asks is let in once there is room: nobody is forgotten.
 */
#include "lobby_fixture.h"
#include "session/lobby_store.h"

enum { PEOPLE = 14, MAX_SLOTS = 4, STEPS = 250 };

enum kind {
    EAGER,  /* asks every 2 s, comes when told */
    HIDDEN, /* asks once a minute, comes when told */
    IDLER,  /* asks, never comes */
    GONE,   /* took a place and is never heard of again */
    KINDS
};

enum state { AWAY, WAITING, INSIDE };

struct someone {
    enum kind kind;
    enum state state;
    unsigned key; /* a new one for each visit */
    unsigned arrived;
    int64_t next_ns; /* when they ask, or leave */
};

struct world {
    struct lobby *lobby;
    struct someone people[PEOPLE];
    unsigned max;
    unsigned keys;
    unsigned arrivals;
    unsigned admitted;
    unsigned seed;
    uint32_t random;
    int64_t now_ns;
};

static uint32_t draw(struct world *w, uint32_t below)
{
    w->random = w->random * 1664525 + 1013904223;
    return (w->random >> 8) % below;
}

static void check_no_overtaking(struct world *w, const struct someone *who)
{
    for (unsigned i = 0; i < PEOPLE; i++) {
        const struct someone *other = &w->people[i];
        bool passed_by = other->state == WAITING && other->kind == EAGER &&
                         other->arrived < who->arrived &&
                         !look(w->lobby, other->key, w->now_ns).available;
        cr_assert(!passed_by, "seed %u: arrival %u went in before arrival %u", w->seed,
                  who->arrived, other->arrived);
    }
}

/* By the waiting page, or straight to the door. */
static void arrive(struct world *w, struct someone *who)
{
    who->key = ++w->keys;
    who->arrived = ++w->arrivals;
    who->kind = draw(w, 2) == 0 ? EAGER : (enum kind)draw(w, KINDS);
    struct lobby_view view = draw(w, 2) == 0 ? join(w->lobby, who->key, w->now_ns)
                                             : enter(w->lobby, who->key, w->now_ns);
    cr_assert_neq(view.place, LOBBY_OUTSIDE);
    who->state = view.place == LOBBY_INSIDE ? INSIDE : WAITING;
    who->next_ns = w->now_ns + 2 * S;
    if (who->state == INSIDE) {
        w->admitted++;
        check_no_overtaking(w, who);
    }
}

static void ask(struct world *w, struct someone *who)
{
    struct lobby_view view = look(w->lobby, who->key, w->now_ns);
    if (view.place == LOBBY_OUTSIDE) {
        cr_assert(who->kind == GONE, "seed %u: somebody who asks was forgotten", w->seed);
        who->state = AWAY;
        return;
    }
    if (view.available && who->kind != IDLER) {
        cr_assert_eq(enter(w->lobby, who->key, w->now_ns).place, LOBBY_INSIDE);
        who->state = INSIDE;
        w->admitted++;
        if (who->kind == EAGER) {
            check_no_overtaking(w, who);
        }
        who->next_ns = w->now_ns + (1 + draw(w, 120)) * S;
    } else {
        who->next_ns = w->now_ns + (who->kind == HIDDEN ? 60 : 2) * S;
    }
}

static void act(struct world *w, struct someone *who)
{
    switch (who->state) {
    case AWAY:
        if (draw(w, 10) == 0) {
            arrive(w, who);
        }
        break;
    case WAITING:
        if (who->kind == GONE) {
            who->state = w->now_ns - who->next_ns > 2 * PATIENCE ? AWAY : WAITING;
        } else if (w->now_ns >= who->next_ns) {
            ask(w, who);
        }
        break;
    case INSIDE:
        cr_assert(touch(w->lobby, who->key, w->now_ns), "seed %u: sent out", w->seed);
        if (w->now_ns >= who->next_ns) {
            cr_assert(lobby_release(w->lobby, id(who->key), w->now_ns));
            who->state = AWAY;
        }
        break;
    }
}

/* The process ends and another begins where it was, some seconds later on another clock. */
static void restart(struct world *w)
{
    const struct lobby_limits l = limits(w->max);
    struct buf bytes = BUF_INIT;
    struct result why = RESULT_INIT;
    lobby_encode(w->lobby, w->now_ns, 1000 * S, &bytes);
    lobby_destroy(w->lobby);
    w->lobby = lobby_create(&l);
    int64_t away = draw(w, 30) * S;
    w->now_ns += away;
    cr_assert(lobby_decode(w->lobby, buf_slice(&bytes), w->now_ns, 1000 * S + away, &why), "%s",
              why.text);
    buf_free(&bytes);
}

static unsigned count_inside(const struct world *w)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PEOPLE; i++) {
        n += w->people[i].state == INSIDE;
    }
    return n;
}

static void check(struct world *w)
{
    struct lobby_view view = stranger(w->lobby, w->now_ns);
    cr_assert_leq(view.current + view.held, w->max, "seed %u", w->seed);
    cr_assert_eq(view.current, count_inside(w), "seed %u", w->seed);
}

/* Everyone inside leaves as soon as they are there: whoever asks gets in before long. */
static void empty(struct world *w)
{
    for (int64_t end = w->now_ns + 2000 * S; w->now_ns < end; w->now_ns += S) {
        unsigned left = 0;
        for (unsigned i = 0; i < PEOPLE; i++) {
            struct someone *who = &w->people[i];
            if (who->state == INSIDE) {
                lobby_release(w->lobby, id(who->key), w->now_ns);
                who->state = AWAY;
            } else if (who->state == WAITING) {
                act(w, who);
                left += who->state == WAITING && (who->kind == EAGER || who->kind == HIDDEN);
            }
        }
        if (left == 0) {
            return;
        }
    }
    cr_assert_fail("seed %u: somebody was never let in", w->seed);
}

static unsigned live(unsigned seed)
{
    struct world w = {.seed = seed, .random = seed * 2654435761U + 1};
    w.max = 1 + draw(&w, MAX_SLOTS);
    w.lobby = open_lobby(w.max);
    for (unsigned step = 0; step < STEPS; step++) {
        w.now_ns += (1 + draw(&w, 2)) * S;
        if (draw(&w, 100) == 0) {
            restart(&w);
        }
        for (unsigned i = 0; i < PEOPLE; i++) {
            act(&w, &w.people[i]);
            check(&w);
        }
    }
    empty(&w);
    lobby_destroy(w.lobby);
    return w.admitted;
}

Test(lobby_model, thousands_of_lives, .timeout = 300)
{
    unsigned admitted = 0;
    for (unsigned seed = 0; seed < 3000; seed++) {
        admitted += live(seed);
    }
    cr_assert_gt(admitted, 40000, "the people of this test do come in: %u", admitted);
}
