/* index_page.h: the page of GET /: the lobby's places, and how telemetry is doing. */
#ifndef SIGPOST_GATEWAY_INDEX_PAGE_H
#define SIGPOST_GATEWAY_INDEX_PAGE_H

#include "gateway/gateway.h"

/* GET /. A sign of life of who waits in line. */
void index_page_get(struct worker *worker, h2o_req_t *req);

#endif
