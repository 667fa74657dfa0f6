/* routes.c: see routes.h. libh2o matches prefixes of normalised paths; here the raw path must be
 * exactly the route's, so that what is served is what was signed.
 */
#include "gateway/routes.h"

#include "gateway/cors.h"
#include "gateway/forward_auth.h"
#include "gateway/health.h"
#include "gateway/http.h"
#include "gateway/index_page.h"
#include "gateway/ingest.h"
#include "gateway/lobby_routes.h"
#include "gateway/presence_routes.h"
#include "gateway/reply.h"

typedef void (*route_handler)(struct worker *worker, h2o_req_t *req);

/* Whom a route is for. */
enum audience {
    CLIENTS,  /* signed telemetry: refusals carry a google.rpc.Status */
    PEOPLE,   /* answered under server.base_path too */
    OPERATORS /* scrapers and proxies: a prefix that is open to the world must not lead there */
};

/* HEAD is answered wherever GET is: libh2o leaves the body out. */
struct route {
    struct slice path;
    const char *allow; /* NULL: every method, and `get` answers it */
    route_handler get;
    route_handler post;
    enum audience audience;
};

#define PATH(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }

static const struct route routes[] = {
    {PATH("/v1/metrics"), "POST", NULL, ingest_handle, CLIENTS},
    {PATH("/v1/traces"), "POST", NULL, ingest_handle, CLIENTS},
    {PATH("/v1/logs"), "POST", NULL, ingest_handle, CLIENTS},
    {PATH("/v1development/profiles"), "POST", NULL, ingest_handle, CLIENTS},
    {PATH("/"), "GET, HEAD, POST", index_page_get, ingest_handle, PEOPLE},
    {PATH("/auth"), NULL, forward_auth_handle, NULL, OPERATORS},
    {PATH("/health"), "GET, HEAD", health_get, NULL, PEOPLE},
    {PATH("/health/live"), "GET, HEAD", health_get_live, NULL, PEOPLE},
    {PATH("/health/ready"), "GET, HEAD", health_get_ready, NULL, PEOPLE},
    {PATH("/metrics"), "GET, HEAD", health_get_metrics, NULL, OPERATORS},
    {PATH("/metrics/clients"), "GET, HEAD", health_get_client_metrics, NULL, OPERATORS},
    {PATH("/waiting"), "GET, HEAD", lobby_waiting, NULL, PEOPLE},
    {PATH("/capacity"), "GET, HEAD", lobby_capacity, NULL, PEOPLE},
    {PATH("/new"), "GET, HEAD, POST", lobby_new, lobby_new, PEOPLE},
    {PATH("/heartbeat"), "POST", NULL, lobby_heartbeat, PEOPLE},
    {PATH("/release"), "POST", NULL, lobby_release_slot, PEOPLE},
    {PATH("/cleanup-orphaned"), "POST", NULL, lobby_cleanup, OPERATORS},
    {PATH("/auth/session"), NULL, lobby_gate, NULL, PEOPLE},
    {PATH("/start"), "POST", NULL, presence_start_handle, PEOPLE},
    {PATH("/status"), "GET, HEAD", presence_status, NULL, PEOPLE},
};

enum { GRPC_INVALID_ARGUMENT = 3, GRPC_UNIMPLEMENTED = 12 };

static const struct route *find_exactly(struct slice path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (slice_eq(routes[i].path, path)) {
            return &routes[i];
        }
    }
    return NULL;
}

/* The path behind server.base_path: "/status" of "/ost_status/status", "/" of "/ost_status" itself.
 * Absent when it does not lie there. */
static struct slice behind_base(struct worker *worker, struct slice path)
{
    struct slice base = slice_of(gateway_config(worker->gateway)->server.base_path);
    if (base.len == 0 || path.len < base.len || memcmp(path.data, base.data, base.len) != 0) {
        return (struct slice){0};
    }
    struct slice rest = slice_make(path.data + base.len, path.len - base.len);
    if (rest.len == 0) {
        return SLICE_LIT("/");
    }
    return rest.data[0] == '/' ? rest : (struct slice){0};
}

