/* validate_fault.c: the sentence for a request that does not hold: where, what, at which byte.
 *
 * Field names come from our schema, numbers from the walk; no byte of the request is ever quoted.
 * Indices of repeated fields are counted here, by walking over the siblings before the fault. These
 * stretches do not overlap, so a fault costs at most one more pass.
 */
#include "otlp/schema.h"
#include "otlp/validate_internal.h"

#include <stdio.h>
#include <string.h>

#define STEP_MAX 64 /* ".dropped_attributes_count[4294967295]" is the longest kind */
#define PATH_FULL_MAX ((size_t)VALIDATE_DEPTH_MAX * STEP_MAX)
#define PATH_END_MAX 60
#define WHAT_MAX 112
/* The longest sentence fits: 122 of path, 19 of ": field 536870911: ", 111 of what, and the NUL. */

static const char *wire_type_name(enum wire_type type)
{
    switch (type) {
    case WIRE_VARINT:
        return "0 (varint)";
    case WIRE_FIXED64:
        return "1 (64-bit)";
    case WIRE_BYTES:
        return "2 (length-delimited)";
    case WIRE_FIXED32:
        return "5 (32-bit)";
    }
    return "";
}

/* How many fields of this number stand between from and to, all of which have been walked. */
static unsigned long count_before(const uint8_t *from, const uint8_t *to, uint32_t number)
{
    unsigned long n = 0;
    struct wire w = wire_over(from, (size_t)(to - from));
    while (wire_more(&w)) {
        struct wire_tag tag = wire_tag(&w);
        n += tag.number == number ? 1 : 0;
        wire_skip(&w, tag.type);
    }
    return n;
}

/* Appends ".name" or ".name[3]" at path + len, and returns the new length. A scalar may stand in
 * packed runs, where a count of tags would mislead: it gets no index. */
static size_t append_step(char path[PATH_FULL_MAX], size_t len,
                          const ProtobufCFieldDescriptor *field, const uint8_t *from,
                          const uint8_t *tag_at)
{
    const char *dot = len != 0 ? "." : "";
    int wrote;
    if (field->label == PROTOBUF_C_LABEL_REPEATED && schema_wire_type(field->type) == WIRE_BYTES) {
        wrote = snprintf(path + len, STEP_MAX, "%s%s[%lu]", dot, field->name,
                         count_before(from, tag_at, field->id));
    } else {
        wrote = snprintf(path + len, STEP_MAX, "%s%s", dot, field->name);
    }
    if (wrote < 0) {
        return len;
    }
    return len + ((size_t)wrote < STEP_MAX ? (size_t)wrote : STEP_MAX - 1);
}

/* The fault's field, as its tag says. */
struct culprit {
    const ProtobufCFieldDescriptor *field; /* NULL when the schema has none of this number */
    struct wire_tag tag;                   /* number 0 when the tag is at fault */
    enum wire_type right;                  /* of one value, when the field is known */
    size_t len;                            /* of its content, where it has one */
};

static struct culprit read_culprit(const struct walk *walk, const ProtobufCMessageDescriptor *type)
{
    struct wire w = wire_over(walk->tag_at, (size_t)(walk->end - walk->tag_at));
    struct culprit culprit = {.field = NULL};
    if (walk->at != walk->tag_at) {
        culprit.tag = wire_tag(&w);
        culprit.field = protobuf_c_message_descriptor_get_field(type, culprit.tag.number);
        culprit.right = culprit.field != NULL ? schema_wire_type(culprit.field->type) : WIRE_VARINT;
        culprit.len = culprit.tag.type == WIRE_BYTES ? wire_length(&w) : 0;
    }
    return culprit;
}

/* Writes "a.b[2].c" for the field under the cursor, the request's type where no field is known yet,
 * and returns what the field is. */
static struct culprit write_path(const struct place *place, char path[PATH_FULL_MAX])
{
    const struct walk *walk = place->walk;
    const ProtobufCMessageDescriptor *type = place->request;
    const uint8_t *begin = place->bytes;
    size_t len = 0;
    path[0] = '\0';
    for (const struct level *level = place->levels; level < walk->top; level++) {
        struct wire w = wire_over(level->tag_at, (size_t)(level->outer_end - level->tag_at));
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, wire_tag(&w).number);
        len = append_step(path, len, field, begin, level->tag_at);
        wire_enter(&w);
        begin = w.at;
        type = field->descriptor;
    }
    struct culprit culprit = read_culprit(walk, type);
    if (culprit.field != NULL) {
        len = append_step(path, len, culprit.field, begin, walk->tag_at);
    }
    if (len == 0) {
        snprintf(path, PATH_FULL_MAX, "%s", type->short_name);
    }
    schema_shorten_path(path, len, PATH_END_MAX);
    return culprit;
}

static void say_wire(const struct place *place, char what[WHAT_MAX])
{
    char why[WIRE_EXPLAIN_MAX];
    wire_explain(place->walk->wire, why);
    snprintf(what, WHAT_MAX, "%s, at byte %zu", why, (size_t)(place->walk->at - place->bytes));
}

static void say_wire_type(const struct place *place, const struct culprit *culprit,
                          char what[WHAT_MAX])
{
    snprintf(what, WHAT_MAX, "wire type %s, must be %s, at byte %zu",
             wire_type_name(culprit->tag.type), wire_type_name(culprit->right),
             (size_t)(place->walk->tag_at - place->bytes));
}

static void say_id(const struct walk *walk, const struct culprit *culprit, char what[WHAT_MAX])
{
    uint8_t cell = type_table_cell(walk->table, walk->row, culprit->tag);
    snprintf(what, WHAT_MAX, "id of %zu byte%s, must be %d or none", culprit->len,
             culprit->len == 1 ? "" : "s", cell == CELL_ID16 ? 16 : 8);
}

static void say(const struct place *place, const struct culprit *culprit, enum fault_kind kind,
                char what[WHAT_MAX])
{
    switch (kind) {
    case FAULT_NONE:
        what[0] = '\0';
        break;
    case FAULT_WIRE:
        say_wire(place, what);
        break;
    case FAULT_WIRE_TYPE:
        say_wire_type(place, culprit, what);
        break;
    case FAULT_UTF8:
        snprintf(what, WHAT_MAX, "invalid UTF-8");
        break;
    case FAULT_ID:
        say_id(place->walk, culprit, what);
        break;
    case FAULT_DEPTH:
        snprintf(what, WHAT_MAX, "nested deeper than %d messages", VALIDATE_DEPTH_MAX);
        break;
    case FAULT_PACKED:
        snprintf(what, WHAT_MAX, "packed length %zu is not a multiple of %d", culprit->len,
                 culprit->right == WIRE_FIXED64 ? 8 : 4);
        break;
    case FAULT_TOO_LONG:
        snprintf(what, WHAT_MAX, "%zu bytes are past the protobuf limit of %d",
                 (size_t)(place->walk->end - place->walk->at), WIRE_LENGTH_MAX);
        break;
    }
}

void validate_explain(const struct place *place, enum fault_kind kind, char out[VALIDATE_FAULT_MAX])
{
    char path[PATH_FULL_MAX];
    char what[WHAT_MAX];
    struct culprit culprit = write_path(place, path);
    say(place, &culprit, kind, what);
    if (culprit.field == NULL && culprit.tag.number != 0) {
        snprintf(out, VALIDATE_FAULT_MAX, "%.122s: field %u: %s", path, culprit.tag.number, what);
    } else {
        snprintf(out, VALIDATE_FAULT_MAX, "%.122s: %s", path, what);
    }
}
