/* segment_scan.h: a walk through the frames of one segment file, with read-ahead.
 *
 *     struct segment_scan scan;
 *     segment_scan_start(&scan, fd, id, SEGMENT_HEADER_LEN, limit, first_sequence - 1);
 *     while (segment_scan_next(&scan, &frame, &bytes) == SEGMENT_FRAME) ...
 *     segment_scan_free(&scan);
 *
 * Invariants: nothing at or past `limit` is read; `pos` is the offset of the next frame and moves
 * only past intact frames (or where the caller puts it); `previous` is the sequence of the last
 * frame passed, and frames must come with rising sequences. Used by recovery, by readers and by
 * tools that look into a segment. Thread: one at a time.
 */
#ifndef SIGPOST_OTLP_SEGMENT_SCAN_H
#define SIGPOST_OTLP_SEGMENT_SCAN_H

#include "otlp/spool/segment.h"

struct segment_scan {
    int fd; /* borrowed */
    uint64_t id;
    uint64_t pos;
    uint64_t limit; /* lowered when the file proves shorter */
    uint64_t previous;
    int error;     /* errno of the last SEGMENT_ERROR */
    uint8_t *data; /* owned: the bytes from file offset `at` on */
    size_t cap;
    uint64_t at;
    size_t len;
};

/* For a segment whose header is lost: frames of whatever id are taken. */
#define SEGMENT_ANY_ID 0

enum segment_step {
    SEGMENT_FRAME,
    SEGMENT_END,  /* the limit, or only zeros up to it */
    SEGMENT_BAD,  /* neither a frame nor the end at pos */
    SEGMENT_ERROR /* the file cannot be read, or no memory; pos is as it was */
};

/* Begins at `pos`; a scan that was used before keeps its memory (zero it before first use). */
void segment_scan_start(struct segment_scan *scan, int fd, uint64_t id, uint64_t pos,
                        uint64_t limit, uint64_t previous);
void segment_scan_free(struct segment_scan *scan);

/* Gives back the memory that a long frame took, for when no frame follows that would make the next
 * step do so. The bytes of the last frame are gone; the place stays. */
void segment_scan_shrink(struct segment_scan *scan);

/* FRAME: *frame and *bytes (frame->total of them, valid until the next call), pos behind it. */
enum segment_step segment_scan_next(struct segment_scan *scan, struct segment_frame *frame,
                                    const uint8_t **bytes);

/* As above, but a frame of a signal that is not in `signals` (bits 1 << signal) is passed by its
 * header alone when it also has the sequence that is expected next, so that no damaged sequence
 * is taken for the last one; *bytes is NULL then. Other frames may be of any signal. */
enum segment_step segment_scan_next_of(struct segment_scan *scan, unsigned signals,
                                       struct segment_frame *frame, const uint8_t **bytes);

/* As above by the header alone, without its checksum: for walking to a place that is checked
 * later. */
enum segment_step segment_scan_skip(struct segment_scan *scan, struct segment_frame *frame);

/* After SEGMENT_BAD: FRAME and the offset of the first intact frame behind pos; END when there is
 * none up to the limit (*next is the limit). pos stays. */
enum segment_step segment_scan_resync(struct segment_scan *scan, uint64_t *next);

/* Of a reused file, after a resync that said END: does an end mark stand at pos? False too when it
 * cannot be read. A sector of frames that became zeros looks like one, so the resync is not to be
 * left out. */
bool segment_scan_at_mark(struct segment_scan *scan);

#endif
