/* health_push.c: see health_push.h. What it says is health_push_url.c's. */
#include "gateway/health_push.h"

#include "base/clock.h"
#include "gateway/http_call.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define PUSH_TIMEOUT_NS (10 * NS_PER_SECOND)
#define CANARY_WAIT_NS (30 * NS_PER_SECOND)
#define LOOK_NS NS_PER_SECOND /* at the configuration, which may have changed */

struct health_push {
    struct gateway *gateway;
    struct canary *canary;
    CURL *curl;
    struct metric *arrived, *stuck, *seconds, *pushed, *unpushed;
    char told_hop[CANARY_HOP_MAX]; /* of the trouble that was logged; empty: none */
    int told_push;                 /* the same for the push: kind_of */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool stopping; /* set under lock */
};

static void make_metrics(struct health_push *push)
{
    struct metrics *m = push->gateway->metrics;
    static const char runs[] = "Canaries, by whether they arrived at every destination.";
    static const char pushes[] = "Calls of health.push_url, by whether the beat was taken.";
    push->arrived =
        metrics_counter(m, "sigpost_canary_runs_total", runs, METRIC_LABELS("result", "arrived"));
    push->stuck =
        metrics_counter(m, "sigpost_canary_runs_total", runs, METRIC_LABELS("result", "stuck"));
    push->seconds =
        metrics_gauge(m, "sigpost_canary_seconds",
                      "Time that the last canary took which arrived everywhere.", METRIC_NO_LABELS);
    push->pushed =
        metrics_counter(m, "sigpost_health_push_total", pushes, METRIC_LABELS("result", "ok"));
    push->unpushed =
        metrics_counter(m, "sigpost_health_push_total", pushes, METRIC_LABELS("result", "error"));
}

/* A line when trouble begins or moves to another hop, and one when it is over. */
static void tell_canary(struct health_push *push, const struct canary_outcome *outcome)
{
    if (outcome->arrived) {
        metric_add(push->arrived, 1);
        metric_set(push->seconds, (double)outcome->took_ns / (double)NS_PER_SECOND);
    } else {
        metric_add(push->stuck, 1);
    }
    if (strcmp(push->told_hop, outcome->hop) == 0) {
        return;
    }
    if (outcome->arrived) {
        LOG_INFO("the canary arrives again", LOG_INT("ms", outcome->took_ns / NS_PER_MS));
    } else {
        LOG_WARN("the canary got stuck", LOG_STR("hop", outcome->hop),
                 LOG_STR("problem", outcome->problem));
    }
    snprintf(push->told_hop, sizeof(push->told_hop), "%s", outcome->hop);
}

/* 0, or what kind of failure: its text may hold times and numbers that change with each call. */
static int kind_of(const struct http_call_answer *answer, bool taken)
{
    if (taken) {
        return 0;
    }
    return answer->status != 0 ? (int)answer->status : -(int)answer->failure;
}

/* A line when trouble begins or becomes another, and one when it is over. */
static void tell_push(struct health_push *push, const char *url,
                      const struct http_call_answer *answer)
{
    struct result problem = RESULT_INIT;
    bool taken = health_push_taken(answer, &problem);
    int kind = kind_of(answer, taken);
    metric_add(taken ? push->pushed : push->unpushed, 1);
    if (push->told_push == kind) {
        return;
    }
    struct buf shown = BUF_INIT;
    health_push_shown_url(&shown, url);
    if (taken) {
        LOG_INFO("the uptime monitor takes our beats again", LOG_STR("url", buf_cstr(&shown)));
    } else {
        LOG_WARN("the uptime monitor did not take our beat", LOG_STR("url", buf_cstr(&shown)),
                 LOG_STR("problem", problem.text));
    }
    buf_free(&shown);
    push->told_push = kind;
}

static void beat(struct health_push *push, const struct config *config)
{
    struct canary_outcome outcome;
    struct http_call_answer answer;
    struct buf url = BUF_INIT;
    int64_t interval = config->health.push_interval;
    canary_send(push->canary, interval < CANARY_WAIT_NS ? interval : CANARY_WAIT_NS,
                &push->stopping, &outcome);
    if (atomic_load(&push->stopping)) {
        return; /* cut short: it says nothing */
    }
    tell_canary(push, &outcome);
    health_push_url(&url, config->health.push_url, &outcome);
    const struct http_call call = {
        .url = buf_cstr(&url), .timeout_ns = PUSH_TIMEOUT_NS, .stopping = &push->stopping};
    http_call(push->curl, &call, &answer);
    if (!atomic_load(&push->stopping)) {
        tell_push(push, config->health.push_url, &answer);
    }
    buf_free(&url);
}

/* Sleeps for at most wait_ns; false when it is time to stop. */
static bool rest(struct health_push *push, int64_t wait_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t at = until.tv_sec * NS_PER_SECOND + until.tv_nsec + wait_ns;
    until = (struct timespec){at / NS_PER_SECOND, at % NS_PER_SECOND};
    pthread_mutex_lock(&push->lock);
    if (!atomic_load(&push->stopping)) {
        pthread_cond_timedwait(&push->wake, &push->lock, &until);
    }
    pthread_mutex_unlock(&push->lock);
    return !atomic_load(&push->stopping);
}

static void *run(void *arg)
{
    struct health_push *push = arg;
    int64_t last_ns = INT64_MIN / 2; /* the first is due at once */
    int64_t wait_ns;
    do {
        const struct config *config = gateway_config(push->gateway);
        int64_t now_ns = clock_mono_ns();
        int64_t due_ns = last_ns + config->health.push_interval;
        bool wanted = config->health.push_url[0] != '\0';
        if (wanted && now_ns >= due_ns) {
            last_ns = now_ns;
            beat(push, config);
            due_ns = last_ns + config->health.push_interval;
        }
        wait_ns = due_ns - clock_mono_ns();
        wait_ns = !wanted || wait_ns > LOOK_NS ? LOOK_NS : wait_ns;
    } while (rest(push, wait_ns > 0 ? wait_ns : 0));
    return NULL;
}

static void free_push(struct health_push *push)
{
    canary_destroy(push->canary);
    curl_easy_cleanup(push->curl);
    pthread_cond_destroy(&push->wake);
    pthread_mutex_destroy(&push->lock);
    free(push);
}

static void init_waiting(struct health_push *push)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&push->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&push->lock, NULL);
    atomic_init(&push->stopping, false);
}

/* Signals are for other threads. */
static int start_thread(struct health_push *push)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&push->thread, NULL, run, push);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct health_push *health_push_start(struct gateway *gateway, unsigned port, struct result *why)
{
    struct health_push *push = calloc(1, sizeof(*push));
    if (push == NULL) {
        result_fail(why, "out of memory");
        return NULL;
    }
    init_waiting(push);
    push->gateway = gateway;
    make_metrics(push);
    push->canary = canary_create(gateway, port, why);
    push->curl = curl_easy_init();
    if (push->canary == NULL || push->curl == NULL) {
        goto failed;
    }
    int error = start_thread(push);
    if (error != 0) {
        result_fail_errno(why, error, "health.push_url: no thread");
        goto failed;
    }
    pthread_setname_np(push->thread, "health-push");
    return push;

failed:
    free_push(push);
    return NULL;
}

void health_push_stop(struct health_push *push)
{
    if (push == NULL) {
        return;
    }
    pthread_mutex_lock(&push->lock);
    atomic_store(&push->stopping, true);
    pthread_cond_signal(&push->wake);
    pthread_mutex_unlock(&push->lock);
    pthread_join(push->thread, NULL);
    free_push(push);
}
