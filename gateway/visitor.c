/* visitor.c: see visitor.h. */
#include "gateway/visitor.h"

#include "gateway/http.h"
#include "gateway/peer.h"

#include <strings.h>

bool visitor_by_https(struct worker *worker, h2o_req_t *req)
{
    bool repeated;
    struct slice proto = http_header(req, SLICE_LIT("x-forwarded-proto"), &repeated);
    return !repeated && slice_eq_str(proto, "https") && peer_is_proxy(worker, req);
}

static bool header_is(const h2o_req_t *req, struct slice name, const char *value)
{
    bool repeated;
    return slice_eq_str(http_header(req, name, &repeated), value) && !repeated;
}

bool visitor_is_cross_site(const h2o_req_t *req)
{
    bool reads = slice_eq_str(http_slice(req->method), "GET") ||
                 slice_eq_str(http_slice(req->method), "HEAD");
    bool follows_link = reads && header_is(req, SLICE_LIT("sec-fetch-mode"), "navigate") &&
                        header_is(req, SLICE_LIT("sec-fetch-dest"), "document");
    return header_is(req, SLICE_LIT("sec-fetch-site"), "cross-site") && !follows_link;
}

/* "q=0", "q=0.", "q=0.000" among the parameters. */
static bool is_refused(struct slice parameters)
{
    for (size_t i = 0; i + 2 < parameters.len; i++) {
        bool begins = i == 0 || parameters.data[i - 1] == ';' || parameters.data[i - 1] == ' ';
        if (begins && strncasecmp(parameters.data + i, "q=", 2) == 0) {
            size_t at = i + 2;
            while (at < parameters.len &&
                   (parameters.data[at] == '0' || parameters.data[at] == '.')) {
                at++;
            }
            return at == parameters.len || parameters.data[at] < '1' || parameters.data[at] > '9';
        }
    }
    return false;
}

static bool names_page(struct slice accept)
{
    while (accept.len != 0) {
        const char *comma = memchr(accept.data, ',', accept.len);
        size_t len = comma != NULL ? (size_t)(comma - accept.data) : accept.len;
        struct slice part = slice_make(accept.data, len);
        const char *semicolon = memchr(part.data, ';', part.len);
        struct slice parameters = {"", 0};
        if (semicolon != NULL) {
            size_t before = (size_t)(semicolon - part.data) + 1;
            parameters = slice_make(part.data + before, part.len - before);
        }
        if (http_media_type_is(part, "text/html")) {
            return !is_refused(parameters);
        }
        size_t skip = comma != NULL ? len + 1 : len;
        accept = slice_make(accept.data + skip, accept.len - skip);
    }
    return false;
}

bool visitor_wants_page(const h2o_req_t *req)
{
    struct slice values[8];
    size_t n = http_header_all(req, SLICE_LIT("accept"), values, 8);
    for (size_t i = 0; i < n; i++) {
        if (names_page(values[i])) {
            return true;
        }
    }
    return false;
}

static bool is_loopback(const struct ip_addr *addr)
{
    struct cidr v4;
    struct cidr v6;
    return cidr_parse(SLICE_LIT("127.0.0.0/8"), &v4) && cidr_parse(SLICE_LIT("::1/128"), &v6) &&
           (cidr_contains(&v4, addr) || cidr_contains(&v6, addr));
}

/* Does this header come from a proxy or a browser? Of proxies' own names there are many: -For,
 * -Proto, -Host, -Port, -Ssl, ... */
static bool tells_of_others(struct slice name)
{
    static const struct slice names[] = {{"x-real-ip", 9}, {"forwarded", 9},       {"via", 3},
                                         {"origin", 6},    {"sec-fetch-site", 14}, {"referer", 7}};
    static const struct slice prefix = {"x-forwarded-", 12};
    bool tells = name.len >= prefix.len && memcmp(name.data, prefix.data, prefix.len) == 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        tells = tells || slice_eq(name, names[i]);
    }
    return tells;
}

bool visitor_is_local(h2o_req_t *req)
{
    struct ip_addr peer = http_peer(req);
    for (size_t i = 0; i < req->headers.size; i++) {
        if (tells_of_others(http_slice(*req->headers.entries[i].name))) {
            return false;
        }
    }
    return is_loopback(&peer);
}
