/* test_json_values.c: what single values of OTLP/JSON mean, and which are refused. */
#include "json_check.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>

#define TEXT_MAX 8192

static char text[TEXT_MAX];

static const char *fitting(int wrote)
{
    cr_assert(wrote > 0 && wrote < TEXT_MAX);
    return text;
}

/* The text, formatted. */
#define FORMAT(...) fitting(snprintf(text, sizeof(text), __VA_ARGS__))

static any_value *body_of(const logs_request *request)
{
    return request->resource_logs[0]->scope_logs[0]->log_records[0]->body;
}

/* ---- strings ---- */

static void expect_string(const char *json, const char *bytes, size_t len)
{
    struct buf out;
    struct json_fault fault;
    FORMAT(BODY("\"stringValue\":%s"), json);
    cr_assert(convert(SIGNAL_LOGS, text, strlen(text), &out, &fault), "%s: %s", json, fault.text);
    /* Five lengths lie around the string, each preceded by a tag; protobuf-c would cut at a NUL. */
    struct wire w = wire_over(out.data, out.len);
    for (int i = 0; i < 4; i++) {
        wire_tag(&w);
        wire_enter(&w);
    }
    wire_tag(&w);
    struct slice string = wire_bytes(&w);
    cr_assert(w.fault == WIRE_OK && !wire_more(&w));
    cr_assert(slice_eq(string, slice_make(bytes, len)), "%s", json);
    buf_free(&out);
}

#define EXPECT_STRING(json, literal) expect_string((json), (literal), sizeof(literal) - 1)

Test(json_values, strings)
{
    EXPECT_STRING("\"\"", "");
    EXPECT_STRING("\"plain\"", "plain");
    EXPECT_STRING("\"a rather longer one, of several times eight bytes\"",
                  "a rather longer one, of several times eight bytes");
    EXPECT_STRING("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
    EXPECT_STRING("\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\xae\"",
                  "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\xae");
    EXPECT_STRING("\"\\u0063af\\u00E9 \\u20aC \\uD83d\\uDCEE!\"",
                  "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x93\xae!");
    EXPECT_STRING("\"a\\u0000b\"", "a\0b");
    EXPECT_STRING("\"\\u007f\x7f\\u0080\\u07ff\\u0800\\ud7ff\\ue000\\uffff\"",
                  "\x7f\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf");
    EXPECT_STRING("\"\\ud800\\udc00\\udbff\\udfff\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
}

Test(json_values, a_special_byte_at_any_place_of_a_string_is_seen)
{
    static const struct {
        const char *piece, *why;
    } cases[] = {{"\x1f", "a control character in a string must be escaped"},
                 {"\x01", "a control character in a string must be escaped"},
                 {"\x80", "invalid UTF-8"},
                 {"\xff", "invalid UTF-8"},
                 {"\xc3", "invalid UTF-8"},
                 {"\xed\xa0\x80", "invalid UTF-8"},
                 {"\\q", "unknown escape"}};
    char string[64];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int before = 0; before < 20; before++) {
            snprintf(string, sizeof(string), "\"%.*s%s%.*s\"", before, "abcdefghijklmnopqrst",
                     cases[i].piece, 20 - before, "ABCDEFGHIJKLMNOPQRST");
            expect_refused_for(SIGNAL_LOGS, FORMAT(BODY("\"stringValue\":%s"), string),
                               cases[i].why);
        }
    }
    for (int c = 0x20; c < 0x80; c++) {
        if (c != '"' && c != '\\') {
            snprintf(string, sizeof(string), "\"%c%c%c%c%c%c%c%c%c\"", c, c, c, c, c, c, c, c, c);
            expect_string(string, string + 1, 9);
        }
    }
}

