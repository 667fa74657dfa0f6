/* verify_timing.c: does the time of a verification tell anything about the expected signature?
 *
 * After dudect (Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?", 2017): two
 * classes of wrong signatures are verified in random order, and Welch's t-test says whether their
 * times differ.
 *     near     31 of the 32 bytes are the expected ones: what a forger would be close to
 *     random   32 random bytes
 * The test is also made on the times below each of 16 percentiles, because interrupts hide a leak
 * in their tail. The largest |t| counts. |t| above 10 is a leak; noise alone stays below 5.
 *
 * The subject is keyring_match as the gateway calls it. Three runs:
 *     verify    as it is: no leak may be found
 *     control   CRYPTO_memcmp replaced by a memcmp that goes byte by byte: the leak must be found,
 *               or this program measures nothing. (glibc's own compares 32 bytes by one
 *               instruction on today's processors; that it does not leak here is luck.)
 *     null      both classes random: shows the noise of this machine
 *
 *     verify_timing [--long]          also with SIGPOST_LONG in the environment
 *
 * A busy machine makes noise, not leaks: the control gets up to 64 times its first number of
 * samples to be caught, and the others fail only when several measurements in a row, each with
 * twice the samples of the one before, all find a leak. A true one grows with the samples.
 */
#include "secrets/keyring.h"
#include "secrets/keyring_file.h"

#include <dlfcn.h>
#include <math.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOW INT64_C(1800000000)
#define SECRET "timing-secret-0123456789abcdef0123456789"
#define PATH "/v1/metrics"
#define LEAK 10.0
#define CROPS 16
#define SAMPLES_SHORT ((size_t)100000)
#define SAMPLES_LONG ((size_t)4000000)
#define GROWTH_MAX 64
#define TRIES 4

enum run { RUN_VERIFY, RUN_CONTROL, RUN_NULL };
static const char *const run_names[] = {"verify", "control", "null"};

static enum run current;
static int (*real_memcmp)(const void *, const void *, size_t);

/* Stands in front of OpenSSL's; both go through one pointer's call, so that the runs differ in the
 * comparison alone. */
int CRYPTO_memcmp(const void *in_a, const void *in_b, size_t len)
{
    if (current != RUN_CONTROL) {
        return real_memcmp(in_a, in_b, len);
    }
    const volatile unsigned char *a = in_a;
    const volatile unsigned char *b = in_b;
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i]) {
            return 1;
        }
    }
    return 0;
}

static void check(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "verify_timing: %s\n", what);
        exit(1);
    }
}

/* xorshift64*: the order and the random class need no more. */
static uint64_t random_state = 88172645463325252U;
static uint64_t next_random(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 2685821657736338717U;
}

struct sample {
    uint8_t mac[SIGNATURE_BYTES];
    uint8_t near;
    int64_t ns;
};

/* Inputs are made before anything is measured, the same way for both classes. */
static void make_inputs(struct sample *samples, size_t n, const uint8_t expected[SIGNATURE_BYTES])
{
    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[SIGNATURE_BYTES];
        for (size_t at = 0; at < sizeof(bytes); at += 8) {
            uint64_t word = next_random();
            memcpy(bytes + at, &word, sizeof(word));
        }
        samples[i].near = (uint8_t)(next_random() >> 63);
        bool prefix = samples[i].near != 0 && current != RUN_NULL;
        memcpy(samples[i].mac, prefix ? expected : bytes, SIGNATURE_BYTES);
        samples[i].mac[SIGNATURE_BYTES - 1] =
            (uint8_t)(expected[SIGNATURE_BYTES - 1] ^ (1 + bytes[SIGNATURE_BYTES - 1] % 255));
    }
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void measure(struct keyring_reader *reader, struct signature_claim claim,
                    struct sample *samples, size_t n)
{
    const struct slice path = SLICE_LIT(PATH);
    struct keyring_match match;
    for (size_t i = 0; i < n; i++) {
        memcpy(claim.mac, samples[i].mac, sizeof(claim.mac));
        int64_t begin = now_ns();
        enum reason reason =
            keyring_match(reader, &claim, &path, 1, (struct slice){0}, NOW, &match);
        samples[i].ns = now_ns() - begin;
        check(reason == REASON_INVALID_SIGNATURE, "a wrong signature was believed");
    }
}

static int by_time(const void *a, const void *b)
{
    int64_t left = ((const struct sample *)a)->ns;
    int64_t right = ((const struct sample *)b)->ns;
    return left < right ? -1 : left > right;
}

/* Welch's t over the first n samples. */
static double welch(const struct sample *samples, size_t n)
{
    double count[2] = {0}, mean[2] = {0}, m2[2] = {0};
    for (size_t i = 0; i < n; i++) {
        unsigned class = samples[i].near;
        double delta = (double)samples[i].ns - mean[class];
        count[class] += 1;
        mean[class] += delta / count[class];
        m2[class] += delta * ((double)samples[i].ns - mean[class]);
    }
    if (count[0] < 2 || count[1] < 2) {
        return 0;
    }
    double error = m2[0] / (count[0] - 1) / count[0] + m2[1] / (count[1] - 1) / count[1];
    return error > 0 ? (mean[1] - mean[0]) / sqrt(error) : 0;
}

