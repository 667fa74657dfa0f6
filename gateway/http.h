/* http.h: reading a request of libh2o as slices, with the care that its values need: names and
 * values are not NUL-terminated, headers may be repeated, blanks may stand behind values.
 * All slices are borrowed from the request.
 */
#ifndef SIGPOST_GATEWAY_HTTP_H
#define SIGPOST_GATEWAY_HTTP_H

#include "base/cidr.h"
#include "base/slice.h"

#include <h2o.h>

static inline struct slice http_slice(h2o_iovec_t v)
{
    return slice_make(v.base, v.len);
}

/* The path as sent: neither decoded nor normalised, query cut off. */
struct slice http_path(const h2o_req_t *req);

/* The header's value without blanks around it: absent when it is missing, *repeated when it came
 * more than once (the first value is returned then). name in lower case. */
struct slice http_header(const h2o_req_t *req, struct slice name, bool *repeated);

/* The values of every header of that name, at most max; returns how many. */
size_t http_header_all(const h2o_req_t *req, struct slice name, struct slice *out, size_t max);

/* Is a header folded over several lines (obs-fold of RFC 9112)? libh2o hands each further line on
 * as a header without a name; whoever stands before us may have read it as part of a value. */
bool http_is_folded(const h2o_req_t *req);

/* Is this media type, parameters cut off, compared without case? */
bool http_media_type_is(struct slice content_type, const char *type);

/* The value of a cookie: absent when there is none of that name or it is empty, *repeated when
 * there is more than one in all Cookie headers (the first is returned then). */
struct slice http_cookie(const h2o_req_t *req, struct slice name, bool *repeated);

/* The address at the other end of the connection. */
struct ip_addr http_peer(h2o_req_t *req);

#endif
