/* test_fleet_names.c: metric and label names, values as text, and the hash behind them. */
#include "otlp/fleet/fleet_hash.h"
#include "otlp/fleet/fleet_names.h"
#include "otlp/fleet/fleet_value.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

struct name_case {
    const char *name, *unit;
    enum fleet_name_kind kind;
    const char *expected; /* NULL: refused */
};

#define COUNTER FLEET_NAME_COUNTER
#define GAUGE FLEET_NAME_GAUGE
#define OTHER FLEET_NAME_OTHER

static const struct name_case cases[] = {
    /* the published client's */
    {"kotormodsync.events", "events", COUNTER, "kotormodsync_events_total"},
    {"kotormodsync.errors", "errors", COUNTER, "kotormodsync_errors_total"},
    {"kotormodsync.operation.duration", "ms", OTHER,
     "kotormodsync_operation_duration_milliseconds"},
    {"kotormodsync.mods.installed", "mods", COUNTER, "kotormodsync_mods_installed_total"},
    {"kotormodsync.mods.validated", "mods", COUNTER, "kotormodsync_mods_validated_total"},
    {"kotormodsync.downloads", "downloads", COUNTER, "kotormodsync_downloads_total"},
    {"kotormodsync.download.size", "bytes", OTHER, "kotormodsync_download_size_bytes"},
    {"kotormodsync.cache.hits", "hits", COUNTER, "kotormodsync_cache_hits_total"},
    {"kotormodsync.cache.size", "bytes", COUNTER, "kotormodsync_cache_size_bytes_total"},
    {"kotormodsync.cache.operation.duration", "ms", OTHER,
     "kotormodsync_cache_operation_duration_milliseconds"},
    /* units */
    {"system.io", "By", COUNTER, "system_io_bytes_total"},
    {"system.filesystem.usage", "By", OTHER, "system_filesystem_usage_bytes"},
    {"a", "d", OTHER, "a_days"},
    {"a", "h", OTHER, "a_hours"},
    {"a", "min", OTHER, "a_minutes"},
    {"a", "s", OTHER, "a_seconds"},
    {"a", "us", OTHER, "a_microseconds"},
    {"a", "ns", OTHER, "a_nanoseconds"},
    {"a", "KiBy", OTHER, "a_kibibytes"},
    {"a", "MiBy", OTHER, "a_mebibytes"},
    {"a", "GiBy", OTHER, "a_gibibytes"},
    {"a", "TiBy", OTHER, "a_tebibytes"},
    {"a", "KBy", OTHER, "a_kilobytes"},
    {"a", "MBy", OTHER, "a_megabytes"},
    {"a", "GBy", OTHER, "a_gigabytes"},
    {"a", "TBy", OTHER, "a_terabytes"},
    {"a", "m", OTHER, "a_meters"},
    {"a", "V", OTHER, "a_volts"},
    {"a", "A", OTHER, "a_amperes"},
    {"a", "J", OTHER, "a_joules"},
    {"a", "W", OTHER, "a_watts"},
    {"a", "g", OTHER, "a_grams"},
    {"a", "Cel", OTHER, "a_celsius"},
    {"a", "Hz", OTHER, "a_hertz"},
    {"a", "%", OTHER, "a_percent"},
    {"a", "  By\t", OTHER, "a_bytes"},
    {"a", "", OTHER, "a"},
    {"a", "   \t ", OTHER, "a"},
    {"a", "{packets}", OTHER, "a"},
    {"a", "{packets}", COUNTER, "a_total"},
    {"a", "By{transmitted}", OTHER, "a"},
    {"dropped", "packets", OTHER, "dropped_packets"},
    {"a",
     "\xc2\xb0"
     "F",
     OTHER, "a_F"},
    {"a", "+=.:,!* & #", OTHER, "a"},
    {"a",
     "__test $/\xc2\xb0"
     "C",
     OTHER, "a_test_per_C"},
    {"a", "half life", OTHER, "a_half_life"},
    /* a unit that the name has already */
    {"nginx.requests", "requests", OTHER, "nginx_requests"},
    {"packets.dropped", "packets", OTHER, "packets_dropped"},
    {"latency.seconds", "s", OTHER, "latency_seconds"},
    {"seconds.latency", "s", COUNTER, "seconds_latency_total"},
    {"milliseconds2", "ms", OTHER, "milliseconds2_milliseconds"}, /* a token, not a substring */
    {"Requests", "requests", OTHER, "Requests_requests"},
    /* per */
    {"speed", "m/s", OTHER, "speed_meters_per_second"},
    {"speed", "km/h", OTHER, "speed_km_per_hour"},
    {"a", "By/s", OTHER, "a_bytes_per_second"},
    {"a", "GiBy/h", OTHER, "a_gibibytes_per_hour"},
    {"a", "1/m", OTHER, "a_per_minute"},
    {"a", "1/d", OTHER, "a_per_day"},
    {"a", "1/w", OTHER, "a_per_week"},
    {"a", "1/mo", OTHER, "a_per_month"},
    {"a", "1/y", OTHER, "a_per_year"},
    {"a", "{objects}/s", OTHER, "a_per_second"},
    {"a", "{scanned}/{returned}", OTHER, "a"},
    {"a", "By/", OTHER, "a_bytes"},
    {"a", "/s", OTHER, "a_per_second"},
    {"a", "a/b/c", OTHER, "a_per_b_c"},
    {"per.second", "By/s", OTHER, "per_second_bytes"},
    /* suffixes */
    {"x.total", "", COUNTER, "x_total"},
    {"total.x", "", COUNTER, "x_total"},
    {"total", "", COUNTER, "total"},
    {"network_transmitted_bytes_total", "By", COUNTER, "network_transmitted_bytes_total"},
    {"x.total", "", OTHER, "x_total"},
    {"objects", "1", COUNTER, "objects_total"},
    {"utilization", "1", GAUGE, "utilization_ratio"},
    {"fan.speed_ratio", "1", GAUGE, "fan_speed_ratio"},
    {"utilization", "1", OTHER, "utilization"},
    {"load_average.15m", "1", GAUGE, "load_average_15m_ratio"},
    /* characters */
    {":foo::bar", "", OTHER, "foo_bar"},
    {"a..b--c__d/e", "", OTHER, "a_b_c_d_e"},
    {"  spaced  out ", "", OTHER, "spaced_out"},
    {"3.14 digits", "", OTHER, "_3_14_digits"},
    {"9", "", COUNTER, "_9_total"},
    {"caf\xc3\xa9.x", "", OTHER, "caf_x"},
    {"a\"} 1\nb 2", "", OTHER, "a_1_b_2"},
    {"", "By", OTHER, NULL},
    {"...", "", COUNTER, NULL},
    {"\xe6\x97\xa5\xe6\x9c\xac", "By", OTHER, NULL},
};

