/* signature.h: the KMS signature: what the headers must look like, the message that is signed, the
 * window. Pure: no clock, no keys kept. The scheme is in docs/signing.md:
 *
 *     message   POST|{path}|{timestamp}|{session}          HMAC-SHA256, 64 hex digits
 *
 * Everything here runs on strangers' bytes before any of them is trusted.
 */
#ifndef SIGPOST_SECRETS_SIGNATURE_H
#define SIGPOST_SECRETS_SIGNATURE_H

#include "base/buf.h"
#include "base/reason.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define SIGNATURE_BYTES 32
#define SIGNATURE_SESSION_MAX 128
#define SIGNATURE_KEY_ID_MAX 64
#define SIGNATURE_TIMESTAMP_MAX 12

/* The signing headers of one request as found: absent slices where a header is missing. Values are
 * the exact characters, without the blanks around them. */
struct signature_headers {
    struct slice signature; /* X-KMS-Signature */
    struct slice timestamp; /* X-KMS-Timestamp */
    struct slice session;   /* X-KMS-Session-ID or X-KMS-Session */
    struct slice key_id;    /* X-KMS-Key-ID */
    struct slice version;   /* X-KMS-Client-Version or X-KMS-Version */
    struct slice build;     /* X-KMS-Build */
    bool repeated;          /* one of them came twice, or under both names with different values */
    struct slice repeated_name; /* the first of those, as it was sent */
    unsigned seen;              /* signature.c's own: which names came; starts as 0 */
};

/* Takes one request header into `headers` (zeroed before the first); names compare without case.
 * Returns whether it was a signing header. name and value are borrowed. Leading and trailing blanks
 * of the value are cut. Both names of one header with equal values are fine. */
bool signature_headers_add(struct signature_headers *headers, struct slice name,
                           struct slice value);

/* What a request claims, in checked form. Slices are borrowed from the headers. */
struct signature_claim {
    uint8_t mac[SIGNATURE_BYTES];
    int64_t timestamp;           /* Unix seconds */
    struct slice timestamp_text; /* the very characters */
    struct slice session;        /* 0 to 128 of A-Z a-z 0-9 . _ : - */
    struct slice key_id;         /* absent, or 1 to 64 of A-Z a-z 0-9 . _ - */
};

/* Checks count and grammar, in the order of the verdict table; an empty signature or timestamp is a
 * missing one. REASON_OK and *claim filled, or *claim zeroed and
 * REASON_MISSING_HEADERS, _REPEATED_HEADER, _INVALID_TIMESTAMP, _INVALID_SESSION,
 * _INVALID_SIGNATURE (malformed signature or key id). */
enum reason signature_parse(const struct signature_headers *headers, struct signature_claim *claim);

/* REASON_OK when abs(now_s - claim->timestamp) <= window_s, else REASON_TIMESTAMP_DRIFT.
 * *skew_s = now_s - claim->timestamp: positive when the client's clock is behind. */
enum reason signature_check_window(const struct signature_claim *claim, int64_t now_s,
                                   int64_t window_s, int64_t *skew_s);

/* The grammars on their own: a session id (may be empty or absent), a key id (1 to 64), a timestamp
 * (1 to 12 digits; *seconds is 0 when it is not). */
bool signature_session_valid(struct slice session);
bool signature_key_id_valid(struct slice id);
bool signature_timestamp_parse(struct slice text, int64_t *seconds);

/* The longest message for paths up to `path_len` bytes. */
#define SIGNATURE_MESSAGE_MAX(path_len) \
    (5 + (path_len) + 1 + SIGNATURE_TIMESTAMP_MAX + 1 + SIGNATURE_SESSION_MAX)
#define SIGNATURE_PATH_MAX 256

/* Writes "POST|path|timestamp|session" into out, without a NUL, and returns its length; 0 when it
 * does not fit. */
size_t signature_message(struct slice path, struct slice timestamp, struct slice session, char *out,
                         size_t out_size);

/* Signs a message: HMAC-SHA256 with the secret's text bytes, as 64 lower-case hex digits and a NUL.
 * False when OpenSSL fails. For clients of the scheme (sigpostctl, the canary, tests). */
bool signature_sign(struct slice secret, struct slice message, char out[2 * SIGNATURE_BYTES + 1]);

/* 64 lower-case hex digits and a NUL. */
void signature_hex(const uint8_t mac[SIGNATURE_BYTES], char out[2 * SIGNATURE_BYTES + 1]);

#endif
