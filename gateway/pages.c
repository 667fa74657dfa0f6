/* pages.c: see pages.h. The lobby is one state machine for all workers, under one lock that is held
 * for one step of it.
 */
#include "gateway/pages.h"

#include "base/clock.h"
#include "gateway/client_addr.h"
#include "gateway/http.h"
#include "gateway/reply.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <time.h>

#define COOKIE_NAME "ksid"

static struct lobby *lock_lobby(struct gateway *gateway, int64_t now_ns)
{
    pthread_mutex_lock(&gateway->lobby_lock);
    lobby_expire(gateway->lobby, now_ns);
    return gateway->lobby;
}

static void unlock_lobby(struct gateway *gateway)
{
    pthread_mutex_unlock(&gateway->lobby_lock);
}

static struct lobby_capacity get_capacity(struct gateway *gateway)
{
    struct lobby_capacity capacity;
    lobby_get_capacity(lock_lobby(gateway, clock_mono_ns()), &capacity);
    unlock_lobby(gateway);
    return capacity;
}

static void reply_page(struct worker *worker, h2o_req_t *req, enum page page)
{
    struct lobby_capacity capacity = get_capacity(worker->gateway);
    time_t now = (time_t)clock_wall_s();
    struct tm utc;
    gmtime_r(&now, &utc);
    const struct template_variable variables[] = {
        {"current", TEMPLATE_NUMBER, {0}, capacity.current},
        {"max", TEMPLATE_NUMBER, {0}, capacity.max},
        {"available", TEMPLATE_BOOL, {0}, capacity.available},
        {"year", TEMPLATE_NUMBER, {0}, utc.tm_year + 1900},
    };
    struct buf body = BUF_INIT;
    page_store_render(worker->gateway->pages, page, variables,
                      sizeof(variables) / sizeof(variables[0]), &body);
    reply_body(req, 200, SLICE_LIT("text/html; charset=utf-8"), buf_slice(&body));
    buf_free(&body);
}

void pages_index(struct worker *worker, h2o_req_t *req)
{
    reply_page(worker, req, PAGE_INDEX);
}

void pages_waiting(struct worker *worker, h2o_req_t *req)
{
    reply_page(worker, req, PAGE_WAITING);
}

void pages_capacity(struct worker *worker, h2o_req_t *req)
{
    struct lobby_capacity capacity = get_capacity(worker->gateway);
    char body[96];
    int len = snprintf(body, sizeof(body), "{\"current\": %u, \"max\": %u, \"available\": %s}\n",
                       capacity.current, capacity.max, capacity.available ? "true" : "false");
    reply_body(req, 200, SLICE_LIT("application/json"), slice_make(body, (size_t)len));
}

static bool make_id(char id[LOBBY_ID_LEN + 1])
{
    unsigned char random[LOBBY_ID_LEN / 2];
    if (RAND_bytes(random, sizeof(random)) != 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof(random); i++) {
        snprintf(id + 2 * i, 3, "%02x", random[i]);
    }
    return true;
}

/* Did the browser come by https? Only a trusted proxy can tell. */
static bool came_by_https(struct worker *worker, h2o_req_t *req)
{
    const struct config *config = gateway_config(worker->gateway);
    struct ip_addr peer = http_peer(req);
    bool repeated;
    struct slice proto = http_header(req, SLICE_LIT("x-forwarded-proto"), &repeated);
    return !repeated && slice_eq_str(proto, "https") &&
           client_addr_trusted(config->server.trusted_proxies, config->server.n_trusted_proxies,
                               &peer);
}

static void set_cookie(struct worker *worker, h2o_req_t *req, const char *id)
{
    char text[160];
    int len = snprintf(text, sizeof(text), COOKIE_NAME "=%s; Path=/; HttpOnly; SameSite=Lax%s", id,
                       came_by_https(worker, req) ? "; Secure" : "");
    h2o_iovec_t value = h2o_strdup(&req->pool, text, (size_t)len);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_SET_COOKIE, NULL, value.base,
                   value.len);
}

void pages_new(struct worker *worker, h2o_req_t *req)
{
    struct slice held = http_cookie(req, SLICE_LIT(COOKIE_NAME));
    int64_t now_ns = clock_mono_ns();
    char id[LOBBY_ID_LEN + 1];
    if (slice_eq_str(http_slice(req->method), "HEAD") || !make_id(id)) {
        reply_page(worker, req, PAGE_WAITING);
        return;
    }
    struct lobby *lobby = lock_lobby(worker->gateway, now_ns);
    bool holds = lobby_touch(lobby, held, now_ns);
    bool entered = !holds && lobby_enter(lobby, slice_of(id), now_ns);
    unlock_lobby(worker->gateway);
    if (entered) {
        set_cookie(worker, req, id);
    }
    if (holds || entered) {
        reply_see_other(req, gateway_config(worker->gateway)->session.redirect);
    } else {
        reply_page(worker, req, PAGE_WAITING);
    }
}

static void reply_held(h2o_req_t *req, bool held)
{
    if (held) {
        reply_json_word(req, 200, "status", "ok");
    } else {
        reply_json_word(req, 404, "error", "no slot is held by the cookie " COOKIE_NAME);
    }
}

void pages_heartbeat(struct worker *worker, h2o_req_t *req)
{
    int64_t now_ns = clock_mono_ns();
    struct slice id = http_cookie(req, SLICE_LIT(COOKIE_NAME));
    bool held = lobby_touch(lock_lobby(worker->gateway, now_ns), id, now_ns);
    unlock_lobby(worker->gateway);
    reply_held(req, held);
}

void pages_release(struct worker *worker, h2o_req_t *req)
{
    struct slice id = http_cookie(req, SLICE_LIT(COOKIE_NAME));
    bool held = lobby_release(lock_lobby(worker->gateway, clock_mono_ns()), id);
    unlock_lobby(worker->gateway);
    reply_held(req, held);
}
