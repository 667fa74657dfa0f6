/* otlp_generate.h: random requests by the schema, sound or with broken parts, from a seed or from a
 * tape of bytes (a fuzzer's input). For tests and fuzz targets.
 */
#ifndef SIGPOST_TESTS_OTLP_GENERATE_H
#define SIGPOST_TESTS_OTLP_GENERATE_H

#include "base/buf.h"
#include "otlp/validate.h"
#include "otlp/wire.h"

#include <string.h>

struct generator {
    uint64_t seed;
    const uint8_t *tape; /* NULL: the seed decides */
    size_t tape_len;     /* bytes left; past its end every draw is 0 */
    bool breaks;
};

static struct generator generator = {.seed = 1};

/* 0 to below - 1: two bytes of the tape, or xorshift64*. */
static inline size_t draw(size_t below)
{
    if (generator.tape != NULL) {
        uint32_t value = 0;
        size_t n = generator.tape_len < 2 ? generator.tape_len : 2;
        for (size_t i = 0; i < n; i++) {
            value = value << 8 | generator.tape[i];
        }
        generator.tape += n;
        generator.tape_len -= n;
        return value % below;
    }
    uint64_t *seed = &generator.seed;
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (size_t)((*seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

/* A varint of any width up to max bytes, padded or not. */
static inline void put_padded(struct buf *b, uint64_t value, size_t max)
{
    size_t size = wire_varint_size(value);
    size_t width = size + draw(max - size + 1);
    for (size_t i = 0; i < width; i++, value >>= 7) {
        buf_append_char(b, (char)((value & 0x7f) | (i + 1 < width ? 0x80 : 0)));
    }
}

static inline void put_tag(struct buf *b, uint32_t number, enum wire_type type)
{
    put_padded(b, (uint64_t)number << 3 | type, 5);
}

static inline void put_random(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_append_char(b, (char)draw(256));
    }
}

static inline enum wire_type natural_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    default:
        return WIRE_VARINT;
    }
}

static inline void put_scalar(struct buf *b, enum wire_type type)
{
    if (type == WIRE_VARINT) {
        put_padded(b, (uint64_t)draw(SIZE_MAX) << draw(33), WIRE_VARINT_MAX);
    } else {
        put_random(b, type == WIRE_FIXED64 ? 8 : 4);
    }
}

static inline void put_unknown(struct buf *b)
{
    static const enum wire_type types[] = {WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32};
    enum wire_type type = types[draw(4)];
    put_tag(b, (uint32_t)(17 + draw(((size_t)1 << 29) - 17)), type);
    if (type == WIRE_BYTES) {
        size_t n = draw(20);
        put_padded(b, n, 5);
        put_random(b, n);
    } else {
        put_scalar(b, type);
    }
}

static inline void generate(struct buf *b, const ProtobufCMessageDescriptor *type, unsigned depth,
                            uint64_t *items);

/* The content of a length-delimited field. */
static inline void generate_content(struct buf *b, const ProtobufCFieldDescriptor *field,
                                    unsigned depth, uint64_t *items)
{
    static const char longer[] = "a rather longer text of one hundred and a few bytes, so that its "
                                 "length takes two bytes on the wire, or is past what is looked at "
                                 "in one go";
    static const char *const strings[] = {"",     "a",   "key", "caf\xc3\xa9", "\xf0\x9f\x93\xae",
                                          "\x7f", longer};
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        generate(b, field->descriptor, depth + 1, items);
    } else if (field->type == PROTOBUF_C_TYPE_STRING) {
        buf_append_str(b, strings[draw(sizeof(strings) / sizeof(strings[0]))]);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        size_t id = strcmp(field->name, "trace_id") == 0     ? 16
                    : strstr(field->name, "span_id") != NULL ? 8
                                                             : 0;
        put_random(b, draw(4) == 0 ? 0 : id != 0 ? id : draw(20));
    } else {
        for (size_t n = draw(5); n > 0; n--) {
            put_scalar(b, natural_type(field->type));
        }
    }
}

