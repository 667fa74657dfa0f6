/* test_destination_fleet.c: the fleet destination behind a real spool: what is counted once stays
 * counted once, whenever and however it stops.
 */
#include "base/clock.h"
#include "base/log.h"
#include "otlp/fleet/destination_fleet.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <otlp/proto/metrics_service.pb-c.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR (3600 * NS_PER_SECOND)
#define EVENTS "events_total{event_name=\"x\",platform=\"Unix\"}"

static char directory[64];
static char snapshot[96];
static char spool_dir[96];
static int64_t begin_ns; /* of the test, by the wall clock */

static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int shell(const char *format, ...)
{
    struct buf line = BUF_INIT;
    va_list args;
    va_start(args, format);
    buf_vprintf(&line, format, args);
    va_end(args);
    int status = system(buf_cstr(&line));
    buf_free(&line);
    return status;
}

static void set_up(void)
{
    int sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_redirect(sink);
    strcpy(directory, "/tmp/sigpost-fleet-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    begin_ns = clock_wall_ns();
    snprintf(snapshot, sizeof(snapshot), "%s/fleet.snapshot", directory);
    snprintf(spool_dir, sizeof(spool_dir), "%s/spool", directory);
}

static void tear_down(void)
{
    clock_fake(-1, 0);
    cr_expect_eq(shell("chmod -R u+rwX %s && rm -rf %s", directory, directory), 0);
}

TestSuite(destination_fleet, .init = set_up, .fini = tear_down, .timeout = 60);

struct rig {
    struct metrics *metrics;
    struct spool *spool;
    struct destination *fleet;
};

static struct destination *start_fleet(struct rig *rig, struct result *why)
{
    static const char *const resources[] = {"platform"};
    static const char *const drops[] = {"hash"};
    const struct destination_fleet_options options = {.name = "fleet",
                                                      .snapshot_path = snapshot,
                                                      .max_series = 100,
                                                      .max_sessions = 1000,
                                                      .session_idle_ns = HOUR,
                                                      .resource_labels = resources,
                                                      .n_resource_labels = 1,
                                                      .drop_labels = drops,
                                                      .n_drop_labels = 1};
    return destination_fleet_start(&options, rig->spool, rig->metrics, why);
}

static void open_spool(struct rig *rig)
{
    struct result why = RESULT_INIT;
    const struct spool_options options = {.dir = spool_dir,
                                          .max_bytes = (uint64_t)64 << 20,
                                          .max_payload = 1 << 20,
                                          .wait_ns = NS_PER_SECOND,
                                          .sync = SPOOL_SYNC_ALWAYS};
    rig->metrics = metrics_create();
    rig->spool = spool_open(&options, rig->metrics, &why);
    cr_assert_not_null(rig->spool, "%s", why.text);
    rig->fleet = NULL;
}

static struct rig start(void)
{
    struct rig rig;
    struct result why = RESULT_INIT;
    open_spool(&rig);
    rig.fleet = start_fleet(&rig, &why);
    cr_assert_not_null(rig.fleet, "%s", why.text);
    return rig;
}

static void stop_by(struct rig *rig, int64_t deadline_mono_ns)
{
    if (rig->fleet != NULL) {
        rig->fleet->ops->stop(rig->fleet, deadline_mono_ns);
    }
    spool_close(rig->spool);
    metrics_destroy(rig->metrics);
}

static void stop(struct rig *rig)
{
    stop_by(rig, clock_mono_ns() + 10 * NS_PER_SECOND);
}

/* --- records ---------------------------------------------------------------------------------- */

struct appended {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    enum spool_outcome outcome;
};

static void on_done(void *arg, enum spool_outcome outcome)
{
    struct appended *a = arg;
    pthread_mutex_lock(&a->lock);
    a->done = true;
    a->outcome = outcome;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static void append(struct rig *rig, enum signal signal, const char *session, int64_t arrived_ns,
                   struct slice payload)
{
    struct appended a = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, SPOOL_FAILED};
    struct spool_record record = {signal,           arrived_ns, slice_of(session),
                                  SLICE_LIT("key"), payload,    1};
    spool_append(rig->spool, &record, on_done, &a);
    pthread_mutex_lock(&a.lock);
    while (!a.done) {
        pthread_cond_wait(&a.changed, &a.lock);
    }
    pthread_mutex_unlock(&a.lock);
    cr_assert_eq(a.outcome, SPOOL_DURABLE);
}

/* One counter "events" with event.name=x, at time n of the session's run, in seconds. */
static void append_value(struct rig *rig, const char *session, unsigned n, double value)
{
    char keys[3][16] = {"event.name", "hash", "platform"};
    char texts[3][16] = {"x", "secret", "Unix"};
    char name[] = "events";
    Opentelemetry__Proto__Common__V1__KeyValue pairs[3];
    Opentelemetry__Proto__Common__V1__AnyValue values[3];
    Opentelemetry__Proto__Common__V1__KeyValue *point_pairs[] = {&pairs[0], &pairs[1]};
    Opentelemetry__Proto__Common__V1__KeyValue *resource_pairs[] = {&pairs[2]};
    for (int i = 0; i < 3; i++) {
        opentelemetry__proto__common__v1__key_value__init(&pairs[i]);
        opentelemetry__proto__common__v1__any_value__init(&values[i]);
        pairs[i].key = keys[i];
        pairs[i].value = &values[i];
        values[i].value_case = OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
        values[i].string_value = texts[i];
    }
    Opentelemetry__Proto__Metrics__V1__NumberDataPoint point;
    Opentelemetry__Proto__Metrics__V1__NumberDataPoint *points[] = {&point};
    opentelemetry__proto__metrics__v1__number_data_point__init(&point);
    point.n_attributes = 2;
    point.attributes = point_pairs;
    point.start_time_unix_nano = 1;
    point.time_unix_nano = n;
    point.value_case = OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_DOUBLE;
    point.as_double = value;
    Opentelemetry__Proto__Metrics__V1__Sum sum;
    opentelemetry__proto__metrics__v1__sum__init(&sum);
    sum.n_data_points = 1;
    sum.data_points = points;
    sum.is_monotonic = 1;
    sum.aggregation_temporality =
        OPENTELEMETRY__PROTO__METRICS__V1__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_CUMULATIVE;
    Opentelemetry__Proto__Metrics__V1__Metric metric;
    Opentelemetry__Proto__Metrics__V1__Metric *metrics[] = {&metric};
    opentelemetry__proto__metrics__v1__metric__init(&metric);
    metric.name = name;
    metric.data_case = OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM;
    metric.sum = &sum;
    Opentelemetry__Proto__Metrics__V1__ScopeMetrics scope;
    Opentelemetry__Proto__Metrics__V1__ScopeMetrics *scopes[] = {&scope};
    opentelemetry__proto__metrics__v1__scope_metrics__init(&scope);
    scope.n_metrics = 1;
    scope.metrics = metrics;
    Opentelemetry__Proto__Resource__V1__Resource resource;
    opentelemetry__proto__resource__v1__resource__init(&resource);
    resource.n_attributes = 1;
    resource.attributes = resource_pairs;
    Opentelemetry__Proto__Metrics__V1__ResourceMetrics one;
    Opentelemetry__Proto__Metrics__V1__ResourceMetrics *all[] = {&one};
    opentelemetry__proto__metrics__v1__resource_metrics__init(&one);
    one.resource = &resource;
    one.n_scope_metrics = 1;
    one.scope_metrics = scopes;
    Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest request;
    opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__init(&request);
    request.n_resource_metrics = 1;
    request.resource_metrics = all;
    uint8_t bytes[1024];
    cr_assert_leq(protobuf_c_message_get_packed_size(&request.base), sizeof(bytes));
    size_t len = protobuf_c_message_pack(&request.base, bytes);
    append(rig, SIGNAL_METRICS, session, begin_ns + n * NS_PER_SECOND, slice_make(bytes, len));
}

static double value_of(struct rig *rig, const char *series)
{
    struct buf out = BUF_INIT;
    rig->fleet->ops->render(rig->fleet, &out);
    const char *at = strstr(buf_cstr(&out), series);
    double value = at != NULL ? strtod(at + strlen(series), NULL) : -1;
    buf_free(&out);
    return value;
}

/* Waits for it; the thread is not to be hurried. */
static double wait_for_value(struct rig *rig, const char *series, double wanted)
{
    double value = -1;
    for (int i = 0; i < 2000 && value != wanted; i++) {
        value = value_of(rig, series);
        if (value != wanted) {
            usleep(2000);
        }
    }
    return value;
}

static double counter(struct rig *rig, const char *name, const char *const *labels)
{
    return metric_value(metrics_counter(rig->metrics, name, "", labels));
}

/* --- tests ------------------------------------------------------------------------------------ */

Test(destination_fleet, folds_metrics_and_passes_over_the_rest)
{
    struct rig rig = start();
    struct destination_status status;
    append_value(&rig, "a", 1, 5);
    append(&rig, SIGNAL_TRACES, "a", 1, SLICE_LIT("not metrics"));
    append(&rig, SIGNAL_LOGS, "a", 1, SLICE_LIT("not metrics"));
    append_value(&rig, "a", 2, 7);
    append_value(&rig, "b", 1, 10);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 17), 17);
    for (int i = 0; i < 2000 && rig.fleet->ops->arrived(rig.fleet, SIGNAL_METRICS) != 5; i++) {
        usleep(2000); /* long before the snapshot, and with it the cursor, follows */
    }
    cr_expect_eq(rig.fleet->ops->arrived(rig.fleet, SIGNAL_METRICS), 5);
    append(&rig, SIGNAL_TRACES, "a", 1, SLICE_LIT("not metrics"));
    for (int i = 0; i < 2000 && rig.fleet->ops->arrived(rig.fleet, SIGNAL_METRICS) != 6; i++) {
        usleep(2000); /* what it does not want does not hold it up */
    }
    cr_expect_eq(rig.fleet->ops->arrived(rig.fleet, SIGNAL_METRICS), 6);
    cr_expect_str_eq(rig.fleet->ops->name(rig.fleet), "fleet");
    rig.fleet->ops->status(rig.fleet, &status);
    cr_expect(status.ok);
    cr_expect_str_empty(status.problem);
    cr_expect_eq(counter(&rig, "sigpost_fleet_points_total", NULL), 3);
    cr_expect_eq(metric_value(metrics_gauge(rig.metrics, "sigpost_fleet_sessions", "", NULL)), 2);
    stop(&rig);
}

