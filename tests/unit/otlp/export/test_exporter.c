/* test_exporter.c: the engine, without a socket: order, bounds, halving, the cursor. */
#include "otlp/export/exporter.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define MS INT64_C(1000000)

static struct exporter_options options = {
    .batch = {.bytes = 1000, .frames = 4, .age_ns = 200 * MS},
    .in_flight = 3,
    .retry = {1000 * MS, 60000 * MS},
};

static struct exporter *make(void)
{
    struct exporter *e = exporter_create(&options);
    cr_assert_not_null(e);
    return e;
}

static bool add_sized(struct exporter *e, enum signal signal, uint64_t sequence, size_t len,
                      int64_t now)
{
    static char bytes[4096];
    struct spool_frame frame = {
        .sequence = sequence, .signal = signal, .items = 1, .payload = slice_make(bytes, len)};
    return exporter_add(e, &frame, false, now);
}

static bool add(struct exporter *e, enum signal signal, uint64_t sequence, int64_t now)
{
    return add_sized(e, signal, sequence, 10, now);
}

static enum exporter_step finish(struct exporter *e, struct parcel *p, enum retry_verdict verdict)
{
    return exporter_finish(e, p, verdict, 0, 0, 0, NULL);
}

Test(exporter, a_small_batch_waits_for_its_age)
{
    struct exporter *e = make();
    cr_expect_eq(exporter_due_at(e), INT64_MAX);
    cr_expect_null(exporter_next(e, 0));
    cr_expect_eq(exporter_done_through(e), 0);
    cr_assert(add(e, SIGNAL_METRICS, 1, 1000));
    cr_assert(add(e, SIGNAL_METRICS, 2, 2000));
    cr_expect_null(exporter_next(e, 2000));
    cr_expect_eq(exporter_due_at(e), 1000 + 200 * MS);
    cr_expect_null(exporter_next(e, 999 + 200 * MS));
    struct parcel *p = exporter_next(e, 1000 + 200 * MS);
    cr_assert_not_null(p);
    cr_expect_eq(batch_count(p->batch), 2);
    cr_expect_not(p->probe);
    cr_expect_eq(exporter_sending(e), 1);
    cr_expect_eq(exporter_done_through(e), 0);
    cr_expect_eq(finish(e, p, RETRY_DELIVERED), EXPORTER_DONE);
    cr_expect_eq(exporter_done_through(e), 2);
    cr_expect_eq(exporter_sending(e), 0);
    exporter_destroy(e);
}

Test(exporter, a_full_batch_goes_at_once)
{
    struct exporter *e = make();
    for (uint64_t i = 1; i <= 4; i++) {
        cr_assert(add(e, SIGNAL_LOGS, i, 0));
    }
    struct parcel *p = exporter_next(e, 0);
    cr_assert_not_null(p);
    cr_expect_eq(batch_count(p->batch), 4);
    exporter_destroy(e);
}

Test(exporter, a_payload_that_does_not_fit_closes_the_batch_before_it)
{
    struct exporter *e = make();
    cr_assert(add_sized(e, SIGNAL_LOGS, 1, 600, 0));
    cr_assert(add_sized(e, SIGNAL_LOGS, 2, 600, 0));
    cr_assert(add_sized(e, SIGNAL_LOGS, 3, 3000, 0));
    struct parcel *p = exporter_next(e, 0);
    cr_assert_not_null(p);
    cr_expect_eq(batch_body(p->batch).len, 600);
    p = exporter_next(e, 0);
    cr_expect_eq(batch_first_sequence(p->batch), 2);
    p = exporter_next(e, 0);
    cr_expect_eq(batch_body(p->batch).len, 3000, "longer than a batch: alone, and at once");
    exporter_destroy(e);
}

