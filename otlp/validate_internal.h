/* validate_internal.h: what the walk (validate.c) and the wording of its faults (validate_fault.c)
 * share. Nobody else includes it.
 */
#ifndef SIGPOST_OTLP_VALIDATE_INTERNAL_H
#define SIGPOST_OTLP_VALIDATE_INTERNAL_H

#include "otlp/validate.h"
#include "otlp/validate_table.h"
#include "otlp/wire.h"

#define LEVELS_MAX (VALIDATE_DEPTH_MAX - 1) /* the request itself needs none */

/* A message that is open inside the request. */
struct level {
    const uint8_t *tag_at;        /* where its tag stands */
    const uint8_t *outer_end;     /* where the message around it ends */
    const struct type_row *outer; /* that message's row */
};

/* The cursor is a pair of its own, whose address is given to nobody, so that it lives in registers;
 * what is not common is read by wire's functions. */
struct walk {
    const uint8_t *at, *end;    /* of the innermost open message */
    const uint8_t *tag_at;      /* of the field under the cursor */
    const struct type_row *row; /* of the innermost open message */
    const struct type_table *table;
    struct level *top; /* past the innermost open one */
    uint64_t items;
    struct wire *wire; /* holds the cursor's fault */
};

/* Where a fault was found. */
struct place {
    const ProtobufCMessageDescriptor *request;
    const uint8_t *bytes; /* the whole request */
    const struct level *levels;
    const struct walk *walk;
};

enum fault_kind {
    FAULT_NONE,
    FAULT_WIRE, /* the cursor's own */
    FAULT_WIRE_TYPE,
    FAULT_UTF8,
    FAULT_ID,
    FAULT_DEPTH,
    FAULT_PACKED,
    FAULT_TOO_LONG
};

/* Writes where and what. The walk is as it was when it came upon the fault: its wire at the fault,
 * or its cursor past what is not as it must be (FAULT_PACKED: at the run's first byte). */
void validate_explain(const struct place *place, enum fault_kind kind,
                      char out[VALIDATE_FAULT_MAX]);

#endif
