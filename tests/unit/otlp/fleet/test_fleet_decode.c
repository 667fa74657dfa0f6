/* test_fleet_decode.c: payloads, those of the real exporter among them, become series. */
#include "otlp/fleet/fleet_arena.h"
#include "otlp/fleet/fleet_decode.h"

#include <criterion/criterion.h>
#include <math.h>
#include <otlp/proto/metrics_service.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SESSION "5f0c1c9e-7f0e-4a53-9a55-0d4a5a8f7a11"

static const char *const drops[] = {"session.id", "user.id", "service.instance.id",
                                    "component.total", "component.selected"};
static const char *const resources[] = {"platform"};

struct rig {
    struct fleet *f;
    struct fleet_decoder *decoder;
};

static struct rig make(void)
{
    struct fleet_options options = {.max_series = 1000,
                                    .max_sessions = 1000,
                                    .max_streams = 2000,
                                    .max_bytes = (size_t)1 << 30,
                                    .session_idle_ns = INT64_C(3600000000000),
                                    .rules = {resources, 1, drops, 5}};
    struct rig rig = {fleet_create(&options), fleet_decoder_create((size_t)64 << 20)};
    cr_assert(rig.f != NULL && rig.decoder != NULL);
    return rig;
}

static void destroy(struct rig *rig)
{
    fleet_decoder_destroy(rig->decoder);
    fleet_destroy(rig->f);
}

static struct buf rendering(const struct rig *rig)
{
    struct buf out = BUF_INIT;
    fleet_render(rig->f, &out);
    return out;
}

static void expect_line(const struct rig *rig, const char *line)
{
    struct buf out = rendering(rig);
    cr_expect(strstr(buf_cstr(&out), line) != NULL, "no %s in\n%s", line, buf_cstr(&out));
    buf_free(&out);
}

/* --- the real exporter ------------------------------------------------------------------------ */

/* The body of a captured request; returns its length. */
static size_t read_capture(const char *name, char *out, size_t size)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/captures/%s", SIGPOST_TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    size_t len = fread(out, 1, size, file);
    fclose(file);
    const char *body = memmem(out, len, "\r\n\r\n", 4);
    cr_assert_not_null(body);
    len -= (size_t)(body + 4 - out);
    memmove(out, body + 4, len);
    return len;
}

static void feed_capture(struct rig *rig, const char *name, const char *session, int64_t arrived)
{
    static char bytes[65536];
    size_t len = read_capture(name, bytes, sizeof(bytes));
    cr_assert(
        fleet_decode(rig->decoder, rig->f, slice_of(session), arrived, slice_make(bytes, len)));
}

static double sum_of(const struct rig *rig, const char *name)
{
    struct buf out = rendering(rig);
    double sum = 0;
    const char *rest = buf_cstr(&out);
    while (rest != NULL && *rest != '\0') {
        const char *end = strchr(rest, '\n');
        if (strncmp(rest, name, strlen(name)) == 0 && strchr("{ ", rest[strlen(name)]) != NULL) {
            const char *space = end;
            while (*space != ' ') {
                space--;
            }
            sum += strtod(space, NULL);
        }
        rest = end != NULL ? end + 1 : NULL;
    }
    buf_free(&out);
    return sum;
}

static void feed_run(struct rig *rig, const char *session)
{
    feed_capture(rig, "root-metrics-1.http", session, 1);
    feed_capture(rig, "root-metrics-2.http", session, 2);
    feed_capture(rig, "root-metrics-3.http", session, 3);
}

Test(fleet_decode, captures_of_one_session_and_of_two)
{
    struct rig rig = make();
    feed_run(&rig, SESSION);
    cr_expect_eq(sum_of(&rig, "kotormodsync_events_total"), 3);
    feed_run(&rig, SESSION); /* once more: late, all of it */
    cr_expect_eq(sum_of(&rig, "kotormodsync_events_total"), 3);
    cr_expect_gt(fleet_get_counts(rig.f)->late, 0);
    feed_run(&rig, "another");
    cr_expect_eq(sum_of(&rig, "kotormodsync_events_total"), 6);
    cr_expect_eq(fleet_get_counts(rig.f)->sessions, 2);
    for (int i = 0; i < FLEET_REFUSAL_COUNT; i++) {
        cr_expect_eq(fleet_get_counts(rig.f)->refused[i], 0, "%s",
                     fleet_refusal_word((enum fleet_refusal)i));
    }
    destroy(&rig);
}

