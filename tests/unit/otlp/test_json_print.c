/* test_json_print.c: requests as JSON text: known ones to the letter, random ones read back by
 * json.h, what a decoder merges, broken bytes. */
#include "json_strip.h"
#include "otlp/json_print.h"
#include "otlp_generate.h"

/* The text; NULL when refused. The caller frees it. */
static char *printed(enum signal signal, struct slice request, int indent, struct json_fault *fault)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool done = json_print_request(signal, request, indent, out, fault);
    cr_assert_eq(fclose(out), 0);
    cr_assert_eq(done, fault->text[0] == '\0');
    if (!done) {
        cr_assert_eq(len, 0, "something was written: %s", text);
        free(text);
        return NULL;
    }
    cr_assert_eq(strlen(text), len);
    return text;
}

/* json, converted and printed, is `expected`. */
static void expect_of(enum signal signal, const char *json, const char *expected)
{
    struct buf wire;
    struct json_fault fault;
    cr_assert(convert(signal, json, strlen(json), &wire, &fault), "%s", fault.text);
    char *text = printed(signal, buf_slice(&wire), JSON_PRINT_LINE, &fault);
    cr_assert_not_null(text, "%s", fault.text);
    cr_assert_str_eq(text, expected);
    free(text);
    buf_free(&wire);
}

static void expect_same(enum signal signal, const char *json)
{
    expect_of(signal, json, json);
}

Test(json_print, every_kind_of_value)
{
    expect_same(SIGNAL_METRICS, "{}");
    expect_same(SIGNAL_METRICS, POINT("\"startTimeUnixNano\":\"0\","
                                      "\"timeUnixNano\":\"18446744073709551615\","
                                      "\"asInt\":\"-9223372036854775808\",\"flags\":4294967295"));
    expect_same(SIGNAL_METRICS, POINT("\"asDouble\":0.1"));
    expect_same(SIGNAL_METRICS, POINT("\"asDouble\":-0"));
    expect_same(SIGNAL_METRICS, POINT("\"asDouble\":1e+300"));
    expect_same(SIGNAL_METRICS, POINT("\"asDouble\":\"NaN\""));
    expect_same(SIGNAL_METRICS, POINT("\"asDouble\":\"-Infinity\""));
    expect_same(SIGNAL_METRICS, HISTOGRAM("\"count\":\"3\",\"sum\":0.30000000000000004,"
                                          "\"bucketCounts\":[\"1\",\"0\",\"2\"],"
                                          "\"explicitBounds\":[0.005,1,\"Infinity\"]"));
    expect_same(SIGNAL_METRICS, EXPONENTIAL("\"scale\":-7,\"positive\":{\"offset\":-2147483648,"
                                            "\"bucketCounts\":[\"18446744073709551615\"]}"));
    expect_same(SIGNAL_METRICS, METRIC("\"name\":\"a\",\"sum\":{\"aggregationTemporality\":2,"
                                       "\"isMonotonic\":true}"));
    expect_same(SIGNAL_TRACES, SPAN("\"traceId\":\"00ff000000000000000000000000abcd\","
                                    "\"spanId\":\"\",\"name\":\"\\\"\\\\\\n\\u0001\xc3\xa9\","
                                    "\"kind\":77"));
    expect_same(SIGNAL_LOGS, BODY("\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":"
                                  "{\"arrayValue\":{\"values\":[{\"boolValue\":false},{},"
                                  "{\"bytesValue\":\"\"},{\"bytesValue\":\"AA==\"},"
                                  "{\"bytesValue\":\"AAE=\"},{\"bytesValue\":\"AAEC/w==\"}]}}}]}"));
}

Test(json_print, doubles_are_short_and_exact)
{
    static const double values[] = {5e-324,  2.2250738585072014e-308, 1.7976931348623157e308,
                                    1.0 / 3, 123456789012345680.0,    0.1 + 0.2};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char json[256];
        struct buf wire;
        struct json_fault fault;
        snprintf(json, sizeof(json), POINT("\"asDouble\":%.17g"), values[i]);
        cr_assert(convert(SIGNAL_METRICS, json, strlen(json), &wire, &fault));
        char *text = printed(SIGNAL_METRICS, buf_slice(&wire), JSON_PRINT_LINE, &fault);
        const char *at = strstr(text, "asDouble\":");
        cr_assert_eq(strtod(at + 10, NULL), values[i], "%s", text);
        cr_assert_leq(strlen(text), strlen(json), "%s", text);
        free(text);
        buf_free(&wire);
    }
}

