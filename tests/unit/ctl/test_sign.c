/* test_sign.c: sigpostctl sign and verify: what one prints, the other believes. */
#include "fixture.h"

static void set_up_key(void)
{
    set_up();
    put_key();
}

TestSuite(sign, .init = set_up_key, .fini = tear_down);

/* hmac.new(b"super-secret-of-the-tests-0123456789",
 *          b"POST|/v1/metrics|1712345678|session-123", "sha256") and the same without a session */
#define MAC_SESSION "a8d3a9f41a98b0a8a7363f94ebc9ea35bc5fbe2200011fdacdf2a5a890de5f3d"
#define MAC_PLAIN "3782bad82322d14bf80df9465dc794ea4fe9ef5da194fcd9fc52e368572793fd"

Test(sign, prints_the_headers)
{
    cr_assert_eq(RUN("sign", "/v1/metrics", "--session", "session-123", "--client-version=2.0"),
                 CTL_DONE, "%s", errors);
    cr_assert_str_eq(output, "X-KMS-Signature: " MAC_SESSION "\n"
                             "X-KMS-Timestamp: 1712345678\n"
                             "X-KMS-Session-ID: session-123\n"
                             "X-KMS-Key-ID: k\n"
                             "X-KMS-Client-Version: 2.0\n");
    cr_assert_eq(RUN("sign", "--key", "k", "--timestamp", "1712345678", "--", "/v1/metrics"),
                 CTL_DONE);
    cr_assert_str_eq(output, "X-KMS-Signature: " MAC_PLAIN "\n"
                             "X-KMS-Timestamp: 1712345678\n"
                             "X-KMS-Key-ID: k\n");
}

static int sign_path(const char *path)
{
    return RUN("sign", path);
}

Test(sign, what_cannot_be_signed_is_wrong_use)
{
    char longest[SIGNATURE_PATH_MAX + 2];
    memset(longest, 'p', sizeof(longest));
    longest[0] = '/';
    longest[SIGNATURE_PATH_MAX + 1] = '\0';
    cr_assert_eq(sign_path(longest), CTL_WRONG_USE);
    longest[SIGNATURE_PATH_MAX] = '\0';
    cr_assert_eq(sign_path(longest), CTL_DONE);
    cr_assert_eq(sign_path("/"), CTL_WRONG_USE);
    EXPECT_ERROR("/v1/metrics");
    static const char *const bad[] = {"", "v1/metrics", "/a?b", "/a#b", "/a b", "/a\nb"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(sign_path(bad[i]), CTL_WRONG_USE, "%s", bad[i]);
    }
    cr_assert_eq(RUN("sign"), CTL_WRONG_USE);
    EXPECT_ERROR("the path is missing");
    cr_assert_eq(RUN("sign", "/a", "/b"), CTL_WRONG_USE);
    cr_assert_eq(RUN("sign", "/a", "--session", "a|b"), CTL_WRONG_USE);
    EXPECT_ERROR("--session");
    cr_assert_eq(RUN("sign", "/a", "--timestamp", "1712345678000"), CTL_WRONG_USE);
    cr_assert_eq(RUN("sign", "/a", "--timestamp", "-1"), CTL_WRONG_USE);
    cr_assert_eq(RUN("sign", "/a", "--key", "a b"), CTL_WRONG_USE);
    cr_assert_eq(RUN("sign", "/a", "--client-version", "1\r\nX: y"), CTL_WRONG_USE);
    cr_assert_eq(RUN("sign", "/a", "--key", "other"), CTL_FAILED);
    EXPECT_ERROR("there is no key \"other\"");
}

Test(sign, without_a_key)
{
    cr_assert_eq(unlink(ring_file), 0);
    cr_assert_eq(RUN("sign", "/a"), CTL_FAILED);
    EXPECT_ERROR("sigpostctl secret init");
    cr_assert_eq(RUN_WITH("X: y\n", "verify", "--path", "/a"), CTL_FAILED);
    EXPECT_ERROR("sigpostctl secret init");
}