Test(fleet_decode, captures_give_the_names_their_users_expect)
{
    static const char *const names[] = {"kotormodsync_events_total",
                                        "kotormodsync_errors_total",
                                        "kotormodsync_mods_installed_total",

                                        "kotormodsync_downloads_total",
                                        "kotormodsync_download_size_bytes_bucket",
                                        "kotormodsync_download_size_bytes_sum",
                                        "kotormodsync_download_size_bytes_count",
                                        "kotormodsync_operation_duration_milliseconds_bucket",
                                        "kotormodsync_operation_duration_milliseconds_count"};
    struct rig rig = make();
    feed_run(&rig, SESSION);
    struct buf out = rendering(&rig);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct buf wanted = BUF_INIT;
        buf_printf(&wanted, "\n%s{", names[i]);
        cr_expect(strstr(buf_cstr(&out), buf_cstr(&wanted)) != NULL, "no %s in\n%s", names[i],
                  buf_cstr(&out));
        buf_free(&wanted);
    }
    cr_expect(strstr(buf_cstr(&out), "platform=\"Unix\"") != NULL);
    cr_expect(strstr(buf_cstr(&out), "event_name=\"session.start\"") != NULL);
    cr_expect(strstr(buf_cstr(&out), SESSION) == NULL);
    cr_expect(strstr(buf_cstr(&out), "user_id") == NULL);
    buf_free(&out);
    destroy(&rig);
}

Test(fleet_decode, promtool_has_nothing_to_say)
{
    struct rig rig = make();
    if (system("command -v promtool >/dev/null 2>&1") != 0) {
        destroy(&rig);
        cr_skip_test("promtool is not on the PATH");
    }
    feed_run(&rig, SESSION);
    struct buf out = rendering(&rig);
    FILE *promtool = popen("promtool check metrics 2>&1", "w");
    cr_assert_not_null(promtool);
    fwrite(out.data, 1, out.len, promtool);
    int status = pclose(promtool);
    /* 3: it would rather have seconds than milliseconds; 1: the text is not right */
    cr_expect(status == 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 3), "status %d", status);
    buf_free(&out);
    destroy(&rig);
}

/* --- made payloads ---------------------------------------------------------------------------- */

typedef Opentelemetry__Proto__Metrics__V1__Metric metric_message;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint number_point;
typedef Opentelemetry__Proto__Metrics__V1__HistogramDataPoint histogram_point;
typedef Opentelemetry__Proto__Common__V1__KeyValue key_value;
typedef Opentelemetry__Proto__Common__V1__AnyValue any_value;

#define DATA(name) OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_##name
#define TEMPORALITY(name) \
    OPENTELEMETRY__PROTO__METRICS__V1__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_##name

/* A request of one metric in one scope of one resource, whose attributes are strings. */
struct request {
    Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest message;
    Opentelemetry__Proto__Metrics__V1__ResourceMetrics resource_metrics, *one_resource;
    Opentelemetry__Proto__Metrics__V1__ScopeMetrics scope, *one_scope;
    metric_message *metric;
};

static void make_request(struct request *r, metric_message *metric)
{
    opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__init(&r->message);
    opentelemetry__proto__metrics__v1__resource_metrics__init(&r->resource_metrics);
    opentelemetry__proto__metrics__v1__scope_metrics__init(&r->scope);
    r->one_resource = &r->resource_metrics;
    r->one_scope = &r->scope;
    r->metric = metric;
    r->message.n_resource_metrics = 1;
    r->message.resource_metrics = &r->one_resource;
    r->resource_metrics.n_scope_metrics = 1;
    r->resource_metrics.scope_metrics = &r->one_scope;
    r->scope.n_metrics = 1;
    r->scope.metrics = &r->metric;
}

static bool feed_request(struct rig *rig, const char *session, const struct request *r)
{
    size_t len = protobuf_c_message_get_packed_size(&r->message.base);
    uint8_t *bytes = malloc(len);
    protobuf_c_message_pack(&r->message.base, bytes);
    bool ok = fleet_decode(rig->decoder, rig->f, slice_of(session), 1, slice_make(bytes, len));
    free(bytes);
    return ok;
}

static bool feed(struct rig *rig, const char *session, key_value **attributes, size_t n,
                 metric_message *metric)
{
    struct request r;
    Opentelemetry__Proto__Resource__V1__Resource resource;
    opentelemetry__proto__resource__v1__resource__init(&resource);
    resource.n_attributes = n;
    resource.attributes = attributes;
    make_request(&r, metric);
    r.resource_metrics.resource = attributes != NULL ? &resource : NULL;
    return feed_request(rig, session, &r);
}

