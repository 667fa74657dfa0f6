/* test_secret_end.c: sigpostctl secret promote, retire and revoke. */
#include "fixture.h"

TestSuite(secret_end, .init = set_up, .fini = tear_down);

#define DAY INT64_C(86400)
#define TWO KEY("a", "active", "") ", " KEY("b", "active", "")

Test(secret_end, promote_a_pending_key)
{
    put_ring(KEY("a", "active", "") ", " //
             KEY("next", "pending", "not_before = \"2025-01-01\"; not_after = \"2026-01-01\";"));
    cr_assert_eq(RUN("secret", "promote", "next"), CTL_DONE, "%s", errors);
    EXPECT_OUTPUT("key next is active in ");
    EXPECT_OUTPUT("key a is active, too; give it an end: sigpostctl secret retire a --at 30d\n");
    read_ring(2);
    cr_assert_eq(ring_key("next")->state, KEY_ACTIVE);
    cr_assert_eq(ring_key("next")->not_before, KEY_TIME_NONE, "from now on");
    cr_assert_neq(ring_key("next")->not_after, KEY_TIME_NONE, "a planned end stays");
    cr_assert_eq(ring_key("a")->state, KEY_ACTIVE);
    cr_assert_eq(RUN("secret", "promote", "next"), CTL_DONE);
    EXPECT_OUTPUT("key next was active in ");
}

Test(secret_end, promote_takes_a_retirement_back)
{
    put_ring(TWO);
    cr_assert_eq(RUN("secret", "retire", "a", "--at", "10d"), CTL_DONE, "%s", errors);
    clock_fake((NOW + 20 * DAY) * NS_PER_SECOND, 0);
    cr_assert_eq(RUN("secret", "promote", "a"), CTL_DONE, "also after its end: %s", errors);
    read_ring(2);
    cr_assert_eq(ring_key("a")->state, KEY_ACTIVE);
    cr_assert_eq(ring_key("a")->not_after, KEY_TIME_NONE);
}

Test(secret_end, promote_refuses)
{
    put_ring(KEY("r", "revoked", "") ", " KEY("gone", "active", "not_after = \"2024-04-01\";"));
    cr_assert_eq(RUN("secret", "promote", "r"), CTL_FAILED);
    EXPECT_ERROR("key r is revoked, and stays so");
    cr_assert_eq(RUN("secret", "promote", "gone"), CTL_FAILED);
    EXPECT_ERROR("key gone ended at 2024-04-01T00:00:00Z");
    cr_assert_eq(RUN("secret", "promote", "x"), CTL_FAILED);
    EXPECT_ERROR("there is no key \"x\" in the ring");
    cr_assert_eq(RUN("secret", "promote", "env"), CTL_FAILED);
    EXPECT_ERROR("bring it in: printenv");
    cr_assert_eq(RUN("secret", "promote", "file"), CTL_FAILED);
    EXPECT_ERROR("secret import FILE");
    cr_assert_eq(RUN("secret", "promote"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "promote", "r", "x"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "promote", "r", "--force"), CTL_WRONG_USE);
}

Test(secret_end, retire_later_and_now)
{
    put_ring(TWO);
    cr_assert_eq(RUN("secret", "retire", "a", "--at", "2024-06-01"), CTL_DONE);
    EXPECT_OUTPUT("it is accepted until 2024-06-01T00:00:00Z (56 days)\n");
    read_ring(2);
    cr_assert_eq(ring_key("a")->state, KEY_RETIRING);
    cr_assert_eq(key_entry_stage(ring_key("a"), NOW), KEY_STAGE_ACCEPTED);
    cr_assert_eq(RUN("secret", "retire", "a", "--at", "5d"), CTL_DONE, "the day may change");
    read_ring(2);
    cr_assert_eq(ring_key("a")->not_after, NOW + 5 * DAY);
    cr_assert_eq(RUN("secret", "retire", "a"), CTL_DONE);
    EXPECT_OUTPUT("key a has ended in ");
    read_ring(2);
    cr_assert_eq(key_entry_stage(ring_key("a"), NOW), KEY_STAGE_ENDED, "in this very second");
    cr_assert_eq(RUN("secret", "retire", "a", "--at", "5d"), CTL_FAILED);
    EXPECT_ERROR("ended at 2024-04-05T19:34:37Z already; to bring it back: sigpostctl secret "
                 "promote a");
}

Test(secret_end, retire_refuses)
{
    put_ring(TWO ", " KEY("p", "pending", "") ", " KEY("r", "revoked", ""));
    cr_assert_eq(RUN("secret", "retire", "p"), CTL_FAILED);
    EXPECT_ERROR("key p is pending: nobody can use it yet");
    cr_assert_eq(RUN("secret", "retire", "r"), CTL_FAILED);
    EXPECT_ERROR("key r is revoked");
    cr_assert_eq(RUN("secret", "retire", "a", "--at", "yesterday"), CTL_WRONG_USE);
    EXPECT_ERROR("--at takes a day (2026-12-31)");
    cr_assert_eq(RUN("secret", "retire", "a", "--at", "2024-04-05"), CTL_WRONG_USE);
    EXPECT_ERROR("is past");
    cr_assert_eq(RUN("secret", "retire"), CTL_WRONG_USE);
    EXPECT_ERROR("the id of the key is missing");
}

