/* test_stamp_oracle.c: stamping against decode, edit and encode by protobuf-c, over captures and
 * thousands of generated requests. Every input ends at a guard page; seeds are fixed.
 */
#include "otlp_stamp_hard.h"

#include <criterion/criterion.h>
#include <time.h>

#define CAPTURES SIGPOST_TEST_DATA "/captures"
#define ROOM ((size_t)1 << 20)

/* Judges a copy that ends at the guard page. */
static void judge(const struct guarded *g, enum signal signal, const void *bytes, size_t len)
{
    const char *wrong = stamp_disagreement(signal, guarded_put(g, bytes, len), len, stamp_sample,
                                           STAMP_SAMPLE_COUNT);
    cr_assert_null(wrong, "%s (%s, %zu bytes)", wrong, signal_info(signal)->name, len);
}

Test(stamp_oracle, captures)
{
    struct guarded g = guarded_open(SAMPLE_MAX);
    uint8_t body[SAMPLE_MAX];
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        size_t len = sample_read(CAPTURES, samples[i].file, body);
        cr_assert_eq(len, samples[i].len);
        judge(&g, samples[i].signal, body, len);
        for (size_t n = 0; n < STAMP_SAMPLE_COUNT; n++) {
            const char *wrong = stamp_disagreement(samples[i].signal, body, len, stamp_sample, n);
            cr_assert_null(wrong, "%s with %zu: %s", samples[i].file, n, wrong);
        }
    }
    guarded_close(&g);
}

/* The published client's own attributes, claimed: they are there, and are replaced. */
Test(stamp_oracle, captures_with_claims)
{
    static const struct stamp_attribute own[] = {
        {{"service.name", 12}, {"proved", 6}},
        {{"session.id", 10}, {"a rather longer one than was claimed, by far", 44}},
        {{"telemetry.sdk.version", 21}, {NULL, 0}},
        {{"user.id", 7}, {NULL, 0}},
    };
    uint8_t body[SAMPLE_MAX];
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        size_t len = sample_read(CAPTURES, samples[i].file, body);
        cr_assert_eq(len, samples[i].len);
        cr_assert_not_null(memmem(body, len, "telemetry.sdk.version", 21));
        const char *wrong = stamp_disagreement(samples[i].signal, body, len, own, 4);
        cr_assert_null(wrong, "%s: %s", samples[i].file, wrong);
        struct buf out = BUF_INIT;
        cr_assert(stamp_request(samples[i].signal, slice_make(body, len), own, 4, &out));
        cr_assert_null(memmem(out.data, out.len, "telemetry.sdk.version", 21));
        cr_assert_null(memmem(out.data, out.len, "user.id", 7));
        buf_free(&out);
    }
}

/* Cut anywhere, a capture is refused, or (cut at nothing) has nothing to stamp. */
Test(stamp_oracle, every_truncation)
{
    struct guarded g = guarded_open(SAMPLE_MAX);
    uint8_t body[SAMPLE_MAX];
    for (size_t i = 3; i < SAMPLE_COUNT; i += 2) {
        size_t len = sample_read(CAPTURES, samples[i].file, body);
        cr_assert_eq(len, samples[i].len);
        for (size_t cut = 0; cut < len; cut++) {
            judge(&g, samples[i].signal, body, cut);
        }
    }
    guarded_close(&g);
}