Test(sign, the_environment_is_a_source)
{
    cr_assert_eq(unlink(ring_file), 0);
    char variable[] = "KOTORMODSYNC_SIGNING_SECRET=" SECRET;
    cr_assert_eq(run_words("", (char *const[]){variable, NULL},
                           (const char *const[]){"sign", "/v1/metrics", NULL}),
                 CTL_DONE, "%s", errors);
    EXPECT_OUTPUT("X-KMS-Signature: " MAC_PLAIN "\n");
    EXPECT_OUTPUT("X-KMS-Key-ID: env\n");
}

static int sign_url(const char *url)
{
    return RUN("sign", "--curl", url, config_file);
}

Test(sign, the_path_of_a_url)
{
    static const char *const same[] = {"http://h/v1/metrics", "https://h:4318/v1/metrics?x=1",
                                       "http://[::1]:8080/v1/metrics#f",
                                       "https://user@h/v1/metrics?a/b"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        cr_assert_eq(sign_url(same[i]), CTL_DONE, "%s", errors);
        EXPECT_OUTPUT(MAC_PLAIN);
        EXPECT_OUTPUT(same[i]);
    }
    static const char *const no_path[] = {"http://h", "http://h/", "http://h:1?x=1", "http://h/?x"};
    for (size_t i = 0; i < sizeof(no_path) / sizeof(no_path[0]); i++) {
        cr_assert_eq(sign_url(no_path[i]), CTL_WRONG_USE, "%s", no_path[i]);
        EXPECT_ERROR("/v1/metrics");
    }
    static const char *const bad[] = {"h/v1/metrics", "ftp://h/x",     "http://", "http:///x",
                                      "http://h/a b", "http://h/a\nb", ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(sign_url(bad[i]), CTL_WRONG_USE, "%s", bad[i]);
        EXPECT_ERROR("is no URL");
    }
    cr_assert_eq(RUN("sign", "--curl", "http://h/v1/metrics"), CTL_WRONG_USE);
    EXPECT_ERROR("the file to post is missing");
    cr_assert_eq(RUN("sign", "--curl", "http://h/v1/metrics", "/nowhere/x.pb"), CTL_FAILED);
    EXPECT_ERROR("/nowhere/x.pb: cannot be read");
    cr_assert_eq(RUN("sign", "--curl", "http://h/v1/metrics", "-"), CTL_DONE);
    EXPECT_OUTPUT("--data-binary '@-'");
}

#define HEADERS(mac, timestamp, session) \
    "X-KMS-Signature: " mac "\nX-KMS-Timestamp: " timestamp "\n" session
#define GOOD HEADERS(MAC_SESSION, "1712345678", "X-KMS-Session: session-123\r\n")

static int verify(const char *headers)
{
    return RUN_WITH(headers, "verify", "--path", "/v1/metrics");
}

Test(sign, verify_believes_what_sign_prints)
{
    cr_assert_eq(verify(GOOD), CTL_DONE, "%s%s", output, errors);
    cr_assert_str_eq(output, "ok key=k session=session-123\n");
    cr_assert_eq(verify(HEADERS(MAC_PLAIN, "1712345678", "Host: x\n\nbody without a colon")),
                 CTL_DONE);
    cr_assert_str_eq(output, "ok key=k session=-\n");
    cr_assert_eq(RUN_WITH("POST / HTTP/1.1\r\n" GOOD, "verify", "--path", "/"), CTL_DONE);
    cr_assert_str_eq(output, "ok key=k session=session-123 path=/v1/metrics\n");
    cr_assert_eq(RUN_WITH(GOOD, "verify", "--path=/v1/metrics", "--at", "1712345978"), CTL_DONE);
}

