/* test_secret_rotate.c: sigpostctl secret rotate. */
#include "fixture.h"

#include <jansson.h>

TestSuite(secret_rotate, .init = set_up, .fini = tear_down);

#define DAY INT64_C(86400)

Test(secret_rotate, a_new_key_and_an_end_for_the_old_one)
{
    put_ring(
        KEY("first", "active", "created = \"2024-01-01\"; label = \"production\"; note = \"n\";"));
    cr_assert_eq(RUN("secret", "rotate"), CTL_DONE, "%s", errors);
    EXPECT_OUTPUT("key 2024-04-05 is active in ");
    EXPECT_OUTPUT("key first is retiring: it is accepted until 2024-05-05T19:34:38Z (30 days)\n");
    read_ring(2);
    const struct key_entry *old = ring_key("first");
    cr_assert_eq(old->state, KEY_RETIRING);
    cr_assert_eq(old->not_after, NOW + 30 * DAY);
    cr_assert_str_eq(old->note, "n");
    const struct key_entry *new = ring_key("2024-04-05");
    cr_assert_eq(new->state, KEY_ACTIVE);
    cr_assert_eq(new->created, NOW);
    cr_assert_eq(new->not_after, KEY_TIME_NONE);
    cr_assert_str_eq(new->label, "production", "the label goes on");
    cr_assert_eq(strspn(new->secret, "0123456789abcdef"), 64);
    cr_assert_null(strstr(output, new->secret));
}

Test(secret_rotate, options)
{
    json_error_t error;
    put_ring(KEY("first", "active", ""));
    cr_assert_eq(RUN("secret", "rotate", "--grace", "12h", "--id", "second", "--note", "why",
                     "--json", "--reveal"),
                 CTL_DONE, "%s", errors);
    read_ring(2);
    cr_assert_eq(ring_key("first")->not_after, NOW + DAY / 2);
    cr_assert_str_eq(ring_key("second")->note, "why");
    json_t *object = json_loads(output, 0, &error);
    cr_assert_not_null(object, "%s: %s", error.text, output);
    cr_assert_str_eq(json_string_value(json_object_get(object, "id")), "second");
    cr_assert_str_eq(json_string_value(json_object_get(object, "secret")),
                     ring_key("second")->secret);
    cr_assert_str_eq(json_string_value(json_object_get(object, "gateway")), "none");
    const json_t *previous = json_object_get(object, "previous");
    cr_assert_str_eq(json_string_value(json_object_get(previous, "id")), "first");
    cr_assert_str_eq(json_string_value(json_object_get(previous, "not_after")),
                     "2024-04-06T07:34:38Z");
    json_decref(object);
}

Test(secret_rotate, an_open_grace_period_is_waited_for)
{
    put_ring(KEY("first", "active", ""));
    cr_assert_eq(RUN("secret", "rotate", "--grace", "10d"), CTL_DONE);
    clock_fake((NOW + 3 * DAY) * NS_PER_SECOND, 0);
    char *before = ring_text();
    cr_assert_eq(RUN("secret", "rotate"), CTL_FAILED);
    EXPECT_ERROR("key first is in its grace period until 2024-04-15T19:34:38Z, 7 days from now");
    EXPECT_ERROR("--force");
    char *after = ring_text();
    cr_assert_str_eq(before, after, "a refusal changes nothing");
    free(before);
    free(after);
    cr_assert_eq(RUN("secret", "rotate", "--force"), CTL_DONE);
    read_ring(3);
    cr_assert_eq(ring_key("first")->not_after, NOW + 10 * DAY, "its own end stays");
    cr_assert_eq(ring_key("2024-04-05")->not_after, NOW + 33 * DAY);
    clock_fake((NOW + 34 * DAY) * NS_PER_SECOND, 0);
    cr_assert_eq(RUN("secret", "rotate"), CTL_DONE, "both have ended: %s", errors);
}

Test(secret_rotate, the_grace_period_ends_with_its_last_second)
{
    put_ring(KEY("first", "active", ""));
    cr_assert_eq(RUN("secret", "rotate", "--grace", "60s"), CTL_DONE);
    clock_fake((NOW + 60) * NS_PER_SECOND, 0);
    cr_assert_eq(RUN("secret", "rotate"), CTL_FAILED);
    clock_fake((NOW + 61) * NS_PER_SECOND, 0);
    cr_assert_eq(RUN("secret", "rotate"), CTL_DONE);
}

