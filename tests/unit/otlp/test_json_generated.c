/* test_json_generated.c: random requests, written as OTLP/JSON in random ways and converted, are
 * the requests they were.
 *
 * Both are compared as protobuf-c packs them, once what JSON cannot carry is gone: unknown fields,
 * and the payload of a NaN. Seeds are fixed.
 */
#include "json_strip.h"
#include "otlp_generate.h"

#include <inttypes.h>

static void print_blank(struct buf *out)
{
    static const char *const blanks[] = {"", "", "", " ", "\n\t", "\r\n  "};
    buf_append_str(out, blanks[draw(6)]);
}

/* UTF-8 text in quotes, each character as it is or as an escape. */
static void print_string(struct buf *out, const char *s)
{
    buf_append_char(out, '"');
    for (size_t n; *s != '\0'; s += n) {
        const unsigned char *u = (const unsigned char *)s;
        n = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
        if (draw(4) != 0) {
            buf_append_json(out, slice_make(s, n));
        } else if (n == 1) {
            buf_printf(out, "\\u%04X", u[0]);
        } else if (n == 2) {
            buf_printf(out, "\\u%04x", (u[0] & 0x1fU) << 6 | (u[1] & 0x3fU));
        } else if (n == 3) {
            buf_printf(out, "\\u%04x", (u[0] & 0xfU) << 12 | (u[1] & 0x3fU) << 6 | (u[2] & 0x3fU));
        } else {
            unsigned point =
                ((u[0] & 7U) << 18 | (u[1] & 0x3fU) << 12 | (u[2] & 0x3fU) << 6 | (u[3] & 0x3fU)) -
                0x10000;
            buf_printf(out, "\\u%04x\\u%04X", 0xd800 + (point >> 10), 0xdc00 + (point & 0x3ff));
        }
    }
    buf_append_char(out, '"');
}

static void print_hex(struct buf *out, const ProtobufCBinaryData *bytes)
{
    bool upper = draw(2) == 0;
    for (size_t i = 0; i < bytes->len; i++) {
        buf_printf(out, upper ? "%02X" : "%02x", bytes->data[i]);
    }
}

