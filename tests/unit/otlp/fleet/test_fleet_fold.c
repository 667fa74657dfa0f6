/* test_fleet_fold.c: what is added to which series, and what is not. */
#include "otlp/fleet/fleet_fold.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND INT64_C(1000000000)
#define T0 UINT64_C(1795229000000000000)

static const char *const drops[] = {"session.id", "user.id", "mod_name_hash"};
static const char *const resources[] = {"platform", "session.id"};

static struct fleet_options options_of(void)
{
    struct fleet_options options = {
        .max_series = 100,
        .max_sessions = 100,
        .max_streams = 50,
        .max_bytes = (size_t)1 << 30,
        .session_idle_ns = 3600 * SECOND,
        .rules = {resources, 2, drops, 3},
    };
    return options;
}

static struct fleet *make(void)
{
    struct fleet_options options = options_of();
    struct fleet *f = fleet_create(&options);
    cr_assert_not_null(f);
    return f;
}

static void enter_at(struct fleet *f, const char *session, int64_t arrived_ns)
{
    static const struct fleet_attribute resource[] = {
        {{"platform", 8}, {"Unix", 4}, 's'},
        {{"session.id", 10}, {"secret", 6}, 's'},
        {{"service.name", 12}, {"KOTORModSync", 12}, 's'},
    };
    fleet_resource(f, slice_of(session), arrived_ns, (struct fleet_attributes){resource, 3});
}

static void enter(struct fleet *f, const char *session)
{
    enter_at(f, session, (int64_t)T0);
}

static void metric_of(struct fleet *f, const char *name, enum fleet_kind kind, bool is_delta)
{
    struct fleet_metric metric = {
        .name = slice_of(name),
        .description = slice_of("Help."),
        .scope_name = slice_of("scope"),
        .kind = kind,
        .is_delta = is_delta,
    };
    fleet_metric(f, &metric);
}

/* One attribute (NULL: none), start and time in seconds after T0. */
static enum fleet_refusal add(struct fleet *f, const char *key, const char *text, unsigned start,
                              unsigned at, double value)
{
    struct fleet_attribute attribute = {slice_of(key), slice_of(text), 's'};
    struct fleet_point point = {
        .attributes = {&attribute, key != NULL ? 1 : 0},
        .start_ns = T0 + start * (uint64_t)SECOND,
        .time_ns = T0 + at * (uint64_t)SECOND,
        .value = value,
    };
    return fleet_point(f, &point);
}

static void expect_series(const struct fleet *f, const char *line)
{
    struct buf out = BUF_INIT;
    struct buf wanted = BUF_INIT;
    buf_append_char(&out, '\n');
    fleet_render(f, &out);
    buf_printf(&wanted, "\n%s\n", line);
    cr_expect(strstr(buf_cstr(&out), buf_cstr(&wanted)) != NULL, "no %s in:%s", line,
              buf_cstr(&out));
    buf_free(&out);
    buf_free(&wanted);
}

static void expect_rendering(const struct fleet *f, const char *expected)
{
    struct buf out = BUF_INIT;
    fleet_render(f, &out);
    cr_expect_str_eq(buf_cstr(&out), expected, "%s", buf_cstr(&out));
    buf_free(&out);
}

/* --- sums ------------------------------------------------------------------------------------- */

Test(fleet_fold, cumulative_points_add_their_growth)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "events", FLEET_COUNTER, false);
    cr_expect_eq(add(f, "event.name", "start", 1, 10, 5), FLEET_ACCEPTED);
    expect_series(f, "events_total{event_name=\"start\",platform=\"Unix\"} 5");
    add(f, "event.name", "start", 1, 20, 7);
    add(f, "event.name", "start", 1, 30, 7);
    add(f, "event.name", "stop", 1, 30, 1.5);
    expect_series(f, "events_total{event_name=\"start\",platform=\"Unix\"} 7");
    expect_series(f, "events_total{event_name=\"stop\",platform=\"Unix\"} 1.5");
    cr_expect_eq(fleet_get_counts(f)->folded, 4);
    cr_expect_eq(fleet_get_counts(f)->late, 0);
    fleet_destroy(f);
}

Test(fleet_fold, resets_add_the_whole_value)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "events", FLEET_COUNTER, false);
    add(f, NULL, NULL, 1, 10, 100);
    add(f, NULL, NULL, 15, 20, 200); /* a newer start, though the value grew */
    expect_series(f, "events_total{platform=\"Unix\"} 300");
    add(f, NULL, NULL, 15, 30, 3); /* smaller, though the start is the same */
    expect_series(f, "events_total{platform=\"Unix\"} 303");
    add(f, NULL, NULL, 1, 40, 5); /* an older start is no reset */
    expect_series(f, "events_total{platform=\"Unix\"} 305");
    add(f, NULL, NULL, 15, 50, 6); /* and does not make the one before newer again */
    expect_series(f, "events_total{platform=\"Unix\"} 306");
    fleet_destroy(f);
}

Test(fleet_fold, an_unknown_start_is_no_reset)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "events", FLEET_COUNTER, false);
    struct fleet_point point = {.time_ns = T0, .value = 10};
    fleet_point(f, &point);
    add(f, NULL, NULL, 5, 10, 11);
    expect_series(f, "events_total{platform=\"Unix\"} 11");
    fleet_destroy(f);
}

