/* export_loop.h: a destination's lanes, one for each signal that it takes, each with a thread of
 * its own. Internal to destination_otlp.
 *
 * One round of a lane: read frames while there is room, start what may be sent, take what was
 * answered, set aside what was refused, send again what was put back, acknowledge, wait. It never
 * waits for anything else.
 */
#ifndef SIGPOST_OTLP_EXPORT_LOOP_H
#define SIGPOST_OTLP_EXPORT_LOOP_H

#include "otlp/export/destination.h"
#include "otlp/export/export_http.h"
#include "otlp/export/export_letters.h"
#include "otlp/export/export_report.h"
#include "otlp/export/exporter.h"

#include <pthread.h>
#include <stdatomic.h>

#define EXPORT_GO_ON INT64_MAX /* stop_at while nobody asked to stop */

struct export_lane {
    struct destination_otlp *destination;
    enum signal signal;
    struct spool_reader *reader;
    int stop_fd; /* eventfd */
    pthread_t thread;
    bool runs;
    /* The thread's own from here on. */
    struct exporter *exporter;
    struct export_http *http;
    struct {
        bool full; /* a frame was read that the engine has no room for yet */
        bool alone;
        struct spool_frame frame;
    } staged;
    bool empty;         /* the reader said so: its wake_fd tells when to look again */
    int64_t read_again; /* not before; 0: no read error */
    int64_t read_failed_since;
    struct export_letters letters;
    uint64_t acknowledged;
};

struct destination_otlp {
    struct destination base; /* first: the handle is this */
    char *name;
    struct retry_policy retry;
    struct dead_letter_box *dead; /* borrowed */
    struct export_report report;
    _Atomic int64_t stop_at; /* monotonic deadline, or EXPORT_GO_ON */
    size_t n_lanes;
    struct export_lane lanes[SIGNAL_COUNT];
};

#define EXPORT_EXPLAIN_MAX 192

/* What the operator reads about an answer that is no delivery. */
void export_lane_explain(const struct export_http_reply *reply, const struct export_answer *answer,
                         char out[EXPORT_EXPLAIN_MAX]);
uint64_t export_lane_random(void);

/* The thread: returns when stop_at is set (and stop_fd written) and nothing is under way any more,
 * or the deadline is over. arg: struct export_lane. */
void *export_loop(void *arg);

#endif