Test(destination_fleet, a_payload_that_is_none_is_counted_and_passed)
{
    struct rig rig = start();
    append(&rig, SIGNAL_METRICS, "a", 1, SLICE_LIT("\x0a\x7f"));
    append_value(&rig, "a", 2, 7);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 7), 7);
    cr_expect_eq(
        counter(&rig, "sigpost_fleet_refused_points_total", METRIC_LABELS("reason", "decode")), 1);
    stop(&rig);
}

Test(destination_fleet, an_orderly_stop_keeps_everything)
{
    for (unsigned n = 1; n <= 10; n++) {
        struct rig rig = start();
        append_value(&rig, "a", n, n);
        append_value(&rig, "b", n, 2 * n);
        cr_expect_eq(wait_for_value(&rig, EVENTS, 3 * n), 3 * n, "round %u", n);
        stop(&rig);
    }
}

Test(destination_fleet, a_late_stop_leaves_it_to_the_spool)
{
    struct rig rig = start();
    append_value(&rig, "a", 1, 5);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 5), 5);
    stop_by(&rig, 0); /* the deadline is over: no snapshot */
    cr_expect_neq(access(snapshot, F_OK), 0);
    rig = start();
    cr_expect_eq(wait_for_value(&rig, EVENTS, 5), 5);
    stop(&rig);
}

