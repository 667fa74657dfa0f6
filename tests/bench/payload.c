/* payload.c: what the steps behind the signature cost on one body, beside copying its bytes.
 *
 *     build/bin/bench_payload [FILE]        default: deploy/sample/metrics.bin
 *
 * Nanoseconds of the best of many batches, so that a busy machine disturbs it least.
 */
#include "base/clock.h"
#include "otlp/stamp.h"
#include "otlp/validate.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCHES 400
#define ROUNDS 200

static struct buf body = BUF_INIT;
static struct buf out = BUF_INIT;

static const struct stamp_attribute attributes[] = {
    {{"sigpost.session.id", 18}, {"5f0c1c9e-7f0e-4a53-9a55-0d4a5a8f7a11", 36}},
    {{"sigpost.key.id", 14}, {"2026-11", 7}},
    {{"deployment.environment", 22}, {"production", 10}},
    {{"service.namespace", 17}, {"kotormodsync", 12}},
};

static void copy(void)
{
    buf_clear(&out);
    buf_append(&out, body.data, body.len);
}

static void validate(void)
{
    struct validation validation;
    if (!validate_request(SIGNAL_METRICS, (const uint8_t *)body.data, body.len, &validation)) {
        fprintf(stderr, "bench_payload: not a metrics request: %s\n", validation.fault);
        exit(1);
    }
}

static void stamp(void)
{
    buf_clear(&out);
    if (!stamp_request(SIGNAL_METRICS, buf_slice(&body), attributes, 4, &out)) {
        exit(1);
    }
}

static void both(void)
{
    validate();
    stamp();
}

static double best_ns(void (*step)(void))
{
    int64_t best = INT64_MAX;
    for (int batch = 0; batch < BATCHES; batch++) {
        int64_t start = clock_mono_ns();
        for (int round = 0; round < ROUNDS; round++) {
            step();
            __asm__ volatile("" ::: "memory");
        }
        int64_t took = clock_mono_ns() - start;
        best = took < best ? took : best;
    }
    return (double)best / ROUNDS;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : SIGPOST_SOURCE_DIR "/deploy/sample/metrics.bin";
    FILE *file = fopen(path, "rb");
    char *to = buf_reserve(&body, 64 << 20);
    if (file == NULL || to == NULL) {
        fprintf(stderr, "bench_payload: cannot read %s\n", path);
        return 1;
    }
    body.len = fread(to, 1, 64 << 20, file);
    fclose(file);
    printf("%zu bytes\n", body.len);
    printf("%-20s%10.0f ns\n", "copy", best_ns(copy));
    printf("%-20s%10.0f ns\n", "validate", best_ns(validate));
    printf("%-20s%10.0f ns\n", "stamp", best_ns(stamp));
    printf("%-20s%10.0f ns\n", "validate and stamp", best_ns(both));
    return 0;
}