Test(json_print, with_indentation)
{
    struct buf wire;
    struct json_fault fault;
    const char *json = "{\"resourceLogs\":[{\"scopeLogs\":[{},{\"schemaUrl\":\"u\"}]}]}";
    cr_assert(convert(SIGNAL_LOGS, json, strlen(json), &wire, &fault));
    char *text = printed(SIGNAL_LOGS, buf_slice(&wire), 1, &fault);
    cr_assert_str_eq(text, "{\n    \"resourceLogs\": [\n      {\n        \"scopeLogs\": [\n"
                           "          {},\n          {\n            \"schemaUrl\": \"u\"\n"
                           "          }\n        ]\n      }\n    ]\n  }");
    free(text);
    buf_free(&wire);
}

Test(json_print, random_requests_read_back_as_they_were)
{
    for (unsigned round = 0; round < 3000; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_PROFILES);
        const ProtobufCMessageDescriptor *type = signal_info(signal)->request;
        struct buf wire = BUF_INIT, before, after;
        struct json_fault fault;
        uint64_t items = 0;
        generate(&wire, type, 1, &items);
        ProtobufCMessage *message =
            protobuf_c_message_unpack(type, NULL, wire.len, (const uint8_t *)buf_slice(&wire).data);
        cr_assert_not_null(message);
        strip(message);
        pack(message, &before);
        char *text =
            printed(signal, buf_slice(&wire), round % 2 == 0 ? JSON_PRINT_LINE : 0, &fault);
        cr_assert_not_null(text, "%s", fault.text);
        ProtobufCMessage *again = decoded(signal, text);
        pack(again, &after);
        cr_assert(slice_eq(buf_slice(&before), buf_slice(&after)), "%s", text);
        release(again);
        release(message);
        free(text);
        buf_free(&after);
        buf_free(&before);
        buf_free(&wire);
    }
}

/* Two requests laid end to end, lists in several places, a message in two parts, a oneof twice. */
Test(json_print, what_a_decoder_merges_is_merged)
{
    struct json_fault fault;
    /* ResourceLogs { resource {dropped 1}, scope_logs {}, resource {attributes {key "k"}} }, twice
     */
    struct buf resource = BUF_INIT, request = BUF_INIT;
    wire_put_bytes(&resource, 1, SLICE_LIT("\x10\x01"));
    wire_put_bytes(&resource, 2, SLICE_LIT(""));
    wire_put_bytes(&resource, 1, SLICE_LIT("\x0a\x03\x0a\x01k"));
    wire_put_bytes(&resource, 2, SLICE_LIT("\x1a\x01u"));
    wire_put_bytes(&resource, 1, SLICE_LIT("\x10\x07"));
    wire_put_bytes(&request, 1, buf_slice(&resource));
    wire_put_bytes(&request, 1, SLICE_LIT(""));
    char *text = printed(SIGNAL_LOGS, buf_slice(&request), JSON_PRINT_LINE, &fault);
    cr_assert_str_eq(
        text, "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"k\"}],"
              "\"droppedAttributesCount\":7},\"scopeLogs\":[{},{\"schemaUrl\":\"u\"}]},{}]}");
    free(text);
    buf_free(&resource);
    buf_free(&request);

    /* A body that is a string, then a list, then another list: the lists are merged. */
    struct buf body = BUF_INIT, record = BUF_INIT, scope = BUF_INIT, outer = BUF_INIT;
    wire_put_bytes(&body, 5, SLICE_LIT("\x0a\x02\x10\x00"));
    wire_put_bytes(&body, 1, SLICE_LIT("text"));
    wire_put_bytes(&body, 5, SLICE_LIT("\x0a\x02\x10\x01"));
    wire_put_bytes(&body, 5, SLICE_LIT("\x0a\x00"));
    wire_put_bytes(&record, 5, buf_slice(&body));
    wire_put_bytes(&scope, 2, buf_slice(&record));
    wire_put_bytes(&outer, 2, buf_slice(&scope));
    wire_put_bytes(&request, 1, buf_slice(&outer));
    text = printed(SIGNAL_LOGS, buf_slice(&request), JSON_PRINT_LINE, &fault);
    cr_assert_str_eq(text, BODY("\"arrayValue\":{\"values\":[{\"boolValue\":true},{}]}"));
    free(text);
    buf_free(&body);
    buf_free(&record);
    buf_free(&scope);
    buf_free(&outer);
    buf_free(&request);
}

