/* json_print.c: see json_print.h. The bytes are validated first: what is printed then has known
 * wire types, sound strings and bounded depth.
 *
 * A message is walked once to see which fields it has, then once for each of them from its first
 * place on, because a list's elements need not stand together. Costs fields × tags of each message,
 * and no message has more than some fifteen fields.
 */
#include "otlp/json_print.h"

#include "otlp/json_internal.h"
#include "otlp/schema.h"
#include "otlp/validate.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define FIELDS_MAX 64
#define TEXT_PART 4096

struct printer {
    FILE *out;
    int indent; /* of the object that is open, or JSON_PRINT_LINE */
    bool failed;
};

/* The fields of one message that are there, and where each begins. */
struct presence {
    uint64_t fields; /* bits by index */
    const uint8_t *from[FIELDS_MAX];
};

static void print_message(struct printer *p, const ProtobufCMessageDescriptor *type,
                          struct slice content);

/* --- text ------------------------------------------------------------------------------------- */

static void new_line(struct printer *p)
{
    if (p->indent >= 0) {
        fprintf(p->out, "\n%*s", 2 * p->indent, "");
    }
}

static void open_bracket(struct printer *p, char bracket)
{
    fputc(bracket, p->out);
    p->indent += p->indent >= 0;
}

static void close_bracket(struct printer *p, char bracket, bool empty)
{
    p->indent -= p->indent > 0;
    if (!empty) {
        new_line(p);
    }
    fputc(bracket, p->out);
}

/* In parts that end between characters, so that a long string needs no long buffer. */
void json_print_string(FILE *out, struct slice text)
{
    struct buf escaped = BUF_INIT;
    fputc('"', out);
    while (text.len != 0) {
        size_t n = text.len < TEXT_PART ? text.len : TEXT_PART;
        for (int back = 0; n < text.len && back < 3 && ((unsigned char)text.data[n] & 0xc0) == 0x80;
             back++) {
            n--;
        }
        buf_clear(&escaped);
        buf_append_json(&escaped, slice_make(text.data, n));
        fwrite(escaped.data, 1, escaped.len, out);
        text = slice_make(text.data + n, text.len - n);
    }
    fputc('"', out);
    buf_free(&escaped);
}

static void print_hex(FILE *out, struct slice bytes)
{
    fputc('"', out);
    for (size_t i = 0; i < bytes.len; i++) {
        fprintf(out, "%02x", (unsigned char)bytes.data[i]);
    }
    fputc('"', out);
}

static void print_base64(FILE *out, struct slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = (const uint8_t *)bytes.data;
    fputc('"', out);
    for (size_t left = bytes.len; left != 0;) {
        size_t n = left < 3 ? left : 3;
        uint32_t word = (uint32_t)at[0] << 16;
        word |= n > 1 ? (uint32_t)at[1] << 8 : 0;
        word |= n > 2 ? at[2] : 0;
        fputc(digits[word >> 18], out);
        fputc(digits[word >> 12 & 63], out);
        fputc(n > 1 ? digits[word >> 6 & 63] : '=', out);
        fputc(n > 2 ? digits[word & 63] : '=', out);
        at += n;
        left -= n;
    }
    fputc('"', out);
}

static void print_name(struct printer *p, const char *name)
{
    fputc('"', p->out);
    for (; *name != '\0'; name++) {
        if (*name == '_' && name[1] >= 'a' && name[1] <= 'z') {
            name++;
            fputc(*name - 'a' + 'A', p->out);
        } else {
            fputc(*name, p->out);
        }
    }
    fputs(p->indent >= 0 ? "\": " : "\":", p->out);
}

/* --- values ----------------------------------------------------------------------------------- */

static void print_double(FILE *out, double value)
{
    char text[40];
    if (isnan(value)) {
        fputs("\"NaN\"", out);
        return;
    }
    if (isinf(value)) {
        fputs(value > 0 ? "\"Infinity\"" : "\"-Infinity\"", out);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    fputs(text, out);
}

static double as_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static double as_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return (double)value;
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* One number of a scalar field; the cursor stands at it. */
static void print_number(FILE *out, ProtobufCType type, struct wire *w)
{
    uint64_t value = 0;
    switch (schema_wire_type(type)) {
    case WIRE_FIXED64:
        value = wire_fixed64(w);
        break;
    case WIRE_FIXED32:
        value = wire_fixed32(w);
        break;
    default:
        value = wire_varint(w);
        break;
    }
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        fputs(value != 0 ? "true" : "false", out);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        print_double(out, as_double(value));
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        print_double(out, as_float((uint32_t)value));
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        fprintf(out, "\"%" PRIu64 "\"", value);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        fprintf(out, "\"%" PRId64 "\"", (int64_t)value);
        break;
    case PROTOBUF_C_TYPE_SINT64:
        fprintf(out, "\"%" PRId64 "\"", unzigzag(value));
        break;
    case PROTOBUF_C_TYPE_SINT32:
        fprintf(out, "%" PRId32, (int32_t)unzigzag(value & UINT32_MAX));
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        fprintf(out, "%" PRIu32, (uint32_t)value);
        break;
    default: /* int32, sfixed32, enum */
        fprintf(out, "%" PRId32, (int32_t)(uint32_t)value);
        break;
    }
}

static bool is_bytes(const ProtobufCFieldDescriptor *field)
{
    return schema_wire_type(field->type) == WIRE_BYTES;
}

