/* export_http.c: see export_http.h. A fixed number of slots, each with an easy handle that is used
 * again and again; the multi handle owns the connections. */
#include "otlp/export/export_http.h"

#include "base/buf.h"
#include "base/clock.h"
#include "otlp/export/export_http_setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define UPLOAD_PART 262144L /* a request is sent in parts of this size; 64 KiB by default */
#define CONNECT_TIMEOUT_NS (10 * NS_PER_SECOND)

struct slot {
    struct export_http *http;
    CURL *easy;
    void *arg;
    bool busy;
    struct buf zipped;
    struct buf response;
    bool response_cut;
    char error[CURL_ERROR_SIZE];
};

struct export_http {
    CURLM *multi;
    struct export_http_urls urls;
    struct curl_slist *headers;
    char *ca_file;
    enum export_zip zip;
    int64_t timeout_ns;
    struct slot *slots;
    unsigned n_slots;
    struct slot *taken; /* the reply that the caller looks at */
};

/* Keeps what has room and lets the rest go by, so that the connection stays of use. */
static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct slot *slot = arg;
    size_t len = size * n;
    size_t room = EXPORT_HTTP_RESPONSE_MAX - slot->response.len;
    slot->response_cut = slot->response_cut || len > room;
    buf_append(&slot->response, bytes, len < room ? len : room);
    return len;
}

static long to_ms(int64_t ns)
{
    int64_t ms = ns / NS_PER_MS;
    return ms < 1 ? 1 : (ms > INT32_MAX ? INT32_MAX : (long)ms);
}

/* What is the same for every request of this slot. */
static bool prepare(struct slot *slot, const struct export_http *http)
{
    CURL *easy = slot->easy;
    int64_t connect_ns =
        http->timeout_ns < CONNECT_TIMEOUT_NS ? http->timeout_ns : CONNECT_TIMEOUT_NS;
    CURLcode codes[] = {
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L),
        curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L), /* waits for no name server */
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"),
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1),
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L),
        curl_easy_setopt(easy, CURLOPT_PROXY, ""),
        curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED),
        curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L),
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_PART),
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, to_ms(connect_ns)),
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, to_ms(http->timeout_ns)),
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers),
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error),
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body),
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot),
        curl_easy_setopt(easy, CURLOPT_PRIVATE, slot),
        http->ca_file != NULL ? curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file) : CURLE_OK,
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i] != CURLE_OK) {
            return false;
        }
    }
    return true;
}

static bool make_slots(struct export_http *http, unsigned n)
{
    http->slots = calloc(n, sizeof(*http->slots));
    if (http->slots == NULL) {
        return false;
    }
    http->n_slots = n;
    for (unsigned i = 0; i < n; i++) {
        struct slot *slot = &http->slots[i];
        slot->http = http;
        slot->easy = curl_easy_init();
        if (slot->easy == NULL || !prepare(slot, http)) {
            return false;
        }
    }
    return curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)n) == CURLM_OK &&
           curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)n) == CURLM_OK;
}

struct export_http *export_http_create(const struct export_http_options *options,
                                       struct result *why)
{
    struct export_http *http = calloc(1, sizeof(*http));
    if (http == NULL) {
        goto no_memory;
    }
    http->zip = options->zip;
    http->timeout_ns = options->timeout_ns;
    if (!export_http_make_urls(&http->urls, options->url, why) ||
        !export_http_make_headers(&http->headers, options, why) ||
        !export_http_check_ca_file(options->ca_file, why)) {
        export_http_destroy(http);
        return NULL;
    }
    http->ca_file = options->ca_file != NULL ? strdup(options->ca_file) : NULL;
    http->multi = curl_multi_init();
    if ((options->ca_file != NULL && http->ca_file == NULL) || http->multi == NULL ||
        !make_slots(http, options->slots != 0 ? options->slots : 1)) {
        goto no_memory;
    }
    return http;

no_memory:
    export_http_destroy(http);
    result_fail(why, "libcurl could not be set up: out of memory");
    return NULL;
}

static void release(struct export_http *http, struct slot *slot)
{
    curl_multi_remove_handle(http->multi, slot->easy);
    buf_clear(&slot->zipped);
    buf_clear(&slot->response);
    slot->busy = false;
    slot->arg = NULL;
}

void export_http_destroy(struct export_http *http)
{
    if (http == NULL) {
        return;
    }
    for (unsigned i = 0; i < http->n_slots; i++) {
        struct slot *slot = &http->slots[i];
        if (slot->busy) {
            release(http, slot);
        }
        curl_easy_cleanup(slot->easy);
        buf_free(&slot->zipped);
        buf_free(&slot->response);
    }
    free(http->slots);
    if (http->multi != NULL) {
        curl_multi_cleanup(http->multi);
    }
    export_http_free_headers(http->headers);
    export_http_free_urls(&http->urls);
    free(http->ca_file);
    free(http);
}

