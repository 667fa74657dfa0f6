/* spool_recover.c: what is done at start.
 *
 * Only the newest segment can be torn (spool_segments.c), so only that one is read, from its first
 * byte to its last: 16 MiB by default, whatever the backlog. The others are believed by their
 * header and checked while they are read. What is found:
 *   - a temporary file of ours: removed;
 *   - a file that cannot be read now: it stays in the list, its readers try again;
 *   - a header that is damaged: it is made anew from the file's name and the first sound frame;
 *     without one the file is moved to the quarantine whole;
 *   - in the newest: damage with sound frames behind it is set aside and stepped over; damage with
 *     none behind it (a torn write) is set aside and cut off; an end mark with none behind it, and
 *     the remains of an earlier segment, are cut off.
 * Writing always goes on in a new segment. Sequences go on above everything seen: file names,
 * frames, cursors; where bytes were cut, above all that could have been in them, for a destination
 * may have seen those records.
 */
#include "otlp/spool/spool_internal.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REUSED_TAIL_KEPT ((uint64_t)1 << 20)

struct found {
    uint64_t *firsts;
    size_t n, cap;
};

static void saw_sequence(struct spool *spool, uint64_t sequence)
{
    if (sequence >= spool->w.next && sequence < SEGMENT_SEQUENCE_MAX) {
        spool->w.next = sequence + 1;
    }
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);
    return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