/* A crash between the snapshot and the cursor: the cursor is put back to where it was before. */
Test(destination_fleet, records_read_again_count_once)
{
    char kept[96];
    snprintf(kept, sizeof(kept), "%s/kept", directory);
    struct rig rig = start();
    append_value(&rig, "a", 1, 5);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 5), 5);
    stop_by(&rig, 0);
    cr_assert_eq(shell("cp -a %s %s", spool_dir, kept), 0);
    rig = start();
    append_value(&rig, "a", 2, 8);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 8), 8);
    stop(&rig); /* the snapshot holds two records */
    cr_assert_eq(shell("cp -a %s/cursor.fleet.metrics %s/", kept, spool_dir), 0);
    rig = start();
    append_value(&rig, "b", 1, 1);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 9), 9);
    cr_expect_eq(counter(&rig, "sigpost_fleet_points_total", NULL), 1);
    cr_expect_eq(counter(&rig, "sigpost_fleet_late_points_total", NULL),
                 0); /* not even looked at */
    stop(&rig);
}

/* A crash with an older snapshot: what came after it is still in the spool. */
Test(destination_fleet, a_crash_after_any_snapshot_loses_nothing)
{
    char kept[96];
    snprintf(kept, sizeof(kept), "%s/kept", directory);
    struct rig rig = start();
    append_value(&rig, "a", 1, 5);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 5), 5);
    stop(&rig);
    cr_assert_eq(shell("cp %s %s", snapshot, kept), 0);
    rig = start();
    append_value(&rig, "a", 2, 6);
    append_value(&rig, "b", 2, 10);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 16), 16);
    stop_by(&rig, 0); /* as killed: neither snapshot nor cursor moved */
    cr_assert_eq(shell("cmp %s %s", snapshot, kept), 0);
    rig = start();
    cr_expect_eq(wait_for_value(&rig, EVENTS, 16), 16);
    stop(&rig);
}