Test(secret_rotate, a_retiring_key_without_an_end_is_told)
{
    put_ring(KEY("a", "retiring", "") ", " KEY("b", "active", ""));
    cr_assert_eq(RUN("secret", "rotate"), CTL_FAILED);
    EXPECT_ERROR("key a is retiring and has no end yet; give it one (sigpostctl secret retire a "
                 "--at 30d)");
}

Test(secret_rotate, labels_rotate_by_themselves)
{
    put_ring(KEY("prod", "active", "created = \"2024-01-01\"; label = \"production\";") ", " //
             KEY("dev", "active", "created = \"2024-02-01\"; label = \"dev\";"));
    cr_assert_eq(RUN("secret", "rotate"), CTL_FAILED);
    EXPECT_ERROR("active keys labelled \"production\" and \"dev\"; say which with --label");
    cr_assert_eq(RUN("secret", "rotate", "--label", ""), CTL_DONE, "none is a label, too");
    EXPECT_OUTPUT("no key was active before it\n");
    put_ring(KEY("prod", "active", "created = \"2024-01-01\"; label = \"production\";") ", " //
             KEY("dev", "active", "created = \"2024-02-01\"; label = \"dev\";"));
    cr_assert_eq(RUN("secret", "rotate", "--label", "production", "--id", "prod-2"), CTL_DONE);
    read_ring(3);
    cr_assert_eq(ring_key("prod")->state, KEY_RETIRING);
    cr_assert_eq(ring_key("dev")->state, KEY_ACTIVE);
    cr_assert_str_eq(ring_key("prod-2")->label, "production");
    cr_assert_eq(RUN("secret", "rotate", "--label", "dev", "--id", "dev-2"), CTL_DONE,
                 "another label's grace period is no reason: %s", errors);
    read_ring(4);
    cr_assert_eq(ring_key("dev")->state, KEY_RETIRING);
    cr_assert_eq(ring_key("prod-2")->state, KEY_ACTIVE);
    cr_assert_eq(RUN("secret", "rotate", "--label", "beta", "--id", "beta"), CTL_DONE);
    EXPECT_OUTPUT("no key was active before it\n");
}

Test(secret_rotate, the_newest_active_key_is_the_old_one)
{
    put_ring(
        KEY("a", "active", "created = \"2024-03-01\";") ", "                                  //
        KEY("b", "active", "created = \"2024-03-02\";") ", "                                  //
        KEY("later", "active", "created = \"2024-03-03\"; not_before = \"2025-01-01\";") ", " //
        KEY("p", "pending", "created = \"2024-03-04\";"));
    cr_assert_eq(RUN("secret", "rotate"), CTL_DONE);
    EXPECT_OUTPUT("key b is retiring");
    read_ring(5);
    cr_assert_eq(ring_key("a")->state, KEY_ACTIVE);
    cr_assert_eq(ring_key("later")->state, KEY_ACTIVE);
    cr_assert_eq(ring_key("p")->state, KEY_PENDING);
}

Test(secret_rotate, an_earlier_end_stays)
{
    put_ring(
        KEY("a", "active", "not_before = \"2024-04-05T19:34:38Z\"; not_after = \"2024-04-10\";"));
    cr_assert_eq(RUN("secret", "rotate"), CTL_DONE);
    EXPECT_OUTPUT("until 2024-04-10T00:00:00Z (4 days)");
}

Test(secret_rotate, no_grace_at_all_leaves_a_ring_that_can_be_read)
{
    put_ring(KEY("a", "active", "not_before = \"2024-04-05T19:34:38Z\";"));
    cr_assert_eq(RUN("secret", "rotate", "--grace", "0"), CTL_DONE);
    read_ring(2);
    cr_assert_eq(ring_key("a")->not_after, NOW);
}

