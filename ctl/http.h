/* http.h: one HTTP request of a tool, by libcurl. Follows no redirect. */
#ifndef SIGPOST_CTL_HTTP_H
#define SIGPOST_CTL_HTTP_H

#include "base/buf.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEADERS_MAX 8

struct http_call {
    const char *url;
    const char *headers[HTTP_HEADERS_MAX + 1]; /* "Name: value", ended by NULL */
    const char *body;                          /* POST when not NULL */
    const char *ca_file;                       /* NULL: the system's */
    long timeout_ms;                           /* for all of it */
};

#define HTTP_BODY_MAX ((size_t)64 * 1024)

/* Why there was no answer, as far as something else can be done about it. */
enum http_failure {
    HTTP_UNREACHED,         /* nobody answered, or something not told here */
    HTTP_NO_TLS,            /* asked by https, and TLS did not come about */
    HTTP_NO_HTTP,           /* asked by http, and what came back was no HTTP */
    HTTP_UNKNOWN_AUTHORITY, /* the certificate's issuer is not believed */
    HTTP_OTHER_NAME,        /* the certificate is for other names */
    HTTP_OUT_OF_DATE,       /* the certificate is past its days, or before them */
    HTTP_NO_AUTHORITIES     /* the file of those to believe cannot be used */
};

struct http_answer {
    int status;
    int64_t date_s;            /* of the Date header; INT64_MIN without one */
    int64_t sent_ns;           /* wall time when the request began */
    int64_t arrived_ns;        /* and when the answer was there */
    char location[512];        /* of a redirect; empty when there is none */
    struct buf body;           /* cut at HTTP_BODY_MAX */
    enum http_failure failure; /* without an answer */
};

/* True and *answer when there was an answer, of whatever status. False and a sentence otherwise.
 * Free with http_answer_free in both cases. curl_global_init is the caller's. */
bool http_call(const struct http_call *call, struct http_answer *answer, struct result *why);
void http_answer_free(struct http_answer *answer);

#endif
