/* export_http.h: requests to an OTLP/HTTP receiver by libcurl's multi interface. Knows nothing of
 * batches or retries: a body goes out, a reply comes back.
 *
 * Pattern: export_http_send, up to `slots` at once; then in turns export_http_next_reply until it
 * says false, and export_http_wait. Connections are kept and used again. Redirects are not
 * followed, and no proxy is used whatever the environment says: telemetry and its credentials go to
 * the configured URL and nowhere else. Belongs to one thread.
 */
#ifndef SIGPOST_OTLP_EXPORT_HTTP_H
#define SIGPOST_OTLP_EXPORT_HTTP_H

#include "base/result.h"
#include "base/slice.h"
#include "otlp/export/export_zip.h"
#include "otlp/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT_HTTP_RESPONSE_MAX ((size_t)64 << 10)
#define EXPORT_HTTP_ERROR_MAX 192

struct export_http_options {
    const char *url;            /* base, as in destination_otlp_options */
    const char *const *headers; /* "Name: value" */
    size_t n_headers;
    const char *ca_file; /* PEM or NULL */
    enum export_zip zip;
    int64_t timeout_ns; /* of one request, connecting included */
    unsigned slots;     /* requests under way at once */
};

struct export_http;

/* Everything in options is copied. NULL and a sentence that names what is wrong with the URL, a
 * header or the CA file. */
struct export_http *export_http_create(const struct export_http_options *options,
                                       struct result *why);

/* Aborts what is under way and frees. NULL is fine. */
void export_http_destroy(struct export_http *http);

/* Where a signal goes, for people: without user name and password. */
const char *export_http_url(const struct export_http *http, enum signal signal);

/* Starts a POST. Without compression the body is borrowed until the reply was taken. False (no slot
 * free, no memory): no reply will come. */
bool export_http_send(struct export_http *http, enum signal signal, struct slice body, void *arg);

struct export_http_reply {
    void *arg;                         /* as given to export_http_send */
    int status;                        /* HTTP, or 0: no whole answer came */
    char error[EXPORT_HTTP_ERROR_MAX]; /* when status is 0: why, one clause */
    struct slice content_type;         /* absent when there is none */
    struct slice retry_after;          /* likewise */
    struct slice body;                 /* the first EXPORT_HTTP_RESPONSE_MAX bytes */
    bool body_cut;                     /* there was more */
};

/* Moves data and takes one finished request. False when none is finished. The slices are borrowed
 * until the next call to any function of this header. */
bool export_http_next_reply(struct export_http *http, struct export_http_reply *out);

/* Waits until something can be done, one of fds is readable (entries < 0 are passed over), or
 * timeout_ms is over. */
#define EXPORT_HTTP_WAIT_FDS 2
void export_http_wait(struct export_http *http, const int fds[EXPORT_HTTP_WAIT_FDS],
                      int timeout_ms);

#endif
