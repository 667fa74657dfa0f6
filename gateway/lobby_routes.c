/* lobby_routes.c: see lobby_routes.h. */
#include "gateway/lobby_routes.h"

#include "base/clock.h"
#include "gateway/bearer.h"
#include "gateway/http.h"
#include "gateway/lobby_wait.h"
#include "gateway/pages.h"
#include "gateway/peer.h"
#include "gateway/presence_routes.h"
#include "gateway/reply.h"
#include "gateway/session_cookie.h"
#include "gateway/visitor.h"

#include <stdio.h>

#define FULL_RETRY_S 30
#define SLOT_HEADER "X-Session-Slot"
#define SLOT_MARK "{id}"

typedef bool (*lobby_step)(struct lobby *lobby, struct slice id, const struct lobby_key *fresh,
                           int64_t now_ns, struct lobby_view *out);

/* --- pages and ways in ------------------------------------------------------------------------ */

static void send_waiting_page(struct worker *worker, h2o_req_t *req, const struct lobby_view *view,
                              bool full)
{
    struct page_variables variables = {.n = 0};
    page_add_common(worker, &variables, view);
    page_add_bool(&variables, "line_full", full);
    if (full) {
        reply_add_retry_after(req, FULL_RETRY_S);
    }
    page_reply(worker, req, full ? 503 : 200, PAGE_WAITING, &variables);
}

/* session.redirect with the slot's public name in the place of {id}. */
static void send_inside(struct worker *worker, h2o_req_t *req, const struct lobby_key *key)
{
    struct buf location = BUF_INIT;
    char slot[LOBBY_SLOT_LEN + 1];
    const char *rest = gateway_config(worker->gateway)->session.redirect;
    lobby_format_slot(key, slot);
    for (const char *mark; (mark = strstr(rest, SLOT_MARK)) != NULL;
         rest = mark + strlen(SLOT_MARK)) {
        buf_append(&location, rest, (size_t)(mark - rest));
        buf_append_str(&location, slot);
    }
    buf_append_str(&location, rest);
    reply_redirect(req, 303, buf_slice(&location));
    buf_free(&location);
}

static void send_place(struct worker *worker, h2o_req_t *req, const struct lobby_answer *answer)
{
    if (answer->joined) {
        session_cookie_set(worker, req, &answer->view.key);
    }
    if (answer->view.place == LOBBY_INSIDE) {
        send_inside(worker, req, &answer->view.key);
    } else {
        send_waiting_page(worker, req, &answer->view, answer->view.place == LOBBY_OUTSIDE);
    }
}

static void send_waiting(struct worker *worker, h2o_req_t *req, const struct lobby_answer *answer)
{
    if (answer->joined) {
        session_cookie_set(worker, req, &answer->view.key);
    }
    send_waiting_page(worker, req, &answer->view, answer->view.place == LOBBY_OUTSIDE);
}

/* Refuses what must not change the lobby; true when it has been answered. */
static bool refuse(h2o_req_t *req, bool repeated)
{
    if (visitor_is_cross_site(req)) {
        reply_json_word(req, 403, "error", "this came from a page of another site");
        return true;
    }
    if (repeated) {
        reply_json_word(req, 400, "error",
                        "the cookie ksid came more than once; delete this site's cookies");
        return true;
    }
    return false;
}

/* New places count against rate.per_address, so that one address cannot fill the line at once. True
 * when the visitor may not have one, and the lobby has been unlocked and the request answered. */
static bool refuse_newcomer(struct worker *worker, h2o_req_t *req)
{
    unsigned retry_after_s;
    struct ip_addr client = peer_client(worker, req);
    if (rate_limit_take(worker->gateway->rate_limit, &client, clock_mono_ns(), &retry_after_s)) {
        return false;
    }
    lobby_keeper_unlock(worker->gateway->lobby);
    reply_later(req, 429, retry_after_s, "too many requests from this address");
    return true;
}

/* HEAD: what GET would show somebody who gets nothing by it. */
static void show_waiting(struct worker *worker, h2o_req_t *req, struct slice id)
{
    struct lobby_view view;
    lobby_look(lobby_keeper_lock(worker->gateway->lobby), id, clock_mono_ns(), &view);
    lobby_keeper_unlock(worker->gateway->lobby);
    send_waiting_page(worker, req, &view, false);
}

