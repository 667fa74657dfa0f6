/* test_destination_lanes.c: each signal on its own lane: what one waits for holds no other; cursors
 * of earlier versions; letters that were put back; odd receivers; memory. */
#include "otlp/encoding.h"
#include "tests/export_world.h"

#include <criterion/criterion.h>
#include <curl/curl.h>
#include <malloc.h>

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

TestSuite(destination_lanes, .init = setup, .fini = teardown, .timeout = 60);

/* --- scripts ---------------------------------------------------------------------------------- */

/* What each path is answered; 0: 200. */
struct by_path {
    atomic_int metrics, traces, logs;
    int how;
    int delay_ms;
};

static struct fake_answer by_path(void *arg, const struct fake_request *request)
{
    struct by_path *s = arg;
    int status = strcmp(request->path, "/v1/metrics") == 0  ? s->metrics
                 : strcmp(request->path, "/v1/traces") == 0 ? s->traces
                                                            : s->logs;
    if (status == 0) {
        return (struct fake_answer){.status = 200};
    }
    return (struct fake_answer){.status = status, .how = s->how, .delay_ms = s->delay_ms};
}

/* Of all signals. */
static uint64_t passed(struct destination *destination)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        uint64_t arrived = destination->ops->arrived(destination, (enum signal)i);
        least = arrived < least ? arrived : least;
    }
    return least;
}

static bool until_passed(uint64_t sequence)
{
    for (int i = 0; i < 2000 && passed(w.destination) < sequence; i++) {
        usleep(5000);
    }
    return passed(w.destination) >= sequence;
}

/* Of ids [first, first + n), those whose id % signals is `signal`, are there. */
static bool until_arrived(unsigned first, unsigned n, unsigned signals, unsigned signal)
{
    for (int i = 0; i < 2000; i++) {
        unsigned counts[WORLD_IDS];
        bool all = true;
        world_delivered(&w, counts);
        for (unsigned id = first; id < first + n; id++) {
            all = all && (id % signals != signal || counts[id] != 0);
        }
        if (all) {
            return true;
        }
        usleep(5000);
    }
    return false;
}

/* --- independence ----------------------------------------------------------------------------- */

Test(destination_lanes, a_signal_without_a_pipeline_holds_no_other)
{
    struct by_path s = {.traces = 404};
    world_listen(&w, 0, by_path, &s);
    world_start(&w);
    world_append(&w, 1, 900, 3);
    cr_assert(until_arrived(1, 900, 3, SIGNAL_METRICS));
    cr_assert(until_arrived(1, 900, 3, SIGNAL_LOGS));
    cr_assert(world_wait_status(&w, false, "/v1/traces: status 404"));
    cr_expect_lt(passed(w.destination), 2);
    cr_expect_eq(world_arrived(&w, 1, 900), 600);
    s.traces = 0;
    cr_assert(world_wait(&w, 1, 900));
    cr_assert(world_wait_status(&w, true, ""));
    cr_assert(until_passed(900));
    world_stop(&w, 1000);
    unsigned counts[WORLD_IDS];
    world_delivered(&w, counts);
    for (unsigned id = 1; id <= 900; id++) {
        cr_assert_eq(counts[id], 1, "%u", id);
    }
}

Test(destination_lanes, a_signal_whose_answers_trickle_holds_no_other)
{
    struct by_path s = {.logs = 200, .how = FAKE_TRICKLE};
    world_listen(&w, 0, by_path, &s);
    w.options.timeout_ns = 300 * WORLD_MS;
    world_start(&w);
    world_append(&w, 1, 300, 3);
    cr_assert(until_arrived(1, 300, 3, SIGNAL_METRICS));
    cr_assert(until_arrived(1, 300, 3, SIGNAL_TRACES));
    cr_assert(world_wait_status(&w, false, "/v1/logs: no answer within 0.3 s"));
}

Test(destination_lanes, what_was_held_is_all_there_after_a_restart)
{
    struct by_path s = {.traces = 404};
    world_listen(&w, 0, by_path, &s);
    world_start(&w);
    world_append(&w, 1, 300, 3);
    cr_assert(until_arrived(1, 300, 3, SIGNAL_METRICS));
    world_stop(&w, 1000);
    spool_close(w.spool);
    world_open_spool(&w);
    s.traces = 0;
    world_start(&w);
    cr_assert(world_wait(&w, 1, 300));
    world_stop(&w, 1000);
    unsigned counts[WORLD_IDS];
    world_delivered(&w, counts);
    for (unsigned id = 1; id <= 300; id++) {
        cr_assert_eq(counts[id], 1, "%u", id);
    }
}

