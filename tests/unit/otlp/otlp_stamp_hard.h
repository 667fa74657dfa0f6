/* otlp_stamp_hard.h: generated requests that are hard to stamp: resources in pieces or not there,
 * claims in every disguise, padded tags and lengths, unknown fields everywhere. For tests and fuzz
 * targets.
 */
#ifndef SIGPOST_TESTS_OTLP_STAMP_HARD_H
#define SIGPOST_TESTS_OTLP_STAMP_HARD_H

#include "otlp_generate.h"
#include "otlp_stamp.h"

#include <stdlib.h>

/* What b holds from `start` on becomes the field's content, behind a tag and a length of any
 * width. */
static inline void wrap_padded(struct buf *b, size_t start, uint32_t number)
{
    struct buf head = BUF_INIT;
    put_tag(&head, number, WIRE_BYTES);
    put_padded(&head, b->len - start, 5);
    if (buf_reserve(b, head.len) == NULL) {
        abort();
    }
    memmove(b->data + start + head.len, b->data + start, b->len - start);
    memcpy(b->data + start, buf_slice(&head).data, head.len);
    b->len += head.len;
    buf_free(&head);
}

static inline void put_text(struct buf *b, uint32_t number, struct slice text)
{
    size_t start = b->len;
    buf_append_slice(b, text);
    wrap_padded(b, start, number);
}

/* A stamped name, or one that nearly is. */
static inline void put_key(struct buf *b, uint32_t number)
{
    struct slice key = stamp_sample[draw(STAMP_SAMPLE_COUNT)].key;
    char near[64];
    memcpy(near, key.data, key.len);
    near[key.len] = 'x';
    switch (draw(6)) {
    case 0:
        put_text(b, number, slice_make(near, key.len + 1));
        break;
    case 1:
        put_text(b, number, slice_make(near, key.len - 1));
        break;
    case 2:
        near[draw(key.len)] = 'X';
        put_text(b, number, slice_make(near, key.len));
        break;
    default:
        put_text(b, number, key);
        break;
    }
}

/* A KeyValue with its parts in any order and number. A value given twice sets its oneof, since
 * protobuf-c refuses the other (see gives_oneof_twice). */
static inline void put_pair(struct buf *b)
{
    size_t start = b->len;
    for (size_t parts = draw(6); parts > 0; parts--) {
        size_t value = b->len;
        switch (draw(7)) {
        case 0:
            put_tag(b, 3, WIRE_VARINT); /* key_strindex */
            put_scalar(b, WIRE_VARINT);
            break;
        case 1:
            put_unknown(b);
            break;
        case 2:
        case 3:
            put_text(b, 1, slice_of(draw(2) == 0 ? "claimed" : "production"));
            wrap_padded(b, value, 2);
            break;
        default:
            put_key(b, 1);
            break;
        }
    }
    wrap_padded(b, start, 1);
}

static inline void put_hard_resource(struct buf *b)
{
    size_t start = b->len;
    for (size_t fields = draw(9); fields > 0; fields--) {
        size_t inner = b->len;
        switch (draw(8)) {
        case 0:
            put_tag(b, 2, WIRE_VARINT); /* dropped_attributes_count */
            put_scalar(b, WIRE_VARINT);
            break;
        case 1:
            put_key(b, 3 + (uint32_t)draw(2)); /* EntityRef.id_keys, description_keys */
            put_key(b, 1);                     /* its schema_url */
            wrap_padded(b, inner, 3);
            break;
        case 2:
            put_unknown(b);
            break;
        default:
            put_pair(b);
            break;
        }
    }
    wrap_padded(b, start, 1);
}

/* A valid request: none to three envelopes, each with none to three pieces of a resource between
 * its scopes, and unknown fields everywhere. */
static inline void generate_hard(struct buf *b, enum signal signal, uint64_t *items)
{
    const ProtobufCMessageDescriptor *envelope = signal_info(signal)->request->fields[0].descriptor;
    const ProtobufCFieldDescriptor *scopes = protobuf_c_message_descriptor_get_field(envelope, 2);
    for (size_t envelopes = draw(4); envelopes > 0; envelopes--) {
        size_t start = b->len;
        for (size_t fields = draw(6); fields > 0; fields--) {
            switch (draw(5)) {
            case 0:
                put_unknown(b);
                break;
            case 1:
                put_text(b, 3, SLICE_LIT("https://opentelemetry.io/schemas/1.21.0"));
                break;
            case 2:
                generate_field(b, scopes, 2, items);
                break;
            default:
                put_hard_resource(b);
                break;
            }
        }
        wrap_padded(b, start, 1);
        if (draw(4) == 0) {
            put_unknown(b);
        }
    }
}

#endif
