/* health_push.h: a sign of life for an uptime monitor that waits for one: every
 * health.push_interval a canary is sent (canary.h), and health.push_url called with its outcome.
 *
 *     GET {push_url}?status=up&msg=OK&ping=12          ping: the canary's way in milliseconds
 *     GET {push_url}?status=down&msg=otlp%3A%20…       which hop, and why; no ping
 *
 * As Uptime Kuma's push monitors take it (any other that takes these may be named too). On a thread
 * of its own, that nobody waits for; the URL and the interval may change while running.
 */
#ifndef SIGPOST_GATEWAY_HEALTH_PUSH_H
#define SIGPOST_GATEWAY_HEALTH_PUSH_H

#include "gateway/canary.h"

struct health_push;

/* Starts the thread. `port` is the listener's. NULL and a sentence on failure. */
struct health_push *health_push_start(struct gateway *gateway, unsigned port, struct result *why);

/* Ends it, within about a second, and frees. Before the server drains. NULL is fine. */
void health_push_stop(struct health_push *push);

/* Appends the URL to call: `base`, without the status, msg and ping that it may have been pasted
 * with, and with these. */
void health_push_url(struct buf *out, const char *base, const struct canary_outcome *outcome);

/* Appends as much of the URL as may be shown: scheme and host, no user, path or query. */
void health_push_shown_url(struct buf *out, const char *url);

/* Was the beat taken? `problem` gets why not. A page of the monitor's (a path that is not its push
 * path) comes with 200, too. */
struct http_call_answer;
bool health_push_taken(const struct http_call_answer *answer, struct result *problem);

#endif
