/* body.h: from a request's body as it came to the payload that is stored: its type, inflated,
 * protobuf, validated, stamped. The steps that ingest.c takes once the signature holds.
 *
 * Each step leaves its result in body->bytes, which points into the request or into the scratch
 * buffers of the worker: good until the next request's. On the worker's loop.
 */
#ifndef SIGPOST_GATEWAY_BODY_H
#define SIGPOST_GATEWAY_BODY_H

#include "base/buf.h"
#include "base/reason.h"
#include "otlp/encoding.h"
#include "otlp/signal.h"
#include "otlp/stamp.h"

#include <h2o.h>

/* What stamping may add to a body of server.max_body bytes. */
#define BODY_STAMP_ROOM ((size_t)64 * 1024)

/* One a worker; zeroed at first. */
struct body_scratch {
    struct buf inflated;
    struct buf converted;
    struct buf stamped;
};

struct body {
    enum encoding encoding;
    bool json;
    struct slice bytes;
    uint64_t items;  /* data points, spans or log records */
    char fault[320]; /* for the client, when a step refused */
};

/* Reads Content-Type and Content-Encoding, and takes the body as it came. REASON_OK or
 * REASON_UNSUPPORTED_MEDIA_TYPE. */
enum reason body_open(const h2o_req_t *req, struct body *body);

/* Inflates to at most max bytes. REASON_OK, REASON_BODY_TOO_LARGE, REASON_MALFORMED_PAYLOAD. */
enum reason body_inflate(struct body *body, size_t max, struct body_scratch *scratch);

/* JSON to protobuf, then validates and counts. REASON_OK, REASON_MALFORMED_PAYLOAD, or
 * REASON_SPOOL_UNAVAILABLE when out of memory. */
enum reason body_validate(struct body *body, enum signal signal, struct body_scratch *scratch);

/* Puts the attributes into every resource. REASON_OK; REASON_BODY_TOO_LARGE when the result could
 * be longer than max; REASON_SPOOL_UNAVAILABLE when out of memory. */
enum reason body_stamp(struct body *body, enum signal signal,
                       const struct stamp_attribute *attributes, size_t n, size_t max,
                       struct body_scratch *scratch);

/* Frees what a long body left behind, so that one does not cost its memory for ever. */
void body_scratch_trim(struct body_scratch *scratch);
void body_scratch_free(struct body_scratch *scratch);

#endif