/* The largest |t| over all samples and over the fastest 5 %, 11 %, ... 94 % of them. Samples of one
 * time are kept or cropped together: where the clock is coarse, the order of equals means nothing.
 */
static double largest_t(struct sample *samples, size_t n)
{
    double largest = 0;
    qsort(samples, n, sizeof(samples[0]), by_time);
    for (size_t crop = 1; crop <= CROPS + 1; crop++) {
        size_t kept = n * crop / (CROPS + 1);
        while (kept < n && samples[kept].ns == samples[kept - 1].ns) {
            kept++;
        }
        double t = fabs(welch(samples, kept));
        largest = t > largest ? t : largest;
    }
    return largest;
}

struct bench {
    struct keyring_reader *reader;
    struct signature_claim claim; /* expected, valid */
};

static double find_t(const struct bench *bench, enum run run, size_t n)
{
    struct sample *samples = calloc(n, sizeof(*samples));
    check(samples != NULL, "out of memory");
    current = run;
    make_inputs(samples, n, bench->claim.mac);
    measure(bench->reader, bench->claim, samples, n < 1000 ? n : 1000); /* warm up */
    measure(bench->reader, bench->claim, samples, n);
    double t = largest_t(samples, n);
    printf("%-8s %9zu samples  median %4lld ns  largest |t| %.1f\n", run_names[run], n,
           (long long)samples[n / 2].ns, t);
    fflush(stdout);
    free(samples);
    return t;
}

/* How many samples it took to catch the control. */
static size_t catch_control(const struct bench *bench, size_t n)
{
    size_t most = n * GROWTH_MAX;
    while (find_t(bench, RUN_CONTROL, n) < LEAK) {
        n *= 2;
        check(n <= most, "the control was not caught: this machine is too noisy to tell anything");
    }
    return n;
}

static bool leaks(const struct bench *bench, enum run run, size_t n)
{
    for (unsigned try = 0; try < TRIES; try++, n *= 2) {
        if (find_t(bench, run, n) < LEAK) {
            return false;
        }
    }
    return true;
}

static void sign(struct bench *bench)
{
    char message[SIGNATURE_MESSAGE_MAX(SIGNATURE_PATH_MAX)];
    static char signature[2 * SIGNATURE_BYTES + 1];
    struct signature_headers headers = {.timestamp = SLICE_LIT("1800000000"),
                                        .session = SLICE_LIT("session-1")};
    size_t len = signature_message(SLICE_LIT(PATH), headers.timestamp, headers.session, message,
                                   sizeof(message));
    check(signature_sign(SLICE_LIT(SECRET), slice_make(message, len), signature), "cannot sign");
    headers.signature = slice_of(signature);
    check(signature_parse(&headers, &bench->claim) == REASON_OK, "cannot parse");
}

/* A program whose valid signatures do not verify would measure nothing. */
static void check_valid(const struct bench *bench)
{
    const struct slice path = SLICE_LIT(PATH);
    struct keyring_match match;
    check(keyring_match(bench->reader, &bench->claim, &path, 1, (struct slice){0}, NOW, &match) ==
              REASON_OK,
          "a right signature was not believed");
}

int main(int argc, char **argv)
{
    struct result why = RESULT_INIT;
    struct bench bench = {NULL, {{0}, 0, {0}, {0}, {0}}};
    const struct keyring_sources sources = {.signing_secret = SECRET};
    bool many = getenv("SIGPOST_LONG") != NULL || (argc == 2 && strcmp(argv[1], "--long") == 0);
    check(argc == 1 || (argc == 2 && strcmp(argv[1], "--long") == 0),
          "usage: verify_timing [--long]");
    void *found = dlsym(RTLD_NEXT, "CRYPTO_memcmp");
    memcpy(&real_memcmp, &found, sizeof(real_memcmp));
    check(real_memcmp != NULL, "there is no CRYPTO_memcmp");
    check(keyring_init_memory(&why), why.text);
    struct keyring *ring = keyring_open(&sources, NULL, &why);
    check(ring != NULL, why.text);
    bench.reader = keyring_reader_create(ring);
    check(bench.reader != NULL, "out of memory");
    sign(&bench);
    check_valid(&bench);

    size_t needed = catch_control(&bench, SAMPLES_SHORT);
    size_t n = many ? SAMPLES_LONG : 2 * needed;
    bool noisy = leaks(&bench, RUN_NULL, n);
    bool leaking = leaks(&bench, RUN_VERIFY, n);
    keyring_reader_destroy(bench.reader);
    keyring_close(ring);
    check(!noisy, "classes that are the same were told apart: the measurement is wrong");
    check(!leaking, "the time of a verification tells how near a signature is");
    printf("no leak: |t| < %.0f, where a memcmp is caught\n", LEAK);
    return 0;
}
