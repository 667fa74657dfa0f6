/* reason.h: every verdict on a request, and the one table from it to HTTP status, gRPC code, text,
 * log word and metric label.
 */
#ifndef SIGPOST_BASE_REASON_H
#define SIGPOST_BASE_REASON_H

enum reason {
    REASON_OK,
    REASON_MISSING_HEADERS,
    REASON_REPEATED_HEADER,
    REASON_INVALID_TIMESTAMP,
    REASON_TIMESTAMP_DRIFT,
    REASON_INVALID_SESSION,
    REASON_INVALID_SIGNATURE,
    REASON_RETIRED_KEY,
    REASON_KEY_NOT_READY,
    REASON_RATE_LIMITED,
    REASON_UNSUPPORTED_MEDIA_TYPE,
    REASON_BODY_TOO_LARGE,
    REASON_MALFORMED_PAYLOAD,
    REASON_SPOOL_UNAVAILABLE,
    REASON_LEASED, /* accepted past the window, by a session lease */
    REASON_UNTRUSTED_PROXY,
    REASON_INVALID_FORWARDED,
    REASON_COUNT
};

struct reason_info {
    const char *word;    /* log word and metric label: "missing_headers" */
    int http_status;     /* 200, 400, 401, … */
    int grpc_code;       /* google.rpc.Code for the Status body */
    const char *title;   /* what is wrong, to the client: one clause, no full stop */
    const char *remedy;  /* how to mend it, one sentence */
    enum reason told_as; /* what the client hears: itself, or INVALID_SIGNATURE for RETIRED_KEY */
};

/* Never NULL. */
const struct reason_info *reason_info(enum reason reason);

#endif
