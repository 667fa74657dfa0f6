/* exporter.h: what to send when: the engine between the spool's reader and the wire. Pure: no
 * socket, no thread, no clock; destination_otlp.c drives it.
 *
 *     frames ─▶ one open batch a signal ─▶ parcels in order of sequence ─▶ requests under way
 *
 * A parcel is a closed batch, or a part of one that was refused, until nothing is left to do for
 * it. Memory: at most `in_flight` closed batches, and one open one a signal; past that exporter_add
 * says no. Requests start in order of sequence. Of metrics only one is under way at a time, so that
 * no point overtakes an earlier one of its series (whoever keeps series refuses the late one);
 * traces and logs go side by side.
 *
 * Invariant: every frame taken and not done with is in exactly one parcel or open batch;
 * exporter_done_through is the sequence before the first of them.
 */
#ifndef SIGPOST_OTLP_EXPORTER_H
#define SIGPOST_OTLP_EXPORTER_H

#include "otlp/export/batch.h"
#include "otlp/export/retry.h"

#include <stdbool.h>
#include <stdint.h>

struct exporter_options {
    struct batch_limits batch;
    unsigned in_flight; /* 1 or more */
    struct retry_policy retry;
};

struct exporter;

enum parcel_state { PARCEL_READY, PARCEL_SENDING, PARCEL_REFUSED };

struct parcel {
    struct batch *batch;
    enum parcel_state state;
    bool probe; /* it was sent to find out whether a pause may end */
    /* Why it was refused, for the dead letter: the driver's to fill before exporter_finish. */
    int status;
    char answer[256];
    struct parcel *next;
};

/* NULL when out of memory. */
struct exporter *exporter_create(const struct exporter_options *options);

/* Frees it with everything it holds; the frames stay in the spool. NULL is fine. */
void exporter_destroy(struct exporter *exporter);

/* Is it of use to read a frame? False while sends pause: the spool keeps the data, not we. */
bool exporter_wants_frames(const struct exporter *exporter);

/* Takes a frame, with higher sequence than any before it, copying the payload. `alone`: it must
 * share a request with no other. False when there is no room for it yet (or no memory): keep it and
 * try again after exporter_next or exporter_finish. */
bool exporter_add(struct exporter *exporter, const struct spool_frame *frame, bool alone,
                  int64_t now);

/* The next parcel to send now, already marked as under way; NULL when there is none. Its body is
 * batch_body(parcel->batch), valid until exporter_finish. */
struct parcel *exporter_next(struct exporter *exporter, int64_t now);

/* Closes the open batches whatever their age (shutdown). */
void exporter_flush(struct exporter *exporter);

enum exporter_step {
    EXPORTER_DONE,  /* delivered; the parcel is gone */
    EXPORTER_HELD,  /* stays and will be sent again after a pause */
    EXPORTER_SPLIT, /* refused: two halves take its place */
    EXPORTER_DEAD   /* refused and alone: see exporter_dead */
};

/* The request of a parcel under way ended. retry_after_ns: what the receiver asked for, or 0.
 * random: any 64 random bits. *recovered (may be NULL): this ended a row of failures. */
enum exporter_step exporter_finish(struct exporter *exporter, struct parcel *parcel,
                                   enum retry_verdict verdict, int64_t retry_after_ns, int64_t now,
                                   uint64_t random, bool *recovered);

/* The first parcel that waits to be set aside: one frame, refused for good; NULL when there is
 * none. */
struct parcel *exporter_dead(struct exporter *exporter);

/* The dead letter is durable: the parcel is gone. */
void exporter_buried(struct exporter *exporter, struct parcel *parcel);

/* Everything up to and including this sequence is done with (0: nothing yet). */
uint64_t exporter_done_through(const struct exporter *exporter);

/* When exporter_next may have something without a frame or an answer coming in between; INT64_MAX
 * when never. May be in the past. */
int64_t exporter_due_at(const struct exporter *exporter);

unsigned exporter_sending(const struct exporter *exporter);
bool exporter_has_ready(const struct exporter *exporter);
const struct retry *exporter_retry(const struct exporter *exporter);

#endif
