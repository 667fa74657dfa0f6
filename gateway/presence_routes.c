/* presence_routes.c: see presence_routes.h. */
#include "gateway/presence_routes.h"

#include "base/clock.h"
#include "gateway/bearer.h"
#include "gateway/fields.h"
#include "gateway/http.h"
#include "gateway/lobby_routes.h"
#include "gateway/lobby_wait.h"
#include "gateway/pages.h"
#include "gateway/reply.h"
#include "gateway/session_cookie.h"
#include "gateway/visitor.h"

#include <stdio.h>
#include <time.h>

#define FULL_RETRY_S 30
#define LIST_MAX 64 /* told as JSON */
#define PAGE_MAX 8  /* shown on the page */

/* --- writing ---------------------------------------------------------------------------------- */

/* False when the request has been answered. */
static bool read_fields(h2o_req_t *req, struct fields *out)
{
    struct result why = RESULT_INIT;
    bool repeated;
    struct slice body = http_slice(req->entity);
    struct slice type = http_header(req, SLICE_LIT("content-type"), &repeated);
    *out = (struct fields){0};
    if (body.len == 0) {
        return true;
    }
    if (body.len > FIELDS_BODY_MAX) {
        reply_json_word(req, 413, "error", "the body is longer than 4096 bytes");
        return false;
    }
    bool json = http_media_type_is(type, "application/json");
    if (!json && !http_media_type_is(type, "application/x-www-form-urlencoded")) {
        reply_json_word(req, 415, "error",
                        "send application/x-www-form-urlencoded or application/json");
        return false;
    }
    if (!(json ? fields_from_json(body, out, &why) : fields_from_form(body, out, &why))) {
        reply_json_word(req, 400, "error", why.text);
        return false;
    }
    return true;
}

static void send_started(struct worker *worker, h2o_req_t *req, const struct lobby_answer *answer)
{
    (void)worker;
    if (answer->found) {
        lobby_reply_place(req, &answer->view);
    } else {
        reply_later(req, 503, FULL_RETRY_S, "every slot is taken and the line is full");
    }
}

void presence_start_handle(struct worker *worker, h2o_req_t *req)
{
    struct lobby_answer answer = {.send = send_started};
    struct fields fields;
    struct lobby_key fresh;
    if (!bearer_admit(worker, req) || !read_fields(req, &fields)) {
        return;
    }
    if (!fields.has_user) {
        reply_json_word(req, 400, "error", "user is missing; send user and target");
        return;
    }
    if (!session_cookie_make(&fresh)) {
        reply_later(req, 503, 1, "no random numbers to make a slot of");
        return;
    }
    struct lobby *lobby = lobby_keeper_lock(worker->gateway->lobby);
    answer.found = presence_start(lobby, slice_of(fields.user), slice_of(fields.target), &fresh,
                                  clock_mono_ns(), &answer.view);
    lobby_wait_unlock(worker, req, &answer);
}

static void reply_not_found_present(h2o_req_t *req, enum presence_found found)
{
    if (found == PRESENCE_SEVERAL) {
        reply_json_word(req, 400, "error", "several are present; say with user who is meant");
    } else {
        reply_json_word(req, 404, "error", "nobody is present by that name; POST /start first");
    }
}

static struct slice user_of(const struct fields *fields)
{
    return fields->has_user ? slice_of(fields->user) : (struct slice){0};
}

void presence_heartbeat_handle(struct worker *worker, h2o_req_t *req)
{
    struct lobby_view view;
    struct fields fields;
    if (!bearer_admit(worker, req) || !read_fields(req, &fields)) {
        return;
    }
    enum presence_found found = presence_heartbeat(lobby_keeper_lock(worker->gateway->lobby),
                                                   user_of(&fields), clock_mono_ns(), &view);
    lobby_keeper_unlock(worker->gateway->lobby);
    if (found == PRESENCE_FOUND) {
        lobby_reply_place(req, &view);
    } else {
        reply_not_found_present(req, found);
    }
}

static void send_released(struct worker *worker, h2o_req_t *req, const struct lobby_answer *answer)
{
    (void)worker;
    if (answer->found) {
        reply_json_word(req, 200, "status", "ok");
    } else {
        reply_not_found_present(req, (enum presence_found)answer->count);
    }
}

