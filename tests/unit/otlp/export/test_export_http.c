/* Requests that cannot begin: memory is short, or a name server says nothing. */
#include "otlp/export/export_http.h"
#include "tests/fake_collector.h"

#include <criterion/criterion.h>
#include <curl/curl.h>
#include <netdb.h>
#include <stdatomic.h>

#define SLOW_NAME "slow.test"
#define SLOW_S 20
#define MS INT64_C(1000000)

static atomic_int failing_starts;

CURLMcode __real_curl_multi_add_handle(CURLM *multi, CURL *easy);
CURLMcode __wrap_curl_multi_add_handle(CURLM *multi, CURL *easy);

/* In place of libcurl's: it says that there is no memory as often as asked for. */
CURLMcode __wrap_curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    if (atomic_load(&failing_starts) > 0) {
        atomic_fetch_sub(&failing_starts, 1);
        return CURLM_OUT_OF_MEMORY;
    }
    return __real_curl_multi_add_handle(multi, easy);
}

/* In place of the C library's, for libcurl: a name whose server is silent. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    (void)service;
    (void)hints;
    (void)found;
    if (node != NULL && strcmp(node, SLOW_NAME) == 0) {
        sleep(SLOW_S);
    }
    return EAI_AGAIN;
}

static void setup(void)
{
    cr_assert_eq(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
}

TestSuite(export_http, .init = setup, .timeout = 60);

static struct export_http *open_to(const char *url, enum export_zip zip, int64_t timeout_ns)
{
    struct result why = RESULT_INIT;
    const struct export_http_options options = {
        .url = url, .zip = zip, .timeout_ns = timeout_ns, .slots = 1};
    struct export_http *http = export_http_create(&options, &why);
    cr_assert_not_null(http, "%s", why.text);
    return http;
}

static struct fake_answer ok(void *arg, const struct fake_request *request)
{
    (void)arg;
    (void)request;
    return (struct fake_answer){.status = 200};
}

/* The reply, within 10 s. */
static struct export_http_reply reply_of(struct export_http *http)
{
    static const int none[EXPORT_HTTP_WAIT_FDS] = {-1, -1};
    struct export_http_reply reply;
    int64_t until = clock_mono_ns() + 10 * NS_PER_SECOND;
    while (!export_http_next_reply(http, &reply)) {
        cr_assert_lt(clock_mono_ns(), until, "no reply");
        export_http_wait(http, none, 50);
    }
    return reply;
}

/* How long the body was that came. */
static size_t send_compressed(int starts_that_fail)
{
    struct fake_collector *collector = fake_collector_start(0, ok, NULL);
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", collector->port);
    struct export_http *http = open_to(url, EXPORT_ZIP_GZIP, 5000 * MS);
    struct slice body = SLICE_LIT("what is sent is sent once, however often it is begun");
    atomic_store(&failing_starts, starts_that_fail);
    while (!export_http_send(http, SIGNAL_METRICS, body, NULL)) {
        /* once more */
    }
    cr_assert_eq(reply_of(http).status, 200);
    export_http_destroy(http);
    fake_collector_stop(collector);
    size_t len = collector->requests[0].body_len;
    fake_collector_free(collector);
    return len;
}

Test(export_http, a_request_that_could_not_be_started_leaves_nothing_behind)
{
    cr_assert_eq(send_compressed(3), send_compressed(0));
}

Test(export_http, a_silent_name_server_holds_up_neither_the_timeout_nor_the_end)
{
    struct export_http *http = open_to("http://" SLOW_NAME ":4318", EXPORT_ZIP_NONE, 300 * MS);
    int64_t began = clock_mono_ns();
    cr_assert(export_http_send(http, SIGNAL_METRICS, SLICE_LIT("x"), NULL));
    cr_assert_eq(reply_of(http).status, 0);
    cr_assert(export_http_send(http, SIGNAL_METRICS, SLICE_LIT("x"), NULL));
    struct export_http_reply reply;
    cr_assert_not(export_http_next_reply(http, &reply));
    export_http_destroy(http);
    cr_assert_lt(clock_mono_ns() - began, SLOW_S * NS_PER_SECOND / 2);
}