static void print_content(struct printer *p, const ProtobufCFieldDescriptor *field,
                          struct slice content)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        print_message(p, field->descriptor, content);
    } else if (field->type == PROTOBUF_C_TYPE_STRING) {
        json_print_string(p->out, content);
    } else if (json_id_digits(field) != 0) {
        print_hex(p->out, content);
    } else {
        print_base64(p->out, content);
    }
}

/* --- fields ----------------------------------------------------------------------------------- */

/* Steps to the next place of `field`, past its tag; false at the end. */
static bool next_place(struct wire *w, const ProtobufCFieldDescriptor *field, enum wire_type *type)
{
    while (wire_more(w)) {
        struct wire_tag tag = wire_tag(w);
        *type = tag.type;
        if (tag.number == field->id) {
            return true;
        }
        wire_skip(w, tag.type);
    }
    return false;
}

static void print_list(struct printer *p, const ProtobufCFieldDescriptor *field, struct wire w)
{
    enum wire_type type;
    bool empty = true;
    open_bracket(p, '[');
    while (next_place(&w, field, &type)) {
        bool packed = type == WIRE_BYTES && !is_bytes(field);
        const uint8_t *outer_end = packed ? wire_enter(&w) : w.end;
        do {
            if (packed && !wire_more(&w)) {
                break; /* a run of none */
            }
            if (!empty) {
                fputc(',', p->out);
            }
            new_line(p);
            empty = false;
            if (is_bytes(field)) {
                print_content(p, field, wire_bytes(&w));
            } else {
                print_number(p->out, field->type, &w);
            }
        } while (packed);
        wire_leave(&w, outer_end);
    }
    close_bracket(p, ']', empty);
}

/* The content of a field that stands there once; of a message that is there again and again, all
 * of it, laid end to end in `merged`. */
static struct slice gather(struct printer *p, const ProtobufCFieldDescriptor *field, struct wire w,
                           struct buf *merged)
{
    struct slice content = {0};
    enum wire_type type;
    for (unsigned n = 0; next_place(&w, field, &type); n++) {
        struct slice part = wire_bytes(&w);
        if (n != 0 && field->type == PROTOBUF_C_TYPE_MESSAGE) {
            if (n == 1) {
                buf_append_slice(merged, content);
            }
            buf_append_slice(merged, part);
            part = buf_slice(merged);
        }
        content = part;
    }
    p->failed = p->failed || merged->failed;
    return content;
}

static void print_single(struct printer *p, const ProtobufCFieldDescriptor *field, struct wire w)
{
    enum wire_type type;
    if (is_bytes(field)) {
        struct buf merged = BUF_INIT;
        print_content(p, field, gather(p, field, w, &merged));
        buf_free(&merged);
        return;
    }
    struct wire last = w;
    while (next_place(&w, field, &type)) {
        last = w;
        wire_skip(&w, type);
    }
    print_number(p->out, field->type, &last);
}

static bool is_rival(const ProtobufCFieldDescriptor *a, const ProtobufCFieldDescriptor *b)
{
    return a != b && (a->flags & b->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
           a->quantifier_offset == b->quantifier_offset;
}

static void look(const ProtobufCMessageDescriptor *type, struct wire w, struct presence *found)
{
    found->fields = 0;
    while (wire_more(&w)) {
        const uint8_t *at = w.at;
        struct wire_tag tag = wire_tag(&w);
        wire_skip(&w, tag.type);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, tag.number);
        size_t index = field != NULL ? (size_t)(field - type->fields) : FIELDS_MAX;
        if (index >= FIELDS_MAX || w.fault != WIRE_OK) {
            continue;
        }
        if ((found->fields >> index & 1) == 0) {
            found->fields |= UINT64_C(1) << index;
            found->from[index] = at;
        }
        for (unsigned i = 0; (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
                             i < type->n_fields && i < FIELDS_MAX;
             i++) {
            if (is_rival(field, &type->fields[i])) {
                found->fields &= ~(UINT64_C(1) << i);
            }
        }
    }
}

static void print_message(struct printer *p, const ProtobufCMessageDescriptor *type,
                          struct slice content)
{
    struct presence found;
    struct wire w = wire_over(content.data, content.len);
    look(type, w, &found);
    open_bracket(p, '{');
    bool empty = true;
    for (unsigned i = 0; i < type->n_fields && i < FIELDS_MAX; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if ((found.fields >> i & 1) == 0) {
            continue;
        }
        if (!empty) {
            fputc(',', p->out);
        }
        new_line(p);
        empty = false;
        print_name(p, field->name);
        w.at = found.from[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            print_list(p, field, w);
        } else {
            print_single(p, field, w);
        }
    }
    close_bracket(p, '}', empty);
}

bool json_print_request(enum signal signal, struct slice request, int indent, FILE *out,
                        struct json_fault *fault)
{
    struct printer p = {out, indent, false};
    struct validation validation;
    fault->text[0] = '\0';
    if (signal_info(signal)->opaque) {
        print_base64(out, request);
        return true;
    }
    if (!validate_request(signal, (const uint8_t *)request.data, request.len, &validation)) {
        snprintf(fault->text, sizeof(fault->text), "%s", validation.fault);
        return false;
    }
    print_message(&p, signal_info(signal)->request, request);
    if (p.failed) {
        snprintf(fault->text, sizeof(fault->text), "out of memory");
    }
    return !p.failed;
}