/* schema_url: NULL for none. */
static void feed_scope(struct rig *rig,
                       Opentelemetry__Proto__Common__V1__InstrumentationScope *scope,
                       char *schema_url, metric_message *metric)
{
    struct request r;
    make_request(&r, metric);
    r.scope.scope = scope;
    if (schema_url != NULL) {
        r.scope.schema_url = schema_url;
    }
    cr_assert(feed_request(rig, "s", &r));
}

struct number_metric {
    metric_message message;
    Opentelemetry__Proto__Metrics__V1__Sum sum;
    number_point point;
    number_point *points[1];
};

static void number_metric(struct number_metric *m, double value)
{
    static char name[] = "m";
    opentelemetry__proto__metrics__v1__metric__init(&m->message);
    opentelemetry__proto__metrics__v1__sum__init(&m->sum);
    opentelemetry__proto__metrics__v1__number_data_point__init(&m->point);
    m->message.name = name;
    m->message.data_case = DATA(SUM);
    m->message.sum = &m->sum;
    m->sum.is_monotonic = 1;
    m->sum.aggregation_temporality = TEMPORALITY(CUMULATIVE);
    m->sum.n_data_points = 1;
    m->sum.data_points = m->points;
    m->points[0] = &m->point;
    m->point.time_unix_nano = 5;
    m->point.value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE;
    m->point.as_double = value;
}

static void text_attribute(key_value *pair, any_value *any, char *key, char *text)
{
    opentelemetry__proto__common__v1__key_value__init(pair);
    opentelemetry__proto__common__v1__any_value__init(any);
    pair->key = key;
    pair->value = any;
    any->value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
    any->string_value = text;
}

Test(fleet_decode, a_session_without_a_signature_is_named_by_its_resource)
{
    struct rig rig = make();
    struct number_metric m;
    key_value pairs[2];
    any_value values[2];
    key_value *both[] = {&pairs[0], &pairs[1]};
    char session_key[] = "session.id";
    char instance_key[] = "service.instance.id";
    char same[] = "same";
    char one[] = "one";
    number_metric(&m, 5);
    text_attribute(&pairs[0], &values[0], session_key, same);
    text_attribute(&pairs[1], &values[1], instance_key, one);
    feed(&rig, "", both, 1, &m.message);
    cr_expect_eq(fleet_get_counts(rig.f)->sessions, 1);
    feed(&rig, "same", both, 1, &m.message); /* the same session */
    expect_line(&rig, "m_total 5\n");
    feed(&rig, "", both, 2, &m.message); /* the instance goes before session.id */
    cr_expect_eq(fleet_get_counts(rig.f)->sessions, 2);
    feed(&rig, "", NULL, 0, &m.message);
    feed(&rig, "", NULL, 0, &m.message);
    cr_expect_eq(fleet_get_counts(rig.f)->sessions, 3);
    expect_line(&rig, "m_total 15\n");
    destroy(&rig);
}

/* Two scopes of one name: in one request, and in the next. */
Test(fleet_decode, scopes_are_told_apart_by_attributes_and_schema)
{
    struct rig rig = make();
    struct number_metric m;
    key_value pair;
    key_value *pairs[] = {&pair};
    any_value value;
    char key[] = "part";
    char a[] = "a";
    char b[] = "b";
    char url[] = "https://example.org/1";
    Opentelemetry__Proto__Common__V1__InstrumentationScope scope;
    opentelemetry__proto__common__v1__instrumentation_scope__init(&scope);
    scope.n_attributes = 1;
    scope.attributes = pairs;
    number_metric(&m, 5);
    text_attribute(&pair, &value, key, a);
    feed_scope(&rig, &scope, NULL, &m.message);
    feed_scope(&rig, &scope, url, &m.message);
    text_attribute(&pair, &value, key, b);
    feed_scope(&rig, &scope, NULL, &m.message);
    feed_scope(&rig, &scope, NULL, &m.message); /* late */
    expect_line(&rig, "m_total 15\n");
    cr_expect_eq(fleet_get_counts(rig.f)->late, 1);
    destroy(&rig);
}

/* One resource with one attribute, of value "x". */
Test(fleet_decode, a_zero_byte_in_a_resources_key_is_refused)
{
    struct rig rig = make();
    char payload[] = "\x0a\x0d\x0a\x0b\x0a\x09\x0a\x02"
                     "ab\x12\x03\x0a\x01x";
    struct slice bytes = slice_make(payload, sizeof(payload) - 1);
    cr_expect(fleet_decode(rig.decoder, rig.f, slice_of("s"), 1, bytes));
    payload[9] = '\0';
    cr_expect_not(fleet_decode(rig.decoder, rig.f, slice_of("s"), 1, bytes));
    cr_expect_eq(fleet_get_counts(rig.f)->refused[FLEET_DECODE], 1);
    destroy(&rig);
}