Test(fleet_fold, late_points_and_repeats_are_counted_not_added)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "events", FLEET_COUNTER, false);
    add(f, NULL, NULL, 1, 20, 7);
    cr_expect_eq(add(f, NULL, NULL, 1, 20, 7), FLEET_ACCEPTED);
    cr_expect_eq(add(f, NULL, NULL, 1, 10, 5), FLEET_ACCEPTED); /* not a reset */
    cr_expect_eq(add(f, NULL, NULL, 0, 10, 50), FLEET_ACCEPTED);
    expect_series(f, "events_total{platform=\"Unix\"} 7");
    cr_expect_eq(fleet_get_counts(f)->late, 3);
    add(f, NULL, NULL, 1, 30, 9);
    expect_series(f, "events_total{platform=\"Unix\"} 9");
    metric_of(f, "deltas", FLEET_COUNTER, true);
    add(f, NULL, NULL, 1, 20, 7);
    add(f, NULL, NULL, 1, 20, 7);
    add(f, NULL, NULL, 20, 30, 7);
    add(f, NULL, NULL, 30, 40, 1);
    expect_series(f, "deltas_total{platform=\"Unix\"} 15");
    cr_expect_eq(fleet_get_counts(f)->late, 4);
    fleet_destroy(f);
}

Test(fleet_fold, without_a_time_the_arrival_counts)
{
    struct fleet *f = make();
    struct fleet_point point = {.value = 4};
    enter_at(f, "one", 100);
    metric_of(f, "events", FLEET_COUNTER, false);
    fleet_point(f, &point);
    point.value = 6;
    fleet_point(f, &point);
    enter_at(f, "one", 200);
    metric_of(f, "events", FLEET_COUNTER, false);
    fleet_point(f, &point);
    expect_series(f, "events_total{platform=\"Unix\"} 6");
    cr_expect_eq(fleet_get_counts(f)->late, 1);
    fleet_destroy(f);
}

Test(fleet_fold, sessions_are_summed)
{
    struct fleet *f = make();
    char id[32];
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned i = 0; i < 90; i++) {
            snprintf(id, sizeof(id), "session-%u", i);
            enter(f, id);
            metric_of(f, "events", FLEET_COUNTER, false);
            add(f, "event.name", "start", 1, 10 * round, round);
        }
    }
    expect_series(f, "events_total{event_name=\"start\",platform=\"Unix\"} 270");
    cr_expect_eq(fleet_get_counts(f)->series, 1);
    cr_expect_eq(fleet_get_counts(f)->sessions, 90);
    fleet_destroy(f);
}

Test(fleet_fold, up_down_sums_are_those_of_live_sessions)
{
    struct fleet *f = make();
    enter_at(f, "one", 0);
    metric_of(f, "open.files", FLEET_UPDOWN, false);
    add(f, NULL, NULL, 1, 10, 5.1);
    enter_at(f, "two", 3600 * SECOND);
    metric_of(f, "open.files", FLEET_UPDOWN, false);
    add(f, NULL, NULL, 1, 10, 0.2);
    add(f, NULL, NULL, 1, 20, -2.3);
    expect_series(f, "open_files{platform=\"Unix\"} 2.8");
    metric_of(f, "queue", FLEET_UPDOWN, true);
    add(f, NULL, NULL, 1, 10, 5);
    add(f, NULL, NULL, 1, 20, -2);
    expect_series(f, "queue{platform=\"Unix\"} 3");
    enter_at(f, "three", 3601 * SECOND); /* "one" was silent for longer than an hour */
    expect_series(f, "open_files{platform=\"Unix\"} -2.3");
    enter_at(f, "three", 9000 * SECOND);
    expect_series(f, "open_files{platform=\"Unix\"} 0");
    expect_series(f, "queue{platform=\"Unix\"} 0");
    fleet_destroy(f);
}

Test(fleet_fold, values_that_cannot_be_are_refused)
{
    static const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, -1};
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "events", FLEET_COUNTER, false);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(add(f, NULL, NULL, 1, 10, bad[i]), FLEET_VALUE);
    }
    expect_rendering(f, "");
    cr_expect_eq(add(f, NULL, NULL, 1, 10, 1e308), FLEET_ACCEPTED);
    enter(f, "two");
    metric_of(f, "events", FLEET_COUNTER, false);
    cr_expect_eq(add(f, NULL, NULL, 1, 10, 1e308), FLEET_VALUE); /* their sum is not finite */
    cr_expect_eq(fleet_get_counts(f)->refused[FLEET_VALUE], 5);
    fleet_destroy(f);
}

/* What one session takes back must not carry the sum of the others past what a double holds. */
Test(fleet_fold, up_down_sums_stay_finite_whoever_ends)
{
    struct fleet *f = make();
    char value[16];
    enter_at(f, "one", 0);
    metric_of(f, "u", FLEET_UPDOWN, false);
    cr_expect_eq(add(f, NULL, NULL, 1, 10, 1.5e308), FLEET_VALUE);
    cr_expect_eq(add(f, NULL, NULL, 1, 10, -FLEET_UPDOWN_MAX * 1.5), FLEET_VALUE);
    expect_rendering(f, "");
    for (unsigned i = 0; i < 20; i++) {
        snprintf(value, sizeof(value), "v%u", i);
        cr_expect_eq(add(f, "mod.name.hash", value, 1, 10,
                         i % 2 == 0 ? FLEET_UPDOWN_MAX : -FLEET_UPDOWN_MAX),
                     FLEET_ACCEPTED);
    }
    metric_of(f, "d", FLEET_UPDOWN, true);
    cr_expect_eq(add(f, NULL, NULL, 1, 10, -FLEET_UPDOWN_MAX), FLEET_ACCEPTED);
    cr_expect_eq(add(f, NULL, NULL, 10, 20, -FLEET_UPDOWN_MAX), FLEET_VALUE); /* with the first */
    enter_at(f, "two", 3601 * SECOND);
    cr_expect_eq(fleet_get_counts(f)->ended_idle, 1);
    expect_series(f, "u{platform=\"Unix\"} 0");
    expect_series(f, "d{platform=\"Unix\"} 0");
    cr_expect_eq(fleet_get_counts(f)->refused[FLEET_VALUE], 3);
    fleet_destroy(f);
}

