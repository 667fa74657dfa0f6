/* server.h: listeners and workers: threads with their own event loop each, the connection cap, the
 * drain.
 */
#ifndef SIGPOST_GATEWAY_SERVER_H
#define SIGPOST_GATEWAY_SERVER_H

#include "base/result.h"
#include "gateway/gateway.h"

/* What libh2o buffers of one request's headers at most, whatever server.max_body is: about 0.4 MiB,
 * rounded up. */
#define SERVER_HEADERS_MAX ((size_t)512 * 1024)

struct server;

/* Binds server.listen once a worker (SO_REUSEPORT) and starts the workers. Checks that the
 * connection cap fits the limit on open files. NULL and a sentence on failure. The gateway must be
 * complete and outlive the server. */
struct server *server_start(struct gateway *gateway, struct result *why);

/* The port that is listened on (server.listen may say 0). */
unsigned server_port(const struct server *server);

/* Stops accepting, ends keep-alive, answers the requests that have begun, waits until they are done
 * or the monotonic deadline has passed, and ends the workers. The spool must still run. */
void server_drain(struct server *server, int64_t deadline_mono_ns);

/* Frees a drained server. After gateway_stop: until then the spool's thread may be in the middle of
 * waking a worker's loop. */
void server_destroy(struct server *server);

#endif