Test(secret_rotate, keys_outside_the_ring_come_in_first)
{
    char file[300];
    char config[900];
    char *environment[] = {(char[]){"KOTORMODSYNC_SIGNING_SECRET=another-secret-of-the-tests-99"},
                           NULL};
    const char *const words[] = {"secret", "rotate", NULL};
    cr_assert_eq(run_words("", environment, words), CTL_FAILED);
    EXPECT_ERROR("printenv KOTORMODSYNC_SIGNING_SECRET | sigpostctl secret import -");
    snprintf(file, sizeof(file), "%s/one", dir);
    put_file(file, 0644, SECRET);
    snprintf(config, sizeof(config),
             "state = { dir = \"%s/state\"; }; secrets = { secret_file = \"%s\"; };", dir, file);
    put_file(config_file, 0644, config);
    cr_assert_eq(RUN("secret", "rotate"), CTL_FAILED);
    EXPECT_ERROR("sigpostctl secret import ");
    cr_assert_eq(RUN("secret", "import", file, "--id", "one"), CTL_DONE);
    cr_assert_eq(RUN("secret", "rotate"), CTL_DONE, "%s", errors);
    EXPECT_OUTPUT("key one is retiring");
}

Test(secret_rotate, a_clock_that_is_behind_is_not_believed)
{
    put_ring(KEY("a", "active", "created = \"2026-01-01\";"));
    cr_assert_eq(RUN("secret", "rotate"), CTL_FAILED);
    EXPECT_ERROR("the clock says 2024-04-05T19:34:38Z, but key a was made at "
                 "2026-01-01T00:00:00Z; set the clock, or use --force");
    cr_assert_eq(RUN("secret", "rotate", "--force"), CTL_DONE);
}

/* A ring of n keys k0, k1, ... with secrets secret-number-00000000 and so on: all active but
 * number 5, which is revoked and the younger one, and number 6, which is revoked. */
static void put_many(int n)
{
    char *text = malloc(40000);
    size_t len = (size_t)snprintf(text, 40000, "keys = ( ");
    for (int i = 0; i < n; i++) {
        len += (size_t)snprintf(
            text + len, 40000 - len,
            "%s{ id = \"k%d\"; secret = \"secret-number-%08d\"; state = \"%s\"; "
            "created = \"2024-01-%02d\"; }",
            i == 0 ? "" : ", ", i, i, i == 5 || i == 6 ? "revoked" : "active", i == 5 ? 20 : 10);
    }
    snprintf(text + len, 40000 - len, " );\n");
    put_key();
    put_file(ring_file, 0600, text);
    free(text);
}

Test(secret_rotate, a_full_ring_lets_the_oldest_ended_key_go)
{
    put_many(KEY_LIST_MAX);
    cr_assert_eq(RUN("secret", "rotate", "--id", "n1"), CTL_DONE, "%s", errors);
    EXPECT_OUTPUT("key k6, which had ended, is gone: a ring holds 128 keys\n");
    /* Dropping the key that revokes the environment's secret would let that one in again. */
    char *environment[] = {(char[]){"KOTORMODSYNC_SIGNING_SECRET=secret-number-00000005"}, NULL};
    const char *const words[] = {"secret", "rotate", "--id", "n2", "--force", NULL};
    cr_assert_eq(run_words("", environment, words), CTL_FAILED);
    EXPECT_ERROR("a ring holds at most 128 keys");
    cr_assert_eq(RUN("secret", "rotate", "--id", "n2", "--force"), CTL_DONE);
    EXPECT_OUTPUT("key k5, which had ended, is gone");
    read_ring(KEY_LIST_MAX);
    cr_assert_eq(RUN("secret", "rotate", "--id", "n3", "--force"), CTL_FAILED);
    EXPECT_ERROR("a ring holds at most 128 keys; revoke or retire one that nobody uses (sigpostctl "
                 "secret list): one that has ended makes room");
}