Test(fleet_fold, small_steps_count_beside_a_large_total)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "bytes", FLEET_COUNTER, true);
    add(f, NULL, NULL, 1, 1, 9007199254740992.0);
    for (unsigned i = 0; i < 1000; i++) {
        add(f, NULL, NULL, 1, 2 + i, 1);
    }
    expect_series(f, "bytes_total{platform=\"Unix\"} 9007199254741992");
    fleet_destroy(f);
}

/* --- histograms ------------------------------------------------------------------------------- */

static enum fleet_refusal add_cells(struct fleet *f, unsigned at, double sum, const double *bounds,
                                    size_t n_bounds, const uint64_t *cells, size_t n_cells)
{
    struct fleet_point point = {.start_ns = T0,
                                .time_ns = T0 + at * (uint64_t)SECOND,
                                .value = sum,
                                .cells = cells,
                                .n_cells = n_cells,
                                .bounds = bounds,
                                .n_bounds = n_bounds};
    for (size_t i = 0; i < n_cells; i++) {
        point.count += cells[i];
    }
    return fleet_point(f, &point);
}

#define CELLS(...) ((const uint64_t[]){__VA_ARGS__}), sizeof((uint64_t[]){__VA_ARGS__}) / 8
#define BOUNDS(...) ((const double[]){__VA_ARGS__}), sizeof((double[]){__VA_ARGS__}) / 8

Test(fleet_fold, histograms_add_bucket_by_bucket)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "d", FLEET_HISTOGRAM, false);
    cr_expect_eq(add_cells(f, 1, 10, BOUNDS(0.5, 5), CELLS(1, 2, 3)), FLEET_ACCEPTED);
    add_cells(f, 2, 14, BOUNDS(0.5, 5), CELLS(1, 4, 3));
    add_cells(f, 2, 14, BOUNDS(0.5, 5), CELLS(1, 4, 3)); /* a repeat */
    enter(f, "two");
    metric_of(f, "d", FLEET_HISTOGRAM, true);
    add_cells(f, 1, 1, BOUNDS(0.5, 5), CELLS(0, 1, 0));
    add_cells(f, 2, 1, BOUNDS(0.5, 5), CELLS(0, 1, 0));
    expect_rendering(f, "# HELP d Help.\n"
                        "# TYPE d histogram\n"
                        "d_bucket{platform=\"Unix\",le=\"0.5\"} 1\n"
                        "d_bucket{platform=\"Unix\",le=\"5\"} 7\n"
                        "d_bucket{platform=\"Unix\",le=\"+Inf\"} 10\n"
                        "d_sum{platform=\"Unix\"} 16\n"
                        "d_count{platform=\"Unix\"} 10\n");
    cr_expect_eq(fleet_get_counts(f)->late, 1);
    fleet_destroy(f);
}

Test(fleet_fold, a_smaller_bucket_is_a_reset_of_a_histogram)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "d", FLEET_HISTOGRAM, false);
    add_cells(f, 1, 10, BOUNDS(1, 5), CELLS(3, 0, 0));
    add_cells(f, 2, 20, BOUNDS(1, 5), CELLS(0, 4, 1)); /* more in all, but less in one */
    expect_series(f, "d_bucket{platform=\"Unix\",le=\"1\"} 3");
    expect_series(f, "d_count{platform=\"Unix\"} 8");
    expect_series(f, "d_sum{platform=\"Unix\"} 30");
    fleet_destroy(f);
}

Test(fleet_fold, histograms_without_buckets_or_with_a_falling_sum)
{
    struct fleet *f = make();
    struct fleet_point point = {.start_ns = T0, .time_ns = T0 + 1, .value = -5, .count = 2};
    enter(f, "one");
    metric_of(f, "d", FLEET_HISTOGRAM, false);
    cr_expect_eq(fleet_point(f, &point), FLEET_ACCEPTED);
    point = (struct fleet_point){.start_ns = T0, .time_ns = T0 + 2, .value = -9, .count = 3};
    fleet_point(f, &point);
    expect_series(f, "d_bucket{platform=\"Unix\",le=\"+Inf\"} 3");
    expect_series(f, "d_sum{platform=\"Unix\"} -9");
    fleet_destroy(f);
}

Test(fleet_fold, other_bounds_are_refused)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "d", FLEET_HISTOGRAM, false);
    add_cells(f, 1, 10, BOUNDS(1, 5), CELLS(3, 0, 0));
    cr_expect_eq(add_cells(f, 2, 10, BOUNDS(1, 6), CELLS(4, 0, 0)), FLEET_BOUNDS);
    cr_expect_eq(add_cells(f, 2, 10, BOUNDS(1), CELLS(4, 0)), FLEET_BOUNDS);
    cr_expect_eq(add_cells(f, 2, 10, NULL, 0, CELLS(4)), FLEET_BOUNDS);
    enter(f, "two");
    metric_of(f, "d", FLEET_HISTOGRAM, false);
    cr_expect_eq(add_cells(f, 1, 10, BOUNDS(1, 5, 6), CELLS(4, 0, 0, 0)), FLEET_BOUNDS);
    expect_series(f, "d_count{platform=\"Unix\"} 3");
    cr_expect_eq(fleet_get_counts(f)->refused[FLEET_BOUNDS], 4);
    fleet_destroy(f);
}

