/* destinations.h: the configured destinations: started in order, stopped together. */
#ifndef SIGPOST_GATEWAY_DESTINATIONS_H
#define SIGPOST_GATEWAY_DESTINATIONS_H

#include "base/result.h"
#include "gateway/gateway.h"

/* Could each of the configuration be started? Touches nothing. False and a sentence otherwise. */
bool destinations_check(const struct config *config, struct result *why);

/* Starts each of the configuration, filling gateway->destinations; cursors of destinations that are
 * no longer configured are forgotten. False and a sentence on failure: those started so far are in
 * the gateway. */
bool destinations_start(struct gateway *gateway, struct result *why);

/* Stops all, each until the monotonic deadline. */
void destinations_stop(struct gateway *gateway, int64_t deadline_mono_ns);

#endif
