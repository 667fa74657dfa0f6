/* validate_fault.c: the sentence for a request that does not hold: where, what, at which byte.
 *
 * Field names come from our schema, numbers from the walk; no byte of the request is ever quoted.
 * Indices of repeated fields are counted here, by walking over the siblings before the fault. These
 * stretches do not overlap, so a fault costs at most one more pass.
 */
#include "otlp/validate_internal.h"

#include <stdarg.h>
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

/* "a.b[2].c" for the field under the cursor; the request's type where no field is known yet. */
static void write_path(const struct walk *walk, char path[PATH_FULL_MAX])
{
    size_t len = 0;
    path[0] = '\0';
    for (size_t i = 1; i < walk->depth; i++) {
        const struct level *level = &walk->levels[i];
        len = append_step(path, len, level->field, level[-1].begin, level->tag_at);
    }
    if (walk->field != NULL) {
        const uint8_t *begin = walk->levels[walk->depth - 1].begin;
        len = append_step(path, len, walk->field, begin, walk->tag_at);
    }
    if (len == 0) {
        snprintf(path, PATH_FULL_MAX, "%s", walk->levels[0].type->short_name);
    }
    schema_shorten_path(path, len, PATH_END_MAX);
}

__attribute__((format(printf, 2, 3))) static bool report(struct walk *walk, const char *format, ...)
{
    char path[PATH_FULL_MAX];
    char what[WHAT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    write_path(walk, path);
    if (walk->field == NULL && walk->number != 0) {
        snprintf(walk->out->fault, VALIDATE_FAULT_MAX, "%.122s: field %u: %s", path, walk->number,
                 what);
    } else {
        snprintf(walk->out->fault, VALIDATE_FAULT_MAX, "%.122s: %s", path, what);
    }
    return false;
}

bool fault_wire(struct walk *walk)
{
    char what[WIRE_EXPLAIN_MAX];
    wire_explain(&walk->wire, what);
    return report(walk, "%s, at byte %zu", what, (size_t)(walk->wire.at - walk->bytes));
}

bool fault_wire_type(struct walk *walk, enum wire_type found)
{
    return report(walk, "wire type %s, must be %s, at byte %zu", wire_type_name(found),
                  wire_type_name(schema_wire_type(walk->field->type)),
                  (size_t)(walk->tag_at - walk->bytes));
}

bool fault_utf8(struct walk *walk)
{
    return report(walk, "invalid UTF-8");
}

bool fault_id(struct walk *walk, size_t len, size_t right)
{
    return report(walk, "id of %zu byte%s, must be %zu or none", len, len == 1 ? "" : "s", right);
}

bool fault_depth(struct walk *walk)
{
    return report(walk, "nested deeper than %d messages", VALIDATE_DEPTH_MAX);
}

bool fault_packed(struct walk *walk, size_t len, size_t element_size)
{
    return report(walk, "packed length %zu is not a multiple of %zu", len, element_size);
}

bool fault_too_long(struct walk *walk, size_t len)
{
    walk->field = NULL;
    walk->number = 0;
    return report(walk, "%zu bytes are past the protobuf limit of %d", len, WIRE_LENGTH_MAX);
}
