/* listener.h: the listening socket of a worker. */
#ifndef SIGPOST_GATEWAY_LISTENER_H
#define SIGPOST_GATEWAY_LISTENER_H

#include "base/result.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct listen_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* Reads "addr:port", "[v6]:port" or ":port" (numeric). False and a sentence otherwise. */
bool listener_parse(const char *text, struct listen_address *out, struct result *why);

unsigned listener_port(const struct listen_address *address);

/* Does nobody listen there yet? SO_REUSEPORT, by which our workers share the port, would let a
 * second sigpost of the same user take half of the first one's connections. False and a sentence.
 */
bool listener_is_free(const struct listen_address *address, struct result *why);

/* Opens a non-blocking, close-on-exec listening socket with SO_REUSEPORT. With port 0 the port that
 * the kernel chose is written back to address. -1 and a sentence on failure. */
int listener_open(struct listen_address *address, struct result *why);

#endif
