/* cors.h: telemetry from web pages: which origins' browsers may send here (server.cors_origins).
 * Specification: Fetch, section CORS protocol. What a browser hears is the operator's own words,
 * never the request's.
 */
#ifndef SIGPOST_GATEWAY_CORS_H
#define SIGPOST_GATEWAY_CORS_H

#include "gateway/gateway.h"

/* Adds Access-Control-Allow-Origin to the response to come when the request's Origin is listed. */
void cors_add_origin(struct worker *worker, h2o_req_t *req);

/* Answers a preflight (OPTIONS with a listed Origin) with 204 and what a signed export may carry.
 * False: it is none, and nothing was answered. */
bool cors_answer_preflight(struct worker *worker, h2o_req_t *req);

#endif
