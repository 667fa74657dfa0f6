/* ingest.h: signed telemetry: POST /v1/metrics, /v1/traces, /v1/logs, and POST / by the published
 * client.
 */
#ifndef SIGPOST_GATEWAY_INGEST_H
#define SIGPOST_GATEWAY_INGEST_H

#include "gateway/gateway.h"

/* Takes the request through all steps to its answer, at once or when the disk has said "durable".
 * On the request's loop. */
void ingest_handle(struct worker *worker, h2o_req_t *req);

/* A request that was on its way to a verdict and was refused as HTTP (by libh2o, or for its
 * headers): counted and logged under the verdict that it amounts to. */
void ingest_on_refused_by_http(h2o_req_t *req, int status);

#endif
