/* pages.c: see pages.h. */
#include "gateway/pages.h"

#include "base/clock.h"
#include "gateway/reply.h"
#include "gateway/session_cookie.h"

#include <time.h>

static void add(struct page_variables *variables, struct template_variable variable)
{
    if (variables->n < PAGE_VARIABLES_MAX) {
        variables->all[variables->n++] = variable;
    }
}

void page_add_text(struct page_variables *variables, const char *name, struct slice text)
{
    add(variables, (struct template_variable){name, TEMPLATE_STRING, text, 0});
}

void page_add_number(struct page_variables *variables, const char *name, int64_t number)
{
    add(variables, (struct template_variable){name, TEMPLATE_NUMBER, {0}, number});
}

void page_add_bool(struct page_variables *variables, const char *name, bool value)
{
    add(variables, (struct template_variable){name, TEMPLATE_BOOL, {0}, value});
}

void page_add_common(struct worker *worker, struct page_variables *variables,
                     const struct lobby_view *view)
{
    time_t now = (time_t)clock_wall_s();
    struct tm utc;
    gmtime_r(&now, &utc);
    page_add_number(variables, "current", view->current);
    page_add_number(variables, "max", view->max);
    page_add_bool(variables, "available", view->available);
    page_add_number(variables, "waiting", view->waiting);
    page_add_number(variables, "position", view->position);
    page_add_bool(variables, "inside", view->place == LOBBY_INSIDE);
    if (view->wait_ns != LOBBY_WAIT_UNKNOWN) {
        const int64_t minute = 60 * NS_PER_SECOND;
        page_add_number(variables, "wait_minutes", (view->wait_ns + minute - 1) / minute);
    }
    page_add_number(variables, "year", utc.tm_year + 1900);
    page_add_text(variables, "base", slice_of(gateway_config(worker->gateway)->server.base_path));
}

void page_reply(struct worker *worker, h2o_req_t *req, int status, enum page page,
                const struct page_variables *variables)
{
    struct buf body = BUF_INIT;
    page_store_render(worker->gateway->pages, page, variables->all, variables->n, &body);
    reply_body(req, status, SLICE_LIT("text/html; charset=utf-8"), buf_slice(&body));
    buf_free(&body);
}

void pages_index(struct worker *worker, h2o_req_t *req)
{
    struct page_variables variables = {.n = 0};
    struct lobby_view view;
    bool repeated;
    struct slice id = session_cookie_read(req, &repeated);
    lobby_look(lobby_keeper_lock(worker->gateway->lobby), id, clock_mono_ns(), &view);
    lobby_keeper_unlock(worker->gateway->lobby);
    page_add_common(worker, &variables, &view);
    page_reply(worker, req, 200, PAGE_INDEX, &variables);
}