Test(destination_lanes, a_dead_destination_holds_no_other)
{
    struct by_path s = {0};
    struct result why = RESULT_INIT;
    struct destination_otlp_options dead = w.options;
    world_listen(&w, 0, by_path, &s);
    dead.name = "dead";
    dead.url = "http://127.0.0.1:9"; /* nobody listens on discard */
    struct destination *other = destination_otlp_start(&dead, w.spool, w.metrics, &why);
    cr_assert_not_null(other, "%s", why.text);
    world_start(&w);
    for (unsigned round = 0; round < 10; round++) {
        world_append(&w, 1 + round * 300, 300, 3);
    }
    cr_assert(world_wait(&w, 1, 3000));
    cr_assert(until_passed(3000));
    struct destination_status status;
    other->ops->status(other, &status);
    cr_expect_not(status.ok);
    cr_expect_eq(passed(other), 0);
    struct spool_stats stats;
    spool_get_stats(w.spool, &stats);
    cr_expect_eq(stats.pending_records, 3000, "held for the one that is dead");
    other->ops->stop(other, clock_mono_ns());
}

/* --- signals and cursors ---------------------------------------------------------------------- */

Test(destination_lanes, signals_that_are_not_taken_are_passed_over)
{
    struct by_path s = {0};
    world_listen(&w, 0, by_path, &s);
    w.options.signals = SPOOL_SIGNAL(SIGNAL_METRICS);
    world_start(&w);
    world_append(&w, 1, 300, 3);
    cr_assert(until_arrived(1, 300, 3, SIGNAL_METRICS));
    cr_assert(until_passed(300), "the last are traces and logs");
    cr_expect_eq(world_arrived(&w, 1, 300), 100);
    world_append_from(&w, 301, 100, SIGNAL_TRACES, 1);
    cr_assert(until_passed(400));
    struct spool_stats stats;
    spool_get_stats(w.spool, &stats);
    cr_expect_eq(stats.pending_records, 0);
    world_stop(&w, 1000);
    for (size_t i = 0; i < w.collector->n_requests; i++) {
        cr_assert_str_eq(w.collector->requests[i].path, "/v1/metrics");
    }
}

Test(destination_lanes, no_signal_is_refused)
{
    struct result why = RESULT_INIT;
    w.options.signals = 0;
    cr_assert_null(destination_otlp_start(&w.options, w.spool, w.metrics, &why));
    cr_expect_str_eq(why.text, "destination otlp: it is to take at least one signal");
}

/* A state directory of the version with one cursor a destination. */
Test(destination_lanes, the_one_cursor_of_an_earlier_version_is_taken_over)
{
    struct by_path s = {0};
    struct result why = RESULT_INIT;
    world_append(&w, 1, 300, 3);
    struct spool_reader *old = spool_reader_open(w.spool, "otlp", &why);
    cr_assert_not_null(old, "%s", why.text);
    spool_reader_ack(old, 200);
    spool_reader_close(old);
    spool_close(w.spool);
    world_open_spool(&w);
    world_listen(&w, 0, by_path, &s);
    world_start(&w);
    spool_forget_readers_except(w.spool, NULL, 0);
    cr_assert(world_wait(&w, 201, 100));
    cr_assert(until_passed(300));
    world_stop(&w, 1000);
    cr_expect_eq(world_arrived(&w, 1, 200), 0, "what was done is not sent again");
    spool_close(w.spool);
    world_open_spool(&w);
    world_start(&w);
    world_append(&w, 301, 3, 3);
    cr_assert(world_wait(&w, 301, 3));
    world_stop(&w, 1000);
    unsigned counts[WORLD_IDS];
    world_delivered(&w, counts);
    for (unsigned id = 201; id <= 303; id++) {
        cr_assert_eq(counts[id], 1, "%u", id);
    }
}

/* --- compression ------------------------------------------------------------------------------ */

