/* spool_segments.c: the list of segments, and making and finishing segment files.
 *
 * Room: the files together never take more than max_bytes. A closed segment counts with its
 * length, the current one with all that is preallocated for it, and a new one is made only if it
 * fits whole. Where the file system has less left, the new one is shorter, and a reserve stays free
 * for cursors and for what others keep there. The reserve is touched for one purpose: when all that
 * is in the spool has been read, a new segment is what lets the current one be deleted.
 *
 * Order on disk: the old segment is cut and synced; then the new one is made under a
 * temporary name, filled, synced, renamed, and the directory synced. So only the newest segment
 * can be torn.
 *
 * The keeper leaves one file that all have passed as a spare, and the next segment is made of it: a
 * sync of blocks that were written before costs half of one that must also note that the blocks are
 * written now. What the file held stays behind the new frames until they overwrite it. It is never
 * taken for a record: the new header, with a new random id, is on disk before the file has its
 * name, and remains have another id and sequences below that name. Where the frames end stands an
 * end mark, written with each group; it tells remains from a torn write.
 */
#include "otlp/spool/spool_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

uint64_t spool_frame_max(uint32_t max_payload)
{
    return (uint64_t)SEGMENT_FRAME_LEN + SPOOL_SESSION_MAX + SPOOL_KEY_ID_MAX + max_payload;
}

size_t spool_segment_find(const struct spool *spool, uint64_t sequence)
{
    size_t low = 0, high = spool->n_segments;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spool->segments[middle].last >= sequence) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

struct spool_segment *spool_segment_of(struct spool *spool, uint64_t first)
{
    size_t low = 0, high = spool->n_segments;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spool->segments[middle].first >= first) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    bool there = low < spool->n_segments && spool->segments[low].first == first;
    return there ? &spool->segments[low] : NULL;
}

bool spool_segment_add(struct spool *spool, const struct spool_segment *segment)
{
    if (spool->n_segments == spool->cap_segments) {
        size_t cap = spool->cap_segments != 0 ? spool->cap_segments * 2 : 32;
        struct spool_segment *grown = realloc(spool->segments, cap * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        spool->segments = grown;
        spool->cap_segments = cap;
    }
    spool->segments[spool->n_segments++] = *segment;
    return true;
}

void spool_segment_drop_first(struct spool *spool)
{
    free(spool->segments[0].damage);
    spool->n_segments--;
    memmove(spool->segments, spool->segments + 1, spool->n_segments * sizeof(spool->segments[0]));
}

int spool_segment_open(const struct spool *spool, uint64_t first, int flags)
{
    char name[SEGMENT_NAME_LEN + 1];
    segment_name(first, name);
    return openat(spool->dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW);
}

bool spool_segment_finish(struct spool *spool)
{
    struct spool_write *w = &spool->w;
    if (w->fd < 0) {
        return true;
    }
    if (ftruncate(w->fd, (off_t)w->end) != 0) {
        spool_write_failed(spool, "cutting a finished segment", errno);
        return false;
    }
    if (!spool_write_sync(spool)) {
        return false;
    }
    spool_write_publish(spool);
    pthread_mutex_lock(&spool->lock);
    struct spool_segment *segment = spool_segment_of(spool, w->first);
    segment->closed = true;
    spool->allocated = spool->allocated - w->size + w->end;
    spool->keeper_due = true;
    pthread_cond_signal(&spool->chores);
    pthread_mutex_unlock(&spool->lock);
    close(w->fd);
    w->fd = -1;
    return true;
}

static uint64_t random_id(void)
{
    uint64_t id = 0;
    if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id)) {
        id = (uint64_t)clock_wall_ns() ^ (uint64_t)getpid() << 40;
    }
    return id != 0 ? id : 1; /* 0 stands for a header that was not read yet */
}

