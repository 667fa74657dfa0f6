/* reply.c: see reply.h. */
#include "gateway/reply.h"

#include "gateway/http.h"
#include "otlp/status.h"

#include <stdio.h>

static const struct slice PROTOBUF = {"application/x-protobuf",
                                      sizeof("application/x-protobuf") - 1};
static const struct slice JSON = {"application/json", sizeof("application/json") - 1};

enum { GRPC_INVALID_ARGUMENT = 3, GRPC_RESOURCE_EXHAUSTED = 8 };

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {{200, "OK"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {302, "Found"},
                 {303, "See Other"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {413, "Content Too Large"},
                 {415, "Unsupported Media Type"},
                 {417, "Expectation Failed"},
                 {429, "Too Many Requests"},
                 {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].status == status) {
            return texts[i].text;
        }
    }
    return "Error";
}

/* Sets status line, type and length; libh2o adds Date, Connection and Server. */
static void start(h2o_req_t *req, int status, struct slice content_type, size_t len)
{
    req->res.status = status;
    req->res.reason = status_text(status);
    req->res.content_length = len;
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, content_type.data,
                   content_type.len);
}

void reply_body(h2o_req_t *req, int status, struct slice content_type, struct slice body)
{
    start(req, status, content_type, body.len);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CACHE_CONTROL, NULL,
                   H2O_STRLIT("no-store"));
    h2o_send_inline(req, body.data, body.len);
}

void reply_json_word(h2o_req_t *req, int status, const char *name, const char *text)
{
    char body[256];
    int len = snprintf(body, sizeof(body), "{\"%s\": \"%s\"}\n", name, text);
    reply_body(req, status, JSON, slice_make(body, (size_t)len));
}

void reply_method_not_allowed(h2o_req_t *req, const char *allow)
{
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_ALLOW, NULL, allow, strlen(allow));
    reply_json_word(req, 405, "error", "this path does not take that method; see Allow");
}

void reply_not_found(h2o_req_t *req)
{
    reply_json_word(req, 404, "error", "there is nothing at this path");
}

void reply_redirect(h2o_req_t *req, int status, struct slice location)
{
    h2o_iovec_t value = h2o_strdup(&req->pool, location.data, location.len);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_LOCATION, NULL, value.base, value.len);
    reply_body(req, status, JSON, slice_make("{}\n", 3));
}

void reply_add_retry_after(h2o_req_t *req, unsigned seconds)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%u", seconds);
    h2o_iovec_t value = h2o_strdup(&req->pool, text, (size_t)len);
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("retry-after"), 0,
                          "Retry-After", value.base, value.len);
}

void reply_later(h2o_req_t *req, int status, unsigned retry_after_s, const char *text)
{
    reply_add_retry_after(req, retry_after_s);
    reply_json_word(req, status, "error", text);
}

void reply_no_content(h2o_req_t *req)
{
    static h2o_generator_t nothing = {NULL, NULL};
    req->res.status = 204;
    req->res.reason = status_text(204);
    h2o_start_response(req, &nothing);
    h2o_send(req, NULL, 0, H2O_SEND_STATE_FINAL);
}

static bool wants_json(const h2o_req_t *req)
{
    bool repeated;
    return http_media_type_is(http_header(req, SLICE_LIT("content-type"), &repeated),
                              "application/json");
}

/* An empty response message has no bytes in protobuf. None are sent then, rather than a buffer of
 * none: libh2o would wait a turn of the loop until the socket takes it. */
void reply_export_ok(h2o_req_t *req)
{
    static h2o_generator_t generator = {NULL, NULL};
    bool json = wants_json(req);
    h2o_iovec_t body = {.base = "{}", .len = json ? 2 : 0};
    start(req, 200, json ? JSON : PROTOBUF, body.len);
    h2o_start_response(req, &generator);
    h2o_send(req, &body, json ? 1 : 0, H2O_SEND_STATE_FINAL);
}

