/* presence_routes.h: who is observing what: written with a bearer token, read by everybody. */
#ifndef SIGPOST_GATEWAY_PRESENCE_ROUTES_H
#define SIGPOST_GATEWAY_PRESENCE_ROUTES_H

#include "gateway/gateway.h"

/* POST /start: `user` and `target`, as a form or JSON. 200 when present, 202 with a position when
 * every slot is taken, 503 when the line is full too. */
void presence_start_handle(struct worker *worker, h2o_req_t *req);

/* POST /heartbeat and /release with a bearer token. Without `user` the only one is meant: 404 when
 * there is none, 400 when there are several. */
void presence_heartbeat_handle(struct worker *worker, h2o_req_t *req);
void presence_release_handle(struct worker *worker, h2o_req_t *req);

/* GET /status: JSON, or a page for who accepts text/html. */
void presence_status(struct worker *worker, h2o_req_t *req);

#endif
