/* test_validate.c: what the validator takes, what it refuses, and in which words. */
#include "otlp_build.h"
#include "otlp_samples.h"

#include <criterion/criterion.h>

#define CAPTURES SIGPOST_TEST_DATA "/captures"

Test(validate, the_published_client)
{
    uint8_t body[SAMPLE_MAX];
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct validation out;
        size_t len = sample_read(CAPTURES, samples[i].file, body);
        cr_assert_eq(len, samples[i].len, "%s: %zu bytes", samples[i].file, len);
        cr_assert(validate_request(samples[i].signal, body, len, &out), "%s", out.fault);
        cr_assert_eq(out.items, samples[i].items, "%s", samples[i].file);
    }
}

Test(validate, captures_end_to_end_are_one_request)
{
    uint8_t body[SAMPLE_MAX];
    struct buf both = BUF_INIT;
    buf_append(&both, body, sample_read(CAPTURES, "root-metrics-1.http", body));
    buf_append(&both, body, sample_read(CAPTURES, "root-metrics-2.http", body));
    expect_valid(SIGNAL_METRICS, &both, 14);
}

Test(validate, the_wrong_signal_is_caught_by_inner_wire_types)
{
    uint8_t body[SAMPLE_MAX];
    struct validation out;
    size_t len = sample_read(CAPTURES, "root-metrics-1.http", body);
    cr_assert_not(validate_request(SIGNAL_TRACES, body, len, &out));
    cr_assert_eq(strncmp(out.fault, "resource_spans[0].scope_spans[0].spans[0].", 42), 0, "%s",
                 out.fault);
    len = sample_read(CAPTURES, "root-traces-1.http", body);
    cr_assert_not(validate_request(SIGNAL_METRICS, body, len, &out));
    cr_assert_not(validate_request(SIGNAL_LOGS, body, len, &out));
}

Test(validate, empty_requests_and_empty_envelopes)
{
    for (unsigned signal = 0; signal < SIGNAL_COUNT; signal++) {
        struct validation out;
        cr_assert(validate_request((enum signal)signal, NULL, 0, &out));
        cr_assert_eq(out.items, 0);
        struct buf b = BUF_INIT;
        wrap(&b, 2);
        wrap(&b, 1);
        expect_valid((enum signal)signal, &b, 0);
    }
}

Test(validate, every_kind_of_item_is_counted)
{
    static const uint32_t metric_kinds[] = {5, 7, 9, 10, 11};
    for (size_t i = 0; i < sizeof(metric_kinds) / sizeof(metric_kinds[0]); i++) {
        struct buf b = BUF_INIT;
        wire_put_bytes(&b, 1, SLICE_LIT(""));
        wire_put_bytes(&b, 1, SLICE_LIT(""));
        wire_put_bytes(&b, 1, SLICE_LIT(""));
        wrap(&b, metric_kinds[i]);
        wrap_metric(&b);
        expect_valid(SIGNAL_METRICS, &b, 3);
    }
    static const enum signal others[] = {SIGNAL_TRACES, SIGNAL_LOGS};
    for (size_t i = 0; i < 2; i++) {
        struct buf b = BUF_INIT;
        wire_put_bytes(&b, 2, SLICE_LIT(""));
        wire_put_bytes(&b, 2, SLICE_LIT(""));
        wrap(&b, 2);
        wrap(&b, 1);
        expect_valid(others[i], &b, 2);
    }
}

Test(validate, faults_name_the_place)
{
    struct buf metric = BUF_INIT;
    wire_put_bytes(&metric, 1, SLICE_LIT("caf\xe9"));
    struct buf scope = BUF_INIT;
    for (int i = 0; i < 5; i++) {
        wire_put_bytes(&scope, 2, SLICE_LIT(""));
    }
    wire_put_bytes(&scope, 2, buf_slice(&metric));
    struct buf b = BUF_INIT;
    wire_put_bytes(&b, 2, SLICE_LIT(""));
    wire_put_bytes(&b, 2, SLICE_LIT(""));
    wire_put_bytes(&b, 2, buf_slice(&scope));
    buf_free(&metric);
    buf_free(&scope);
    wrap(&b, 1);
    expect_fault(SIGNAL_METRICS, &b,
                 "resource_metrics[0].scope_metrics[2].metrics[5].name: invalid UTF-8");
}

