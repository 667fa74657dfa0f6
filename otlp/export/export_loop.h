/* export_loop.h: one destination's state and its thread. Internal to destination_otlp.
 *
 * One round of the thread: read frames while there is room, start what may be sent, take what was
 * answered, set aside what was refused, acknowledge, wait. It never waits for anything else.
 */
#ifndef SIGPOST_OTLP_EXPORT_LOOP_H
#define SIGPOST_OTLP_EXPORT_LOOP_H

#include "otlp/export/destination.h"
#include "otlp/export/export_http.h"
#include "otlp/export/export_report.h"
#include "otlp/export/exporter.h"

#include <pthread.h>
#include <stdatomic.h>

#define EXPORT_GO_ON INT64_MAX /* stop_at while nobody asked to stop */

struct destination_otlp {
    struct destination base; /* first: the handle is this */
    char *name;
    char *dead_dir;
    int64_t retry_max_ns;
    struct export_report report;
    struct spool_reader *reader;
    int stop_fd;             /* eventfd */
    _Atomic int64_t stop_at; /* monotonic deadline, or EXPORT_GO_ON */
    pthread_t thread;
    /* The thread's own from here on. */
    struct exporter *exporter;
    struct export_http *http;
    struct {
        bool full; /* a frame was read that the engine has no room for yet */
        bool alone;
        struct spool_frame frame;
        struct buf payload;
    } staged;
    bool empty;         /* the reader said so: its wake_fd tells when to look again */
    int64_t read_again; /* not before; 0: no read error */
    int64_t read_failed_since;
    struct dead_letter_room dead_room;
    int64_t bury_again; /* likewise for dead letters */
    int64_t bury_failed_since;
    uint64_t acknowledged;
};

/* The thread: returns when stop_at is set (and stop_fd written) and nothing is under way any more,
 * or the deadline is over. arg: struct destination_otlp. */
void *export_loop(void *arg);

#endif
