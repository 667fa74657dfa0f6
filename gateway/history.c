/* history.c: see history.h. A minute is six steps of the ring; one step more than an hour is kept,
 * because growth needs a total to start from. */
#include "gateway/history.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>

#define STEP_NS (10 * NS_PER_SECOND)
#define STEPS_PER_MINUTE 6
#define STEPS (HISTORY_MINUTES * STEPS_PER_MINUTE + 1)

struct history {
    pthread_mutex_t lock;
    struct history_minute totals[STEPS]; /* of step s at s % STEPS */
    int64_t first;                       /* the oldest step there is */
    int64_t last;
};

struct history *history_create(int64_t now_ns)
{
    struct history *history = calloc(1, sizeof(*history));
    if (history == NULL) {
        return NULL;
    }
    pthread_mutex_init(&history->lock, NULL);
    history->first = history->last = now_ns / STEP_NS;
    return history;
}

void history_destroy(struct history *history)
{
    if (history == NULL) {
        return;
    }
    pthread_mutex_destroy(&history->lock);
    free(history);
}

static void put(struct history *history, int64_t step, struct history_minute total)
{
    history->totals[step % STEPS] = total;
}

/* Steps that nobody noted had no growth. */
static void fill(struct history *history, int64_t step)
{
    struct history_minute total = history->totals[history->last % STEPS];
    int64_t from = history->last + 1 > step - STEPS ? history->last + 1 : step - STEPS;
    for (int64_t missing = from; missing < step; missing++) {
        put(history, missing, total);
    }
}

void history_note(struct history *history, uint64_t requests, uint64_t items, int64_t now_ns)
{
    int64_t step = now_ns / STEP_NS;
    pthread_mutex_lock(&history->lock);
    if (step > history->last) {
        fill(history, step);
        put(history, step, (struct history_minute){requests, items});
        history->last = step;
        if (history->first < step - STEPS + 1) {
            history->first = step - STEPS + 1;
        }
    }
    pthread_mutex_unlock(&history->lock);
}

void history_look(struct history *history, struct history_view *out)
{
    *out = (struct history_view){.n = 0};
    pthread_mutex_lock(&history->lock);
    int64_t known = history->last - history->first;
    out->n = (size_t)((known + STEPS_PER_MINUTE - 1) / STEPS_PER_MINUTE);
    int64_t end = history->last;
    for (size_t i = out->n; i-- > 0; end -= STEPS_PER_MINUTE) {
        int64_t begin = end - STEPS_PER_MINUTE;
        if (begin < history->first) {
            begin = history->first;
        }
        const struct history_minute *a = &history->totals[begin % STEPS];
        const struct history_minute *b = &history->totals[end % STEPS];
        out->minutes[i] = (struct history_minute){b->requests - a->requests, b->items - a->items};
    }
    pthread_mutex_unlock(&history->lock);
}
