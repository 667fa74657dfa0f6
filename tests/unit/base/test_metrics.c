/* test_metrics.c: handles, threads, caps, hooks, and promtool's opinion of the page. */
#include "base/metrics.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct metrics *m;

static void setup(void)
{
    m = metrics_create();
    cr_assert_not_null(m);
}

static void teardown(void)
{
    metrics_destroy(m);
}

TestSuite(metrics, .init = setup, .fini = teardown);

static void expect_page(const char *expected)
{
    struct buf out = BUF_INIT;
    metrics_render(m, &out);
    cr_assert_str_eq(buf_cstr(&out), expected);
    buf_free(&out);
}

Test(metrics, nothing_is_an_empty_page)
{
    expect_page("");
    metrics_destroy(NULL);
}

Test(metrics, one_name_and_labels_is_one_handle)
{
    struct metric *a = metrics_counter(m, "a_total", "A.", METRIC_LABELS("x", "1", "y", "2"));
    cr_assert_eq(a, metrics_counter(m, "a_total", "other", METRIC_LABELS("x", "1", "y", "2")));
    cr_assert_eq(a, metrics_counter(m, "a_total", "A.", METRIC_LABELS("y", "2", "x", "1")));
    cr_assert_neq(a, metrics_counter(m, "a_total", "A.", METRIC_LABELS("x", "1", "y", "3")));
    cr_assert_neq(a, metrics_counter(m, "a_total", "A.", METRIC_LABELS("x", "12", "y", "")));
    cr_assert_neq(a, metrics_counter(m, "a_total", "A.", METRIC_NO_LABELS));
    cr_assert_neq(a, metrics_counter(m, "b_total", "A.", METRIC_LABELS("x", "1", "y", "2")));
    cr_assert_eq(metrics_gauge(m, "g", "G.", METRIC_NO_LABELS),
                 metrics_gauge(m, "g", "G.", METRIC_LABELS(NULL)));
}

Test(metrics, labels_are_copied)
{
    char name[] = "key_id";
    char value[] = "k1";
    metric_add(metrics_counter(m, "u_total", "U.", METRIC_LABELS(name, value)), 2);
    value[1] = '9';
    name[0] = 'X';
    expect_page("# HELP u_total U.\n# TYPE u_total counter\nu_total{key_id=\"k1\"} 2\n");
}

Test(metrics, rendered_in_the_order_of_registration)
{
    const double bounds[] = {1, 2.5};
    struct metric *h = metrics_histogram(m, "h_seconds", "H.", METRIC_NO_LABELS, bounds, 2);
    metric_set(metrics_gauge(m, "g", "G.", METRIC_LABELS("s", "b")), -2.5);
    metric_set(metrics_gauge(m, "g", "G.", METRIC_LABELS("s", "a")), 3);
    metric_observe(h, 1); /* a bound belongs to its bucket */
    metric_observe(h, 1.25);
    metric_observe(h, 100);
    metric_observe(h, (double)NAN); /* not counted */
    expect_page("# HELP h_seconds H.\n# TYPE h_seconds histogram\n"
                "h_seconds_bucket{le=\"1\"} 1\nh_seconds_bucket{le=\"2.5\"} 2\n"
                "h_seconds_bucket{le=\"+Inf\"} 3\nh_seconds_sum 102.25\nh_seconds_count 3\n"
                "# HELP g G.\n# TYPE g gauge\ng{s=\"b\"} -2.5\ng{s=\"a\"} 3\n");
    cr_assert_eq((int)metric_value(h), 3);
}

Test(metrics, an_infinite_observation_lands_in_the_last_bucket)
{
    const double bounds[] = {1};
    struct metric *h = metrics_histogram(m, "h", "H.", METRIC_NO_LABELS, bounds, 1);
    metric_observe(h, (double)INFINITY);
    metric_observe(h, -(double)INFINITY);
    cr_assert_eq((int)metric_value(h), 2);
}

Test(metrics, the_wrong_call_on_a_handle_does_nothing)
{
    const double bounds[] = {1};
    struct metric *c = metrics_counter(m, "c_total", "C.", METRIC_NO_LABELS);
    struct metric *g = metrics_gauge(m, "g", "G.", METRIC_NO_LABELS);
    struct metric *h = metrics_histogram(m, "h", "H.", METRIC_NO_LABELS, bounds, 1);
    metric_set(c, 5);
    metric_observe(c, 5);
    metric_add(g, 5);
    metric_observe(g, 5);
    metric_add(h, 5);
    metric_set(h, 5);
    cr_assert_eq((int)metric_value(c), 0);
    cr_assert_eq((int)metric_value(g), 0);
    cr_assert_eq((int)metric_value(h), 0);
}

Test(metrics, another_type_under_a_taken_name_is_counted_but_not_shown)
{
    metric_add(metrics_counter(m, "c_total", "C.", METRIC_NO_LABELS), 1);
    struct metric *g = metrics_gauge(m, "c_total", "C.", METRIC_NO_LABELS);
    metric_set(g, 7);
    const double bounds[] = {1};
    metric_observe(metrics_histogram(m, "c_total", "C.", METRIC_NO_LABELS, bounds, 1), 1);
    expect_page("# HELP c_total C.\n# TYPE c_total counter\nc_total 1\n");
}