Test(json_print, packed_and_unpacked_runs_are_one_list)
{
    struct json_fault fault;
    struct buf point = BUF_INIT, data = BUF_INIT, metric = BUF_INIT, scope = BUF_INIT;
    struct buf outer = BUF_INIT, request = BUF_INIT;
    static const char one[] = "\x01\0\0\0\0\0\0\0";
    wire_put_bytes(&point, 6, slice_make("\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0", 16));
    wire_put_tag(&point, 6, WIRE_FIXED64);
    buf_append(&point, one, 8);
    wire_put_bytes(&point, 6, SLICE_LIT(""));
    wire_put_bytes(&data, 1, buf_slice(&point));
    wire_put_bytes(&metric, 9, buf_slice(&data));
    wire_put_bytes(&scope, 2, buf_slice(&metric));
    wire_put_bytes(&outer, 2, buf_slice(&scope));
    wire_put_bytes(&request, 1, buf_slice(&outer));
    char *text = printed(SIGNAL_METRICS, buf_slice(&request), JSON_PRINT_LINE, &fault);
    cr_assert_not_null(text, "%s", fault.text);
    cr_assert_str_eq(text, HISTOGRAM("\"bucketCounts\":[\"1\",\"2\",\"1\"]"));
    free(text);
    struct buf *all[] = {&point, &data, &metric, &scope, &outer, &request};
    for (size_t i = 0; i < 6; i++) {
        buf_free(all[i]);
    }
}

Test(json_print, profiles_are_base64)
{
    struct json_fault fault;
    char *text = printed(SIGNAL_PROFILES, SLICE_LIT("\x0a\x01x!"), JSON_PRINT_LINE, &fault);
    cr_assert_str_eq(text, "\"CgF4IQ==\"");
    free(text);
}

Test(json_print, strings_of_every_length_and_bytes_that_are_no_text)
{
    char *long_text = malloc(20000);
    for (size_t len = 4090; len < 4100; len++) {
        char *text = NULL;
        size_t text_len = 0;
        for (size_t i = 0; i + 3 <= len; i += 3) {
            long_text[i] = '\xe2';
            long_text[i + 1] = '\x82';
            long_text[i + 2] = '\xac';
        }
        size_t whole = len / 3 * 3;
        FILE *out = open_memstream(&text, &text_len);
        json_print_string(out, slice_make(long_text, whole));
        fclose(out);
        cr_assert_eq(text_len, whole + 2);
        cr_assert_eq(memcmp(text + 1, long_text, whole), 0);
        free(text);
    }
    memset(long_text, 0x80, 20000); /* not one of them begins a character */
    char *text = NULL;
    size_t text_len = 0;
    FILE *out = open_memstream(&text, &text_len);
    json_print_string(out, slice_make(long_text, 20000));
    fclose(out);
    cr_assert_eq(text_len, 3 * 20000 + 2);
    free(text);
    free(long_text);
}

/* Whatever the bytes: text that reads back, or a sentence. */
Test(json_print, broken_bytes_are_refused_and_nothing_is_written)
{
    generator.breaks = true;
    unsigned refused = 0;
    for (unsigned round = 0; round < 6000; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_PROFILES);
        struct buf wire = BUF_INIT;
        struct json_fault fault;
        uint64_t items = 0;
        generate(&wire, signal_info(signal)->request, 1, &items);
        if (wire.len != 0 && round % 3 == 0) {
            size_t at = draw(wire.len);
            wire.data[at] = (char)(wire.data[at] ^ 1 << draw(8));
        }
        char *exact = malloc(wire.len != 0 ? wire.len : 1); /* ASan watches its end */
        for (size_t i = 0; i < wire.len; i++) {
            exact[i] = wire.data[i];
        }
        char *text = printed(signal, slice_make(exact, wire.len), JSON_PRINT_LINE, &fault);
        refused += text == NULL;
        if (text != NULL) {
            expect_taken(signal, text);
        }
        free(text);
        free(exact);
        buf_free(&wire);
    }
    generator.breaks = false;
    cr_assert_gt(refused, 100);
}

/* As deep as is let in, on a small stack. */
Test(json_print, the_deepest_request_fits_a_small_stack)
{
    struct buf value = BUF_INIT;
    struct json_fault fault;
    unsigned depth = 0;
    for (;; depth++) { /* AnyValue { array_value { values { … */
        struct buf outer = BUF_INIT, list = BUF_INIT, record = BUF_INIT, scope = BUF_INIT;
        struct buf resource = BUF_INIT, request = BUF_INIT;
        struct validation validation;
        wire_put_bytes(&record, 5, buf_slice(&value));
        wire_put_bytes(&scope, 2, buf_slice(&record));
        wire_put_bytes(&resource, 2, buf_slice(&scope));
        wire_put_bytes(&request, 1, buf_slice(&resource));
        bool valid =
            validate_request(SIGNAL_LOGS, (const uint8_t *)request.data, request.len, &validation);
        char *text = printed(SIGNAL_LOGS, buf_slice(&request), 0, &fault);
        cr_assert_eq(text != NULL, valid);
        free(text);
        wire_put_bytes(&list, 1, buf_slice(&value));
        wire_put_bytes(&outer, 5, buf_slice(&list));
        buf_free(&value);
        value = outer;
        buf_free(&list);
        buf_free(&record);
        buf_free(&scope);
        buf_free(&resource);
        buf_free(&request);
        if (!valid) {
            break;
        }
    }
    cr_assert_gt(depth, 20);
    buf_free(&value);
}
