/* wire.h: a cursor over protobuf wire bytes whose first fault sticks, and the writers beside it.
 *
 *     struct wire w = wire_over(bytes, len);
 *     while (wire_more(&w)) {
 *         struct wire_tag tag = wire_tag(&w);
 *         if (tag.number == 1 && tag.type == WIRE_BYTES) {
 *             name = wire_bytes(&w);
 *         } else {
 *             wire_skip(&w, tag.type);
 *         }
 *     }
 *     if (w.fault != WIRE_OK) ...   // checked once, at the end
 *
 * Nothing is read past `end`, nothing is allocated. On a fault the cursor is left at the element
 * that has it, with end == at: wire_more is false, every later read gives zero, and the first fault
 * stays. Padded varints are ordinary (.NET pads nested lengths to four bytes); a varint that does
 * not fit 64 bits is not. Tags and lengths take at most five bytes and lengths stay below 2 GiB:
 * the official C++ decoder and protobuf-c refuse more, so what is passed on must not have it.
 * Groups (wire types 3 and 4) are refused. Thread: any; pure.
 */
#ifndef SIGPOST_OTLP_WIRE_H
#define SIGPOST_OTLP_WIRE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VARINT_MAX 10         /* bytes of the longest varint */
#define WIRE_LENGTH_MAX 0x7fffffff /* of a length-delimited field, and of a whole message */

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

enum wire_fault {
    WIRE_OK,
    WIRE_CUT,          /* the bytes end inside a tag, varint or fixed-size value */
    WIRE_VARINT_LONG,  /* more than 64 bits */
    WIRE_LENGTH_LONG,  /* more than five bytes, or past WIRE_LENGTH_MAX */
    WIRE_PAST_END,     /* a length that runs past the end */
    WIRE_FIELD_NUMBER, /* 0, or past 2^29 - 1 */
    WIRE_TYPE          /* a group (3, 4) or no wire type (6, 7) */
};

struct wire {
    const uint8_t *at, *end; /* borrowed */
    enum wire_fault fault;
    uint64_t claimed; /* with WIRE_PAST_END the length, with WIRE_TYPE the wire type */
    size_t left;      /* bytes that were left where the fault was found */
};

struct wire_tag {
    uint32_t number; /* 0 after a fault */
    enum wire_type type;
};

static inline struct wire wire_over(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    return (struct wire){at, len != 0 ? at + len : at, WIRE_OK, 0, 0};
}

static inline bool wire_more(const struct wire *w)
{
    return w->at != w->end;
}

/* The roads for what is neither short nor common; call the functions below instead. */
struct wire_tag wire_tag_long(struct wire *w);
uint64_t wire_varint_long(struct wire *w);
size_t wire_length_long(struct wire *w);
const uint8_t *wire_take_cut(struct wire *w);

/* The next tag. Only numbers 1 to 2^29 - 1 and the four wire types above come out. */
static inline struct wire_tag wire_tag(struct wire *w)
{
    if (w->at != w->end) {
        uint8_t c = *w->at;
        if (c >= 1 << 3 && c < 0x80 && (0x27 >> (c & 7) & 1) != 0) {
            w->at++;
            return (struct wire_tag){c >> 3, (enum wire_type)(c & 7)};
        }
    }
    return wire_tag_long(w);
}

static inline uint64_t wire_varint(struct wire *w)
{
    if (w->at != w->end && *w->at < 0x80) {
        return *w->at++;
    }
    return wire_varint_long(w);
}

/* Reads a length of one, two or four bytes (the last is what .NET pads to) whose content is there
 * in full: the bytes it takes, or 0 when it is none of these. */
static inline size_t wire_length_common(const uint8_t *at, size_t left, size_t *len)
{
    size_t width = 1;
    if (left < 4) {
        if (left == 0 || *at >= 0x80) {
            return 0;
        }
        *len = *at;
    } else {
        uint32_t four =
            at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        if ((four & 0x80) == 0) {
            *len = four & 0x7f;
        } else if ((four & 0x80808080) == 0x00808080) {
            *len = (four & 0x7f) | (four >> 1 & 0x7f << 7) | (four >> 2 & 0x7f << 14) |
                   (four >> 3 & 0x7f << 21);
            width = 4;
        } else if ((four & 0x8080) == 0x0080) {
            *len = (four & 0x7f) | (four >> 1 & 0x7f << 7);
            width = 2;
        } else {
            return 0;
        }
    }
    return *len <= left - width ? width : 0;
}

/* Reads a length; the cursor stands at the content, which is there in full. */
static inline size_t wire_length(struct wire *w)
{
    size_t len = 0;
    size_t width = wire_length_common(w->at, (size_t)(w->end - w->at), &len);
    if (width == 0) {
        return wire_length_long(w);
    }
    w->at += width;
    return len;
}

/* Steps over n bytes and returns where they are; NULL when so many are not left. */
static inline const uint8_t *wire_take(struct wire *w, size_t n)
{
    if ((size_t)(w->end - w->at) < n) {
        return wire_take_cut(w);
    }
    w->at += n;
    return w->at - n;
}

/* The content of a length-delimited field, borrowed; absent after a fault. */
static inline struct slice wire_bytes(struct wire *w)
{
    size_t len = wire_length(w);
    if (w->fault != WIRE_OK) {
        return slice_make(NULL, 0);
    }
    w->at += len;
    return slice_make(w->at - len, len);
}

/* Little-endian values of fixed size; 0 after a fault. */
uint64_t wire_fixed64(struct wire *w);
uint32_t wire_fixed32(struct wire *w);

/* Steps over one value of this wire type. */
static inline void wire_skip(struct wire *w, enum wire_type type)
{
    switch (type) {
    case WIRE_VARINT:
        wire_varint(w);
        break;
    case WIRE_FIXED64:
        wire_take(w, 8);
        break;
    case WIRE_FIXED32:
        wire_take(w, 4);
        break;
    case WIRE_BYTES:
        wire_bytes(w);
        break;
    }
}

/* Narrows the cursor to the content of the length-delimited field it stands at, and returns the
 * end to give to wire_leave when that content has been read. */
static inline const uint8_t *wire_enter(struct wire *w)
{
    const uint8_t *outer_end = w->end;
    size_t len = wire_length(w);
    if (w->fault == WIRE_OK) {
        w->end = w->at + len;
    }
    return outer_end;
}

/* Widens the cursor again; does nothing after a fault. */
static inline void wire_leave(struct wire *w, const uint8_t *outer_end)
{
    if (w->fault == WIRE_OK) {
        w->end = outer_end;
    }
}

#define WIRE_EXPLAIN_MAX 96

/* The fault as half a sentence, "length 300 runs past the end (12 bytes left)", NUL-terminated,
 * printable ASCII; empty when there is none. */
void wire_explain(const struct wire *w, char out[WIRE_EXPLAIN_MAX]);

/* Writers. Varints take their shortest form; errors are sticky in the buf. */
size_t wire_varint_size(uint64_t value);
void wire_put_varint(struct buf *out, uint64_t value);
void wire_put_tag(struct buf *out, uint32_t number, enum wire_type type);
void wire_put_bytes(struct buf *out, uint32_t number,
                    struct slice content); /* tag and length too */

#endif