/* One way in which a field can be broken, the messages around it being sound. */
static inline void generate_broken(struct buf *b, const ProtobufCFieldDescriptor *field)
{
    enum wire_type type = natural_type(field->type);
    switch (draw(6)) {
    case 0: /* a wire type that does not fit, or is none */
        put_padded(b, (uint64_t)field->id << 3 | draw(8), 5);
        put_random(b, draw(12));
        break;
    case 1: /* a length past the end */
        put_tag(b, field->id, WIRE_BYTES);
        put_padded(b, (uint64_t)1 << draw(36), 6);
        break;
    case 2: /* bytes of no kind, stray or cut elements of a packed run, or no UTF-8 */
        put_tag(b, field->id, WIRE_BYTES);
        put_padded(b, 9, 5);
        put_random(b, 9);
        break;
    case 3: /* a value cut short */
        put_tag(b, field->id, type);
        put_random(b, draw(8));
        break;
    case 4: /* a varint of ten or eleven bytes */
        put_tag(b, field->id, type);
        buf_append(b, "\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9);
        put_random(b, 2);
        break;
    default: /* a tag of any number */
        put_padded(b, (uint64_t)draw(SIZE_MAX) << draw(5), WIRE_VARINT_MAX);
        put_random(b, 8);
        break;
    }
}

static inline void generate_field(struct buf *b, const ProtobufCFieldDescriptor *field,
                                  unsigned depth, uint64_t *items)
{
    enum wire_type natural = natural_type(field->type);
    bool packable = natural != WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED;
    if (generator.breaks && draw(packable ? 8 : 96) == 0) { /* runs are rare, and worth a look */
        generate_broken(b, field);
        return;
    }
    bool packed = packable && draw(2) == 1;
    enum wire_type type = packed ? WIRE_BYTES : natural;
    put_tag(b, field->id, type);
    if (type != WIRE_BYTES) {
        put_scalar(b, type);
        return;
    }
    struct buf content = BUF_INIT;
    generate_content(&content, field, depth, items);
    put_padded(b, content.len, 5);
    buf_append_slice(b, buf_slice(&content));
    buf_free(&content);
}

static inline bool counts(const char *name)
{
    static const char *const names[] = {"NumberDataPoint",
                                        "HistogramDataPoint",
                                        "SummaryDataPoint",
                                        "ExponentialHistogramDataPoint",
                                        "Span",
                                        "LogRecord"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Any field; near the top rather a message, so that most requests reach data points and spans. */
static inline const ProtobufCFieldDescriptor *pick_field(const ProtobufCMessageDescriptor *type,
                                                         unsigned depth)
{
    const ProtobufCFieldDescriptor *field = &type->fields[draw(type->n_fields)];
    for (int more = 0; more < 3 && depth < 6 && field->type != PROTOBUF_C_TYPE_MESSAGE; more++) {
        field = &type->fields[draw(type->n_fields)];
    }
    return field;
}

/* A message of this type: random fields in random order, fewer the deeper. It is valid unless
 * generator.breaks is set; no singular message stands in it twice (see gives_oneof_twice). The
 * second condition keeps the depth inside the bound. */
static inline void generate(struct buf *b, const ProtobufCMessageDescriptor *type, unsigned depth,
                            uint64_t *items)
{
    *items += counts(type->short_name) ? 1 : 0;
    size_t fields = depth < 7 ? 1 + draw(4) : draw(3);
    uint64_t given = 0;
    for (; fields > 0 && depth < VALIDATE_DEPTH_MAX; fields--) {
        const ProtobufCFieldDescriptor *field = pick_field(type, depth);
        bool singular =
            field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED;
        if (draw(12) == 0 || (singular && (given >> field->id & 1) != 0)) {
            put_unknown(b);
        } else {
            generate_field(b, field, depth, items);
            given |= UINT64_C(1) << (field->id & 63);
        }
    }
}

#endif
