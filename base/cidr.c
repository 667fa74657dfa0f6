/* cidr.c: see cidr.h. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define V4_PREFIX_BITS 96

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void from_v4(const void *four_bytes, struct ip_addr *out)
{
    memcpy(out->bytes, v4_prefix, sizeof(v4_prefix));
    memcpy(out->bytes + sizeof(v4_prefix), four_bytes, 4);
}

bool ip_parse(struct slice text, struct ip_addr *out)
{
    char copy[IP_TEXT_MAX];
    memset(out, 0, sizeof(*out));
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    struct in_addr v4;
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        from_v4(&v4, out);
        return true;
    }
    struct in6_addr v6;
    if (inet_pton(AF_INET6, copy, &v6) != 1) {
        return false;
    }
    memcpy(out->bytes, &v6, sizeof(out->bytes));
    return true;
}

bool ip_from_sockaddr(const struct sockaddr *sa, struct ip_addr *out)
{
    memset(out, 0, sizeof(*out));
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, sa, sizeof(v4));
        from_v4(&v4.sin_addr, out);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, sa, sizeof(v6));
        memcpy(out->bytes, &v6.sin6_addr, sizeof(out->bytes));
        return true;
    }
    return false;
}

const char *ip_format(const struct ip_addr *addr, char out[IP_TEXT_MAX])
{
    const char *text = NULL;
    if (memcmp(addr->bytes, v4_prefix, sizeof(v4_prefix)) == 0) {
        text = inet_ntop(AF_INET, addr->bytes + sizeof(v4_prefix), out, IP_TEXT_MAX);
    } else {
        text = inet_ntop(AF_INET6, addr->bytes, out, IP_TEXT_MAX);
    }
    if (text == NULL) {
        out[0] = '\0'; /* cannot happen: the room is INET6_ADDRSTRLEN */
    }
    return out;
}

/* One to three digits without a leading zero. */
static bool parse_prefix(const char *digits, size_t len, unsigned most, unsigned *out)
{
    unsigned value = 0;
    if (len == 0 || len > 3 || (digits[0] == '0' && len > 1)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(digits[i] - '0');
    }
    *out = value;
    return value <= most;
}

/* The bits of byte i that belong to the prefix. */
static uint8_t prefix_mask(unsigned bits, size_t i)
{
    unsigned before = (unsigned)i * 8;
    if (bits >= before + 8) {
        return 0xff;
    }
    unsigned ones = bits > before ? bits - before : 0;
    return (uint8_t)(0xff00U >> ones);
}

bool cidr_parse(struct slice text, struct cidr *out)
{
    memset(out, 0, sizeof(*out));
    if (text.len == 0) {
        return false;
    }
    const char *slash = memchr(text.data, '/', text.len);
    size_t addr_len = slash != NULL ? (size_t)(slash - text.data) : text.len;
    if (!ip_parse(slice_make(text.data, addr_len), &out->base)) {
        return false;
    }
    bool is_v4 = memchr(text.data, ':', addr_len) == NULL;
    out->bits = 128;
    if (slash != NULL) {
        size_t digits = text.len - addr_len - 1;
        if (!parse_prefix(slash + 1, digits, is_v4 ? 32 : 128, &out->bits)) {
            return false;
        }
        out->bits += is_v4 ? V4_PREFIX_BITS : 0;
    }
    for (size_t i = 0; i < sizeof(out->base.bytes); i++) {
        if ((out->base.bytes[i] & ~prefix_mask(out->bits, i)) != 0) {
            return false;
        }
    }
    return true;
}

bool cidr_contains(const struct cidr *range, const struct ip_addr *addr)
{
    for (size_t i = 0; i < sizeof(addr->bytes) && i * 8 < range->bits; i++) {
        if (((range->base.bytes[i] ^ addr->bytes[i]) & prefix_mask(range->bits, i)) != 0) {
            return false;
        }
    }
    return true;
}