Test(fleet_names, metrics)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = BUF_INIT;
        bool named = fleet_metric_name(&out, slice_of(cases[i].name), slice_of(cases[i].unit),
                                       cases[i].kind);
        cr_expect_eq(named, cases[i].expected != NULL, "%s [%s]", cases[i].name, cases[i].unit);
        cr_expect_str_eq(buf_cstr(&out), cases[i].expected != NULL ? cases[i].expected : "",
                         "%s [%s] gave %s", cases[i].name, cases[i].unit, buf_cstr(&out));
        buf_free(&out);
    }
}

Test(fleet_names, limits)
{
    char *name = malloc(FLEET_NAME_MAX + 1); /* from the heap: the sanitizer guards its end */
    char unit[FLEET_UNIT_MAX + 1];
    struct buf out = BUF_INIT;
    cr_assert_not_null(name);
    for (size_t i = 0; i < FLEET_NAME_MAX + 1; i++) {
        name[i] = i % 2 == 0 ? 'a' : '.';
    }
    memset(unit, 'u', sizeof(unit));
    unit[31] = '/';
    memset(unit + 32, 'v', sizeof(unit) - 32);
    cr_assert(fleet_metric_name(&out, slice_make(name, FLEET_NAME_MAX),
                                slice_make(unit, FLEET_UNIT_MAX), FLEET_NAME_COUNTER));
    cr_assert_eq(out.len, FLEET_NAME_MAX + 1 + 31 + 5 + 31 + 6);
    cr_assert_not(fleet_metric_name(&out, slice_make(name, FLEET_NAME_MAX + 1), SLICE_LIT(""),
                                    FLEET_NAME_COUNTER));
    buf_clear(&out);
    cr_assert(fleet_metric_name(&out, SLICE_LIT("a"), slice_make(unit, FLEET_UNIT_MAX + 1),
                                FLEET_NAME_OTHER));
    cr_assert_str_eq(buf_cstr(&out), "a");
    buf_free(&out);
    free(name);
}

