/* export_report.c: see export_report.h. */
#include "otlp/export/export_report.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

/* Room behind a problem's text for "; retrying in 600 s". */
#define PROBLEM_TEXT_MAX (DESTINATION_PROBLEM_MAX - 32)

static void count_dead(struct export_report *report, const char *reason, uint64_t n)
{
    metric_add(metrics_counter(report->metrics, "sigpost_dead_letters_total",
                               "Requests that a destination refused for good, set aside.",
                               METRIC_LABELS("reason", reason)),
               n);
}

void export_report_init(struct export_report *report, const char *destination,
                        struct metrics *metrics)
{
    const char *const *labels = METRIC_LABELS("destination", destination);
    *report = (struct export_report){.destination = destination, .metrics = metrics};
    pthread_mutex_init(&report->lock, NULL);
    report->items = metrics_counter(metrics, "sigpost_export_items_total",
                                    "Data points, spans and log records delivered.", labels);
    report->rejected = metrics_counter(
        metrics, "sigpost_export_rejected_items_total",
        "Delivered items that the destination threw away (partial success).", labels);
    report->ok = metrics_gauge(metrics, "sigpost_export_ok",
                               "1 while the destination takes what it is sent, else 0.", labels);
    metric_set(report->ok, 1);
    static const int one_of_each_reason[] = {400, 413};
    for (size_t i = 0; i < 2; i++) { /* shown with 0 from the start */
        count_dead(report, dead_letter_reason(one_of_each_reason[i]), 0);
    }
}

void export_report_destroy(struct export_report *report)
{
    pthread_mutex_destroy(&report->lock);
}

void export_report_request(struct export_report *report, int status)
{
    char code[16] = "error";
    if (status != 0) {
        snprintf(code, sizeof(code), "%d", status);
    }
    metric_add(metrics_counter(report->metrics, "sigpost_export_requests_total",
                               "Requests to the destination by the status of their answer; error: "
                               "there was none.",
                               METRIC_LABELS("destination", report->destination, "code", code)),
               1);
}

void export_report_delivered(struct export_report *report, uint64_t items, uint64_t rejected,
                             const char *url, const char *message)
{
    metric_add(report->items, items);
    if (rejected != 0) {
        metric_add(report->rejected, rejected);
        LOG_WARN("destination threw items away", LOG_STR("destination", report->destination),
                 LOG_STR("url", url), LOG_INT("rejected", rejected), LOG_INT("of", items),
                 LOG_STR("message", message));
    } else if (message[0] != '\0') {
        LOG_INFO("destination took the items with a remark",
                 LOG_STR("destination", report->destination), LOG_STR("url", url),
                 LOG_STR("message", message));
    }
}

static bool all_well(const struct export_report *report)
{
    for (unsigned i = 0; i < SIGNAL_COUNT * EXPORT_PROBLEM_COUNT; i++) {
        if (report->problems[i / EXPORT_PROBLEM_COUNT][i % EXPORT_PROBLEM_COUNT].lasts) {
            return false;
        }
    }
    return true;
}

void export_report_problem(struct export_report *report, enum signal signal,
                           enum export_problem problem, int code, int64_t retry_at,
                           const char *format, ...)
{
    char text[PROBLEM_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);

    pthread_mutex_lock(&report->lock);
    struct export_report_problem *at = &report->problems[signal][problem];
    bool news = !at->lasts || at->code != code;
    at->lasts = true;
    at->code = code;
    at->retry_at = retry_at;
    snprintf(at->text, sizeof(text), "%s", text);
    metric_set(report->ok, 0);
    pthread_mutex_unlock(&report->lock);
    if (news) {
        LOG_WARN("destination is in trouble, its data waits in the spool",
                 LOG_STR("destination", report->destination),
                 LOG_STR("signal", signal_info(signal)->name), LOG_STR("problem", text));
    }
}

void export_report_solved(struct export_report *report, enum signal signal,
                          enum export_problem problem, int64_t lasted_ns)
{
    char text[PROBLEM_TEXT_MAX];
    pthread_mutex_lock(&report->lock);
    struct export_report_problem *at = &report->problems[signal][problem];
    bool lasted = at->lasts;
    at->lasts = false;
    snprintf(text, sizeof(text), "%s", at->text);
    if (lasted) {
        metric_set(report->ok, all_well(report) ? 1 : 0);
    }
    pthread_mutex_unlock(&report->lock);
    if (lasted) {
        LOG_INFO("destination is well again", LOG_STR("destination", report->destination),
                 LOG_STR("signal", signal_info(signal)->name),
                 LOG_INT("after_seconds", lasted_ns / NS_PER_SECOND), LOG_STR("problem", text));
    }
}

void export_report_dead(struct export_report *report, const struct dead_letter *letter)
{
    count_dead(report, letter->reason.data, 1);
    pthread_mutex_lock(&report->lock);
    report->dead_letters++;
    uint64_t n = report->n_dead[letter->signal]++;
    report->dead[letter->signal][n % EXPORT_DEAD_KEPT] = letter->sequence;
    pthread_mutex_unlock(&report->lock);
    LOG_ERROR("destination refused a request for good, it was set aside as a dead letter",
              LOG_STR("destination", report->destination), LOG_SLICE("url", letter->url),
              LOG_INT("status", letter->status),
              LOG_STR("signal", signal_info(letter->signal)->name),
              LOG_SLICE("session", letter->session), LOG_SLICE("key_id", letter->key_id),
              LOG_INT("sequence", letter->sequence), LOG_SLICE("answer", letter->answer));
}

bool export_report_refused(struct export_report *report, enum signal signal, uint64_t after,
                           uint64_t last)
{
    uint64_t least = UINT64_MAX;
    bool refused = false;
    pthread_mutex_lock(&report->lock);
    uint64_t n = report->n_dead[signal];
    for (uint64_t i = 0; i < n && i < EXPORT_DEAD_KEPT; i++) {
        uint64_t sequence = report->dead[signal][i];
        refused = refused || (sequence > after && sequence <= last);
        least = sequence < least ? sequence : least;
    }
    pthread_mutex_unlock(&report->lock);
    return refused || (n > EXPORT_DEAD_KEPT && least > after);
}

static void describe(const struct export_report_problem *problem, int64_t now,
                     struct destination_status *out)
{
    int64_t left = problem->retry_at - now;
    int64_t seconds = (left + NS_PER_SECOND - 1) / NS_PER_SECOND;
    out->ok = false;
    if (left > 0) {
        snprintf(out->problem, sizeof(out->problem), "%s; retrying in %lld s", problem->text,
                 (long long)seconds);
    } else {
        snprintf(out->problem, sizeof(out->problem), "%s; retrying now", problem->text);
    }
}

void export_report_status(struct export_report *report, struct destination_status *out)
{
    *out = (struct destination_status){.ok = true};
    int64_t now = clock_mono_ns();
    pthread_mutex_lock(&report->lock);
    out->dead_letters = report->dead_letters;
    for (unsigned i = 0; i < SIGNAL_COUNT * EXPORT_PROBLEM_COUNT && out->ok; i++) {
        const struct export_report_problem *at =
            &report->problems[i / EXPORT_PROBLEM_COUNT][i % EXPORT_PROBLEM_COUNT];
        if (at->lasts) {
            describe(at, now, out);
        }
    }
    pthread_mutex_unlock(&report->lock);
}
