/* spool_read.c: one destination's way through the segments.
 *
 * A reader holds its segment by value (first sequence, id, a descriptor of its own), never by
 * pointer: the keeper may delete the file meanwhile. From place to place it notes where it is, so
 * that going back inside a segment does not start at the segment's beginning.
 */
#include "otlp/spool/spool_internal.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nothing to read: the writer is to wake us. Locked, so that no record slips in between. */
static enum spool_read fall_asleep(struct spool_reader *reader)
{
    uint64_t count;
    ssize_t drained = read(reader->wake_fd, &count, sizeof(count));
    (void)drained; /* fails only when there was nothing to drain */
    reader->asleep = true;
    reader->due = false;
    struct spool_cursor *cursor = spool_cursor_find(reader->spool, reader->name);
    if (cursor != NULL) {
        spool_reader_carry(reader, cursor);
        spool_keeper_look(reader->spool);
    }
    return SPOOL_READ_EMPTY;
}

/* Where in the segment `first` the reader was carried to while it slept, *previous being the
 * sequence before; the segment's beginning when it was not. Locked. */
static uint64_t take_resume(struct spool_reader *reader, uint64_t first, uint64_t *previous)
{
    bool carried = reader->resume.first == first;
    uint64_t pos = carried ? reader->resume.pos : SEGMENT_HEADER_LEN;
    *previous = carried ? reader->resume.previous : first - 1;
    reader->resume.first = 0;
    return pos;
}

