/* destination.h: a place where telemetry goes: its own threads, its own cursors, one contract. */
#ifndef SIGPOST_OTLP_DESTINATION_H
#define SIGPOST_OTLP_DESTINATION_H

#include "base/buf.h"
#include "base/metrics.h"
#include "base/result.h"
#include "otlp/spool/spool.h"

#include <stdbool.h>
#include <stdint.h>

#define DESTINATION_PROBLEM_MAX 256

struct destination_status {
    bool ok; /* the last attempt went through, or there was none yet */
    char problem[DESTINATION_PROBLEM_MAX]; /* for readiness: what is wrong, with the URL; empty when
                                              ok */
    uint64_t dead_letters;                 /* set aside since start */
};

struct destination; /* begins with `const struct destination_ops *ops` in each implementation */

struct destination_ops {
    /* Says that stop will come, and until when; returns at once. So that several end side by side.
     */
    void (*begin_stop)(struct destination *self, int64_t deadline_mono_ns);
    /* Ends the thread: sends what is under way until the monotonic deadline, makes the cursor
     * durable, frees. What was not sent stays in the spool. */
    void (*stop)(struct destination *self, int64_t deadline_mono_ns);
    /* Any thread. */
    void (*status)(struct destination *self, struct destination_status *out);
    /* Appends this destination's own series to a scrape (/metrics/clients), or NULL. Any thread. */
    void (*render)(struct destination *self, struct buf *out);
    /* The spool's sequence up to which everything of this signal has arrived: was taken by the
     * receiver or set aside, or stands in the series. It may be ahead of what is durable.
     * UINT64_MAX for a signal that is not taken. Any thread. */
    uint64_t (*arrived)(struct destination *self, enum signal signal);
    /* Was a record of this signal behind `after` and up to `last`, which have arrived, refused for
     * good? True as well when that is not known any more. NULL: never. Any thread. */
    bool (*refused)(struct destination *self, enum signal signal, uint64_t after, uint64_t last);
    const char *(*name)(const struct destination *self); /* as in metrics; borrowed. Any thread. */
};

struct destination {
    const struct destination_ops *ops;
};

#endif
