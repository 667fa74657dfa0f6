/* test_json_hostile.c: text that is cut, flipped, nested, huge; bounds of memory and time. Every
 * input ends at a guard page; seeds are fixed.
 */
#include "json_check.h"

#include <time.h>

static const char metrics_text[] =
    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"a\\u00e9\\ud83d\\udcee\","
    "\"value\":{\"arrayValue\":{\"values\":[{\"bytesValue\":\"AP8=\"},{\"boolValue\":true}]}}}]},"
    "\"unknown\":[{\"x\":[1,null,false,\"y\"]}],\"scopeMetrics\":[{\"metrics\":[{\"name\":"
    "\"m\xc3\xa9"
    "\",\"histogram\":{\"dataPoints\":[{\"count\":\"12\",\"sum\":-2.5e-3,\"bucketCounts\":[1,\"2\"]"
    ","
    "\"explicitBounds\":[0.5,\"NaN\"],\"exemplars\":[{\"asInt\":-7,\"spanId\":\"00112233445566ff\"}"
    "],"
    "\"flags\":1}],\"aggregationTemporality\":2}}]}]}]}";

Test(json_hostile, every_truncation_is_refused)
{
    struct guarded g = guarded_open(sizeof(metrics_text));
    struct buf out;
    struct json_fault fault;
    size_t len = sizeof(metrics_text) - 1;
    cr_assert(convert(SIGNAL_METRICS, guarded_put(&g, metrics_text, len), len, &out, &fault), "%s",
              fault.text);
    buf_free(&out);
    for (size_t cut = 0; cut < len; cut++) {
        const uint8_t *text = guarded_put(&g, metrics_text, cut);
        cr_assert_not(convert(SIGNAL_METRICS, text, cut, &out, &fault), "cut to %zu", cut);
        cr_assert_not_null(strstr(fault.text, ", at byte "), "%s", fault.text);
    }
    guarded_close(&g);
}

Test(json_hostile, every_flipped_bit_and_every_byte_left_out)
{
    struct guarded g = guarded_open(sizeof(metrics_text));
    char text[sizeof(metrics_text)];
    struct buf out;
    struct json_fault fault;
    size_t len = sizeof(metrics_text) - 1;
    size_t refused = 0;
    memcpy(text, metrics_text, sizeof(text));
    for (size_t bit = 0; bit < len * 8; bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        refused += convert(SIGNAL_METRICS, guarded_put(&g, text, len), len, &out, &fault) ? 0 : 1;
        buf_free(&out);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
    }
    cr_assert(refused > 1900 && refused < len * 8, "%zu of %zu refused", refused, len * 8);
    for (size_t i = 0; i < len; i++) {
        memcpy(text, metrics_text, i);
        memcpy(text + i, metrics_text + i + 1, len - i - 1);
        convert(SIGNAL_METRICS, guarded_put(&g, text, len - 1), len - 1, &out, &fault);
        buf_free(&out);
    }
    guarded_close(&g);
}

Test(json_hostile, faults_at_the_very_end_of_the_text)
{
    /* Cut inside every token that looks ahead. */
    static const char *const cases[] = {"{\"a\":\"\\",
                                        "{\"a\":\"\\u",
                                        "{\"a\":\"\\u0",
                                        "{\"a\":\"\\ud800",
                                        "{\"a\":\"\\ud800\\",
                                        "{\"a\":\"\\ud800\\u",
                                        "{\"a\":\"\\ud800\\udc0",
                                        "{\"a\":\"\xf0\x9f\x93",
                                        "{\"a\":\"\xe2",
                                        "{\"a\":tru",
                                        "{\"a\":f",
                                        "{\"a\":n",
                                        "{\"a\":-",
                                        "{\"a\":1.",
                                        "{\"a\":1e",
                                        "{\"a\":1e-",
                                        "{\"a\":\"1234567",
                                        "{\"a\":\"12345678",
                                        "{\"a\":\"123456789",
                                        "{\"resourceMetric",
                                        "{\"resourceMetrics",
                                        "{\"resourceMetrics\"",
                                        "{\"resourceMetrics\":"};
    struct guarded g = guarded_open(64);
    struct buf out;
    struct json_fault fault;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i]);
        cr_assert_not(convert(SIGNAL_METRICS, guarded_put(&g, cases[i], len), len, &out, &fault),
                      "%s", cases[i]);
    }
    guarded_close(&g);
}

/* `times` times the text. */
static void repeat(struct buf *b, const char *text, size_t times)
{
    for (; times > 0; times--) {
        buf_append_str(b, text);
    }
}

