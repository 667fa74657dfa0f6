/* session_cookie.c: see session_cookie.h. */
#include "gateway/session_cookie.h"

#include "gateway/http.h"
#include "gateway/visitor.h"

#include <openssl/rand.h>
#include <stdio.h>

#define COOKIE_NAME "ksid"

struct slice session_cookie_read(const h2o_req_t *req, bool *repeated)
{
    struct slice value = http_cookie(req, SLICE_LIT(COOKIE_NAME), repeated);
    if (*repeated) {
        value = (struct slice){0};
    }
    return value;
}

static void add(struct worker *worker, h2o_req_t *req, const char *value, const char *life)
{
    char text[160];
    int len = snprintf(text, sizeof(text), COOKIE_NAME "=%s; Path=/%s; HttpOnly; SameSite=Lax%s",
                       value, life, visitor_by_https(worker, req) ? "; Secure" : "");
    h2o_iovec_t header = h2o_strdup(&req->pool, text, (size_t)len);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_SET_COOKIE, NULL, header.base,
                   header.len);
}

void session_cookie_set(struct worker *worker, h2o_req_t *req, const struct lobby_key *key)
{
    char id[LOBBY_ID_LEN + 1];
    lobby_format_id(key, id);
    add(worker, req, id, "");
}

void session_cookie_clear(struct worker *worker, h2o_req_t *req)
{
    add(worker, req, "", "; Max-Age=0");
}

bool session_cookie_make(struct lobby_key *key)
{
    return RAND_bytes((unsigned char *)key, sizeof(*key)) == 1;
}
