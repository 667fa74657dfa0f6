/* segment_scan.c: see segment_scan.h. */
#include "otlp/spool/segment_scan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_AHEAD ((size_t)256 * 1024)

enum fetched { FETCHED, FETCH_SHORT, FETCH_ERROR };

void segment_scan_start(struct segment_scan *scan, int fd, uint64_t id, uint64_t pos,
                        uint64_t limit, uint64_t previous)
{
    scan->fd = fd;
    scan->id = id;
    scan->pos = pos;
    scan->limit = limit;
    scan->previous = previous;
    scan->error = 0;
    scan->at = pos;
    scan->len = 0;
}

void segment_scan_free(struct segment_scan *scan)
{
    free(scan->data);
    memset(scan, 0, sizeof(*scan));
}

void segment_scan_shrink(struct segment_scan *scan)
{
    if (scan->cap > READ_AHEAD) {
        free(scan->data);
        scan->data = NULL;
        scan->cap = scan->len = 0;
    }
}

/* One long frame does not make the buffer long for ever. */
static bool fit_capacity(struct segment_scan *scan, size_t need)
{
    size_t want = need > READ_AHEAD ? need : READ_AHEAD;
    if (scan->cap >= want && (want > READ_AHEAD || scan->cap == READ_AHEAD)) {
        return true;
    }
    if (scan->len > want) {
        return true;
    }
    uint8_t *data = realloc(scan->data, want);
    if (data == NULL) {
        scan->error = ENOMEM;
        return scan->cap >= need;
    }
    scan->data = data;
    scan->cap = want;
    return true;
}

/* Moves what is there from `pos` on to the front, so that no byte is read twice. */
static void drop_before(struct segment_scan *scan, uint64_t pos)
{
    if (pos < scan->at || pos >= scan->at + scan->len) {
        scan->len = 0;
    } else {
        size_t gone = (size_t)(pos - scan->at);
        scan->len -= gone;
        memmove(scan->data, scan->data + gone, scan->len);
    }
    scan->at = pos;
}

/* Makes bytes [pos, pos + need) present at scan->data + (pos - scan->at), reading on as far as
 * buffer and limit allow. The caller has checked need against the limit. */
static enum fetched fetch(struct segment_scan *scan, uint64_t pos, size_t need)
{
    if (pos >= scan->at && pos + need <= scan->at + scan->len) {
        return FETCHED;
    }
    drop_before(scan, pos);
    if (!fit_capacity(scan, need)) {
        return FETCH_ERROR;
    }
    while (scan->len < need) {
        uint64_t from = scan->at + scan->len;
        size_t room = scan->cap - scan->len;
        size_t want = scan->limit - from < room ? (size_t)(scan->limit - from) : room;
        ssize_t got = pread(scan->fd, scan->data + scan->len, want, (off_t)from);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            scan->error = errno;
            return FETCH_ERROR;
        }
        if (got == 0) {
            scan->limit = from;
            return FETCH_SHORT;
        }
        scan->len += (size_t)got;
    }
    return FETCHED;
}

static size_t left_from(const struct segment_scan *scan, uint64_t pos, size_t most)
{
    uint64_t left = pos < scan->limit ? scan->limit - pos : 0;
    return left < most ? (size_t)left : most;
}

static enum segment_step zeros_or_bad(struct segment_scan *scan)
{
    uint64_t at = scan->pos;
    for (;;) {
        size_t part = left_from(scan, at, READ_AHEAD);
        if (part == 0) {
            return SEGMENT_END;
        }
        enum fetched fetched = fetch(scan, at, part);
        if (fetched == FETCH_ERROR) {
            return SEGMENT_ERROR;
        }
        if (fetched == FETCH_SHORT) {
            continue;
        }
        const uint8_t *bytes = scan->data + (at - scan->at);
        if (bytes[0] != 0 || memcmp(bytes, bytes + 1, part - 1) != 0) {
            return SEGMENT_BAD;
        }
        at += part;
    }
}

