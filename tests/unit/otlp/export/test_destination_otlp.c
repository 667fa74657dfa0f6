/* test_destination_otlp.c: spool to Collector over real sockets: delivery, trouble, refusal, stop.
 */
#include "otlp/export/dead_letter.h"
#include "tests/export_world.h"

#include <criterion/criterion.h>
#include <curl/curl.h>
#include <signal.h>
#include <sys/wait.h>
#include <zlib.h>

static struct world w;

static void setup(void)
{
    cr_assert_eq(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
    world_open(&w);
}

static void teardown(void)
{
    world_close(&w);
    curl_global_cleanup();
}

TestSuite(destination_otlp, .init = setup, .fini = teardown, .timeout = 60);

/* --- scripts ---------------------------------------------------------------------------------- */

#define PROTOBUF "Content-Type: application/x-protobuf\r\n"

struct script {
    int statuses[32]; /* 0: 200 from here on */
    int delay_ms;
    const char *headers; /* of what is not 200 */
    int how;             /* of what is not 200 */
    unsigned poison;     /* id whose company is refused with 400; 0: none */
};

static struct fake_answer play(void *arg, const struct fake_request *request)
{
    const struct script *s = arg;
    int status = request->number < 32 ? s->statuses[request->number] : 0;
    char needle[32];
    snprintf(needle, sizeof(needle), "id:%06u;", s->poison);
    if (s->poison != 0 && memmem(request->body, request->body_len, needle, 10) != NULL) {
        static const char body[] = "\x08\x03\x12\x09point bad";
        return (struct fake_answer){
            .status = 400, .headers = PROTOBUF, .body = body, .body_len = sizeof(body) - 1};
    }
    if (status == 0) {
        return (struct fake_answer){.status = 200, .headers = PROTOBUF, .delay_ms = s->delay_ms};
    }
    return (struct fake_answer){.status = status, .headers = s->headers, .how = s->how};
}

static void *last_id(void)
{
    static unsigned last;
    last = 0;
    return &last;
}

static void ascending(void *arg, unsigned id)
{
    unsigned *last = arg;
    cr_assert_gt(id, *last);
    *last = id;
}

static double counter(const char *name, const char *const *labels)
{
    return metric_value(metrics_counter(w.metrics, name, "", labels));
}

static double requests_of(const char *code)
{
    return counter("sigpost_export_requests_total",
                   METRIC_LABELS("destination", "otlp", "code", code));
}

/* The count follows the receiver's answer by a moment. */
static bool until_requests_of(const char *code, double n)
{
    for (int i = 0; i < 1000 && requests_of(code) != n; i++) {
        usleep(5000);
    }
    return requests_of(code) == n;
}

static unsigned log_lines(const char *text)
{
    static char log[1 << 16];
    ssize_t len = pread(w.log_fd, log, sizeof(log) - 1, 0);
    unsigned n = 0;
    log[len > 0 ? len : 0] = '\0';
    for (const char *at = log; (at = strstr(at, text)) != NULL; at++) {
        n++;
    }
    return n;
}

/* --- all is well ------------------------------------------------------------------------------ */

Test(destination_otlp, metrics_arrive_once_and_in_order)
{
    struct script s = {0};
    world_listen(&w, 0, play, &s);
    world_start(&w);
    for (unsigned first = 1; first <= 901; first += 100) {
        world_append(&w, first, 100, 1);
    }
    cr_assert(world_wait(&w, 1, 1000));
    world_stop(&w, 1000);
    unsigned *last = last_id();
    for (size_t i = 0; i < w.collector->n_requests; i++) {
        cr_assert_str_eq(w.collector->requests[i].path, "/v1/metrics");
        world_ids(&w.collector->requests[i], ascending, last);
    }
    cr_expect_eq(*last, 1000);
    cr_expect_eq(counter("sigpost_export_items_total", METRIC_LABELS("destination", "otlp")), 1000);
    cr_expect_eq(requests_of("200"), (double)w.collector->n_requests);
    cr_expect_eq(log_lines("destination=otlp"), 0, "nothing is logged while all is well");
}

Test(destination_otlp, signals_go_to_their_paths_each_exactly_once)
{
    struct script s = {0};
    world_listen(&w, 0, play, &s);
    world_start(&w);
    world_append(&w, 1, 600, 3);
    cr_assert(world_wait(&w, 1, 600));
    world_stop(&w, 1000);
    unsigned counts[WORLD_IDS];
    world_delivered(&w, counts);
    for (unsigned id = 1; id <= 600; id++) {
        cr_assert_eq(counts[id], 1, "%u", id);
    }
    for (size_t i = 0; i < w.collector->n_requests; i++) {
        const struct fake_request *r = &w.collector->requests[i];
        unsigned id =
            (unsigned)strtoul((char *)memmem(r->body, r->body_len, "id:", 3) + 3, NULL, 10);
        cr_assert(slice_eq_str(signal_info((enum signal)(id % 3))->path, r->path), "%s", r->path);
    }
}

Test(destination_otlp, requests_carry_what_they_must)
{
    struct script s = {0};
    static const char *const headers[] = {"Authorization: Bearer t0ken",
                                          "X-Empty:", "X-Scope-OrgID:   tenant"};
    w.options.headers = headers;
    w.options.n_headers = 3;
    world_listen(&w, 0, play, &s);
    snprintf(w.url, sizeof(w.url), "http://127.0.0.1:%u/otlp///", w.collector->port);
    world_start(&w);
    world_append(&w, 3, 1, 3);
    cr_assert(world_wait(&w, 3, 1));
    const char *head = w.collector->requests[0].head;
    cr_expect_str_eq(w.collector->requests[0].path, "/otlp/v1/metrics");
    cr_expect_eq(strncmp(head, "POST ", 5), 0);
    cr_expect_not_null(strstr(head, "\r\nContent-Type: application/x-protobuf\r\n"), "%s", head);
    cr_expect_not_null(strstr(head, "\r\nUser-Agent: sigpost/"), "%s", head);
    cr_expect_not_null(strstr(head, "\r\nAuthorization: Bearer t0ken\r\n"), "%s", head);
    cr_expect_not_null(strstr(head, "\r\nX-Scope-OrgID: tenant\r\n"), "%s", head);
    cr_expect_not_null(strstr(head, "\r\nX-Empty:"), "%s", head);
    cr_expect_null(strcasestr(head, "\r\nExpect:"), "%s", head);
    cr_expect_null(strcasestr(head, "\r\nContent-Encoding:"), "%s", head);
}

Test(destination_otlp, gzip_bodies_unpack_to_the_payloads)
{
    struct script s = {.statuses = {503}};
    w.options.zip = EXPORT_ZIP_GZIP;
    world_listen(&w, 0, play, &s);
    world_start(&w);
    world_append(&w, 3, 1, 3);
    for (int i = 0; i < 1000 && requests_of("200") < 1; i++) {
        usleep(5000);
    }
    cr_assert_eq(requests_of("200"), 1);
    struct buf wanted = BUF_INIT;
    world_payload(&wanted, SIGNAL_METRICS, 3);
    for (size_t i = 0; i < 2; i++) {
        const struct fake_request *r = &w.collector->requests[i];
        unsigned char out[256];
        z_stream z = {.next_in = (Bytef *)r->body,
                      .avail_in = (uInt)r->body_len,
                      .next_out = out,
                      .avail_out = sizeof(out)};
        cr_expect_not_null(strstr(r->head, "\r\nContent-Encoding: gzip\r\n"));
        cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
        cr_expect_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
        cr_expect_eq(z.total_out, wanted.len);
        cr_expect_arr_eq(out, wanted.data, wanted.len);
        inflateEnd(&z);
    }
    buf_free(&wanted);
}

Test(destination_otlp, connections_are_used_again)
{
    struct script s = {0};
    world_listen(&w, 0, play, &s);
    world_start(&w);
    for (unsigned id = 1; id <= 30; id++) {
        world_append(&w, id, 1, 1);
        cr_assert(world_wait(&w, id, 1));
    }
    cr_expect_geq(w.collector->n_requests, 30);
    cr_expect_eq(w.collector->n_connections, 1);
}

Test(destination_otlp, requests_go_side_by_side_up_to_in_flight)
{
    struct script s = {.delay_ms = 100};
    world_listen(&w, 0, play, &s);
    w.options.batch_requests = 1;
    for (unsigned id = 1; id <= 36; id += 3) { /* ids of traces only: id % 3 == 1 */
        world_append(&w, id, 1, 3);
    }
    int64_t start = clock_mono_ns();
    world_start(&w);
    for (unsigned id = 1; id <= 36; id += 3) {
        cr_assert(world_wait(&w, id, 1));
    }
    world_stop(&w, 1000);
    int64_t took = clock_mono_ns() - start;
    cr_expect_eq(w.collector->most_busy, 4);
    cr_expect_leq(w.collector->n_connections, 4);
    cr_expect_lt(took, 1100 * WORLD_MS, "12 requests of 100 ms by 4 (took %d ms)",
                 (int)(took / WORLD_MS));
}

Test(destination_otlp, a_lone_item_goes_when_its_age_is_reached)
{
    struct script s = {0};
    world_listen(&w, 0, play, &s);
    w.options.batch_age_ns = 150 * WORLD_MS;
    world_start(&w);
    int64_t before = clock_mono_ns();
    world_append(&w, 1, 1, 1);
    usleep(20000);
    world_append(&w, 2, 1, 1);
    cr_assert(world_wait(&w, 1, 2));
    cr_expect_eq(w.collector->n_requests, 1, "both in one");
    cr_expect_geq(w.collector->requests[0].came_ns - before, 150 * WORLD_MS);
    cr_expect_lt(w.collector->requests[0].came_ns - before, 1000 * WORLD_MS);
}

/* --- trouble ---------------------------------------------------------------------------------- */

Test(destination_otlp, a_collector_that_is_down_gets_all_when_it_is_up)
{
    struct script s = {0};
    world_listen(&w, 0, play, &s);
    uint16_t port = w.collector->port;
    fake_collector_stop(w.collector);
    fake_collector_free(w.collector);
    w.collector = NULL;
    world_start(&w);
    cr_expect(world_status(&w).ok, "no attempt yet");
    world_append(&w, 1, 500, 3);
    cr_assert(world_wait_status(&w, false, "connection refused; retrying"));
    cr_expect_eq(strncmp(world_status(&w).problem, w.url, strlen(w.url)), 0);
    cr_expect_not_null(strstr(world_status(&w).problem, "/v1/"));
    usleep(200000);
    cr_expect_eq(metric_value(metrics_gauge(w.metrics, "sigpost_export_ok", "",
                                            METRIC_LABELS("destination", "otlp"))),
                 0);
    world_listen(&w, port, play, &s);
    cr_assert(world_wait(&w, 1, 500));
    cr_assert(world_wait_status(&w, true, ""));
    cr_expect_str_empty(world_status(&w).problem);
    world_stop(&w, 1000);
    unsigned counts[WORLD_IDS];
    world_delivered(&w, counts);
    for (unsigned id = 1; id <= 500; id++) {
        cr_assert_eq(counts[id], 1, "%u", id);
    }
    cr_expect_gt(requests_of("error"), 1);
    cr_expect_eq(log_lines("destination is in trouble"), 3,
                 "once for each signal, not once an attempt");
    cr_expect_eq(log_lines("destination is well again"), 3);
    cr_expect_eq(log_lines("destination=otlp"), 6);
}

Test(destination_otlp, retry_after_is_honoured_by_all_and_the_probe_goes_alone)
{
    struct script s = {.statuses = {503, 503}, .headers = "Retry-After: 1\r\n", .delay_ms = 40};
    world_listen(&w, 0, play, &s);
    w.options.batch_requests = 1;
    w.options.in_flight = 2;
    world_append_from(&w, 1, 2, SIGNAL_TRACES, 1);
    world_start(&w);
    cr_assert(world_wait_status(&w, false, ": status 503; retrying in 1 s"));
    world_append_from(&w, 3, 30, SIGNAL_TRACES, 1);
    cr_assert(world_wait(&w, 1, 32));
    world_stop(&w, 1000);
    const struct fake_request *r = w.collector->requests;
    cr_expect_geq(r[2].came_ns - r[0].came_ns, 1000 * WORLD_MS);
    cr_expect_lt(r[2].came_ns - r[0].came_ns, 1500 * WORLD_MS);
    cr_expect_not_null(memmem(r[2].body, r[2].body_len, "id:000001;", 10), "the oldest first");
    cr_expect_geq(r[3].came_ns - r[2].came_ns, 40 * WORLD_MS, "the others after its answer");
    cr_expect_lt(r[4].came_ns - r[3].came_ns, 40 * WORLD_MS, "and then side by side");
    cr_expect_eq(requests_of("503"), 2);
}

Test(destination_otlp, every_kind_of_broken_answer_is_tried_again)
{
    static const int kinds[] = {FAKE_SILENT_CLOSE, FAKE_CUT, FAKE_GARBAGE};
    struct script s = {.statuses = {1, 1, 1}};
    world_listen(&w, 0, play, &s);
    world_start(&w);
    for (unsigned i = 0; i < 3; i++) {
        pthread_mutex_lock(&w.collector->lock);
        s.how = kinds[i];
        for (unsigned n = 0; n < 32; n++) {
            s.statuses[n] = n < w.collector->n_requests + 3 ? 1 : 0;
        }
        pthread_mutex_unlock(&w.collector->lock);
        world_append(&w, i + 1, 1, 1);
        cr_assert(world_wait(&w, i + 1, 1));
        cr_assert(until_requests_of("200", i + 1));
    }
    world_stop(&w, 1000);
    cr_expect_eq(requests_of("error"), 9);
}

Test(destination_otlp, statuses_that_may_heal_are_held)
{
    struct script s = {.statuses = {429, 500, 501, 502, 503, 504, 408}};
    world_listen(&w, 0, play, &s);
    world_start(&w);
    world_append(&w, 1, 10, 1);
    cr_assert(world_wait(&w, 1, 10));
    world_stop(&w, 1000);
    cr_expect_eq(w.collector->n_requests, 8);
    static const char *const codes[] = {"429", "500", "501", "502", "503", "504", "408", "200"};
    for (size_t i = 0; i < 8; i++) {
        cr_expect_eq(requests_of(codes[i]), 1, "%s", codes[i]);
    }
    cr_expect_neq(access(w.dead_dir, F_OK), 0, "no dead letter");
}

Test(destination_otlp, an_operators_mistake_is_held_and_named)
{
    char location[128];
    struct script s = {.statuses = {401, 403, 404, 405, 302, 307}, .headers = location};
    world_listen(&w, 0, play, &s);
    snprintf(location, sizeof(location), "Location: %s/elsewhere\r\n", w.url);
    w.options.retry_max_ns = 200 * WORLD_MS;
    world_append(&w, 3, 1, 3);
    int64_t start = clock_mono_ns();
    world_start(&w);
    cr_assert(world_wait_status(&w, false, "/v1/metrics: status 401"));
    cr_assert(world_wait_status(&w, false, "/v1/metrics: status 404"));
    cr_assert(world_wait(&w, 3, 1));
    cr_expect_geq(clock_mono_ns() - start, 600 * WORLD_MS, "six pauses of 100 to 200 ms");
    cr_assert(world_wait_status(&w, true, ""));
    cr_expect_eq(w.collector->n_requests, 7);
    for (size_t i = 0; i < w.collector->n_requests; i++) {
        cr_expect_str_eq(w.collector->requests[i].path, "/v1/metrics", "no redirect is followed");
    }
}

static struct fake_answer page(void *arg, const struct fake_request *request)
{
    atomic_bool *mended = arg;
    (void)request;
    if (atomic_load(mended)) {
        return (struct fake_answer){.status = 200};
    }
    return (struct fake_answer){
        .status = 200, .headers = "Content-Type: text/html\r\n", .body = "<html>", .body_len = 6};
}

Test(destination_otlp, a_web_page_is_no_delivery)
{
    atomic_bool mended = false;
    world_listen(&w, 0, page, &mended);
    world_append(&w, 3, 1, 3);
    world_start(&w);
    cr_assert(world_wait_status(&w, false, "HTML page, this is no OTLP receiver"));
    atomic_store(&mended, true);
    cr_assert(world_wait_status(&w, true, ""));
    world_stop(&w, 1000);
    cr_expect_eq(counter("sigpost_export_items_total", METRIC_LABELS("destination", "otlp")), 1);
}

Test(destination_otlp, a_silent_collector_times_out)
{
    struct script s = {.delay_ms = 10000};
    world_listen(&w, 0, play, &s);
    w.options.timeout_ns = 200 * WORLD_MS;
    world_append(&w, 3, 1, 3);
    world_start(&w);
    cr_assert(world_wait_status(&w, false, "/v1/metrics: no answer within 0.2 s"));
}

/* --- refusal ---------------------------------------------------------------------------------- */

Test(destination_otlp, exactly_the_poisonous_request_becomes_a_dead_letter)
{
    struct script s = {.poison = 123};
    world_listen(&w, 0, play, &s);
    w.options.batch_requests = 64;
    world_append(&w, 1, 300, 1);
    world_start(&w);
    cr_assert(world_wait(&w, 1, 122));
    cr_assert(world_wait(&w, 124, 177));
    for (int i = 0; i < 1000 && world_status(&w).dead_letters == 0; i++) {
        usleep(5000);
    }
    struct destination_status status = world_status(&w);
    cr_expect(status.ok, "%s", status.problem);
    cr_expect_eq(status.dead_letters, 1);
    cr_expect(w.destination->ops->refused(w.destination, SIGNAL_METRICS, 122, 123));
    cr_expect_not(w.destination->ops->refused(w.destination, SIGNAL_METRICS, 0, 122));
    cr_expect_not(w.destination->ops->refused(w.destination, SIGNAL_METRICS, 123, 300));
    for (int i = 0; i < 1000 && w.destination->ops->arrived(w.destination, SIGNAL_METRICS) != 300;
         i++) {
        usleep(5000);
    }
    cr_expect_eq(w.destination->ops->arrived(w.destination, SIGNAL_METRICS), 300);
    cr_expect_str_eq(w.destination->ops->name(w.destination), "otlp");
    world_stop(&w, 1000);

    unsigned counts[WORLD_IDS];
    world_delivered(&w, counts);
    for (unsigned id = 1; id <= 300; id++) {
        cr_assert_eq(counts[id], id != 123, "%u", id);
    }
    char(*names)[DEAD_LETTER_NAME_MAX] = NULL;
    size_t n = 0;
    struct buf file = BUF_INIT;
    struct buf wanted = BUF_INIT;
    struct dead_letter letter;
    cr_assert(dead_letter_list(w.dead_dir, &names, &n, NULL));
    cr_assert_eq(n, 1);
    cr_assert(dead_letter_read(w.dead_dir, names[0], &file, &letter, NULL));
    world_payload(&wanted, SIGNAL_METRICS, 123);
    cr_expect(slice_eq(letter.payload, buf_slice(&wanted)));
    cr_expect_eq(letter.status, 400);
    cr_expect_eq(letter.sequence, 123);
    cr_expect(slice_eq_str(letter.reason, "refused"));
    cr_expect(slice_eq_str(letter.session, "session-1"));
    cr_expect(slice_eq_str(letter.key_id, "k1"));
    cr_expect(slice_eq_str(letter.answer, "point bad"));
    cr_expect_eq(counter("sigpost_dead_letters_total", METRIC_LABELS("reason", "refused")), 1);
    cr_expect_eq(log_lines("set aside as a dead letter"), 1);
    cr_expect_eq(log_lines("destination=otlp"), 1);

    /* Acknowledged: a new life sends nothing again. */
    spool_close(w.spool);
    world_open_spool(&w);
    size_t before = w.collector->n_requests;
    world_start(&w);
    usleep(100000);
    cr_expect_eq(w.collector->n_requests, before);
    buf_free(&file);
    buf_free(&wanted);
    free(names);
}

Test(destination_otlp, a_frame_that_cannot_be_set_aside_is_held)
{
    struct script s = {.poison = 2};
    world_listen(&w, 0, play, &s);
    close(open(w.dead_dir, O_CREAT | O_WRONLY, 0600)); /* in the way of the directory */
    world_append(&w, 1, 3, 1);
    world_start(&w);
    cr_assert(world_wait(&w, 1, 1));
    cr_assert(world_wait(&w, 3, 1));
    cr_assert(world_wait_status(&w, false, w.dead_dir));
    world_append(&w, 4, 20, 1);
    cr_assert(world_wait(&w, 4, 20), "the others go on");
    world_stop(&w, 1000);
    spool_close(w.spool); /* and after a restart it is still there */
    world_open_spool(&w);
    world_start(&w);
    cr_assert(world_wait_status(&w, false, w.dead_dir));
    unlink(w.dead_dir);
    cr_assert(world_wait_status(&w, true, ""));
    cr_expect_eq(world_status(&w).dead_letters, 1);
}

Test(destination_otlp, too_large_for_the_receiver_has_its_own_reason)
{
    struct script s = {.statuses = {413, 413, 413}};
    world_listen(&w, 0, play, &s);
    world_append(&w, 1, 4, 1);
    world_start(&w);
    cr_assert(world_wait(&w, 2, 3));
    for (int i = 0; i < 1000 && world_status(&w).dead_letters == 0; i++) {
        usleep(5000);
    }
    cr_expect_eq(counter("sigpost_dead_letters_total", METRIC_LABELS("reason", "too_large")), 1);
    cr_expect_eq(world_arrived(&w, 1, 1), 0);
}

static struct fake_answer partial(void *arg, const struct fake_request *request)
{
    (void)arg;
    (void)request;
    /* partial_success { rejected: 7, error_message: "too old" } */
    static const char body[] = "\x0a\x0b\x08\x07\x12\x07too old";
    return (struct fake_answer){
        .status = 200, .headers = PROTOBUF, .body = body, .body_len = sizeof(body) - 1};
}

Test(destination_otlp, partial_success_is_counted_told_and_not_sent_again)
{
    world_listen(&w, 0, partial, NULL);
    w.options.batch_requests = 30;
    w.options.batch_age_ns = 300 * WORLD_MS;
    world_append(&w, 1, 30, 3);
    world_start(&w);
    cr_assert(world_wait(&w, 1, 30));
    world_stop(&w, 2000);
    cr_expect_eq(w.collector->n_requests, 3);
    cr_expect_eq(
        counter("sigpost_export_rejected_items_total", METRIC_LABELS("destination", "otlp")), 21);
    cr_expect_eq(counter("sigpost_export_items_total", METRIC_LABELS("destination", "otlp")), 30);
    cr_expect_eq(log_lines("too old"), 3);
}

static struct fake_answer odd_success(void *arg, const struct fake_request *request)
{
    static char much[300000];
    (void)arg;
    memset(much, 0xff, sizeof(much));
    return request->number == 0
               ? (struct fake_answer){.status = 200,
                                      .headers = PROTOBUF,
                                      .body = much,
                                      .body_len = sizeof(much)}
               : (struct fake_answer){.status = 200,
                                      .headers = "Content-Type: application/json\r\n",
                                      .body = "{}",
                                      .body_len = 2};
}

Test(destination_otlp, unreadable_successes_are_still_deliveries)
{
    world_listen(&w, 0, odd_success, NULL);
    world_start(&w);
    world_append(&w, 3, 1, 3);
    cr_assert(world_wait(&w, 3, 1));
    world_append(&w, 6, 1, 3);
    cr_assert(world_wait(&w, 6, 1));
    world_stop(&w, 1000);
    cr_expect_eq(w.collector->n_requests, 2);
    cr_expect_eq(w.collector->n_connections, 1, "the long answer was read to its end");
    cr_expect_eq(log_lines("not OTLP protobuf"), 2);
}

/* --- stop ------------------------------------------------------------------------------------- */

Test(destination_otlp, stop_aborts_at_the_deadline_and_nothing_is_missing_after)
{
    struct script s = {.delay_ms = 30000};
    world_listen(&w, 0, play, &s);
    world_append(&w, 1, 400, 3);
    world_start(&w);
    for (int i = 0; i < 1000 && w.collector->most_busy < 3; i++) {
        usleep(5000);
    }
    int64_t before = clock_mono_ns();
    world_stop(&w, 150);
    cr_expect_lt(clock_mono_ns() - before, 1000 * WORLD_MS);
    cr_expect_geq(clock_mono_ns() - before, 140 * WORLD_MS);
    spool_close(w.spool);
    fake_collector_stop(w.collector);
    fake_collector_free(w.collector);

    struct script well = {0};
    world_open_spool(&w);
    world_listen(&w, 0, play, &well);
    world_start(&w);
    cr_assert(world_wait(&w, 1, 400));
}

Test(destination_otlp, a_killed_process_loses_nothing)
{
    struct script s = {.delay_ms = 800}; /* more was read than was sent when it is killed */
    world_listen(&w, 0, play, &s);
    world_append(&w, 1, 400, 3);
    spool_close(w.spool);
    pid_t child = fork();
    if (child == 0) {
        world_open_spool(&w);
        world_start(&w);
        pause();
        _exit(1);
    }
    usleep(1300000); /* so that a cursor was made durable on the way */
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    unsigned before = world_arrived(&w, 1, 400);
    cr_expect_gt(before, 0);
    cr_expect_lt(before, 400, "killed in the middle");
    s.delay_ms = 0;
    world_open_spool(&w);
    world_start(&w);
    cr_assert(world_wait(&w, 1, 400));
}

Test(destination_otlp, stop_waits_for_what_is_under_way_and_sends_what_was_read)
{
    struct script s = {.delay_ms = 200};
    world_listen(&w, 0, play, &s);
    w.options.batch_age_ns = INT64_C(3600000) * WORLD_MS;
    world_start(&w);
    world_append(&w, 1, 5, 1);
    usleep(100000); /* read, and waiting for their age */
    cr_expect_eq(w.collector->n_requests, 0);
    world_stop(&w, 5000);
    cr_expect_eq(world_arrived(&w, 1, 5), 5);
    spool_close(w.spool);
    world_open_spool(&w);
    w.options.batch_age_ns = 1;
    world_start(&w);
    usleep(150000);
    world_stop(&w, 5000);
    cr_expect_eq(w.collector->n_requests, 1, "acknowledged, so not sent again");
}

Test(destination_otlp, stop_while_nothing_is_there_is_at_once)
{
    struct script s = {0};
    world_listen(&w, 0, play, &s);
    world_start(&w);
    int64_t before = clock_mono_ns();
    world_stop(&w, 10000);
    cr_expect_lt(clock_mono_ns() - before, 500 * WORLD_MS);
}

Test(destination_otlp, stop_during_a_pause_is_at_once)
{
    struct script s = {.statuses = {503}, .headers = "Retry-After: 500\r\n"};
    world_listen(&w, 0, play, &s);
    world_append(&w, 1, 5, 1);
    world_start(&w);
    cr_assert(world_wait_status(&w, false, "retrying in"));
    int64_t before = clock_mono_ns();
    world_stop(&w, 10000);
    cr_expect_lt(clock_mono_ns() - before, 500 * WORLD_MS);
}

/* --- configuration ---------------------------------------------------------------------------- */

static void expect_refused(const char *wanted)
{
    struct result why = RESULT_INIT;
    cr_expect_null(destination_otlp_start(&w.options, w.spool, w.metrics, &why), "%s", wanted);
    cr_expect_not_null(strstr(why.text, wanted), "%s, wanted: %s", why.text, wanted);
}

Test(destination_otlp, a_bad_url_is_refused_at_start)
{
    static const char *const bad[] = {
        "",        "collector",     "collector:4318", "ftp://x",
        "http://", "http://x/?a=b", "file:///etc/",   "http://x:99999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        w.options.url = bad[i];
        expect_refused("url");
    }
    w.options.url = "http://user:s3cret@x/?q";
    struct result why = RESULT_INIT;
    cr_expect_null(destination_otlp_start(&w.options, w.spool, w.metrics, &why));
    cr_expect_null(strstr(why.text, "s3cret"));
}

Test(destination_otlp, a_password_in_the_url_is_used_and_never_shown)
{
    struct script s = {.statuses = {401}};
    world_listen(&w, 0, play, &s);
    snprintf(w.url, sizeof(w.url), "http://user:s3cret@127.0.0.1:%u", w.collector->port);
    world_append(&w, 3, 1, 3);
    world_start(&w);
    cr_assert(world_wait_status(&w, false, "status 401"));
    cr_expect_null(strstr(world_status(&w).problem, "s3cret"));
    cr_assert(world_wait(&w, 3, 1));
    cr_expect_not_null(
        strstr(w.collector->requests[0].head, "\r\nAuthorization: Basic dXNlcjpzM2NyZXQ=\r\n"));
    cr_expect_eq(log_lines("s3cret"), 0);
}

Test(destination_otlp, bad_headers_are_refused_without_their_values)
{
    w.options.url = "http://127.0.0.1:1";
    w.options.n_headers = 1;
    static const char *const bad[] = {"no colon s3cret",
                                      ": s3cret",
                                      "Na me: s3cret",
                                      "X: s3cret\r\nEvil: 1",
                                      "Content-Type: s3cret",
                                      "content-length: s3cret",
                                      "Transfer-Encoding: s3cret"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct result why = RESULT_INIT;
        w.options.headers = &bad[i];
        cr_expect_null(destination_otlp_start(&w.options, w.spool, w.metrics, &why), "%s", bad[i]);
        cr_expect_not_null(strstr(why.text, "header"), "%s", why.text);
        cr_expect_null(strstr(why.text, "s3cret"), "%s", why.text);
    }
}

Test(destination_otlp, a_ca_file_that_holds_no_certificate_is_refused)
{
    w.options.url = "https://127.0.0.1:1";
    w.options.ca_file = "/nonexistent/ca.pem";
    expect_refused("/nonexistent/ca.pem");
    w.options.ca_file = w.log_path;
    expect_refused("holds no certificate");
}

Test(destination_otlp, bad_limits_and_names_are_refused)
{
    w.options.url = "http://127.0.0.1:1";
    w.options.name = "Bad Name";
    expect_refused("name");
    w.options.name = "otlp";
    w.options.in_flight = 0;
    expect_refused("in_flight");
}
