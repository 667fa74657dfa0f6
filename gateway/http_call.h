/* http_call.h: one HTTP request by libcurl, for a thread that may wait for its answer: the canary
 * and the push to an uptime monitor. No redirect is followed and no proxy used; certificates are
 * verified against the system's authorities.
 */
#ifndef SIGPOST_GATEWAY_HTTP_CALL_H
#define SIGPOST_GATEWAY_HTTP_CALL_H

#include "base/slice.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HTTP_CALL_BODY_MAX 2048

struct http_call {
    const char *url;
    const struct curl_slist *headers; /* or NULL */
    struct slice body;                /* POST; absent: GET */
    int64_t timeout_ns;               /* for the whole, connecting included */
    const atomic_bool *stopping;      /* set: the call ends within about a second */
};

struct http_call_answer {
    long status; /* 0: there was no answer */
    char content_type[64];
    char body[HTTP_CALL_BODY_MAX]; /* its beginning */
    size_t body_len;
    char problem[CURL_ERROR_SIZE]; /* why there was none; never the URL */
    CURLcode failure;              /* the same, as what tells kinds of it apart */
};

/* Sends and waits. curl may be used again, which keeps the connection; its options are set anew.
 * True when there was an answer, whatever its status. */
bool http_call(CURL *curl, const struct http_call *call, struct http_call_answer *out);

#endif