/* Reads the header of a segment that could not be opened at start, and notes it in the list. */
static bool read_header_late(struct spool *spool, int fd, struct spool_segment *segment)
{
    uint8_t bytes[SEGMENT_HEADER_LEN];
    struct segment_header header;
    struct stat st;
    if (fstat(fd, &st) != 0 || pread(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
        !segment_header_decode(bytes, &header) || header.first_sequence != segment->first) {
        return false;
    }
    segment->id = header.id;
    segment->used = (uint64_t)st.st_size;
    pthread_mutex_lock(&spool->lock);
    struct spool_segment *listed = spool_segment_of(spool, segment->first);
    if (listed != NULL && listed->id == 0) {
        spool->allocated += segment->used - listed->used;
        listed->id = header.id;
        listed->made_ns = header.made_ns;
        listed->reused = header.reused;
        listed->used = segment->used;
    }
    pthread_mutex_unlock(&spool->lock);
    return true;
}

/* A segment of the list could not be opened. Deleted by the keeper meanwhile: look again. Deleted
 * by somebody else: its records are lost, which is told and counted once, and the reader goes on
 * behind it. Anything else may pass. */
static enum spool_read cannot_open(struct spool_reader *reader, uint64_t first, int error)
{
    struct spool *spool = reader->spool;
    bool lost = false, told = false;
    pthread_mutex_lock(&spool->lock);
    struct spool_segment *segment = spool_segment_of(spool, first);
    bool listed = segment != NULL;
    if (listed && error == ENOENT && segment->closed) {
        lost = true;
        told = segment->last < first;
        spool->quarantined += told ? 0 : 1;
        spool->allocated -= segment->used;
        segment->used = 0;
        segment->last = first - 1;
    }
    pthread_mutex_unlock(&spool->lock);
    if (lost && reader->want < first) { /* there is a gap before it */
        reader->want = first;
    }
    if (lost && !told) {
        metric_add(spool->quarantined_total, 1);
    }
    if (listed && !told) {
        char text[128];
        LOG_ERROR(lost ? "spool: a segment file is gone, its records are lost"
                       : "spool: a segment cannot be opened",
                  LOG_STR("dir", spool->dir), LOG_STR("reader", reader->name),
                  LOG_INT("first", first), LOG_STR("error", strerror_r(error, text, sizeof(text))));
    }
    return lost || !listed ? SPOOL_READ_OK : SPOOL_READ_ERROR;
}

/* Opens the segment that holds the wanted record. */
static enum spool_read enter_segment(struct spool_reader *reader)
{
    struct spool *spool = reader->spool;
    pthread_mutex_lock(&spool->lock);
    if (reader->resume.first != 0 && reader->want <= reader->resume.previous) {
        reader->want = reader->resume.previous + 1;
    }
    size_t i = spool_segment_find(spool, reader->want);
    if (i == spool->n_segments) {
        fall_asleep(reader);
        pthread_mutex_unlock(&spool->lock);
        return SPOOL_READ_EMPTY;
    }
    struct spool_segment segment = spool->segments[i];
    uint64_t previous, pos = take_resume(reader, segment.first, &previous);
    pthread_mutex_unlock(&spool->lock);
    int fd = spool_segment_open(spool, segment.first, O_RDONLY);
    int error = errno;
    if (fd >= 0 && segment.id == 0 && !read_header_late(spool, fd, &segment)) {
        close(fd);
        fd = -1;
        error = EIO;
    }
    if (fd < 0) {
        return cannot_open(reader, segment.first, error);
    }
    reader->first = segment.first;
    segment_scan_start(&reader->scan, fd, segment.id, pos, segment.used, previous);
    return SPOOL_READ_OK;
}

/* Everything up to there was read. The cursor follows when what was handed out of it is
 * acknowledged. Locked. */
static void pass_to(const struct spool_reader *reader, uint64_t sequence)
{
    struct spool_cursor *cursor = spool_cursor_find(reader->spool, reader->name);
    if (cursor != NULL && cursor->acked >= reader->handed && cursor->acked < sequence) {
        cursor->acked = sequence;
    }
}

/* At the end of what was readable: more of it, the end of the segment, or nothing yet. At the end
 * of a closed segment nothing above what was met is in it, though the list, which knows only where
 * the next one begins, may say so; cursors that are there have passed it. A segment that is not in
 * the list any more was acknowledged by all. */
static enum spool_read at_limit(struct spool_reader *reader)
{
    struct spool *spool = reader->spool;
    enum spool_read outcome = SPOOL_READ_OK;
    bool over = false;
    pthread_mutex_lock(&spool->lock);
    struct spool_segment *segment = spool_segment_of(spool, reader->first);
    if (reader->resume.first == reader->first) {
        reader->scan.pos = take_resume(reader, reader->first, &reader->scan.previous);
    }
    if (segment != NULL && segment->used > reader->scan.pos) {
        reader->scan.limit = segment->used;
    } else if (segment != NULL && !segment->closed) {
        outcome = fall_asleep(reader);
    } else {
        over = true;
        if (segment != NULL && segment->last > reader->scan.previous) {
            segment->last = reader->scan.previous;
        }
        pass_to(reader, reader->scan.previous);
        spool->keeper_due = true;
        pthread_cond_signal(&spool->chores);
        outcome = reader->signals != SPOOL_ALL_SIGNALS ? SPOOL_READ_AGAIN : SPOOL_READ_OK;
    }
    pthread_mutex_unlock(&spool->lock);
    if (over) {
        if (reader->want <= reader->scan.previous) { /* it was empty, behind a gap */
            reader->want = reader->scan.previous + 1;
        }
        spool_reader_leave_segment(reader);
    }
    return outcome;
}

/* Looks up, or notes with `resume`, what is behind damage at `at`. A reader that passes records of
 * other signals by their headers may come upon a damaged place in its middle. */
static uint64_t damage_known(struct spool_reader *reader, uint64_t at, uint64_t resume)
{
    struct spool *spool = reader->spool;
    pthread_mutex_lock(&spool->lock);
    struct spool_segment *segment = spool_segment_of(spool, reader->first);
    for (size_t i = 0; segment != NULL && i < segment->n_damage; i++) {
        if (segment->damage[i].at <= at && at < segment->damage[i].resume) {
            resume = segment->damage[i].resume;
            goto out;
        }
    }
    if (resume != 0 && segment != NULL) {
        struct spool_damage *grown =
            realloc(segment->damage, (segment->n_damage + 1) * sizeof(*segment->damage));
        if (grown != NULL) {
            segment->damage = grown;
            segment->damage[segment->n_damage++] = (struct spool_damage){at, resume};
        }
    }
out:
    pthread_mutex_unlock(&spool->lock);
    return resume;
}

static bool is_listed(struct spool *spool, uint64_t first)
{
    pthread_mutex_lock(&spool->lock);
    bool listed = spool_segment_of(spool, first) != NULL;
    pthread_mutex_unlock(&spool->lock);
    return listed;
}

/* Nothing sound is behind scan.pos. Is that where the writing ended, in a segment whose unused part
 * no start has cut off? `found`: what the scan said at pos. */
static bool is_unused_part(struct spool_reader *reader, enum segment_step found)
{
    struct spool *spool = reader->spool;
    pthread_mutex_lock(&spool->lock);
    const struct spool_segment *segment = spool_segment_of(spool, reader->first);
    bool uncut = segment != NULL && segment->uncut;
    bool reused = uncut && segment->reused;
    pthread_mutex_unlock(&spool->lock);
    return uncut && (found == SEGMENT_END || (reused && segment_scan_at_mark(&reader->scan)));
}

/* Damage at scan.pos: the first reader that meets it sets it aside, all step over it. Zeros, or a
 * file that ends, before the limit are damage too: records were there. The unused part of a segment
 * is stepped over like damage, but is none. */
static enum spool_read step_over(struct spool_reader *reader, uint64_t limit,
                                 enum segment_step found)
{
    struct spool *spool = reader->spool;
    uint64_t at = reader->scan.pos;
    if (!is_listed(spool, reader->first)) {
        /* It went back behind what it had acknowledged: the file is another segment's by now. */
        spool_reader_leave_segment(reader);
        return SPOOL_READ_OK;
    }
    pthread_mutex_lock(&spool->damage);
    uint64_t next = damage_known(reader, at, 0);
    enum spool_read outcome = SPOOL_READ_OK;
    if (next == 0) {
        enum segment_step step = segment_scan_resync(&reader->scan, &next);
        if (step == SEGMENT_ERROR) {
            outcome = SPOOL_READ_ERROR;
        } else {
            next = step == SEGMENT_FRAME ? next : limit;
            if (step == SEGMENT_FRAME || !is_unused_part(reader, found)) {
                spool_quarantine_range(spool, reader->scan.fd, reader->first, at, next, "frames");
            }
            damage_known(reader, at, next);
        }
    }
    pthread_mutex_unlock(&spool->damage);
    if (outcome == SPOOL_READ_OK) {
        reader->scan.pos = next;
    }
    return outcome;
}

static void fill_frame(const struct segment_frame *from, const uint8_t *bytes,
                       struct spool_frame *frame)
{
    const uint8_t *session = bytes + SEGMENT_FRAME_LEN;
    const uint8_t *key_id = session + from->session_len;
    frame->sequence = from->sequence;
    frame->signal = (enum signal)from->signal;
    frame->arrived_ns = from->arrived_ns;
    memcpy(frame->session, session, from->session_len);
    frame->session[from->session_len] = '\0';
    memcpy(frame->key_id, key_id, from->key_id_len);
    frame->key_id[from->key_id_len] = '\0';
    frame->items = from->items;
    frame->payload = slice_make(key_id + from->key_id_len, from->payload_len);
}

static void note_mark(struct spool_reader *reader)
{
    uint64_t apart = reader->spool->segment_bytes / SPOOL_MARKS;
    uint64_t last = reader->n_marks != 0 ? reader->marks[reader->n_marks - 1].pos : 0;
    if (reader->n_marks < SPOOL_MARKS && reader->scan.pos >= last + apart) {
        reader->marks[reader->n_marks++] =
            (struct spool_mark){reader->scan.pos, reader->scan.previous};
    }
}

/* One step in the open segment: a frame, or a place that is left behind (OK, *bytes NULL). */
static enum spool_read read_frame(struct spool_reader *reader, struct segment_frame *found,
                                  const uint8_t **bytes)
{
    *bytes = NULL;
    uint64_t limit = reader->scan.limit;
    if (reader->scan.pos >= limit) {
        return at_limit(reader);
    }
    note_mark(reader);
    /* What no reader takes is looked at by all: by its header alone, a record whose signal was
     * flipped to such a one would be passed by everybody. */
    unsigned whole = reader->signals | ~atomic_load(&reader->spool->taken);
    enum segment_step step = segment_scan_next_of(&reader->scan, whole, found, bytes);
    switch (step) {
    case SEGMENT_FRAME:
        return SPOOL_READ_OK;
    case SEGMENT_END:
    case SEGMENT_BAD:
        return step_over(reader, limit, step);
    default:
        LOG_ERROR("spool: a segment cannot be read", LOG_STR("dir", reader->spool->dir),
                  LOG_STR("reader", reader->name), LOG_INT("first", reader->first),
                  LOG_INT("offset", reader->scan.pos), LOG_INT("errno", reader->scan.error));
        return SPOOL_READ_ERROR;
    }
}

enum spool_read spool_reader_next(struct spool_reader *reader, struct spool_frame *frame)
{
    for (;;) {
        struct segment_frame found;
        const uint8_t *bytes = NULL;
        enum spool_read outcome =
            reader->scan.fd < 0 ? enter_segment(reader) : read_frame(reader, &found, &bytes);
        if (outcome == SPOOL_READ_EMPTY) {
            segment_scan_shrink(&reader->scan); /* it may be long until the next record */
        }
        if (outcome != SPOOL_READ_OK) {
            return outcome;
        }
        if (bytes != NULL && found.sequence >= reader->want &&
            (SPOOL_SIGNAL(found.signal) & reader->signals) != 0) {
            reader->handed = found.sequence;
            reader->want = found.sequence + 1;
            fill_frame(&found, bytes, frame);
            return SPOOL_READ_OK;
        }
    }
}