Test(destination_lanes, zstd_bodies_unpack_to_the_payloads)
{
    struct by_path s = {0};
    world_listen(&w, 0, by_path, &s);
    w.options.zip = EXPORT_ZIP_ZSTD;
    w.options.signals = SPOOL_SIGNAL(SIGNAL_METRICS);
    w.options.batch_age_ns = 100 * WORLD_MS;
    world_start(&w);
    world_append(&w, 1, 16, 1);
    cr_assert(until_passed(16));
    world_stop(&w, 1000);
    struct buf expected = BUF_INIT;
    struct buf got = BUF_INIT;
    const char *fault;
    for (unsigned id = 1; id <= 16; id++) {
        world_payload(&expected, SIGNAL_METRICS, id);
    }
    for (size_t i = 0; i < w.collector->n_requests; i++) {
        const struct fake_request *r = &w.collector->requests[i];
        cr_assert_not_null(strstr(r->head, "Content-Encoding: zstd\r\n"), "%s", r->head);
        cr_assert_eq(encoding_inflate(ENCODING_ZSTD, slice_make(r->body, r->body_len), 1 << 20,
                                      &got, &fault),
                     ENCODING_OK);
    }
    cr_assert(slice_eq(buf_slice(&got), buf_slice(&expected)));
    buf_free(&got);
    buf_free(&expected);
}

/* A receiver that does not know the encoding refuses all: that is no fault of a request. */
Test(destination_lanes, an_unknown_encoding_is_the_operators_to_mend)
{
    struct by_path s = {.metrics = 415};
    world_listen(&w, 0, by_path, &s);
    world_append(&w, 1, 40, 1);
    world_start(&w);
    cr_assert(world_wait_status(&w, false, "/v1/metrics: status 415"));
    s.metrics = 0;
    cr_assert(world_wait(&w, 1, 40));
    cr_expect_eq(world_status(&w).dead_letters, 0);
}

/* --- odd receivers ---------------------------------------------------------------------------- */

static struct fake_answer huge(void *arg, const struct fake_request *request)
{
    static char body[8 << 20];
    (void)arg;
    memset(body, 'x', sizeof(body));
    return (struct fake_answer){.status = request->number == 0 ? 400 : 200,
                                .headers = "Content-Type: text/plain\r\n",
                                .body = body,
                                .body_len = sizeof(body)};
}

static bool refused(enum signal signal, uint64_t after, uint64_t last)
{
    return w.destination->ops->refused(w.destination, signal, after, last);
}

/* Whoever watches over one signal must not take another's refusal for its own. */
Test(destination_lanes, refusals_are_told_for_each_signal)
{
    struct by_path s = {.traces = 400};
    world_listen(&w, 0, by_path, &s);
    world_start(&w);
    world_append(&w, 1, 30, 3);
    cr_assert(until_passed(30));
    struct destination_status status = world_status(&w);
    cr_expect_eq(status.dead_letters, 10);
    cr_expect(refused(SIGNAL_TRACES, 0, 30));
    cr_expect_not(refused(SIGNAL_METRICS, 0, 30));
    cr_expect_not(refused(SIGNAL_LOGS, 0, 30));
}

Test(destination_lanes, a_refusal_is_known_among_others_and_assumed_behind_many)
{
    struct by_path s = {.traces = 400};
    world_listen(&w, 0, by_path, &s);
    world_start(&w);
    world_append_from(&w, 1, 40, SIGNAL_TRACES, 1);
    cr_assert(until_passed(40));
    cr_expect(refused(SIGNAL_TRACES, 0, 1));
    cr_expect(refused(SIGNAL_TRACES, 19, 20));
    cr_expect_not(refused(SIGNAL_TRACES, 40, 50));
    s.traces = 0;
    world_append_from(&w, 41, 1, SIGNAL_TRACES, 1);
    cr_assert(until_passed(41));
    cr_expect_not(refused(SIGNAL_TRACES, 40, 41));
    s.traces = 400;
    world_append_from(&w, 42, 100, SIGNAL_TRACES, 1);
    cr_assert(until_passed(141));
    cr_expect(refused(SIGNAL_TRACES, 40, 41), "not known any more");
    cr_expect_not(refused(SIGNAL_TRACES, 141, 200));
}

Test(destination_lanes, a_huge_answer_is_cut_and_counts)
{
    world_listen(&w, 0, huge, NULL);
    world_append(&w, 3, 1, 3);
    world_start(&w);
    for (int i = 0; i < 2000 && world_status(&w).dead_letters == 0; i++) {
        usleep(5000);
    }
    cr_assert_eq(world_status(&w).dead_letters, 1);
    world_append(&w, 6, 3, 3);
    cr_assert(world_wait(&w, 6, 3));
    cr_assert(until_passed(4));
    char(*names)[DEAD_LETTER_NAME_MAX] = NULL;
    struct buf file = BUF_INIT;
    struct dead_letter letter;
    size_t n;
    cr_assert(dead_letter_list(w.dead_dir, &names, &n, NULL));
    cr_assert_eq(n, 1);
    cr_assert(dead_letter_read(w.dead_dir, names[0], &file, &letter, NULL));
    cr_expect_leq(letter.answer.len, DEAD_LETTER_ANSWER_MAX);
    cr_expect_eq(letter.items, 1);
    buf_free(&file);
    free(names);
}

