/* json.c: see json.h. Objects, lists and presence; what a single value means is json_value.c's.
 *
 * A message's length stands before its content and is known after it: four bytes are reserved, and
 * filled with a padded varint, as the .NET exporter does; a content of less than 128 bytes, which
 * most are, is moved up to a length of one byte. So nothing is read twice, and no byte is moved for
 * a message of more than 127. The functions below call each other once for each message inside
 * another, of which there are at most VALIDATE_DEPTH_MAX.
 */
#include "otlp/json.h"

#include "otlp/json_internal.h"

#define LENGTH_BYTES 4
#define ESCAPED_NAME_MAX \
    256 /* longer, escapes included, than any of our schema's names can be written */

/* Four bytes of length hold 2^28 - 1, which four times the text and a closing bracket stay below.
 */
_Static_assert(JSON_TEXT_MAX <= (size_t)1 << (7 * LENGTH_BYTES - 2), "lengths must fit");

/* Both are told in words below. */
_Static_assert(JSON_TEXT_MAX >> 20 == 64 && VALIDATE_DEPTH_MAX == 64, "see the sentences");

size_t json_length_open(struct buf *out)
{
    buf_append(out, "\0\0\0\0", LENGTH_BYTES);
    return out->len - LENGTH_BYTES;
}

void json_length_close(struct buf *out, size_t at)
{
    if (out->failed) {
        return;
    }
    size_t len = out->len - at - LENGTH_BYTES;
    char *to = out->data + at;
    if (len < 0x80) {
        to[0] = (char)len;
        memmove(to + 1, to + LENGTH_BYTES, len);
        out->len -= LENGTH_BYTES - 1;
        return;
    }
    for (unsigned i = 0; i < LENGTH_BYTES; i++, len >>= 7) {
        to[i] = (char)((len & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
    }
}

/* Is this the lowerCamelCase of a name of our schema? */
static bool is_name(struct slice json, const char *name)
{
    size_t i = 0;
    for (; *name != '\0'; name++, i++) {
        char c = *name;
        if (c == '_') {
            c = *++name;
            c = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        }
        if (i == json.len || json.data[i] != c) {
            return false;
        }
    }
    return i == json.len;
}

static const ProtobufCFieldDescriptor *find_plain(const ProtobufCMessageDescriptor *type,
                                                  struct slice json)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (is_name(json, type->fields[i].name)) {
            return &type->fields[i];
        }
    }
    return NULL;
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type,
                                                  const struct json_string *name)
{
    if (name->escaped) {
        char plain[ESCAPED_NAME_MAX];
        bool fits = name->raw.len <= sizeof(plain);
        return fits ? find_plain(type, slice_make(plain, json_unescape(name, plain))) : NULL;
    }
    return find_plain(type, name->raw);
}

/* Notes that the field has a value; refuses a second member of its oneof. */
static bool note_given(struct json_mapping *map, const ProtobufCFieldDescriptor *field)
{
    struct json_level *level = json_top(map);
    const ProtobufCFieldDescriptor *fields = level->type->fields;
    level->given |= UINT64_C(1) << (field - fields);
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0) {
        return true;
    }
    for (unsigned i = 0; i < level->type->n_fields; i++) {
        bool sibling = &fields[i] != field &&
                       (fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
                       fields[i].quantifier_offset == field->quantifier_offset;
        if (sibling && (level->given >> i & 1) != 0) {
            return json_fault_oneof(map, &fields[i]);
        }
    }
    return true;
}

static bool take_message(struct json_mapping *map, const ProtobufCFieldDescriptor *field);

static bool take_value(struct json_mapping *map, const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_MESSAGE ? take_message(map, field)
                                                  : json_take_scalar(map, field, true);
}

/* The elements of a list: a packed run of numbers, or one field each. An empty run is not written.
 */
