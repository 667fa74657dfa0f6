/* validate.c: see validate.h. One loop over the bytes, with a stack of the messages that are open.
 *
 * The way that is nearly always taken moves the cursor and looks tags up in a table that is made of
 * the descriptors (validate_table.h); its few variables live in registers. What a fault's sentence
 * needs (names, numbers, indices) is worked out when there is one, in validate_fault.c, by reading
 * the tags on the way to it once more. Cost: about 1.7 KB of stack, no allocation, time linear in
 * the length whatever the bytes are.
 */
#include "otlp/validate.h"

#include "base/utf8.h"
#include "otlp/validate_internal.h"

#include <string.h>

static inline uint64_t load_8(const uint8_t *at)
{
    uint64_t eight;
    memcpy(&eight, at, sizeof(eight));
    return eight;
}

static inline uint32_t load_4(const uint8_t *at)
{
    uint32_t four;
    memcpy(&four, at, sizeof(four));
    return four;
}

/* By words; the last one laps over the one before it. Names and keys, which are most of the text in
 * a request, are short and ASCII: what is neither pays one more pass. */
static inline bool is_ascii(const uint8_t *text, size_t len)
{
    uint64_t all = 0;
    if (len >= 8) {
        for (size_t i = 0; i < len - 8; i += 8) {
            all |= load_8(text + i);
        }
        all |= load_8(text + len - 8);
    } else if (len >= 4) {
        all = load_4(text) | load_4(text + len - 4);
    } else if (len != 0) {
        all = text[0] | text[len / 2] | text[len - 1];
    }
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

/* Hands the cursor to wire's functions, which read what is not common and find the faults. */
static struct wire *to_wire(struct walk *walk)
{
    *walk->wire = wire_over(walk->at, (size_t)(walk->end - walk->at));
    return walk->wire;
}

/* Takes it back; false when there was a fault. */
static bool from_wire(struct walk *walk)
{
    walk->at = walk->wire->at;
    return walk->wire->fault == WIRE_OK;
}

static inline bool take_length(struct walk *walk, size_t *len)
{
    size_t width = wire_length_common(walk->at, (size_t)(walk->end - walk->at), len);
    if (width == 0) {
        *len = wire_length_long(to_wire(walk));
        return from_wire(walk);
    }
    walk->at += width;
    return true;
}

static inline enum fault_kind take_string(struct walk *walk)
{
    size_t len;
    if (!take_length(walk, &len)) {
        return FAULT_WIRE;
    }
    const uint8_t *text = walk->at;
    walk->at += len;
    return is_ascii(text, len) || utf8_valid((const char *)text, len) ? FAULT_NONE : FAULT_UTF8;
}

/* Bytes, of this length unless they are empty; any length with 0. */
static inline enum fault_kind take_bytes(struct walk *walk, size_t right)
{
    size_t len;
    if (!take_length(walk, &len)) {
        return FAULT_WIRE;
    }
    walk->at += len;
    return right == 0 || len == 0 || len == right ? FAULT_NONE : FAULT_ID;
}

/* Nine bytes hold no more than 63 bits: only what is longer, or cut, has to be looked at. */
static inline enum fault_kind take_varint(struct walk *walk)
{
    size_t left = (size_t)(walk->end - walk->at);
    for (size_t i = 0; i < left && i < WIRE_VARINT_MAX - 1; i++) {
        if (walk->at[i] < 0x80) {
            walk->at += i + 1;
            return FAULT_NONE;
        }
    }
    wire_varint(to_wire(walk));
    return from_wire(walk) ? FAULT_NONE : FAULT_WIRE;
}

static inline enum fault_kind take_fixed(struct walk *walk, size_t size)
{
    if ((size_t)(walk->end - walk->at) < size) {
        wire_take(to_wire(walk), size);
        return FAULT_WIRE;
    }
    walk->at += size;
    return FAULT_NONE;
}

/* A repeated scalar as one run of values of this size. */
static inline enum fault_kind take_packed_fixed(struct walk *walk, size_t size)
{
    size_t len;
    if (!take_length(walk, &len)) {
        return FAULT_WIRE;
    }
    if (len % size != 0) {
        return FAULT_PACKED;
    }
    walk->at += len;
    return FAULT_NONE;
}

static inline enum fault_kind take_packed_varints(struct walk *walk)
{
    size_t len;
    if (!take_length(walk, &len)) {
        return FAULT_WIRE;
    }
    const uint8_t *outer_end = walk->end;
    walk->end = walk->at + len;
    enum fault_kind fault = FAULT_NONE;
    while (fault == FAULT_NONE && walk->at != walk->end) {
        fault = take_varint(walk);
    }
    walk->end = outer_end;
    return fault;
}

/* Opens the message at the cursor, which has passed the tag. */
static inline enum fault_kind take_message(struct walk *walk, uint8_t cell,
                                           const struct level *highest)
{
    size_t len;
    if (!take_length(walk, &len)) {
        return FAULT_WIRE;
    }
    if (walk->top == highest) {
        return FAULT_DEPTH;
    }
    *walk->top++ = (struct level){walk->tag_at, walk->end, walk->row};
    walk->end = walk->at + len;
    walk->row = type_row_in(walk->table, cell);
    walk->items += (cell & CELL_ITEM) != 0 ? 1 : 0;
    return FAULT_NONE;
}

/* The cell for the tag at the cursor, which moves past it; CELL_NO_TAG after a fault. */
static inline uint8_t take_tag(struct walk *walk)
{
    walk->tag_at = walk->at;
    uint8_t cell = *walk->at < 0x80 ? walk->row->cells[*walk->at] : CELL_NO_TAG;
    if (cell != CELL_NO_TAG) {
        walk->at++;
        return cell;
    }
    struct wire_tag tag = wire_tag(to_wire(walk));
    return from_wire(walk) ? type_table_cell(walk->table, walk->row, tag) : CELL_NO_TAG;
}

/* Reads the value of a field that is no message. The cursor has passed the tag. */
static inline enum fault_kind take_value(struct walk *walk, uint8_t cell)
{
    switch (cell) {
    case CELL_STRING:
        return take_string(walk);
    case CELL_FIXED64:
        return take_fixed(walk, 8);
    case CELL_VARINT:
        return take_varint(walk);
    case CELL_FIXED32:
        return take_fixed(walk, 4);
    case CELL_BYTES:
        return take_bytes(walk, 0);
    case CELL_ID8:
        return take_bytes(walk, 8);
    case CELL_ID16:
        return take_bytes(walk, 16);
    case CELL_PACKED_VARINT:
        return take_packed_varints(walk);
    case CELL_PACKED_FIXED64:
        return take_packed_fixed(walk, 8);
    case CELL_PACKED_FIXED32:
        return take_packed_fixed(walk, 4);
    case CELL_WIRE_TYPE:
        return FAULT_WIRE_TYPE;
    default:
        return FAULT_WIRE;
    }
}

/* Leaves the messages that end here; false when the request itself does. */
static inline bool leave_messages(struct walk *walk, const struct level *lowest)
{
    while (walk->at == walk->end) {
        if (walk->top == lowest) {
            return false;
        }
        walk->top--;
        walk->end = walk->top->outer_end;
        walk->row = walk->top->outer;
    }
    return true;
}

bool validate_request(enum signal signal, const uint8_t *bytes, size_t len, struct validation *out)
{
    /* Written before it is read, and too large to be cleared for each request. */
    struct level levels[LEVELS_MAX] __attribute__((uninitialized));
    const struct type_table *table = type_table();
    struct wire wire = wire_over(bytes, len);
    struct walk walk = {.at = wire.at,
                        .end = wire.end,
                        .tag_at = bytes,
                        .row = &table->rows[table->requests[signal]],
                        .table = table,
                        .top = levels,
                        .wire = &wire};
    enum fault_kind fault = len > WIRE_LENGTH_MAX ? FAULT_TOO_LONG : FAULT_NONE;
    while (fault == FAULT_NONE && leave_messages(&walk, levels)) {
        uint8_t cell = take_tag(&walk);
        fault = cell >= CELL_MESSAGE ? take_message(&walk, cell, levels + LEVELS_MAX)
                                     : take_value(&walk, cell);
    }
    out->items = 0;
    out->fault[0] = '\0';
    if (fault != FAULT_NONE) {
        struct walk copy = walk; /* the loop's own stays in registers */
        const struct place place = {signal_info(signal)->request, bytes, levels, &copy};
        validate_explain(&place, fault, out->fault);
        return false;
    }
    out->items = walk.items;
    return true;
}