Test(destination_lanes, a_name_that_does_not_resolve_is_said)
{
    snprintf(w.url, sizeof(w.url), "http://no-such-host.invalid:4318");
    world_append(&w, 3, 1, 3);
    world_start(&w);
    cr_assert(world_wait_status(&w, false, "/v1/metrics: the host name cannot be resolved"));
}

/* TLS towards somebody who speaks plain HTTP. */
Test(destination_lanes, a_failing_handshake_is_held_and_said)
{
    struct by_path s = {0};
    world_listen(&w, 0, by_path, &s);
    snprintf(w.url, sizeof(w.url), "https://127.0.0.1:%u", w.collector->port);
    w.options.timeout_ns = 2000 * WORLD_MS;
    world_append(&w, 3, 1, 3);
    world_start(&w);
    cr_assert(world_wait_status(&w, false, "https://127.0.0.1:"));
    cr_expect_eq(world_status(&w).dead_letters, 0);
    cr_expect_eq(passed(w.destination), 0);
}

/* Every second request is met by a connection that closes without a word. */
static struct fake_answer closes(void *arg, const struct fake_request *request)
{
    (void)arg;
    return (struct fake_answer){.status = 200,
                                .how = request->number % 2 == 1 ? FAKE_SILENT_CLOSE : FAKE_WHOLE};
}

Test(destination_lanes, connections_closed_under_a_request_lose_nothing)
{
    world_listen(&w, 0, closes, NULL);
    w.options.batch_requests = 1;
    world_start(&w);
    world_append(&w, 1, 60, 3);
    cr_assert(world_wait(&w, 1, 60));
    cr_assert(until_passed(60));
    cr_expect_eq(world_status(&w).dead_letters, 0);
}

/* --- letters that were put back --------------------------------------------------------------- */

static unsigned letters(char names[][DEAD_LETTER_NAME_MAX], unsigned max)
{
    char(*list)[DEAD_LETTER_NAME_MAX] = NULL;
    size_t n = 0;
    cr_assert(dead_letter_list(w.dead_dir, &list, &n, NULL));
    for (size_t i = 0; i < n && i < max; i++) {
        memcpy(names[i], list[i], DEAD_LETTER_NAME_MAX);
    }
    free(list);
    return (unsigned)n;
}

static void put_back_all(void)
{
    char names[64][DEAD_LETTER_NAME_MAX];
    unsigned n = letters(names, 64);
    struct result why = RESULT_INIT;
    for (unsigned i = 0; i < n && i < 64; i++) {
        cr_assert(dead_letter_put_back(w.dead_dir, names[i], &why), "%s", why.text);
    }
}

static unsigned waiting(void)
{
    char names[64][DEAD_LETTER_NAME_MAX];
    unsigned n = 0;
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        n += (unsigned)dead_letter_waiting(w.dead_dir, (enum signal)i, "otlp", "", names, 64);
    }
    return n;
}

/* Sends ids 1 to n (three signals) to a receiver that answers all with 400. */
static void bury(struct by_path *s, unsigned n)
{
    s->metrics = s->traces = s->logs = 400;
    world_listen(&w, 0, by_path, s);
    world_append(&w, 1, n, 3);
    world_start(&w);
    for (int i = 0; i < 2000 && world_status(&w).dead_letters < n; i++) {
        usleep(5000);
    }
    cr_assert_eq(world_status(&w).dead_letters, n);
    cr_assert(until_passed(n));
}

Test(destination_lanes, what_was_put_back_is_delivered_once)
{
    struct by_path s = {0};
    char names[64][DEAD_LETTER_NAME_MAX];
    bury(&s, 40);
    cr_assert_eq(letters(names, 64), 40);
    s.metrics = s.traces = s.logs = 0;
    put_back_all();
    cr_assert(world_wait(&w, 1, 40));
    for (int i = 0; i < 2000 && waiting() != 0; i++) {
        usleep(5000);
    }
    cr_expect_eq(waiting(), 0);
    cr_expect_eq(letters(names, 64), 0);
    world_stop(&w, 1000);
    unsigned counts[WORLD_IDS];
    world_delivered(&w, counts);
    for (unsigned id = 1; id <= 40; id++) {
        cr_assert_eq(counts[id], 1, "%u", id);
    }
}