Test(fleet_decode, attributes_of_all_types)
{
    struct rig rig = make();
    struct number_metric m;
    key_value pairs[4];
    any_value values[4];
    key_value *all[] = {&pairs[0], &pairs[1], &pairs[2], &pairs[3]};
    char keys[4][2] = {"a", "b", "c", "d"};
    char text[] = "text";
    number_metric(&m, 5);
    for (size_t i = 0; i < 4; i++) {
        text_attribute(&pairs[i], &values[i], keys[i], text);
    }
    values[0].value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE;
    values[0].int_value = -7;
    values[2].value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BOOL_VALUE;
    values[2].bool_value = 1;
    pairs[3].value = NULL;
    m.point.n_attributes = 4;
    m.point.attributes = all;
    feed(&rig, "s", NULL, 0, &m.message);
    expect_line(&rig, "m_total{a=\"-7\",b=\"text\",c=\"true\"} 5\n");
    values[0].int_value = 8; /* integers and their texts are different streams */
    feed(&rig, "s", NULL, 0, &m.message);
    char eight[] = "8";
    text_attribute(&pairs[0], &values[0], keys[0], eight);
    feed(&rig, "s", NULL, 0, &m.message);
    expect_line(&rig, "m_total{a=\"8\",b=\"text\",c=\"true\"} 10\n");
    destroy(&rig);
}

Test(fleet_decode, what_is_not_shown_is_counted)
{
    struct rig rig = make();
    const struct fleet_counts *counts = fleet_get_counts(rig.f);
    struct number_metric m;
    Opentelemetry__Proto__Metrics__V1__Gauge gauge;
    Opentelemetry__Proto__Metrics__V1__Summary summary;
    Opentelemetry__Proto__Metrics__V1__SummaryDataPoint summary_point;
    Opentelemetry__Proto__Metrics__V1__SummaryDataPoint *summary_points[] = {&summary_point,
                                                                             &summary_point};
    opentelemetry__proto__metrics__v1__gauge__init(&gauge);
    opentelemetry__proto__metrics__v1__summary__init(&summary);
    opentelemetry__proto__metrics__v1__summary_data_point__init(&summary_point);
    number_metric(&m, 5);
    m.sum.aggregation_temporality = TEMPORALITY(UNSPECIFIED);
    feed(&rig, "s", NULL, 0, &m.message);
    cr_expect_eq(counts->refused[FLEET_TEMPORALITY], 1);
    number_metric(&m, (double)NAN);
    feed(&rig, "s", NULL, 0, &m.message);
    cr_expect_eq(counts->refused[FLEET_VALUE], 1);
    m.point.flags = 1; /* no value was recorded: nothing to count */
    feed(&rig, "s", NULL, 0, &m.message);
    m.point.flags = 0;
    m.point.value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE__NOT_SET;
    feed(&rig, "s", NULL, 0, &m.message);
    cr_expect_eq(counts->refused[FLEET_VALUE], 2);
    gauge.n_data_points = 1;
    gauge.data_points = m.points;
    m.message.data_case = DATA(GAUGE);
    m.message.gauge = &gauge;
    feed(&rig, "s", NULL, 0, &m.message);
    cr_expect_eq(counts->refused[FLEET_GAUGE], 1);
    summary.n_data_points = 2;
    summary.data_points = summary_points;
    m.message.data_case = DATA(SUMMARY);
    m.message.summary = &summary;
    feed(&rig, "s", NULL, 0, &m.message);
    cr_expect_eq(counts->refused[FLEET_SUMMARY], 2);
    m.message.data_case = DATA(_NOT_SET);
    feed(&rig, "s", NULL, 0, &m.message);
    cr_expect_eq(counts->folded + counts->late, 0);
    destroy(&rig);
}

Test(fleet_decode, integers_deltas_and_up_down_sums)
{
    struct rig rig = make();
    struct number_metric m;
    char other[] = "open";
    number_metric(&m, 0);
    m.point.value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT;
    m.point.as_int = 41;
    m.sum.aggregation_temporality = TEMPORALITY(DELTA);
    feed(&rig, "s", NULL, 0, &m.message);
    m.point.time_unix_nano++;
    m.point.as_int = 1;
    feed(&rig, "s", NULL, 0, &m.message);
    expect_line(&rig, "m_total 42\n");
    m.message.name = other;
    m.sum.is_monotonic = 0;
    m.sum.aggregation_temporality = TEMPORALITY(CUMULATIVE);
    m.point.as_int = -3;
    feed(&rig, "s", NULL, 0, &m.message);
    expect_line(&rig, "# TYPE open gauge\nopen -3\n");
    destroy(&rig);
}

