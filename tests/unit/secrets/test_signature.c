/* test_signature.c: header names, grammar, message, window and HMAC of the KMS signature. */
#include "secrets/signature.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* python3 -c 'import hmac; print(hmac.new(b"super-secret",
 *   b"POST|/v1/metrics|1712345678|session-123", "sha256").hexdigest())' */
#define VECTOR_MAC "bde7cfa92ee08bded36169b4c6fc477126bfd32bace9e50919a5c552650ff56e"

static bool add(struct signature_headers *headers, const char *name, const char *value)
{
    return signature_headers_add(headers, slice_of(name), slice_of(value));
}

static struct signature_headers vector_headers(void)
{
    struct signature_headers headers = {0};
    add(&headers, "X-KMS-Signature", VECTOR_MAC);
    add(&headers, "X-KMS-Timestamp", "1712345678");
    add(&headers, "X-KMS-Session-ID", "session-123");
    return headers;
}

static enum reason parse(const struct signature_headers *headers)
{
    struct signature_claim claim;
    memset(&claim, 0x5a, sizeof(claim));
    enum reason reason = signature_parse(headers, &claim);
    if (reason != REASON_OK) {
        cr_assert_eq(claim.timestamp, 0, "a refused claim is zeroed");
        cr_assert_null(claim.session.data);
        cr_assert_eq(claim.mac[0], 0);
    }
    return reason;
}

Test(signature, vector_signs_and_parses)
{
    char message[SIGNATURE_MESSAGE_MAX(SIGNATURE_PATH_MAX)];
    size_t len = signature_message(SLICE_LIT("/v1/metrics"), SLICE_LIT("1712345678"),
                                   SLICE_LIT("session-123"), message, sizeof(message));
    cr_assert(slice_eq_str(slice_make(message, len), "POST|/v1/metrics|1712345678|session-123"));

    char signature[2 * SIGNATURE_BYTES + 1];
    cr_assert(signature_sign(SLICE_LIT("super-secret"), slice_make(message, len), signature));
    cr_assert_str_eq(signature, VECTOR_MAC);

    struct signature_headers headers = vector_headers();
    struct signature_claim claim;
    cr_assert_eq(signature_parse(&headers, &claim), REASON_OK);
    cr_assert_eq(claim.timestamp, 1712345678);
    cr_assert(slice_eq_str(claim.timestamp_text, "1712345678"));
    cr_assert(slice_eq_str(claim.session, "session-123"));
    cr_assert_null(claim.key_id.data);
    cr_assert_eq(claim.mac[0], 0xbd);
    cr_assert_eq(claim.mac[31], 0x6e);
}

Test(signature, no_session_is_an_empty_string_in_the_message)
{
    char message[64];
    size_t len = signature_message(SLICE_LIT("/v1/metrics"), SLICE_LIT("1712345678"),
                                   (struct slice){0}, message, sizeof(message));
    cr_assert(slice_eq_str(slice_make(message, len), "POST|/v1/metrics|1712345678|"));
    char signature[2 * SIGNATURE_BYTES + 1];
    cr_assert(signature_sign(SLICE_LIT("super-secret"), slice_make(message, len), signature));
    cr_assert_str_eq(signature, "e6c493e66a9a108bde333f1ef08d2623e4674a4ef27acca644ef2f38c6359633");
}

Test(signature, a_secret_is_not_decoded)
{
    /* hmac.new(b"ab" * 32, b"m", "sha256"): the text, not the bytes the hex stands for. */
    static const char secret[] = "abababababababababababababababababababababababababababababababab";
    char text[2 * SIGNATURE_BYTES + 1];
    cr_assert(signature_sign(slice_of(secret), SLICE_LIT("m"), text));
    cr_assert_str_eq(text, "556c09bf8cf33ce4320ca61b36c2e6292bc28f9ed9bc8de770455896d9f419e0");
}

