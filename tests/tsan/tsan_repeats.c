/* Threads on one table of repeats: each request is sent several times at once. Of each round of
 * sendings one is NEW and appends; every other is told of it; what failed is appended again. The
 * sanitizer tells of races, this program of wrong results.
 */
#include "session/repeats.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS 4
#define REQUESTS 20000
#define SENDINGS 3 /* by each worker */

struct sending {
    struct repeat_waiter waiter; /* first: the table hands back its address */
    size_t request;
    atomic_int answers;
    atomic_bool ok;
};

static struct repeats *repeats;
static struct sending sendings[WORKERS][REQUESTS * SENDINGS];
static atomic_int appended[REQUESTS]; /* durable appends */
static atomic_int under_way[REQUESTS];
static atomic_size_t waited;
static atomic_size_t faults;

static void fault(const char *what)
{
    fprintf(stderr, "tsan_repeats: %s\n", what);
    atomic_fetch_add(&faults, 1);
}

static void answer(struct sending *sending, bool ok)
{
    atomic_store(&sending->ok, ok);
    if (atomic_fetch_add(&sending->answers, 1) != 0) {
        fault("answered twice");
    }
    if (ok && atomic_load(&appended[sending->request]) != 1) {
        fault("told durable without one append");
    }
}

static void append(struct sending *sending, const struct repeat_id *id, bool durable)
{
    if (atomic_fetch_add(&under_way[sending->request], 1) != 0) {
        fault("two appends of one request at once");
    }
    if (durable) {
        atomic_fetch_add(&appended[sending->request], 1);
    }
    sched_yield(); /* the others come now */
    atomic_fetch_sub(&under_way[sending->request], 1);
    struct repeat_waiter *list = repeats_settle(repeats, id, durable);
    answer(sending, durable);
    while (list != NULL) {
        struct repeat_waiter *next = list->next;
        answer((struct sending *)list, durable);
        list = next;
    }
}

static void *work(void *arg)
{
    struct sending *mine = arg;
    unsigned state = (unsigned)(mine - sendings[0]) + 1;
    for (size_t i = 0; i < (size_t)REQUESTS * SENDINGS; i++) {
        struct sending *sending = &mine[i];
        sending->request = i / SENDINGS;
        struct slice part = slice_make(&sending->request, sizeof(sending->request));
        struct repeat_id id = repeats_hash(repeats, &part, 1);
        switch (repeats_begin(repeats, &id, (int64_t)i, &sending->waiter)) {
        case REPEAT_NEW:
            state = state * 1664525 + 1013904223;
            append(sending, &id, (state >> 16) % 3 != 0);
            break;
        case REPEAT_WAITING:
            atomic_fetch_add(&waited, 1);
            break;
        case REPEAT_DONE:
            answer(sending, true);
            break;
        }
    }
    return NULL;
}

int main(void)
{
    /* Room for all, and for the chance that ids spread unevenly. */
    repeats = repeats_create((size_t)REQUESTS * 2, INT64_MAX);
    if (repeats == NULL) {
        fault("out of memory");
        return 1;
    }
    pthread_t workers[WORKERS];
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_create(&workers[i], NULL, work, sendings[i]);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    size_t durable = 0;
    for (size_t w = 0; w < WORKERS; w++) {
        for (size_t i = 0; i < (size_t)REQUESTS * SENDINGS; i++) {
            if (atomic_load(&sendings[w][i].answers) != 1) {
                fault("a sending without an answer");
            }
            durable += atomic_load(&sendings[w][i].ok);
        }
    }
    if (durable == 0 || atomic_load(&waited) == 0) {
        fault("nothing was durable, or nobody waited");
    }
    repeats_destroy(repeats);
    return atomic_load(&faults) != 0;
}
