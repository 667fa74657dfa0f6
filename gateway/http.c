/* http.c: see http.h. */
#include "gateway/http.h"

#include <strings.h>

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s = slice_make(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

struct slice http_path(const h2o_req_t *req)
{
    size_t len = req->query_at != SIZE_MAX ? req->query_at : req->path.len;
    return slice_make(req->path.base, len);
}

size_t http_header_all(const h2o_req_t *req, struct slice name, struct slice *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < req->headers.size && n < max; i++) {
        const h2o_header_t *header = &req->headers.entries[i];
        if (slice_eq(http_slice(*header->name), name)) {
            out[n++] = trim(http_slice(header->value));
        }
    }
    return n;
}

struct slice http_header(const h2o_req_t *req, struct slice name, bool *repeated)
{
    struct slice values[2];
    size_t n = http_header_all(req, name, values, 2);
    *repeated = n > 1;
    return n > 0 ? values[0] : (struct slice){0};
}

bool http_is_folded(const h2o_req_t *req)
{
    for (size_t i = 0; i < req->headers.size; i++) {
        if (req->headers.entries[i].name->len == 0) {
            return true;
        }
    }
    return false;
}

bool http_media_type_is(struct slice content_type, const char *type)
{
    if (content_type.data == NULL) {
        return false;
    }
    const char *parameters = memchr(content_type.data, ';', content_type.len);
    if (parameters != NULL) {
        content_type.len = (size_t)(parameters - content_type.data);
    }
    content_type = trim(content_type);
    return content_type.len == strlen(type) &&
           strncasecmp(content_type.data, type, content_type.len) == 0;
}

/* Reads the cookies of one header; those of the name are counted, the first is kept. */
static size_t read_cookies(struct slice rest, struct slice name, struct slice *first)
{
    size_t n = 0;
    while (rest.len > 0) {
        const char *end = memchr(rest.data, ';', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.data) : rest.len;
        struct slice pair = trim(slice_make(rest.data, len));
        if (pair.len > name.len && pair.data[name.len] == '=' &&
            memcmp(pair.data, name.data, name.len) == 0) {
            n++;
            if (first->data == NULL && pair.len > name.len + 1) {
                *first = slice_make(pair.data + name.len + 1, pair.len - name.len - 1);
            }
        }
        size_t skip = end != NULL ? len + 1 : len;
        rest = slice_make(rest.data + skip, rest.len - skip);
    }
    return n;
}

struct slice http_cookie(const h2o_req_t *req, struct slice name, bool *repeated)
{
    struct slice lines[H2O_MAX_HEADERS];
    struct slice value = {0};
    size_t n = http_header_all(req, SLICE_LIT("cookie"), lines, H2O_MAX_HEADERS);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        found += read_cookies(lines[i], name, &value);
    }
    *repeated = found > 1;
    return value;
}

struct ip_addr http_peer(h2o_req_t *req)
{
    struct sockaddr_storage storage = {0};
    struct ip_addr peer;
    req->conn->callbacks->get_peername(req->conn, (struct sockaddr *)&storage);
    ip_from_sockaddr((struct sockaddr *)&storage, &peer);
    return peer;
}