Test(signature, message_fits_exactly_or_not_at_all)
{
    char out[32];
    memset(out, '#', sizeof(out));
    /* POST|/p|1|s is 11 bytes */
    cr_assert_eq(signature_message(SLICE_LIT("/p"), SLICE_LIT("1"), SLICE_LIT("s"), out, 10), 0);
    cr_assert_eq(out[0], '#', "nothing is written when it does not fit");
    cr_assert_eq(signature_message(SLICE_LIT("/p"), SLICE_LIT("1"), SLICE_LIT("s"), out, 11), 11);
    cr_assert_eq(out[11], '#');
    cr_assert_eq(
        signature_message(slice_make("x", SIZE_MAX), SLICE_LIT("1"), SLICE_LIT("s"), out, 32), 0);
    cr_assert_eq(
        signature_message(SLICE_LIT("/p"), slice_make("x", SIZE_MAX - 1), SLICE_LIT("s"), out, 32),
        0);
}

Test(signature, longest_message_fits_its_bound)
{
    char path[SIGNATURE_PATH_MAX];
    char session[SIGNATURE_SESSION_MAX];
    char out[SIGNATURE_MESSAGE_MAX(SIGNATURE_PATH_MAX)];
    memset(path, 'p', sizeof(path));
    memset(session, 's', sizeof(session));
    cr_assert_eq(signature_message(slice_make(path, sizeof(path)), SLICE_LIT("999999999999"),
                                   slice_make(session, sizeof(session)), out, sizeof(out)),
                 sizeof(out));
}

Test(signature, header_names_without_case_but_exact)
{
    struct signature_headers headers = {0};
    cr_assert(add(&headers, "x-kms-signature", "a"));
    cr_assert(add(&headers, "X-KMS-TIMESTAMP", "b"));
    cr_assert(add(&headers, "x-Kms-Session", "c"));
    cr_assert(add(&headers, "X-KMS-Version", "d"));
    cr_assert(add(&headers, "X-KMS-Build", "e"));
    cr_assert(add(&headers, "X-KMS-Key-ID", "f"));
    cr_assert(slice_eq_str(headers.signature, "a"));
    cr_assert(slice_eq_str(headers.timestamp, "b"));
    cr_assert(slice_eq_str(headers.session, "c"));
    cr_assert(slice_eq_str(headers.version, "d"));
    cr_assert(slice_eq_str(headers.build, "e"));
    cr_assert(slice_eq_str(headers.key_id, "f"));

    static const char *const others[] = {"X_KMS_Signature",
                                         "X.KMS.Signature",
                                         "X-KMS_Signature",
                                         "X-KMS-Signatur",
                                         "X-KMS-Signature2",
                                         "X-KMS-Signature ",
                                         "",
                                         "KMS-Signature",
                                         "X-KMS-",
                                         "X-KMS-Session_ID",
                                         "\xd8-kms-signature"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct signature_headers none = {0};
        cr_assert_not(add(&none, others[i], "v"), "%s is no signing header", others[i]);
        cr_assert_null(none.signature.data);
        cr_assert_not(none.repeated);
    }
    cr_assert_not(signature_headers_add(&headers, slice_make("X\rKMS-Build", 11), SLICE_LIT("v")));
}

Test(signature, blanks_around_values_are_cut)
{
    struct signature_headers headers = {0};
    add(&headers, "X-KMS-Session", " \t a b \t");
    cr_assert(slice_eq_str(headers.session, "a b"));
    struct signature_headers blank = {0};
    add(&blank, "X-KMS-Key-ID", " \t ");
    cr_assert_not_null(blank.key_id.data);
    cr_assert_eq(blank.key_id.len, 0);
    struct signature_headers null = {0};
    cr_assert(signature_headers_add(&null, SLICE_LIT("X-KMS-Key-ID"), (struct slice){0}));
    cr_assert_not_null(null.key_id.data, "a header without a value is empty, not absent");
}

