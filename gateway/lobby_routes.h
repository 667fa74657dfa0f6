/* lobby_routes.h: the lobby's routes for browsers. Who somebody is, the cookie `ksid` says; one
 * that comes twice is refused where something would change, and is nobody's elsewhere. What another
 * site's page makes a browser send is refused (visitor.h). */
#ifndef SIGPOST_GATEWAY_LOBBY_ROUTES_H
#define SIGPOST_GATEWAY_LOBBY_ROUTES_H

#include "gateway/gateway.h"

/* GET /waiting: the waiting page, and a place in line with its cookie for who has neither place nor
 * slot; 503 when the line is full. HEAD takes nothing. */
void lobby_waiting(struct worker *worker, h2o_req_t *req);

/* GET or POST /new: a slot, its cookie, and the way to session.redirect; when it is not this one's
 * turn, as lobby_waiting. HEAD takes nothing. */
void lobby_new(struct worker *worker, h2o_req_t *req);

/* GET /capacity: the lobby as this visitor sees it, as JSON. A sign of life of who waits in line;
 * takes nothing. */
void lobby_capacity(struct worker *worker, h2o_req_t *req);

/* POST /heartbeat and /release: activity and the end, of a slot or of a place in line; with a
 * bearer token those of presence (presence_routes.h). 404 when the cookie has neither. */
void lobby_heartbeat(struct worker *worker, h2o_req_t *req);
void lobby_release_slot(struct worker *worker, h2o_req_t *req);

/* POST /cleanup-orphaned[?silent=SECONDS], for the operator: frees the slots that fell silent, or
 * that have been for so long. */
void lobby_cleanup(struct worker *worker, h2o_req_t *req);

/* Where somebody is, as JSON: 200 inside, 202 with the position in line. */
void lobby_reply_place(h2o_req_t *req, const struct lobby_view *view);

/* /auth/session, any method: for a proxy that asks before each request (Traefik's ForwardAuth). 200
 * and activity when the cookie holds a slot, otherwise 302 to session.lobby_url for a page and 401
 * for the rest. */
void lobby_gate(struct worker *worker, h2o_req_t *req);

#endif
