/* tsan_key_usage.c: threads count while the file is saved and counters come and go; no count is
 * lost.
 */
#include "base/log.h"
#include "secrets/key_usage.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS 10
#define COUNTS 3000
#define NOW INT64_C(1800000000)

static char dir[] = "/tmp/sigpost-tsan-XXXXXX";
static char path[64];
static struct key_usage *usage;

static void check(bool fine, const char *what)
{
    if (!fine) {
        fprintf(stderr, "failed: %s\n", what);
        _exit(1);
    }
}

static void *count(void *arg)
{
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        struct key_usage_counter *counter = key_usage_counter_create(usage);
        check(counter != NULL, "make a counter");
        for (int i = 0; i < COUNTS; i++) {
            key_usage_count(counter, i % 3 == 0 ? SLICE_LIT("a") : SLICE_LIT("b"),
                            i % 2 == 0 ? SLICE_LIT("1.0") : SLICE_LIT("2.0"), NOW);
        }
        key_usage_counter_destroy(counter);
    }
    return NULL;
}

static void expect_counts(void)
{
    struct result why = RESULT_INIT;
    struct key_usage_report report;
    check(key_usage_read(path, NOW, &report, &why), why.text);
    check(report.n == 2, "two keys");
    check(report.week == THREADS * ROUNDS * COUNTS, "every use is counted");
    key_usage_report_free(&report);
}

int main(void)
{
    pthread_t threads[THREADS];
    struct result why = RESULT_INIT;
    check(mkdtemp(dir) != NULL, "make a directory");
    snprintf(path, sizeof(path), "%s/key_usage", dir);
    usage = key_usage_open(path, &why);
    check(usage != NULL, why.text);
    for (int i = 0; i < THREADS; i++) {
        check(pthread_create(&threads[i], NULL, count, NULL) == 0, "start a thread");
    }
    for (int i = 0; i < 50; i++) {
        check(key_usage_save(usage, NOW, &why), why.text);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    key_usage_close(usage);
    expect_counts();
    unlink(path);
    rmdir(dir);
    return 0;
}
