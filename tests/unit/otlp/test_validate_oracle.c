/* test_validate_oracle.c: the validator against protobuf-c's decoder, over what is cut, flipped,
 * mutated and generated. Every input ends at a guard page; seeds are fixed.
 */
#include "base/buf.h"
#include "otlp/wire.h"
#include "otlp_generate.h"
#include "otlp_samples.h"

#include <criterion/criterion.h>

#define CAPTURES SIGPOST_TEST_DATA "/captures"
#define ROOM ((size_t)1 << 20)

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
        judge(&g, (enum signal)draw(SIGNAL_PROFILES), body, len, &out);
        judge(&g, sample->signal, body, len, &out);
    }
    guarded_close(&g);
}

Test(validate_oracle, generated_requests_are_valid_and_their_mutants_agree)
{
    struct guarded g = guarded_open(ROOM);
    struct validation out;
    uint64_t all_items = 0;
    for (size_t round = 0; round < 6000; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_PROFILES);
        struct buf b = BUF_INIT;
        uint64_t items = 0;
        generator.breaks = false;
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

Test(validate_oracle, generated_requests_with_a_broken_part_agree)
{
    struct guarded g = guarded_open(ROOM);
    struct validation out;
    size_t refused = 0;
    generator.breaks = true;
    for (size_t round = 0; round < 6000; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_PROFILES);
        struct buf b = BUF_INIT;
        uint64_t items = 0;
        generate(&b, signal_info(signal)->request, 1, &items);
        cr_assert(!b.failed && b.len < ROOM);
        bool valid = judge(&g, signal, b.data, b.len, &out);
        refused += valid ? 0 : 1;
        buf_free(&b);
    }
    cr_assert(refused > 1000 && refused < 5000, "%zu refused", refused);
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