/* A log record's body of so many AnyValues inside each other, an ArrayValue between each two. */
static void nested_values(struct buf *b, size_t values)
{
    buf_append_str(b, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{");
    repeat(b, "\"arrayValue\":{\"values\":[{", values - 1);
    repeat(b, "}]}", values - 1);
    buf_append_str(b, "}}]}]}]}");
}

Test(json_hostile, messages_nest_as_deep_as_the_validator_allows)
{
    /* Request, resource, scope, record, and then 1 + 2 (n - 1) messages: 30 values make 63. */
    struct buf text = BUF_INIT;
    nested_values(&text, 30);
    expect_taken(SIGNAL_LOGS, buf_cstr(&text));
    buf_clear(&text);
    nested_values(&text, 31);
    expect_refused(SIGNAL_LOGS, buf_cstr(&text),
                   "resourceLogs[0].scopeLogs[0].logRecords[0].body...arrayValue.values[0]."
                   "arrayValue.values[0]: nested deeper than 64 messages, at byte 804");
    buf_free(&text);
}

Test(json_hostile, ignored_values_nest_64_deep)
{
    for (size_t depth = JSON_IGNORED_DEPTH_MAX; depth <= JSON_IGNORED_DEPTH_MAX + 1; depth++) {
        for (int kind = 0; kind < 2; kind++) {
            struct buf text = BUF_INIT;
            buf_append_str(&text, "{\"a\":");
            repeat(&text, kind == 0 ? "[" : "{\"b\":", depth - 1);
            buf_append_str(&text, "[1,2]");
            repeat(&text, kind == 0 ? "]" : "}", depth - 1);
            buf_append_str(&text, "}");
            if (depth == JSON_IGNORED_DEPTH_MAX) {
                expect_taken(SIGNAL_LOGS, buf_cstr(&text));
            } else {
                expect_refused_for(SIGNAL_LOGS, buf_cstr(&text),
                                   "a value of an unknown field is nested too deep, at byte");
            }
            buf_free(&text);
        }
    }
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

Test(json_hostile, a_million_brackets_are_refused_at_once)
{
    static const char *const fronts[] = {
        "", "{\"a\":", "{\"resourceLogs\":", "{\"resourceLogs\":[{\"resource\":"};
    for (size_t i = 0; i < sizeof(fronts) / sizeof(fronts[0]); i++) {
        struct buf text = BUF_INIT;
        struct buf out;
        struct json_fault fault;
        buf_append_str(&text, fronts[i]);
        repeat(&text, "[", 1000000);
        double start = seconds_now();
        cr_assert_not(convert(SIGNAL_LOGS, text.data, text.len, &out, &fault));
        cr_assert_lt(seconds_now() - start, 0.01);
        buf_free(&text);
    }
}

/* Front, n times the piece with commas between, tail: what comes out, a byte of text. */
static double growth(enum signal signal, const char *front, const char *piece, const char *tail)
{
    struct buf text = BUF_INIT;
    struct buf out;
    struct json_fault fault;
    buf_append_str(&text, front);
    for (int i = 0; i < 50000; i++) {
        buf_append_str(&text, i != 0 ? "," : "");
        buf_append_str(&text, piece);
    }
    buf_append_str(&text, tail);
    cr_assert(convert(signal, text.data, text.len, &out, &fault), "%s", fault.text);
    double ratio = (double)out.len / (double)text.len;
    buf_free(&out);
    buf_free(&text);
    return ratio;
}

#define POINTS \
    "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"histogram\":{\"dataPoints\":["

Test(json_hostile, the_request_is_at_most_four_times_the_text)
{
    double ratio = growth(SIGNAL_METRICS, POINTS "{\"explicitBounds\":[", "1", "]}]}}]}]}]}");
    cr_assert(ratio > 3.9 && ratio <= 4, "%f", ratio);
    ratio = growth(SIGNAL_METRICS, POINTS "{\"bucketCounts\":[", "0", "]}]}}]}]}]}");
    cr_assert(ratio > 3.9 && ratio <= 4, "%f", ratio);
    ratio = growth(SIGNAL_METRICS, POINTS, "{}", "]}}]}]}]}");
    cr_assert(ratio <= 1, "%f", ratio);
    ratio =
        growth(SIGNAL_METRICS, POINTS, "{\"sum\":1,\"min\":1,\"max\":1,\"count\":1}", "]}}]}]}]}");
    cr_assert(ratio <= 1.5, "%f", ratio);
    ratio = growth(SIGNAL_TRACES, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[",
                   "{\"kind\":-1,\"events\":[],\"links\":[{}]}", "]}]}]}");
    cr_assert(ratio <= 1.5, "%f", ratio);
    ratio = growth(SIGNAL_LOGS, "{\"a\":[", "[]", "]}");
    cr_assert_eq(ratio, 0.0);
}

Test(json_hostile, memory_is_at_most_eight_times_the_text)
{
    struct buf text = BUF_INIT;
    struct buf out = BUF_INIT;
    struct json_fault fault;
    buf_append_str(&text, POINTS "{\"explicitBounds\":[1");
    repeat(&text, ",1", 300000);
    buf_append_str(&text, "]}]}}]}]}]}");
    cr_assert(json_to_request(SIGNAL_METRICS, buf_slice(&text), &out, &fault));
    cr_assert_leq(out.cap, 8 * text.len);
    buf_free(&out);
    buf_free(&text);
}

Test(json_hostile, text_past_the_limit_is_refused_unread)
{
    struct buf out = BUF_INIT;
    struct json_fault fault;
    cr_assert_not(json_to_request(SIGNAL_LOGS, slice_make("{}", JSON_TEXT_MAX + 1), &out, &fault));
    cr_assert_str_eq(fault.text, "ExportLogsServiceRequest: text of more than 64 MiB, at byte 0");
    cr_assert_null(out.data);
}

Test(json_hostile, a_buffer_that_has_failed_is_told)
{
    struct buf out = BUF_INIT;
    struct json_fault fault;
    out.failed = true;
    cr_assert_not(
        json_to_request(SIGNAL_LOGS, slice_of(BODY("\"stringValue\":\"\\n\"")), &out, &fault));
    cr_assert_not_null(strstr(fault.text, ": out of memory, at byte"), "%s", fault.text);
    cr_assert_not(
        json_to_request(SIGNAL_LOGS, slice_of(BODY("\"bytesValue\":\"AAAA\"")), &out, &fault));
    cr_assert_not(
        json_to_request(SIGNAL_LOGS, slice_of(BODY("\"intValue\":\"\\u0031\"")), &out, &fault));
    cr_assert_not_null(strstr(fault.text, "out of memory"), "%s", fault.text);
    cr_assert_not(
        json_to_request(SIGNAL_METRICS, slice_of(HISTOGRAM("\"bucketCounts\":[1]")), &out, &fault));
    cr_assert(out.failed && out.len == 0 && out.data == NULL);
}

/* Seconds of the thread's time for a text of `spans` spans, the best of three. */
static double seconds_for(size_t spans)
{
    struct buf text = BUF_INIT;
    double best = 1e9;
    buf_append_str(&text, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{}");
    for (size_t i = 0; i < spans; i++) {
        buf_printf(&text,
                   ",{\"traceId\":\"00112233445566778899aabbccddeeff\",\"spanId\":\"%016zx\","
                   "\"name\":\"GET /orchard\",\"kind\":2,\"startTimeUnixNano\":\"%zu\","
                   "\"endTimeUnixNano\":\"1731234567000000000\",\"attributes\":["
                   "{\"key\":\"http.method\",\"value\":{\"stringValue\":\"GET\"}},"
                   "{\"key\":\"http.status\",\"value\":{\"intValue\":200}}],\"status\":{}}",
                   i, UINT64_C(1731234567000000000) + i);
    }
    buf_append_str(&text, "]}]}]}");
    for (int round = 0; round < 3; round++) {
        struct buf out = BUF_INIT;
        struct json_fault fault;
        double start = seconds_now();
        cr_assert(json_to_request(SIGNAL_TRACES, buf_slice(&text), &out, &fault), "%s", fault.text);
        double took = seconds_now() - start;
        best = took < best ? took : best;
        buf_free(&out);
    }
    cr_log_info("%zu bytes of JSON: %.1f MB/s", text.len, (double)text.len / 1e6 / best);
    buf_free(&text);
    return best;
}

Test(json_hostile, time_is_linear_in_the_length)
{
    double small = seconds_for(1500);
    double large = seconds_for(12000); /* 4 MB */
    cr_assert_lt(large, 8 * small * 4, "%f s, and %f s for eight times as much", small, large);
}

/* What could cost more than it is long: deep messages of just over 127 bytes each, which are
 * moved, and long numbers, which strtod reads. */
Test(json_hostile, time_has_no_bad_cases)
{
    struct buf text = BUF_INIT;
    struct buf deep = BUF_INIT;
    struct buf out;
    struct json_fault fault;
    repeat(&deep, "{\"arrayValue\":{\"values\":[", 28);
    buf_append_str(&deep, "{\"stringValue\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
    repeat(&deep, "]}}", 28);
    buf_append_str(&text, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":"
                          "{\"arrayValue\":{\"values\":[{}");
    for (size_t i = 0; i < 2000; i++) {
        buf_append_char(&text, ',');
        buf_append_slice(&text, buf_slice(&deep));
    }
    buf_append_str(&text, "]}}}]}]}]}");
    double start = seconds_now();
    cr_assert(convert(SIGNAL_LOGS, text.data, text.len, &out, &fault), "%s", fault.text);
    cr_log_info("deep: %.1f MB/s", (double)text.len / 1e6 / (seconds_now() - start));
    cr_assert_lt(seconds_now() - start, 1.0);
    buf_free(&out);
    buf_clear(&text);
    buf_append_str(&text, POINTS "{\"explicitBounds\":[1");
    for (size_t i = 0; i < 1000; i++) {
        buf_append_str(&text, ",1.");
        repeat(&text, "1234567890", 120);
        buf_append_str(&text, "e-290");
    }
    buf_append_str(&text, "]}]}}]}]}]}");
    start = seconds_now();
    cr_assert(convert(SIGNAL_METRICS, text.data, text.len, &out, &fault), "%s", fault.text);
    cr_log_info("long numbers: %.1f MB/s", (double)text.len / 1e6 / (seconds_now() - start));
    cr_assert_lt(seconds_now() - start, 1.0);
    buf_free(&out);
    buf_free(&deep);
    buf_free(&text);
}
