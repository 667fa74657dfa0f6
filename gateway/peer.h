/* peer.h: who stands at the other end of a request's connection, and who behind it. */
#ifndef SIGPOST_GATEWAY_PEER_H
#define SIGPOST_GATEWAY_PEER_H

#include "gateway/gateway.h"

/* Is the socket's peer one of server.trusted_proxies? What it says of others counts only then. */
bool peer_is_proxy(struct worker *worker, h2o_req_t *req);

/* The client: the peer, or whom trusted proxies name in X-Forwarded-For (client_addr.h). */
struct ip_addr peer_client(struct worker *worker, h2o_req_t *req);

#endif
