/* validate.h: is this a well-formed Export…ServiceRequest, and how much is in it?
 *
 * Walks the wire bytes by the protobuf-c descriptors of our schema; nothing is unpacked, nothing is
 * allocated. Refuses what a decoder would refuse (lengths past the end, bad varints and tags, wire
 * types that do not fit the field, strings that are not UTF-8), nesting past VALIDATE_DEPTH_MAX,
 * and trace and span ids that are neither empty nor 16 and 8 bytes: for one such id the Collector
 * refuses the whole request. Padded varints, fields in any order, packed and unpacked repeats and
 * unknown fields are ordinary; padded tags and lengths up to the five bytes that every decoder
 * takes (wire.h). Thread: any; pure. Specification: protobuf encoding; OTLP 1.x.
 */
#ifndef SIGPOST_OTLP_VALIDATE_H
#define SIGPOST_OTLP_VALIDATE_H

#include "otlp/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALIDATE_DEPTH_MAX 64
#define VALIDATE_FAULT_MAX 256

struct validation {
    uint64_t items;                 /* data points, spans or log records */
    char fault[VALIDATE_FAULT_MAX]; /* where and what, e.g.
                     "resource_metrics[0].scope_metrics[2].metrics[5].name: invalid UTF-8" */
};

/* True and items, or false and fault (NUL-terminated, printable ASCII). */
bool validate_request(enum signal signal, const uint8_t *bytes, size_t len, struct validation *out);

#endif
