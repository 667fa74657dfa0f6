/* test_json.c: whole requests as the OTLP specification writes them, and the rules about objects,
 * lists, names and presence.
 */
#include "json_check.h"

static const char metrics_text[] =
    "{\n"
    "  \"resourceMetrics\": [{\n"
    "    \"resource\": {\"attributes\": [\n"
    "      {\"key\": \"service.name\", \"value\": {\"stringValue\": \"orchard\"}}]},\n"
    "    \"scopeMetrics\": [{\n"
    "      \"scope\": {\"name\": \"press\", \"version\": \"1.2.0\", \"attributes\": [\n"
    "        {\"key\": \"season\", \"value\": {\"stringValue\": \"autumn\"}}]},\n"
    "      \"metrics\": [\n"
    "        {\"name\": \"apples\", \"unit\": \"1\", \"description\": \"Apples pressed\",\n"
    "         \"sum\": {\"aggregationTemporality\": 2, \"isMonotonic\": true, \"dataPoints\": [\n"
    "           {\"asDouble\": 5, \"startTimeUnixNano\": \"1731234567000000000\",\n"
    "            \"timeUnixNano\": \"1731234627000000001\", \"attributes\": [\n"
    "              {\"key\": \"kind\", \"value\": {\"stringValue\": \"russet\"}}]}]}},\n"
    "        {\"name\": \"weight\", \"gauge\": {\"dataPoints\": [\n"
    "           {\"asInt\": \"-10\", \"timeUnixNano\": 1731234627000000001}]}},\n"
    "        {\"name\": \"turns\", \"histogram\": {\"aggregationTemporality\": 1,\n"
    "         \"dataPoints\": [{\"count\": 2, \"sum\": 2.5, \"bucketCounts\": [1, \"1\"],\n"
    "           \"explicitBounds\": [1], \"min\": 0, \"max\": 2.5}]}},\n"
    "        {\"name\": \"drips\", \"exponentialHistogram\": {\"aggregationTemporality\": 1,\n"
    "         \"dataPoints\": [{\"count\": 3, \"sum\": 10, \"scale\": -1, \"zeroCount\": 1,\n"
    "           \"positive\": {\"offset\": -2, \"bucketCounts\": [0, 2]},\n"
    "           \"zeroThreshold\": 0.25}]}}\n"
    "      ]}]}]}\n";

Test(json, a_metrics_request)
{
    metrics_request *request = (metrics_request *)decoded(SIGNAL_METRICS, metrics_text);
    cr_assert_eq(request->n_resource_metrics, 1);
    cr_assert_str_eq(request->resource_metrics[0]->resource->attributes[0]->value->string_value,
                     "orchard");
    cr_assert_str_eq(request->resource_metrics[0]->scope_metrics[0]->scope->version, "1.2.0");
    metric_message **metrics = request->resource_metrics[0]->scope_metrics[0]->metrics;
    cr_assert_eq(request->resource_metrics[0]->scope_metrics[0]->n_metrics, 4);
    cr_assert_str_eq(metrics[0]->name, "apples");
    cr_assert_eq(metrics[0]->sum->aggregation_temporality, 2);
    cr_assert(metrics[0]->sum->is_monotonic);
    cr_assert_eq(metrics[0]->sum->data_points[0]->time_unix_nano, UINT64_C(1731234627000000001));
    cr_assert_eq(metrics[0]->sum->data_points[0]->as_double, 5.0);
    cr_assert_eq(metrics[1]->gauge->data_points[0]->as_int, -10);
    cr_assert_eq(metrics[1]->gauge->data_points[0]->time_unix_nano, UINT64_C(1731234627000000001));
    cr_assert_eq(metrics[2]->histogram->data_points[0]->n_bucket_counts, 2);
    cr_assert_eq(metrics[2]->histogram->data_points[0]->bucket_counts[1], 1);
    cr_assert_eq(metrics[2]->histogram->data_points[0]->explicit_bounds[0], 1.0);
    cr_assert_eq(metrics[3]->exponential_histogram->data_points[0]->scale, -1);
    cr_assert_eq(metrics[3]->exponential_histogram->data_points[0]->positive->offset, -2);
    cr_assert_eq(metrics[3]->exponential_histogram->data_points[0]->positive->bucket_counts[1], 2);
    cr_assert_eq(metrics[3]->exponential_histogram->data_points[0]->zero_threshold, 0.25);
    release(&request->base);
}