Test(validate, faults_of_lengths_tags_and_types)
{
    struct buf b = BUF_INIT;
    buf_append(&b, "\x0a\xac\x02twelve bytes", 15);
    expect_fault(SIGNAL_METRICS, &b,
                 "resource_metrics[0]: length 300 runs past the end (12 bytes left), at byte 1");
    buf_append(&b, "\x0a\x00\x08\x01", 4);
    expect_fault(SIGNAL_LOGS, &b,
                 "resource_logs[1]: wire type 0 (varint), must be 2 (length-delimited), at byte 2");
    buf_append(&b, "\x0a\x02\x13\x14", 4);
    expect_fault(SIGNAL_TRACES, &b,
                 "resource_spans[0]: wire type 3 is not taken (groups are long obsolete), "
                 "at byte 2");
    buf_append(&b, "\x00", 1);
    expect_fault(SIGNAL_TRACES, &b,
                 "ExportTraceServiceRequest: field number is not within 1 to 536870911, "
                 "at byte 0");
    buf_append(&b, "\x9a\x06\x05", 3);
    expect_fault(SIGNAL_TRACES, &b,
                 "ExportTraceServiceRequest: field 99: length 5 runs past the end (0 bytes left), "
                 "at byte 2");
    buf_append(&b, "\x0a\x03\x9a\x06\x05", 5);
    expect_fault(SIGNAL_TRACES, &b,
                 "resource_spans[0]: field 99: length 5 runs past the end (0 bytes left), "
                 "at byte 4");
    buf_append(&b, "\x0a", 1);
    expect_fault(SIGNAL_TRACES, &b,
                 "resource_spans[0]: ends inside a tag or value (0 bytes left), at byte 1");
}

/* A histogram point in a metric; the point is what b holds. */
static void wrap_histogram_point(struct buf *b)
{
    wrap(b, 1);
    wrap(b, 9);
    wrap_metric(b);
}

#define POINT "resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0]"

Test(validate, packed_and_unpacked_repeats)
{
    struct buf b = BUF_INIT;
    put_fixed64(&b, 6, 1);
    put_fixed64(&b, 6, 2);
    wire_put_bytes(&b, 6, SLICE_LIT("12345678ABCDEFGH"));
    wire_put_bytes(&b, 6, SLICE_LIT(""));
    wire_put_bytes(&b, 7, SLICE_LIT("12345678"));
    wrap_histogram_point(&b);
    expect_valid(SIGNAL_METRICS, &b, 1);

    wire_put_bytes(&b, 6, SLICE_LIT("1234567890123"));
    wrap_histogram_point(&b);
    expect_fault(SIGNAL_METRICS, &b,
                 POINT ".bucket_counts: packed length 13 is not a multiple of 8");

    put_varint(&b, 6, 1);
    wrap_histogram_point(&b);
    expect_fault(SIGNAL_METRICS, &b,
                 POINT ".bucket_counts: wire type 0 (varint), must be 1 (64-bit), at byte 10");

    wire_put_bytes(&b, 4, SLICE_LIT("12345678"));
    wrap_histogram_point(&b);
    expect_fault(SIGNAL_METRICS, &b,
                 POINT ".count: wire type 2 (length-delimited), must be 1 (64-bit), at byte 10");
}

/* ExponentialHistogramDataPoint.positive; the buckets are what b holds. */
static void wrap_buckets(struct buf *b)
{
    wrap(b, 8);
    wrap(b, 1);
    wrap(b, 10);
    wrap_metric(b);
}

