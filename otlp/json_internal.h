/* json_internal.h: what json.c, json_value.c and json_fault.c share. */
#ifndef SIGPOST_OTLP_JSON_INTERNAL_H
#define SIGPOST_OTLP_JSON_INTERNAL_H

#include "otlp/json.h"
#include "otlp/json_lex.h"
#include "otlp/schema.h"
#include "otlp/validate.h"
#include "otlp/wire.h"

#include <protobuf-c/protobuf-c.h>

/* A message whose object is being read. */
struct json_level {
    const ProtobufCMessageDescriptor *type;
    const ProtobufCFieldDescriptor *field; /* whose value is being read, or NULL */
    size_t index;                          /* of the element, if in_list */
    bool in_list;
    uint64_t named; /* a bit for each field whose name was there */
    uint64_t given; /* the same, but for those that were null */
};

struct json_mapping {
    struct json_lex lex;
    struct buf *out;
    const char *value_at; /* where the name or value that is being read begins */
    struct json_fault *fault;
    size_t depth; /* open messages, the request included */
    struct json_level levels[VALIDATE_DEPTH_MAX];
};

static inline struct json_level *json_top(struct json_mapping *map)
{
    return &map->levels[map->depth - 1];
}

/* A length that is not known yet: json_length_open reserves its bytes and returns where,
 * json_length_close fills them in when the content stands behind them. */
size_t json_length_open(struct buf *out);
void json_length_close(struct buf *out, size_t at);

/* Appends the value under the cursor as `field`, which is no message: with its tag, or without, as
 * an element of a packed run. */
bool json_take_scalar(struct json_mapping *map, const ProtobufCFieldDescriptor *field, bool tagged);

/* How many hex digits the id in a field of this name has; 0 for what is no id. */
size_t json_id_digits(const ProtobufCFieldDescriptor *field);

/* Each writes where and what into map->fault, and returns false. */
bool json_fault_lex(struct json_mapping *map); /* the cursor's own */
bool json_fault_found(struct json_mapping *map, const char *found);
bool json_fault_kind(struct json_mapping *map, enum json_kind found);
bool json_fault_says(struct json_mapping *map, const char *what);
bool json_fault_oneof(struct json_mapping *map, const ProtobufCFieldDescriptor *other);

#endif