static const char traces_text[] =
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
    "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"orchard\"}}]},"
    "\"scopeSpans\":[{\"scope\":{\"name\":\"press\"},\"spans\":[{"
    "\"traceId\":\"5B8EFFF798038103d269b633813fc60c\",\"spanId\":\"EEE19B7EC3C1B174\","
    "\"parentSpanId\":\"EEE19B7EC3C1B173\",\"name\":\"pressing\",\"kind\":2,"
    "\"startTimeUnixNano\":\"1544712660000000000\",\"endTimeUnixNano\":\"1544712661000000000\","
    "\"attributes\":[{\"key\":\"ripe\",\"value\":{\"boolValue\":true}}],"
    "\"events\":[{\"timeUnixNano\":\"1544712660500000000\",\"name\":\"burst\"}],"
    "\"links\":[{\"traceId\":\"\",\"spanId\":\"0000000000000001\",\"flags\":256}],"
    "\"status\":{\"code\":1}}]}]}]}";

Test(json, a_traces_request)
{
    static const uint8_t trace_id[] = {0x5b, 0x8e, 0xff, 0xf7, 0x98, 0x03, 0x81, 0x03,
                                       0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6, 0x0c};
    traces_request *request = (traces_request *)decoded(SIGNAL_TRACES, traces_text);
    span_message *span = request->resource_spans[0]->scope_spans[0]->spans[0];
    cr_assert_eq(span->trace_id.len, sizeof(trace_id));
    cr_assert_eq(memcmp(span->trace_id.data, trace_id, sizeof(trace_id)), 0);
    cr_assert_eq(memcmp(span->span_id.data, "\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74", 8), 0);
    cr_assert_eq(memcmp(span->parent_span_id.data, "\xee\xe1\x9b\x7e\xc3\xc1\xb1\x73", 8), 0);
    cr_assert_eq(span->kind, 2);
    cr_assert_eq(span->end_time_unix_nano, UINT64_C(1544712661000000000));
    cr_assert(span->attributes[0]->value->bool_value);
    cr_assert_str_eq(span->events[0]->name, "burst");
    cr_assert_eq(span->links[0]->trace_id.len, 0);
    cr_assert_eq(span->links[0]->span_id.data[7], 1);
    cr_assert_eq(span->links[0]->flags, 256);
    cr_assert_eq(span->status->code, 1);
    release(&request->base);
}

Test(json, a_logs_request)
{
    logs_request *request = (logs_request *)decoded(
        SIGNAL_LOGS,
        RECORD("\"timeUnixNano\":\"1544712660300000000\",\"severityNumber\":10,"
               "\"severityText\":\"Info\",\"eventName\":\"pressed\","
               "\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"eee19b7ec3c1b174\","
               "\"body\":{\"stringValue\":\"a pip\"},\"attributes\":["
               "{\"key\":\"list\",\"value\":{\"arrayValue\":{\"values\":["
               "{\"intValue\":\"7\"},{\"doubleValue\":0.5},{}]}}},"
               "{\"key\":\"map\",\"value\":{\"kvlistValue\":{\"values\":["
               "{\"key\":\"raw\",\"value\":{\"bytesValue\":\"AP8=\"}}]}}}]"));
    log_record *record = request->resource_logs[0]->scope_logs[0]->log_records[0];
    cr_assert_eq(record->severity_number, 10);
    cr_assert_str_eq(record->event_name, "pressed");
    cr_assert_str_eq(record->body->string_value, "a pip");
    any_value **list = record->attributes[0]->value->array_value->values;
    cr_assert_eq(record->attributes[0]->value->array_value->n_values, 3);
    cr_assert_eq(list[0]->int_value, 7);
    cr_assert_eq(list[1]->double_value, 0.5);
    cr_assert_eq(list[2]->value_case, 0);
    any_value *raw = record->attributes[1]->value->kvlist_value->values[0]->value;
    cr_assert_eq(raw->bytes_value.len, 2);
    cr_assert_eq(memcmp(raw->bytes_value.data, "\x00\xff", 2), 0);
    release(&request->base);
}

