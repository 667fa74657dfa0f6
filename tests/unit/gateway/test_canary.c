/* test_canary.c: what the canary carries, as a decoder sees it, and the address it is sent to. */
#include "gateway/canary.h"

#include "otlp/proto/metrics_service.pb-c.h"
#include "otlp/validate.h"

#include <criterion/criterion.h>

typedef Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest Request;

static const char *attribute(const Opentelemetry__Proto__Resource__V1__Resource *resource,
                             const char *key)
{
    for (size_t i = 0; i < resource->n_attributes; i++) {
        if (strcmp(resource->attributes[i]->key, key) == 0) {
            return resource->attributes[i]->value->string_value;
        }
    }
    return NULL;
}

Test(canary, is_one_point_of_a_monotonic_sum)
{
    struct buf body = BUF_INIT;
    struct validation validation;
    canary_payload(&body, "host-1", 300, 1700000000000000001, 1700000060000000002);
    cr_assert_not(body.failed);
    cr_assert(validate_request(SIGNAL_METRICS, (const uint8_t *)body.data, body.len, &validation),
              "%s", validation.fault);
    cr_assert_eq(validation.items, 1);

    Request *request =
        opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__unpack(
            NULL, body.len, (const uint8_t *)body.data);
    cr_assert_not_null(request);
    cr_assert_eq(request->n_resource_metrics, 1);
    const Opentelemetry__Proto__Metrics__V1__ResourceMetrics *block = request->resource_metrics[0];
    cr_assert_str_eq(attribute(block->resource, "service.name"), "sigpost-canary");
    cr_assert_str_eq(attribute(block->resource, "service.version"), SIGPOST_VERSION);
    cr_assert_str_eq(attribute(block->resource, "service.instance.id"), "host-1");
    const Opentelemetry__Proto__Metrics__V1__Metric *metric = block->scope_metrics[0]->metrics[0];
    cr_assert_str_eq(metric->name, "sigpost.canary");
    cr_assert_str_eq(metric->unit, "1");
    cr_assert(metric->sum->is_monotonic);
    cr_assert_eq(metric->sum->aggregation_temporality, 2);
    const Opentelemetry__Proto__Metrics__V1__NumberDataPoint *point = metric->sum->data_points[0];
    cr_assert_eq(point->as_int, 300);
    cr_assert_eq(point->start_time_unix_nano, 1700000000000000001);
    cr_assert_eq(point->time_unix_nano, 1700000060000000002);
    opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__free_unpacked(
        request, NULL);
    buf_free(&body);
}

static void expect_url(const char *listen, const char *wanted)
{
    char url[64];
    struct result why = RESULT_INIT;
    cr_assert(canary_url(listen, 8080, url, sizeof(url), &why), "%s", why.text);
    cr_expect_str_eq(url, wanted);
}

Test(canary, goes_to_the_listener_as_it_is_reached_from_here)
{
    expect_url("0.0.0.0:8080", "http://127.0.0.1:8080");
    expect_url(":8080", "http://127.0.0.1:8080");
    expect_url("0.0.0.0:0", "http://127.0.0.1:8080"); /* the port is the one that was given */
    expect_url("192.0.2.7:8080", "http://192.0.2.7:8080");
    expect_url("[::]:8080", "http://[::1]:8080");
    expect_url("[2001:db8::7]:8080", "http://[2001:db8::7]:8080");
}

Test(canary, an_address_that_cannot_be_read_is_told)
{
    char url[64];
    struct result why = RESULT_INIT;
    cr_expect_not(canary_url("example.org:8080", 8080, url, sizeof(url), &why));
    cr_expect(strstr(why.text, "example.org") != NULL, "%s", why.text);
}