/* Appends a google.rpc.Status in the request's type, and returns that type. */
static struct slice encode_status(const h2o_req_t *req, int grpc_code, struct slice message,
                                  struct buf *out)
{
    if (wants_json(req)) {
        status_encode_json(out, grpc_code, message);
        return JSON;
    }
    status_encode(out, grpc_code, message);
    return PROTOBUF;
}

void reply_status(h2o_req_t *req, int http_status, int grpc_code, struct slice message)
{
    struct buf body = BUF_INIT;
    struct slice type = encode_status(req, grpc_code, message, &body);
    reply_body(req, http_status, type, buf_slice(&body));
    buf_free(&body);
}

void reply_verdict(h2o_req_t *req, enum reason reason, const char *detail, unsigned retry_after_s)
{
    const struct reason_info *info = reason_info(reason_info(reason)->told_as);
    struct buf message = BUF_INIT;
    buf_printf(&message, "%s: %s", info->word, info->title);
    if (detail[0] != '\0') {
        buf_printf(&message, ": %s", detail);
    }
    buf_printf(&message, ". %s", info->remedy);
    if (retry_after_s != 0) {
        reply_add_retry_after(req, retry_after_s);
    }
    reply_status(req, info->http_status, info->grpc_code, buf_slice(&message));
    buf_free(&message);
}

/* --- libh2o's own refusals -------------------------------------------------------------------- */

struct status_filter {
    h2o_filter_t super;
    void (*refused)(h2o_req_t *req, int status);
};

struct status_ostream {
    h2o_ostream_t super;
    h2o_iovec_t body;
};

static void send_status_body(h2o_ostream_t *super, h2o_req_t *req, h2o_iovec_t *bufs, size_t n,
                             h2o_send_state_t state)
{
    struct status_ostream *self = (struct status_ostream *)super;
    (void)bufs;
    /* No body to put in its place: the request was a HEAD. */
    h2o_ostream_send_next(super, req, &self->body, n != 0 ? 1 : 0, state);
}

/* A response of ours has a handler behind it and a type that is not text/plain. */
static bool is_of_libh2o(const h2o_req_t *req)
{
    ssize_t at = h2o_find_header(&req->res.headers, H2O_TOKEN_CONTENT_TYPE, -1);
    return req->res.status >= 400 && at != -1 &&
           http_media_type_is(http_slice(req->res.headers.entries[at].value), "text/plain");
}

static void replace_body(h2o_req_t *req, struct status_ostream *ostream)
{
    bool too_large = req->res.status == 413;
    const struct reason_info *info =
        reason_info(too_large ? REASON_BODY_TOO_LARGE : REASON_MALFORMED_PAYLOAD);
    struct buf message = BUF_INIT;
    struct buf body = BUF_INIT;
    buf_printf(&message, "%s: %s. %s", info->word,
               too_large ? info->title : "the HTTP request is malformed",
               too_large ? info->remedy : "Send one complete HTTP/1.1 request.");
    struct slice type = encode_status(req, info->grpc_code, buf_slice(&message), &body);
    ostream->body = h2o_strdup(&req->pool, buf_slice(&body).data, body.len);
    req->res.content_length = body.len;
    req->res.headers = (h2o_headers_t){0};
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL, type.data,
                   type.len);
    buf_free(&message);
    buf_free(&body);
}

static void on_setup_ostream(h2o_filter_t *super, h2o_req_t *req, h2o_ostream_t **slot)
{
    struct status_filter *self = (struct status_filter *)super;
    if (is_of_libh2o(req)) {
        struct status_ostream *ostream =
            (struct status_ostream *)h2o_add_ostream(req, sizeof(*ostream), slot);
        ostream->super.do_send = send_status_body;
        slot = &ostream->super.next;
        replace_body(req, ostream);
        self->refused(req, req->res.status);
    }
    h2o_setup_next_ostream(req, slot);
}

void reply_install_filter(h2o_pathconf_t *pathconf, void (*refused)(h2o_req_t *req, int status))
{
    struct status_filter *filter =
        (struct status_filter *)h2o_create_filter(pathconf, sizeof(*filter));
    filter->super.on_setup_ostream = on_setup_ostream;
    filter->refused = refused;
}