/* And an end mark behind it: in a fresh file the zeros are there already. */
static bool write_header(int fd, const struct segment_header *header)
{
    uint8_t bytes[SEGMENT_HEADER_LEN + SEGMENT_END_LEN] = {0};
    segment_header_encode(header, bytes);
    size_t done = 0;
    while (done < sizeof(bytes)) {
        struct iovec rest = {bytes + done, sizeof(bytes) - done};
        ssize_t wrote = spool_system.writev(fd, &rest, 1);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return lseek(fd, SEGMENT_HEADER_LEN, SEEK_SET) == SEGMENT_HEADER_LEN;
}

/* Where preallocation is not to be had (old file systems, a file size limit), writes find out about
 * missing room themselves. */
static bool preallocate(int fd, uint64_t len)
{
    while (spool_system.fallocate(fd, 0, 0, (off_t)len) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == EFBIG) {
            return true;
        }
        if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static int create_new(struct spool *spool)
{
    unlinkat(spool->dir_fd, SPOOL_NEW_NAME, 0);
    return openat(spool->dir_fd, SPOOL_NEW_NAME, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW,
                  0600);
}

/* Cut to the size that it is counted with: what is behind it could be taken for a torn tail. */
static int open_spare(struct spool *spool, uint64_t size)
{
    struct stat st;
    if (renameat(spool->dir_fd, SPOOL_SPARE_NAME, spool->dir_fd, SPOOL_NEW_NAME) != 0) {
        return -1;
    }
    int fd = openat(spool->dir_fd, SPOOL_NEW_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 &&
        (fstat(fd, &st) != 0 || ((uint64_t)st.st_size > size && ftruncate(fd, (off_t)size) != 0))) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Makes the file under its name; its descriptor, or -1 and errno. *synced is false when it was the
 * sync that failed, after which errno is no matter of room. */
static int make_file(struct spool *spool, const struct segment_header *header, uint64_t size,
                     bool *synced)
{
    *synced = true;
    char name[SEGMENT_NAME_LEN + 1];
    segment_name(header->first_sequence, name);
    int fd = header->reused ? open_spare(spool, size) : create_new(spool);
    if (fd < 0) {
        return -1;
    }
    bool made = preallocate(fd, size) && write_header(fd, header);
    if (made) {
        made = *synced = spool_system.fdatasync(fd) == 0;
    }
    made = made && renameat(spool->dir_fd, SPOOL_NEW_NAME, spool->dir_fd, name) == 0;
    if (made) {
        made = *synced = fsync(spool->dir_fd) == 0;
    }
    if (!made) {
        int error = errno;
        unlinkat(spool->dir_fd, SPOOL_NEW_NAME, 0);
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* The spare is used up, or of no use. */
static void forget_spare(struct spool *spool)
{
    unlinkat(spool->dir_fd, SPOOL_SPARE_NAME, 0);
    pthread_mutex_lock(&spool->lock);
    spool->allocated -= spool->spare;
    spool->spare = 0;
    pthread_mutex_unlock(&spool->lock);
}

static bool has_spare(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    bool has = spool->spare != 0;
    pthread_mutex_unlock(&spool->lock);
    return has;
}

/* Of the spare if there is one and it is not too long, else, or when that cannot be had, of a fresh
 * file. */
static int make_or_reuse(struct spool *spool, struct segment_header *header, uint64_t size,
                         bool *synced)
{
    int fd = -1;
    *synced = true;
    header->reused = size == spool->segment_bytes && has_spare(spool);
    if (header->reused) {
        fd = make_file(spool, header, size, synced);
        int error = errno;
        forget_spare(spool);
        errno = error;
        header->reused = fd >= 0;
    }
    return fd >= 0 || !*synced ? fd : make_file(spool, header, size, synced);
}

static enum spool_room make_segment(struct spool *spool, uint64_t size)
{
    struct spool_write *w = &spool->w;
    struct segment_header header = {random_id(), w->next, clock_wall_ns(), false};
    bool synced;
    int fd = make_or_reuse(spool, &header, size, &synced);
    if (fd < 0) {
        bool room = errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EMFILE ||
                    errno == ENFILE || errno == ENOMEM;
        if (synced && room) {
            return SPOOL_NO_ROOM;
        }
        spool_write_failed(spool, "making a segment", errno);
        return SPOOL_BROKEN;
    }
    struct spool_segment segment = {
        .first = w->next, .last = w->next - 1, .id = header.id, .used = SEGMENT_HEADER_LEN};
    segment.made_ns = header.made_ns;
    pthread_mutex_lock(&spool->lock);
    bool added = spool_segment_add(spool, &segment);
    if (added) {
        spool->allocated += size;
        spool_readers_tell(spool, SPOOL_ALL_SIGNALS);
        w->wake_due = true;
    }
    pthread_mutex_unlock(&spool->lock);
    if (!added) {
        char name[SEGMENT_NAME_LEN + 1];
        segment_name(w->next, name);
        unlinkat(spool->dir_fd, name, 0);
        close(fd);
        return SPOOL_NO_ROOM;
    }
    w->fd = fd;
    w->id = header.id;
    w->first = w->next;
    w->end = SEGMENT_HEADER_LEN;
    w->size = w->limit = size;
    w->reused = header.reused;
    w->last = w->next - 1;
    return SPOOL_ROOM;
}

/* Are there segments that only the want of a newer one keeps from being deleted? Locked. */
static bool all_read(const struct spool *spool)
{
    uint64_t acked;
    return spool->n_segments != 0 && spool_cursor_slowest(spool, &acked) &&
           acked >= spool->durable && acked >= spool->w.last;
}

static bool is_all_read(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    bool all = all_read(spool);
    pthread_mutex_unlock(&spool->lock);
    return all;
}

static uint64_t least_size(const struct spool *spool)
{
    return SEGMENT_HEADER_LEN + spool_frame_max(spool->options.max_payload);
}

/* How long the file system lets a new segment be; 0: too short for the longest record. */
static uint64_t size_on_disk(struct spool *spool)
{
    struct statvfs fs;
    if (fstatvfs(spool->dir_fd, &fs) != 0 || fs.f_blocks == 0) {
        return spool->segment_bytes; /* it does not tell: writes will find out */
    }
    uint64_t least = least_size(spool);
    uint64_t unused = (uint64_t)fs.f_bavail * fs.f_frsize;
    uint64_t room = unused > 2 * least ? unused - 2 * least : 0;
    if (room < least && unused >= least && is_all_read(spool)) {
        room = least;
    }
    uint64_t size = room < spool->segment_bytes ? room : spool->segment_bytes;
    return size >= least ? size : 0;
}

/* May there be a segment more? A last one that is all read goes as soon as there is a newer one: it
 * is no reason against that, though it was written when max_bytes was higher. */
static bool limit_allows_one(struct spool *spool)
{
    const struct spool_write *w = &spool->w;
    pthread_mutex_lock(&spool->lock);
    uint64_t after = spool->allocated - spool->spare + spool->segment_bytes;
    if (w->fd >= 0) {
        after = after - w->size + w->end;
    }
    bool allowed = after <= spool->options.max_bytes || (spool->n_segments == 1 && all_read(spool));
    pthread_mutex_unlock(&spool->lock);
    return allowed;
}

/* How long the next segment may be; 0: there is no room, and w.disk_full says whose. */
static uint64_t size_of_next(struct spool *spool)
{
    uint64_t size = size_on_disk(spool);
    if (size < spool->segment_bytes && has_spare(spool)) {
        forget_spare(spool); /* what the file system has is to be seen, and shared with others */
        size = size_on_disk(spool);
    }
    spool->w.disk_full = limit_allows_one(spool);
    return spool->w.disk_full ? size : 0;
}

enum spool_room spool_segment_roll(struct spool *spool)
{
    uint64_t size = size_of_next(spool);
    if (size == 0) {
        return SPOOL_NO_ROOM;
    }
    if (!spool_segment_finish(spool)) {
        return SPOOL_BROKEN;
    }
    enum spool_room room = make_segment(spool, size);
    if (room == SPOOL_NO_ROOM && size > least_size(spool) && is_all_read(spool)) {
        room = make_segment(spool, least_size(spool)); /* a quota that statvfs does not tell of */
    }
    return room;
}

enum spool_room spool_segment_make_room(struct spool *spool)
{
    const struct spool_write *w = &spool->w;
    if (w->fd >= 0 && w->limit - w->end >= spool_frame_max(spool->options.max_payload)) {
        return SPOOL_ROOM;
    }
    bool empty = w->fd >= 0 && w->end == SEGMENT_HEADER_LEN;
    return empty ? SPOOL_NO_ROOM : spool_segment_roll(spool); /* empty: only a write would tell */
}