/* --- hostile payloads ------------------------------------------------------------------------- */

Test(fleet_decode, damaged_payloads_are_counted)
{
    struct rig rig = make();
    cr_expect_not(fleet_decode(rig.decoder, rig.f, SLICE_LIT("s"), 1, SLICE_LIT("\x0a\x7f")));
    cr_expect_eq(fleet_get_counts(rig.f)->refused[FLEET_DECODE], 1);
    cr_expect(fleet_decode(rig.decoder, rig.f, SLICE_LIT("s"), 1, SLICE_LIT("")));
    feed_run(&rig, SESSION); /* and the next ones are folded */
    cr_expect_eq(sum_of(&rig, "kotormodsync_events_total"), 3);
    destroy(&rig);
}

/* Every byte of a real payload changed in turn: refused or folded, but nothing breaks. */
Test(fleet_decode, mutated_payloads_do_no_harm)
{
    static const unsigned char others[] = {0x00, 0x7f, 0x80, 0xff};
    static char bytes[65536];
    struct rig rig = make();
    size_t len = read_capture("root-metrics-3.http", bytes, sizeof(bytes));
    for (size_t i = 0; i < len * 4; i++) {
        char before = bytes[i / 4];
        bytes[i / 4] = (char)others[i % 4];
        fleet_decode(rig.decoder, rig.f, SLICE_LIT("s"), 1, slice_make(bytes, len));
        bytes[i / 4] = before;
    }
    cr_expect_gt(fleet_get_counts(rig.f)->refused[FLEET_DECODE], 0);
    cr_expect_gt(fleet_get_counts(rig.f)->late, 0);
    struct buf out = rendering(&rig);
    cr_expect_not(out.failed);
    buf_free(&out);
    destroy(&rig);
}

Test(fleet_decode, memory_of_a_payload_is_bounded)
{
    struct rig rig = make();
    fleet_decoder_destroy(rig.decoder);
    rig.decoder = fleet_decoder_create((size_t)1 << 20);
    size_t len = (size_t)1 << 18;
    char *bytes = malloc(len);
    for (size_t i = 0; i < len; i += 2) {
        bytes[i] = '\x0a'; /* an empty ResourceMetrics: two bytes, forty in memory */
        bytes[i + 1] = 0;
    }
    cr_expect_not(fleet_decode(rig.decoder, rig.f, SLICE_LIT("s"), 1, slice_make(bytes, len)));
    cr_expect_eq(fleet_get_counts(rig.f)->refused[FLEET_DECODE], 1);
    free(bytes);
    feed_run(&rig, SESSION);
    cr_expect_eq(sum_of(&rig, "kotormodsync_events_total"), 3);
    destroy(&rig);
}

Test(fleet_decode, too_many_attributes)
{
    struct rig rig = make();
    struct number_metric m;
    static key_value pair;
    static any_value value;
    static key_value *many[FLEET_ATTRIBUTES_MAX + 1];
    char key[] = "k";
    char text[] = "v";
    text_attribute(&pair, &value, key, text);
    for (size_t i = 0; i <= FLEET_ATTRIBUTES_MAX; i++) {
        many[i] = &pair;
    }
    number_metric(&m, 5);
    feed(&rig, "s", many, FLEET_ATTRIBUTES_MAX + 1, &m.message);
    m.point.attributes = many;
    m.point.n_attributes = FLEET_ATTRIBUTES_MAX + 1;
    feed(&rig, "s", NULL, 0, &m.message);
    cr_expect_eq(fleet_get_counts(rig.f)->refused[FLEET_ATTRIBUTES], 2);
    destroy(&rig);
}

Test(fleet_arena, takes_up_to_its_limit)
{
    struct fleet_arena *arena = fleet_arena_create(1000000);
    for (unsigned round = 0; round < 3; round++) {
        unsigned taken = 0;
        for (void *p; (p = fleet_arena_take(arena, 999)) != NULL; taken++) {
            cr_assert_eq((uintptr_t)p % 16, 0);
            memset(p, 1, 999);
        }
        cr_expect_eq(taken, 1000000 / 1008);
        cr_expect_null(fleet_arena_take(arena, SIZE_MAX));
        fleet_arena_reset(arena);
        void *large = fleet_arena_take(arena, 900000);
        cr_assert_not_null(large);
        memset(large, 1, 900000);
        fleet_arena_reset(arena);
    }
    fleet_arena_destroy(arena);
}
