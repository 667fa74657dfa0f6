/* test_batch.c: limits, bodies, halves. */
#include "otlp/export/batch.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct batch_limits limits = {100, 8, 200};

static bool add(struct batch *batch, uint64_t sequence, const char *payload, int64_t now)
{
    struct spool_frame frame = {.sequence = sequence,
                                .arrived_ns = (int64_t)sequence * 10,
                                .items = (uint32_t)sequence,
                                .payload = slice_of(payload)};
    snprintf(frame.session, sizeof(frame.session), "session-%d", (int)sequence);
    snprintf(frame.key_id, sizeof(frame.key_id), "k%d", (int)sequence);
    return batch_add(batch, &frame, now);
}

static void expect_body(const struct batch *batch, const char *body)
{
    cr_expect(slice_eq_str(batch_body(batch), body), "%.*s, wanted %s", (int)batch_body(batch).len,
              batch_body(batch).data, body);
}

Test(batch, an_empty_one_takes_any_payload_and_is_never_due)
{
    struct batch *batch = batch_create(SIGNAL_TRACES);
    cr_expect_eq(batch_signal(batch), SIGNAL_TRACES);
    cr_expect(batch_fits(batch, &limits, 1000000));
    cr_expect_not(batch_due(batch, &limits, INT64_MAX / 2));
    cr_expect_eq(batch_count(batch), 0);
    cr_expect_eq(batch_first_sequence(batch), 0);
    cr_expect_eq(batch_body(batch).len, 0);
    cr_expect_null(batch_split(batch));
    cr_expect(batch_free(batch));
    cr_expect_not(batch_free(NULL));
}

Test(batch, payloads_lie_end_to_end_with_their_frames)
{
    struct batch *batch = batch_create(SIGNAL_METRICS);
    cr_assert(add(batch, 3, "abc", 0));
    cr_assert(add(batch, 5, "de", 1));
    cr_assert(add(batch, 9, "f", 2));
    expect_body(batch, "abcdef");
    cr_expect_eq(batch_items(batch), 17);
    cr_expect_eq(batch_first_sequence(batch), 3);
    struct batch_frame frame = batch_frame(batch, 1);
    cr_expect_eq(frame.sequence, 5);
    cr_expect_eq(frame.arrived_ns, 50);
    cr_expect_eq(frame.items, 5);
    cr_expect(slice_eq_str(frame.session, "session-5"));
    cr_expect(slice_eq_str(frame.key_id, "k5"));
    cr_expect(slice_eq_str(frame.payload, "de"));
    batch_free(batch);
}

Test(batch, bytes_count_and_age_bound_it)
{
    struct batch *batch = batch_create(SIGNAL_LOGS);
    char forty[41] = {0};
    memset(forty, 'x', 40);
    cr_assert(add(batch, 1, forty, 1000));
    cr_expect_eq(batch_due_at(batch, &limits), 1200);
    cr_expect_not(batch_due(batch, &limits, 1199));
    cr_expect(batch_due(batch, &limits, 1200));
    cr_expect(batch_fits(batch, &limits, 60));
    cr_expect_not(batch_fits(batch, &limits, 61));
    cr_expect_not(batch_fits(batch, &limits, SIZE_MAX));
    cr_assert(add(batch, 2, forty, 1100));
    cr_expect_eq(batch_due_at(batch, &limits), 1200, "age counts from the first frame");
    cr_expect_not(batch_due(batch, &limits, 1100));
    cr_assert(add(batch, 3, "12345678901234567890", 1100));
    cr_expect(batch_due(batch, &limits, 1100), "bytes reached");
    cr_expect_not(batch_fits(batch, &limits, 0));
    batch_free(batch);

    batch = batch_create(SIGNAL_LOGS);
    for (uint64_t i = 1; i <= limits.frames; i++) {
        cr_expect(batch_fits(batch, &limits, 1));
        cr_expect_not(batch_due(batch, &limits, 0));
        cr_assert(add(batch, i, "x", 0));
    }
    cr_expect(batch_due(batch, &limits, 0), "count reached");
    cr_expect_not(batch_fits(batch, &limits, 1));
    batch_free(batch);
}

