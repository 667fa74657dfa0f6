/* test_secret.c: sigpostctl secret: making, adding, listing and showing keys. */
#include "fixture.h"

#include <jansson.h>

TestSuite(secret, .init = set_up, .fini = tear_down);

static struct key_list list;

static void read_list(size_t n)
{
    struct result why = RESULT_INIT;
    bool missing;
    key_list_free(&list);
    cr_assert(keyring_file_read(ring_file, &list, &missing, &why), "%s", why.text);
    cr_assert_eq(list.n, n);
}

Test(secret, init_makes_directory_ring_and_key)
{
    struct stat info;
    char expected[400];
    cr_assert_eq(RUN("secret", "init", "--label", "production", "--note", "first"), CTL_DONE, "%s",
                 errors);
    snprintf(expected, sizeof(expected), "key 2024-04-05 is active in %s\n", ring_file);
    cr_assert_str_eq(output, expected);
    cr_assert_eq(stat(ring_file, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
    ring_file[strlen(ring_file) - strlen("/keyring.cfg")] = '\0';
    cr_assert_eq(stat(ring_file, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0700);
    ring_file[strlen(ring_file)] = '/';

    read_list(1);
    const struct key_entry *entry = &list.entries[0];
    cr_assert_eq(entry->secret_len, 64);
    cr_assert_eq(strspn(entry->secret, "0123456789abcdef"), 64);
    cr_assert_eq(entry->created, NOW);
    cr_assert_str_eq(entry->label, "production");
    cr_assert_str_eq(entry->note, "first");
    char first[65];
    memcpy(first, entry->secret, sizeof(first));

    cr_assert_eq(RUN("secret", "init"), CTL_FAILED);
    EXPECT_ERROR("a ring already, with 1 keys; add one with: sigpostctl secret add");
    read_list(1);
    cr_assert_str_eq(list.entries[0].secret, first);
    key_list_free(&list);
}

Test(secret, init_reveals_only_when_asked)
{
    char expected[200];
    cr_assert_eq(RUN("secret", "init", "--id", "k", "--reveal"), CTL_DONE);
    read_list(1);
    snprintf(expected, sizeof(expected), "\nsecret %s\n", list.entries[0].secret);
    EXPECT_OUTPUT(expected);
    cr_assert_eq(RUN("secret", "add"), CTL_DONE);
    read_list(2);
    cr_assert_null(strstr(output, list.entries[1].secret));
    cr_assert_str_neq(list.entries[0].secret, list.entries[1].secret, "random");
    key_list_free(&list);
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
    read_list(5);
    cr_assert_eq(list.entries[3].state, KEY_PENDING);
    cr_assert_str_eq(list.entries[3].label, "dev");
    cr_assert_str_eq(list.entries[4].secret, SECRET);
    key_list_free(&list);
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
    EXPECT_ERROR("pending, active, retiring, revoked");
    cr_assert_eq(RUN("secret", "add", "--label", "a\nb"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "add", "--stdin", "--reveal"), CTL_WRONG_USE);
    read_list(1);
    key_list_free(&list);
    cr_assert_eq(chmod(ring_file, 0644), 0);
    cr_assert_eq(RUN("secret", "add"), CTL_FAILED);
    EXPECT_ERROR("chmod 600");
}

Test(secret, verbs)
{
    cr_assert_eq(RUN("secret"), CTL_WRONG_USE);
    EXPECT_ERROR("init, list, add or show");
    cr_assert_eq(RUN("secret", "rotate"), CTL_WRONG_USE);
    EXPECT_ERROR("unknown verb \"rotate\"; there are: init, list, add, show");
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
    EXPECT_OUTPUT("ID  STATE     ACCEPTED");
    EXPECT_OUTPUT("\nk   active    yes ");
    cr_assert_null(strstr(output, SECRET));
    cr_assert_eq(RUN("secret", "show", "k"), CTL_DONE);
    EXPECT_OUTPUT("state       active\n");
    EXPECT_OUTPUT("secret      36 bytes; --reveal shows them\n");
    cr_assert_null(strstr(output, SECRET));
    cr_assert_eq(RUN("secret", "show", "--reveal", "k"), CTL_DONE);
    EXPECT_OUTPUT("secret      " SECRET "\n");
    cr_assert_eq(RUN("secret", "show", "other"), CTL_FAILED);
    EXPECT_ERROR("there is no key \"other\"");
}