Test(signature, both_names)
{
    struct signature_headers headers = vector_headers();
    add(&headers, "X-KMS-Session", " session-123 ");
    add(&headers, "X-KMS-Version", "2.0");
    add(&headers, "X-KMS-Client-Version", "2.0");
    cr_assert_eq(parse(&headers), REASON_OK, "both names with equal values are fine");
    add(&headers, "X-KMS-Session", "session-123");
    cr_assert_eq(parse(&headers), REASON_REPEATED_HEADER, "one name twice is not");

    headers = vector_headers();
    add(&headers, "X-KMS-Session", "session-124");
    cr_assert_eq(parse(&headers), REASON_REPEATED_HEADER);
    cr_assert(slice_eq_str(headers.session, "session-123"));

    headers = vector_headers();
    add(&headers, "X-KMS-Session", "");
    cr_assert_eq(parse(&headers), REASON_REPEATED_HEADER, "empty differs from given");
}

Test(signature, one_name_twice_is_repeated_even_if_equal)
{
    static const char *const names[] = {
        "X-KMS-Signature", "X-KMS-Timestamp", "X-KMS-Session-ID", "X-KMS-Session",
        "X-KMS-Key-ID",    "X-KMS-Version",   "X-KMS-Build",      "X-KMS-Client-Version"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct signature_headers headers = {0};
        add(&headers, names[i], "1");
        cr_assert_not(headers.repeated);
        cr_assert_null(headers.repeated_name.data);
        add(&headers, names[i], "1");
        cr_assert(headers.repeated, "%s", names[i]);
        cr_assert(slice_eq_str(headers.repeated_name, names[i]), "%s", names[i]);
        add(&headers, names[(i + 1) % 8], "1");
        add(&headers, names[(i + 1) % 8], "2");
        cr_assert(slice_eq_str(headers.repeated_name, names[i]), "the first: %s", names[i]);
    }
    struct signature_headers empty = {0};
    add(&empty, "X-KMS-Session", "");
    add(&empty, "X-KMS-Session", "");
    cr_assert(empty.repeated, "also when the values are empty");
}

Test(signature, missing_headers)
{
    struct signature_headers none = {0};
    cr_assert_eq(parse(&none), REASON_MISSING_HEADERS);
    struct signature_headers headers = vector_headers();
    headers.signature = (struct slice){0};
    cr_assert_eq(parse(&headers), REASON_MISSING_HEADERS);
    headers = vector_headers();
    headers.timestamp = SLICE_LIT("");
    cr_assert_eq(parse(&headers), REASON_MISSING_HEADERS);
}

static enum reason with_timestamp(const char *text)
{
    struct signature_headers headers = vector_headers();
    headers.timestamp = slice_of(text);
    return parse(&headers);
}

Test(signature, timestamp_grammar)
{
    cr_assert_eq(with_timestamp("0"), REASON_OK);
    cr_assert_eq(with_timestamp("000000000001"), REASON_OK);
    cr_assert_eq(with_timestamp("999999999999"), REASON_OK);
    static const char *const bad[] = {"1000000000000",
                                      "-1",
                                      "+1",
                                      "1 2",
                                      "1.5",
                                      "0x10",
                                      "1e9",
                                      " 1",
                                      "1\n",
                                      "abc",
                                      "99999999999999999999999999999",
                                      "١٢٣",
                                      "1712345678Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(with_timestamp(bad[i]), REASON_INVALID_TIMESTAMP, "%s", bad[i]);
    }
    struct signature_headers headers = vector_headers();
    headers.timestamp = slice_make("1\0002", 3);
    cr_assert_eq(parse(&headers), REASON_INVALID_TIMESTAMP);

    int64_t seconds = -1;
    cr_assert(signature_timestamp_parse(SLICE_LIT("999999999999"), &seconds));
    cr_assert_eq(seconds, INT64_C(999999999999));
    cr_assert_not(signature_timestamp_parse((struct slice){0}, &seconds));
    cr_assert_eq(seconds, 0);
}

static enum reason with_session(struct slice session)
{
    struct signature_headers headers = vector_headers();
    headers.session = session;
    return parse(&headers);
}

