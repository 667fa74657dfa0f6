/* json_value.c: single values of OTLP/JSON to wire bytes: strings, bytes, numbers, bools. */
#include "otlp/json_bytes.h"
#include "otlp/json_internal.h"
#include "otlp/json_number.h"

#include <math.h>

#define TRACE_ID_DIGITS 32
#define SPAN_ID_DIGITS 16

size_t json_id_digits(const ProtobufCFieldDescriptor *field)
{
    if (strcmp(field->name, "trace_id") == 0) {
        return TRACE_ID_DIGITS;
    }
    if (strcmp(field->name, "span_id") == 0 || strcmp(field->name, "parent_span_id") == 0) {
        return SPAN_ID_DIGITS;
    }
    return 0;
}

static void put_fixed(struct buf *out, uint64_t value, size_t size)
{
    char bytes[8];
    for (size_t i = 0; i < size; i++, value >>= 8) {
        bytes[i] = (char)(value & 0xff);
    }
    buf_append(out, bytes, size);
}

static bool take_string(struct json_mapping *map, const ProtobufCFieldDescriptor *field)
{
    struct json_string string;
    if (!json_read_string(&map->lex, &string)) {
        return json_fault_lex(map);
    }
    if (!string.escaped) {
        wire_put_bytes(map->out, field->id, string.raw);
        return true;
    }
    wire_put_tag(map->out, field->id, WIRE_BYTES);
    size_t length_at = json_length_open(map->out);
    char *to = buf_reserve(map->out, string.raw.len);
    if (to != NULL) {
        map->out->len += json_unescape(&string, to);
    }
    json_length_close(map->out, length_at);
    return true;
}

/* Decodes the text in place, as the field wants it. */
static bool decode(struct json_mapping *map, const ProtobufCFieldDescriptor *field, char *text,
                   size_t *len)
{
    size_t digits = json_id_digits(field);
    if (digits == 0) {
        return json_base64_decode(text, len) || json_fault_found(map, "a string that is none");
    }
    if (*len != digits && *len != 0) {
        return json_fault_found(map, "a string of another length");
    }
    return json_hex_decode(text, len) || json_fault_found(map, "another character");
}

static bool take_bytes(struct json_mapping *map, const ProtobufCFieldDescriptor *field)
{
    struct json_string string;
    if (!json_read_string(&map->lex, &string)) {
        return json_fault_lex(map);
    }
    wire_put_tag(map->out, field->id, WIRE_BYTES);
    size_t length_at = json_length_open(map->out);
    char *to = buf_reserve(map->out, string.raw.len);
    if (to != NULL) {
        size_t len = json_unescape(&string, to);
        if (!decode(map, field, to, &len)) {
            return false;
        }
        map->out->len += len;
    }
    json_length_close(map->out, length_at);
    return true;
}

static bool take_bool(struct json_mapping *map, enum json_kind kind)
{
    if (kind != JSON_TRUE && kind != JSON_FALSE) {
        return json_fault_kind(map, kind);
    }
    if (!json_literal(&map->lex, kind)) {
        return json_fault_lex(map);
    }
    buf_append_char(map->out, (char)(kind == JSON_TRUE ? 1 : 0));
    return true;
}

/* The number under the cursor, or what the string there means; the latter borrowed from the text,
 * or from the free room of out where it has escapes. */
static bool read_number(struct json_mapping *map, enum json_kind kind, struct slice *number)
{
    *number = slice_make(NULL, 0);
    if (kind == JSON_NUMBER) {
        return json_number(&map->lex, number) || json_fault_lex(map);
    }
    struct json_string string;
    if (kind != JSON_STRING) {
        return json_fault_kind(map, kind);
    }
    if (!json_read_string(&map->lex, &string)) {
        return json_fault_lex(map);
    }
    *number = string.raw;
    if (string.escaped) {
        char *to = buf_reserve(map->out, string.raw.len);
        if (to == NULL) {
            return json_fault_says(map, "out of memory");
        }
        *number = slice_make(to, json_unescape(&string, to));
    }
    return true;
}

