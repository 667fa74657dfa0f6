/* test_explain.c: sigpostctl explain: every rule broken once, and every slip guessed. */
#include "fixture.h"

#include <jansson.h>

#define HEX_SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define BASE64_SECRET "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ="

static void set_up_keys(void)
{
    char state[300];
    set_up();
    snprintf(state, sizeof(state), "%s/state", dir);
    cr_assert_eq(mkdir(state, 0700), 0);
    put_file(ring_file, 0600,
             "keys = ( { id = \"k\"; secret = \"" SECRET "\"; state = \"active\"; },\n"
             "{ id = \"hex\"; secret = \"" HEX_SECRET "\"; state = \"active\"; },\n"
             "{ id = \"b64\"; secret = \"" BASE64_SECRET "\"; state = \"active\"; },\n"
             "{ id = \"gone\"; secret = \"gone-" SECRET "\"; state = \"revoked\"; },\n"
             "{ id = \"soon\"; secret = \"soon-" SECRET "\"; state = \"pending\"; } );");
}

TestSuite(explain, .init = set_up_keys, .fini = tear_down);

static char signature[2 * SIGNATURE_BYTES + 1];

static const char *sign(const char *secret, const char *message)
{
    cr_assert(signature_sign(slice_of(secret), slice_of(message), signature));
    return signature;
}

/* Explains a request of /v1/metrics at NOW with session s-1, and `more` headers. */
static int explain_with(const char *mac, const char *timestamp, const char *more)
{
    char text[2000];
    snprintf(text, sizeof(text),
             "POST /v1/metrics HTTP/1.1\nX-KMS-Signature: %s\nX-KMS-Timestamp: %s\n"
             "X-KMS-Session-ID: s-1\n%s",
             mac, timestamp, more);
    return RUN_WITH(text, "explain");
}

#define MESSAGE "POST|/v1/metrics|1712345678|s-1"

static int explain(const char *secret, const char *message)
{
    return explain_with(sign(secret, message), "1712345678", "");
}

Test(explain, a_good_request)
{
    cr_assert_eq(explain(SECRET, MESSAGE), CTL_DONE, "%s%s", output, errors);
    EXPECT_OUTPUT("canonical string: " MESSAGE "\n");
    EXPECT_OUTPUT("ok    signature  made with key k\n");
    EXPECT_OUTPUT("verdict: ok\n");
    cr_assert_null(strstr(output, "FAIL"), "%s", output);
    cr_assert_null(strstr(output, "hint"), "%s", output);
}

Test(explain, the_root_path_names_the_path_that_was_signed)
{
    char text[600];
    snprintf(text, sizeof(text),
             "curl http://h -d x -H 'X-KMS-Signature: %s' -H 'X-KMS-Timestamp: 1712345678'",
             sign(SECRET, "POST|/v1/traces|1712345678|"));
    cr_assert_eq(RUN_WITH(text, "explain"), CTL_DONE, "%s%s", output, errors);
    EXPECT_OUTPUT("canonical string: POST|/v1/traces|1712345678|\n");
    EXPECT_OUTPUT("made with key k over /v1/traces");
    EXPECT_OUTPUT("none: the canonical string ends with |");
    char *const off[] = {(char[]){"SIGPOST_AUTH_ROOT_PATH=false"}, NULL};
    cr_assert_eq(run_words(text, off, (const char *const[]){"explain", NULL}), CTL_FAILED);
    EXPECT_OUTPUT("FAIL  path       / is answered 404 while auth.root_path is false");
    EXPECT_OUTPUT("verdict: the signature is good, the request is not");
}