Test(stamp_oracle, every_flipped_bit_of_the_resource)
{
    struct guarded g = guarded_open(SAMPLE_MAX);
    uint8_t body[SAMPLE_MAX] = {0};
    size_t len = sample_read(CAPTURES, samples[3].file, body);
    cr_assert_eq(len, samples[3].len);
    for (size_t bit = 0; bit < 4800; bit++) {
        body[bit / 8] ^= (uint8_t)(1U << bit % 8);
        judge(&g, samples[3].signal, body, len);
        body[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    guarded_close(&g);
}

Test(stamp_oracle, requests_by_the_schema)
{
    struct guarded g = guarded_open(ROOM);
    for (size_t round = 0; round < 4000; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_PROFILES);
        struct buf b = BUF_INIT;
        uint64_t items = 0;
        generate(&b, signal_info(signal)->request, 1, &items);
        cr_assert(!b.failed && b.len <= ROOM);
        judge(&g, signal, b.data, b.len);
        buf_free(&b);
    }
    guarded_close(&g);
}

/* How many stamped names stand in the request as pairs of a resource: the generator's strength. */
static size_t count_claims(struct slice request)
{
    size_t sum = 0;
    for (size_t i = 0; i < STAMP_SAMPLE_COUNT; i++) {
        struct tally found = {0, 0};
        tally(request, 3, &stamp_sample[i], &found);
        sum += found.pairs;
    }
    return sum;
}

Test(stamp_oracle, requests_that_are_hard_to_stamp)
{
    struct guarded g = guarded_open(ROOM);
    size_t claims = 0;
    size_t decoded = 0;
    const size_t rounds = 9000;
    for (size_t round = 0; round < rounds; round++) {
        enum signal signal = (enum signal)(round % SIGNAL_PROFILES);
        struct buf b = BUF_INIT;
        uint64_t items = 0;
        generate_hard(&b, signal, &items);
        cr_assert(!b.failed && b.len <= ROOM);
        struct slice request = buf_slice(&b);
        struct validation out;
        cr_assert(validate_request(signal, (const uint8_t *)request.data, request.len, &out), "%s",
                  out.fault);
        cr_assert_eq(out.items, items);
        judge(&g, signal, request.data, request.len);
        claims += count_claims(request);
        ProtobufCMessage *message = protobuf_c_message_unpack(
            signal_info(signal)->request, NULL, request.len, (const uint8_t *)request.data);
        decoded += message != NULL ? 1 : 0;
        protobuf_c_message_free_unpacked(message, NULL);
        buf_free(&b);
    }
    cr_assert_gt(claims, rounds, "only %zu claims", claims);
    cr_assert_gt(decoded, rounds * 9 / 10, "protobuf-c judged only %zu", decoded);
    guarded_close(&g);
}

/* --- four megabytes --- */

static double milliseconds_since(const struct timespec *from)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)(now.tv_sec - from->tv_sec) * 1e3 + (double)(now.tv_nsec - from->tv_nsec) / 1e6;
}

/* Judged, and in processor time that a quadratic way would pass by far. */
static void judge_huge(struct buf *b, const struct stamp_attribute *attributes, size_t n)
{
    cr_assert(!b->failed && b->len >= (size_t)4 << 20);
    struct timespec from;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    struct buf out = BUF_INIT;
    cr_assert(stamp_request(SIGNAL_METRICS, buf_slice(b), attributes, n, &out));
    double took = milliseconds_since(&from);
    cr_assert_lt(took, 1000, "%.0f ms", took);
    buf_free(&out);
    const char *wrong =
        stamp_disagreement(SIGNAL_METRICS, (const uint8_t *)b->data, b->len, attributes, n);
    cr_assert_null(wrong, "%s", wrong);
    buf_free(b);
}

static void wrap_shortest(struct buf *b, uint32_t number)
{
    struct buf outer = BUF_INIT;
    wire_put_bytes(&outer, number, buf_slice(b));
    buf_free(b);
    *b = outer;
}

Test(stamp_oracle, four_megabytes_of_claims)
{
    struct buf b = BUF_INIT;
    while (b.len < (size_t)4 << 20) {
        buf_append(&b, "\x0a\x05\x0a\x03key\x0a\x05\x0a\x03kex", 14);
    }
    wrap_shortest(&b, 1);
    wrap_shortest(&b, 1);
    judge_huge(&b, stamp_sample, STAMP_SAMPLE_COUNT);
}

Test(stamp_oracle, four_megabytes_in_scopes)
{
    struct buf b = BUF_INIT;
    char *to = buf_reserve(&b, (size_t)4 << 20);
    cr_assert_not_null(to);
    memset(to, 'n', (size_t)4 << 20);
    b.len = (size_t)4 << 20;
    wrap_shortest(&b, 3); /* schema_url */
    wrap_shortest(&b, 2); /* scope_metrics */
    wrap_shortest(&b, 1);
    judge_huge(&b, stamp_sample, STAMP_SAMPLE_COUNT);
}

/* The least that a resource can take, each of which is given a stamp. */
Test(stamp_oracle, two_million_resources)
{
    static const struct stamp_attribute one = {{"k", 1}, {"v", 1}};
    struct buf b = BUF_INIT;
    size_t len = (size_t)4 << 20;
    char *to = buf_reserve(&b, len);
    cr_assert_not_null(to);
    memset(to, 0, len);
    for (size_t i = 0; i < len; i += 2) {
        to[i] = 0x0a;
    }
    b.len = len;
    cr_assert_eq(stamp_size_max(buf_slice(&b), &one, 1), len + len / 2 * (10 + 14));
    struct buf out = BUF_INIT;
    struct timespec from;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    cr_assert(stamp_request(SIGNAL_METRICS, buf_slice(&b), &one, 1, &out));
    double took = milliseconds_since(&from);
    cr_assert_lt(took, 1000, "%.0f ms", took);
    cr_assert_eq(out.len, len / 2 * 14);
    cr_assert(each_stamped_once(buf_slice(&out), &one, 1));
    buf_free(&out);
    buf_free(&b);
}