static void take_place(struct worker *worker, h2o_req_t *req, lobby_step step,
                       void (*send)(struct worker *, h2o_req_t *, const struct lobby_answer *))
{
    bool repeated;
    int64_t now_ns = clock_mono_ns();
    struct lobby_key fresh;
    struct lobby_answer answer = {.send = send};
    struct slice id = session_cookie_read(req, &repeated);
    if (refuse(req, repeated)) {
        return;
    }
    if (slice_eq_str(http_slice(req->method), "HEAD")) {
        show_waiting(worker, req, id);
        return;
    }
    if (!session_cookie_make(&fresh)) {
        reply_later(req, 503, 1, "no random numbers to make a cookie of");
        return;
    }
    struct lobby *lobby = lobby_keeper_lock(worker->gateway->lobby);
    lobby_look(lobby, id, now_ns, &answer.view);
    bool newcomer = answer.view.place == LOBBY_OUTSIDE;
    if (newcomer && refuse_newcomer(worker, req)) {
        return;
    }
    step(lobby, id, &fresh, now_ns, &answer.view);
    answer.joined = newcomer && answer.view.place != LOBBY_OUTSIDE;
    lobby_wait_unlock(worker, req, &answer);
}

void lobby_waiting(struct worker *worker, h2o_req_t *req)
{
    take_place(worker, req, lobby_join, send_waiting);
}

void lobby_new(struct worker *worker, h2o_req_t *req)
{
    take_place(worker, req, lobby_enter, send_place);
}

/* --- JSON ------------------------------------------------------------------------------------- */

void lobby_capacity(struct worker *worker, h2o_req_t *req)
{
    struct lobby_view view;
    bool repeated;
    struct buf body = BUF_INIT;
    struct slice id = session_cookie_read(req, &repeated);
    lobby_look(lobby_keeper_lock(worker->gateway->lobby), id, clock_mono_ns(), &view);
    lobby_keeper_unlock(worker->gateway->lobby);
    buf_printf(&body, "{\"current\": %u, \"max\": %u, \"available\": %s, \"waiting\": %u",
               view.current, view.max, view.available ? "true" : "false", view.waiting);
    if (view.place == LOBBY_IN_LINE) {
        buf_printf(&body, ", \"position\": %u", view.position);
    } else {
        buf_append_str(&body, ", \"position\": null");
    }
    if (view.wait_ns != LOBBY_WAIT_UNKNOWN) {
        buf_printf(&body, ", \"wait_seconds\": %lld}\n",
                   (long long)((view.wait_ns + NS_PER_SECOND - 1) / NS_PER_SECOND));
    } else {
        buf_append_str(&body, ", \"wait_seconds\": null}\n");
    }
    reply_body(req, 200, SLICE_LIT("application/json"), buf_slice(&body));
    buf_free(&body);
}

void lobby_reply_place(h2o_req_t *req, const struct lobby_view *view)
{
    char body[96];
    if (view->place == LOBBY_INSIDE) {
        reply_json_word(req, 200, "status", "ok");
        return;
    }
    int len = snprintf(body, sizeof(body),
                       "{\"status\": \"waiting\", \"position\": %u, \"available\": %s}\n",
                       view->position, view->available ? "true" : "false");
    reply_body(req, 202, SLICE_LIT("application/json"), slice_make(body, (size_t)len));
}

static void reply_unknown(h2o_req_t *req)
{
    reply_json_word(req, 404, "error", "the cookie ksid holds no slot and no place in line");
}

void lobby_heartbeat(struct worker *worker, h2o_req_t *req)
{
    struct lobby_view view;
    bool repeated;
    struct slice id = session_cookie_read(req, &repeated);
    if (bearer_came(req)) {
        presence_heartbeat_handle(worker, req);
        return;
    }
    if (refuse(req, repeated)) {
        return;
    }
    bool known = lobby_touch(lobby_keeper_lock(worker->gateway->lobby), id, clock_mono_ns(), &view);
    lobby_keeper_unlock(worker->gateway->lobby);
    if (known) {
        lobby_reply_place(req, &view);
    } else {
        reply_unknown(req);
    }
}

