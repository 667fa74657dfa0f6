/* wire.c: see wire.h. What is neither short nor common passes through read_varint. */
#include "otlp/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LENGTH_BYTES_MAX 5

/* Stops the cursor where it stands. */
static void fail(struct wire *w, enum wire_fault fault, uint64_t claimed)
{
    if (w->fault == WIRE_OK) {
        w->fault = fault;
        w->claimed = claimed;
        w->left = (size_t)(w->end - w->at);
    }
    w->end = w->at;
}

/* Reads a varint of at most max bytes without moving the cursor: the bytes it takes, or 0 when it
 * is cut or longer. Bits past 64 also give 0, which only a tenth byte can hold. */
static size_t read_varint(const struct wire *w, size_t max, uint64_t *value)
{
    size_t left = (size_t)(w->end - w->at);
    size_t n = left < max ? left : max;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = w->at[i];
        sum |= (uint64_t)(c & 0x7f) << (7 * i);
        if (c < 0x80) {
            *value = sum;
            return i == WIRE_VARINT_MAX - 1 && c > 1 ? 0 : i + 1;
        }
    }
    *value = 0;
    return 0;
}

/* Was the varint that read_varint refused cut by the end (rather than too long)? */
static bool is_cut(const struct wire *w, size_t max)
{
    return (size_t)(w->end - w->at) < max;
}

struct wire_tag wire_tag_long(struct wire *w)
{
    uint64_t value;
    size_t n = read_varint(w, LENGTH_BYTES_MAX, &value);
    if (n == 0) {
        fail(w, is_cut(w, LENGTH_BYTES_MAX) ? WIRE_CUT : WIRE_FIELD_NUMBER, 0);
    } else if (value < 1 << 3 || value > UINT32_MAX) {
        fail(w, WIRE_FIELD_NUMBER, 0);
    } else if ((0x27 >> (value & 7) & 1) == 0) {
        fail(w, WIRE_TYPE, value & 7);
    } else {
        w->at += n;
        return (struct wire_tag){(uint32_t)(value >> 3), (enum wire_type)(value & 7)};
    }
    return (struct wire_tag){0, WIRE_VARINT};
}

uint64_t wire_varint_long(struct wire *w)
{
    uint64_t value;
    size_t n = read_varint(w, WIRE_VARINT_MAX, &value);
    if (n == 0) {
        fail(w, is_cut(w, WIRE_VARINT_MAX) ? WIRE_CUT : WIRE_VARINT_LONG, 0);
        return 0;
    }
    w->at += n;
    return value;
}

size_t wire_length_long(struct wire *w)
{
    uint64_t value;
    size_t n = read_varint(w, LENGTH_BYTES_MAX, &value);
    if (n == 0) {
        fail(w, is_cut(w, LENGTH_BYTES_MAX) ? WIRE_CUT : WIRE_LENGTH_LONG, 0);
        return 0;
    }
    if (value > WIRE_LENGTH_MAX) {
        fail(w, WIRE_LENGTH_LONG, value);
        return 0;
    }
    if (value > (size_t)(w->end - w->at) - n) {
        fail(w, WIRE_PAST_END, value);
        w->left -= n;
        return 0;
    }
    w->at += n;
    return (size_t)value;
}

const uint8_t *wire_take_cut(struct wire *w)
{
    fail(w, WIRE_CUT, 0);
    return NULL;
}

uint64_t wire_fixed64(struct wire *w)
{
    const uint8_t *from = wire_take(w, 8);
    uint64_t value = 0;
    for (unsigned i = 0; from != NULL && i < 8; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

uint32_t wire_fixed32(struct wire *w)
{
    const uint8_t *from = wire_take(w, 4);
    uint32_t value = 0;
    for (unsigned i = 0; from != NULL && i < 4; i++) {
        value |= (uint32_t)from[i] << (8 * i);
    }
    return value;
}

void wire_explain(const struct wire *w, char out[WIRE_EXPLAIN_MAX])
{
    out[0] = '\0';
    switch (w->fault) {
    case WIRE_OK:
        break;
    case WIRE_CUT:
        snprintf(out, WIRE_EXPLAIN_MAX, "ends inside a tag or value (%zu byte%s left)", w->left,
                 w->left == 1 ? "" : "s");
        break;
    case WIRE_VARINT_LONG:
        snprintf(out, WIRE_EXPLAIN_MAX, "varint of more than 64 bits");
        break;
    case WIRE_LENGTH_LONG:
        snprintf(out, WIRE_EXPLAIN_MAX, "length of more than five bytes or past 2147483647");
        break;
    case WIRE_PAST_END:
        snprintf(out, WIRE_EXPLAIN_MAX, "length %" PRIu64 " runs past the end (%zu byte%s left)",
                 w->claimed, w->left, w->left == 1 ? "" : "s");
        break;
    case WIRE_FIELD_NUMBER:
        snprintf(out, WIRE_EXPLAIN_MAX, "field number is not within 1 to 536870911");
        break;
    case WIRE_TYPE:
        snprintf(out, WIRE_EXPLAIN_MAX, "wire type %" PRIu64 " is not taken%s", w->claimed,
                 w->claimed < 5 ? " (groups are long obsolete)" : "");
        break;
    }
}

size_t wire_varint_size(uint64_t value)
{
    size_t n = 1;
    for (; value >= 0x80; value >>= 7) {
        n++;
    }
    return n;
}

void wire_put_varint(struct buf *out, uint64_t value)
{
    char bytes[WIRE_VARINT_MAX];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) {
        bytes[n++] = (char)(value | 0x80);
    }
    bytes[n++] = (char)value;
    buf_append(out, bytes, n);
}

void wire_put_tag(struct buf *out, uint32_t number, enum wire_type type)
{
    wire_put_varint(out, (uint64_t)number << 3 | type);
}

void wire_put_bytes(struct buf *out, uint32_t number, struct slice content)
{
    wire_put_tag(out, number, WIRE_BYTES);
    wire_put_varint(out, content.len);
    buf_append_slice(out, content);
}
