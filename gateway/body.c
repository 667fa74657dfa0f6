/* body.c: see body.h. */
#include "gateway/body.h"

#include "gateway/http.h"
#include "otlp/json.h"
#include "otlp/validate.h"

#include <stdio.h>

#define SCRATCH_KEPT                                                             \
    ((size_t)256 * 1024) /* a buffer longer than this is freed after its request \
                          */

enum reason body_open(const h2o_req_t *req, struct body *body)
{
    bool type_repeated;
    bool encoding_repeated;
    struct slice type = http_header(req, SLICE_LIT("content-type"), &type_repeated);
    struct slice encoding = http_header(req, SLICE_LIT("content-encoding"), &encoding_repeated);
    bool protobuf = http_media_type_is(type, "application/x-protobuf");
    *body = (struct body){.bytes = http_slice(req->entity)};
    body->json = http_media_type_is(type, "application/json");
    if (type_repeated || encoding_repeated || !(protobuf || body->json) ||
        !encoding_of(encoding, &body->encoding)) {
        return REASON_UNSUPPORTED_MEDIA_TYPE;
    }
    return REASON_OK;
}

enum reason body_inflate(struct body *body, size_t max, struct body_scratch *scratch)
{
    const char *fault = "";
    if (body->encoding == ENCODING_IDENTITY) {
        return REASON_OK;
    }
    buf_clear(&scratch->inflated);
    enum encoding_result result =
        encoding_inflate(body->encoding, body->bytes, max, &scratch->inflated, &fault);
    switch (result) {
    case ENCODING_OK:
        body->bytes = buf_slice(&scratch->inflated);
        return REASON_OK;
    case ENCODING_TOO_LARGE:
        snprintf(body->fault, sizeof(body->fault), "inflated it is longer than %zu bytes", max);
        return REASON_BODY_TOO_LARGE;
    case ENCODING_MALFORMED:
        snprintf(body->fault, sizeof(body->fault), "%s", fault);
        return REASON_MALFORMED_PAYLOAD;
    case ENCODING_NO_MEMORY:
        break;
    }
    snprintf(body->fault, sizeof(body->fault), "out of memory");
    return REASON_SPOOL_UNAVAILABLE;
}

static enum reason convert(struct body *body, enum signal signal, struct body_scratch *scratch)
{
    struct json_fault fault;
    if (!body->json) {
        return REASON_OK;
    }
    buf_clear(&scratch->converted);
    if (!json_to_request(signal, body->bytes, &scratch->converted, &fault)) {
        snprintf(body->fault, sizeof(body->fault), "%s", fault.text);
        return scratch->converted.failed ? REASON_SPOOL_UNAVAILABLE : REASON_MALFORMED_PAYLOAD;
    }
    body->bytes = buf_slice(&scratch->converted);
    return REASON_OK;
}

enum reason body_validate(struct body *body, enum signal signal, struct body_scratch *scratch)
{
    struct validation validation;
    enum reason converted = convert(body, signal, scratch);
    if (converted != REASON_OK) {
        return converted;
    }
    if (!validate_request(signal, (const uint8_t *)body->bytes.data, body->bytes.len,
                          &validation)) {
        snprintf(body->fault, sizeof(body->fault), "%s", validation.fault);
        return REASON_MALFORMED_PAYLOAD;
    }
    body->items = validation.items;
    return REASON_OK;
}

enum reason body_stamp(struct body *body, enum signal signal,
                       const struct stamp_attribute *attributes, size_t n, size_t max,
                       struct body_scratch *scratch)
{
    if (stamp_size_max(body->bytes, attributes, n) > max) {
        snprintf(body->fault, sizeof(body->fault),
                 "with what is stamped on its resources it is longer than %zu bytes", max);
        return REASON_BODY_TOO_LARGE;
    }
    buf_clear(&scratch->stamped);
    if (!stamp_request(signal, body->bytes, attributes, n, &scratch->stamped)) {
        snprintf(body->fault, sizeof(body->fault), "out of memory");
        return REASON_SPOOL_UNAVAILABLE;
    }
    body->bytes = buf_slice(&scratch->stamped);
    return REASON_OK;
}

static void trim(struct buf *b)
{
    if (b->cap > SCRATCH_KEPT) {
        buf_free(b);
    }
}

void body_scratch_trim(struct body_scratch *scratch)
{
    trim(&scratch->inflated);
    trim(&scratch->converted);
    trim(&scratch->stamped);
}

void body_scratch_free(struct body_scratch *scratch)
{
    buf_free(&scratch->inflated);
    buf_free(&scratch->converted);
    buf_free(&scratch->stamped);
}
