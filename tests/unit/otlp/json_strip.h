/* json_strip.h: requests as protobuf-c packs them, without what JSON cannot carry. For tests. */
#ifndef SIGPOST_TESTS_JSON_STRIP_H
#define SIGPOST_TESTS_JSON_STRIP_H

#include "json_check.h"

#include <math.h>

/* One value of a message as protobuf-c holds it. */
static inline double as_double(const void *at)
{
    double value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline bool is_given(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        return *(const uint32_t *)(const void *)(base + field->quantifier_offset) == field->id;
    }
    const void *at = base + field->offset;
    return field->type != PROTOBUF_C_TYPE_MESSAGE || *(ProtobufCMessage *const *)at != NULL;
}

static inline size_t element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return 8;
    default:
        return 4;
    }
}

/* The elements of a field, given once or repeated. */
struct values {
    char *at;
    size_t count, size;
};

static inline struct values values_of(const ProtobufCMessage *message,
                                      const ProtobufCFieldDescriptor *field)
{
    char *at = (char *)message + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        const void *count = (const char *)message + field->quantifier_offset;
        return (struct values){*(char **)(void *)at, *(const size_t *)count,
                               element_size(field->type)};
    }
    return (struct values){at, is_given(message, field) ? 1 : 0, element_size(field->type)};
}

/* Takes away what JSON cannot carry. */
static inline void strip(ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        free(message->unknown_fields[i].data);
    }
    message->n_unknown_fields = 0;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        struct values values = values_of(message, field);
        for (size_t k = 0; k < values.count; k++) {
            char *at = values.at + k * values.size;
            double nan = (double)NAN;
            if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
                strip(*(ProtobufCMessage **)(void *)at);
            } else if (field->type == PROTOBUF_C_TYPE_DOUBLE && isnan(as_double(at))) {
                memcpy(at, &nan, sizeof(nan));
            }
        }
    }
}

static inline void pack(const ProtobufCMessage *message, struct buf *out)
{
    *out = BUF_INIT;
    size_t len = protobuf_c_message_get_packed_size(message);
    char *to = buf_reserve(out, len);
    cr_assert_not_null(to);
    out->len = protobuf_c_message_pack(message, (uint8_t *)to);
    cr_assert_eq(out->len, len);
}

#endif