static void send_released(struct worker *worker, h2o_req_t *req, const struct lobby_answer *answer)
{
    session_cookie_clear(worker, req);
    if (answer->found) {
        reply_json_word(req, 200, "status", "ok");
    } else {
        reply_unknown(req);
    }
}

void lobby_release_slot(struct worker *worker, h2o_req_t *req)
{
    struct lobby_answer answer = {.send = send_released};
    bool repeated;
    struct slice id = session_cookie_read(req, &repeated);
    if (bearer_came(req)) {
        presence_release_handle(worker, req);
        return;
    }
    if (refuse(req, repeated)) {
        return;
    }
    answer.found = lobby_release(lobby_keeper_lock(worker->gateway->lobby), id, clock_mono_ns());
    if (answer.found) {
        lobby_wait_unlock(worker, req, &answer);
    } else { /* nothing changed, nothing is to be waited for */
        lobby_keeper_unlock(worker->gateway->lobby);
        send_released(worker, req, &answer);
    }
}

/* --- the operator's --------------------------------------------------------------------------- */

static void send_cleaned(struct worker *worker, h2o_req_t *req, const struct lobby_answer *answer)
{
    char body[64];
    (void)worker;
    int len =
        snprintf(body, sizeof(body), "{\"status\": \"ok\", \"cleaned\": %u}\n", answer->count);
    reply_body(req, 200, SLICE_LIT("application/json"), slice_make(body, (size_t)len));
}

/* "?silent=SECONDS" or nothing: then INT64_MAX, and only what fell silent goes. */
static bool read_silent(const h2o_req_t *req, int64_t *out)
{
    static const char name[] = "?silent=";
    const size_t len = sizeof(name) - 1;
    *out = INT64_MAX;
    if (req->query_at == SIZE_MAX) {
        return true;
    }
    struct slice query = slice_make(req->path.base + req->query_at, req->path.len - req->query_at);
    if (query.len <= len || query.len > len + 9 || memcmp(query.data, name, len) != 0) {
        return false;
    }
    int64_t seconds = 0;
    for (size_t i = len; i < query.len; i++) {
        if (query.data[i] < '0' || query.data[i] > '9') {
            return false;
        }
        seconds = seconds * 10 + (query.data[i] - '0');
    }
    *out = seconds * NS_PER_SECOND;
    return true;
}

void lobby_cleanup(struct worker *worker, h2o_req_t *req)
{
    struct lobby_answer answer = {.send = send_cleaned};
    int64_t silent_ns;
    if (!visitor_is_local(req) && !bearer_admit(worker, req)) {
        return;
    }
    if (!read_silent(req, &silent_ns)) {
        reply_json_word(req, 400, "error", "the query is not ?silent=SECONDS");
        return;
    }
    struct lobby *lobby = lobby_keeper_lock(worker->gateway->lobby);
    answer.count = lobby_clear(lobby, silent_ns, clock_mono_ns());
    lobby_wait_unlock(worker, req, &answer);
}

/* --- the gate --------------------------------------------------------------------------------- */

static void let_in(h2o_req_t *req, const struct lobby_key *key)
{
    char slot[LOBBY_SLOT_LEN + 1];
    lobby_format_slot(key, slot);
    h2o_iovec_t value = h2o_strdup(&req->pool, slot, LOBBY_SLOT_LEN);
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("x-session-slot"), 0,
                          SLOT_HEADER, value.base, value.len);
    reply_json_word(req, 200, "status", "ok");
}

void lobby_gate(struct worker *worker, h2o_req_t *req)
{
    struct lobby_view view;
    bool repeated;
    struct slice id = session_cookie_read(req, &repeated);
    lobby_guard(lobby_keeper_lock(worker->gateway->lobby), id, clock_mono_ns(), &view);
    lobby_keeper_unlock(worker->gateway->lobby);
    if (view.place == LOBBY_INSIDE) {
        let_in(req, &view.key);
    } else if (visitor_wants_page(req)) {
        reply_redirect(req, 302, slice_of(gateway_config(worker->gateway)->session.lobby_url));
    } else {
        reply_json_word(req, 401, "error", "no slot is held by the cookie ksid");
    }
}
