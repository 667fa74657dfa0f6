/* test_validate_oracle.c: the validator against protobuf-c's decoder, over what is cut, flipped,
 * mutated and generated. Every input ends at a guard page; seeds are fixed.
 */
#include "base/buf.h"
#include "otlp/wire.h"
#include "otlp_samples.h"

#include <criterion/criterion.h>

#define CAPTURES SIGPOST_TEST_DATA "/captures"
#define ROOM ((size_t)1 << 20)

static uint64_t seed = 1;

/* xorshift64*; 0 to below - 1. */
static size_t draw(size_t below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (size_t)((seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

/* Judges a copy that ends at the guard page; returns the verdict. */
static bool judge(const struct guarded *g, enum signal signal, const void *bytes, size_t len,
                  struct validation *out)
{
    const char *wrong = disagreement(signal, guarded_put(g, bytes, len), len, out);
    cr_assert_null(wrong, "%s: %s (%zu bytes)", wrong, out->fault, len);
    return out->fault[0] == '\0';
}

Test(validate_oracle, every_truncation)
{
    struct guarded g = guarded_open(SAMPLE_MAX);
    uint8_t body[SAMPLE_MAX];
    struct validation out;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        size_t len = sample_read(CAPTURES, samples[i].file, body);
        cr_assert_eq(len, samples[i].len);
        for (size_t cut = 0; cut <= len; cut++) {
            /* Each capture is one top-level field: only nothing and all of it are requests. */
            bool valid = judge(&g, samples[i].signal, body, cut, &out);
            cr_assert_eq(valid, cut == 0 || cut == len, "%s cut to %zu", samples[i].file, cut);
        }
    }
    guarded_close(&g);
}

Test(validate_oracle, every_flipped_bit)
{
    struct guarded g = guarded_open(SAMPLE_MAX);
    uint8_t body[SAMPLE_MAX];
    struct validation out;
    size_t refused = 0;
    for (size_t i = 3; i < SAMPLE_COUNT; i += 2) { /* the longest metrics, and traces */
        size_t len = sample_read(CAPTURES, samples[i].file, body);
        cr_assert_eq(len, samples[i].len);
        for (size_t bit = 0; bit < len * 8; bit++) {
            body[bit / 8] ^= (uint8_t)(1U << bit % 8);
            refused += judge(&g, samples[i].signal, body, len, &out) ? 0 : 1;
            body[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
    }
    cr_assert_gt(refused, 5000, "%zu refused", refused);
    guarded_close(&g);
}

static const uint8_t nasty[] = {0x00, 0x01, 0x02, 0x03, 0x05, 0x07, 0x08, 0x0a,
                                0x12, 0x7f, 0x80, 0x81, 0xc0, 0xed, 0xf4, 0xff};

/* Replaces, inserts, removes or repeats a stretch of up to 16 bytes; returns the new length. */
static size_t mutate(uint8_t *body, size_t len)
{
    size_t at = draw(len + 1);
    size_t n = 1 + draw(16);
    n = n < len - at ? n : len - at;
    switch (draw(5)) {
    case 0:
        for (size_t i = 0; i < n; i++) {
            body[at + i] = nasty[draw(sizeof(nasty))];
        }
        return len;
    case 1:
        memmove(body + at, body + at + n, len - at - n);
        return len - n;
    case 2:
        memmove(body + at + n, body + at, len - at);
        return len + n;
    case 3:
        memmove(body + at + 1, body + at, len - at);
        body[at] = nasty[draw(sizeof(nasty))];
        return len + 1;
    default:
        if (at < len) {
            body[at] ^= (uint8_t)(1U << draw(8));
        }
        return len;
    }
}

Test(validate_oracle, mutated_captures)
{
    struct guarded g = guarded_open((size_t)2 * SAMPLE_MAX);
    uint8_t bodies[SAMPLE_COUNT][SAMPLE_MAX];
    uint8_t body[2 * SAMPLE_MAX];
    struct validation out;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        cr_assert_eq(sample_read(CAPTURES, samples[i].file, bodies[i]), samples[i].len);
    }
    for (size_t round = 0; round < 20000; round++) {
        size_t pick = draw(SAMPLE_COUNT);
        const struct sample *sample = &samples[pick];
        size_t len = sample->len;
        memcpy(body, bodies[pick], len);
        for (size_t changes = 1 + draw(4); changes > 0; changes--) {
            len = mutate(body, len);
        }
        judge(&g, (enum signal)draw(SIGNAL_COUNT), body, len, &out);
        judge(&g, sample->signal, body, len, &out);
    }
    guarded_close(&g);
}

/* A varint of any width up to max bytes, padded or not. */
static void put_padded(struct buf *b, uint64_t value, size_t max)
{
    size_t size = wire_varint_size(value);
    size_t width = size + draw(max - size + 1);
    for (size_t i = 0; i < width; i++, value >>= 7) {
        buf_append_char(b, (char)((value & 0x7f) | (i + 1 < width ? 0x80 : 0)));
    }
}

static void put_tag(struct buf *b, uint32_t number, enum wire_type type)
{
    put_padded(b, (uint64_t)number << 3 | type, 5);
}

static void put_random(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_append_char(b, (char)draw(256));
    }
}

static enum wire_type natural_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    default:
        return WIRE_VARINT;
    }
}

