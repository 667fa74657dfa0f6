/* json_fault.c: the sentence for a text that does not hold: where, what, at which byte.
 *
 * Names come from our schema and are written as JSON writes them; no byte of the text is quoted.
 */
#include "otlp/json_internal.h"

#include <stdio.h>

#define STEP_MAX 64 /* ".droppedAttributesCount[67108863]" is the longest kind */
#define PATH_FULL_MAX ((size_t)VALIDATE_DEPTH_MAX * STEP_MAX)
#define PATH_END_MAX 50
#define FIELD_NAME_MAX 40
#define WHAT_MAX 120
/* The longest sentence fits: 102 of path, 2 of ": ", 119 of what, 18 of ", at byte 67108864". */

static void write_name(const char *name, char out[FIELD_NAME_MAX])
{
    size_t n = 0;
    for (; *name != '\0' && n < FIELD_NAME_MAX - 1; name++) {
        bool upper = *name == '_';
        name += upper ? 1 : 0;
        out[n++] = (char)(upper && *name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
    }
    out[n] = '\0';
}

/* "a.b[2].c" for the value that is being read; the request's type where no field is known yet. */
static void write_path(const struct json_mapping *map, char path[PATH_FULL_MAX])
{
    size_t len = 0;
    path[0] = '\0';
    for (size_t i = 0; i < map->depth && map->levels[i].field != NULL; i++) {
        const struct json_level *level = &map->levels[i];
        char name[FIELD_NAME_MAX];
        char index[24] = "";
        write_name(level->field->name, name);
        if (level->in_list) {
            snprintf(index, sizeof(index), "[%zu]", level->index);
        }
        int wrote =
            snprintf(path + len, STEP_MAX, "%s%.39s%.23s", len != 0 ? "." : "", name, index);
        len += wrote > 0 ? (size_t)wrote : 0;
    }
    if (len == 0) {
        snprintf(path, PATH_FULL_MAX, "%s", map->levels[0].type->short_name);
    }
    schema_shorten_path(path, len, PATH_END_MAX);
}

static bool report(struct json_mapping *map, const char *what, const char *at)
{
    char path[PATH_FULL_MAX];
    write_path(map, path);
    snprintf(map->fault->text, JSON_FAULT_MAX, "%.102s: %.119s, at byte %zu", path, what,
             (size_t)(at - map->lex.begin));
    return false;
}

bool json_fault_says(struct json_mapping *map, const char *what)
{
    return report(map, what, map->value_at);
}

bool json_fault_lex(struct json_mapping *map)
{
    return report(map, map->lex.fault, map->lex.fault_at);
}

bool json_fault_oneof(struct json_mapping *map, const ProtobufCFieldDescriptor *other)
{
    char what[WHAT_MAX];
    char name[FIELD_NAME_MAX];
    write_name(other->name, name);
    snprintf(what, sizeof(what), "given beside %s, of which only one may be", name);
    return json_fault_says(map, what);
}

/* What a value of this type looks like. */
static const char *expected(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return "a string";
    case PROTOBUF_C_TYPE_BYTES:
        switch (json_id_digits(field)) {
        case 0:
            return "a string of base64";
        case 16:
            return "a string of 16 hex digits or none";
        default:
            return "a string of 32 hex digits or none";
        }
    case PROTOBUF_C_TYPE_BOOL:
        return "true or false";
    case PROTOBUF_C_TYPE_ENUM:
        return "the number of an enum value (OTLP takes no names)";
    case PROTOBUF_C_TYPE_DOUBLE:
        return "a number, \"NaN\", \"Infinity\" or \"-Infinity\"";
    case PROTOBUF_C_TYPE_MESSAGE:
        return "an object";
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return "a whole number from 0 to 4294967295";
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return "a whole number of 32 bits and sign";
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return "a whole number from 0 to 18446744073709551615";
    default:
        return "a whole number of 64 bits and sign";
    }
}

bool json_fault_found(struct json_mapping *map, const char *found)
{
    const struct json_level *level = map->depth != 0 ? json_top(map) : NULL;
    const ProtobufCFieldDescriptor *field = level != NULL ? level->field : NULL;
    const char *wanted = "an object";
    if (field != NULL) {
        bool list = field->label == PROTOBUF_C_LABEL_REPEATED && !level->in_list;
        wanted = list ? "an array" : expected(field);
    }
    char what[WHAT_MAX];
    snprintf(what, sizeof(what), "expected %.64s, found %.36s", wanted, found);
    return json_fault_says(map, what);
}

bool json_fault_kind(struct json_mapping *map, enum json_kind found)
{
    static const char *const names[] = {
        [JSON_NONE] = "something else", [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
        [JSON_STRING] = "a string",     [JSON_NUMBER] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",         [JSON_NULL] = "null"};
    bool ended = found == JSON_NONE && map->lex.at == map->lex.end;
    return json_fault_found(map, ended ? "the end of the text" : names[found]);
}
