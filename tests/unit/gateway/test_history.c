/* test_history.c: the last hour, minute by minute. */
#include "gateway/history.h"

#include "base/clock.h"

#include <criterion/criterion.h>

#define S NS_PER_SECOND

/* Of a machine that has been up for a while. */
static const int64_t start = 1234567 * S;

/* A gateway that takes in `requests` requests of ten items in each ten seconds. */
static uint64_t run(struct history *history, int64_t from_s, int64_t to_s, uint64_t total,
                    uint64_t requests)
{
    for (int64_t s = from_s; s < to_s; s += 10) {
        total += requests;
        history_note(history, total, total * 10, start + s * S);
    }
    return total;
}

Test(history, knows_nothing_at_first)
{
    struct history *history = history_create(start);
    struct history_view view;
    history_look(history, &view);
    cr_assert_eq(view.n, 0);
    history_note(history, 7, 70, start + 10 * S);
    history_look(history, &view);
    cr_assert_eq(view.n, 1);
    cr_assert_eq(view.minutes[0].requests, 7, "what came before the first note counts");
    cr_assert_eq(view.minutes[0].items, 70);
    history_destroy(history);
}

Test(history, counts_the_growth_of_each_minute)
{
    struct history *history = history_create(start);
    struct history_view view;
    uint64_t total = run(history, 10, 130, 0, 1);
    history_look(history, &view);
    cr_assert_eq(view.n, 2);
    cr_assert_eq(view.minutes[0].requests, 6);
    cr_assert_eq(view.minutes[1].requests, 6);
    cr_assert_eq(view.minutes[1].items, 60);
    run(history, 130, 150, total, 5);
    history_look(history, &view);
    cr_assert_eq(view.n, 3);
    cr_assert_eq(view.minutes[0].requests, 2, "the first was shorter");
    cr_assert_eq(view.minutes[1].requests, 6);
    cr_assert_eq(view.minutes[2].requests, 14);
    history_destroy(history);
}

Test(history, notes_once_in_ten_seconds)
{
    const int64_t step = start / (10 * S) * (10 * S);
    struct history *history = history_create(step);
    struct history_view view;
    history_note(history, 1, 1, step + 1);
    history_note(history, 5, 5, step + 9 * S);
    history_note(history, 6, 6, step + 10 * S);
    history_note(history, 9, 9, step + 19 * S);
    history_look(history, &view);
    cr_assert_eq(view.n, 1);
    cr_assert_eq(view.minutes[0].requests, 6);
    history_destroy(history);
}

Test(history, keeps_one_hour)
{
    struct history *history = history_create(start);
    struct history_view view;
    uint64_t total = run(history, 10, 7200, 0, 1000);
    run(history, 7200, 7200 + 3600, total, 2);
    history_look(history, &view);
    cr_assert_eq(view.n, HISTORY_MINUTES);
    for (size_t i = 0; i < view.n; i++) {
        cr_assert_eq(view.minutes[i].requests, 12, "minute %zu", i);
        cr_assert_eq(view.minutes[i].items, 120, "minute %zu", i);
    }
    history_destroy(history);
}

Test(history, what_nobody_noted_is_of_the_last_step)
{
    struct history *history = history_create(start);
    struct history_view view;
    uint64_t total = run(history, 10, 70, 0, 1);
    history_note(history, total + 50, 0, start + 300 * S);
    history_look(history, &view);
    cr_assert_eq(view.n, 5);
    cr_assert_eq(view.minutes[0].requests, 6);
    cr_assert_eq(view.minutes[1].requests, 0);
    cr_assert_eq(view.minutes[3].requests, 0);
    cr_assert_eq(view.minutes[4].requests, 50);

    history_note(history, total + 60, 0, start + 300 * S + 86400 * S);
    history_look(history, &view);
    cr_assert_eq(view.n, HISTORY_MINUTES);
    cr_assert_eq(view.minutes[HISTORY_MINUTES - 1].requests, 10);
    for (size_t i = 0; i + 1 < HISTORY_MINUTES; i++) {
        cr_assert_eq(view.minutes[i].requests, 0);
    }
    history_destroy(history);
}

Test(history, a_clock_that_stands_or_falls_changes_nothing)
{
    struct history *history = history_create(start);
    struct history_view view;
    run(history, 10, 70, 0, 1);
    history_note(history, 1000, 1000, start);
    history_look(history, &view);
    cr_assert_eq(view.n, 1);
    cr_assert_eq(view.minutes[0].requests, 6);
    history_destroy(history);
}