Test(exporter, what_must_be_alone_is_alone)
{
    struct exporter *e = make();
    struct spool_frame frame = {
        .sequence = 2, .signal = SIGNAL_TRACES, .payload = SLICE_LIT("odd")};
    cr_assert(add(e, SIGNAL_TRACES, 1, 0));
    cr_assert(exporter_add(e, &frame, true, 0));
    cr_assert(add(e, SIGNAL_TRACES, 3, 0));
    exporter_flush(e);
    for (uint64_t i = 1; i <= 3; i++) {
        struct parcel *p = exporter_next(e, 0);
        cr_assert_not_null(p);
        cr_expect_eq(batch_count(p->batch), 1);
        cr_expect_eq(batch_first_sequence(p->batch), i);
    }
    exporter_destroy(e);
}

Test(exporter, memory_is_bounded_and_comes_free_again)
{
    struct exporter *e = make();
    uint64_t sequence = 1;
    while (add(e, SIGNAL_TRACES, sequence, 0)) {
        sequence++;
        cr_assert_lt(sequence, 1000);
    }
    cr_expect_eq(sequence - 1, (options.in_flight + UINT64_C(1)) * options.batch.frames);
    cr_expect(add(e, SIGNAL_LOGS, sequence, 0), "another signal has its own open batch");
    cr_expect_not(add(e, SIGNAL_TRACES, sequence + 1, 0));
    struct parcel *p = exporter_next(e, 0);
    struct parcel *q = exporter_next(e, 0);
    cr_assert(p != NULL && q != NULL && exporter_next(e, 0) != NULL);
    cr_expect_null(exporter_next(e, 0), "in_flight requests");
    cr_expect_eq(exporter_due_at(e), INT64_MAX, "an answer comes first");
    finish(e, q, RETRY_DELIVERED);
    cr_expect_eq(exporter_done_through(e), 0, "the first is not done");
    p = exporter_next(e, 0);
    cr_assert_not_null(p);
    cr_expect_eq(batch_first_sequence(p->batch), 13);
    cr_expect(add(e, SIGNAL_TRACES, sequence + 1, 0));
    exporter_destroy(e);
}

Test(exporter, metrics_go_one_at_a_time_others_beside_them)
{
    struct exporter *e = make();
    for (uint64_t i = 1; i <= 8; i++) {
        cr_assert(add(e, SIGNAL_METRICS, i, 0));
    }
    for (uint64_t i = 9; i <= 12; i++) {
        cr_assert(add(e, SIGNAL_TRACES, i, 0));
    }
    struct parcel *metrics = exporter_next(e, 0);
    struct parcel *traces = exporter_next(e, 0);
    cr_expect_eq(batch_signal(metrics->batch), SIGNAL_METRICS);
    cr_expect_eq(batch_signal(traces->batch), SIGNAL_TRACES);
    cr_expect_null(exporter_next(e, 0), "the second batch of metrics waits for the first");
    cr_expect_eq(exporter_due_at(e), INT64_MAX);
    finish(e, metrics, RETRY_DELIVERED);
    metrics = exporter_next(e, 0);
    cr_assert_not_null(metrics);
    cr_expect_eq(batch_first_sequence(metrics->batch), 5);
    exporter_destroy(e);
}

Test(exporter, a_failure_pauses_all_and_the_probe_goes_alone)
{
    struct exporter *e = make();
    for (uint64_t i = 1; i <= 12; i++) {
        cr_assert(add(e, SIGNAL_TRACES, i, 0));
    }
    struct parcel *a = exporter_next(e, 0);
    struct parcel *b = exporter_next(e, 0);
    struct parcel *c = exporter_next(e, 0);
    cr_expect_eq(exporter_finish(e, a, RETRY_LATER, 5000 * MS, 0, 0, NULL), EXPORTER_HELD);
    cr_expect_eq(exporter_finish(e, b, RETRY_LATER, 0, 0, 0, NULL), EXPORTER_HELD);
    cr_expect_eq(exporter_finish(e, c, RETRY_DELIVERED, 0, 0, 0, NULL), EXPORTER_DONE);
    cr_expect_not(exporter_wants_frames(e));
    cr_expect_null(exporter_next(e, 4999 * MS));
    cr_expect_eq(exporter_due_at(e), 5000 * MS);
    struct parcel *probe = exporter_next(e, 5000 * MS);
    cr_expect_eq(probe, a, "the oldest");
    cr_expect(probe->probe);
    cr_expect_null(exporter_next(e, 10000 * MS));
    cr_expect_not(exporter_wants_frames(e));
    bool recovered = false;
    exporter_finish(e, probe, RETRY_DELIVERED, 0, 0, 0, &recovered);
    cr_expect(recovered);
    cr_expect(exporter_wants_frames(e));
    cr_expect_eq(exporter_next(e, 0), b);
    exporter_finish(e, b, RETRY_DELIVERED, 0, 0, 0, &recovered);
    cr_expect_not(recovered);
    cr_expect_eq(exporter_done_through(e), 12);
    exporter_destroy(e);
}