static bool take_list(struct json_mapping *map, const ProtobufCFieldDescriptor *field)
{
    enum json_kind kind = json_peek(&map->lex);
    map->value_at = map->lex.at;
    if (kind != JSON_ARRAY) {
        return json_fault_kind(map, kind);
    }
    struct json_level *level = json_top(map);
    level->in_list = true;
    level->index = 0;
    bool packed = schema_wire_type(field->type) != WIRE_BYTES;
    size_t tag_at = map->out->len;
    size_t length_at = 0;
    if (packed) {
        wire_put_tag(map->out, field->id, WIRE_BYTES);
        length_at = json_length_open(map->out);
    }
    json_enter(&map->lex);
    for (; json_next(&map->lex, level->index == 0, ']'); level->index++) {
        if (!(packed ? json_take_scalar(map, field, false) : take_value(map, field))) {
            return false;
        }
    }
    level->in_list = false;
    if (map->lex.fault != NULL) {
        return json_fault_lex(map);
    }
    if (packed && level->index != 0) {
        json_length_close(map->out, length_at);
    } else if (packed && !map->out->failed) {
        map->out->len = tag_at;
    }
    return true;
}

/* A name and its value; the cursor is at the name. */
static bool take_member(struct json_mapping *map)
{
    struct json_level *level = json_top(map);
    struct json_string name;
    map->value_at = map->lex.at;
    if (!json_name(&map->lex, &name)) {
        return json_fault_lex(map);
    }
    const ProtobufCFieldDescriptor *field = find_field(level->type, &name);
    if (field == NULL) {
        return json_skip(&map->lex) || json_fault_lex(map);
    }
    level->field = field;
    level->in_list = false;
    uint64_t bit = UINT64_C(1) << (field - level->type->fields);
    if ((level->named & bit) != 0) {
        return json_fault_says(map, "given twice");
    }
    level->named |= bit;
    if (json_peek(&map->lex) == JSON_NULL) {
        if (!json_literal(&map->lex, JSON_NULL)) {
            return json_fault_lex(map);
        }
    } else {
        bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
        if (!note_given(map, field) ||
            !(repeated ? take_list(map, field) : take_value(map, field))) {
            return false;
        }
    }
    level->field = NULL;
    return true;
}

/* The members of an object of this type; the cursor is at its brace. */
static bool take_members(struct json_mapping *map, const ProtobufCMessageDescriptor *type)
{
    map->levels[map->depth++] = (struct json_level){.type = type};
    json_enter(&map->lex);
    for (bool first = true; json_next(&map->lex, first, '}'); first = false) {
        if (!take_member(map)) {
            return false;
        }
    }
    if (map->lex.fault != NULL) {
        return json_fault_lex(map);
    }
    map->depth--;
    return true;
}

static bool take_message(struct json_mapping *map, const ProtobufCFieldDescriptor *field)
{
    enum json_kind kind = json_peek(&map->lex);
    map->value_at = map->lex.at;
    if (kind != JSON_OBJECT) {
        return json_fault_kind(map, kind);
    }
    if (map->depth == VALIDATE_DEPTH_MAX) {
        return json_fault_says(map, "nested deeper than 64 messages");
    }
    wire_put_tag(map->out, field->id, WIRE_BYTES);
    size_t length_at = json_length_open(map->out);
    if (!take_members(map, field->descriptor)) {
        return false;
    }
    json_length_close(map->out, length_at);
    return true;
}

static bool take_request(struct json_mapping *map, const ProtobufCMessageDescriptor *type)
{
    size_t len = (size_t)(map->lex.end - map->lex.at);
    map->levels[0] = (struct json_level){.type = type};
    map->value_at = map->lex.at;
    if (len > JSON_TEXT_MAX) {
        return json_fault_says(map, "text of more than 64 MiB");
    }
    if (len >= 3 && memcmp(map->lex.at, "\xef\xbb\xbf", 3) == 0) {
        return json_fault_says(map, "a byte order mark, which JSON must not have");
    }
    enum json_kind kind = json_peek(&map->lex);
    map->value_at = map->lex.at;
    if (kind != JSON_OBJECT) {
        return json_fault_kind(map, kind);
    }
    if (!take_members(map, type)) {
        return false;
    }
    if (!json_end(&map->lex)) {
        map->value_at = map->lex.at;
        return json_fault_says(map, "something stands behind the object");
    }
    return !map->out->failed || json_fault_says(map, "out of memory");
}

bool json_to_request(enum signal signal, struct slice json, struct buf *out,
                     struct json_fault *fault)
{
    struct json_mapping map = {.lex = json_lex_over(json), .out = out, .fault = fault};
    fault->text[0] = '\0';
    size_t len = out->len;
    bool done = take_request(&map, signal_info(signal)->request);
    if (!done) {
        out->len = len;
    }
    return done;
}
