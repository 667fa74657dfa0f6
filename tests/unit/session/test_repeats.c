/* Exact repeats: the three answers, those who wait, the window, the bound, and long random lives
 * against a model that is too simple to be wrong.
 */
#include "base/clock.h"
#include "session/repeats.h"

#include <criterion/criterion.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define WINDOW (600 * NS_PER_SECOND)

static struct repeat_id id(uint64_t n)
{
    return (struct repeat_id){{n * UINT64_C(0x9e3779b97f4a7c15), n * UINT64_C(0xc2b2ae3d27d4eb4f)}};
}

static enum repeat begin(struct repeats *repeats, uint64_t n, int64_t now_ns)
{
    struct repeat_id the_id = id(n);
    static struct repeat_waiter lost;
    return repeats_begin(repeats, &the_id, now_ns, &lost);
}

static struct repeat_waiter *settle(struct repeats *repeats, uint64_t n, bool durable)
{
    struct repeat_id the_id = id(n);
    return repeats_settle(repeats, &the_id, durable);
}

Test(repeats, what_is_durable_is_done)
{
    struct repeats *repeats = repeats_create(100, WINDOW);
    cr_expect_eq(begin(repeats, 1, 0), REPEAT_NEW);
    cr_expect_null(settle(repeats, 1, true));
    cr_expect_eq(begin(repeats, 1, 1), REPEAT_DONE);
    cr_expect_eq(begin(repeats, 1, 1), REPEAT_DONE);
    cr_expect_eq(begin(repeats, 2, 1), REPEAT_NEW);
    cr_expect_null(settle(repeats, 3, true), "not known");
    cr_expect_eq(begin(repeats, 3, 1), REPEAT_NEW, "and not known by that");
    repeats_destroy(repeats);
    repeats_destroy(NULL);
}

Test(repeats, those_who_wait_come_back_in_order)
{
    struct repeats *repeats = repeats_create(100, WINDOW);
    struct repeat_waiter waiters[3];
    struct repeat_id one = id(1);
    cr_expect_eq(repeats_begin(repeats, &one, 0, &waiters[0]), REPEAT_NEW);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(repeats_begin(repeats, &one, i, &waiters[i]), REPEAT_WAITING);
    }
    struct repeat_waiter *list = settle(repeats, 1, true);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(list, &waiters[i]);
        list = list->next;
    }
    cr_expect_null(list);
    cr_expect_null(settle(repeats, 1, true), "once");
    cr_expect_null(settle(repeats, 1, false), "what is durable stays durable");
    cr_expect_eq(begin(repeats, 1, 5), REPEAT_DONE);
    repeats_destroy(repeats);
}

Test(repeats, what_was_lost_is_appended_again)
{
    struct repeats *repeats = repeats_create(100, WINDOW);
    struct repeat_waiter waiter;
    struct repeat_id one = id(1);
    begin(repeats, 1, 0);
    cr_expect_eq(repeats_begin(repeats, &one, 0, &waiter), REPEAT_WAITING);
    cr_expect_eq(settle(repeats, 1, false), &waiter);
    cr_expect_null(waiter.next);
    cr_expect_eq(begin(repeats, 1, 1), REPEAT_NEW);
    cr_expect_null(settle(repeats, 1, true), "nobody waits for the second");
    cr_expect_eq(begin(repeats, 1, 1), REPEAT_DONE);
    repeats_destroy(repeats);
}

Test(repeats, the_window_counts_from_the_beginning)
{
    struct repeats *repeats = repeats_create(100, WINDOW);
    begin(repeats, 1, 1000);
    settle(repeats, 1, true);
    cr_expect_eq(begin(repeats, 1, 1000 + WINDOW), REPEAT_DONE);
    cr_expect_eq(begin(repeats, 1, 1000 + WINDOW + 1), REPEAT_NEW);
    cr_expect_eq(begin(repeats, 1, 1000 + WINDOW + 2), REPEAT_WAITING, "it is under way again");
    cr_expect_not_null(settle(repeats, 1, true));
    cr_expect_eq(begin(repeats, 1, 1000 + 2 * WINDOW + 1), REPEAT_DONE);
    cr_expect_eq(begin(repeats, 1, 0), REPEAT_DONE, "a clock of another thread that is behind");
    repeats_destroy(repeats);
}

Test(repeats, what_is_under_way_has_no_age)
{
    struct repeats *repeats = repeats_create(100, WINDOW);
    begin(repeats, 1, 0);
    cr_expect_eq(begin(repeats, 1, 100 * WINDOW), REPEAT_WAITING);
    cr_expect_not_null(settle(repeats, 1, true));
    cr_expect_eq(begin(repeats, 1, 100 * WINDOW), REPEAT_NEW);
    repeats_destroy(repeats);
}

