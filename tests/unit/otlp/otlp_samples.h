/* otlp_samples.h: the captured requests, a buffer that ends at a guard page, and a judge that
 * compares the validator with protobuf-c's own decoder. For tests and fuzz targets.
 */
#ifndef SIGPOST_TESTS_OTLP_SAMPLES_H
#define SIGPOST_TESTS_OTLP_SAMPLES_H

#include "otlp/validate.h"
#include "otlp/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct sample {
    const char *file;
    enum signal signal;
    uint64_t items;
    size_t len;
};

/* Lengths and counts as the PyPI package opentelemetry-proto reads them. */
static const struct sample samples[] = {
    {"path-metrics.http", SIGNAL_METRICS, 6, 2060},
    {"path-traces.http", SIGNAL_TRACES, 1, 548},
    {"root-metrics-1.http", SIGNAL_METRICS, 6, 2060},
    {"root-metrics-2.http", SIGNAL_METRICS, 8, 2544},
    {"root-metrics-3.http", SIGNAL_METRICS, 8, 2544},
    {"root-traces-1.http", SIGNAL_TRACES, 1, 548},
};

#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))
#define SAMPLE_MAX 8192

/* Reads the body of a captured request into `body` and returns its length; 0 when it is not
 * there or too long. */
static inline size_t sample_read(const char *folder, const char *file, uint8_t body[SAMPLE_MAX])
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    FILE *from = fopen(path, "rb");
    if (from == NULL) {
        return 0;
    }
    size_t len = fread(body, 1, SAMPLE_MAX, from);
    fclose(from);
    const uint8_t *blank = len < SAMPLE_MAX ? memmem(body, len, "\r\n\r\n", 4) : NULL;
    if (blank == NULL) {
        return 0;
    }
    len -= (size_t)(blank + 4 - body);
    memmove(body, blank + 4, len);
    return len;
}

/* Bytes copied so that the first one past their end cannot be read. */
struct guarded {
    uint8_t *map;
    size_t room; /* readable bytes; a page that is not follows */
};

static inline struct guarded guarded_open(size_t room)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    room = (room + page - 1) / page * page;
    void *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect((uint8_t *)map + room, page, PROT_NONE) != 0) {
        abort();
    }
    return (struct guarded){map, room};
}

static inline const uint8_t *guarded_put(const struct guarded *g, const void *bytes, size_t len)
{
    if (len > g->room) {
        abort();
    }
    uint8_t *to = g->map + g->room - len;
    if (len != 0) {
        memmove(to, bytes, len);
    }
    return to;
}

static inline void guarded_close(struct guarded *g)
{
    munmap(g->map, g->room + (size_t)sysconf(_SC_PAGESIZE));
}

/* What protobuf-c 1.4.1 takes though it is no sound protobuf, or more than we allow:
 *   strings are not checked for UTF-8, nor ids for their length;
 *   nesting has no bound but the stack;
 *   field number 0 in a padded tag and numbers past 2^29 - 1 are unknown fields like others;
 *   bits of a varint past the 64th are dropped;
 *   a bool of any wire type is taken for a bool.
 */
static inline bool known_difference(const char *fault)
{
    return strstr(fault, ": invalid UTF-8") != NULL || strstr(fault, ": id of ") != NULL ||
           strstr(fault, ": nested deeper than 64 messages") != NULL ||
           strstr(fault, ": field number is not within 1 to 536870911") != NULL ||
           strstr(fault, ": varint of more than 64 bits") != NULL ||
           (strstr(fault, "must be 0 (varint)") != NULL &&
            (strstr(fault, "bool_value: ") != NULL || strstr(fault, "is_monotonic: ") != NULL));
}

static inline bool has_oneof(const ProtobufCMessageDescriptor *type)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        if ((type->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
            return true;
        }
    }
    return false;
}

/* The one thing known that protobuf-c refuses though it is sound: a singular message with a oneof
 * (in OTLP: KeyValue.value and LogRecord.body) given twice, the oneof set in neither. Is there any
 * given twice in this valid message? */
static inline bool gives_oneof_twice(const ProtobufCMessageDescriptor *type, struct slice body)
{
    uint64_t seen = 0;
    struct wire w = wire_over(body.data, body.len);
    while (wire_more(&w)) {
        struct wire_tag tag = wire_tag(&w);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, tag.number);
        if (field == NULL || field->type != PROTOBUF_C_TYPE_MESSAGE) {
            wire_skip(&w, tag.type);
            continue;
        }
        if (field->label != PROTOBUF_C_LABEL_REPEATED && has_oneof(field->descriptor)) {
            if ((seen >> field->id & 1) != 0) {
                return true;
            }
            seen |= UINT64_C(1) << field->id;
        }
        if (gives_oneof_twice(field->descriptor, wire_bytes(&w))) {
            return true;
        }
    }
    return false;
}

/* Is what the validator says in keeping with what protobuf-c says, and in good form? NULL, or what
 * is wrong. */
static inline const char *disagreement(enum signal signal, const uint8_t *bytes, size_t len,
                                       struct validation *out)
{
    memset(out, 'x', sizeof(*out));
    bool valid = validate_request(signal, bytes, len, out);
    if (memchr(out->fault, '\0', sizeof(out->fault)) == NULL) {
        return "the fault has no end";
    }
    if (valid != (out->fault[0] == '\0')) {
        return "a fault without a verdict, or a verdict without a fault";
    }
    for (const char *c = out->fault; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            return "the fault is not printable ASCII";
        }
    }
    if (!valid && known_difference(out->fault)) {
        return out->items == 0 ? NULL : "items of what is not valid";
    }
    ProtobufCMessage *message =
        protobuf_c_message_unpack(signal_info(signal)->request, NULL, len, bytes);
    bool unpacked = message != NULL;
    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
    if (valid && !unpacked &&
        !gives_oneof_twice(signal_info(signal)->request, slice_make(bytes, len))) {
        return "protobuf-c refuses what the validator takes";
    }
    return !valid && unpacked ? "protobuf-c takes what the validator refuses" : NULL;
}

#endif