Test(signature, session_grammar)
{
    char longest[SIGNATURE_SESSION_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    cr_assert_eq(with_session(slice_make(longest, 128)), REASON_OK);
    cr_assert_eq(with_session(slice_make(longest, 129)), REASON_INVALID_SESSION);
    cr_assert_eq(with_session((struct slice){0}), REASON_OK);
    cr_assert_eq(with_session(SLICE_LIT("")), REASON_OK);
    for (int c = 0; c < 256; c++) {
        char one = (char)c;
        bool fine = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    c == '.' || c == '_' || c == ':' || c == '-';
        cr_assert_eq(with_session(slice_make(&one, 1)), fine ? REASON_OK : REASON_INVALID_SESSION,
                     "byte %d", c);
    }
}

static enum reason with_key_id(struct slice key_id)
{
    struct signature_headers headers = vector_headers();
    headers.key_id = key_id;
    return parse(&headers);
}

Test(signature, key_id_grammar)
{
    char longest[SIGNATURE_KEY_ID_MAX + 1];
    memset(longest, 'k', sizeof(longest));
    cr_assert_eq(with_key_id(slice_make(longest, 64)), REASON_OK);
    cr_assert_eq(with_key_id(slice_make(longest, 65)), REASON_INVALID_SIGNATURE);
    cr_assert_eq(with_key_id(SLICE_LIT("2026-11_a.B")), REASON_OK);
    cr_assert_eq(with_key_id(SLICE_LIT("")), REASON_INVALID_SIGNATURE);
    cr_assert_eq(with_key_id(SLICE_LIT("a:b")), REASON_INVALID_SIGNATURE);
    cr_assert_eq(with_key_id(SLICE_LIT("a/b")), REASON_INVALID_SIGNATURE);
    cr_assert_eq(with_key_id(slice_make("a\0", 2)), REASON_INVALID_SIGNATURE);
}

static enum reason with_signature(struct slice signature, struct signature_claim *claim)
{
    struct signature_headers headers = vector_headers();
    headers.signature = signature;
    return signature_parse(&headers, claim);
}

Test(signature, hex_in_either_case_and_nothing_else)
{
    struct signature_claim lower;
    struct signature_claim upper;
    cr_assert_eq(with_signature(SLICE_LIT(VECTOR_MAC), &lower), REASON_OK);
    char text[] = VECTOR_MAC;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        if (i % 3 != 0 && text[i] >= 'a') {
            text[i] = (char)(text[i] - 'a' + 'A');
        }
    }
    cr_assert_eq(with_signature(slice_of(text), &upper), REASON_OK);
    cr_assert_arr_eq(lower.mac, upper.mac, SIGNATURE_BYTES);

    cr_assert_eq(with_signature(slice_make(VECTOR_MAC, 63), &lower), REASON_INVALID_SIGNATURE);
    cr_assert_eq(with_signature(SLICE_LIT(VECTOR_MAC "0"), &lower), REASON_INVALID_SIGNATURE);
    for (int c = 0; c < 256; c++) {
        bool hex = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
        for (size_t at = 0; at < 64; at += 63) {
            char bad[] = VECTOR_MAC;
            bad[at] = (char)c;
            cr_assert_eq(with_signature(slice_make(bad, 64), &lower),
                         hex ? REASON_OK : REASON_INVALID_SIGNATURE, "byte %d at %zu", c, at);
        }
    }
}

Test(signature, faults_are_told_in_the_order_of_the_verdicts)
{
    struct signature_headers headers = {
        .signature = SLICE_LIT("zz"),
        .timestamp = SLICE_LIT("x"),
        .session = SLICE_LIT("a|b"),
        .key_id = SLICE_LIT("/"),
        .repeated = true,
    };
    cr_assert_eq(parse(&headers), REASON_REPEATED_HEADER);
    headers.repeated = false;
    cr_assert_eq(parse(&headers), REASON_INVALID_TIMESTAMP);
    headers.timestamp = SLICE_LIT("1");
    cr_assert_eq(parse(&headers), REASON_INVALID_SESSION);
    headers.session = SLICE_LIT("a");
    cr_assert_eq(parse(&headers), REASON_INVALID_SIGNATURE);
    headers.repeated = true;
    headers.signature = (struct slice){0};
    cr_assert_eq(parse(&headers), REASON_MISSING_HEADERS);
}

