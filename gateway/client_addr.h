/* client_addr.h: who is asking: the peer, or what trusted proxies say of it. Pure.
 *
 * When the peer is a trusted proxy, X-Forwarded-For is read from the right: the first hop that is
 * not trusted is the client. All hops trusted: the leftmost. Missing or junk at the place where it
 * would be needed: the nearest good hop to the right of it, at last the peer. Several
 * X-Forwarded-For headers count as one list in their order. A port behind the address and brackets
 * around IPv6 are taken off.
 */
#ifndef SIGPOST_GATEWAY_CLIENT_ADDR_H
#define SIGPOST_GATEWAY_CLIENT_ADDR_H

#include "base/cidr.h"

#include <stdbool.h>
#include <stddef.h>

/* Is this address in one of the ranges? */
bool client_addr_trusted(const struct cidr *proxies, size_t n_proxies, const struct ip_addr *peer);

/* forwarded_for: the values of all X-Forwarded-For headers in order; n may be 0. */
struct ip_addr client_addr_find(const struct cidr *proxies, size_t n_proxies,
                                const struct ip_addr *peer, const struct slice *forwarded_for,
                                size_t n);

#endif