Test(fleet_fold, malformed_histograms_are_refused)
{
    struct fleet *f = make();
    static double many[FLEET_BOUNDS_MAX + 1];
    static uint64_t cells[FLEET_BOUNDS_MAX + 2];
    for (size_t i = 0; i <= FLEET_BOUNDS_MAX; i++) {
        many[i] = (double)i;
    }
    enter(f, "one");
    metric_of(f, "d", FLEET_HISTOGRAM, false);
    cr_expect_eq(add_cells(f, 1, 1, BOUNDS(1, 5), CELLS(3, 0)), FLEET_MALFORMED);
    cr_expect_eq(add_cells(f, 1, 1, BOUNDS(1), CELLS(3, 0, 0)), FLEET_MALFORMED);
    cr_expect_eq(add_cells(f, 1, 1, BOUNDS(1), NULL, 0), FLEET_MALFORMED);
    cr_expect_eq(add_cells(f, 1, 1, BOUNDS(5, 5), CELLS(3, 0, 0)), FLEET_MALFORMED);
    cr_expect_eq(add_cells(f, 1, 1, BOUNDS(5, 1), CELLS(3, 0, 0)), FLEET_MALFORMED);
    cr_expect_eq(add_cells(f, 1, 1, BOUNDS((double)NAN), CELLS(3, 0)), FLEET_MALFORMED);
    cr_expect_eq(add_cells(f, 1, 1, BOUNDS((double)INFINITY), CELLS(3, 0)), FLEET_MALFORMED);
    cr_expect_eq(add_cells(f, 1, 1, BOUNDS(1), CELLS(UINT64_MAX, 1)), FLEET_MALFORMED);
    cr_expect_eq(add_cells(f, 1, (double)NAN, BOUNDS(1), CELLS(1, 1)), FLEET_VALUE);
    cr_expect_eq(add_cells(f, 1, 1, many, FLEET_BOUNDS_MAX + 1, cells, FLEET_BOUNDS_MAX + 2),
                 FLEET_MALFORMED);
    struct fleet_point point = {.time_ns = T0, .count = 3, .cells = cells, .n_cells = 1};
    cr_expect_eq(fleet_point(f, &point), FLEET_MALFORMED); /* the count is not the cells' sum */
    expect_rendering(f, "");
    cr_expect_eq(add_cells(f, 1, 1, many, FLEET_BOUNDS_MAX, cells, FLEET_BOUNDS_MAX + 1),
                 FLEET_ACCEPTED);
    metric_of(f, "e", FLEET_HISTOGRAM, true);
    cr_expect_eq(add_cells(f, 1, 1, BOUNDS(1), CELLS(UINT64_MAX, 0)), FLEET_ACCEPTED);
    cr_expect_eq(add_cells(f, 2, 1, BOUNDS(1), CELLS(1, 0)), FLEET_VALUE); /* would wrap */
    fleet_destroy(f);
}

/* --- streams and labels ----------------------------------------------------------------------- */

static enum fleet_refusal add_set(struct fleet *f, const char *const *pairs, size_t n, unsigned at,
                                  double value)
{
    struct fleet_attribute items[FLEET_ATTRIBUTES_MAX + 1];
    for (size_t i = 0; i < n; i++) {
        items[i] =
            (struct fleet_attribute){slice_of(pairs[2 * i]), slice_of(pairs[2 * i + 1]), 's'};
    }
    struct fleet_point point = {.attributes = {items, n},
                                .start_ns = T0,
                                .time_ns = T0 + at * (uint64_t)SECOND,
                                .value = value};
    return fleet_point(f, &point);
}

#define SET(...) ((const char *const[]){__VA_ARGS__}), sizeof((const char *[]){__VA_ARGS__}) / 16

Test(fleet_fold, dropped_labels_fold_streams_into_one_series)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "mods", FLEET_COUNTER, false);
    add_set(f, SET("mod.name.hash", "a", "success", "true"), 1, 3);
    add_set(f, SET("mod.name.hash", "b", "success", "true"), 1, 4);
    add_set(f, SET("mod.name.hash", "a", "success", "true"), 2, 5);
    add_set(f, SET("mod.name.hash", "b", "success", "true"), 2, 4);
    add_set(f, SET("user.id", "u", "success", "true"), 2, 1);
    expect_rendering(f, "# HELP mods_total Help.\n# TYPE mods_total counter\n"
                        "mods_total{platform=\"Unix\",success=\"true\"} 10\n");
    cr_expect_eq(fleet_get_counts(f)->late, 0);
    fleet_destroy(f);
}

Test(fleet_fold, the_order_of_attributes_does_not_matter)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "m", FLEET_COUNTER, false);
    add_set(f, SET("a", "1", "b", "2"), 1, 3);
    add_set(f, SET("b", "2", "a", "1"), 2, 4);
    add_set(f, SET("a", "2", "b", "1"), 2, 1); /* another stream */
    expect_series(f, "m_total{a=\"1\",b=\"2\",platform=\"Unix\"} 4");
    expect_series(f, "m_total{a=\"2\",b=\"1\",platform=\"Unix\"} 1");
    fleet_destroy(f);
}

Test(fleet_fold, what_the_gateway_stamps_is_no_identity)
{
    struct fleet *f = make();
    const struct fleet_attribute before[] = {{{"sigpost.key.id", 14}, {"old", 3}, 's'},
                                             {{"deployment.environment", 22}, {"a", 1}, 's'}};
    const struct fleet_attribute after[] = {{{"sigpost.key.id", 14}, {"new", 3}, 's'},
                                            {{"service.namespace", 17}, {"n", 1}, 's'}};
    const struct fleet_attribute other[] = {{{"service.version", 15}, {"2", 1}, 's'}};
    const struct fleet_attributes sets[] = {{before, 2}, {after, 2}, {other, 1}};
    for (unsigned i = 0; i < 3; i++) {
        fleet_resource(f, SLICE_LIT("one"), (int64_t)T0, sets[i]);
        metric_of(f, "m", FLEET_COUNTER, false);
        add(f, NULL, NULL, 0, i + 1, 10);
    }
    expect_series(f, "m_total 20"); /* another version is another program */
    fleet_destroy(f);
}

