/* cidr.h: IP addresses and address ranges, IPv4 and IPv6 alike. Pure.
 *
 * An address is 16 bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2).
 */
#ifndef SIGPOST_BASE_CIDR_H
#define SIGPOST_BASE_CIDR_H

#include "base/slice.h"

#include <stdint.h>
#include <sys/socket.h>

struct ip_addr {
    uint8_t bytes[16];
};

struct cidr {
    struct ip_addr base;
    unsigned bits; /* 0 to 128; an IPv4 /8 is 104 */
};

#define IP_TEXT_MAX 46 /* INET6_ADDRSTRLEN */

/* "10.1.2.3" or "fd00::1", without brackets, port or zone. False when it is not an address. */
bool ip_parse(struct slice text, struct ip_addr *out);

/* From AF_INET or AF_INET6; other families give the unspecified address :: and false. */
bool ip_from_sockaddr(const struct sockaddr *sa, struct ip_addr *out);

/* The usual text, IPv4 in dotted form, NUL-terminated, written to `out`, which is returned. */
const char *ip_format(const struct ip_addr *addr, char out[IP_TEXT_MAX]);

/* "10.0.0.0/8", "fd00::/8", or a single address. Bits past the prefix must be zero. */
bool cidr_parse(struct slice text, struct cidr *out);

bool cidr_contains(const struct cidr *range, const struct ip_addr *addr);

#endif
