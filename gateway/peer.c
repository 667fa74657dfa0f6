/* peer.c: see peer.h. */
#include "gateway/peer.h"

#include "gateway/client_addr.h"
#include "gateway/http.h"

#define FORWARDED_FOR_MAX H2O_MAX_HEADERS /* all: the last one is the nearest proxy's */

bool peer_is_proxy(struct worker *worker, h2o_req_t *req)
{
    const struct config *config = gateway_config(worker->gateway);
    struct ip_addr peer = http_peer(req);
    return client_addr_trusted(config->server.trusted_proxies, config->server.n_trusted_proxies,
                               &peer);
}

struct ip_addr peer_client(struct worker *worker, h2o_req_t *req)
{
    const struct config *config = gateway_config(worker->gateway);
    struct slice hops[FORWARDED_FOR_MAX];
    struct ip_addr peer = http_peer(req);
    size_t n = http_header_all(req, SLICE_LIT("x-forwarded-for"), hops, FORWARDED_FOR_MAX);
    return client_addr_find(config->server.trusted_proxies, config->server.n_trusted_proxies, &peer,
                            hops, n);
}