/* The bytes that come out, where it matters which. */
static void expect_bytes(enum signal signal, const char *text, const void *bytes, size_t len)
{
    struct buf out;
    struct json_fault fault;
    cr_assert(convert(signal, text, strlen(text), &out, &fault), "%s", fault.text);
    cr_assert_eq(out.len, len, "%zu bytes: %s", out.len, text);
    cr_assert(len == 0 || memcmp(out.data, bytes, len) == 0, "%s", text);
    buf_free(&out);
}

#define EXPECT_BYTES(signal, text, literal) \
    expect_bytes((signal), (text), (literal), sizeof(literal) - 1)

Test(json, an_empty_object_is_an_empty_request)
{
    for (unsigned signal = 0; signal < SIGNAL_COUNT; signal++) {
        EXPECT_BYTES((enum signal)signal, "{}", "");
        EXPECT_BYTES((enum signal)signal, " \t\r\n{ \n} \t\r\n", "");
    }
    EXPECT_BYTES(SIGNAL_LOGS, "{\"resourceLogs\":[]}", "");
    EXPECT_BYTES(SIGNAL_LOGS, "{\"resourceLogs\":null}", "");
    EXPECT_BYTES(SIGNAL_LOGS, "{\"resourceLogs\":[{},{}]}", "\x0a\x00\x0a\x00");
}

Test(json, short_lengths_take_a_byte_and_long_ones_four)
{
    char text[512];
    char schema[130];
    struct buf out;
    struct json_fault fault;
    memset(schema, 's', sizeof(schema));
    for (int len = 120; len <= 129; len++) {
        snprintf(text, sizeof(text), "{\"resourceLogs\":[{\"schemaUrl\":\"%.*s\"}]}", len, schema);
        cr_assert(convert(SIGNAL_LOGS, text, strlen(text), &out, &fault), "%s", fault.text);
        size_t content = (size_t)len + (len < 128 ? 2 : 3);
        cr_assert_eq(out.len, content + (content < 128 ? 2 : 5), "%zu bytes", out.len);
        buf_free(&out);
        /* The same with an escape: the string's own length is not known beforehand either. */
        snprintf(text, sizeof(text), "{\"resourceLogs\":[{\"schemaUrl\":\"\\u0073%.*s\"}]}",
                 len - 1, schema);
        cr_assert(convert(SIGNAL_LOGS, text, strlen(text), &out, &fault), "%s", fault.text);
        content = (size_t)len + (len < 128 ? 2 : 5);
        cr_assert_eq(out.len, content + (content < 128 ? 2 : 5), "%zu bytes", out.len);
        buf_free(&out);
    }
}

Test(json, what_is_given_is_written)
{
    EXPECT_BYTES(SIGNAL_METRICS, POINT("\"asInt\":\"0\""),
                 "\x0a\x11\x12\x0f\x12\x0d\x2a\x0b\x0a\x09\x31\0\0\0\0\0\0\0\0");
    EXPECT_BYTES(SIGNAL_LOGS, BODY("\"stringValue\":\"\""),
                 "\x0a\x08\x12\x06\x12\x04\x2a\x02\x0a\x00");
    EXPECT_BYTES(SIGNAL_LOGS, BODY("\"boolValue\":false"),
                 "\x0a\x08\x12\x06\x12\x04\x2a\x02\x10\x00");
    EXPECT_BYTES(SIGNAL_LOGS, BODY("\"bytesValue\":\"\""),
                 "\x0a\x08\x12\x06\x12\x04\x2a\x02\x3a\x00");
    EXPECT_BYTES(SIGNAL_LOGS, BODY("\"arrayValue\":{}"),
                 "\x0a\x08\x12\x06\x12\x04\x2a\x02\x2a\x00");
    EXPECT_BYTES(SIGNAL_LOGS, BODY(""), "\x0a\x06\x12\x04\x12\x02\x2a\x00");
}

