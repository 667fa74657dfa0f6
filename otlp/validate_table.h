/* validate_table.h: our schema's descriptors as the validator's walk wants to ask them: one byte
 * for each tag of each message type, which says all that is to be done with the field.
 *
 *     const struct type_table *table = type_table();
 *     const struct type_row *row = &table->rows[table->requests[signal]];
 *     uint8_t cell = row->cells[tag];                     // a tag of one byte
 *     if (cell >= CELL_MESSAGE) row = type_row_in(table, cell);
 *
 * Built at the first call (0.3 ms) from the descriptors, which stay the only list of what there is.
 * 16 KB, of which a request touches one or two cache lines for each message type that it holds.
 */
#ifndef SIGPOST_OTLP_VALIDATE_TABLE_H
#define SIGPOST_OTLP_VALIDATE_TABLE_H

#include "otlp/signal.h"
#include "otlp/wire.h"

#include <stdalign.h>

#define TYPE_TAGS 256 /* numbers 1 to 31, by the value of the tag; others: type_table_cell */
#define TYPE_MAX 64   /* message types that the requests consist of; the schema has 35 */

enum cell {
    CELL_NO_TAG, /* the tag itself is at fault: number 0, or no wire type */
    /* Step over one value, of a known field or an unknown one. */
    CELL_VARINT,
    CELL_FIXED64,
    CELL_FIXED32,
    CELL_BYTES,
    CELL_STRING, /* must be UTF-8 */
    CELL_ID8,    /* bytes that are a span's or a trace's id, */
    CELL_ID16,   /* or none */
    /* A repeated scalar as one run of values. */
    CELL_PACKED_VARINT,
    CELL_PACKED_FIXED64,
    CELL_PACKED_FIXED32,
    CELL_WIRE_TYPE, /* the field is known, but not with this wire type */
    /* Bits: a message, an item (what is counted), and below them the message's row. */
    CELL_MESSAGE = 0x80,
    CELL_ITEM = 0x40
};

struct type_row {
    alignas(64) uint8_t cells[TYPE_TAGS];
};

struct type_table {
    struct type_row rows[TYPE_MAX];
    const ProtobufCMessageDescriptor *types[TYPE_MAX]; /* of the rows */
    size_t n;
    uint8_t requests[SIGNAL_COUNT]; /* their rows */
};

/* The table, built if this is the first call; never NULL. Thread: any. */
const struct type_table *type_table(void);

/* The row of the message that a cell from CELL_MESSAGE on opens. */
static inline const struct type_row *type_row_in(const struct type_table *table, uint8_t cell)
{
    return &table->rows[cell & (CELL_ITEM - 1)];
}

/* The cell for any tag, also one that a row has no place for. */
uint8_t type_table_cell(const struct type_table *table, const struct type_row *row,
                        struct wire_tag tag);

#endif