Test(json_values, strings_that_are_none)
{
    static const char *const cases[][2] = {
        {"7", "body.stringValue: expected a string, found a number, at byte"},
        {"true", "expected a string, found true"},
        {"{}", "expected a string, found an object"},
        {"[\"a\"]", "expected a string, found an array"},
        {"\"\\ud800\"", "body.stringValue: half of a surrogate pair, at byte"},
        {"\"\\ud800x\"", "half of a surrogate pair"},
        {"\"\\ud800\\n\"", "half of a surrogate pair"},
        {"\"\\ud800\\u0041\"", "half of a surrogate pair"},
        {"\"\\ud800\\ud800\"", "half of a surrogate pair"},
        {"\"\\udc00\\ud800\"", "half of a surrogate pair"},
        {"\"\\udc00\"", "half of a surrogate pair"},
        {"\"\\u12\"", "expected four hex digits after \\u"},
        {"\"\\u12g4\"", "expected four hex digits after \\u"},
        {"\"\\u+123\"", "expected four hex digits after \\u"},
        {"\"\\U0041\"", "unknown escape"},
        {"\"\\'\"", "unknown escape"},
        {"\"\\", "unknown escape"},
        {"\"tab\there\"", "a control character"},
        {"'a'", "expected a string, found something else"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_refused_for(SIGNAL_LOGS, FORMAT(BODY("\"stringValue\":%s"), cases[i][0]),
                           cases[i][1]);
    }
}

/* ---- bytes ---- */

static void expect_base64(const char *json, const char *bytes, size_t len)
{
    logs_request *request =
        (logs_request *)decoded(SIGNAL_LOGS, FORMAT(BODY("\"bytesValue\":\"%s\""), json));
    ProtobufCBinaryData value = body_of(request)->bytes_value;
    cr_assert_eq(value.len, len, "%s: %zu", json, value.len);
    cr_assert(len == 0 || memcmp(value.data, bytes, len) == 0, "%s", json);
    release(&request->base);
}

Test(json_values, base64_in_both_alphabets_padded_or_not)
{
    expect_base64("", "", 0);
    expect_base64("AA==", "\0", 1);
    expect_base64("AA", "\0", 1);
    expect_base64("AAE=", "\0\1", 2);
    expect_base64("AAE", "\0\1", 2);
    expect_base64("AAEC", "\0\1\2", 3);
    expect_base64("+/+/", "\xfb\xff\xbf", 3);
    expect_base64("-_-_", "\xfb\xff\xbf", 3);
    expect_base64("\\/\\/\\/\\/\\u002b\\/8=", "\xff\xff\xff\xfb\xff", 5);
    expect_base64("bm8gcGlwcyBhdCBhbGw", "no pips at all", 14);
    expect_base64("//9", "\xff\xff", 2);
}

Test(json_values, base64_that_is_none)
{
    static const char *const cases[] = {
        "A",    "AAAAA",     "=",        "==",       "A=",       "A==",  "A===",
        "AA=",  "AAE==",     "AAEC=",    "A=A=",     "AA==AA==", "====", "A A=",
        "AA!=", "AA\\u0000", "AAEC====", "\xc3\xa9", "AA\\n"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_refused_for(SIGNAL_LOGS, FORMAT(BODY("\"bytesValue\":\"%s\""), cases[i]),
                           "body.bytesValue: expected a string of base64, found a string that is "
                           "none, at byte");
    }
    expect_refused_for(SIGNAL_LOGS, BODY("\"bytesValue\":[1,2]"),
                       "expected a string of base64, found an array");
}

Test(json_values, ids_are_hex_of_one_length)
{
    traces_request *request = (traces_request *)decoded(
        SIGNAL_TRACES, SPAN("\"traceId\":\"00112233445566778899AABBCCDDEEFf\",\"spanId\":\"\","
                            "\"parentSpanId\":\"\\u0030123456789abcdef\""));
    span_message *span = request->resource_spans[0]->scope_spans[0]->spans[0];
    cr_assert_eq(span->trace_id.len, 16);
    for (unsigned i = 0; i < 16; i++) {
        cr_assert_eq(span->trace_id.data[i], i * 0x11);
    }
    cr_assert_eq(span->span_id.len, 0);
    cr_assert_eq(memcmp(span->parent_span_id.data, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8), 0);
    release(&request->base);
    static const char *const cases[][2] = {
        {"\"spanId\":\"abc\"", SPAN_PATH ".spanId: expected a string of 16 hex digits or none, "
                                         "found a string of another length, at byte 53"},
        {"\"spanId\":\"00112233445566778899aabbccddeeff\"", "found a string of another length"},
        {"\"traceId\":\"0011223344556677\"",
         SPAN_PATH ".traceId: expected a string of 32 hex digits "
                   "or none, found a string of another length"},
        {"\"traceId\":\"AAAAAAAAAAAAAAAAAAAAAA==\"", "found a string of another length"},
        {"\"parentSpanId\":\"001122334455667g\"", "16 hex digits or none, found another character"},
        {"\"spanId\":\"0x11223344556677\"", "found another character"},
        {"\"spanId\":\"          556677\"", "found another character"},
        {"\"spanId\":1", "expected a string of 16 hex digits or none, found a number"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_refused_for(SIGNAL_TRACES, FORMAT(SPAN("%s"), cases[i][0]), cases[i][1]);
    }
    expect_taken(SIGNAL_METRICS,
                 POINT("\"exemplars\":[{\"spanId\":\"0011223344556677\",\"traceId\":\"\"}]"));
    expect_refused_for(SIGNAL_METRICS, POINT("\"exemplars\":[{\"spanId\":\"AAAAAAAA\"}]"),
                       "exemplars[0].spanId: expected a string of 16 hex digits");
}

/* ---- integers ---- */

static void expect_int64(const char *json, int64_t value)
{
    logs_request *request =
        (logs_request *)decoded(SIGNAL_LOGS, FORMAT(BODY("\"intValue\":%s"), json));
    cr_assert_eq(body_of(request)->int_value, value, "%s: %" PRId64, json,
                 body_of(request)->int_value);
    release(&request->base);
}

Test(json_values, integers_of_64_bits)
{
    static const struct {
        const char *json;
        int64_t value;
    } cases[] = {{"0", 0},
                 {"-0", 0},
                 {"1", 1},
                 {"-1", -1},
                 {"127", 127},
                 {"128", 128},
                 {"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN},
                 {"9007199254740993", INT64_C(9007199254740993)},
                 {"1.0", 1},
                 {"-1.000", -1},
                 {"1e3", 1000},
                 {"1E+3", 1000},
                 {"1200e-2", 12},
                 {"1.25e2", 125},
                 {"0.00000000000000000001e20", 1},
                 {"922337203685477580.7e1", INT64_MAX},
                 {"92233720368547758070000e-4", INT64_MAX},
                 {"0e999999999999999999999", 0},
                 {"0.000e-99999999999999999999", 0},
                 {"1000000000000000000000000000000000000000000e-42", 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char quoted[128];
        expect_int64(cases[i].json, cases[i].value);
        snprintf(quoted, sizeof(quoted), "\"%s\"", cases[i].json);
        expect_int64(quoted, cases[i].value);
    }
    expect_int64("\"\\u0031\\u0032\"", 12);
}

Test(json_values, integers_that_are_none)
{
#define SIGNED_64 "body.intValue: expected a whole number of 64 bits and sign, found "
    static const char *const cases[][2] = {
        {"9223372036854775808", SIGNED_64 "one out of range, at byte"},
        {"-9223372036854775809", SIGNED_64 "one out of range"},
        {"18446744073709551616", SIGNED_64 "one out of range"},
        {"1e19", SIGNED_64 "one out of range"},
        {"1e999999999999999999999999", SIGNED_64 "one out of range"},
        {"123456789012345678901234567890", SIGNED_64 "one out of range"},
        {"0.5", SIGNED_64 "a fraction"},
        {"1e-1", SIGNED_64 "a fraction"},
        {"1e-99999999999999999999", SIGNED_64 "a fraction"},
        {"1.00000000000000000000000000001", SIGNED_64 "a fraction"},
        {"\"\"", SIGNED_64 "a string that is none"},
        {"\" 1\"", SIGNED_64 "a string that is none"},
        {"\"1 \"", SIGNED_64 "a string that is none"},
        {"\"+1\"", SIGNED_64 "a string that is none"},
        {"\"0x10\"", SIGNED_64 "a string that is none"},
        {"\"007\"", SIGNED_64 "a string that is none"},
        {"\"1\\u0000\"", SIGNED_64 "a string that is none"},
        {"\"NaN\"", SIGNED_64 "a string that is none"},
        {"true", SIGNED_64 "true"},
        {"{}", SIGNED_64 "an object"},
        {"007", "a number must not begin with 0 and more digits"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_refused_for(SIGNAL_LOGS, FORMAT(BODY("\"intValue\":%s"), cases[i][0]), cases[i][1]);
    }
}

Test(json_values, the_range_of_every_integer_type)
{
    static const struct {
        const char *around, *low, *below, *high, *above;
    } types[] = {
        /* uint32, fixed32, sint32, int32, uint64, fixed64, sfixed64 */
        {POINT("\"flags\":%s"), "0", "-1", "4294967295", "4294967296"},
        {RECORD("\"flags\":%s"), "0", "-1", "4294967295", "4294967296"},
        {EXPONENTIAL("\"scale\":%s"), "-2147483648", "-2147483649", "2147483647", "2147483648"},
        {BODY("\"stringValueStrindex\":%s"), "-2147483648", "-2147483649", "2147483647",
         "2147483648"},
        {EXPONENTIAL("\"positive\":{\"bucketCounts\":[%s]}"), "0", "-1", "18446744073709551615",
         "18446744073709551616"},
        {RECORD("\"timeUnixNano\":%s"), "0", "-1", "18446744073709551615", "18446744073709551616"},
        {POINT("\"asInt\":%s"), "-9223372036854775808", "-9223372036854775809",
         "9223372036854775807", "9223372036854775808"},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        for (int quoted = 0; quoted < 2; quoted++) {
            enum signal signal =
                strstr(types[i].around, "resourceLogs") != NULL ? SIGNAL_LOGS : SIGNAL_METRICS;
            const char *values[] = {types[i].low, types[i].high, types[i].below, types[i].above};
            for (size_t k = 0; k < 4; k++) {
                char value[64];
                const char *hole = strstr(types[i].around, "%s");
                snprintf(value, sizeof(value), quoted != 0 ? "\"%s\"" : "%s", values[k]);
                FORMAT("%.*s%s%s", (int)(hole - types[i].around), types[i].around, value, hole + 2);
                if (k < 2) {
                    expect_taken(signal, text);
                } else {
                    expect_refused_for(signal, text, ", found one out of range, at byte");
                }
            }
        }
    }
}

Test(json_values, integers_arrive_in_every_type)
{
    metrics_request *request = (metrics_request *)decoded(
        SIGNAL_METRICS,
        EXPONENTIAL("\"flags\":\"4294967295\",\"scale\":-2147483648,\"count\":18446744073709551615,"
                    "\"negative\":{\"offset\":2147483647,\"bucketCounts\":[\"300\",2e0,0]}"));
    Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint *point =
        request->resource_metrics[0]
            ->scope_metrics[0]
            ->metrics[0]
            ->exponential_histogram->data_points[0];
    cr_assert_eq(point->flags, UINT32_MAX);
    cr_assert_eq(point->scale, INT32_MIN);
    cr_assert_eq(point->count, UINT64_MAX);
    cr_assert_eq(point->negative->offset, INT32_MAX);
    cr_assert_eq(point->negative->n_bucket_counts, 3);
    cr_assert_eq(point->negative->bucket_counts[0], 300);
    cr_assert_eq(point->negative->bucket_counts[1], 2);
    cr_assert_eq(point->negative->bucket_counts[2], 0);
    release(&request->base);
    logs_request *logs = (logs_request *)decoded(
        SIGNAL_LOGS, RECORD("\"flags\":4294967295,\"body\":{\"stringValueStrindex\":-2147483648},"
                            "\"timeUnixNano\":\"18446744073709551615\""));
    log_record *record = logs->resource_logs[0]->scope_logs[0]->log_records[0];
    cr_assert_eq(record->flags, UINT32_MAX);
    cr_assert_eq(record->body->string_value_strindex, INT32_MIN);
    cr_assert_eq(record->time_unix_nano, UINT64_MAX);
    release(&logs->base);
}

/* ---- enums and bools ---- */

Test(json_values, enums_are_numbers)
{
    static const struct {
        const char *json;
        int value;
    } cases[] = {{"9", 9},       {"0", 0},   {"9.0", 9},
                 {"1000", 1000}, {"-1", -1}, {"2147483647", INT32_MAX}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        logs_request *request = (logs_request *)decoded(
            SIGNAL_LOGS, FORMAT(RECORD("\"severityNumber\":%s"), cases[i].json));
        cr_assert_eq((int)request->resource_logs[0]->scope_logs[0]->log_records[0]->severity_number,
                     cases[i].value);
        release(&request->base);
    }
    expect_refused(SIGNAL_TRACES, SPAN("\"kind\":\"SPAN_KIND_SERVER\""),
                   SPAN_PATH ".kind: expected the number of an enum value (OTLP takes no names), "
                             "found a string, at byte 51");
    expect_refused_for(SIGNAL_TRACES, SPAN("\"kind\":\"2\""), "OTLP takes no names");
    expect_refused_for(SIGNAL_TRACES, SPAN("\"kind\":1.5"), "found a fraction");
    expect_refused_for(SIGNAL_TRACES, SPAN("\"kind\":2147483648"), "found one out of range");
    expect_refused_for(SIGNAL_TRACES, SPAN("\"status\":{\"code\":true}"), "status.code: expected");
}

Test(json_values, bools_are_true_or_false)
{
    expect_taken(SIGNAL_METRICS, METRIC("\"sum\":{\"isMonotonic\":false}"));
    static const char *const cases[][2] = {
        {"\"true\"",
         METRIC_PATH ".sum.isMonotonic: expected true or false, found a string, at byte"},
        {"1", "expected true or false, found a number"},
        {"[]", "expected true or false, found an array"},
        {"True", "expected true or false, found something else"},
        {"fals", "expected a value, at byte"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        FORMAT(METRIC("\"sum\":{\"isMonotonic\":%s}"), cases[i][0]);
        expect_refused_for(SIGNAL_METRICS, text, cases[i][1]);
    }
}

/* ---- doubles ---- */

static void expect_double(const char *json, double value)
{
    logs_request *request =
        (logs_request *)decoded(SIGNAL_LOGS, FORMAT(BODY("\"doubleValue\":%s"), json));
    double got = body_of(request)->double_value;
    bool same = isnan(value) ? isnan(got) : got == value && signbit(got) == signbit(value);
    cr_assert(same, "%s: %a, not %a", json, got, value);
    release(&request->base);
}

Test(json_values, doubles)
{
    expect_double("0", 0.0);
    expect_double("-0", -0.0);
    expect_double("-0.0e5", -0.0);
    expect_double("1", 1.0);
    expect_double("-2.5", -2.5);
    expect_double("0.1", 0.1);
    expect_double("1e22", 1e22);
    expect_double("1e23", 1e23);
    expect_double("1e-22", 1e-22);
    expect_double("1e-23", 1e-23);
    expect_double("9007199254740991", 9007199254740991.0);
    expect_double("9007199254740992", 9007199254740992.0);
    expect_double("9007199254740993", 9007199254740992.0);
    expect_double("9007199254740993.00000000000000000000000000001", 9007199254740994.0);
    expect_double("1.7976931348623157e308", DBL_MAX);
    expect_double("2.2250738585072011e-308", 0x0.fffffffffffffp-1022);
    expect_double("4.9e-324", 0x1p-1074);
    expect_double("2.4e-324", 0.0);
    expect_double("1e-999999999999999999999", 0.0);
    expect_double("0e999999999999999999999", 0.0);
    expect_double("0.000000000000000000000000000000000000000000000000000000000000001e70", 1e7);
    expect_double("\"NaN\"", (double)NAN);
    expect_double("\"Infinity\"", (double)INFINITY);
    expect_double("\"-Infinity\"", -(double)INFINITY);
    expect_double("\"\\u004eaN\"", (double)NAN);
    expect_double("\"1.5e3\"", 1500.0);
    expect_double("\"-0\"", -0.0);
}

Test(json_values, doubles_that_are_none)
{
#define DOUBLE "body.doubleValue: expected a number, \"NaN\", \"Infinity\" or \"-Infinity\", found "
    static const char *const cases[][2] = {
        {"1e309", DOUBLE "one out of range or too long, at byte"},
        {"-1.7976931348623159e308", DOUBLE "one out of range"},
        {"\"1e999999\"", DOUBLE "one out of range"},
        {"\"nan\"", DOUBLE "a string that is none"},
        {"\"inf\"", DOUBLE "a string that is none"},
        {"\"+Infinity\"", DOUBLE "a string that is none"},
        {"\"0x1p3\"", DOUBLE "a string that is none"},
        {"\"1,5\"", DOUBLE "a string that is none"},
        {"\"1.5 \"", DOUBLE "a string that is none"},
        {"\"\"", DOUBLE "a string that is none"},
        {"NaN", DOUBLE "something else"},
        {"Infinity", DOUBLE "something else"},
        {"-Infinity", "expected a digit"},
        {".5", DOUBLE "something else"},
        {"5.", "expected a digit after '.'"},
        {"false", DOUBLE "false"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_refused_for(SIGNAL_LOGS, FORMAT(BODY("\"doubleValue\":%s"), cases[i][0]),
                           cases[i][1]);
    }
}

Test(json_values, doubles_of_any_writing_are_the_nearest)
{
    uint64_t seed = 88172645463325252U;
    for (int round = 0; round < 20000; round++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        char json[64];
        double value;
        memcpy(&value, &seed, sizeof(value));
        if (round % 2 == 0) { /* near the edges of the quick way */
            snprintf(json, sizeof(json), "%" PRIu64 ".%02de%d", seed >> (8 + seed % 50),
                     (int)(seed % 97), (int)(seed % 50) - 25);
        } else if (isfinite(value)) {
            snprintf(json, sizeof(json), "%.*e", (int)(seed % 20), value);
        } else {
            continue;
        }
        value = strtod(json, NULL);
        if (isfinite(value)) {
            expect_double(json, value);
        }
    }
}

Test(json_values, the_longest_double)
{
    char json[2048];
    int len = snprintf(json, sizeof(json), "%.1074f", 0x1p-1074);
    cr_assert_eq(len, 1076);
    expect_double(json, 0x1p-1074);
    memset(json, '1', sizeof(json));
    memcpy(json, "0.", 2);
    json[JSON_DOUBLE_MAX] = '\0';
    expect_double(json, 1.0 / 9.0);
    json[JSON_DOUBLE_MAX] = '1';
    json[JSON_DOUBLE_MAX + 1] = '\0';
    expect_refused_for(SIGNAL_LOGS, FORMAT(BODY("\"doubleValue\":%s"), json), "too long");
}