static void put_scalar(struct buf *b, enum wire_type type)
{
    if (type == WIRE_VARINT) {
        put_padded(b, (uint64_t)draw(SIZE_MAX) << draw(33), WIRE_VARINT_MAX);
    } else {
        put_random(b, type == WIRE_FIXED64 ? 8 : 4);
    }
}

static void put_unknown(struct buf *b)
{
    static const enum wire_type types[] = {WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32};
    enum wire_type type = types[draw(4)];
    put_tag(b, (uint32_t)(17 + draw(((size_t)1 << 29) - 17)), type);
    if (type == WIRE_BYTES) {
        size_t n = draw(20);
        put_padded(b, n, 5);
        put_random(b, n);
    } else {
        put_scalar(b, type);
    }
}

static void generate(struct buf *b, const ProtobufCMessageDescriptor *type, unsigned depth,
                     uint64_t *items);

/* The content of a length-delimited field. */
static void generate_content(struct buf *b, const ProtobufCFieldDescriptor *field, unsigned depth,
                             uint64_t *items)
{
    static const char longer[] = "a rather longer text of one hundred and a few bytes, so that its "
                                 "length takes two bytes on the wire, or is past what is looked at "
                                 "in one go";
    static const char *const strings[] = {"",     "a",   "key", "caf\xc3\xa9", "\xf0\x9f\x93\xae",
                                          "\x7f", longer};
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        generate(b, field->descriptor, depth + 1, items);
    } else if (field->type == PROTOBUF_C_TYPE_STRING) {
        buf_append_str(b, strings[draw(sizeof(strings) / sizeof(strings[0]))]);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        put_random(b, draw(20));
    } else {
        for (size_t n = draw(5); n > 0; n--) {
            put_scalar(b, natural_type(field->type));
        }
    }
}

static void generate_field(struct buf *b, const ProtobufCFieldDescriptor *field, unsigned depth,
                           uint64_t *items)
{
    enum wire_type natural = natural_type(field->type);
    bool packed = natural != WIRE_BYTES && field->label == PROTOBUF_C_LABEL_REPEATED && draw(2);
    enum wire_type type = packed ? WIRE_BYTES : natural;
    put_tag(b, field->id, type);
    if (type != WIRE_BYTES) {
        put_scalar(b, type);
        return;
    }
    struct buf content = BUF_INIT;
    generate_content(&content, field, depth, items);
    put_padded(b, content.len, 5);
    buf_append_slice(b, buf_slice(&content));
    buf_free(&content);
}

