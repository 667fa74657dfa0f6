/* cors.c: see cors.h. */
#include "gateway/cors.h"

#include "gateway/http.h"
#include "gateway/reply.h"

static const char allowed_headers[] =
    "Content-Type, Content-Encoding, X-KMS-Signature, X-KMS-Timestamp, X-KMS-Session-ID, "
    "X-KMS-Session, X-KMS-Client-Version, X-KMS-Version, X-KMS-Build, X-KMS-Key-ID";

/* The configured origin that this request's is, or NULL. */
static const char *listed_origin(struct worker *worker, const h2o_req_t *req)
{
    const struct config_strings *listed = &gateway_config(worker->gateway)->server.cors_origins;
    bool repeated;
    struct slice origin = http_header(req, SLICE_LIT("origin"), &repeated);
    if (origin.len == 0 || repeated) {
        return NULL;
    }
    for (size_t i = 0; i < listed->n; i++) {
        if (strcmp(listed->items[i], "*") == 0 || slice_eq_str(origin, listed->items[i])) {
            return listed->items[i];
        }
    }
    return NULL;
}

static void add(h2o_req_t *req, const char *name, size_t name_len, const char *value)
{
    h2o_add_header_by_str(&req->pool, &req->res.headers, name, name_len, 0, name, value,
                          strlen(value));
}

void cors_add_origin(struct worker *worker, h2o_req_t *req)
{
    const char *origin = listed_origin(worker, req);
    if (origin != NULL) {
        add(req, H2O_STRLIT("access-control-allow-origin"), origin);
        add(req, H2O_STRLIT("access-control-expose-headers"), "Retry-After");
        add(req, H2O_STRLIT("vary"), "Origin");
    }
}

bool cors_answer_preflight(struct worker *worker, h2o_req_t *req)
{
    if (!slice_eq_str(http_slice(req->method), "OPTIONS") || listed_origin(worker, req) == NULL) {
        return false;
    }
    cors_add_origin(worker, req);
    add(req, H2O_STRLIT("access-control-allow-methods"), "POST");
    add(req, H2O_STRLIT("access-control-allow-headers"), allowed_headers);
    add(req, H2O_STRLIT("access-control-max-age"), "7200");
    reply_no_content(req);
    return true;
}