Test(fleet_fold, a_point_claims_nothing_that_is_stamped)
{
    static const char *const stamped[] = {"deployment.environment", "sigpost.key.id"};
    static const struct fleet_attribute resource[] = {
        {{"deployment.environment", 22}, {"prod", 4}, 's'},
        {{"sigpost.key.id", 14}, {"k", 1}, 's'}};
    struct fleet_options options = options_of();
    options.rules.resource = stamped;
    struct fleet *f = fleet_create(&options);
    fleet_resource(f, SLICE_LIT("one"), (int64_t)T0, (struct fleet_attributes){resource, 2});
    metric_of(f, "m", FLEET_COUNTER, false);
    add_set(f, SET("deployment.environment", "forged", "sigpost.key.id", "x"), 1, 1);
    add_set(f, SET("deployment_environment", "forged", "sigpost-key.id", "x"), 1, 2);
    add_set(f, SET("service.namespace", "forged", "sigpost.more", "x"), 1, 4);
    add_set(f, SET("service/namespace", "forged"), 1, 8);
    add_set(f, SET("deployment.environments", "a", "sigposts", "b", "service.name", "c"), 1, 16);
    expect_rendering(f, "# HELP m_total Help.\n# TYPE m_total counter\n"
                        "m_total{deployment_environment=\"prod\",deployment_environments=\"a\","
                        "service_name=\"c\",sigpost_key_id=\"k\",sigposts=\"b\"} 16\n"
                        "m_total{deployment_environment=\"prod\",sigpost_key_id=\"k\"} 15\n");
    fleet_destroy(f);
}

Test(fleet_fold, scope_unit_and_temporality_tell_streams_apart)
{
    struct fleet *f = make();
    struct fleet_metric metric = {.name = SLICE_LIT("m"), .kind = FLEET_COUNTER};
    enter(f, "one");
    fleet_metric(f, &metric);
    add(f, NULL, NULL, 0, 1, 1);
    metric.scope_name = SLICE_LIT("s");
    fleet_metric(f, &metric);
    add(f, NULL, NULL, 0, 1, 1);
    metric.scope_name = SLICE_LIT("");
    metric.scope_version = SLICE_LIT("s");
    fleet_metric(f, &metric);
    add(f, NULL, NULL, 0, 1, 1);
    metric.is_delta = true;
    fleet_metric(f, &metric);
    add(f, NULL, NULL, 0, 1, 1);
    expect_series(f, "m_total{platform=\"Unix\"} 4");
    fleet_destroy(f);
}

/* Meters that differ in these alone each count for themselves, in one series. */
Test(fleet_fold, scope_attributes_and_schema_tell_streams_apart)
{
    static const struct fleet_attribute sets[] = {{{"part", 4}, {"a", 1}, 's'},
                                                  {{"part", 4}, {"b", 1}, 's'}};
    struct fleet *f = make();
    struct fleet_metric metric = {.name = SLICE_LIT("m"), .kind = FLEET_COUNTER};
    enter(f, "one");
    for (unsigned round = 1; round <= 2; round++) {
        for (size_t i = 0; i < 2; i++) {
            metric.scope_attributes = (struct fleet_attributes){&sets[i], 1};
            fleet_metric(f, &metric);
            add(f, NULL, NULL, 0, round, i == 0 ? 100 : 5);
        }
        metric.scope_attributes = (struct fleet_attributes){NULL, 0};
        metric.scope_schema_url = SLICE_LIT("https://example.org/1");
        fleet_metric(f, &metric);
        add(f, NULL, NULL, 0, round, 1000);
        metric.scope_schema_url = SLICE_LIT("");
        fleet_metric(f, &metric);
        add(f, NULL, NULL, 0, round, 10000);
        add(f, "part", "a", 0, round, 7); /* a point's attribute is another thing than a scope's */
    }
    expect_series(f, "m_total{platform=\"Unix\"} 11105");
    cr_expect_eq(fleet_get_counts(f)->late, 0);
    metric.scope_attributes.n = FLEET_ATTRIBUTES_MAX + 1;
    fleet_metric(f, &metric);
    cr_expect_eq(add(f, NULL, NULL, 0, 3, 1), FLEET_ATTRIBUTES);
    metric.scope_attributes.n = 0;
    fleet_metric(f, &metric);
    cr_expect_eq(add(f, NULL, NULL, 0, 3, 10000), FLEET_ACCEPTED);
    fleet_destroy(f);
}

Test(fleet_fold, label_rules)
{
    struct fleet *f = make();
    char longer[FLEET_VALUE_MAX + 8];
    memset(longer, 'x', sizeof(longer));
    memcpy(longer + FLEET_VALUE_MAX - 1, "\xe6\x97\xa5", 4); /* ends past the cut */
    enter(f, "one");
    metric_of(f, "m", FLEET_COUNTER, false);
    add_set(f, SET("a.b", "2", "a-b", "1", "a_b", "3"), 1, 1); /* by key: '-' '.' '_' */
    add_set(f, SET("platform", "mine", "empty", "", "le", "9", "", "nothing"), 1, 2);
    add_set(f, SET("quote", "a\"b\\c\nd"), 1, 3);
    add_set(f, SET("__name__", "x", "1", "y"), 1, 4);
    add_set(f, SET("long", longer), 1, 5);
    longer[FLEET_VALUE_MAX - 1] = '\0';
    struct buf line = BUF_INIT;
    expect_series(f, "m_total{a_b=\"1;2;3\",platform=\"Unix\"} 1");
    expect_series(f, "m_total{exported_le=\"9\",platform=\"mine\"} 2");
    expect_series(f, "m_total{platform=\"Unix\",quote=\"a\\\"b\\\\c\\nd\"} 3");
    expect_series(f, "m_total{key_1=\"y\",key__name__=\"x\",platform=\"Unix\"} 4");
    buf_printf(&line, "m_total{long=\"%s\",platform=\"Unix\"} 5", longer);
    expect_series(f, buf_cstr(&line));
    buf_free(&line);
    fleet_destroy(f);
}