Test(secret_end, revoke)
{
    put_ring(KEY("a", "active", "not_before = \"2024-04-05T19:34:38Z\";") ", " KEY("b", "active",
                                                                                   "") ", " //
             KEY("p", "pending", "not_before = \"2025-01-01\"; not_after = \"2026-01-01\";"));
    cr_assert_eq(RUN("secret", "revoke", "a"), CTL_DONE, "%s", errors);
    EXPECT_OUTPUT("key a is revoked in ");
    cr_assert_eq(RUN("secret", "revoke", "a"), CTL_DONE, "once more is no fault");
    cr_assert_eq(RUN("secret", "revoke", "p"), CTL_DONE);
    read_ring(3);
    cr_assert_eq(ring_key("a")->state, KEY_REVOKED);
    cr_assert_eq(ring_key("p")->state, KEY_REVOKED);
    cr_assert_eq(RUN("secret", "revoke", "x"), CTL_FAILED);
    cr_assert_eq(RUN("secret", "revoke"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "revoke", "b", "--at", "1d"), CTL_WRONG_USE);
}

Test(secret_end, the_last_accepted_key_takes_force)
{
    char *environment[] = {(char[]){"KOTORMODSYNC_SIGNING_SECRET=another-secret-of-the-tests-99"},
                           NULL};
    const char *const words[] = {"secret", "revoke", "a", NULL};
    put_ring(KEY("a", "active", "") ", " KEY("b", "retiring", "not_after = \"2024-04-10\";") ", " //
             KEY("p", "pending", ""));
    cr_assert_eq(RUN("secret", "retire", "a", "--at", "30d"), CTL_FAILED, "b ends before that");
    EXPECT_ERROR("no other key would be accepted after it");
    cr_assert_eq(RUN("secret", "retire", "a", "--at", "1d"), CTL_DONE, "%s", errors);
    put_ring(KEY("a", "active", "") ", " KEY("p", "pending", ""));
    cr_assert_eq(RUN("secret", "revoke", "a"), CTL_FAILED);
    cr_assert_eq(run_words("", environment, words), CTL_DONE, "the environment's key is left");
    put_ring(KEY("a", "active", ""));
    cr_assert_eq(RUN("secret", "revoke", "a", "--force"), CTL_DONE);
    read_ring(1);
    cr_assert_eq(ring_key("a")->state, KEY_REVOKED);
}

Test(secret_end, use_of_more_than_one_percent_takes_force)
{
    put_ring(TWO ", " KEY("c", "active", ""));
    put_use("c", "1.0", 1, NOW - 3 * DAY);
    put_use("a", "1.0", 2, NOW - 2 * DAY);
    put_use("b", "2.0", 197, NOW - DAY);
    cr_assert_eq(RUN("secret", "revoke", "b"), CTL_FAILED);
    EXPECT_ERROR("98.5 % of the week's requests (197) used key b, the last one 24 hours ago");
    EXPECT_ERROR("takes --force");
    cr_assert_eq(RUN("secret", "retire", "b", "--at", "30d"), CTL_FAILED);
    cr_assert_eq(RUN("secret", "revoke", "a"), CTL_DONE, "1 %% is not more than 1 %%: %s", errors);
    EXPECT_ERROR("warning: 1.0 % of the week's requests (2) used key a");
    cr_assert_eq(RUN("secret", "revoke", "c"), CTL_DONE);
    EXPECT_ERROR("warning: 0.5 %");
    cr_assert_eq(RUN("secret", "revoke", "b", "--force"), CTL_DONE);
    EXPECT_ERROR("warning: 98.5 %");
    put_use("d", "2.0", 1, NOW - DAY); /* 201 requests, 3 of them with e: 1.49 % */
    put_ring(TWO ", " KEY("e", "active", ""));
    put_use("e", "2.0", 3, NOW - DAY);
    cr_assert_eq(RUN("secret", "retire", "e"), CTL_FAILED);
    put_ring(TWO ", " KEY("e", "retiring", "not_after = \"2024-04-05T19:34:37Z\";"));
    cr_assert_eq(RUN("secret", "revoke", "e"), CTL_DONE, "it has ended already: %s", errors);
    put_ring(TWO ", " KEY("e", "active", ""));
    clock_fake((NOW + 9 * DAY) * NS_PER_SECOND, 0);
    cr_assert_eq(RUN("secret", "retire", "e"), CTL_DONE, "that week is over: %s", errors);
    cr_assert_str_eq(errors, "");
}

Test(secret_end, a_clock_that_is_behind_sets_no_days)
{
    put_ring(KEY("a", "active", "created = \"2026-01-01\";") ", " KEY("b", "active", ""));
    cr_assert_eq(RUN("secret", "retire", "b", "--at", "30d"), CTL_FAILED);
    EXPECT_ERROR("the clock says 2024-04-05T19:34:38Z");
    cr_assert_eq(RUN("secret", "revoke", "b"), CTL_DONE, "revoking needs no clock: %s", errors);
}