Test(validate, packed_and_unpacked_varints)
{
    struct buf b = BUF_INIT;
    put_varint(&b, 1, 3);
    put_varint(&b, 2, 300);
    wire_put_bytes(&b, 2, SLICE_LIT("\x01\xac\x02\x83\x80\x80\x00"));
    put_varint(&b, 2, UINT64_MAX);
    wrap_buckets(&b);
    expect_valid(SIGNAL_METRICS, &b, 1);

    wire_put_bytes(&b, 2, SLICE_LIT("\x01\xac"));
    put_varint(&b, 2, 0); /* what would be read on past the run's end */
    wrap_buckets(&b);
    expect_fault(SIGNAL_METRICS, &b,
                 "resource_metrics[0].scope_metrics[0].metrics[0].exponential_histogram"
                 ".data_points[0].positive.bucket_counts: ends inside a tag or value (1 byte left),"
                 " at byte 15");
}

Test(validate, padded_and_overlong_varints)
{
    struct buf b = BUF_INIT;
    buf_append(&b, "\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11); /* flags */
    buf_append(&b, "\x40\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11);
    buf_append(&b, "\xc0\x80\x80\x00\x01", 5); /* a padded tag */
    buf_append(&b, "\xba\x80\x80\x80\x00\x80\x80\x80\x80\x00", 10);
    wrap(&b, 1);
    wrap(&b, 5);
    wrap_metric(&b);
    expect_valid(SIGNAL_METRICS, &b, 1);

    buf_append(&b, "\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11);
    wrap(&b, 1);
    wrap(&b, 5);
    wrap_metric(&b);
    expect_fault(SIGNAL_METRICS, &b,
                 "resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].flags: "
                 "varint of more than 64 bits, at byte 11");
}

Test(validate, unknown_fields_are_stepped_over)
{
    struct buf b = BUF_INIT;
    put_varint(&b, 1000, UINT64_MAX);
    put_fixed64(&b, 99, 1);
    wire_put_bytes(&b, 98, SLICE_LIT("\xff\xff\xff")); /* neither UTF-8 nor a message */
    buf_append(&b,
               "\xfd\xff\xff\xff\x0f"
               "1234",
               9); /* the highest number, 32-bit */
    wrap(&b, 1);
    expect_valid(SIGNAL_LOGS, &b, 0);
}

Test(validate, oneofs_bools_and_enums_are_lenient)
{
    struct buf b = BUF_INIT;
    wire_put_bytes(&b, 1, SLICE_LIT("text"));
    put_varint(&b, 2, UINT64_MAX);
    put_varint(&b, 3, 7);
    put_fixed64(&b, 4, 7);
    wire_put_bytes(&b, 1, SLICE_LIT("again"));
    wire_put_bytes(&b, 7, SLICE_LIT("\xff\x00"));
    wrap(&b, 5); /* LogRecord.body */
    put_varint(&b, 2, 12345);
    wrap(&b, 2);
    wrap(&b, 2);
    wrap(&b, 1);
    expect_valid(SIGNAL_LOGS, &b, 1);
}

Test(validate, ids_have_one_length_or_none)
{
    static const struct {
        uint32_t number;
        size_t right;
        const char *name;
    } ids[] = {{1, 16, "trace_id"}, {2, 8, "span_id"}, {4, 8, "parent_span_id"}};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        for (size_t len = 0; len <= 32; len++) {
            struct buf b = BUF_INIT;
            wire_put_bytes(&b, ids[i].number, slice_make("0123456789abcdef0123456789abcdef", len));
            wrap(&b, 2);
            wrap(&b, 2);
            wrap(&b, 1);
            if (len == 0 || len == ids[i].right) {
                expect_valid(SIGNAL_TRACES, &b, 1);
                continue;
            }
            char fault[VALIDATE_FAULT_MAX];
            snprintf(fault, sizeof(fault),
                     "resource_spans[0].scope_spans[0].spans[0].%s: id of %zu byte%s, must be %zu "
                     "or none",
                     ids[i].name, len, len == 1 ? "" : "s", ids[i].right);
            expect_fault(SIGNAL_TRACES, &b, fault);
        }
    }
}

static const struct {
    const char *text;
    bool valid;
} texts[] = {
    {"", true},
    {"a", true},
    {"1234567", true},
    {"caf\xc3\xa9", true},
    {"\xf0\x9f\x93\xae", true},
    {"\xef\xbf\xbf", true},
    {"\xff", false},
    {"\xc0\x80", false},
    {"\xed\xa0\x80", false},
    {"\xf4\x90\x80\x80", false},
    {"12345678\xe2\x82", false},
    {"a long ASCII text of more than sixty-four bytes with one bad byte in the end \x80", false},
    {"a long ASCII text of more than sixty-four bytes with a good pair in the end \xc3\xa9", true},
};

Test(validate, strings_are_utf8)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct buf b = BUF_INIT;
        wire_put_bytes(&b, 3, slice_of(texts[i].text));
        wrap(&b, 1);
        if (texts[i].valid) {
            expect_valid(SIGNAL_TRACES, &b, 0);
        } else {
            expect_fault(SIGNAL_TRACES, &b, "resource_spans[0].schema_url: invalid UTF-8");
        }
    }
    struct buf b = BUF_INIT;
    wire_put_bytes(&b, 3, slice_make("a\0b", 3));
    wrap(&b, 1);
    expect_valid(SIGNAL_TRACES, &b, 0);
}