Test(fleet_fold, too_many_attributes_are_refused)
{
    struct fleet *f = make();
    static char texts[FLEET_ATTRIBUTES_MAX + 1][8];
    const char *pairs[2 * (FLEET_ATTRIBUTES_MAX + 1)];
    for (size_t i = 0; i <= FLEET_ATTRIBUTES_MAX; i++) {
        snprintf(texts[i], sizeof(texts[i]), "k%zu", i);
        pairs[2 * i] = texts[i];
        pairs[2 * i + 1] = "v";
    }
    enter(f, "one");
    metric_of(f, "m", FLEET_COUNTER, false);
    cr_expect_eq(add_set(f, pairs, FLEET_ATTRIBUTES_MAX, 1, 1), FLEET_ACCEPTED);
    cr_expect_eq(add_set(f, pairs, FLEET_ATTRIBUTES_MAX + 1, 1, 1), FLEET_ATTRIBUTES);
    fleet_resource(f, SLICE_LIT("two"), 0,
                   (struct fleet_attributes){NULL, FLEET_ATTRIBUTES_MAX + 1});
    metric_of(f, "m", FLEET_COUNTER, false);
    cr_expect_eq(add(f, NULL, NULL, 1, 1, 1), FLEET_ATTRIBUTES);
    cr_expect_eq(fleet_get_counts(f)->sessions, 1);
    fleet_destroy(f);
}

/* --- caps ------------------------------------------------------------------------------------- */

Test(fleet_fold, past_the_cap_series_overflow_and_the_sum_stays_whole)
{
    struct fleet_options options = options_of();
    options.max_series = 3;
    struct fleet *f = fleet_create(&options);
    char value[16];
    for (unsigned session = 0; session < 2; session++) {
        for (unsigned round = 1; round <= 2; round++) {
            enter(f, session == 0 ? "one" : "two");
            metric_of(f, "m", FLEET_COUNTER, false);
            for (unsigned i = 0; i < 10; i++) {
                snprintf(value, sizeof(value), "v%u", i);
                add(f, "k", value, 0, round, round);
            }
        }
    }
    expect_rendering(f, "# HELP m_total Help.\n# TYPE m_total counter\n"
                        "m_total{k=\"v0\",platform=\"Unix\"} 4\n"
                        "m_total{k=\"v1\",platform=\"Unix\"} 4\n"
                        "m_total{k=\"v2\",platform=\"Unix\"} 4\n"
                        "m_total{otel_metric_overflow=\"true\"} 28\n");
    cr_expect_eq(fleet_get_counts(f)->series, 3);
    cr_expect_eq(fleet_get_counts(f)->overflowed, 14);
    fleet_destroy(f);
}

Test(fleet_fold, a_label_set_that_is_too_long_overflows)
{
    struct fleet *f = make();
    static char value[FLEET_VALUE_MAX + 1];
    const char *pairs[2 * 20];
    static char keys[20][8];
    memset(value, 'x', FLEET_VALUE_MAX);
    for (size_t i = 0; i < 20; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        pairs[2 * i] = keys[i];
        pairs[2 * i + 1] = value;
    }
    enter(f, "one");
    metric_of(f, "m", FLEET_COUNTER, false);
    cr_expect_eq(add_set(f, pairs, 20, 1, 6), FLEET_ACCEPTED);
    cr_expect_eq(add_set(f, pairs, 20, 2, 7), FLEET_ACCEPTED);
    expect_series(f, "m_total{otel_metric_overflow=\"true\"} 7");
    fleet_destroy(f);
}

Test(fleet_fold, streams_of_a_session_are_bounded)
{
    struct fleet_options options = options_of();
    options.max_streams = 5;
    struct fleet *f = fleet_create(&options);
    char value[16];
    for (unsigned round = 1; round <= 2; round++) {
        enter(f, "one");
        metric_of(f, "m", FLEET_COUNTER, false);
        for (unsigned i = 0; i < 8; i++) {
            snprintf(value, sizeof(value), "v%u", i);
            cr_expect_eq(add(f, "mod.name.hash", value, 0, round, 10 * round),
                         i < 5 ? FLEET_ACCEPTED : FLEET_STREAMS);
        }
    }
    expect_series(f, "m_total{platform=\"Unix\"} 100");
    cr_expect_eq(fleet_get_counts(f)->refused[FLEET_STREAMS], 6);
    fleet_destroy(f);
}

Test(fleet_fold, metrics_are_bounded)
{
    struct fleet *f = make();
    char name[16];
    char session[16];
    for (unsigned i = 0; i <= FLEET_METRICS_MAX; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        snprintf(session, sizeof(session), "s%u", i / 40);
        enter(f, session);
        metric_of(f, name, FLEET_COUNTER, false);
        cr_expect_eq(add(f, NULL, NULL, 0, 1, 1),
                     i < FLEET_METRICS_MAX ? FLEET_ACCEPTED : FLEET_METRICS, "%u", i);
    }
    cr_expect_eq(fleet_get_counts(f)->metrics, FLEET_METRICS_MAX);
    fleet_destroy(f);
}

