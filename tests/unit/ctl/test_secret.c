/* test_secret.c: sigpostctl secret: making, adding, listing and showing keys. */
#include "fixture.h"

#include <jansson.h>

TestSuite(secret, .init = set_up, .fini = tear_down);

Test(secret, init_makes_directory_ring_and_key)
{
    struct stat info;
    char expected[700];
    cr_assert_eq(RUN("secret", "init", "--label", "production", "--note", "first"), CTL_DONE, "%s",
                 errors);
    snprintf(expected, sizeof(expected),
             "key 2024-04-05 is active in %s\n"
             "no gateway runs on %s/state; it takes the ring when it starts\n",
             ring_file, dir);
    cr_assert_str_eq(output, expected);
    cr_assert_eq(stat(ring_file, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    ring_file[strlen(ring_file) - strlen("/keyring.cfg")] = '\0';
    cr_assert_eq(stat(ring_file, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0700);
    ring_file[strlen(ring_file)] = '/';

    read_ring(1);
    const struct key_entry *entry = &ring.entries[0];
    cr_assert_eq(entry->secret_len, 64);
    cr_assert_eq(strspn(entry->secret, "0123456789abcdef"), 64);
    cr_assert_eq(entry->created, NOW);
    cr_assert_str_eq(entry->label, "production");
    cr_assert_str_eq(entry->note, "first");
    char first[65];
    memcpy(first, entry->secret, sizeof(first));

    cr_assert_eq(RUN("secret", "init"), CTL_FAILED);
    EXPECT_ERROR("a ring already, with 1 keys; add one with: sigpostctl secret add");
    read_ring(1);
    cr_assert_str_eq(ring.entries[0].secret, first);
}

Test(secret, init_reveals_only_when_asked)
{
    char expected[200];
    cr_assert_eq(RUN("secret", "init", "--id", "k", "--reveal"), CTL_DONE);
    read_ring(1);
    snprintf(expected, sizeof(expected), "\nsecret %s\n", ring.entries[0].secret);
    EXPECT_OUTPUT(expected);
    cr_assert_eq(RUN("secret", "add"), CTL_DONE);
    read_ring(2);
    cr_assert_null(strstr(output, ring.entries[1].secret));
    cr_assert_str_neq(ring.entries[0].secret, ring.entries[1].secret, "random");
}

Test(secret, init_does_not_make_parents)
{
    char text[400];
    snprintf(text, sizeof(text), "state = { dir = \"%s/no/where\"; };\n", dir);
    put_file(config_file, 0644, text);
    cr_assert_eq(RUN("secret", "init"), CTL_FAILED);
    EXPECT_ERROR("/no/where: cannot make the directory");
}

Test(secret, add_with_all_its_options)
{
    cr_assert_eq(RUN("secret", "add"), CTL_DONE, "the first key needs no init");
    EXPECT_OUTPUT("key 2024-04-05 is active");
    cr_assert_eq(RUN("secret", "add"), CTL_DONE);
    EXPECT_OUTPUT("key 2024-04-05-2 is active");
    cr_assert_eq(RUN("secret", "add"), CTL_DONE);
    EXPECT_OUTPUT("key 2024-04-05-3 is active");
    cr_assert_eq(RUN("secret", "add", "--id", "next", "--state", "pending", "--label=dev"),
                 CTL_DONE);
    cr_assert_eq(RUN_WITH(" " SECRET "\n", "secret", "add", "--id", "given", "--stdin"), CTL_DONE);
    cr_assert_null(strstr(output, SECRET));
    read_ring(5);
    cr_assert_eq(ring.entries[3].state, KEY_PENDING);
    cr_assert_str_eq(ring.entries[3].label, "dev");
    cr_assert_str_eq(ring.entries[4].secret, SECRET);
}

Test(secret, add_refuses)
{
    static char longest[3000];
    memset(longest, 'x', sizeof(longest) - 1);
    put_key();
    cr_assert_eq(RUN("secret", "add", "--id", "k"), CTL_FAILED);
    EXPECT_ERROR("there is a key \"k\" already");
    cr_assert_eq(RUN_WITH(SECRET, "secret", "add", "--stdin"), CTL_FAILED);
    EXPECT_ERROR("same secret");
    cr_assert_eq(RUN_WITH("short\n", "secret", "add", "--stdin"), CTL_FAILED);
    EXPECT_ERROR("5 bytes");
    cr_assert_eq(RUN_WITH("", "secret", "add", "--stdin"), CTL_FAILED);
    EXPECT_ERROR("empty");
    cr_assert_eq(RUN_WITH(longest, "secret", "add", "--stdin"), CTL_FAILED);
    EXPECT_ERROR("over 2048 bytes");
    cr_assert_null(strstr(errors, "xxxx"));
    cr_assert_eq(RUN("secret", "add", "--id", "a b"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "add", "--id", "env"), CTL_WRONG_USE);
    EXPECT_ERROR("environment's secret");
    cr_assert_eq(RUN("secret", "add", "--state", "activ"), CTL_WRONG_USE);
    EXPECT_ERROR("--state takes one of pending, active, revoked");
    cr_assert_eq(RUN("secret", "add", "--state", "retiring"), CTL_WRONG_USE);
    EXPECT_ERROR("a retiring key needs an end: make it active, then give it one with sigpostctl "
                 "secret retire ID --at WHEN");
    cr_assert_eq(RUN("secret", "add", "--label", "a\nb"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "add", "--stdin", "--reveal"), CTL_WRONG_USE);
    read_ring(1);
    cr_assert_eq(chmod(ring_file, 0644), 0);
    cr_assert_eq(RUN("secret", "add"), CTL_FAILED);
    EXPECT_ERROR("chmod 600");
}

Test(secret, verbs)
{
    cr_assert_eq(RUN("secret"), CTL_WRONG_USE);
    EXPECT_ERROR("a verb is missing: init, list, show, add, rotate, promote,");
    cr_assert_eq(RUN("secret", "rotat"), CTL_WRONG_USE);
    EXPECT_ERROR("unknown verb \"rotat\"; there are: init, list, show, add, rotate,");
    cr_assert_eq(RUN("secret", "show"), CTL_WRONG_USE);
    EXPECT_ERROR("the id of the key is missing");
}

static const char *json_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "(none)";
}

Test(secret, list_as_json)
{
    char *environment[] = {(char[]){"KOTORMODSYNC_SIGNING_SECRET=another-secret-of-the-tests-99"},
                           NULL};
    json_error_t error;
    cr_assert_eq(RUN("secret", "list", "--json"), CTL_DONE);
    cr_assert_str_eq(output, "[]\n");
    put_key();
    put_file(ring_file, 0600,
             "keys = ( { id = \"k\"; secret = \"" SECRET "\"; state = \"retiring\";\n"
             "created = \"2024-01-02\"; not_before = \"2024-01-03\"; not_after = \"2024-02-01\";\n"
             "label = \"d\xc3\xa9v \\\"x\\\"\"; note = \"n\"; } );");
    cr_assert_eq(
        run_words("", environment, (const char *const[]){"secret", "list", "--json", NULL}),
        CTL_DONE, "%s", errors);
    cr_assert_null(strstr(output, SECRET));
    json_t *array = json_loads(output, 0, &error);
    cr_assert_not_null(array, "%s", error.text);
    cr_assert_eq(json_array_size(array), 2);
    const json_t *key = json_array_get(array, 0);
    cr_assert_str_eq(json_text(key, "id"), "k");
    cr_assert_str_eq(json_text(key, "state"), "retiring");
    cr_assert_str_eq(json_text(key, "created"), "2024-01-02T00:00:00Z");
    cr_assert_str_eq(json_text(key, "not_before"), "2024-01-03T00:00:00Z");
    cr_assert_str_eq(json_text(key, "not_after"), "2024-02-01T00:00:00Z");
    cr_assert_str_eq(json_text(key, "label"), "d\xc3\xa9v \"x\"");
    cr_assert_str_eq(json_text(key, "note"), "n");
    cr_assert(json_is_null(json_object_get(key, "last_used")));
    cr_assert(json_is_false(json_object_get(key, "accepted")), "it is past its day");
    key = json_array_get(array, 1);
    cr_assert_str_eq(json_text(key, "id"), "env");
    cr_assert_str_eq(json_text(key, "state"), "active");
    cr_assert(json_is_null(json_object_get(key, "created")));
    cr_assert(json_is_null(json_object_get(key, "not_after")));
    cr_assert(json_is_true(json_object_get(key, "accepted")));
    json_decref(array);
}

Test(secret, list_and_show_for_people)
{
    cr_assert_eq(RUN("secret", "list"), CTL_DONE);
    EXPECT_OUTPUT("there is no key; make one: sigpostctl secret init");
    put_key();
    cr_assert_eq(RUN("secret", "list"), CTL_DONE);
    EXPECT_OUTPUT("ID  STATE     ACCEPTED  AGE    LEFT   LAST USE");
    EXPECT_OUTPUT("\nk   active    yes ");
    cr_assert_null(strstr(output, SECRET));
    cr_assert_eq(RUN("secret", "show", "k"), CTL_DONE);
    EXPECT_OUTPUT("state           active\n");
    EXPECT_OUTPUT("secret          36 bytes; --reveal shows them\n");
    cr_assert_null(strstr(output, SECRET));
    cr_assert_eq(RUN("secret", "show", "--reveal", "k"), CTL_DONE);
    EXPECT_OUTPUT("secret          " SECRET "\n");
    cr_assert_eq(RUN("secret", "show", "other"), CTL_FAILED);
    EXPECT_ERROR("there is no key \"other\"");
}

Test(secret, list_tells_age_days_left_and_use)
{
    json_error_t error;
    char with_nothing[400];
    put_ring(KEY("old", "retiring",
                 "created = \"2024-03-06T19:34:38Z\"; "
                 "not_after = \"2024-04-15T19:34:38Z\";") ", " //
             KEY("new", "active",
                 "created = \"2024-04-05T19:33:38Z\"; label = \"production\";") ", " //
             KEY("idle", "active", ""));
    put_use("new", "2.0.0.0", 7, NOW - 3 * INT64_C(86400));
    put_use("old", "1.9", 2, NOW - 3600);
    put_use("old", NULL, 1, NOW - 7200);
    cr_assert_eq(RUN("secret", "list"), CTL_DONE, "%s", errors);
    EXPECT_OUTPUT(
        "ID    STATE     ACCEPTED  AGE    LEFT   LAST USE  DAY       WEEK      LABEL        "
        "CLIENT VERSIONS\n");
    EXPECT_OUTPUT(
        "old   retiring  yes       30d    10d    60m       100 %     30.0 %    -            "
        "1.9 66.7 %, none 33.3 %\n");
    EXPECT_OUTPUT(
        "new   active    yes       60s    -      3d        0 %       70.0 %    production   "
        "2.0.0.0 100 %\n");
    EXPECT_OUTPUT(
        "idle  active    yes       -      -      -         0 %       0 %       -            "
        "-\n");
    cr_assert_eq(RUN("secret", "list", "--ids"), CTL_DONE);
    cr_assert_str_eq(output, "old\nnew\nidle\n");
    cr_assert_eq(RUN("secret", "list", "--ids", "--json"), CTL_WRONG_USE);

    cr_assert_eq(RUN("secret", "list", "--json"), CTL_DONE);
    json_t *array = json_loads(output, 0, &error);
    const json_t *key = json_array_get(array, 0);
    cr_assert_str_eq(json_text(key, "last_used"), "2024-04-05T18:34:38Z");
    cr_assert_eq(json_integer_value(json_object_get(key, "age_days")), 30);
    cr_assert_eq(json_integer_value(json_object_get(key, "days_left")), 10);
    cr_assert_eq(json_integer_value(json_object_get(key, "requests_week")), 3);
    cr_assert_float_eq(json_real_value(json_object_get(key, "share_day")), 1.0, 1e-9);
    cr_assert_float_eq(json_real_value(json_object_get(key, "share_week")), 0.3, 1e-9);
    const json_t *versions = json_object_get(key, "client_versions");
    cr_assert_eq(json_array_size(versions), 2);
    cr_assert_str_eq(json_text(json_array_get(versions, 0), "version"), "1.9");
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(versions, 0), "week")), 2);
    key = json_array_get(array, 2);
    cr_assert(json_is_null(json_object_get(key, "last_used")));
    cr_assert(json_is_null(json_object_get(key, "age_days")));
    json_decref(array);

    cr_assert_eq(RUN("secret", "show", "old"), CTL_DONE);
    EXPECT_OUTPUT("last week       3 of 10 requests, 30.0 %\n");
    EXPECT_OUTPUT("client versions 1.9: 2 in the week, last in the hour of 2024-04-05T18:00:00Z\n");
    cr_assert_eq(RUN("secret", "show", "old", "--json"), CTL_DONE);
    cr_assert_null(strstr(output, "secret"));
    cr_assert_eq(RUN("secret", "show", "old", "--json", "--reveal"), CTL_DONE);
    EXPECT_OUTPUT("\"secret\": \"secret-of-the-key-old-0123456789\"");

    snprintf(with_nothing, sizeof(with_nothing), "%s/state/" KEY_USAGE_FILE_NAME, dir);
    put_file(with_nothing, 0600, "no counts");
    cr_assert_eq(RUN("secret", "list"), CTL_DONE);
    EXPECT_ERROR("warning: who uses the keys is not known: ");
}