Test(exporter, a_refusal_is_an_answer_and_ends_the_pause)
{
    struct exporter *e = make();
    add(e, SIGNAL_LOGS, 1, 0);
    exporter_flush(e);
    struct parcel *p = exporter_next(e, 0);
    exporter_finish(e, p, RETRY_OPERATOR, 0, 0, 0, NULL);
    cr_expect_geq(exporter_retry(e)->until, 30000 * MS);
    p = exporter_next(e, 60000 * MS);
    bool recovered = false;
    cr_expect_eq(exporter_finish(e, p, RETRY_REFUSED, 0, 60000 * MS, 0, &recovered), EXPORTER_DEAD);
    cr_expect(recovered);
    exporter_destroy(e);
}

/* Sends all there is; requests that hold a frame of `poison` are refused. Returns how many. */
static unsigned run_out(struct exporter *e, uint64_t poison, unsigned *delivered, unsigned *dead)
{
    unsigned requests = 0;
    struct parcel *p;
    while ((p = exporter_next(e, 0)) != NULL) {
        bool bad = false;
        size_t n = batch_count(p->batch);
        for (size_t i = 0; i < n; i++) {
            bad = bad || ((poison >> batch_frame(p->batch, i).sequence) & 1) != 0;
        }
        requests++;
        enum exporter_step step = finish(e, p, bad ? RETRY_REFUSED : RETRY_DELIVERED);
        *delivered += step == EXPORTER_DONE ? (unsigned)n : 0;
        while ((p = exporter_dead(e)) != NULL) {
            cr_assert_eq(batch_count(p->batch), 1);
            cr_assert((poison >> batch_first_sequence(p->batch)) & 1);
            cr_assert_lt(exporter_done_through(e), batch_first_sequence(p->batch),
                         "not acknowledged before it is buried");
            exporter_buried(e, p);
            ++*dead;
        }
    }
    return requests;
}

Test(exporter, exactly_the_guilty_frames_are_set_aside)
{
    options.batch.frames = 16;
    for (uint64_t poison = 1; poison <= 0xffff; poison += (poison < 64 ? 1 : 37)) {
        struct exporter *e = make();
        for (uint64_t i = 0; i < 16; i++) {
            cr_assert(add(e, SIGNAL_METRICS, i + 1, 0));
        }
        unsigned delivered = 0;
        unsigned dead = 0;
        unsigned requests = run_out(e, poison << 1, &delivered, &dead);
        cr_assert_eq(dead, (unsigned)__builtin_popcountll(poison));
        cr_assert_eq(delivered + dead, 16);
        cr_assert_leq(requests, 31);
        cr_assert_eq(exporter_done_through(e), 16);
        if (dead == 1) {
            cr_assert_eq(requests, 9, "one among 16: the whole and both halves of 4 levels");
        }
        exporter_destroy(e);
    }
}

Test(exporter, halves_of_a_refused_batch_use_one_place_of_memory)
{
    options.in_flight = 1;
    struct exporter *e = make();
    for (uint64_t i = 1; i <= 4; i++) {
        cr_assert(add(e, SIGNAL_LOGS, i, 0));
    }
    struct parcel *p = exporter_next(e, 0);
    cr_expect_eq(finish(e, p, RETRY_REFUSED), EXPORTER_SPLIT);
    for (uint64_t i = 5; i <= 8; i++) {
        cr_assert(add(e, SIGNAL_LOGS, i, 0));
    }
    cr_expect_not(add(e, SIGNAL_LOGS, 9, 0));
    finish(e, exporter_next(e, 0), RETRY_DELIVERED);
    cr_expect_not(add(e, SIGNAL_LOGS, 9, 0), "the other half is still there");
    cr_expect_eq(exporter_done_through(e), 2);
    finish(e, exporter_next(e, 0), RETRY_DELIVERED);
    cr_expect(add(e, SIGNAL_LOGS, 9, 0));
    cr_expect_eq(exporter_done_through(e), 4);
    exporter_destroy(e);
}

