/* health.h: what probes and scrapes ask. Never a redirect, whatever the query or Accept. */
#ifndef SIGPOST_GATEWAY_HEALTH_H
#define SIGPOST_GATEWAY_HEALTH_H

#include "gateway/gateway.h"

/* GET /health: {"status": "healthy", …} with flat fields a probe can query; always 200. */
void health_get(struct worker *worker, h2o_req_t *req);

/* GET /health/live: {"status": "healthy"}: the loop turns. */
void health_get_live(struct worker *worker, h2o_req_t *req);

/* GET /health/ready: 200 {"status": "healthy", …}, or 503 {"status": "degraded", …, "reason"}. */
void health_get_ready(struct worker *worker, h2o_req_t *req);

/* GET /metrics: the gateway's own series. */
void health_get_metrics(struct worker *worker, h2o_req_t *req);

/* GET /metrics/clients: what the clients sent, as fleet series; empty without that destination. */
void health_get_client_metrics(struct worker *worker, h2o_req_t *req);

/* How far what was taken in has got, as everybody may know it. */
struct pipeline {
    bool collector_ok;  /* every destination took the last batch, or had none yet */
    bool spool_ok;      /* data is being taken in */
    int64_t oldest_s;   /* age of the oldest request that waits in the spool; 0: none does */
    uint64_t n_waiting; /* requests in the spool */
};

/* Any thread. */
void health_look(struct gateway *gateway, struct pipeline *out);

/* Makes the gauges that are set on scrape. */
void health_register_metrics(struct gateway *gateway);

#endif