Test(json, sum_min_and_max_of_zero_are_there)
{
    metrics_request *request = (metrics_request *)decoded(
        SIGNAL_METRICS, HISTOGRAM("\"sum\":0,\"min\":-0.0,\"max\":\"0\",\"explicitBounds\":[],"
                                  "\"bucketCounts\":[0]"));
    Opentelemetry__Proto__Metrics__V1__HistogramDataPoint *point =
        request->resource_metrics[0]->scope_metrics[0]->metrics[0]->histogram->data_points[0];
    cr_assert_neq(point->optional_sum_case, 0);
    cr_assert_neq(point->optional_min_case, 0);
    cr_assert_neq(point->optional_max_case, 0);
    cr_assert_eq(point->n_explicit_bounds, 0);
    cr_assert_eq(point->n_bucket_counts, 1);
    release(&request->base);
}

Test(json, null_is_absent)
{
    metrics_request *request = (metrics_request *)decoded(
        SIGNAL_METRICS,
        METRIC("\"name\":null,\"sum\":null,\"gauge\":{\"dataPoints\":[{\"asInt\":null,"
               "\"asDouble\":1,\"attributes\":null,\"timeUnixNano\":null}]},\"metadata\":null"));
    metric_message *metric = request->resource_metrics[0]->scope_metrics[0]->metrics[0];
    cr_assert_str_empty(metric->name);
    cr_assert_eq(metric->gauge->data_points[0]->as_double, 1.0);
    release(&request->base);
    expect_refused(SIGNAL_LOGS, RECORD("\"attributes\":[null]"),
                   RECORD_PATH ".attributes[0]: expected an object, found null, at byte 61");
    expect_refused_for(SIGNAL_METRICS, HISTOGRAM("\"bucketCounts\":[1,null]"),
                       "bucketCounts[1]: expected a whole number from 0 to 18446744073709551615, "
                       "found null, at byte");
    expect_refused_for(SIGNAL_METRICS, METRIC("\"name\":nul"), "expected a value, at byte");
}

Test(json, names_are_lower_camel_case_and_others_are_ignored)
{
    EXPECT_BYTES(SIGNAL_LOGS, "{\"resource_logs\":[{}]}", "");
    EXPECT_BYTES(SIGNAL_LOGS,
                 "{\"ResourceLogs\":7,\"resourcelogs\":8,\"resourceLog\":9,"
                 "\"resourceLogss\":[],\"\":{},\"resource\\u0000Logs\":1}",
                 "");
    EXPECT_BYTES(SIGNAL_LOGS, "{\"resource\\u004cogs\":[{}]}", "\x0a\x00");
    EXPECT_BYTES(SIGNAL_LOGS,
                 "{\"\\u0072\\u0065\\u0073\\u006f\\u0075\\u0072\\u0063\\u0065"
                 "\\u004c\\u006f\\u0067\\u0073\":[{}]}",
                 "\x0a\x00");
    EXPECT_BYTES(
        SIGNAL_LOGS,
        "{\"a\":1,\"b\":[1,-2.5e-7,\"x\\n\",true,false,null,[],{},[[{\"c\":{\"d\":[0]}}]]],"
        "\"a\":{\"a\":{},\"a\":[ ]} , \"resourceLogs\" : [ { } ] , \"z\":\"\"}",
        "\x0a\x00");
}