Test(exporter, sequences_may_have_gaps)
{
    struct exporter *e = make();
    add(e, SIGNAL_METRICS, 10, 0);
    add(e, SIGNAL_LOGS, 70, 0);
    cr_expect_eq(exporter_done_through(e), 9);
    struct parcel *p = exporter_next(e, 200 * MS);
    cr_expect_eq(batch_first_sequence(p->batch), 10);
    struct parcel *q = exporter_next(e, 200 * MS);
    finish(e, p, RETRY_DELIVERED);
    cr_expect_eq(exporter_done_through(e), 69);
    finish(e, q, RETRY_DELIVERED);
    cr_expect_eq(exporter_done_through(e), 70);
    exporter_destroy(e);
}

/* A random life: whatever is answered, each frame is delivered or buried exactly once, in memory's
 * bounds, and the cursor never passes one that is not. */
Test(exporter, a_random_life_loses_and_doubles_nothing)
{
    enum { FRAMES = 3000 };
    static unsigned char ended[FRAMES + 2];
    unsigned seed = 12345;
    struct parcel *under_way[3];
    unsigned n = 0;
    struct exporter *e = make();
    int64_t now = 0;
    uint64_t next = 1;
    while (exporter_done_through(e) < FRAMES) {
        seed = seed * 1103515245 + 12345;
        unsigned dice = (seed >> 16) % 100;
        now += (int64_t)(dice % 7) * 30 * MS;
        while (next <= FRAMES && exporter_wants_frames(e) &&
               add_sized(e, (enum signal)((seed >> 8) % 3), next, 1 + dice * 5, now)) {
            next++;
            seed = seed * 1103515245 + 12345;
        }
        struct parcel *p;
        while ((p = exporter_next(e, now)) != NULL) {
            cr_assert_lt(n, 3);
            under_way[n++] = p;
        }
        if (n != 0) {
            unsigned which = (seed >> 20) % n;
            p = under_way[which];
            under_way[which] = under_way[--n];
            enum retry_verdict verdict = dice < 60   ? RETRY_DELIVERED
                                         : dice < 75 ? RETRY_LATER
                                         : dice < 77 ? RETRY_OPERATOR
                                                     : RETRY_REFUSED;
            for (size_t i = 0; verdict == RETRY_DELIVERED && i < batch_count(p->batch); i++) {
                cr_assert_eq(ended[batch_frame(p->batch, i).sequence]++, 0);
            }
            exporter_finish(e, p, verdict, 0, now, seed, NULL);
        }
        while ((p = exporter_dead(e)) != NULL) {
            cr_assert_eq(ended[batch_first_sequence(p->batch)]++, 0);
            exporter_buried(e, p);
        }
        for (uint64_t i = 1; i <= exporter_done_through(e); i++) {
            cr_assert_eq(ended[i], 1, "%d acknowledged before its end", (int)i);
        }
        now = n == 0 && exporter_due_at(e) != INT64_MAX && exporter_due_at(e) > now
                  ? exporter_due_at(e)
                  : now;
    }
    exporter_destroy(e);
}

Test(exporter, what_it_holds_is_freed_with_it)
{
    struct exporter *e = make();
    for (uint64_t i = 1; i <= 8; i++) {
        add(e, SIGNAL_METRICS, i, 0);
    }
    finish(e, exporter_next(e, 0), RETRY_REFUSED);
    exporter_next(e, 0);
    add(e, SIGNAL_LOGS, 9, 0);
    exporter_destroy(e); /* ASan counts */
    exporter_destroy(NULL);
}