Test(destination_fleet, saves_while_running)
{
    clock_fake(begin_ns, NS_PER_SECOND);
    struct rig rig = start();
    append_value(&rig, "a", 1, 5);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 5), 5);
    cr_expect_neq(access(snapshot, F_OK), 0);
    clock_fake(begin_ns, 7 * NS_PER_SECOND); /* it is due; the next record wakes the thread */
    append_value(&rig, "a", 2, 6);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 6), 6);
    for (int i = 0; i < 2000 && access(snapshot, F_OK) != 0; i++) {
        usleep(2000);
    }
    cr_expect_eq(access(snapshot, F_OK), 0);
    stop_by(&rig, 0);
    clock_fake(-1, 0);
    rig = start();
    cr_expect_eq(wait_for_value(&rig, EVENTS, 6), 6);
    stop(&rig);
}

static double idle_sessions_ended(struct rig *rig)
{
    return counter(rig, "sigpost_fleet_sessions_ended_total", METRIC_LABELS("reason", "idle"));
}

Test(destination_fleet, the_silent_end_though_nobody_sends)
{
    struct rig rig = start();
    append_value(&rig, "a", 0, 5);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 5), 5);
    cr_expect_eq(idle_sessions_ended(&rig), 0);
    clock_fake(begin_ns + 2 * HOUR, clock_mono_ns());
    for (int i = 0; i < 5000 && idle_sessions_ended(&rig) == 0; i++) {
        usleep(2000);
    }
    cr_expect_eq(idle_sessions_ended(&rig), 1);
    clock_fake(-1, 0);
    stop(&rig);
}

Test(destination_fleet, traces_alone_move_the_cursor_without_a_snapshot)
{
    struct rig rig = start();
    struct spool_stats stats = {.pending_records = 1};
    for (unsigned i = 0; i < 5; i++) {
        append(&rig, SIGNAL_TRACES, "a", 1, SLICE_LIT("trace"));
    }
    for (int i = 0; i < 2000 && stats.pending_records > 0; i++) {
        usleep(2000);
        spool_get_stats(rig.spool, &stats);
    }
    cr_expect_eq(stats.pending_records, 0);
    cr_expect_neq(access(snapshot, F_OK), 0);
    stop(&rig);
}

Test(destination_fleet, a_damaged_snapshot_is_moved_aside)
{
    char aside[128];
    struct rig rig = start();
    append_value(&rig, "a", 1, 5);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 5), 5);
    stop(&rig);
    cr_assert_eq(truncate(snapshot, 70), 0);
    rig = start();
    append_value(&rig, "b", 2, 7);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 7), 7);
    stop(&rig);
    snprintf(aside, sizeof(aside), "%s.damaged", snapshot);
    cr_expect_eq(access(aside, F_OK), 0);
    rig = start();
    cr_expect_eq(wait_for_value(&rig, EVENTS, 7), 7);
    stop(&rig);
}