Test(explain, every_rule_that_can_be_broken)
{
    static const struct {
        const char *mac, *timestamp, *more, *words;
    } cases[] = {
        {"", "1712345678", "", "FAIL  headers    X-KMS-Signature is missing"},
        {"", "", "", "FAIL  headers    X-KMS-Signature and X-KMS-Timestamp are missing"},
        {"aa", "", "", "FAIL  headers    X-KMS-Timestamp is missing"},
        {"aa", "1712345678", "X-KMS-Session: other\n",
         "FAIL  headers    X-KMS-Session came twice, or"},
        {"aa", "now", "", "FAIL  timestamp  \"now\" is not 1 to 12 digits: send Unix seconds"},
        {"aa", "1712345678000", "", "milliseconds? Send seconds"},
        {"aa", "now", "", "-     window     no timestamp"},
        {"aa", "1712345678", "", "FAIL  form       the signature has 2 characters, 2 of them hex"},
        {"aa", "1712345678", "", "-     signature  not looked at before the headers are in form"},
        {"4rEBcpBDnkmVyYrTeXcRxF0VWrb9qFGgDhsOTP2MLNo=", "1712345678", "", "looks like base64"},
        {"aa", "1712345678", "X-KMS-Key-ID: a b\n", "FAIL  key id     \"a b\" is not 1 to 64"},
        {"aa", "1712345000", "", "FAIL  window     678 s behind the clock (1712345678); up to 300"},
        {"aa", "1712346000", "", "FAIL  window     322 s ahead of the clock"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(explain_with(cases[i].mac, cases[i].timestamp, cases[i].more), CTL_FAILED);
        EXPECT_OUTPUT(cases[i].words);
    }
    cr_assert_eq(RUN_WITH("X-KMS-Session: a|b\n", "explain", "--path", "/v1/logs"), CTL_FAILED);
    EXPECT_OUTPUT("FAIL  session    \"a|b\" is not up to 128 of");
    cr_assert_eq(RUN_WITH("A: b\n", "explain", "--path", "/metrics"), CTL_FAILED);
    EXPECT_OUTPUT("note  path       /metrics takes no telemetry (404)");
    cr_assert_eq(RUN_WITH("curl http://h/v1/logs?a=b", "explain"), CTL_FAILED);
    EXPECT_OUTPUT("FAIL  method     GET is answered 405");
    EXPECT_OUTPUT("ok    path       /v1/logs; the query ?a=b is not signed");
}

/* The window and the signature are judged each by itself. */
Test(explain, a_stale_signature_is_still_looked_at)
{
    const char *mac = sign(SECRET, "POST|/v1/metrics|1712345000|s-1");
    cr_assert_eq(explain_with(mac, "1712345000", ""), CTL_FAILED);
    EXPECT_OUTPUT("FAIL  window");
    EXPECT_OUTPUT("ok    signature  made with key k");
    EXPECT_OUTPUT("verdict: timestamp_drift (401)");
    char text[600];
    snprintf(text, sizeof(text),
             "X-KMS-Signature: %s\nX-KMS-Timestamp: 1712345000\nX-KMS-Session: s-1\n", mac);
    cr_assert_eq(RUN_WITH(text, "explain", "--path", "/v1/metrics", "--at", "1712345001"),
                 CTL_DONE);
    char *const lease[] = {(char[]){"SIGPOST_AUTH_SESSION_LEASE=1h"}, NULL};
    cr_assert_eq(
        run_words(text, lease, (const char *const[]){"explain", "--path", "/v1/metrics", NULL}),
        CTL_FAILED);
    EXPECT_OUTPUT("A session with a lease on this very signature still passes");
}

Test(explain, keys_that_are_not_accepted)
{
    cr_assert_eq(explain("gone-" SECRET, MESSAGE), CTL_FAILED);
    EXPECT_OUTPUT("made with key gone, which is past its day or revoked");
    EXPECT_OUTPUT("verdict: retired_key (403)");
    cr_assert_eq(explain("soon-" SECRET, MESSAGE), CTL_FAILED);
    EXPECT_OUTPUT("hint: key soon made it, and is not valid yet");
    cr_assert_eq(explain_with(sign("soon-" SECRET, MESSAGE), "1712345678", "X-KMS-Key-ID: soon\n"),
                 CTL_FAILED);
    EXPECT_OUTPUT("verdict: key_not_ready (503)");
    cr_assert_eq(explain_with(sign(SECRET, MESSAGE), "1712345678", "X-KMS-Key-ID: hex\n"),
                 CTL_DONE);
    EXPECT_OUTPUT("note  key id     hex did not sign this; key k did");
}

Test(explain, slips_are_guessed)
{
    static const struct {
        const char *message, *hint;
    } cases[] = {
        {"POST|/v1/traces|1712345678|s-1", "key k signed the path /v1/traces"},
        {"POST|/|1712345678|s-1", "key k signed the path /:"},
        {"POST|/v1/metrics/|1712345678|s-1", "key k signed the path /v1/metrics/"},
        {"POST|/v1/metrics|1712345678|", "key k signed no session"},
        {"GET|/v1/metrics|1712345678|s-1", "key k signed the method \"GET\""},
        {"post|/v1/metrics|1712345678|s-1", "key k signed the method \"post\""},
        {MESSAGE "\n", "with a line break at its end"},
        {MESSAGE "|", "with one more | at its end"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(explain(SECRET, cases[i].message), CTL_FAILED);
        EXPECT_OUTPUT(cases[i].hint);
        EXPECT_OUTPUT("verdict: invalid_signature (403)");
    }
    cr_assert_eq(explain(SECRET "\n", MESSAGE), CTL_FAILED);
    EXPECT_OUTPUT("the secret of key k was used with a line break behind it");
    cr_assert_eq(explain("another secret, of nobody here", MESSAGE), CTL_FAILED);
    cr_assert_null(strstr(output, "hint"), "%s", output);
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        n++;
    }
    return n;
}

/* The path without its slash is a path of a signal, too: two guesses, one hint. */
Test(explain, a_slash_at_the_end_is_hinted_at_once)
{
    char text[400];
    snprintf(text, sizeof(text),
             "POST /v1/metrics/ HTTP/1.1\nX-KMS-Signature: %s\nX-KMS-Timestamp: 1712345678\n"
             "X-KMS-Session-ID: s-1\n",
             sign(SECRET, MESSAGE));
    cr_assert_eq(RUN_WITH(text, "explain", "--at", "1712345678"), CTL_FAILED);
    cr_assert_eq(count(output, "hint: "), 1, "%s", output);
    EXPECT_OUTPUT("hint: key k signed the path /v1/metrics: sign the path that is sent\n");
}

Test(explain, decoded_secrets_are_guessed)
{
    char bytes[32];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(unsigned char)((i % 16) * 0x11);
    }
    cr_assert(signature_sign(slice_make(bytes, 32), slice_of(MESSAGE), signature));
    cr_assert_eq(explain_with(signature, "1712345678", ""), CTL_FAILED);
    EXPECT_OUTPUT("the secret of key hex was decoded from hex");
    cr_assert_eq(explain("secret-secret-secret-secret-1234", MESSAGE), CTL_FAILED);
    EXPECT_OUTPUT("the secret of key b64 was decoded from base64");
}

