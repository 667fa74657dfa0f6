/* test_timers.c: timeouts of a loop whose clock is set back. The clock is the machine's: it is the
 * loop that is made to believe in a later time first.
 */
#include "gateway/timers.h"

#include <criterion/criterion.h>

#define STEP_MS 120000
#define LENGTH_MS 30
#define LONG_MS 3600000 /* however slow the machine is, it is not over in a test */

static h2o_loop_t *loop;
static h2o_timeout_t timeout, long_timeout;
static h2o_timeout_entry_t entries[3];
static unsigned n_fired;

static void on_timeout(h2o_timeout_entry_t *entry)
{
    cr_expect_eq(entry, &entries[n_fired], "in the order of linking");
    n_fired++;
}

static void set_up(void)
{
    loop = h2o_evloop_create();
    h2o_timeout_init(loop, &timeout, LENGTH_MS);
    h2o_timeout_init(loop, &long_timeout, LONG_MS);
    for (size_t i = 0; i < 3; i++) {
        entries[i] = (h2o_timeout_entry_t){.cb = on_timeout};
    }
    n_fired = 0;
}

static void tear_down(void)
{
    for (size_t i = 0; i < 3; i++) {
        h2o_timeout_unlink(&entries[i]);
    }
    h2o_timeout_dispose(loop, &timeout);
    h2o_timeout_dispose(loop, &long_timeout);
    h2o_evloop_destroy(loop);
}

TestSuite(timers, .init = set_up, .fini = tear_down);

static void link_entry(size_t i)
{
    h2o_timeout_link(loop, &timeout, &entries[i]);
}

/* Turns of the loop until n have fired, or for two seconds of its clock. */
static uint64_t wait_for(unsigned n)
{
    uint64_t begin = h2o_now(loop);
    while (n_fired < n && h2o_now(loop) - begin < 2000) {
        timers_turn(loop, 5);
    }
    return h2o_now(loop) - begin;
}

Test(timers, what_was_linked_before_the_step_fires_in_time)
{
    loop->_now += STEP_MS;
    link_entry(0);
    timers_turn(loop, 0);
    cr_expect_eq(entries[0].registered_at, h2o_now(loop), "for its whole length once more");
    cr_expect_eq(n_fired, 0, "and not at once");
    link_entry(1);
    uint64_t took = wait_for(2);
    cr_expect_eq(n_fired, 2);
    cr_expect_geq(took, LENGTH_MS);
}

Test(timers, only_what_lies_in_the_future_is_touched)
{
    uint64_t start = h2o_now(loop);
    loop->_now = start - 10;
    h2o_timeout_link(loop, &long_timeout, &entries[0]);
    loop->_now = start + STEP_MS;
    h2o_timeout_link(loop, &long_timeout, &entries[1]);
    loop->_now += 5;
    h2o_timeout_link(loop, &long_timeout, &entries[2]);
    timers_turn(loop, 0);
    cr_expect_eq(entries[0].registered_at, start - 10);
    cr_expect_eq(entries[1].registered_at, h2o_now(loop));
    cr_expect_eq(entries[2].registered_at, h2o_now(loop));
    cr_expect_eq(n_fired, 0);
}

static void link_the_next(h2o_timeout_entry_t *entry)
{
    (void)entry;
    link_entry(1);
}

Test(timers, what_is_linked_in_the_turn_of_the_step_hides_nothing)
{
    h2o_timeout_t at_once;
    h2o_timeout_entry_t due = {.cb = link_the_next};
    h2o_timeout_init(loop, &at_once, 0);
    loop->_now -= 10;
    h2o_timeout_link(loop, &at_once, &due);
    loop->_now += STEP_MS;
    link_entry(0);
    timers_turn(loop, 0);
    cr_assert_eq(entries[1].registered_at, h2o_now(loop));
    cr_expect_eq(entries[0].registered_at, h2o_now(loop));
    wait_for(2);
    cr_expect_eq(n_fired, 2);
    h2o_timeout_dispose(loop, &at_once);
}

Test(timers, every_timeout_of_the_loop_is_mended)
{
    h2o_timeout_t at_once;
    h2o_timeout_init(loop, &at_once, 0);
    loop->_now += STEP_MS;
    h2o_timeout_link(loop, &at_once, &entries[0]);
    link_entry(1);
    timers_turn(loop, 0);
    timers_turn(loop, 0);
    cr_expect_eq(n_fired, 1, "what is deferred to the next turn is done in it");
    wait_for(2);
    cr_expect_eq(n_fired, 2);
    h2o_timeout_dispose(loop, &at_once);
}

Test(timers, a_clock_that_goes_on_changes_nothing)
{
    h2o_timeout_link(loop, &long_timeout, &entries[0]);
    uint64_t registered_at = entries[0].registered_at;
    for (int i = 0; i < 3; i++) {
        timers_turn(loop, 1);
    }
    cr_expect_eq(entries[0].registered_at, registered_at);
}
