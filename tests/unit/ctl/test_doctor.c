/* test_doctor.c: sigpostctl doctor without a gateway: this machine's part, and wrong use. What a
 * gateway answers is tested end to end. */
#include "fixture.h"

#include <jansson.h>

#define NOWHERE "http://127.0.0.1:1"

static char state[300];

static void set_up_key(void)
{
    set_up();
    put_key();
    snprintf(state, sizeof(state), "%s/state", dir);
}

TestSuite(doctor, .init = set_up_key, .fini = tear_down);

static void doctor(void)
{
    cr_assert_eq(RUN("doctor", NOWHERE), CTL_FAILED);
    EXPECT_OUTPUT("FIX   reach      " NOWHERE ": ");
    cr_assert_null(strstr(output, "export"), "it went on without an answer: %s", output);
}

Test(doctor, a_sound_machine)
{
    char spool[320];
    snprintf(spool, sizeof(spool), "%s/spool", state);
    doctor();
    EXPECT_OUTPUT("ok    keyring    1 accepted");
    EXPECT_OUTPUT("ok    state      ");
    EXPECT_OUTPUT("skip  spool      ");
    cr_assert_eq(mkdir(spool, 0700), 0);
    doctor();
    EXPECT_OUTPUT("ok    spool      ");
}

Test(doctor, permissions)
{
    char words[400];
    cr_assert_eq(chmod(ring_file, 0644), 0);
    cr_assert_eq(chmod(state, 0755), 0);
    doctor();
    snprintf(words, sizeof(words), "FIX   keyring    %s: mode 0644", ring_file);
    EXPECT_OUTPUT(words);
    EXPECT_OUTPUT("chmod 600 ");
    snprintf(words, sizeof(words), "run: chmod 700 %s\n", state);
    EXPECT_OUTPUT(words);
}

Test(doctor, a_ring_of_another_owner)
{
    if (geteuid() != 0) {
        return;
    }
    cr_assert_eq(chown(state, 1234, 1234), 0);
    doctor();
    EXPECT_OUTPUT("FIX   state      ");
    EXPECT_OUTPUT("run: chown --reference=");
    cr_assert_eq(chown(ring_file, 1234, 1234), 0);
    doctor();
    EXPECT_OUTPUT("ok    state      ");
}

Test(doctor, no_key_no_state)
{
    cr_assert_eq(unlink(ring_file), 0);
    doctor();
    EXPECT_OUTPUT("FIX   keyring    no key is accepted now (0 not valid yet, 0 ended)");
    EXPECT_OUTPUT("sigpostctl secret init");
    cr_assert_eq(rmdir(state), 0);
    doctor();
    EXPECT_OUTPUT("skip  state      ");
    put_file(state, 0600, "");
    doctor();
    EXPECT_OUTPUT("is no directory: set state.dir");
}

Test(doctor, keys_that_ended)
{
    put_file(ring_file, 0600,
             "keys = ( { id = \"k\"; secret = \"" SECRET "\"; state = \"revoked\"; } );");
    doctor();
    EXPECT_OUTPUT("(0 not valid yet, 1 ended)");
    EXPECT_OUTPUT("sigpostctl secret add");
}

/* Who may read neither ring nor spool is told what to do, and not that there is no key. */
Test(doctor, as_somebody_else)
{
    char spool[320];
    snprintf(spool, sizeof(spool), "%s/spool", state);
    cr_assert_eq(mkdir(spool, 0700), 0);
    cr_assert_eq(chmod(dir, 0755), 0);
    cr_assert_eq(chmod(state, geteuid() == 0 ? 0700 : 0000), 0);
    if (geteuid() == 0) {
        cr_assert_eq(seteuid(65534), 0);
    }
    doctor();
    EXPECT_OUTPUT("keyring.cfg: cannot open: Permission denied; run it as root or as the gateway's "
                  "user\n");
    EXPECT_OUTPUT("/spool: Permission denied; run it as root or as the gateway's user\n");
    static const char *const verbs[] = {"list", "add", "rotate"};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        cr_assert_eq(RUN("secret", verbs[i]), CTL_FAILED, "%s", verbs[i]);
        EXPECT_ERROR("Permission denied; run it as root or as the gateway's user");
    }
    EXPECT_ERROR("; the ring is not changed\n");
    if (getuid() == 0) {
        cr_assert_eq(seteuid(0), 0);
    }
    cr_assert_eq(chmod(state, 0700), 0);
}

Test(doctor, json)
{
    cr_assert_eq(RUN("doctor", "--json", NOWHERE "/"), CTL_FAILED);
    json_t *root = json_loads(output, 0, NULL);
    cr_assert_not_null(root, "%s", output);
    cr_assert(json_is_false(json_object_get(root, "ok")));
    const json_t *checks = json_object_get(root, "checks");
    cr_assert_eq(json_array_size(checks), 4);
    const json_t *reach = json_array_get(checks, 3);
    cr_assert_str_eq(json_string_value(json_object_get(reach, "name")), "reach");
    cr_assert_str_eq(json_string_value(json_object_get(reach, "state")), "fix");
    cr_assert_not_null(strstr(json_string_value(json_object_get(reach, "text")), NOWHERE ": "),
                       "the slash at the end stays: %s", output);
    json_decref(root);
}

Test(doctor, used_wrongly)
{
    static const char *const urls[][2] = {
        {"localhost:8080", "the URL \"localhost:8080\" does not begin with http:// or https://"},
        {"ftp://h", "does not begin with http:// or https://"},
        {"http://", "names no host: http://localhost:8080, or"},
        {"http:///x", "names no host"},
        {"http://:8080", "names no host"},
        {"https://", "names no host"},
        {"http://h/?x", "has a query, which is not accepted"},
        {"http://h#", "has a fragment, which is not accepted"},
        {"http://h x", "has a blank, which is not accepted"},
        {"http://u@h/", "a user name or a password in the URL is not accepted"},
        {"http://user:pw-9@h", "leave out what is before the @"},
    };
    cr_assert_eq(RUN("doctor"), CTL_WRONG_USE);
    EXPECT_ERROR("the gateway's URL is missing: http://localhost:8080, or https:// and its name");
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        cr_assert_eq(RUN("doctor", urls[i][0]), CTL_WRONG_USE, "%s", urls[i][0]);
        EXPECT_ERROR(urls[i][1]);
        cr_assert_null(strstr(errors, "pw-9"), "a password is said again");
    }
    cr_assert_eq(RUN("doctor", NOWHERE, "more"), CTL_WRONG_USE);
    put_file(config_file, 0644, "nonsense");
    cr_assert_eq(RUN("doctor", NOWHERE), CTL_FAILED);
}
