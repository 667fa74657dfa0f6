/* routes.c: see routes.h. libh2o matches prefixes of normalised paths; here the raw path must be
 * exactly the route's, so that what is served is what was signed.
 */
#include "gateway/routes.h"

#include "gateway/cors.h"
#include "gateway/forward_auth.h"
#include "gateway/health.h"
#include "gateway/http.h"
#include "gateway/ingest.h"
#include "gateway/pages.h"
#include "gateway/reply.h"

typedef void (*route_handler)(struct worker *worker, h2o_req_t *req);

/* HEAD is answered wherever GET is: libh2o leaves the body out. */
struct route {
    struct slice path;
    const char *allow; /* NULL: every method, and `get` answers it */
    route_handler get;
    route_handler post;
    bool otlp; /* refusals carry a google.rpc.Status */
};

#define PATH(text)               \
    {                            \
        (text), sizeof(text) - 1 \
    }

static const struct route routes[] = {
    {PATH("/v1/metrics"), "POST", NULL, ingest_handle, true},
    {PATH("/v1/traces"), "POST", NULL, ingest_handle, true},
    {PATH("/v1/logs"), "POST", NULL, ingest_handle, true},
    {PATH("/v1development/profiles"), "POST", NULL, ingest_handle, true},
    {PATH("/"), "GET, HEAD, POST", pages_index, ingest_handle, false},
    {PATH("/auth"), NULL, forward_auth_handle, NULL, false},
    {PATH("/health"), "GET, HEAD", health_get, NULL, false},
    {PATH("/health/live"), "GET, HEAD", health_get_live, NULL, false},
    {PATH("/health/ready"), "GET, HEAD", health_get_ready, NULL, false},
    {PATH("/metrics"), "GET, HEAD", health_get_metrics, NULL, false},
    {PATH("/metrics/clients"), "GET, HEAD", health_get_client_metrics, NULL, false},
    {PATH("/waiting"), "GET, HEAD", pages_waiting, NULL, false},
    {PATH("/capacity"), "GET, HEAD", pages_capacity, NULL, false},
    {PATH("/new"), "GET, HEAD, POST", pages_new, pages_new, false},
    {PATH("/heartbeat"), "POST", NULL, pages_heartbeat, false},
    {PATH("/release"), "POST", NULL, pages_release, false},
};

enum { GRPC_INVALID_ARGUMENT = 3, GRPC_UNIMPLEMENTED = 12 };

static const struct route *find(struct slice path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (slice_eq(routes[i].path, path)) {
            return &routes[i];
        }
    }
    return NULL;
}

/* POST / is off with auth.root_path = false: then nothing signed lives there. */
static bool is_closed_to_post(struct worker *worker, const struct route *route)
{
    return route->path.len == 1 && !gateway_config(worker->gateway)->auth.root_path;
}

static bool takes_exports(struct worker *worker, const struct route *route)
{
    return route->post == ingest_handle && !is_closed_to_post(worker, route);
}

static route_handler handler_for(struct worker *worker, const struct route *route,
                                 struct slice method)
{
    if (route->allow == NULL || slice_eq_str(method, "GET") || slice_eq_str(method, "HEAD")) {
        return route->get;
    }
    if (!slice_eq_str(method, "POST")) {
        return NULL;
    }
    return is_closed_to_post(worker, route) ? NULL : route->post;
}

static void refuse_method(struct worker *worker, h2o_req_t *req, const struct route *route)
{
    if (route->otlp) {
        h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_ALLOW, NULL, H2O_STRLIT("POST"));
        reply_status(req, 405, GRPC_UNIMPLEMENTED, SLICE_LIT("this path takes POST only"));
    } else {
        reply_method_not_allowed(req,
                                 is_closed_to_post(worker, route) ? "GET, HEAD" : route->allow);
    }
}

/* The next bytes of the connection may not be what the sender takes them for: it ends here. */
static void refuse_folded(h2o_req_t *req)
{
    req->http1_is_persistent = 0;
    ingest_on_refused_by_http(req, 400);
    reply_status(req, 400, GRPC_INVALID_ARGUMENT,
                 SLICE_LIT("malformed_payload: a header is folded over several lines. Send each "
                           "header on one line."));
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    struct worker *worker = worker_of(req);
    const struct route *route = find(http_path(req));
    if (http_is_folded(req)) {
        refuse_folded(req);
        return 0;
    }
    if (route == NULL) {
        reply_not_found(req);
        return 0;
    }
    if (takes_exports(worker, route) && cors_answer_preflight(worker, req)) {
        return 0;
    }
    route_handler handler = handler_for(worker, route, http_slice(req->method));
    if (handler == NULL) {
        refuse_method(worker, req, route);
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
    reply_install_filter(everything, ingest_on_refused_by_http);
    reply_install_filter(&host->fallback_path, ingest_on_refused_by_http);
}
