/* tsan_validate.c: threads whose first requests come at once, so that they meet where the
 * validator's table is built.
 */
#include "otlp/validate.h"

#include <pthread.h>
#include <stdio.h>

#define THREADS 8
#define ROUNDS 200

/* { resource_logs { scope_logs { log_records { body { string_value "hi" } } } } } */
static const uint8_t body[] = {0x0a, 0x0a, 0x12, 0x08, 0x12, 0x06,
                               0x2a, 0x04, 0x0a, 0x02, 'h',  'i'};
static pthread_barrier_t start;

static void *work(void *arg)
{
    size_t *wrong = arg;
    pthread_barrier_wait(&start);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct validation out;
        bool valid = validate_request(SIGNAL_LOGS, body, sizeof(body), &out);
        *wrong += valid && out.items == 1 ? 0 : 1;
        *wrong += validate_request(SIGNAL_LOGS, body, sizeof(body) - 1, &out) ? 1 : 0;
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    size_t wrong[THREADS] = {0};
    size_t sum = 0;
    pthread_barrier_init(&start, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, &wrong[i]) != 0) {
            fprintf(stderr, "tsan_validate: cannot start a thread\n");
            return 1;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += wrong[i];
    }
    pthread_barrier_destroy(&start);
    if (sum != 0) {
        fprintf(stderr, "tsan_validate: %zu wrong verdicts\n", sum);
        return 1;
    }
    return 0;
}