static bool counts(const char *name)
{
    static const char *const names[] = {"NumberDataPoint",
                                        "HistogramDataPoint",
                                        "SummaryDataPoint",
                                        "ExponentialHistogramDataPoint",
                                        "Span",
                                        "LogRecord"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* A valid message of this type: random fields in random order, fewer the deeper. The second
 * condition keeps the depth inside the bound. */
static void generate(struct buf *b, const ProtobufCMessageDescriptor *type, unsigned depth,
                     uint64_t *items)
{
    *items += counts(type->short_name) ? 1 : 0;
    size_t fields = depth < 6 ? 1 + draw(5) : draw(3);
    for (; fields > 0 && depth < VALIDATE_DEPTH_MAX; fields--) {
        if (draw(12) == 0) {
            put_unknown(b);
        } else {
            generate_field(b, &type->fields[draw(type->n_fields)], depth, items);
        }
    }
}

Test(validate_oracle, generated_requests_are_valid_and_their_mutants_agree)
{
    struct guarded g = guarded_open(ROOM);
    struct validation out;
    uint64_t all_items = 0;
    for (size_t round = 0; round < 20000; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_COUNT);
        struct buf b = BUF_INIT;
        uint64_t items = 0;
        generate(&b, signal_info(signal)->request, 1, &items);
        cr_assert(!b.failed && b.len + 64 < ROOM);
        cr_assert(judge(&g, signal, b.data, b.len, &out), "%s", out.fault);
        cr_assert_eq(out.items, items);
        all_items += items;
        for (size_t changes = draw(4); changes > 0 && buf_reserve(&b, 64) != NULL; changes--) {
            b.len = mutate((uint8_t *)b.data, b.len);
            judge(&g, signal, b.data, b.len, &out);
        }
        buf_free(&b);
    }
    cr_assert_gt(all_items, 10000, "only %lu items", (unsigned long)all_items);
    guarded_close(&g);
}

/* Each known difference is there: protobuf-c takes it, the validator does not. */
Test(validate_oracle, what_protobuf_c_takes_and_we_do_not)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *fault;
    } cases[] = {
        {"\x0a\x03\x1a\x01\xff", 5, "resource_logs[0].schema_url: invalid UTF-8"},
        {"\x80\x00\x01", 3,
         "ExportLogsServiceRequest: field number is not within 1 to 536870911, at byte 0"},
        {"\x80\x80\x80\x80\x10\x01", 6,
         "ExportLogsServiceRequest: field number is not within 1 to 536870911, at byte 0"},
        {"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11,
         "ExportLogsServiceRequest: field 2: varint of more than 64 bits, at byte 1"},
        {"\x0a\x0a\x12\x08\x12\x06\x2a\x04\x12\x02hi", 12,
         "resource_logs[0].scope_logs[0].log_records[0].body.bool_value: "
         "wire type 2 (length-delimited), must be 0 (varint), at byte 8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint8_t *bytes = (const uint8_t *)cases[i].bytes;
        struct validation out;
        cr_assert_not(validate_request(SIGNAL_LOGS, bytes, cases[i].len, &out));
        cr_assert_str_eq(out.fault, cases[i].fault);
        cr_assert(known_difference(out.fault));
        ProtobufCMessage *message =
            protobuf_c_message_unpack(signal_info(SIGNAL_LOGS)->request, NULL, cases[i].len, bytes);
        cr_assert_not_null(message, "%s", cases[i].fault);
        protobuf_c_message_free_unpacked(message, NULL);
    }
}

Test(validate_oracle, what_we_take_and_protobuf_c_does_not)
{
    /* KeyValue { value {} value {} } in a resource's attributes */
    static const uint8_t bytes[] = {0x0a, 0x08, 0x0a, 0x06, 0x0a, 0x04, 0x12, 0x00, 0x12, 0x00};
    struct validation out;
    cr_assert(validate_request(SIGNAL_LOGS, bytes, sizeof(bytes), &out), "%s", out.fault);
    cr_assert_null(
        protobuf_c_message_unpack(signal_info(SIGNAL_LOGS)->request, NULL, sizeof(bytes), bytes));
    cr_assert_null(disagreement(SIGNAL_LOGS, bytes, sizeof(bytes), &out));
}
