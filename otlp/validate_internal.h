/* validate_internal.h: what the walk (validate.c) and the wording of its faults (validate_fault.c)
 * share. Nobody else includes it.
 */
#ifndef SIGPOST_OTLP_VALIDATE_INTERNAL_H
#define SIGPOST_OTLP_VALIDATE_INTERNAL_H

#include "otlp/schema.h"
#include "otlp/validate.h"
#include "otlp/wire.h"

/* A message that is open. Of the request itself only type and begin are used. */
struct level {
    const ProtobufCMessageDescriptor *type;
    const uint8_t *begin;                  /* its first byte */
    const uint8_t *outer_end;              /* where the message around it ends */
    const ProtobufCFieldDescriptor *field; /* of the message around it */
    const uint8_t *tag_at;                 /* where that field's tag stands */
};

struct walk {
    struct wire wire;
    enum signal signal;
    const uint8_t *bytes; /* the whole request */
    uint64_t items;
    struct validation *out;
    const uint8_t *tag_at;                 /* of the field under the cursor */
    uint32_t number;                       /* its number; 0 when the tag is at fault */
    const ProtobufCFieldDescriptor *field; /* NULL when the schema has none of this number */
    size_t depth;                          /* open messages, the request included */
    struct level levels[VALIDATE_DEPTH_MAX];
};

/* Each writes where and what into walk->out->fault, and returns false. */
bool fault_wire(struct walk *walk); /* the cursor's own */
bool fault_wire_type(struct walk *walk, enum wire_type found);
bool fault_utf8(struct walk *walk);
bool fault_id(struct walk *walk, size_t len, size_t right);
bool fault_depth(struct walk *walk);
bool fault_packed(struct walk *walk, size_t len, size_t element_size);
bool fault_too_long(struct walk *walk, size_t len);

#endif