/* Each length and each place of the one byte that is not ASCII, at the end of what can be read. */
Test(validate, no_byte_of_a_string_is_overlooked)
{
    struct guarded g = guarded_open(256);
    for (size_t len = 1; len <= 80; len++) {
        for (size_t at = 0; at <= len; at++) {
            uint8_t body[128] = {0x0a, (uint8_t)(len + 2), 0x1a, (uint8_t)len};
            memset(body + 4, 'a', len);
            body[at < len ? 4 + at : 4] = at < len ? 0x80 : 0x7f;
            struct validation out;
            bool valid =
                validate_request(SIGNAL_TRACES, guarded_put(&g, body, len + 4), len + 4, &out);
            cr_assert_eq(valid, at == len, "byte %zu of %zu", at, len);
            cr_assert_str_eq(out.fault, valid ? "" : "resource_spans[0].schema_url: invalid UTF-8");
        }
    }
    guarded_close(&g);
}

/* Every width, as a value of its own and in a packed run, with and without its last byte. */
Test(validate, varints_of_every_width)
{
    for (size_t width = 1; width <= 12; width++) {
        for (size_t present = width - 1; present <= width; present++) {
            uint8_t value[12];
            memset(value, 0x80, sizeof(value));
            value[width - 1] = 1;
            struct buf b = BUF_INIT;
            wire_put_tag(&b, 1000, WIRE_VARINT);
            buf_append(&b, value, present);
            struct validation out;
            bool sound = width <= WIRE_VARINT_MAX && present == width;
            cr_assert_eq(check(SIGNAL_LOGS, buf_slice(&b), &out), sound, "%zu: %s", width,
                         out.fault);
            buf_clear(&b);
            wire_put_bytes(&b, 2, slice_make(value, present));
            wrap_buckets(&b);
            sound = sound || present == 0;
            cr_assert_eq(check(SIGNAL_METRICS, buf_slice(&b), &out), sound, "%zu: %s", width,
                         out.fault);
            buf_free(&b);
        }
    }
}

Test(validate, repeated_strings_have_an_index)
{
    struct buf b = BUF_INIT;
    wire_put_bytes(&b, 3, SLICE_LIT("id"));
    wire_put_bytes(&b, 4, SLICE_LIT("description"));
    wire_put_bytes(&b, 3, SLICE_LIT("\xff"));
    wrap(&b, 3);
    wrap(&b, 1);
    wrap(&b, 1);
    expect_fault(SIGNAL_LOGS, &b,
                 "resource_logs[0].resource.entity_refs[0].id_keys[1]: invalid UTF-8");
}

Test(validate, an_opaque_request_is_any_sound_protobuf)
{
    static const uint8_t sound[] = {0x0a, 0x02, 0xff, 0xff, 0x10, 0x01};
    struct validation out;
    cr_assert(validate_request(SIGNAL_PROFILES, sound, sizeof(sound), &out), "%s", out.fault);
    cr_assert_eq(out.items, 0);
    for (size_t len = 1; len < sizeof(sound); len++) {
        bool whole = len == 4;
        cr_assert_eq(validate_request(SIGNAL_PROFILES, sound, len, &out), whole, "%zu", len);
    }
}