Test(json, a_very_long_escaped_name_is_unknown)
{
    struct buf text = BUF_INIT;
    buf_append_str(&text, "{\"");
    for (int i = 0; i < 100; i++) {
        buf_append_str(&text, "\\u0061");
    }
    buf_append_str(&text, "\":[1]}");
    expect_bytes(SIGNAL_LOGS, buf_cstr(&text), "", 0);
    buf_free(&text);
}

Test(json, ignored_values_must_be_well_formed)
{
    static const char *const cases[][2] = {
        {"{\"a\":}", "expected a value, at byte 5"},
        {"{\"a\":[1,]}", "expected a value after ',', at byte 8"},
        {"{\"a\":[1 2]}", "expected ',' or ']', at byte 8"},
        {"{\"a\":[}", "expected a value, at byte 6"},
        {"{\"a\":{]}", "expected a name in quotes, at byte 6"},
        {"{\"a\":{\"b\"}}", "expected ':' after a name, at byte 9"},
        {"{\"a\":{\"b\":1,}}", "expected a name after ',', at byte 12"},
        {"{\"a\":{\"b\":1 \"c\":2}}", "expected ',' or '}', at byte 12"},
        {"{\"a\":{1:2}}", "expected a name in quotes, at byte 6"},
        {"{\"a\":tru}", "expected a value, at byte 5"},
        {"{\"a\":truee}", "expected ',' or '}', at byte 9"},
        {"{\"a\":NaN}", "expected a value, at byte 5"},
        {"{\"a\":'b'}", "expected a value, at byte 5"},
        {"{\"a\":01}", "a number must not begin with 0 and more digits, at byte 7"},
        {"{\"a\":+1}", "expected a value, at byte 5"},
        {"{\"a\":-}", "expected a digit, at byte 6"},
        {"{\"a\":1.}", "expected a digit after '.', at byte 7"},
        {"{\"a\":1e+}", "expected a digit in the exponent, at byte 8"},
        {"{\"a\":\"\\x\"}", "unknown escape, at byte 6"},
        {"{\"a\":\"\\ud800\"}", "half of a surrogate pair, at byte 6"},
        {"{\"a\":\"\xff\"}", "invalid UTF-8, at byte 6"},
        {"{\"a\":\"\n\"}", "a control character in a string must be escaped, at byte 6"},
        {"{\"a\":\"b}", "a string without its closing quote, at byte 8"},
        {"{\"a\":1/**/}", "expected ',' or '}', at byte 6"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[256];
        snprintf(why, sizeof(why), "ExportLogsServiceRequest: %s", cases[i][1]);
        expect_refused(SIGNAL_LOGS, cases[i][0], why);
    }
}

Test(json, one_object_and_nothing_else)
{
    static const char *const cases[][2] = {
        {"", "expected an object, found the end of the text, at byte 0"},
        {" \n", "expected an object, found the end of the text, at byte 2"},
        {"[]", "expected an object, found an array, at byte 0"},
        {"null", "expected an object, found null, at byte 0"},
        {"\"{}\"", "expected an object, found a string, at byte 0"},
        {"7", "expected an object, found a number, at byte 0"},
        {"x", "expected an object, found something else, at byte 0"},
        {"\xef\xbb\xbf{}", "a byte order mark, which JSON must not have, at byte 0"},
        {"\xef\xbb", "expected an object, found something else, at byte 0"},
        {"{}}", "something stands behind the object, at byte 2"},
        {"{} {}", "something stands behind the object, at byte 3"},
        {"{},", "something stands behind the object, at byte 2"},
        {"{", "expected a name in quotes, at byte 1"},
        {"{\"a\":1", "expected ',' or '}', at byte 6"},
        {"{,}", "expected a name in quotes, at byte 1"},
        {"{\"a\":1,}", "expected a name after ',', at byte 7"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char why[256];
        snprintf(why, sizeof(why), "ExportTraceServiceRequest: %s", cases[i][1]);
        expect_refused(SIGNAL_TRACES, cases[i][0], why);
    }
    struct buf out;
    struct json_fault fault;
    cr_assert_not(convert(SIGNAL_LOGS, "{}\0", 3, &out, &fault), "a NUL is no white space");
    cr_assert_not(convert(SIGNAL_LOGS, "\0{}", 3, &out, &fault));
    cr_assert_not(convert(SIGNAL_LOGS, NULL, 0, &out, &fault));
}

Test(json, repeated_names_and_oneofs_are_refused)
{
    expect_refused(SIGNAL_METRICS, METRIC("\"name\":\"a\",\"unit\":\"1\",\"name\":\"a\""),
                   METRIC_PATH ".name: given twice, at byte 72");
    expect_refused_for(SIGNAL_METRICS, METRIC("\"name\":null,\"name\":\"a\""), "given twice");
    expect_refused_for(SIGNAL_METRICS, METRIC("\"name\":\"a\",\"n\\u0061me\":\"b\""),
                       "given twice");
    expect_refused_for(SIGNAL_LOGS, "{\"resourceLogs\":[],\"resourceLogs\":[{}]}", "given twice");
    expect_refused(SIGNAL_METRICS, POINT("\"asInt\":1,\"asDouble\":1"),
                   METRIC_PATH ".gauge.dataPoints[0].asDouble: given beside asInt, of which only "
                               "one may be, at byte 84");
    expect_refused_for(SIGNAL_METRICS, POINT("\"asInt\":1,\"asInt\":1"), "asInt: given twice");
    expect_refused_for(SIGNAL_METRICS, METRIC("\"sum\":{},\"gauge\":{}"),
                       "gauge: given beside sum");
    expect_refused_for(SIGNAL_LOGS, BODY("\"stringValue\":\"\",\"kvlistValue\":{}"),
                       "body.kvlistValue: given beside stringValue");
    /* Neighbours, and oneofs of one member each. */
    expect_taken(SIGNAL_METRICS, HISTOGRAM("\"sum\":1,\"min\":1,\"max\":1"));
    expect_taken(SIGNAL_METRICS, METRIC("\"name\":\"a\"},{\"name\":\"a\""));
    expect_taken(SIGNAL_METRICS, POINT("\"asInt\":1},{\"asDouble\":1"));
}

Test(json, messages_are_objects_and_lists_are_arrays)
{
    expect_refused(SIGNAL_LOGS, "{\"resourceLogs\":{}}",
                   "resourceLogs: expected an array, found an object, at byte 16");
    expect_refused(SIGNAL_LOGS, "{\"resourceLogs\":[{\"resource\":[]}]}",
                   "resourceLogs[0].resource: expected an object, found an array, at byte 29");
    expect_refused(SIGNAL_LOGS, "{\"resourceLogs\":[{},7]}",
                   "resourceLogs[1]: expected an object, found a number, at byte 20");
    expect_refused(SIGNAL_LOGS, "{\"resourceLogs\":[[]]}",
                   "resourceLogs[0]: expected an object, found an array, at byte 17");
    expect_refused(SIGNAL_LOGS, "{\"resourceLogs\":[{}",
                   "resourceLogs: expected ',' or ']', at byte 19");
    expect_refused_for(SIGNAL_METRICS, HISTOGRAM("\"bucketCounts\":1"),
                       "bucketCounts: expected an array, found a number");
}

/* Our schema, as far as the mapping leans on it: at most 64 fields a message, and no float. */
static void check_schema(const ProtobufCMessageDescriptor *type, unsigned depth)
{
    cr_assert_leq(type->n_fields, 64);
    for (unsigned i = 0; i < type->n_fields && depth < 12; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        cr_assert_neq(field->type, PROTOBUF_C_TYPE_FLOAT);
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            check_schema(field->descriptor, depth + 1);
        }
    }
}

Test(json, the_schema_is_as_the_mapping_wants_it)
{
    for (unsigned signal = 0; signal < SIGNAL_COUNT; signal++) {
        check_schema(signal_info((enum signal)signal)->request, 1);
    }
}
