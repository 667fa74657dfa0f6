/* pages.h: the routes for people: the pages, and the slots behind them. */
#ifndef SIGPOST_GATEWAY_PAGES_H
#define SIGPOST_GATEWAY_PAGES_H

#include "gateway/gateway.h"

/* GET / and /waiting: the templates, with current, max, available and year. */
void pages_index(struct worker *worker, h2o_req_t *req);
void pages_waiting(struct worker *worker, h2o_req_t *req);

/* GET /capacity: {"current": n, "max": n, "available": bool}. */
void pages_capacity(struct worker *worker, h2o_req_t *req);

/* POST or GET /new: takes a slot, sets the cookie ksid and sends the browser to session.redirect;
 * who holds a slot keeps it; with none free, the waiting page. HEAD takes nothing. */
void pages_new(struct worker *worker, h2o_req_t *req);

/* POST /heartbeat and /release, by the cookie: 200 {"status": "ok"}, or 404 when it holds no
 * slot. */
void pages_heartbeat(struct worker *worker, h2o_req_t *req);
void pages_release(struct worker *worker, h2o_req_t *req);

#endif