Test(explain, a_signed_query_or_url_is_guessed)
{
    char text[800];
    snprintf(text, sizeof(text),
             "curl -d x 'http://h/v1/logs?a=b' -H 'X-KMS-Signature: %s' "
             "-H 'X-KMS-Timestamp: 1712345678'",
             sign(SECRET, "POST|/v1/logs?a=b|1712345678|"));
    cr_assert_eq(RUN_WITH(text, "explain"), CTL_FAILED);
    EXPECT_OUTPUT("key k signed the path /v1/logs?a=b: sign the path that is sent");
    snprintf(text, sizeof(text),
             "curl -d x http://h/v1/logs -H 'X-KMS-Signature: %s' "
             "-H 'X-KMS-Timestamp: 1712345678'",
             sign(SECRET, "POST|http://h/v1/logs|1712345678|"));
    cr_assert_eq(RUN_WITH(text, "explain"), CTL_FAILED);
    EXPECT_OUTPUT("key k signed the path http://h/v1/logs:");
}

Test(explain, json_says_the_same)
{
    char text[600];
    snprintf(text, sizeof(text), "X-KMS-Signature: %s\nX-KMS-Timestamp: 1712345678\n",
             sign(SECRET, "POST|/v1/metrics|1712345678|"));
    cr_assert_eq(RUN_WITH(text, "explain", "--json", "--path", "/v1/metrics"), CTL_DONE);
    json_t *root = json_loads(output, 0, NULL);
    cr_assert_not_null(root, "%s", output);
    cr_assert(json_is_true(json_object_get(root, "ok")));
    cr_assert_str_eq(json_string_value(json_object_get(root, "verdict")), "ok");
    cr_assert_str_eq(json_string_value(json_object_get(root, "key_id")), "k");
    cr_assert_eq(json_array_size(json_object_get(root, "rules")), 9);
    json_decref(root);
    cr_assert_eq(RUN_WITH("X-KMS-Session: \xff\033[1m\"\n", "explain", "--json", "--path", "/a"),
                 CTL_FAILED);
    root = json_loads(output, 0, NULL);
    cr_assert_not_null(root, "%s", output);
    cr_assert_not(json_is_true(json_object_get(root, "ok")));
    cr_assert(json_is_null(json_object_get(root, "key_id")));
    cr_assert_not_null(
        strstr(json_string_value(json_object_get(root, "canonical")), "\\xff\033[1m"));
    json_decref(root);
}

/* What a stranger sent is no command to a terminal, and no secret is shown, whatever happens. */
Test(explain, shows_no_control_bytes_and_no_secret)
{
    cr_assert_eq(RUN_WITH("X-KMS-Session: \033[2J\n", "explain", "--path", "/a"), CTL_FAILED);
    cr_assert_null(strchr(output, '\033'), "%s", output);
    cr_assert_eq(explain(SECRET "\n", MESSAGE), CTL_FAILED);
    cr_assert_null(strstr(output, "super-secret"), "%s", output);
}

Test(explain, used_wrongly)
{
    cr_assert_eq(RUN_WITH("A: b\n", "explain"), CTL_WRONG_USE);
    EXPECT_ERROR("--path is missing");
    cr_assert_eq(RUN_WITH("A: b\n", "explain", "--path", "x"), CTL_WRONG_USE);
    cr_assert_eq(RUN_WITH("A: b\n", "explain", "--path", "/x", "--at", "y"), CTL_WRONG_USE);
    cr_assert_eq(RUN_WITH("curl -X", "explain"), CTL_WRONG_USE);
    EXPECT_ERROR("curl's -X needs a value");
    cr_assert_eq(RUN_WITH("curl \"http://h/$X\"", "explain"), CTL_WRONG_USE);
    cr_assert_eq(unlink(ring_file), 0);
    cr_assert_eq(RUN_WITH("A: b\n", "explain", "--path", "/x"), CTL_FAILED);
    EXPECT_ERROR("there is no key");
}