Test(repeats, the_first_settled_makes_room)
{
    struct repeats *repeats = repeats_create(3, WINDOW);
    begin(repeats, 1, 0);
    begin(repeats, 2, 0);
    begin(repeats, 3, 0);
    settle(repeats, 2, true);
    settle(repeats, 1, true);
    cr_expect_eq(begin(repeats, 4, 0), REPEAT_NEW, "in place of 2");
    cr_expect_eq(begin(repeats, 1, 0), REPEAT_DONE);
    cr_expect_eq(begin(repeats, 3, 0), REPEAT_WAITING);
    cr_expect_eq(begin(repeats, 2, 0), REPEAT_NEW, "in place of 1");
    cr_expect_eq(begin(repeats, 2, 0), REPEAT_WAITING);
    cr_expect_eq(begin(repeats, 1, 0), REPEAT_NEW, "all are under way: nothing remembers it");
    cr_expect_eq(begin(repeats, 1, 0), REPEAT_NEW);
    cr_expect_null(settle(repeats, 1, true));
    cr_expect_eq(begin(repeats, 3, 0), REPEAT_WAITING);
    repeats_destroy(repeats);
}

Test(repeats, one_entry_and_none)
{
    for (size_t max = 0; max < 2; max++) {
        struct repeats *repeats = repeats_create(max, WINDOW);
        for (uint64_t n = 0; n < 100; n++) {
            cr_expect_eq(begin(repeats, n, 0), REPEAT_NEW);
            settle(repeats, n, true);
            cr_expect_eq(begin(repeats, n, 0), REPEAT_DONE);
        }
        repeats_destroy(repeats);
    }
}

/* Spread over 64 shards some shards are full before the table is, by chance. */
Test(repeats, a_large_table_remembers_nearly_all_it_has_room_for)
{
    struct repeats *repeats = repeats_create(65536, WINDOW);
    size_t known = 0;
    for (uint64_t n = 0; n < 58000; n++) {
        struct repeat_id the_id = repeats_hash(repeats, &(struct slice){(char *)&n, sizeof(n)}, 1);
        struct repeat_waiter waiter;
        cr_expect_eq(repeats_begin(repeats, &the_id, 0, &waiter), REPEAT_NEW);
        cr_expect_null(repeats_settle(repeats, &the_id, true));
    }
    for (uint64_t n = 0; n < 58000; n++) {
        struct repeat_id the_id = repeats_hash(repeats, &(struct slice){(char *)&n, sizeof(n)}, 1);
        struct repeat_waiter waiter;
        known += repeats_begin(repeats, &the_id, 0, &waiter) == REPEAT_DONE;
    }
    cr_expect_gt(known, 57500, "%zu", known);
    repeats_destroy(repeats);
}

static bool same(struct repeat_id a, struct repeat_id b)
{
    return a.words[0] == b.words[0] && a.words[1] == b.words[1];
}

Test(repeats, ids_are_of_all_parts_and_their_bounds)
{
    struct repeats *repeats = repeats_create(10, WINDOW);
    static const struct slice cases[][3] = {
        {{"a", 1}, {"bc", 2}, {"", 0}},   {{"ab", 2}, {"c", 1}, {"", 0}},
        {{"abc", 3}, {"", 0}, {"", 0}},   {{"", 0}, {"abc", 3}, {"", 0}},
        {{"", 0}, {"", 0}, {"abc", 3}},   {{"", 0}, {"", 0}, {"", 0}},
        {{"a", 1}, {"bc", 2}, {"\0", 1}},
    };
    enum { CASES = sizeof(cases) / sizeof(cases[0]) };
    for (size_t i = 0; i < CASES; i++) {
        struct repeat_id got = repeats_hash(repeats, cases[i], 3);
        cr_expect(same(got, repeats_hash(repeats, cases[i], 3)));
        cr_expect(!same(got, repeats_hash(repeats, cases[i], 2)), "one part less: %zu", i);
        cr_expect_neq(got.words[0], got.words[1]);
        for (size_t j = 0; j < i; j++) {
            struct repeat_id other = repeats_hash(repeats, cases[j], 3);
            cr_expect_neq(got.words[0], other.words[0], "%zu and %zu", i, j);
            cr_expect_neq(got.words[1], other.words[1], "%zu and %zu", i, j);
        }
    }
    struct slice absent = {NULL, 0};
    cr_expect(same(repeats_hash(repeats, &absent, 1), repeats_hash(repeats, &cases[5][0], 1)));
    struct repeats *other = repeats_create(10, WINDOW);
    cr_expect(!same(repeats_hash(repeats, cases[0], 3), repeats_hash(other, cases[0], 3)),
              "tables have keys of their own");
    repeats_destroy(other);
    repeats_destroy(repeats);
}

Test(repeats, every_bit_of_a_body_counts)
{
    struct repeats *repeats = repeats_create(10, WINDOW);
    char body[67] = {0};
    struct slice parts[] = {SLICE_LIT("session"), slice_make(body, sizeof(body))};
    struct repeat_id zeros = repeats_hash(repeats, parts, 2);
    for (size_t bit = 0; bit < sizeof(body) * 8; bit++) {
        body[bit / 8] = (char)(1U << bit % 8);
        cr_expect(!same(zeros, repeats_hash(repeats, parts, 2)), "bit %zu", bit);
        body[bit / 8] = 0;
    }
    repeats_destroy(repeats);
}

