/* stamp.h: writes what the gateway proved into every resource of an Export…ServiceRequest, and
 * takes out what the client claimed under the same names.
 *
 * Done by splicing on the wire: nothing is decoded or encoded again. Attributes of a resource that
 * bear a stamped name go, however often and in however many pieces the client wrote them; the
 * stamps stand at the end of the resource (of the last piece, since decoders either join pieces or
 * keep the last); where there is no resource, one is put first. All other bytes are copied as they
 * are, unknown fields and padded varints included. Lengths that change keep their width if they
 * were padded and still fit, else take their shortest form. Attributes of scopes, data points,
 * spans and records, and the keys that entity_refs name, are left alone, as is key_strindex, which
 * has a meaning in profiles only. Stamping what is stamped changes nothing.
 *
 * Thread: any; pure. Cost: linear, at most two passes over the resources' fields, one allocation at
 * most. Specification: protobuf encoding; OTLP 1.x resource.proto, common.proto.
 */
#ifndef SIGPOST_OTLP_STAMP_H
#define SIGPOST_OTLP_STAMP_H

#include "base/buf.h"
#include "otlp/signal.h"

#include <stdbool.h>
#include <stddef.h>

/* Both UTF-8; the key not empty, and no key given twice. */
struct stamp_attribute {
    struct slice key;
    struct slice value; /* a string; empty: the name is only removed */
};

/* The most bytes that stamping can make of the request, at least its own length; SIZE_MAX when the
 * attributes alone pass the protobuf limit. A resource takes as little as two bytes on the wire and
 * every one of them is given all the stamps, so a small request can become a large one: compare
 * this with what may be stored before stamping. Cost: one step a resource. */
size_t stamp_size_max(struct slice request, const struct stamp_attribute *attributes, size_t n);

/* Appends to out the stamped request. The request must have passed validate_request for that signal
 * and must not lie in out. On failure returns false, sets out->failed and leaves what out held:
 * out of memory, stamp_size_max past WIRE_LENGTH_MAX, or a request that is no sound protobuf after
 * all. */
bool stamp_request(enum signal signal, struct slice request,
                   const struct stamp_attribute *attributes, size_t n, struct buf *out);

#endif
