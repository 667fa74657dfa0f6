/* batch.h: payloads of one signal laid end to end, which is one valid request (a concatenation of
 * serialised Export…ServiceRequests is their merge; nothing is decoded).
 *
 * Pattern: batch_create, batch_add while batch_fits, then batch_body is what goes on the wire. When
 * it was refused, batch_split takes the upper half away, again and again down to one frame. All
 * halves share the memory of the whole, so splitting copies nothing; it is freed with the last of
 * them. Belongs to one thread.
 *
 * Invariants: at least one frame once batch_add succeeded; sequences ascend; the body is exactly
 * the payloads of the frames. Once split, a batch takes no more frames.
 */
#ifndef SIGPOST_OTLP_BATCH_H
#define SIGPOST_OTLP_BATCH_H

#include "base/slice.h"
#include "otlp/spool/spool.h"

#include <stdbool.h>
#include <stdint.h>

struct batch_limits {
    uint64_t bytes;  /* of the body; one longer payload goes alone */
    unsigned frames; /* 1 or more */
    int64_t age_ns;  /* after the first frame was added */
};

struct batch;

/* NULL when out of memory. */
struct batch *batch_create(enum signal signal);

/* Frees this batch or half. True when it was the last one that used the memory. NULL is fine. */
bool batch_free(struct batch *batch);

/* Forgets the frames and keeps the memory for others. False, and nothing is changed, when a half
 * still uses it or it is more than 4 MiB. */
bool batch_clear(struct batch *batch);

/* Would a payload of `len` bytes still belong into this batch? An empty batch takes any. */
bool batch_fits(const struct batch *batch, const struct batch_limits *limits, size_t len);

/* Copies the payload and what a dead letter must tell about the frame. False when out of memory:
 * the batch is as before. now: monotonic. */
bool batch_add(struct batch *batch, const struct spool_frame *frame, int64_t now);

/* Has it reached a limit, its age included? False for an empty batch. */
bool batch_due(const struct batch *batch, const struct batch_limits *limits, int64_t now);

/* When its age will be reached. */
int64_t batch_due_at(const struct batch *batch, const struct batch_limits *limits);

/* Takes the upper half of the frames into a new batch; this one keeps the lower half, which is the
 * larger by one when their number is odd. NULL when it holds fewer than two frames or memory runs
 * out: the batch is as before. */
struct batch *batch_split(struct batch *batch);

enum signal batch_signal(const struct batch *batch);
size_t batch_count(const struct batch *batch); /* frames */
uint64_t batch_items(const struct batch *batch);
uint64_t batch_first_sequence(const struct batch *batch); /* 0 when empty */

/* Borrowed until the batch is freed or added to. */
struct slice batch_body(const struct batch *batch);

struct batch_frame {
    uint64_t sequence;
    int64_t arrived_ns;
    uint64_t items;
    struct slice session, key_id, payload; /* borrowed as batch_body */
};
struct batch_frame batch_frame(const struct batch *batch, size_t index);

#endif