static void print_base64(struct buf *out, const ProtobufCBinaryData *bytes)
{
    static const char standard[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char url_safe[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *digits = draw(2) == 0 ? standard : url_safe;
    bool padded = draw(2) == 0;
    for (size_t i = 0; i < bytes->len; i += 3) {
        uint32_t three = 0;
        for (size_t k = 0; k < 3; k++) {
            three = three << 8 | (i + k < bytes->len ? bytes->data[i + k] : 0U);
        }
        for (size_t k = 0; k < 4; k++) {
            if (i + k < bytes->len + 1) {
                buf_append_char(out, digits[three >> (18 - 6 * k) & 0x3f]);
            } else if (padded) {
                buf_append_char(out, '=');
            }
        }
    }
}

static void print_bytes(struct buf *out, const char *name, const ProtobufCBinaryData *bytes)
{
    buf_append_char(out, '"');
    if (strcmp(name, "trace_id") == 0 || strstr(name, "span_id") != NULL) {
        print_hex(out, bytes);
    } else {
        print_base64(out, bytes);
    }
    buf_append_char(out, '"');
}

static void print_double(struct buf *out, double value)
{
    bool quoted = draw(4) == 0 || !isfinite(value);
    buf_append_str(out, quoted ? "\"" : "");
    if (isnan(value)) {
        buf_append_str(out, "NaN");
    } else if (isinf(value)) {
        buf_append_str(out, value > 0 ? "Infinity" : "-Infinity");
    } else if (draw(2) == 0) {
        buf_printf(out, "%.17g", value);
    } else {
        buf_printf(out, "%.*E", (int)(16 + draw(30)), value);
    }
    buf_append_str(out, quoted ? "\"" : "");
}

static void print_integer(struct buf *out, ProtobufCType type, const void *at)
{
    uint64_t bits = 0;
    size_t size = element_size(type);
    memcpy(&bits, at, size < sizeof(bits) ? size : sizeof(bits));
    bool quoted = type != PROTOBUF_C_TYPE_ENUM && draw(2) == 0;
    buf_append_str(out, quoted ? "\"" : "");
    switch (type) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        buf_printf(out, "%" PRIu64, bits);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        buf_printf(out, "%" PRId64, (int64_t)bits);
        break;
    default:
        buf_printf(out, "%" PRId32, (int32_t)bits);
        break;
    }
    static const char *const tails[] = {"", "", "", ".0", "e0", ".000E-0"};
    buf_append_str(out, tails[draw(6)]);
    buf_append_str(out, quoted ? "\"" : "");
}

static void print_message(struct buf *out, const ProtobufCMessage *message);

static void print_value(struct buf *out, const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        print_message(out, *(ProtobufCMessage *const *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        print_string(out, *(char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        print_bytes(out, field->name, at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        buf_append_str(out, *(const protobuf_c_boolean *)at != 0 ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        print_double(out, as_double(at));
        break;
    default:
        print_integer(out, field->type, at);
        break;
    }
}

static void print_name(struct buf *out, const char *name)
{
    buf_append_char(out, '"');
    for (; *name != '\0'; name++) {
        bool upper = *name == '_';
        name += upper ? 1 : 0;
        buf_append_char(out, (char)(upper ? *name - 0x20 : *name));
    }
    buf_append_str(out, "\"");
    print_blank(out);
    buf_append_char(out, ':');
    print_blank(out);
}

static void print_field(struct buf *out, const ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field)
{
    struct values values = values_of(message, field);
    print_name(out, field->name);
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        print_value(out, field, values.at);
        return;
    }
    buf_append_char(out, '[');
    for (size_t k = 0; k < values.count; k++) {
        buf_append_str(out, k != 0 ? "," : "");
        print_blank(out);
        print_value(out, field, values.at + k * values.size);
        print_blank(out);
    }
    buf_append_char(out, ']');
}

static void print_unknown_field(struct buf *out)
{
    static const char *const unknown[] = {"\"dropped_attributes_count\":7", "\"x\":null",
                                          "\"\":[[{\"name\":[]},-1.5e+9],\"]\"]",
                                          "\"Name\":{\"name\":{\"a\":\"}\\\"\"}}"};
    buf_append_str(out, unknown[draw(4)]);
}

/* Its fields in the schema's order, forwards or backwards, between unknown and null ones. */
static void print_message(struct buf *out, const ProtobufCMessage *message)
{
    unsigned n = message->descriptor->n_fields;
    bool backwards = draw(2) == 0;
    bool first = true;
    buf_append_char(out, '{');
    for (unsigned i = 0; i < n; i++) {
        const ProtobufCFieldDescriptor *field =
            &message->descriptor->fields[backwards ? n - 1 - i : i];
        bool given = values_of(message, field).count != 0;
        bool null = !given && draw(8) == 0;
        print_blank(out);
        if (draw(12) == 0) {
            buf_append_str(out, first ? "" : ",");
            print_unknown_field(out);
            first = false;
        }
        if (!given && !null) {
            continue;
        }
        buf_append_str(out, first ? "" : ",");
        first = false;
        if (null) {
            print_name(out, field->name);
            buf_append_str(out, "null");
        } else {
            print_field(out, message, field);
        }
    }
    print_blank(out);
    buf_append_char(out, '}');
}

static void check_round(enum signal signal)
{
    struct buf wire = BUF_INIT;
    struct buf text = BUF_INIT;
    struct buf before;
    struct buf after;
    uint64_t items = 0;
    const ProtobufCMessageDescriptor *type = signal_info(signal)->request;
    generate(&wire, type, 1, &items);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, NULL, wire.len, (const uint8_t *)buf_slice(&wire).data);
    cr_assert_not_null(message);
    strip(message);
    pack(message, &before);
    print_message(&text, message);
    ProtobufCMessage *again = decoded(signal, buf_cstr(&text));
    pack(again, &after);
    cr_assert(slice_eq(buf_slice(&before), buf_slice(&after)), "%s", buf_cstr(&text));
    release(again);
    release(message);
    buf_free(&after);
    buf_free(&before);
    buf_free(&text);
    buf_free(&wire);
}

Test(json_generated, requests_come_back_as_they_were)
{
    for (unsigned round = 0; round < 4000; round++) {
        check_round((enum signal)(round % SIGNAL_PROFILES));
    }
}

/* What real clients sent, by way of JSON. */
Test(json_generated, captured_requests_come_back_as_they_were)
{
    uint8_t body[SAMPLE_MAX];
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        size_t len = sample_read(SIGPOST_TEST_DATA "/captures", samples[i].file, body);
        cr_assert_eq(len, samples[i].len);
        const ProtobufCMessageDescriptor *type = signal_info(samples[i].signal)->request;
        ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, len, body);
        struct buf text = BUF_INIT;
        struct buf before;
        struct buf after;
        pack(message, &before);
        print_message(&text, message);
        ProtobufCMessage *again = decoded(samples[i].signal, buf_cstr(&text));
        pack(again, &after);
        cr_assert(slice_eq(buf_slice(&before), buf_slice(&after)), "%s", samples[i].file);
        release(again);
        release(message);
        buf_free(&after);
        buf_free(&before);
        buf_free(&text);
    }
}
