/* client_addr.c: see client_addr.h. The list is read backwards, an element at a time, and no
 * further than MAX_HOPS elements of MAX_ELEMENT bytes: a header of 100 KB costs no more than a long
 * one. Empty elements are passed over (RFC 9110, 5.6.1), but count.
 */
#include "gateway/client_addr.h"

#define MAX_HOPS 32
#define MAX_ELEMENT 128 /* "[v6]:port" has 47 bytes; the rest is room for blanks */

/* Where the reading stands: in values[n - 1], before byte `end`. */
struct cursor {
    const struct slice *values;
    size_t n;
    size_t end;
    bool in_value;
};

enum element { ELEMENT_NONE, ELEMENT_FOUND, ELEMENT_TOO_LONG };

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* The element before the cursor, without the blanks around it. */
static enum element previous(struct cursor *cursor, struct slice *out)
{
    if (!cursor->in_value) {
        if (cursor->n == 0) {
            return ELEMENT_NONE;
        }
        cursor->end = cursor->values[cursor->n - 1].len;
        cursor->in_value = true;
    }
    const char *value = cursor->end > 0 ? cursor->values[cursor->n - 1].data : "";
    size_t begin = cursor->end;
    while (begin > 0 && value[begin - 1] != ',') {
        begin--;
        if (cursor->end - begin > MAX_ELEMENT) {
            return ELEMENT_TOO_LONG;
        }
    }
    *out = trim(slice_make(value + begin, cursor->end - begin));
    if (begin > 0) {
        cursor->end = begin - 1;
    } else {
        cursor->in_value = false;
        cursor->n--;
    }
    return ELEMENT_FOUND;
}

/* ":0" to ":65535". */
static bool is_port(struct slice text)
{
    unsigned port = 0;
    if (text.len < 2 || text.len > 6 || text.data[0] != ':') {
        return false;
    }
    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    return port <= 65535;
}

/* "1.2.3.4", "1.2.3.4:80", "::1", "[::1]" or "[::1]:80". An IPv6 address with a port but without
 * brackets cannot be told from a longer address and is read as one. */
static bool parse_hop(struct slice text, struct ip_addr *out)
{
    if (text.len > 0 && text.data[0] == '[') {
        const char *close = memchr(text.data, ']', text.len);
        if (close == NULL) {
            return false;
        }
        struct slice inside = slice_make(text.data + 1, (size_t)(close - text.data) - 1);
        struct slice behind = slice_make(close + 1, text.len - inside.len - 2);
        return memchr(inside.data, ':', inside.len) != NULL &&
               (behind.len == 0 || is_port(behind)) && ip_parse(inside, out);
    }
    const char *colon = text.len > 0 ? memchr(text.data, ':', text.len) : NULL;
    if (colon != NULL) {
        struct slice behind = slice_make(colon, text.len - (size_t)(colon - text.data));
        if (memchr(colon + 1, ':', behind.len - 1) == NULL) {
            if (!is_port(behind)) {
                return false;
            }
            text.len = (size_t)(colon - text.data);
        }
    }
    return ip_parse(text, out);
}

bool client_addr_trusted(const struct cidr *proxies, size_t n_proxies, const struct ip_addr *peer)
{
    for (size_t i = 0; i < n_proxies; i++) {
        if (cidr_contains(&proxies[i], peer)) {
            return true;
        }
    }
    return false;
}

struct ip_addr client_addr_find(const struct cidr *proxies, size_t n_proxies,
                                const struct ip_addr *peer, const struct slice *forwarded_for,
                                size_t n)
{
    struct ip_addr client = *peer;
    struct cursor cursor = {.values = forwarded_for, .n = n};
    for (unsigned hops = 0; hops < MAX_HOPS; hops++) {
        struct slice element;
        if (!client_addr_trusted(proxies, n_proxies, &client) ||
            previous(&cursor, &element) != ELEMENT_FOUND) {
            break;
        }
        struct ip_addr hop;
        if (element.len == 0) {
            continue;
        }
        if (!parse_hop(element, &hop)) {
            break;
        }
        client = hop;
    }
    return client;
}