Test(fleet_fold, the_idlest_session_makes_room)
{
    struct fleet_options options = options_of();
    options.max_sessions = 3;
    struct fleet *f = fleet_create(&options);
    const char *const order[] = {"a", "b", "c", "a", "d", "a", "b"};
    for (unsigned i = 0; i < 7; i++) {
        enter(f, order[i]);
        metric_of(f, "m", FLEET_COUNTER, false);
        add(f, NULL, NULL, 0, i + 1, 10);
    }
    /* d made b go; a stayed because it had come again; b, come back, has nothing new */
    expect_series(f, "m_total{platform=\"Unix\"} 40");
    cr_expect_eq(fleet_get_counts(f)->resumed, 1);
    cr_expect_eq(fleet_get_counts(f)->sessions, 3);
    cr_expect_eq(fleet_get_counts(f)->ended_full, 2);
    fleet_destroy(f);
}

Test(fleet_fold, bytes_are_bounded_but_the_session_at_hand_stays)
{
    struct fleet_options options = options_of();
    options.max_bytes = 1500;
    struct fleet *f = fleet_create(&options);
    char value[16];
    for (unsigned s = 0; s < 3; s++) {
        enter(f, s == 0 ? "a" : (s == 1 ? "b" : "c"));
        metric_of(f, "m", FLEET_COUNTER, false);
        for (unsigned i = 0; i < 16; i++) {
            snprintf(value, sizeof(value), "v%u", i);
            cr_expect_eq(add(f, "k", value, 0, 1, 1), FLEET_ACCEPTED);
        }
        cr_expect_eq(fleet_get_counts(f)->sessions, 1);
    }
    cr_expect_eq(fleet_get_counts(f)->ended_full, 2);
    cr_expect_leq(fleet_get_counts(f)->bytes, 1500);
    fleet_destroy(f);
}

Test(fleet_fold, silent_sessions_end)
{
    struct fleet *f = make();
    enter_at(f, "one", 0);
    metric_of(f, "m", FLEET_COUNTER, false);
    add(f, NULL, NULL, 0, 1, 10);
    enter_at(f, "two", 3600 * SECOND);
    cr_expect_eq(fleet_get_counts(f)->sessions, 2);
    enter_at(f, "two", 3600 * SECOND + 1);
    cr_expect_eq(fleet_get_counts(f)->sessions, 1);
    enter_at(f, "three", -5); /* a clock that went back ends nobody */
    cr_expect_eq(fleet_get_counts(f)->sessions, 2);
    cr_expect_eq(fleet_get_counts(f)->ended_idle, 1);
    expect_series(f, "m_total{platform=\"Unix\"} 10"); /* what it counted stays */
    fleet_destroy(f);
}

Test(fleet_fold, arrivals_of_a_clock_that_was_ahead_block_nobody)
{
    struct fleet *f = make();
    enter_at(f, "before", 0);
    enter_at(f, "ahead", 1000000 * SECOND);
    enter_at(f, "ahead too", 1000001 * SECOND);
    cr_expect_eq(fleet_get_counts(f)->sessions, 2);
    enter_at(f, "right", 10 * SECOND);
    enter_at(f, "right again", 20 * SECOND);
    cr_expect_eq(fleet_get_counts(f)->sessions, 4);
    enter_at(f, "later", 3610 * SECOND);
    cr_expect_eq(fleet_get_counts(f)->sessions, 5); /* their hour began when the clock was right */
    enter_at(f, "later", 3611 * SECOND);
    cr_expect_eq(fleet_get_counts(f)->sessions, 2);
    enter_at(f, "later", 3621 * SECOND);
    cr_expect_eq(fleet_get_counts(f)->sessions, 1);
    fleet_destroy(f);
}

/* A laptop that slept for two hours. T0 is the wall clock of both sides. */
Test(fleet_fold, a_session_that_comes_back_goes_on)
{
    struct fleet *f = make();
    int64_t later = (int64_t)T0 + 7200 * SECOND;
    enter_at(f, "one", (int64_t)T0 + 100 * SECOND);
    metric_of(f, "m", FLEET_COUNTER, false);
    add(f, NULL, NULL, 1, 99, 10);
    metric_of(f, "h", FLEET_HISTOGRAM, false);
    add_cells(f, 99, 5, BOUNDS(1), CELLS(1, 2));
    metric_of(f, "u", FLEET_UPDOWN, false);
    add(f, NULL, NULL, 1, 99, 4);
    enter_at(f, "two", later);
    cr_assert_eq(fleet_get_counts(f)->ended_idle, 1);
    expect_series(f, "u{platform=\"Unix\"} 0");
    enter_at(f, "one", later);
    metric_of(f, "m", FLEET_COUNTER, false);
    add(f, NULL, NULL, 1, 7200, 12);        /* not added: 10 of it are there already */
    add(f, "k", "new run", 101, 7200, 100); /* began after it went: added */
    add(f, NULL, NULL, 1, 7260, 15);
    metric_of(f, "h", FLEET_HISTOGRAM, false);
    add_cells(f, 7200, 6, BOUNDS(1), CELLS(2, 2));
    add_cells(f, 7260, 9, BOUNDS(1), CELLS(2, 3));
    metric_of(f, "u", FLEET_UPDOWN, false);
    add(f, NULL, NULL, 1, 7200, 4);
    metric_of(f, "d", FLEET_COUNTER, true);
    add(f, NULL, NULL, 1, 7200, 7);
    expect_series(f, "m_total{platform=\"Unix\"} 13");
    expect_series(f, "m_total{k=\"new run\",platform=\"Unix\"} 100");
    expect_series(f, "h_count{platform=\"Unix\"} 4");
    expect_series(f, "h_sum{platform=\"Unix\"} 8");
    expect_series(f, "u{platform=\"Unix\"} 4");
    expect_series(f, "d_total{platform=\"Unix\"} 7");
    cr_expect_eq(fleet_get_counts(f)->resumed, 2);
    enter_at(f, "two", later * 2);
    enter_at(f, "one", later * 2); /* and once more */
    metric_of(f, "m", FLEET_COUNTER, false);
    add(f, NULL, NULL, 1, 999999, 16);
    expect_series(f, "m_total{platform=\"Unix\"} 13");
    fleet_destroy(f);
}