void presence_release_handle(struct worker *worker, h2o_req_t *req)
{
    struct lobby_answer answer = {.send = send_released};
    struct fields fields;
    if (!bearer_admit(worker, req) || !read_fields(req, &fields)) {
        return;
    }
    enum presence_found found = presence_release(lobby_keeper_lock(worker->gateway->lobby),
                                                 user_of(&fields), clock_mono_ns());
    answer.found = found == PRESENCE_FOUND;
    answer.count = found;
    lobby_wait_unlock(worker, req, &answer);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* One observer, copied while the lobby was locked. */
struct observer {
    char user[PRESENCE_USER_MAX + 1];
    char target[PRESENCE_TARGET_MAX + 1];
    char since[CLOCK_ISO_MAX];
    char since_text[24]; /* "2026-01-31 12:00 UTC" */
    int64_t since_s;     /* seconds ago */
    int64_t heard_s;
};

struct status {
    struct lobby_view view;
    struct observer observers[LIST_MAX];
    size_t n; /* there may be more than are listed */
};

static void describe(struct observer *out, const struct presence *presence, int64_t now_ns)
{
    int64_t wall_ns = clock_wall_ns() - (now_ns - presence->since_ns);
    time_t since = (time_t)(wall_ns / NS_PER_SECOND);
    struct tm utc;
    memcpy(out->user, presence->user.data, presence->user.len + 1);
    memcpy(out->target, presence->target.data, presence->target.len + 1);
    clock_format_iso(wall_ns, out->since);
    gmtime_r(&since, &utc);
    strftime(out->since_text, sizeof(out->since_text), "%Y-%m-%d %H:%M UTC", &utc);
    out->since_s = (now_ns - presence->since_ns) / NS_PER_SECOND;
    out->heard_s = (now_ns - presence->touched_ns) / NS_PER_SECOND;
}

static void look(struct worker *worker, h2o_req_t *req, struct status *out)
{
    struct presence list[LIST_MAX];
    bool repeated;
    int64_t now_ns = clock_mono_ns();
    struct slice id = session_cookie_read(req, &repeated);
    struct lobby *lobby = lobby_keeper_lock(worker->gateway->lobby);
    lobby_glance(lobby, id, now_ns, &out->view);
    out->n = presence_list(lobby, now_ns, list, LIST_MAX);
    for (size_t i = 0; i < out->n && i < LIST_MAX; i++) {
        describe(&out->observers[i], &list[i], now_ns);
    }
    lobby_keeper_unlock(worker->gateway->lobby);
}

static void append_string(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\": \"", name);
    buf_append_json(out, slice_of(text));
    buf_append_str(out, "\", ");
}

static void reply_status_json(h2o_req_t *req, const struct status *status)
{
    struct buf body = BUF_INIT;
    buf_printf(&body,
               "{\"observing\": %s, \"present\": %zu, \"current\": %u, \"max\": %u, "
               "\"waiting\": %u, \"observers\": [",
               status->n != 0 ? "true" : "false", status->n, status->view.current, status->view.max,
               status->view.waiting);
    for (size_t i = 0; i < status->n && i < LIST_MAX; i++) {
        const struct observer *o = &status->observers[i];
        buf_append_str(&body, i == 0 ? "{" : ", {");
        append_string(&body, "user", o->user);
        append_string(&body, "target", o->target);
        append_string(&body, "since", o->since);
        buf_printf(&body, "\"since_seconds\": %lld, \"heard_seconds\": %lld}",
                   (long long)o->since_s, (long long)o->heard_s);
    }
    buf_append_str(&body, "]}\n");
    reply_body(req, 200, SLICE_LIT("application/json"), buf_slice(&body));
    buf_free(&body);
}

/* The template has no loops: user1, target1, since1, minutes1 … user8. */
static void reply_status_page(struct worker *worker, h2o_req_t *req, const struct status *status)
{
    static const char *const names[PAGE_MAX][4] = {
        {"user1", "target1", "since1", "minutes1"}, {"user2", "target2", "since2", "minutes2"},
        {"user3", "target3", "since3", "minutes3"}, {"user4", "target4", "since4", "minutes4"},
        {"user5", "target5", "since5", "minutes5"}, {"user6", "target6", "since6", "minutes6"},
        {"user7", "target7", "since7", "minutes7"}, {"user8", "target8", "since8", "minutes8"}};
    struct page_variables variables = {.n = 0};
    size_t shown = status->n < PAGE_MAX ? status->n : PAGE_MAX;
    page_add_common(worker, &variables, &status->view);
    page_add_bool(&variables, "observing", status->n != 0);
    page_add_number(&variables, "present", (int64_t)status->n);
    page_add_number(&variables, "more", (int64_t)(status->n - shown));
    for (size_t i = 0; i < shown; i++) {
        const struct observer *o = &status->observers[i];
        page_add_text(&variables, names[i][0], slice_of(o->user));
        page_add_text(&variables, names[i][1], slice_of(o->target));
        page_add_text(&variables, names[i][2], slice_of(o->since_text));
        page_add_number(&variables, names[i][3], o->since_s / 60);
    }
    page_reply(worker, req, 200, PAGE_STATUS, &variables);
}

void presence_status(struct worker *worker, h2o_req_t *req)
{
    struct status status = {.n = 0};
    look(worker, req, &status);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_VARY, NULL, H2O_STRLIT("Accept"));
    if (visitor_wants_page(req)) {
        reply_status_page(worker, req, &status);
    } else {
        reply_status_json(req, &status);
    }
}
