/* test_validate_table.c: the table against the descriptors that it is made of, for every message
 * type within reach, every tag of a row and field numbers far beyond.
 */
#include "otlp/schema.h"
#include "otlp/validate_table.h"

#include <criterion/criterion.h>

#define NUMBERS 2100 /* past every tag of two bytes, and some */

static const enum wire_type wire_types[] = {WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32};

/* Message types within reach of one request. */
struct reach {
    const ProtobufCMessageDescriptor *types[TYPE_MAX];
    size_t n;
};

static void reach_from(struct reach *reach, const ProtobufCMessageDescriptor *type)
{
    for (size_t i = 0; i < reach->n; i++) {
        if (reach->types[i] == type) {
            return;
        }
    }
    cr_assert_lt(reach->n, TYPE_MAX);
    reach->types[reach->n++] = type;
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE) {
            reach_from(reach, type->fields[i].descriptor);
        }
    }
}

static size_t row_of(const struct type_table *table, const ProtobufCMessageDescriptor *type)
{
    size_t found = TYPE_MAX;
    for (size_t i = 0; i < table->n; i++) {
        if (table->types[i] == type) {
            cr_assert_eq(found, TYPE_MAX, "%s has two rows", type->name);
            found = i;
        }
    }
    cr_assert_lt(found, TYPE_MAX, "%s has no row", type->name);
    return found;
}

/* What OTLP counts, by the name of the message type. */
static bool is_counted(enum signal signal, const ProtobufCMessageDescriptor *type)
{
    static const char *const metrics[] = {"NumberDataPoint", "HistogramDataPoint",
                                          "ExponentialHistogramDataPoint", "SummaryDataPoint"};
    for (size_t i = 0; signal == SIGNAL_METRICS && i < 4; i++) {
        if (strcmp(type->short_name, metrics[i]) == 0) {
            return true;
        }
    }
    return (signal == SIGNAL_TRACES && strcmp(type->short_name, "Span") == 0) ||
           (signal == SIGNAL_LOGS && strcmp(type->short_name, "LogRecord") == 0);
}

static uint8_t one_value(enum wire_type type)
{
    return type == WIRE_VARINT    ? CELL_VARINT
           : type == WIRE_FIXED64 ? CELL_FIXED64
           : type == WIRE_FIXED32 ? CELL_FIXED32
                                  : CELL_BYTES;
}

static uint8_t one_run(enum wire_type type)
{
    return type == WIRE_VARINT    ? CELL_PACKED_VARINT
           : type == WIRE_FIXED64 ? CELL_PACKED_FIXED64
                                  : CELL_PACKED_FIXED32;
}

static uint8_t content_cell(const struct type_table *table, enum signal signal,
                            const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessageDescriptor *type = field->descriptor;
        unsigned item = is_counted(signal, type) ? CELL_ITEM : 0;
        return (uint8_t)(CELL_MESSAGE + item + row_of(table, type));
    }
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return CELL_STRING;
    }
    return strstr(field->name, "trace_id") != NULL  ? CELL_ID16
           : strstr(field->name, "span_id") != NULL ? CELL_ID8
                                                    : CELL_BYTES;
}

/* What the cell must be, by a search of all fields. */
static uint8_t expected(const struct type_table *table, enum signal signal,
                        const ProtobufCMessageDescriptor *type, struct wire_tag tag)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (field->id != tag.number) {
            continue;
        }
        enum wire_type right = schema_wire_type(field->type);
        if (tag.type != right) {
            bool run = tag.type == WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED;
            return run ? one_run(right) : CELL_WIRE_TYPE;
        }
        return right == WIRE_BYTES ? content_cell(table, signal, field) : one_value(right);
    }
    return one_value(tag.type);
}

static void check_number(const struct type_table *table, enum signal signal,
                         const ProtobufCMessageDescriptor *type, uint32_t number)
{
    const struct type_row *row = &table->rows[row_of(table, type)];
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, number);
    for (size_t i = 0; i < 4; i++) {
        struct wire_tag tag = {number, wire_types[i]};
        uint8_t cell = type_table_cell(table, row, tag);
        cr_assert_eq(cell, expected(table, signal, type, tag), "%s, field %u, wire type %d: %d",
                     type->name, number, tag.type, cell);
        cr_assert(field != NULL || cell == one_value(tag.type), "unknown");
        if (number < TYPE_TAGS >> 3) {
            cr_assert_eq(row->cells[number << 3 | tag.type], cell);
        }
        if (cell >= CELL_MESSAGE) {
            const struct type_row *inner = type_row_in(table, cell);
            cr_assert_eq(table->types[inner - table->rows], field->descriptor);
        }
    }
}

Test(validate_table, every_field_of_every_message_is_as_the_descriptors_say)
{
    const struct type_table *table = type_table();
    size_t seen = 0;
    for (unsigned signal = 0; signal < SIGNAL_COUNT; signal++) {
        struct reach reach = {.n = 0};
        const ProtobufCMessageDescriptor *request = signal_info((enum signal)signal)->request;
        reach_from(&reach, request);
        cr_assert_eq(table->types[table->requests[signal]], request);
        for (size_t i = 0; i < reach.n; i++) {
            for (uint32_t number = 1; number < NUMBERS; number++) {
                check_number(table, (enum signal)signal, reach.types[i], number);
            }
            for (unsigned bit = 12; bit < 29; bit++) {
                check_number(table, (enum signal)signal, reach.types[i], (2U << bit) - 1);
                check_number(table, (enum signal)signal, reach.types[i], 1U << bit);
            }
            seen |= (size_t)1 << row_of(table, reach.types[i]);
        }
    }
    cr_assert(table->n > 30 && table->n < TYPE_MAX, "%zu types", table->n);
    cr_assert_eq(seen, ((size_t)1 << table->n) - 1, "a row that no request reaches");
}

Test(validate_table, a_tag_at_fault_has_no_cell)
{
    const struct type_table *table = type_table();
    for (size_t row = 0; row < table->n; row++) {
        for (unsigned value = 0; value < TYPE_TAGS; value++) {
            unsigned type = value & 7;
            bool sound = value >> 3 != 0 && (type <= 2 || type == 5);
            cr_assert_eq(table->rows[row].cells[value] != CELL_NO_TAG, sound, "%u", value);
        }
    }
}

Test(validate_table, every_kind_of_field_is_there)
{
    const struct type_table *table = type_table();
    size_t counts[256] = {0};
    for (size_t row = 0; row < table->n; row++) {
        for (unsigned value = 0; value < TYPE_TAGS; value++) {
            counts[table->rows[row].cells[value]]++;
        }
    }
    for (unsigned cell = CELL_NO_TAG; cell <= CELL_WIRE_TYPE; cell++) {
        cr_assert(counts[cell] != 0 || cell == CELL_PACKED_FIXED32, "cell %u", cell);
    }
}