/* Is there a header at pos whose frame could lie before the limit? */
static enum segment_step header_at(struct segment_scan *scan, uint64_t pos,
                                   struct segment_frame *frame)
{
    memset(frame, 0, sizeof(*frame));
    if (left_from(scan, pos, SEGMENT_FRAME_LEN) < SEGMENT_FRAME_LEN) {
        return SEGMENT_BAD;
    }
    enum fetched fetched = fetch(scan, pos, SEGMENT_FRAME_LEN);
    if (fetched != FETCHED) {
        return fetched == FETCH_ERROR ? SEGMENT_ERROR : SEGMENT_BAD;
    }
    bool fits = segment_frame_decode(scan->data + (pos - scan->at), frame) &&
                (frame->segment_id == scan->id || scan->id == SEGMENT_ANY_ID) &&
                frame->sequence > scan->previous && frame->total <= scan->limit - pos;
    return fits ? SEGMENT_FRAME : SEGMENT_BAD;
}

/* Behind the header that was found at pos: is all of the frame there, as it was written? */
static enum segment_step rest_at(struct segment_scan *scan, uint64_t pos,
                                 const struct segment_frame *frame)
{
    enum fetched fetched = fetch(scan, pos, frame->total);
    if (fetched != FETCHED) {
        return fetched == FETCH_ERROR ? SEGMENT_ERROR : SEGMENT_BAD;
    }
    return segment_frame_intact(frame, scan->data + (pos - scan->at)) ? SEGMENT_FRAME : SEGMENT_BAD;
}

static void pass(struct segment_scan *scan, const struct segment_frame *frame)
{
    scan->pos += frame->total;
    scan->previous = frame->sequence;
}

enum segment_step segment_scan_next(struct segment_scan *scan, struct segment_frame *frame,
                                    const uint8_t **bytes)
{
    return segment_scan_next_of(scan, UINT_MAX, frame, bytes);
}

enum segment_step segment_scan_next_of(struct segment_scan *scan, unsigned signals,
                                       struct segment_frame *frame, const uint8_t **bytes)
{
    *bytes = NULL;
    enum segment_step step = header_at(scan, scan->pos, frame);
    if (step == SEGMENT_FRAME && (signals >> frame->signal & 1) == 0 &&
        frame->sequence == scan->previous + 1) {
        pass(scan, frame);
        return SEGMENT_FRAME;
    }
    if (step == SEGMENT_FRAME) {
        step = rest_at(scan, scan->pos, frame);
    }
    if (step == SEGMENT_BAD) {
        return zeros_or_bad(scan);
    }
    if (step == SEGMENT_FRAME) {
        *bytes = scan->data + (scan->pos - scan->at);
        pass(scan, frame);
    }
    return step;
}

enum segment_step segment_scan_skip(struct segment_scan *scan, struct segment_frame *frame)
{
    enum segment_step step = header_at(scan, scan->pos, frame);
    if (step == SEGMENT_BAD) {
        return zeros_or_bad(scan);
    }
    if (step == SEGMENT_FRAME) {
        pass(scan, frame);
    }
    return step;
}

bool segment_scan_at_mark(struct segment_scan *scan)
{
    static const uint8_t zeros[SEGMENT_END_LEN];
    size_t len = left_from(scan, scan->pos, sizeof(zeros));
    return fetch(scan, scan->pos, len) == FETCHED &&
           memcmp(scan->data + (scan->pos - scan->at), zeros, len) == 0;
}

enum segment_step segment_scan_resync(struct segment_scan *scan, uint64_t *next)
{
    uint64_t at = scan->pos + 1;
    for (;;) {
        size_t part = left_from(scan, at, READ_AHEAD / 2);
        *next = scan->limit;
        if (part < SEGMENT_FRAME_LEN) {
            return SEGMENT_END;
        }
        enum fetched fetched = fetch(scan, at, part);
        if (fetched == FETCH_ERROR) {
            return SEGMENT_ERROR;
        }
        if (fetched == FETCH_SHORT) {
            continue;
        }
        const uint8_t *bytes = scan->data + (at - scan->at);
        const uint8_t *hit = memmem(bytes, part, segment_frame_magic, SEGMENT_MAGIC_LEN);
        if (hit == NULL) {
            at += part - (SEGMENT_MAGIC_LEN - 1);
            continue;
        }
        at += (uint64_t)(hit - bytes);
        struct segment_frame frame;
        enum segment_step step = header_at(scan, at, &frame);
        if (step == SEGMENT_FRAME) {
            step = rest_at(scan, at, &frame);
        }
        if (step != SEGMENT_BAD) {
            *next = at;
            return step;
        }
        at++;
    }
}
