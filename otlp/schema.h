/* schema.h: what the validator and the JSON converter both ask of the schema's descriptors, and how
 * both show a place in a request. Pure.
 */
#ifndef SIGPOST_OTLP_SCHEMA_H
#define SIGPOST_OTLP_SCHEMA_H

#include "otlp/wire.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* The wire type of one value. */
static inline enum wire_type schema_wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

/* Cuts the middle out of a path of `len` bytes that is longer than twice `end`, between names, so
 * that about `end` bytes are left of either end: "resource_spans[0]...values[2].value". */
void schema_shorten_path(char *path, size_t len, size_t end);

#endif