Test(destination_fleet, a_spool_that_was_removed_counts_on)
{
    struct rig rig = start();
    append_value(&rig, "a", 1, 5);
    append_value(&rig, "a", 2, 6);
    append_value(&rig, "a", 3, 7);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 7), 7);
    stop(&rig);
    cr_assert_eq(shell("rm -rf %s", spool_dir), 0);
    rig = start();
    append_value(&rig, "a", 4, 9); /* sequence 1 once more */
    cr_expect_eq(wait_for_value(&rig, EVENTS, 9), 9);
    stop(&rig);
    rig = start();
    append_value(&rig, "a", 5, 10);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 10), 10);
    stop(&rig);
}

Test(destination_fleet, a_snapshot_that_cannot_be_written_is_a_problem_for_readiness)
{
    struct destination_status status = {.ok = true};
    char blocked[128];
    snprintf(blocked, sizeof(blocked), "%s.tmp", snapshot);
    cr_assert_eq(mkdir(blocked, 0700), 0);
    clock_fake(begin_ns, NS_PER_SECOND);
    struct rig rig = start();
    append_value(&rig, "a", 1, 5);
    cr_expect_eq(wait_for_value(&rig, EVENTS, 5), 5);
    clock_fake(begin_ns, 7 * NS_PER_SECOND);
    append_value(&rig, "a", 2, 6);
    for (int i = 0; i < 2000 && status.ok; i++) {
        usleep(2000);
        rig.fleet->ops->status(rig.fleet, &status);
    }
    cr_expect_not(status.ok);
    cr_expect(strstr(status.problem, snapshot) != NULL, "%s", status.problem);
    cr_expect_eq(rmdir(blocked), 0);
    clock_fake(begin_ns, 13 * NS_PER_SECOND);
    append_value(&rig, "a", 3, 7);
    for (int i = 0; i < 2000 && !status.ok; i++) {
        usleep(2000);
        rig.fleet->ops->status(rig.fleet, &status);
    }
    cr_expect(status.ok);
    stop_by(&rig, 0);
    clock_fake(-1, 0);
    rig = start();
    cr_expect_eq(wait_for_value(&rig, EVENTS, 7), 7);
    stop(&rig);
}

Test(destination_fleet, says_why_it_cannot_start)
{
    struct rig rig;
    struct result why = RESULT_INIT;
    open_spool(&rig);
    cr_assert_eq(symlink("/nowhere", snapshot), 0);
    cr_expect_null(start_fleet(&rig, &why));
    cr_expect(strstr(why.text, snapshot) != NULL, "%s", why.text);
    cr_assert_eq(unlink(snapshot), 0);
    rig.fleet = start_fleet(&rig, &why);
    cr_assert_not_null(rig.fleet);
    cr_expect_null(start_fleet(&rig, &why)); /* the reader is taken */
    cr_expect(strlen(why.text) > 0);
    const struct destination_fleet_options none = {.name = "x", .snapshot_path = snapshot};
    why = RESULT_INIT;
    cr_expect_null(destination_fleet_start(&none, rig.spool, rig.metrics, &why));
    cr_expect(strstr(why.text, "fleet.max_series") != NULL, "%s", why.text);
    stop(&rig);
}

/* Rendering while folding. */
static atomic_bool rendering_ends;

static void *render_always(void *arg)
{
    struct rig *rig = arg;
    while (!atomic_load(&rendering_ends)) {
        value_of(rig, EVENTS);
    }
    return NULL;
}

Test(destination_fleet, scrapes_and_folding_together)
{
    struct rig rig = start();
    pthread_t thread;
    char session[16];
    cr_assert_eq(pthread_create(&thread, NULL, render_always, &rig), 0);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(session, sizeof(session), "s%u", i % 50);
        unsigned round = i / 50;
        append_value(&rig, session, 1 + i, 1 + round);
    }
    cr_expect_eq(wait_for_value(&rig, EVENTS, 200), 200);
    atomic_store(&rendering_ends, true);
    pthread_join(thread, NULL);
    stop(&rig);
}
