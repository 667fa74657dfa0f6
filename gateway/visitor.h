/* visitor.h: what a request for people tells of who asks: scheme, origin, the kind of answer.
 * What proxies say of it counts from trusted ones only. */
#ifndef SIGPOST_GATEWAY_VISITOR_H
#define SIGPOST_GATEWAY_VISITOR_H

#include "gateway/gateway.h"

/* Did the browser come by https? */
bool visitor_by_https(struct worker *worker, h2o_req_t *req);

/* Did a browser send this on behalf of another site, other than by following a link? Browsers say
 * so in Sec-Fetch-Site (over https and on localhost); without it the answer is no. */
bool visitor_is_cross_site(const h2o_req_t *req);

/* Is a page asked for: does Accept name text/html, and not with q=0? */
bool visitor_wants_page(const h2o_req_t *req);

/* Is this a program on this very machine: loopback, not through a proxy, not a browser? */
bool visitor_is_local(h2o_req_t *req);

#endif
