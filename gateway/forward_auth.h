/* forward_auth.h: /auth: the verdict on a request that goes elsewhere, for proxies that ask first
 * (Traefik's ForwardAuth, nginx's auth_request). docs/traefik.md tells operators when.
 */
#ifndef SIGPOST_GATEWAY_FORWARD_AUTH_H
#define SIGPOST_GATEWAY_FORWARD_AUTH_H

#include "gateway/gateway.h"

/* Judges X-Forwarded-Method and X-Forwarded-Uri with the signing headers of this request, for peers
 * in server.trusted_proxies. The request's own method and body count for nothing.
 *
 * 200 says in headers what was proved: X-Auth-Status `valid` (`unsigned` where auth.required =
 * false let it in), X-Auth-Session, X-Auth-Key-Id and X-Auth-Environment, each only when there is
 * something to say; a label that is not printable ASCII cannot stand in a header. A refusal is the
 * verdict's, as ingest gives it. On the request's loop. */
void forward_auth_handle(struct worker *worker, h2o_req_t *req);

#endif
