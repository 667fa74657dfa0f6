/* export_report.h: what an exporter tells the people: status for readiness, log lines, metrics.
 *
 * The lanes' threads write, any thread reads. Nothing is logged per request: a failure when it
 * begins or changes its kind, the recovery, each dead letter.
 */
#ifndef SIGPOST_OTLP_EXPORT_REPORT_H
#define SIGPOST_OTLP_EXPORT_REPORT_H

#include "otlp/export/dead_letter.h"
#include "otlp/export/destination.h"

#include <pthread.h>

/* Several can last at once, of each signal; the status shows the first of them. */
enum export_problem {
    EXPORT_PROBLEM_LETTERS, /* a dead letter cannot be set aside */
    EXPORT_PROBLEM_SEND,
    EXPORT_PROBLEM_SPOOL,
    EXPORT_PROBLEM_RETRIAL, /* a dead letter that was put back cannot be sent */
    EXPORT_PROBLEM_COUNT
};

#define EXPORT_DEAD_KEPT 64

struct export_report_problem {
    bool lasts;
    int code;         /* of the failure that was logged */
    int64_t retry_at; /* monotonic; 0: not known */
    char text[DESTINATION_PROBLEM_MAX];
};

struct export_report {
    const char *destination; /* borrowed */
    struct metrics *metrics; /* borrowed */
    struct metric *items, *rejected, *ok;
    pthread_mutex_t lock; /* guards what follows */
    struct export_report_problem problems[SIGNAL_COUNT][EXPORT_PROBLEM_COUNT];
    uint64_t dead_letters;
    uint64_t n_dead[SIGNAL_COUNT];
    uint64_t dead[SIGNAL_COUNT][EXPORT_DEAD_KEPT]; /* sequences of the last ones: rings */
};

/* destination and metrics are borrowed for the life of the report. */
void export_report_init(struct export_report *report, const char *destination,
                        struct metrics *metrics);
void export_report_destroy(struct export_report *report);

/* A request ended: status as HTTP says it, 0 is counted as "error". */
void export_report_request(struct export_report *report, int status);

/* Items of a delivered request; `rejected` of them the receiver threw away, saying why. */
void export_report_delivered(struct export_report *report, uint64_t items, uint64_t rejected,
                             const char *url, const char *message);

/* Something is wrong and will be tried again at the monotonic time retry_at. `code` tells kinds of
 * failures apart: a line is logged when the problem begins and when its code changes. */
void export_report_problem(struct export_report *report, enum signal signal,
                           enum export_problem problem, int code, int64_t retry_at,
                           const char *format, ...) __attribute__((format(printf, 6, 7)));

/* It is over, after lasting_ns; logged. Nothing happens when it did not last. */
void export_report_solved(struct export_report *report, enum signal signal,
                          enum export_problem problem, int64_t lasted_ns);

/* A dead letter is durable. */
void export_report_dead(struct export_report *report, const struct dead_letter *letter);

/* Is one of them of this signal, behind `after` and up to `last`? True as well when so many came
 * since that it is not known. Any thread. */
bool export_report_refused(struct export_report *report, enum signal signal, uint64_t after,
                           uint64_t last);

/* Any thread. */
void export_report_status(struct export_report *report, struct destination_status *out);

#endif