#ifndef __SANITIZE_ADDRESS__
Test(repeats, memory_is_bounded)
{
    const size_t max = 65536;
    struct mallinfo2 before = mallinfo2();
    struct repeats *repeats = repeats_create(max, WINDOW);
    struct mallinfo2 after = mallinfo2();
    size_t took = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    cr_expect_leq(took, max * 58, "%zu bytes an entry", took / max);
    for (uint64_t n = 0; n < 3 * max; n++) {
        begin(repeats, n, 0);
        settle(repeats, n, true);
    }
    struct mallinfo2 used = mallinfo2();
    cr_expect_eq(used.uordblks + used.hblkhd, after.uordblks + after.hblkhd);
    repeats_destroy(repeats);
}
#endif

/* The model: a list of all that is remembered, searched from one end to the other. */
#define MODEL_IDS 40
#define MODEL_WAITERS 4000

struct model_entry {
    bool known;
    bool settled;
    int64_t begun_ns;
    unsigned settled_as; /* number of the settling */
    unsigned waiters[MODEL_WAITERS];
    size_t n_waiters;
};

struct model {
    size_t max;
    unsigned settlings;
    struct model_entry entries[MODEL_IDS];
};

static void model_make_room(struct model *m)
{
    size_t known = 0;
    struct model_entry *first = NULL;
    for (size_t i = 0; i < MODEL_IDS; i++) {
        struct model_entry *e = &m->entries[i];
        known += e->known;
        if (e->known && e->settled && (first == NULL || e->settled_as < first->settled_as)) {
            first = e;
        }
    }
    if (known >= m->max && first != NULL) {
        first->known = false;
    }
}

static size_t model_count(const struct model *m)
{
    size_t known = 0;
    for (size_t i = 0; i < MODEL_IDS; i++) {
        known += m->entries[i].known;
    }
    return known;
}

static enum repeat model_begin(struct model *m, size_t n, int64_t now_ns, unsigned waiter)
{
    struct model_entry *e = &m->entries[n];
    if (e->known && !e->settled) {
        e->waiters[e->n_waiters++] = waiter;
        return REPEAT_WAITING;
    }
    if (e->known && now_ns - e->begun_ns <= WINDOW) {
        return REPEAT_DONE;
    }
    if (!e->known) {
        model_make_room(m);
        if (model_count(m) >= m->max) {
            return REPEAT_NEW;
        }
    }
    e->known = true;
    e->settled = false;
    e->begun_ns = now_ns;
    e->n_waiters = 0;
    return REPEAT_NEW;
}

static void model_settle(struct model *m, size_t n, bool durable)
{
    struct model_entry *e = &m->entries[n];
    if (e->known && !e->settled) {
        e->known = durable;
        e->settled = true;
        e->settled_as = m->settlings++;
    } else {
        e->n_waiters = 0;
    }
}

static unsigned random_below(uint64_t *state, unsigned below)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(*state >> 33) % below;
}

static void expect_waiters(struct repeat_waiter *list, const struct repeat_waiter *all,
                           const struct model_entry *e)
{
    for (size_t i = 0; i < e->n_waiters; i++) {
        cr_assert_not_null(list);
        cr_assert_eq(list - all, e->waiters[i]);
        list = list->next;
    }
    cr_assert_null(list);
}

static void live(size_t max, uint64_t state)
{
    static struct repeat_waiter all[MODEL_WAITERS];
    static struct model m;
    m = (struct model){.max = max};
    struct repeats *repeats = repeats_create(max, WINDOW);
    int64_t now_ns = 0;
    for (unsigned step = 0; step < MODEL_WAITERS; step++) {
        now_ns += random_below(&state, 20) == 0 ? WINDOW / 2 : random_below(&state, 1000);
        unsigned n = random_below(&state, MODEL_IDS);
        struct repeat_id the_id = id(n);
        if (random_below(&state, 2) == 0) {
            enum repeat wanted = model_begin(&m, n, now_ns, step);
            enum repeat got = repeats_begin(repeats, &the_id, now_ns, &all[step]);
            cr_assert_eq(got, wanted, "max %zu, step %u: %d, not %d", max, step, (int)got,
                         (int)wanted);
        } else {
            bool durable = random_below(&state, 4) != 0;
            model_settle(&m, n, durable);
            expect_waiters(repeats_settle(repeats, &the_id, durable), all, &m.entries[n]);
            m.entries[n].n_waiters = 0;
        }
    }
    repeats_destroy(repeats);
}

Test(repeats, long_lives_as_the_model_has_them)
{
    static const size_t bounds[] = {1, 2, 3, 7, 20, 39, 40, 100};
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            live(bounds[i], seed * 7919 + i);
        }
    }
}