Test(destination_lanes, refused_again_it_is_a_dead_letter_again)
{
    struct by_path s = {0};
    char names[64][DEAD_LETTER_NAME_MAX];
    bury(&s, 6);
    w.dead.max_bytes = 1; /* no room: it replaces itself all the same */
    s.metrics = s.traces = s.logs = 413;
    uint64_t count, bytes;
    dead_letter_count(&w.dead, &count, &bytes);
    w.dead.max_bytes = bytes + 64; /* "too_large" is longer than "refused" */
    put_back_all();
    for (int i = 0; i < 2000 && (waiting() != 0 || letters(names, 64) != 6); i++) {
        usleep(5000);
    }
    cr_expect_eq(waiting(), 0);
    cr_assert_eq(letters(names, 64), 6);
    struct buf file = BUF_INIT;
    struct dead_letter letter;
    for (unsigned i = 0; i < 6; i++) {
        cr_assert(dead_letter_read(w.dead_dir, names[i], &file, &letter, NULL));
        cr_expect_eq(letter.status, 413);
        cr_expect(slice_eq_str(letter.reason, "too_large"));
        cr_expect_eq(letter.items, 1);
    }
    buf_free(&file);
}

/* A receiver that is down: the letter waits, and is there when it is up, over a restart, too. */
Test(destination_lanes, what_was_put_back_waits_for_a_receiver)
{
    struct by_path s = {0};
    bury(&s, 3);
    s.metrics = s.traces = s.logs = 503;
    put_back_all();
    cr_assert(world_wait_status(&w, false, "a dead letter that was put back: status 503"));
    cr_expect_eq(waiting(), 3);
    world_stop(&w, 1000);
    cr_expect_eq(waiting(), 3);
    s.metrics = s.traces = s.logs = 0;
    world_start(&w);
    cr_assert(world_wait(&w, 1, 3));
    cr_assert(world_wait_status(&w, true, ""));
    for (int i = 0; i < 2000 && waiting() != 0; i++) {
        usleep(5000);
    }
    cr_expect_eq(waiting(), 0);
}

/* --- memory ----------------------------------------------------------------------------------- */

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

static size_t heap_now(void)
{
#ifdef __SANITIZE_ADDRESS__
    return __sanitizer_get_current_allocated_bytes();
#else
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#endif
}

static void append_large(unsigned n)
{
    enum { LEN = 64 << 10 };
    static char bytes[LEN];
    atomic_uint left = n;
    for (unsigned i = 0; i < n; i++) {
        const struct spool_record record = {(enum signal)(i % 3), clock_wall_ns(), SLICE_LIT(""),
                                            SLICE_LIT(""),        {bytes, LEN},    1};
        spool_append(w.spool, &record, world_durable, &left);
        while (atomic_load(&left) > n - i + 16) {
            usleep(1000);
        }
    }
    while (atomic_load(&left) != 0) {
        usleep(1000);
    }
}

/* A receiver that takes connections and never reads, with 40 MiB waiting: a lane holds in_flight
 * batches, one that is being filled and one frame, whatever waits on disk. */
Test(destination_lanes, memory_is_bounded_whatever_waits)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(listener, 64), 0);
    getsockname(listener, (struct sockaddr *)&address, &len);
    snprintf(w.url, sizeof(w.url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    w.options.batch_bytes = 256 << 10;
    w.options.in_flight = 2;
    w.options.timeout_ns = 60 * INT64_C(1000000000);
    append_large(640);
    size_t before = heap_now();
    world_start(&w);
    size_t most = 0;
    for (int i = 0; i < 200; i++) {
        size_t now = heap_now();
        most = now > most ? now : most;
        usleep(5000);
    }
    size_t lane = (size_t)(2 + 1) * (512 << 10) + (512 << 10); /* buffers grow by doubling */
    cr_expect_gt(most, before + (256 << 10), "something was read");
    cr_expect_lt(most - before, 3 * lane + (2 << 20), "%zu KiB", (most - before) >> 10);
    world_stop(&w, 0);
    close(listener);
}
