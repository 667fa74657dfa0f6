/* pages.c: see pages.h. */
#include "gateway/pages.h"

#include "base/clock.h"
#include "gateway/page_policy.h"
#include "gateway/reply.h"

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

static void add_header(h2o_req_t *req, const char *lower, const char *name, struct slice value)
{
    h2o_iovec_t kept = h2o_strdup(&req->pool, value.data, value.len);
    h2o_add_header_by_str(&req->pool, &req->res.headers, lower, strlen(lower), 0, name, kept.base,
                          kept.len);
}

/* builtin: what page_store_render returned. */
static void add_policy(struct worker *worker, h2o_req_t *req, const char *builtin)
{
    struct buf policy = BUF_INIT;
    buf_append_str(&policy, builtin != NULL ? builtin : PAGE_POLICY_OWN);
    if (builtin != NULL) {
        page_policy_form(gateway_config(worker->gateway)->session.redirect, &policy);
    }
    add_header(req, "content-security-policy", "Content-Security-Policy", buf_slice(&policy));
    add_header(req, "x-content-type-options", "X-Content-Type-Options", SLICE_LIT("nosniff"));
    add_header(req, "referrer-policy", "Referrer-Policy", SLICE_LIT("same-origin"));
    buf_free(&policy);
}

void page_reply(struct worker *worker, h2o_req_t *req, int status, enum page page,
                const struct page_variables *variables)
{
    struct buf body = BUF_INIT;
    add_policy(
        worker, req,
        page_store_render(worker->gateway->pages, page, variables->all, variables->n, &body));
    reply_body(req, status, SLICE_LIT("text/html; charset=utf-8"), buf_slice(&body));
    buf_free(&body);
}