/* What is signed has one path, and operators need no second one: only what is for people lies under
 * the base path, and then *based says so. */
static const struct route *find(struct worker *worker, struct slice path, bool *based)
{
    const struct route *route = find_exactly(path);
    struct slice rest = behind_base(worker, path);
    *based = route == NULL;
    if (route != NULL || rest.data == NULL) {
        return route;
    }
    route = find_exactly(rest);
    return route == NULL || route->audience != PEOPLE ? NULL : route;
}

/* POST / is off with auth.root_path = false, and under the base path. */
static bool is_closed_to_post(struct worker *worker, const struct route *route, bool based)
{
    return route->post == ingest_handle && route->audience != CLIENTS &&
           (based || !gateway_config(worker->gateway)->auth.root_path);
}

static bool takes_exports(struct worker *worker, const struct route *route, bool based)
{
    return route->post == ingest_handle && !is_closed_to_post(worker, route, based);
}

static route_handler handler_for(struct worker *worker, const struct route *route,
                                 struct slice method, bool based)
{
    if (route->allow == NULL || slice_eq_str(method, "GET") || slice_eq_str(method, "HEAD")) {
        return route->get;
    }
    if (!slice_eq_str(method, "POST")) {
        return NULL;
    }
    return is_closed_to_post(worker, route, based) ? NULL : route->post;
}

static void refuse_method(struct worker *worker, h2o_req_t *req, const struct route *route,
                          bool based)
{
    if (route->audience == CLIENTS) {
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_ALLOW, NULL, H2O_STRLIT("POST"));
        reply_status(req, 405, GRPC_UNIMPLEMENTED, SLICE_LIT("this path takes POST only"));
    } else {
        reply_method_not_allowed(req, is_closed_to_post(worker, route, based) ? "GET, HEAD"
                                                                              : route->allow);
    }
}

/* Would this request have got a verdict? What strangers ask of pages must not be told among what
 * clients sign: there an alert looks at how much of it is refused. */
static bool is_for_a_verdict(struct worker *worker, h2o_req_t *req)
{
    bool based;
    const struct route *route = find(worker, http_path(req), &based);
    if (route == NULL) {
        return false;
    }
    return route->get == forward_auth_handle ||
           handler_for(worker, route, http_slice(req->method), based) == ingest_handle;
}

static void on_refused_by_http(h2o_req_t *req, int status)
{
    if (is_for_a_verdict(worker_of(req), req)) {
        ingest_on_refused_by_http(req, status);
    }
}

/* The next bytes of the connection may not be what the sender takes them for: it ends here. */
static void refuse_folded(h2o_req_t *req)
{
    req->http1_is_persistent = 0;
    on_refused_by_http(req, 400);
    reply_status(req, 400, GRPC_INVALID_ARGUMENT,
                 SLICE_LIT("malformed_payload: a header is folded over several lines. Send each "
                           "header on one line."));
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    struct worker *worker = worker_of(req);
    bool based;
    const struct route *route = find(worker, http_path(req), &based);
    if (http_is_folded(req)) {
        refuse_folded(req);
        return 0;
    }
    if (route == NULL) {
        reply_not_found(req);
        return 0;
    }
    if (takes_exports(worker, route, based) && cors_answer_preflight(worker, req)) {
        return 0;
    }
    route_handler handler = handler_for(worker, route, http_slice(req->method), based);
    if (handler == NULL) {
        refuse_method(worker, req, route, based);
    } else {
        handler(worker, req);
    }
    return 0;
}

void routes_register(h2o_hostconf_t *host)
{
    h2o_pathconf_t *everything = h2o_config_register_path(host, "/", 0);
    h2o_handler_t *handler = h2o_create_handler(everything, sizeof(*handler));
    handler->on_req = on_request;
    reply_install_filter(everything, on_refused_by_http);
    reply_install_filter(&host->fallback_path, on_refused_by_http);
}