const char *export_http_url(const struct export_http *http, enum signal signal)
{
    return http->urls.shown[signal];
}

static struct slot *free_slot(const struct export_http *http)
{
    for (unsigned i = 0; i < http->n_slots; i++) {
        if (!http->slots[i].busy) {
            return &http->slots[i];
        }
    }
    return NULL;
}

static void finish_taken(struct export_http *http)
{
    if (http->taken != NULL) {
        release(http, http->taken);
        http->taken = NULL;
    }
}

bool export_http_send(struct export_http *http, enum signal signal, struct slice body, void *arg)
{
    finish_taken(http);
    struct slot *slot = free_slot(http);
    if (slot == NULL) {
        return false;
    }
    slot->arg = arg;
    slot->response_cut = false;
    slot->error[0] = '\0';
    if (http->zip != EXPORT_ZIP_NONE) {
        buf_clear(&slot->zipped); /* of a request that could not be started */
        if (!export_zip(http->zip, body, &slot->zipped)) {
            return false;
        }
        body = buf_slice(&slot->zipped);
    }
    if (curl_easy_setopt(slot->easy, CURLOPT_URL, http->urls.real[signal]) != CURLE_OK ||
        curl_easy_setopt(slot->easy, CURLOPT_POST, 1L) != CURLE_OK ||
        curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) !=
            CURLE_OK ||
        curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, body.data) != CURLE_OK ||
        curl_multi_add_handle(http->multi, slot->easy) != CURLM_OK) {
        return false;
    }
    slot->busy = true;
    return true;
}

/* One clause a person understands; libcurl's own words where we have no better. */
static void explain(const struct slot *slot, CURLcode code, char out[EXPORT_HTTP_ERROR_MAX])
{
    long os_error = 0;
    curl_easy_getinfo(slot->easy, CURLINFO_OS_ERRNO, &os_error);
    const char *text = slot->error[0] != '\0' ? slot->error : curl_easy_strerror(code);
    char os_text[128];
    double connected = 0;
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        if (os_error == ECONNREFUSED) {
            text = "connection refused";
        } else if (os_error != 0) {
            text = strerror_r((int)os_error, os_text, sizeof(os_text));
        }
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
        text = "the host name cannot be resolved";
        break;
    case CURLE_OPERATION_TIMEDOUT:
        curl_easy_getinfo(slot->easy, CURLINFO_CONNECT_TIME, &connected);
        snprintf(out, EXPORT_HTTP_ERROR_MAX, "no %s within %g s",
                 connected > 0 ? "answer" : "connection",
                 (double)slot->http->timeout_ns / (double)NS_PER_SECOND);
        return;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        text = "the connection was closed before a whole answer came";
        break;
    default:
        break;
    }
    snprintf(out, EXPORT_HTTP_ERROR_MAX, "%.*s", EXPORT_HTTP_ERROR_MAX - 1, text);
}

static struct slice response_header(CURL *easy, const char *name)
{
    struct curl_header *header = NULL;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
        return (struct slice){0};
    }
    return slice_of(header->value);
}

static void describe(struct slot *slot, CURLcode code, struct export_http_reply *out)
{
    long status = 0;
    *out = (struct export_http_reply){.arg = slot->arg};
    if (code != CURLE_OK) {
        explain(slot, code, out->error);
        return;
    }
    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    out->status = (int)status;
    out->content_type = response_header(slot->easy, "Content-Type");
    out->retry_after = response_header(slot->easy, "Retry-After");
    out->body = buf_slice(&slot->response);
    out->body_cut = slot->response_cut || slot->response.failed;
    if (status == 0) {
        snprintf(out->error, sizeof(out->error), "the answer has no status");
    }
}

bool export_http_next_reply(struct export_http *http, struct export_http_reply *out)
{
    finish_taken(http);
    int running = 0;
    curl_multi_perform(http->multi, &running);
    int left = 0;
    for (CURLMsg *msg = curl_multi_info_read(http->multi, &left); msg != NULL;
         msg = curl_multi_info_read(http->multi, &left)) {
        char *slot = NULL;
        if (msg->msg == CURLMSG_DONE &&
            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &slot) == CURLE_OK) {
            http->taken = (struct slot *)(void *)slot;
            describe(http->taken, msg->data.result, out);
            return true;
        }
    }
    return false;
}

void export_http_wait(struct export_http *http, const int fds[EXPORT_HTTP_WAIT_FDS], int timeout_ms)
{
    finish_taken(http);
    struct curl_waitfd waits[EXPORT_HTTP_WAIT_FDS];
    unsigned n = 0;
    for (size_t i = 0; i < EXPORT_HTTP_WAIT_FDS; i++) {
        if (fds[i] >= 0) {
            waits[n++] = (struct curl_waitfd){fds[i], CURL_WAIT_POLLIN, 0};
        }
    }
    curl_multi_poll(http->multi, waits, n, timeout_ms, NULL);
}