Test(fleet_names, labels)
{
    static const char *const pairs[][2] = {
        {"event.name", "event_name"},
        {"platform", "platform"},
        {"a_b", "a_b"},
        {"a..b", "a__b"},
        {"1st", "key_1st"},
        {"_hidden", "key_hidden"},
        {"__name__", "key__name__"},
        {".dot", "key_dot"},
        {"caf\xc3\xa9", "caf_"},
        {"\xe6\x97\xa5", "key_"},
        {"a\xff\xfe", "a__"},
        {"a\"=b", "a__b"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct buf out = BUF_INIT;
        fleet_label_name(&out, slice_of(pairs[i][0]));
        cr_expect_str_eq(buf_cstr(&out), pairs[i][1], "%s gave %s", pairs[i][0], buf_cstr(&out));
        buf_free(&out);
    }
}

/* --- values ----------------------------------------------------------------------------------- */

#define ANY(which) OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_##which

static fleet_any any_of(int which)
{
    fleet_any any = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT;
    any.value_case = (Opentelemetry__Proto__Common__V1__AnyValue__ValueCase)which;
    return any;
}

static void expect_text(const fleet_any *any, const char *expected)
{
    struct buf out = BUF_INIT;
    cr_expect(fleet_value_text(&out, any));
    cr_expect_str_eq(buf_cstr(&out), expected, "%s, not %s", buf_cstr(&out), expected);
    buf_free(&out);
}

static void expect_double(double value, const char *expected)
{
    fleet_any any = any_of(ANY(DOUBLE_VALUE));
    any.double_value = value;
    expect_text(&any, expected);
}

Test(fleet_values, scalars)
{
    char text[] = "caf\xc3\xa9 \"x\"";
    uint8_t bytes[] = {0, 1, 2, 0xff};
    fleet_any any = any_of(ANY(STRING_VALUE));
    any.string_value = text;
    expect_text(&any, text);
    any = any_of(ANY(BOOL_VALUE));
    expect_text(&any, "false");
    any.bool_value = 1;
    expect_text(&any, "true");
    any = any_of(ANY(INT_VALUE));
    any.int_value = INT64_MIN;
    expect_text(&any, "-9223372036854775808");
    expect_double(0.1, "0.1");
    expect_double(3, "3");
    expect_double(1e300, "1e+300");
    expect_double(1.0 / 3, "0.333333333333333"
                           "3");
    expect_double((double)NAN, "NaN");
    expect_double((double)INFINITY, "+Inf");
    any = any_of(ANY(BYTES_VALUE));
    any.bytes_value = (ProtobufCBinaryData){4, bytes};
    expect_text(&any, "AAEC/w==");
    any.bytes_value.len = 3;
    expect_text(&any, "AAEC");
    any.bytes_value.len = 2;
    expect_text(&any, "AAE=");
    any.bytes_value.len = 0;
    expect_text(&any, "");
    any = any_of(ANY(_NOT_SET));
    expect_text(&any, "");
    any = any_of(ANY(STRING_VALUE_STRINDEX));
    expect_text(&any, "");
    expect_text(NULL, "");
}

Test(fleet_values, json)
{
    char text[] = "a\"b";
    char key[] = "k";
    fleet_any string = any_of(ANY(STRING_VALUE));
    string.string_value = text;
    fleet_any number = any_of(ANY(INT_VALUE));
    number.int_value = 7;
    fleet_any nan = any_of(ANY(DOUBLE_VALUE));
    nan.double_value = (double)NAN;
    Opentelemetry__Proto__Common__V1__KeyValue pair =
        OPENTELEMETRY__PROTO__COMMON__V1__KEY_VALUE__INIT;
    Opentelemetry__Proto__Common__V1__KeyValue *pairs[] = {&pair, &pair};
    pair.key = key;
    Opentelemetry__Proto__Common__V1__KeyValueList map =
        OPENTELEMETRY__PROTO__COMMON__V1__KEY_VALUE_LIST__INIT;
    map.n_values = 2;
    map.values = pairs;
    fleet_any map_any = any_of(ANY(KVLIST_VALUE));
    map_any.kvlist_value = &map;
    fleet_any *items[] = {&string, &number, &nan, &map_any};
    Opentelemetry__Proto__Common__V1__ArrayValue list =
        OPENTELEMETRY__PROTO__COMMON__V1__ARRAY_VALUE__INIT;
    list.n_values = 4;
    list.values = items;
    fleet_any any = any_of(ANY(ARRAY_VALUE));
    any.array_value = &list;
    expect_text(&any, "[\"a\\\"b\",7,\"NaN\",{\"k\":null,\"k\":null}]");
}

static bool nest(unsigned depth)
{
    fleet_any any[40];
    fleet_any *pointers[40];
    Opentelemetry__Proto__Common__V1__ArrayValue lists[40];
    for (unsigned i = 0; i < depth; i++) {
        opentelemetry__proto__common__v1__array_value__init(&lists[i]);
        any[i] = any_of(ANY(ARRAY_VALUE));
        any[i].array_value = &lists[i];
        pointers[i] = &any[i];
        if (i > 0) {
            lists[i].n_values = 1;
            lists[i].values = &pointers[i - 1];
        }
    }
    struct buf out = BUF_INIT;
    bool ok = fleet_value_text(&out, &any[depth - 1]);
    buf_free(&out);
    return ok;
}

Test(fleet_values, depth_and_length_are_bounded)
{
    static char text[FLEET_VALUE_BYTES + 1];
    cr_expect(nest(FLEET_VALUE_DEPTH + 1));
    cr_expect_not(nest(FLEET_VALUE_DEPTH + 2));
    memset(text, 'x', sizeof(text) - 1);
    fleet_any string = any_of(ANY(STRING_VALUE));
    string.string_value = text;
    fleet_any *items[] = {&string};
    Opentelemetry__Proto__Common__V1__ArrayValue list =
        OPENTELEMETRY__PROTO__COMMON__V1__ARRAY_VALUE__INIT;
    list.n_values = 1;
    list.values = items;
    fleet_any any = any_of(ANY(ARRAY_VALUE));
    any.array_value = &list;
    struct buf out = BUF_INIT;
    cr_expect_not(fleet_value_text(&out, &any));
    buf_free(&out);
}

/* --- hash ------------------------------------------------------------------------------------- */

/* From the authors' vectors of the 128-bit output: key and input are the bytes 0, 1, 2, … */
Test(fleet_hash, siphash_vectors)
{
    static const uint8_t expected[3][16] = {
        {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
         0x93},
        {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
         0x45},
        {0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3,
         0xd9},
    };
    static const size_t lengths[3] = {0, 1, 15};
    uint8_t bytes[16];
    for (unsigned i = 0; i < 16; i++) {
        bytes[i] = (uint8_t)i;
    }
    for (unsigned v = 0; v < 3; v++) {
        struct fleet_hash hash = fleet_hash(bytes, bytes, lengths[v]);
        for (unsigned i = 0; i < 8; i++) {
            cr_expect_eq((uint8_t)(hash.low >> 8 * i), expected[v][i], "vector %u byte %u", v, i);
            cr_expect_eq((uint8_t)(hash.high >> 8 * i), expected[v][8 + i], "vector %u", v);
        }
    }
}