/* A gateway with more keys than a ring holds would not start. */
Test(secret_rotate, a_secret_outside_the_ring_takes_a_place)
{
    char file[300];
    char config[900];
    char *environment[] = {(char[]){"KOTORMODSYNC_SIGNING_SECRET=another-secret-of-the-tests-99"},
                           NULL};
    const char *const add[] = {"secret", "add", "--id", "n1", NULL};
    const char *const import[] = {"secret", "import", "-", "--id", "was-env", NULL};
    put_many(KEY_LIST_MAX - 1);
    cr_assert_eq(run_words("", environment, add), CTL_DONE, "%s", errors);
    EXPECT_OUTPUT("key k6, which had ended, is gone");
    read_ring(KEY_LIST_MAX - 1);
    cr_assert_eq(run_words("another-secret-of-the-tests-99", environment, import), CTL_DONE,
                 "it has its place already: %s", errors);
    read_ring(KEY_LIST_MAX);

    put_many(KEY_LIST_MAX - 1);
    snprintf(file, sizeof(file), "%s/one", dir);
    put_file(file, 0644, SECRET);
    snprintf(config, sizeof(config),
             "state = { dir = \"%s/state\"; }; secrets = { secret_file = \"%s\"; };", dir, file);
    put_file(config_file, 0644, config);
    cr_assert_eq(run_words("", environment, add), CTL_DONE, "%s", errors);
    EXPECT_OUTPUT("key k6, which had ended, is gone");
    EXPECT_OUTPUT("key k5, which had ended, is gone");
    read_ring(KEY_LIST_MAX - 2);
    char *before = ring_text();
    const char *const more[] = {"secret", "add", "--id", "n2", NULL};
    cr_assert_eq(run_words("", environment, more), CTL_FAILED);
    EXPECT_ERROR("a ring holds at most 128 keys, the secret of the environment or the secret file "
                 "counted; revoke or retire one that nobody uses");
    char *after = ring_text();
    cr_assert_str_eq(before, after);
    free(before);
    free(after);
    cr_assert_eq(run_words("", environment, (const char *const[]){"secret", "list", NULL}),
                 CTL_DONE, "what the tool left is a ring that can be loaded: %s", errors);
}

Test(secret_rotate, a_lost_ring_is_not_begun_anew)
{
    char state[300];
    snprintf(state, sizeof(state), "%s/state", dir);
    cr_assert_eq(mkdir(state, 0700), 0);
    put_use("env", NULL, 1, NOW - 100);
    cr_assert_eq(RUN("secret", "list"), CTL_DONE);
    cr_assert_str_empty(errors, "a secret of the environment needs no ring: %s", errors);
    put_use("2023-11", NULL, 1, NOW - 60);
    static const char said[] = " is missing, though requests were verified with its key 2023-11: "
                               "restore it from the backup first (docs/rotation.md)";
    cr_assert_eq(RUN("secret", "list"), CTL_DONE);
    cr_assert_str_eq(output, "there is no key\n");
    EXPECT_ERROR("warning: the ring file ");
    EXPECT_ERROR(said);
    static const char *const verbs[] = {"add", "rotate"};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(RUN("secret", verbs[i]), CTL_FAILED);
        EXPECT_ERROR(said);
        EXPECT_ERROR("; to begin a new ring instead, use --force");
        cr_assert_neq(access(ring_file, F_OK), 0);
        cr_assert_eq(RUN("secret", verbs[i], "--force"), CTL_DONE, "%s", errors);
        cr_assert_eq(RUN("secret", verbs[i], "--force"), CTL_DONE, "%s", errors);
        cr_assert_eq(unlink(ring_file), 0);
    }
    cr_assert_eq(RUN("secret", "init"), CTL_DONE, "it says what it does: %s", errors);
}

Test(secret_rotate, ids_of_one_day_never_come_twice)
{
    put_ring(KEY("2024-04-05-7", "active", "") ", " KEY("2024-04-05-x", "active", "") ", " //
             KEY("2024-04-05-99999999999", "active", ""));
    cr_assert_eq(RUN("secret", "add"), CTL_DONE);
    EXPECT_OUTPUT("key 2024-04-05-8 is active");
}

Test(secret_rotate, wrong_use)
{
    put_ring(KEY("a", "active", ""));
    cr_assert_eq(RUN("secret", "rotate", "--grace", "soon"), CTL_WRONG_USE);
    EXPECT_ERROR("--grace takes a length of time");
    cr_assert_eq(RUN("secret", "rotate", "--grace", "30"), CTL_WRONG_USE);
    EXPECT_ERROR("--grace 30 has no unit: 30d are days, 12h hours, 90s seconds");
    cr_assert_eq(RUN("secret", "rotate", "a"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "rotate", "--id", "env"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "rotate", "--id", "a b"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "rotate", "--stdin"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "rotate", "--id", "a"), CTL_FAILED);
    EXPECT_ERROR("there is a key \"a\" already");
    read_ring(1);
    cr_assert_eq(ring_key("a")->state, KEY_ACTIVE);
    cr_assert_eq(chmod(ring_file, 0640), 0);
    cr_assert_eq(RUN("secret", "rotate"), CTL_FAILED);
    EXPECT_ERROR("chmod 600");
}
