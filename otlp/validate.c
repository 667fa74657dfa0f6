/* validate.c: see validate.h. One loop over the bytes, with a stack of the messages that are open.
 *
 * The way that is nearly always taken only moves the cursor and looks fields up; what a fault's
 * sentence needs (names, indices) is worked out when there is one, in validate_fault.c, by walking
 * once more over what came before it. Cost: about 2.5 KB of stack, no allocation, time linear in
 * the length whatever the bytes are.
 */
#include "otlp/validate.h"

#include "base/utf8.h"
#include "otlp/validate_internal.h"

#include <otlp/proto/logs.pb-c.h>
#include <otlp/proto/metrics.pb-c.h>
#include <otlp/proto/trace.pb-c.h>
#include <string.h>

#define ITEM_TYPES_MAX 4

/* What is counted as an item, by signal. */
static const ProtobufCMessageDescriptor *const item_types[SIGNAL_COUNT][ITEM_TYPES_MAX] = {
    [SIGNAL_METRICS] =
        {&opentelemetry__proto__metrics__v1__number_data_point__descriptor,
         &opentelemetry__proto__metrics__v1__histogram_data_point__descriptor,
         &opentelemetry__proto__metrics__v1__exponential_histogram_data_point__descriptor,
         &opentelemetry__proto__metrics__v1__summary_data_point__descriptor},
    [SIGNAL_TRACES] = {&opentelemetry__proto__trace__v1__span__descriptor},
    [SIGNAL_LOGS] = {&opentelemetry__proto__logs__v1__log_record__descriptor},
};

static bool is_item(enum signal signal, const ProtobufCMessageDescriptor *type)
{
    for (unsigned i = 0; i < ITEM_TYPES_MAX; i++) {
        if (item_types[signal][i] == type) {
            return true;
        }
    }
    return false;
}

/* The field of this number, or NULL. The ranges are runs of consecutive numbers, at most four of
 * them in our schema, in rising order; one more entry ends the list and gives the field count. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *type,
                                                  uint32_t number)
{
    const ProtobufCIntRange *range = type->field_ranges;
    for (unsigned i = 0; i < type->n_field_ranges; i++, range++) {
        uint32_t offset = number - (uint32_t)range->start_value;
        if (offset < range[1].orig_index - range->orig_index) {
            return &type->fields[range->orig_index + offset];
        }
    }
    return NULL;
}

/* Names and keys are short and ASCII; only what is neither goes to the full check. */
static bool is_utf8(const uint8_t *text, size_t len)
{
    uint8_t high = 0;
    if (len <= 64) {
        for (size_t i = 0; i < len; i++) {
            high |= text[i];
        }
        if (high < 0x80) {
            return true;
        }
    }
    return utf8_valid((const char *)text, len);
}

/* How long a bytes field must be if it is not empty: OTLP's ids have one length, and the Collector
 * refuses a whole request for one of another. 0 for what is no id. */
static size_t id_size(const ProtobufCFieldDescriptor *field)
{
    if (strcmp(field->name, "trace_id") == 0) {
        return 16;
    }
    if (strcmp(field->name, "span_id") == 0 || strcmp(field->name, "parent_span_id") == 0) {
        return 8;
    }
    return 0;
}

/* A string or bytes. The cursor has passed the tag. */
static bool take_content(struct walk *walk, const ProtobufCFieldDescriptor *field)
{
    struct wire *w = &walk->wire;
    size_t len = wire_length(w);
    const uint8_t *content = wire_take(w, len);
    if (w->fault != WIRE_OK) {
        return fault_wire(walk);
    }
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return is_utf8(content, len) || fault_utf8(walk);
    }
    size_t size = id_size(field);
    return size == 0 || len == 0 || len == size || fault_id(walk, len, size);
}

/* A repeated scalar as one run of values. The cursor has passed the tag. */
static bool take_packed(struct walk *walk, const ProtobufCFieldDescriptor *field)
{
    struct wire *w = &walk->wire;
    enum wire_type element = schema_wire_type(field->type);
    const uint8_t *outer_end = wire_enter(w);
    size_t len = (size_t)(w->end - w->at);
    if (w->fault == WIRE_OK && element != WIRE_VARINT) {
        size_t size = element == WIRE_FIXED64 ? 8 : 4;
        if (len % size != 0) {
            return fault_packed(walk, len, size);
        }
        w->at = w->end;
    }
    while (wire_more(w)) {
        wire_varint(w);
    }
    wire_leave(w, outer_end);
    return w->fault == WIRE_OK || fault_wire(walk);
}

/* Opens the message at the cursor, which has passed the tag. */
static bool take_message(struct walk *walk, const ProtobufCFieldDescriptor *field)
{
    struct wire *w = &walk->wire;
    const uint8_t *outer_end = wire_enter(w);
    if (w->fault != WIRE_OK) {
        return fault_wire(walk);
    }
    if (walk->depth == VALIDATE_DEPTH_MAX) {
        return fault_depth(walk);
    }
    walk->items += is_item(walk->signal, field->descriptor) ? 1 : 0;
    walk->levels[walk->depth++] = (struct level){.type = field->descriptor,
                                                 .begin = w->at,
                                                 .outer_end = outer_end,
                                                 .field = field,
                                                 .tag_at = walk->tag_at};
    return true;
}

static bool take_known(struct walk *walk, const ProtobufCFieldDescriptor *field,
                       enum wire_type type)
{
    struct wire *w = &walk->wire;
    if (type != schema_wire_type(field->type)) {
        bool packed = type == WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED;
        return packed ? take_packed(walk, field) : fault_wire_type(walk, type);
    }
    if (type == WIRE_BYTES) {
        return field->type == PROTOBUF_C_TYPE_MESSAGE ? take_message(walk, field)
                                                      : take_content(walk, field);
    }
    wire_skip(w, type);
    return w->fault == WIRE_OK || fault_wire(walk);
}

/* Reads one field of the innermost message; opens it when it is a message itself. */
static bool take_field(struct walk *walk)
{
    struct wire *w = &walk->wire;
    walk->tag_at = w->at;
    walk->field = NULL;
    struct wire_tag tag = wire_tag(w);
    walk->number = tag.number;
    if (tag.number == 0) {
        return fault_wire(walk);
    }
    const ProtobufCFieldDescriptor *field =
        find_field(walk->levels[walk->depth - 1].type, tag.number);
    walk->field = field;
    if (field != NULL) {
        return take_known(walk, field, tag.type);
    }
    wire_skip(w, tag.type);
    return w->fault == WIRE_OK || fault_wire(walk);
}

bool validate_request(enum signal signal, const uint8_t *bytes, size_t len, struct validation *out)
{
    struct walk walk;
    walk.wire = wire_over(bytes, len);
    walk.signal = signal;
    walk.bytes = bytes;
    walk.items = 0;
    walk.out = out;
    walk.depth = 1;
    walk.levels[0] = (struct level){.type = signal_info(signal)->request, .begin = bytes};
    out->items = 0;
    out->fault[0] = '\0';
    if (len > WIRE_LENGTH_MAX) {
        return fault_too_long(&walk, len);
    }
    for (;;) {
        while (!wire_more(&walk.wire)) {
            walk.depth--;
            if (walk.depth == 0) {
                out->items = walk.items;
                return true;
            }
            wire_leave(&walk.wire, walk.levels[walk.depth].outer_end);
        }
        if (!take_field(&walk)) {
            return false;
        }
    }
}