static bool remember(struct found *found, uint64_t first)
{
    if (found->n == found->cap) {
        size_t cap = found->cap != 0 ? found->cap * 2 : 64;
        uint64_t *grown = realloc(found->firsts, cap * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        found->firsts = grown;
        found->cap = cap;
    }
    found->firsts[found->n++] = first;
    return true;
}

/* One directory entry; false when out of memory. */
static bool look_at(struct spool *spool, const char *name, struct found *found)
{
    static const char cursor[] = "cursor.";
    uint64_t first;
    bool is_cursor = strncmp(name, cursor, sizeof(cursor) - 1) == 0;
    if (strcmp(name, SPOOL_NEW_NAME) == 0 || strcmp(name, SPOOL_SPARE_NAME) == 0 ||
        (is_cursor && ends_with(name, ".tmp"))) {
        unlinkat(spool->dir_fd, name, 0);
        return true;
    }
    if (is_cursor && spool_name_valid(name + sizeof(cursor) - 1)) {
        return spool_cursor_load(spool, name + sizeof(cursor) - 1);
    }
    return !segment_name_parse(name, &first) || remember(found, first);
}

static bool list_directory(struct spool *spool, struct found *found, struct result *why)
{
    int fd = openat(spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return result_fail_errno(why, error, "spool directory %s: cannot be listed", spool->dir);
    }
    bool ok = true;
    struct dirent *entry;
    errno = 0;
    while (ok && (entry = readdir(dir)) != NULL) {
        ok = look_at(spool, entry->d_name, found);
        errno = 0;
    }
    int error = errno;
    closedir(dir);
    if (!ok) {
        return result_fail(why, "spool directory %s: not enough memory", spool->dir);
    }
    if (error != 0) {
        return result_fail_errno(why, error, "spool directory %s: cannot be listed", spool->dir);
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* FRAME, BAD when the file ends before, or ERROR: it cannot be read. */
static enum segment_step read_exactly(int fd, uint8_t *to, size_t len, uint64_t offset)
{
    while (len != 0) {
        ssize_t got = pread(fd, to, len, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? SEGMENT_ERROR : SEGMENT_BAD;
        }
        to += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return SEGMENT_FRAME;
}

/* The header as it is in the file: FRAME when it is sound, BAD, or ERROR: it cannot be read. */
static enum segment_step read_header(int fd, uint64_t first, struct segment_header *header)
{
    uint8_t bytes[SEGMENT_HEADER_LEN];
    *header = (struct segment_header){0};
    enum segment_step step = read_exactly(fd, bytes, sizeof(bytes), 0);
    if (step != SEGMENT_FRAME) {
        return step;
    }
    bool sound = segment_header_decode(bytes, header) && header->first_sequence == first;
    return sound ? SEGMENT_FRAME : SEGMENT_BAD;
}

/* A damaged header's place is taken by one that follows from the file's name and its first sound
 * frame. FRAME, BAD when no frame is sound, or ERROR as above. `after`: where the next segment
 * begins, or 0. */
static enum segment_step rebuild_header(struct spool *spool, int fd, const struct stat *st,
                                        uint64_t first, uint64_t after,
                                        struct segment_header *header)
{
    struct segment_scan scan = {0};
    struct segment_frame frame;
    const uint8_t *sound;
    segment_scan_start(&scan, fd, SEGMENT_ANY_ID, SEGMENT_HEADER_LEN, (uint64_t)st->st_size,
                       first - 1);
    enum segment_step step = segment_scan_next(&scan, &frame, &sound);
    if (step == SEGMENT_BAD && segment_scan_resync(&scan, &scan.pos) == SEGMENT_FRAME) {
        step = segment_scan_next(&scan, &frame, &sound);
    }
    int error = scan.error;
    segment_scan_free(&scan);
    if (step != SEGMENT_FRAME || (after != 0 && frame.sequence >= after)) {
        return error != 0 ? SEGMENT_ERROR : SEGMENT_BAD;
    }
    *header = (struct segment_header){frame.segment_id, first, frame.arrived_ns, true};
    spool_quarantine_range(spool, fd, first, 0, SEGMENT_HEADER_LEN, "segment header");
    uint8_t bytes[SEGMENT_HEADER_LEN];
    segment_header_encode(header, bytes);
    if (pwrite(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
        spool_system.fdatasync(fd) != 0) {
        LOG_WARN("spool: a segment's new header could not be written; the next start makes it anew",
                 LOG_STR("dir", spool->dir), LOG_INT("first", first));
    }
    return SEGMENT_FRAME;
}

/* A file that cannot be opened now (no descriptors, no rights, a bad disk) holds promised records:
 * it stays in the list, and readers that come to it try again. */
static bool add_unopened(struct spool *spool, const char *name, int error, uint64_t *size)
{
    struct stat st;
    char text[128];
    bool known = fstatat(spool->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    bool ours = error != ELOOP && error != ENOENT && (!known || S_ISREG(st.st_mode));
    *size = known && ours ? (uint64_t)st.st_size : 0;
    LOG_ERROR(ours ? "spool: a segment cannot be opened; its readers will try again"
                   : "spool: a segment's name stands for something else; it is left alone",
              LOG_STR("dir", spool->dir), LOG_STR("file", name),
              LOG_STR("error", strerror_r(error, text, sizeof(text))));
    return ours;
}

/* Reads a segment's header into *out, mending or moving aside what is damaged. False: it is not for
 * the list. *fd is -1 when it could not be opened or read. */
static bool open_found(struct spool *spool, uint64_t first, uint64_t after,
                       struct spool_segment *out, int *fd)
{
    char name[SEGMENT_NAME_LEN + 1];
    segment_name(first, name);
    *out = (struct spool_segment){.first = first, .closed = true};
    *fd = openat(spool->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;
    struct segment_header header = {0};
    bool listed = false;
    if (*fd < 0) {
        return add_unopened(spool, name, errno, &out->used);
    }
    enum segment_step step = SEGMENT_ERROR;
    if (fstat(*fd, &st) == 0) {
        if (!S_ISREG(st.st_mode)) {
            goto leave;
        }
        step = first != 0 ? read_header(*fd, first, &header) : SEGMENT_BAD;
        if (step == SEGMENT_BAD && first != 0) {
            step = rebuild_header(spool, *fd, &st, first, after, &header);
        }
    }
    if (step == SEGMENT_ERROR) {
        listed = add_unopened(spool, name, EIO, &out->used);
        goto leave;
    }
    out->used = (uint64_t)st.st_size;
    if (step != SEGMENT_FRAME) {
        saw_sequence(spool, first + out->used / SEGMENT_FRAME_LEN);
        spool_quarantine_file(spool, name, "segment header");
        goto leave;
    }
    out->id = header.id;
    out->made_ns = header.made_ns;
    out->reused = header.reused;
    return true;

leave:
    close(*fd);
    *fd = -1;
    return listed;
}

/* No frame at scan->pos, and not only zeros behind it. FRAME: sound ones of this segment are behind
 * it, so it is damage, were it zeros as at the end of a reused file: sets it aside and steps over
 * it. BAD: none is. ERROR: that cannot be told, a part of the file cannot be read.
 *
 * A power cut in a commit that was not synced may leave its later sectors without its earlier ones.
 * Such frames are taken too: nobody was told 200 for them, and they keep their sequences. */
static enum segment_step step_over(struct spool *spool, struct spool_segment *segment,
                                   struct segment_scan *scan)
{
    uint64_t next, from = scan->pos;
    enum segment_step step = segment_scan_resync(scan, &next);
    if (step != SEGMENT_FRAME) {
        return step == SEGMENT_ERROR ? SEGMENT_ERROR : SEGMENT_BAD;
    }
    spool_quarantine_range(spool, scan->fd, segment->first, from, next, "frames");
    struct spool_damage *grown =
        realloc(segment->damage, (segment->n_damage + 1) * sizeof(*segment->damage));
    if (grown != NULL) { /* without it readers find the place themselves */
        segment->damage = grown;
        segment->damage[segment->n_damage++] = (struct spool_damage){from, next};
    }
    scan->pos = next;
    return SEGMENT_FRAME;
}

/* Where the tail cannot be kept it is left in the file, outside of what is read. Of a reused file
 * not all of the remains are kept with it. */
static void cut_tail(struct spool *spool, struct spool_segment *segment, int fd, uint64_t end,
                     bool torn)
{
    bool cut = true;
    uint64_t most = REUSED_TAIL_KEPT + spool_frame_max(spool->options.max_payload);
    if (torn) {
        uint64_t to = segment->reused && segment->used - end > most ? end + most : segment->used;
        saw_sequence(spool, segment->last + (segment->used - end) / SEGMENT_FRAME_LEN + 1);
        cut = spool_quarantine_range(spool, fd, segment->first, end, to, "torn tail");
    }
    if (cut && end < segment->used && ftruncate(fd, (off_t)end) != 0) {
        LOG_WARN("spool: the tail of a segment could not be cut", LOG_STR("dir", spool->dir));
    }
    segment->used = end;
}

/* Reads all of the newest segment: each byte once, those of zeros twice. */
static void scan_newest(struct spool *spool, struct spool_segment *segment, int fd)
{
    struct segment_scan scan = {0};
    struct segment_frame frame;
    const uint8_t *bytes;
    segment_scan_start(&scan, fd, segment->id, SEGMENT_HEADER_LEN, segment->used,
                       segment->first - 1);
    enum segment_step step;
    do {
        step = segment_scan_next(&scan, &frame, &bytes);
        if (step == SEGMENT_BAD) {
            step = step_over(spool, segment, &scan);
        }
    } while (step == SEGMENT_FRAME);
    segment->last = scan.previous;
    if (step == SEGMENT_ERROR) {
        LOG_ERROR("spool: the newest segment cannot be read to its end; what cannot be read is "
                  "left for the readers to try",
                  LOG_STR("dir", spool->dir), LOG_INT("offset", scan.pos));
        segment->last += (segment->used - scan.pos) / SEGMENT_FRAME_LEN + 1;
        segment->uncut = true;
    } else {
        bool torn = step == SEGMENT_BAD && !(segment->reused && segment_scan_at_mark(&scan));
        cut_tail(spool, segment, fd, scan.pos, torn);
        if (spool_system.fdatasync(fd) != 0) {
            LOG_ERROR("spool: the newest segment could not be synced", LOG_STR("dir", spool->dir));
        }
    }
    segment_scan_free(&scan);
}

/* A segment that could not be read when it was the newest, and is not any more. It has the length
 * that it was made with; one that was finished ends with its last record, hardly ever just there.
 */
static bool was_not_cut(const struct spool *spool, const struct spool_segment *segment)
{
    return segment->used == spool->segment_bytes;
}

/* From the newest to the oldest, so that each knows where the one before it ends. */
static bool add_segments(struct spool *spool, const struct found *found)
{
    uint64_t after = 0;
    for (size_t i = found->n; i-- > 0;) {
        struct spool_segment segment;
        int fd;
        saw_sequence(spool, found->firsts[i]); /* no new file gets a name that is taken */
        if (!open_found(spool, found->firsts[i], after, &segment, &fd)) {
            continue;
        }
        if (after != 0) {
            segment.last = after - 1;
            segment.uncut = was_not_cut(spool, &segment);
        } else if (fd >= 0) {
            scan_newest(spool, &segment, fd);
        } else {
            segment.last = segment.first + segment.used / SEGMENT_FRAME_LEN;
            segment.uncut = true;
        }
        if (fd >= 0) {
            close(fd);
        }
        after = segment.first;
        saw_sequence(spool, segment.last);
        spool->allocated += segment.used;
        if (!spool_segment_add(spool, &segment)) {
            free(segment.damage);
            return false;
        }
    }
    for (size_t i = 0; i < spool->n_segments / 2; i++) {
        struct spool_segment swap = spool->segments[i];
        spool->segments[i] = spool->segments[spool->n_segments - 1 - i];
        spool->segments[spool->n_segments - 1 - i] = swap;
    }
    return true;
}

bool spool_recover(struct spool *spool, struct result *why)
{
    struct found found = {0};
    spool->w.next = 1;
    bool ok = list_directory(spool, &found, why);
    if (ok) {
        if (found.n != 0) {
            qsort(found.firsts, found.n, sizeof(*found.firsts), by_number);
        }
        ok = add_segments(spool, &found) ||
             result_fail(why, "spool directory %s: not enough memory", spool->dir);
    }
    for (size_t i = 0; i < spool->n_cursors; i++) {
        saw_sequence(spool, spool->cursors[i].acked);
    }
    if (spool->n_segments != 0) {
        spool->durable = spool->segments[spool->n_segments - 1].last;
    }
    free(found.firsts);
    return ok;
}
