/* routes.h: the one table from path and method to what answers. */
#ifndef SIGPOST_GATEWAY_ROUTES_H
#define SIGPOST_GATEWAY_ROUTES_H

#include "gateway/gateway.h"

/* Registers the table as the handler of every path, and the filter for libh2o's own refusals. */
void routes_register(h2o_hostconf_t *host);

#endif
