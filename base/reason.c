/* reason.c: the table of verdicts; docs/verdicts.md explains each to operators. */
#include "base/reason.h"

/* google.rpc.Code */
enum { OK = 0, INVALID_ARGUMENT = 3, PERMISSION_DENIED = 7, RESOURCE_EXHAUSTED = 8 };
enum { UNAVAILABLE = 14, UNAUTHENTICATED = 16 };

static const struct reason_info table[REASON_COUNT] = {
    [REASON_OK] = {"ok", 200, OK, "accepted", "", REASON_OK},
    [REASON_MISSING_HEADERS] = {"missing_headers", 401, UNAUTHENTICATED,
                                "the request is not signed",
                                "Send X-KMS-Signature and X-KMS-Timestamp.",
                                REASON_MISSING_HEADERS},
    [REASON_REPEATED_HEADER] =
        {"repeated_header", 401, UNAUTHENTICATED,
         "a signing header came twice, or under two names with different values",
         "Send each signing header once.", REASON_REPEATED_HEADER},
    [REASON_INVALID_TIMESTAMP] = {"invalid_timestamp", 401, UNAUTHENTICATED,
                                  "X-KMS-Timestamp is not 1 to 12 digits",
                                  "Send Unix seconds in decimal digits.", REASON_INVALID_TIMESTAMP},
    [REASON_TIMESTAMP_DRIFT] = {"timestamp_drift", 401, UNAUTHENTICATED,
                                "X-KMS-Timestamp is outside the window",
                                "Set the client's clock and sign each request anew.",
                                REASON_TIMESTAMP_DRIFT},
    [REASON_INVALID_SESSION] = {"invalid_session", 401, UNAUTHENTICATED,
                                "X-KMS-Session-ID has a character or a length that is not allowed",
                                "Use up to 128 of A-Z a-z 0-9 . _ : -", REASON_INVALID_SESSION},
    [REASON_INVALID_SIGNATURE] =
        {"invalid_signature", 403, PERMISSION_DENIED, "the signature is not valid",
         "Sign POST|path|timestamp|session with HMAC-SHA256 and a current secret, as 64 hex "
         "digits.",
         REASON_INVALID_SIGNATURE},
    [REASON_RETIRED_KEY] = {"retired_key", 403, PERMISSION_DENIED,
                            "the signature is from a key past its day",
                            "Update the client to a release with a current secret.",
                            REASON_INVALID_SIGNATURE},
    [REASON_KEY_NOT_READY] = {"key_not_ready", 503, UNAVAILABLE,
                              "X-KMS-Key-ID names a key that is not valid yet", "Try again later.",
                              REASON_KEY_NOT_READY},
    [REASON_RATE_LIMITED] = {"rate_limited", 429, RESOURCE_EXHAUSTED, "too many requests",
                             "Wait as long as Retry-After says.", REASON_RATE_LIMITED},
    [REASON_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", 415, INVALID_ARGUMENT,
                                       "the Content-Type or Content-Encoding is not supported",
                                       "Send Content-Type application/x-protobuf or "
                                       "application/json, and no Content-Encoding but "
                                       "gzip, deflate or zstd, once.",
                                       REASON_UNSUPPORTED_MEDIA_TYPE},
    [REASON_BODY_TOO_LARGE] = {"body_too_large", 413, RESOURCE_EXHAUSTED,
                               "the body is longer than server.max_body", "Send smaller batches.",
                               REASON_BODY_TOO_LARGE},
    [REASON_MALFORMED_PAYLOAD] =
        {"malformed_payload", 400, INVALID_ARGUMENT, "the body is not an OTLP export request",
         "Send one serialised Export...ServiceRequest of the path's signal.",
         REASON_MALFORMED_PAYLOAD},
    [REASON_SPOOL_UNAVAILABLE] = {"spool_unavailable", 503, UNAVAILABLE,
                                  "the data cannot be stored now",
                                  "Keep it and try again as Retry-After says.",
                                  REASON_SPOOL_UNAVAILABLE},
    [REASON_LEASED] = {"leased", 200, OK, "accepted by a session lease", "", REASON_LEASED},
    [REASON_UNTRUSTED_PROXY] = {"untrusted_proxy", 403, PERMISSION_DENIED,
                                "this path answers trusted proxies only",
                                "Name the proxy's address in server.trusted_proxies.",
                                REASON_UNTRUSTED_PROXY},
    [REASON_INVALID_FORWARDED] = {"invalid_forwarded", 403, PERMISSION_DENIED,
                                  "the forwarded request cannot be judged",
                                  "The proxy sets X-Forwarded-Method to the client's method, POST, "
                                  "and X-Forwarded-Uri to its "
                                  "path and query, each once and as sent.",
                                  REASON_INVALID_FORWARDED},
};

const struct reason_info *reason_info(enum reason reason)
{
    return &table[(unsigned)reason < REASON_COUNT ? reason : REASON_SPOOL_UNAVAILABLE];
}