Test(sign, verify_names_the_reason)
{
    cr_assert_eq(verify("Host: x\n"), CTL_FAILED);
    EXPECT_OUTPUT("missing_headers: ");
    cr_assert_eq(verify(GOOD "X-KMS-Session-ID: other\n"), CTL_FAILED);
    EXPECT_OUTPUT("repeated_header: ");
    EXPECT_OUTPUT(
        "\nX-KMS-Session-ID came twice, or with another value than under its other name\n");
    cr_assert_eq(verify(GOOD "x-kms-key-id: k\nA: b\nx-kms-key-id: k\nX-KMS-Timestamp: 1\n"),
                 CTL_FAILED);
    EXPECT_OUTPUT("\nx-kms-key-id came twice");
    cr_assert_eq(verify(HEADERS(MAC_PLAIN, "now", "")), CTL_FAILED);
    EXPECT_OUTPUT("invalid_timestamp: ");
    cr_assert_eq(verify(HEADERS(MAC_PLAIN, "1712345678", "X-KMS-Session: a|b\n")), CTL_FAILED);
    EXPECT_OUTPUT("invalid_session: ");
    cr_assert_eq(verify(HEADERS(MAC_SESSION, "1712345678", "")), CTL_FAILED);
    EXPECT_OUTPUT("invalid_signature: the signature is not valid. Sign POST|");
    cr_assert_eq(verify(HEADERS("abc", "1712345678", "")), CTL_FAILED);
    EXPECT_OUTPUT("\nX-KMS-Signature is not 64 hex digits\n");
    cr_assert_null(strstr(output, "X-KMS-Key-ID"), "%s", output);
    cr_assert_eq(verify(GOOD "X-KMS-Key-ID: a b\n"), CTL_FAILED);
    EXPECT_OUTPUT("\nX-KMS-Key-ID is not 1 to 64 of A-Z a-z 0-9 . _ -\n");
    cr_assert_null(strstr(output, "is not 64 hex digits"), "%s", output);
    cr_assert_eq(verify(HEADERS("abc", "1712345678", "X-KMS-Key-ID: a b\n")), CTL_FAILED);
    EXPECT_OUTPUT("\nX-KMS-Signature is not 64 hex digits\nX-KMS-Key-ID is not 1 to 64");
    cr_assert_eq(RUN_WITH(GOOD, "verify", "--path", "/v1/metrics", "--at", "1712345979"),
                 CTL_FAILED);
    EXPECT_OUTPUT("timestamp_drift: ");
    EXPECT_OUTPUT("301 s behind the clock (1712345979); the window is 300 s");
    cr_assert_eq(RUN_WITH(GOOD, "verify", "--path", "/v1/metrics", "--at", "1"), CTL_FAILED);
    EXPECT_OUTPUT("ahead of the clock");

    put_file(ring_file, 0600,
             "keys = ( { id = \"k\"; secret = \"" SECRET "\"; state = \"revoked\"; } );");
    cr_assert_eq(verify(GOOD), CTL_FAILED);
    EXPECT_OUTPUT("retired_key: ");
    EXPECT_OUTPUT("key k");
}

Test(sign, verify_used_wrongly)
{
    cr_assert_eq(RUN_WITH(GOOD, "verify"), CTL_WRONG_USE);
    cr_assert_eq(RUN_WITH(GOOD, "verify", "--path", "v1"), CTL_WRONG_USE);
    cr_assert_eq(RUN_WITH(GOOD, "verify", "--path", "/v1/metrics?x"), CTL_WRONG_USE);
    cr_assert_eq(RUN_WITH(GOOD, "verify", "--path", "/v1/metrics", "--at", "x"), CTL_WRONG_USE);
    cr_assert_eq(verify("Host: x\nno colon here\n"), CTL_WRONG_USE);
    EXPECT_ERROR("line 2 is no header line: \"no colon here\"");
    cr_assert_eq(verify(""), CTL_WRONG_USE);
    EXPECT_ERROR("nothing was read");
}