Test(fleet_fold, a_session_that_came_back_with_nothing_is_known_still)
{
    struct fleet *f = make();
    enter_at(f, "one", (int64_t)T0 + 100 * SECOND);
    metric_of(f, "m", FLEET_COUNTER, false);
    add(f, NULL, NULL, 1, 99, 10);
    enter_at(f, "one", (int64_t)T0 + 7200 * SECOND); /* no point that makes a stream */
    enter_at(f, "one", (int64_t)T0 + 14400 * SECOND);
    cr_expect_eq(fleet_get_counts(f)->ended_idle, 2);
    metric_of(f, "m", FLEET_COUNTER, false);
    add(f, NULL, NULL, 1, 14400, 12);
    add(f, "k", "began while away", 5000, 14400, 3); /* in no sum yet */
    expect_series(f, "m_total{platform=\"Unix\"} 10");
    expect_series(f, "m_total{k=\"began while away\",platform=\"Unix\"} 3");
    fleet_destroy(f);
}

static void count_ten(struct fleet *f, unsigned session, unsigned second)
{
    char id[32];
    snprintf(id, sizeof(id), "session-%u", session);
    enter_at(f, id, (int64_t)T0 + second * SECOND);
    metric_of(f, "m", FLEET_COUNTER, false);
    add(f, NULL, NULL, 0, second, 10);
}

Test(fleet_fold, as_many_as_there_may_be_are_known_when_they_come_back)
{
    struct fleet *f = make();
    for (unsigned i = 0; i < 100; i++) {
        count_ten(f, i, 1);
    }
    for (unsigned i = 0; i < 100; i++) {
        count_ten(f, i, 7200);
    }
    cr_expect_eq(fleet_get_counts(f)->ended_idle, 100);
    cr_expect_eq(fleet_get_counts(f)->resumed, 100);
    expect_series(f, "m_total{platform=\"Unix\"} 1000");
    fleet_destroy(f);
}

Test(fleet_fold, those_that_ended_last_are_known_whoever_came_before)
{
    struct fleet_options options = options_of();
    options.max_sessions = 1;
    struct fleet *f = fleet_create(&options);
    for (unsigned i = 0; i < 1000; i++) {
        count_ten(f, i, 1 + i);
    }
    cr_expect_eq(fleet_get_counts(f)->ended_full, 999);
    for (unsigned i = 991; i < 999; i++) {
        count_ten(f, i, 10 + i);
    }
    cr_expect_eq(fleet_get_counts(f)->resumed, 8);
    expect_series(f, "m_total{platform=\"Unix\"} 10000");
    fleet_destroy(f);
}

Test(fleet_fold, the_first_type_of_a_name_holds)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "a.total", FLEET_UPDOWN, false);
    cr_expect_eq(add(f, NULL, NULL, 0, 1, 1), FLEET_ACCEPTED);
    metric_of(f, "a", FLEET_COUNTER, false);
    cr_expect_eq(add(f, NULL, NULL, 0, 1, 1), FLEET_TYPE);
    metric_of(f, "h", FLEET_HISTOGRAM, false);
    cr_expect_eq(add_cells(f, 1, 1, NULL, 0, CELLS(1)), FLEET_ACCEPTED);
    metric_of(f, "h.count", FLEET_UPDOWN, false);
    cr_expect_eq(add(f, NULL, NULL, 0, 1, 1), FLEET_TYPE); /* h_count is h's */
    metric_of(f, "g.sum", FLEET_UPDOWN, false);
    cr_expect_eq(add(f, NULL, NULL, 0, 1, 1), FLEET_ACCEPTED);
    metric_of(f, "g", FLEET_HISTOGRAM, false);
    cr_expect_eq(add_cells(f, 1, 1, NULL, 0, CELLS(1)), FLEET_TYPE);
    metric_of(f, "...", FLEET_COUNTER, false);
    cr_expect_eq(add(f, NULL, NULL, 0, 1, 1), FLEET_NAME);
    metric_of(f, "a.total", FLEET_COUNTER, false); /* another spelling of a_total */
    cr_expect_eq(add(f, NULL, NULL, 0, 1, 1), FLEET_TYPE);
    cr_expect_eq(fleet_get_counts(f)->refused[FLEET_TYPE], 4);
    fleet_destroy(f);
}

Test(fleet_fold, two_metrics_of_one_name_and_type_are_one)
{
    struct fleet *f = make();
    enter(f, "one");
    metric_of(f, "a.b", FLEET_COUNTER, false);
    add(f, NULL, NULL, 0, 1, 1);
    metric_of(f, "a-b", FLEET_COUNTER, false);
    add(f, NULL, NULL, 0, 1, 2);
    expect_rendering(f, "# HELP a_b_total Help.\n# TYPE a_b_total counter\n"
                        "a_b_total{platform=\"Unix\"} 3\n");
    fleet_destroy(f);
}

Test(fleet_fold, every_refusal_has_a_word)
{
    for (int i = 0; i < FLEET_REFUSAL_COUNT; i++) {
        cr_expect(strlen(fleet_refusal_word((enum fleet_refusal)i)) > 0);
    }
}
