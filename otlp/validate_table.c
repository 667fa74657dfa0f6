/* validate_table.c: see validate_table.h. The types are found by going from the requests through
 * the fields that are messages; then each type's row is filled, tag by tag.
 */
#include "otlp/validate_table.h"

#include "otlp/schema.h"

#include <otlp/proto/logs.pb-c.h>
#include <otlp/proto/metrics.pb-c.h>
#include <otlp/proto/trace.pb-c.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(TYPE_MAX == CELL_ITEM, "a row's index takes the bits below CELL_ITEM");

static struct type_table the_table;

/* What is counted. None of these is within reach of another signal's request. */
static const ProtobufCMessageDescriptor *const item_types[] = {
    &opentelemetry__proto__metrics__v1__number_data_point__descriptor,
    &opentelemetry__proto__metrics__v1__histogram_data_point__descriptor,
    &opentelemetry__proto__metrics__v1__exponential_histogram_data_point__descriptor,
    &opentelemetry__proto__metrics__v1__summary_data_point__descriptor,
    &opentelemetry__proto__trace__v1__span__descriptor,
    &opentelemetry__proto__logs__v1__log_record__descriptor,
};

static bool is_item(const ProtobufCMessageDescriptor *type)
{
    for (size_t i = 0; i < sizeof(item_types) / sizeof(item_types[0]); i++) {
        if (item_types[i] == type) {
            return true;
        }
    }
    return false;
}

/* The row of a type, or table->n when it has none yet. */
static size_t find_row(const struct type_table *table, const ProtobufCMessageDescriptor *type)
{
    size_t i = 0;
    while (i < table->n && table->types[i] != type) {
        i++;
    }
    return i;
}

/* How a bytes field is judged: OTLP's ids have one length, and the Collector refuses a whole
 * request for one of another. */
static uint8_t bytes_cell(const ProtobufCFieldDescriptor *field)
{
    if (strcmp(field->name, "trace_id") == 0) {
        return CELL_ID16;
    }
    if (strcmp(field->name, "span_id") == 0 || strcmp(field->name, "parent_span_id") == 0) {
        return CELL_ID8;
    }
    return CELL_BYTES;
}

static uint8_t plain_cell(enum wire_type type, bool packed)
{
    switch (type) {
    case WIRE_FIXED64:
        return packed ? CELL_PACKED_FIXED64 : CELL_FIXED64;
    case WIRE_FIXED32:
        return packed ? CELL_PACKED_FIXED32 : CELL_FIXED32;
    case WIRE_VARINT:
        return packed ? CELL_PACKED_VARINT : CELL_VARINT;
    case WIRE_BYTES:
        break;
    }
    return CELL_BYTES;
}

/* The cell of a tag that is sound, in messages of this type. */
static uint8_t make_cell(const struct type_table *table, const ProtobufCMessageDescriptor *type,
                         struct wire_tag tag)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(type, tag.number);
    if (field == NULL) {
        return plain_cell(tag.type, false);
    }
    enum wire_type right = schema_wire_type(field->type);
    if (tag.type != right) {
        bool packed = tag.type == WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED;
        return packed ? plain_cell(right, true) : CELL_WIRE_TYPE;
    }
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return CELL_STRING;
    case PROTOBUF_C_TYPE_BYTES:
        return bytes_cell(field);
    case PROTOBUF_C_TYPE_MESSAGE:
        return (uint8_t)(CELL_MESSAGE | (is_item(field->descriptor) ? CELL_ITEM : 0) |
                         find_row(table, field->descriptor));
    default:
        return plain_cell(right, false);
    }
}

/* Gives a type a row, if it has none. */
static uint8_t add_type(struct type_table *table, const ProtobufCMessageDescriptor *type)
{
    size_t row = find_row(table, type);
    if (row == TYPE_MAX) {
        abort(); /* the schema, which is compiled in, has outgrown TYPE_MAX */
    }
    if (row == table->n) {
        table->types[table->n++] = type;
    }
    return (uint8_t)row;
}

static void fill_row(struct type_table *table, size_t row)
{
    for (unsigned value = 0; value < TYPE_TAGS; value++) {
        uint8_t bytes[] = {(uint8_t)(value < 0x80 ? value : value | 0x80), (uint8_t)(value >> 7)};
        struct wire w = wire_over(bytes, value < 0x80 ? 1 : 2);
        struct wire_tag tag = wire_tag(&w);
        bool sound = w.fault == WIRE_OK;
        table->rows[row].cells[value] =
            sound ? make_cell(table, table->types[row], tag) : CELL_NO_TAG;
    }
}

static void build(void)
{
    struct type_table *table = &the_table;
    for (unsigned signal = 0; signal < SIGNAL_COUNT; signal++) {
        table->requests[signal] = add_type(table, signal_info((enum signal)signal)->request);
    }
    for (size_t row = 0; row < table->n; row++) {
        const ProtobufCMessageDescriptor *type = table->types[row];
        for (unsigned i = 0; i < type->n_fields; i++) {
            if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
                add_type(table, type->fields[i].descriptor);
            }
        }
    }
    for (size_t row = 0; row < table->n; row++) {
        fill_row(table, row);
    }
}

const struct type_table *type_table(void)
{
    static pthread_once_t built = PTHREAD_ONCE_INIT;
    pthread_once(&built, build);
    return &the_table;
}

uint8_t type_table_cell(const struct type_table *table, const struct type_row *row,
                        struct wire_tag tag)
{
    if (tag.number < TYPE_TAGS >> 3) {
        return row->cells[tag.number << 3 | tag.type];
    }
    return make_cell(table, table->types[row - table->rows], tag);
}