Test(batch, names_may_be_missing_or_as_long_as_the_spool_allows)
{
    struct spool_frame frame = {.sequence = 1, .payload = SLICE_LIT("a")};
    struct batch *batch = batch_create(SIGNAL_LOGS);
    cr_assert(batch_add(batch, &frame, 0));
    memset(frame.session, 's', SPOOL_SESSION_MAX);
    memset(frame.key_id, 'k', SPOOL_KEY_ID_MAX);
    frame.sequence = 2;
    cr_assert(batch_add(batch, &frame, 0));
    cr_expect_eq(batch_frame(batch, 0).session.len, 0);
    cr_expect_eq(batch_frame(batch, 0).key_id.len, 0);
    cr_expect_eq(batch_frame(batch, 1).session.len, SPOOL_SESSION_MAX);
    cr_expect_eq(batch_frame(batch, 1).key_id.len, SPOOL_KEY_ID_MAX);
    cr_expect_eq(batch_frame(batch, 1).key_id.data[0], 'k');
    batch_free(batch);
}

Test(batch, a_cleared_one_is_as_new_and_keeps_its_memory)
{
    struct batch *batch = batch_create(SIGNAL_METRICS);
    add(batch, 1, "aa", 0);
    add(batch, 2, "bb", 50);
    const char *body = batch_body(batch).data;
    struct batch *upper = batch_split(batch);
    cr_expect_not(batch_clear(batch), "a half uses it");
    expect_body(upper, "bb");
    batch_free(upper);
    cr_assert(batch_clear(batch));
    cr_expect_eq(batch_count(batch), 0);
    cr_expect_eq(batch_first_sequence(batch), 0);
    cr_expect_not(batch_due(batch, &limits, INT64_MAX / 2));
    cr_assert(add(batch, 7, "cc", 1000));
    expect_body(batch, "cc");
    cr_expect_eq(batch_body(batch).data, body);
    cr_expect_eq(batch_due_at(batch, &limits), 1200);
    cr_expect(slice_eq_str(batch_frame(batch, 0).session, "session-7"));
    batch_free(batch);
}

Test(batch, one_of_many_bytes_is_not_kept)
{
    static char bytes[(4 << 20) + 1];
    struct spool_frame frame = {.sequence = 1, .payload = slice_make(bytes, sizeof(bytes))};
    struct batch *batch = batch_create(SIGNAL_METRICS);
    cr_assert(batch_add(batch, &frame, 0));
    cr_expect_not(batch_clear(batch));
    cr_expect_eq(batch_count(batch), 1);
    batch_free(batch);
}

Test(batch, the_upper_half_is_taken_the_lower_is_the_larger)
{
    struct batch *batch = batch_create(SIGNAL_METRICS);
    add(batch, 1, "aa", 0);
    add(batch, 2, "b", 0);
    add(batch, 7, "cccc", 0);
    struct batch *upper = batch_split(batch);
    cr_assert_not_null(upper);
    expect_body(batch, "aab");
    expect_body(upper, "cccc");
    cr_expect_eq(batch_signal(upper), SIGNAL_METRICS);
    cr_expect_eq(batch_first_sequence(upper), 7);
    cr_expect_eq(batch_items(upper), 7);
    cr_expect_eq(batch_items(batch), 3);
    cr_expect(slice_eq_str(batch_frame(upper, 0).session, "session-7"));
    cr_expect_null(batch_split(upper));
    cr_expect_not(batch_free(batch), "the other half still uses the memory");
    expect_body(upper, "cccc");
    cr_expect(batch_free(upper));
}

/* Splits all the way down; every frame must come out once, in order, with its own bytes. */
static void split_down(struct batch *batch, uint64_t *next, unsigned *released)
{
    struct batch *upper = batch_split(batch);
    if (upper == NULL) {
        char text[32];
        snprintf(text, sizeof(text), "<%d>", (int)*next);
        cr_assert_eq(batch_count(batch), 1);
        cr_assert_eq(batch_first_sequence(batch), *next);
        expect_body(batch, text);
        ++*next;
        *released += batch_free(batch);
        return;
    }
    cr_assert(batch_count(batch) - batch_count(upper) <= 1);
    split_down(batch, next, released);
    split_down(upper, next, released);
}

Test(batch, splits_down_to_single_frames_of_any_number)
{
    for (uint64_t n = 1; n <= 70; n++) {
        struct batch *batch = batch_create(SIGNAL_METRICS);
        for (uint64_t i = 1; i <= n; i++) {
            char text[32];
            snprintf(text, sizeof(text), "<%d>", (int)i);
            cr_assert(add(batch, i, text, 0));
        }
        uint64_t next = 1;
        unsigned released = 0;
        split_down(batch, &next, &released);
        cr_assert_eq(next, n + 1);
        cr_assert_eq(released, 1, "the memory goes once, with the last of them");
    }
}