/* Is all of it one number? */
static bool is_number(struct slice text)
{
    struct json_lex lex = json_lex_over(text);
    struct slice number;
    return json_number(&lex, &number) && number.len == text.len;
}

/* The integer under the cursor, a negative one as two's complement. */
static bool read_integer(struct json_mapping *map, enum json_kind kind, uint64_t lowest,
                         uint64_t highest, uint64_t *value)
{
    struct slice number;
    bool negative;
    if (!read_number(map, kind, &number)) {
        return false;
    }
    if (kind == JSON_STRING && !is_number(number)) {
        return json_fault_found(map, "a string that is none");
    }
    enum json_whole whole = json_whole(number, &negative, value);
    if (whole == JSON_FRACTION) {
        return json_fault_found(map, "a fraction");
    }
    if (whole == JSON_TOO_LARGE || *value > (negative ? lowest : highest)) {
        return json_fault_found(map, "one out of range");
    }
    *value = negative ? 0 - *value : *value;
    return true;
}

static bool take_integer(struct json_mapping *map, enum json_kind kind, ProtobufCType type)
{
    uint64_t value = 0;
    bool read = false;
    if (type == PROTOBUF_C_TYPE_ENUM && kind != JSON_NUMBER) {
        return json_fault_kind(map, kind);
    }
    switch (type) {
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        read = read_integer(map, kind, (uint64_t)INT32_MAX + 1, INT32_MAX, &value);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        read = read_integer(map, kind, (uint64_t)INT64_MAX + 1, INT64_MAX, &value);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        read = read_integer(map, kind, 0, UINT32_MAX, &value);
        break;
    default:
        read = read_integer(map, kind, 0, UINT64_MAX, &value);
        break;
    }
    if (!read) {
        return false;
    }
    if (type == PROTOBUF_C_TYPE_SINT32 || type == PROTOBUF_C_TYPE_SINT64) {
        value = value << 1 ^ (value >> 63 != 0 ? UINT64_MAX : 0);
    }
    enum wire_type wire = schema_wire_type(type);
    if (wire == WIRE_VARINT) {
        wire_put_varint(map->out, value);
    } else {
        put_fixed(map->out, value, wire == WIRE_FIXED64 ? 8 : 4);
    }
    return true;
}

static bool read_double(struct json_mapping *map, enum json_kind kind, double *value)
{
    struct slice number;
    if (!read_number(map, kind, &number)) {
        return false;
    }
    if (kind == JSON_STRING && !is_number(number)) {
        if (slice_eq_str(number, "NaN")) {
            *value = (double)NAN;
        } else if (slice_eq_str(number, "Infinity")) {
            *value = (double)INFINITY;
        } else if (slice_eq_str(number, "-Infinity")) {
            *value = -(double)INFINITY;
        } else {
            return json_fault_found(map, "a string that is none");
        }
        return true;
    }
    return json_double(number, value) || json_fault_found(map, "one out of range or too long");
}

static bool take_double(struct json_mapping *map, enum json_kind kind)
{
    double value;
    uint64_t bits;
    if (!read_double(map, kind, &value)) {
        return false;
    }
    memcpy(&bits, &value, sizeof(bits));
    put_fixed(map->out, bits, sizeof(bits));
    return true;
}

bool json_take_scalar(struct json_mapping *map, const ProtobufCFieldDescriptor *field, bool tagged)
{
    enum json_kind kind = json_peek(&map->lex);
    enum wire_type wire = schema_wire_type(field->type);
    map->value_at = map->lex.at;
    if (wire == WIRE_BYTES) {
        if (kind != JSON_STRING) {
            return json_fault_kind(map, kind);
        }
        return field->type == PROTOBUF_C_TYPE_STRING ? take_string(map, field)
                                                     : take_bytes(map, field);
    }
    if (tagged) {
        wire_put_tag(map->out, field->id, wire);
    }
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return take_bool(map, kind);
    case PROTOBUF_C_TYPE_DOUBLE:
        return take_double(map, kind);
    case PROTOBUF_C_TYPE_FLOAT: /* OTLP has none */
        return json_fault_says(map, "a field of a type that is not read");
    default:
        return take_integer(map, kind, field->type);
    }
}