Test(signature, window)
{
    const struct signature_claim claim = {.timestamp = 1712345678};
    int64_t skew = 0;
    static const struct {
        int64_t offset;
        enum reason reason;
    } cases[] = {{0, REASON_OK},
                 {300, REASON_OK},
                 {-300, REASON_OK},
                 {301, REASON_TIMESTAMP_DRIFT},
                 {-301, REASON_TIMESTAMP_DRIFT},
                 {INT64_C(900000000000), REASON_TIMESTAMP_DRIFT}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(signature_check_window(&claim, 1712345678 + cases[i].offset, 300, &skew),
                     cases[i].reason, "offset %lld", (long long)cases[i].offset);
        cr_assert_eq(skew, cases[i].offset);
    }
    cr_assert_eq(signature_check_window(&claim, 1712345678, 0, &skew), REASON_OK);
    cr_assert_eq(signature_check_window(&claim, 1712345679, 0, &skew), REASON_TIMESTAMP_DRIFT);
    const struct signature_claim far = {.timestamp = INT64_C(999999999999)};
    cr_assert_eq(signature_check_window(&far, 0, 300, &skew), REASON_TIMESTAMP_DRIFT);
    cr_assert_eq(skew, -INT64_C(999999999999));
}

/* The head of a recorded request; the caller frees it. */
static char *read_head(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), SIGPOST_TEST_DATA "/captures/%s", name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    char *text = calloc(1, 8192);
    cr_assert_gt(fread(text, 1, 8191, file), 0);
    fclose(file);
    char *end = strstr(text, "\r\n\r\n");
    cr_assert_not_null(end);
    end[2] = '\0';
    return text;
}

static void check_capture(const char *name, struct slice path)
{
    char *head = read_head(name);
    struct signature_headers headers = {0};
    unsigned found = 0;
    for (char *line = strstr(head, "\r\n") + 2; *line != '\0'; line = strstr(line, "\r\n") + 2) {
        char *colon = strchr(line, ':');
        char *end = strstr(line, "\r\n");
        found += signature_headers_add(&headers, slice_make(line, (size_t)(colon - line)),
                                       slice_make(colon + 1, (size_t)(end - colon - 1)));
    }
    cr_assert_eq(found, 4, "%s", name);
    struct signature_claim claim;
    cr_assert_eq(signature_parse(&headers, &claim), REASON_OK);
    cr_assert(slice_eq_str(claim.session, "5f0c1c9e-7f0e-4a53-9a55-0d4a5a8f7a11"));
    cr_assert(slice_eq_str(headers.version, "2.0.0.0"));

    char message[SIGNATURE_MESSAGE_MAX(SIGNATURE_PATH_MAX)];
    size_t len =
        signature_message(path, claim.timestamp_text, claim.session, message, sizeof(message));
    char signature[2 * SIGNATURE_BYTES + 1];
    cr_assert(signature_sign(SLICE_LIT("capture-secret-0123456789abcdef0123456789"),
                             slice_make(message, len), signature));
    cr_assert(slice_eq_str(headers.signature, signature), "%s", name);
    free(head);
}

Test(signature, recorded_requests_of_a_real_client_verify)
{
    check_capture("path-metrics.http", SLICE_LIT("/v1/metrics"));
    check_capture("path-traces.http", SLICE_LIT("/v1/traces"));
    check_capture("root-metrics-1.http", SLICE_LIT("/v1/metrics"));
    check_capture("root-metrics-2.http", SLICE_LIT("/v1/metrics"));
    check_capture("root-metrics-3.http", SLICE_LIT("/v1/metrics"));
    check_capture("root-traces-1.http", SLICE_LIT("/v1/traces"));
}