Test(metrics, histograms_of_one_family_share_the_first_bounds)
{
    double first[] = {1, 2};
    const double second[] = {5};
    metrics_histogram(m, "h", "H.", METRIC_LABELS("a", "1"), first, 2);
    first[0] = 1.5; /* copied */
    struct metric *h = metrics_histogram(m, "h", "H.", METRIC_LABELS("a", "2"), second, 1);
    metric_observe(h, 1.25);
    struct buf out = BUF_INIT;
    metrics_render(m, &out);
    cr_assert_not_null(strstr(buf_cstr(&out), "h_bucket{a=\"2\",le=\"1\"} 0\n"
                                              "h_bucket{a=\"2\",le=\"2\"} 1\n"));
    buf_free(&out);
}

Test(metrics, past_the_cap_series_are_counted_but_not_shown)
{
    char value[16];
    struct metric *past = NULL;
    for (int i = 0; i < 1100; i++) {
        snprintf(value, sizeof(value), "%d", i);
        past = metrics_counter(m, "c_total", "C.", METRIC_LABELS("i", value));
        metric_add(past, 1);
    }
    struct buf out = BUF_INIT;
    metrics_render(m, &out);
    size_t lines = 0;
    for (const char *at = buf_cstr(&out); (at = strstr(at, "c_total{")) != NULL; at++) {
        lines++;
    }
    cr_assert_eq(lines, 1000);
    cr_assert_eq((int)metric_value(past), 100);
    buf_free(&out);
}

Test(metrics, too_many_labels_are_counted_but_not_shown)
{
    const char *labels[2 * 17 + 1] = {0};
    char names[17][16];
    for (int i = 0; i < 17; i++) {
        snprintf(names[i], sizeof(names[i]), "l%02d", i);
        labels[(size_t)i * 2] = names[i];
        labels[(size_t)i * 2 + 1] = "v";
    }
    metric_add(metrics_counter(m, "c_total", "C.", labels), 1);
    expect_page("");
    labels[32] = NULL;
    metric_add(metrics_counter(m, "c_total", "C.", labels), 1);
    struct buf out = BUF_INIT;
    metrics_render(m, &out);
    cr_assert_not_null(strstr(buf_cstr(&out), "l15=\"v\"} 1\n"));
    buf_free(&out);
}

enum { THREADS = 24, ROUNDS = 5000 };

static void *count(void *arg)
{
    const double bounds[] = {10};
    struct metric *c = metrics_counter(m, "c_total", "C.", METRIC_NO_LABELS);
    struct metric *h = metrics_histogram(m, "h", "H.", METRIC_NO_LABELS, bounds, 1);
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(c, 2);
        metric_observe(h, i % 2 == 0 ? 1.0 : 20.0);
        if (i % 1000 == 0) {
            struct buf out = BUF_INIT;
            metrics_render(m, &out);
            buf_free(&out);
        }
    }
    return arg;
}

Test(metrics, no_count_is_lost_between_threads)
{
    pthread_t threads[THREADS]; /* more than there are shards */
    for (int i = 0; i < THREADS; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    char expected[512];
    long all = (long)THREADS * ROUNDS;
    snprintf(expected, sizeof(expected),
             "# HELP c_total C.\n# TYPE c_total counter\nc_total %ld\n"
             "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"10\"} %ld\n"
             "h_bucket{le=\"+Inf\"} %ld\nh_sum %ld\nh_count %ld\n",
             2 * all, all / 2, all, all / 2 * 21, all);
    expect_page(expected);
}

static void hook(void *arg)
{
    int *calls = arg;
    ++*calls;
    metric_set(metrics_gauge(m, "calls", "Calls.", METRIC_NO_LABELS), *calls);
}

Test(metrics, hooks_run_before_each_page_and_may_register)
{
    int calls = 0;
    metrics_on_scrape(m, hook, &calls);
    expect_page("# HELP calls Calls.\n# TYPE calls gauge\ncalls 1\n");
    expect_page("# HELP calls Calls.\n# TYPE calls gauge\ncalls 2\n");
    metrics_on_scrape(m, hook, &calls);
    expect_page("# HELP calls Calls.\n# TYPE calls gauge\ncalls 4\n");
}

Test(metrics, promtool_is_content)
{
    if (system("command -v promtool >/dev/null 2>&1") != 0) {
        cr_skip("promtool is not on PATH");
    }
    const double bounds[] = {0.005, 0.1, 1, 10};
    metric_add(metrics_counter(m, "sigpost_auth_requests_total", "Verdicts \\ on\nrequests.",
                               METRIC_LABELS("result", "ok")),
               12345678901);
    metric_add(metrics_counter(m, "sigpost_auth_requests_total", "",
                               METRIC_LABELS("result", "a\"b\\c\nd\xff é")),
               1);
    metric_set(metrics_gauge(m, "sigpost_sessions_active", "Sessions.", METRIC_NO_LABELS), 0.25);
    metric_set(metrics_gauge(m, "sigpost_ratio", "Not a number.", METRIC_NO_LABELS), (double)NAN);
    struct metric *h =
        metrics_histogram(m, "sigpost_request_duration_seconds", "Durations.",
                          METRIC_LABELS("path", "/v1/metrics", "code", "200"), bounds, 4);
    metric_observe(h, 0.02);
    metric_observe(h, 1e9);
    struct buf out = BUF_INIT;
    metrics_render(m, &out);
    FILE *promtool = popen("promtool check metrics 1>&2", "w");
    cr_assert_not_null(promtool);
    fwrite(out.data, 1, out.len, promtool);
    cr_assert_eq(pclose(promtool), 0);
    buf_free(&out);
}
