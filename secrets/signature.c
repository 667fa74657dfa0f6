/* signature.c: see signature.h. One table names the headers; everything else is plain grammar.
 *
 * The names are compared exactly but for case: X_KMS_Signature or X.KMS.Signature are other
 * headers, though some proxies fold them into one.
 */
#include "secrets/signature.h"

#include <openssl/evp.h>
#include <stddef.h>
#include <string.h>

static const struct header_name {
    struct slice lower;
    size_t offset; /* of the slice in struct signature_headers */
} header_names[] = {
#define HEADER(name, member)                                                   \
    {                                                                          \
        {(name), sizeof(name) - 1}, offsetof(struct signature_headers, member) \
    }
    HEADER("x-kms-signature", signature),    HEADER("x-kms-timestamp", timestamp),
    HEADER("x-kms-session-id", session),     HEADER("x-kms-session", session),
    HEADER("x-kms-key-id", key_id),          HEADER("x-kms-build", build),
    HEADER("x-kms-client-version", version), HEADER("x-kms-version", version),
#undef HEADER
};
#define HEADER_NAMES (sizeof(header_names) / sizeof(header_names[0]))

static bool equals_lower(struct slice name, struct slice lower)
{
    if (name.len != lower.len) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c >= 'A' && c <= 'Z') {
            c = (char)(c - 'A' + 'a');
        }
        if (c != lower.data[i]) {
            return false;
        }
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Never absent: a header without a value is an empty slice. */
static struct slice cut_blanks(struct slice value)
{
    if (value.data == NULL) {
        return SLICE_LIT("");
    }
    while (value.len != 0 && is_blank(value.data[0])) {
        value.data++;
        value.len--;
    }
    while (value.len != 0 && is_blank(value.data[value.len - 1])) {
        value.len--;
    }
    return value;
}

static void take_value(struct signature_headers *headers, size_t which, struct slice name,
                       struct slice value)
{
    /* The member is found by its offset, so that the table stays one line a name. */
    struct slice *member = (struct slice *)(void *)((char *)headers + header_names[which].offset);
    unsigned bit = 1U << which;
    if ((headers->seen & bit) != 0 || (member->data != NULL && !slice_eq(*member, value))) {
        headers->repeated_name = headers->repeated ? headers->repeated_name : name;
        headers->repeated = true;
    }
    headers->seen |= bit;
    if (member->data == NULL) {
        *member = value;
    }
}

bool signature_headers_add(struct signature_headers *headers, struct slice name, struct slice value)
{
    for (size_t i = 0; i < HEADER_NAMES; i++) {
        if (equals_lower(name, header_names[i].lower)) {
            take_value(headers, i, name, cut_blanks(value));
            return true;
        }
    }
    return false;
}

static bool is_alnum(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Whether text is up to max of A-Z a-z 0-9 and the characters of `also`. */
static bool is_word(struct slice text, size_t max, const char *also)
{
    if (text.len > max) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!is_alnum(text.data[i]) &&
            (text.data[i] == '\0' || strchr(also, text.data[i]) == NULL)) {
            return false;
        }
    }
    return true;
}

bool signature_key_id_valid(struct slice id)
{
    return id.len != 0 && is_word(id, SIGNATURE_KEY_ID_MAX, "._-");
}

bool signature_session_valid(struct slice session)
{
    return is_word(session, SIGNATURE_SESSION_MAX, "._:-");
}

/* 12 digits are below 2^40: no overflow can happen. */
bool signature_timestamp_parse(struct slice text, int64_t *seconds)
{
    *seconds = 0;
    if (text.len == 0 || text.len > SIGNATURE_TIMESTAMP_MAX) {
        return false;
    }
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    *seconds = value;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_mac(struct slice text, uint8_t mac[SIGNATURE_BYTES])
{
    if (text.len != 2 * (size_t)SIGNATURE_BYTES) {
        return false;
    }
    for (size_t i = 0; i < SIGNATURE_BYTES; i++) {
        int high = hex_digit(text.data[2 * i]);
        int low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        mac[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static enum reason check_headers(const struct signature_headers *headers,
                                 struct signature_claim *claim)
{
    if (headers->signature.len == 0 || headers->timestamp.len == 0) {
        return REASON_MISSING_HEADERS;
    }
    if (headers->repeated) {
        return REASON_REPEATED_HEADER;
    }
    if (!signature_timestamp_parse(headers->timestamp, &claim->timestamp)) {
        return REASON_INVALID_TIMESTAMP;
    }
    if (!signature_session_valid(headers->session)) {
        return REASON_INVALID_SESSION;
    }
    if (headers->key_id.data != NULL && !signature_key_id_valid(headers->key_id)) {
        return REASON_INVALID_SIGNATURE;
    }
    return parse_mac(headers->signature, claim->mac) ? REASON_OK : REASON_INVALID_SIGNATURE;
}

enum reason signature_parse(const struct signature_headers *headers, struct signature_claim *claim)
{
    *claim = (struct signature_claim){0};
    enum reason reason = check_headers(headers, claim);
    if (reason != REASON_OK) {
        *claim = (struct signature_claim){0};
        return reason;
    }
    claim->timestamp_text = headers->timestamp;
    claim->session = headers->session;
    claim->key_id = headers->key_id;
    return REASON_OK;
}

enum reason signature_check_window(const struct signature_claim *claim, int64_t now_s,
                                   int64_t window_s, int64_t *skew_s)
{
    *skew_s = now_s - claim->timestamp;
    return *skew_s > window_s || *skew_s < -window_s ? REASON_TIMESTAMP_DRIFT : REASON_OK;
}

static char *put(char *to, struct slice text)
{
    if (text.len != 0) {
        memcpy(to, text.data, text.len);
    }
    return to + text.len;
}

size_t signature_message(struct slice path, struct slice timestamp, struct slice session, char *out,
                         size_t out_size)
{
    const struct slice head = SLICE_LIT("POST|");
    const struct slice bar = SLICE_LIT("|");
    size_t room = out_size;
    const size_t parts[] = {head.len + 2 * bar.len, path.len, timestamp.len, session.len};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i] > room) {
            return 0;
        }
        room -= parts[i];
    }
    char *to = put(put(out, head), path);
    to = put(put(to, bar), timestamp);
    put(put(to, bar), session);
    return out_size - room;
}

void signature_hex(const uint8_t mac[SIGNATURE_BYTES], char out[2 * SIGNATURE_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SIGNATURE_BYTES; i++) {
        out[2 * i] = digits[mac[i] >> 4];
        out[2 * i + 1] = digits[mac[i] & 15];
    }
    out[2 * (size_t)SIGNATURE_BYTES] = '\0';
}

bool signature_sign(struct slice secret, struct slice message, char out[2 * SIGNATURE_BYTES + 1])
{
    uint8_t mac[SIGNATURE_BYTES];
    size_t len = 0;
    out[0] = '\0';
    if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret.data, secret.len,
                  (const unsigned char *)message.data, message.len, mac, sizeof(mac),
                  &len) == NULL ||
        len != sizeof(mac)) {
        return false;
    }
    signature_hex(mac, out);
    return true;
}
