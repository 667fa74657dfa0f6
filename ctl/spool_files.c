/* spool_files.c: see spool_files.h. */
#include "ctl/spool_files.h"

#include "base/clock.h"
#include "otlp/spool/cursor_text.h"
#include "otlp/spool/segment_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 1000000 /* of one kind; what is more is no spool of ours */
#define WRITER_LOOKS 10   /* at the end of the newest segment, while somebody writes it */
#define WRITER_PAUSE_NS 50000000

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

/* --- the list --------------------------------------------------------------------------------- */

static void *grow(void *items, size_t n, size_t size)
{
    /* Doubled at each power of two. */
    if ((n & (n - 1)) != 0 && n != 0) {
        return items;
    }
    return n < FILES_MAX ? reallocarray(items, n != 0 ? 2 * n : 1, size) : NULL;
}

static bool add_segment(struct spool_files *files, const char *name, uint64_t first)
{
    struct stat st;
    if (fstatat(files->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) {
        return true; /* gone, or none of ours */
    }
    struct spool_file *grown = grow(files->segments, files->n_segments, sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    files->segments = grown;
    struct spool_file *file = &files->segments[files->n_segments++];
    *file = (struct spool_file){.first = first, .bytes = (uint64_t)st.st_size};
    snprintf(file->name, sizeof(file->name), "%s", name);
    return true;
}

static unsigned signals_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (unsigned i = 0; dot != NULL && i < SIGNAL_COUNT; i++) {
        if (strcmp(dot + 1, signal_info((enum signal)i)->name) == 0) {
            return SPOOL_SIGNAL(i);
        }
    }
    return SPOOL_ALL_SIGNALS;
}

static bool add_cursor(struct spool_files *files, const char *file_name, const char *name)
{
    char text[CURSOR_TEXT_MAX];
    struct spool_cursor_file *grown = grow(files->cursors, files->n_cursors, sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    files->cursors = grown;
    struct spool_cursor_file *cursor = &files->cursors[files->n_cursors];
    *cursor = (struct spool_cursor_file){.signals = signals_of(name)};
    snprintf(cursor->name, sizeof(cursor->name), "%s", name);
    int fd = openat(files->fd, file_name, OPEN_FLAGS);
    if (fd < 0) {
        return true; /* forgotten meanwhile */
    }
    ssize_t len = read(fd, text, sizeof(text));
    close(fd);
    cursor->sound = len > 0 && cursor_text_parse(text, (size_t)len, &cursor->sequence);
    files->n_cursors++;
    return true;
}

static bool look_at(struct spool_files *files, const char *name)
{
    static const char prefix[] = "cursor.";
    uint64_t first;
    size_t len = strlen(name);
    if (segment_name_parse(name, &first)) {
        return add_segment(files, name, first);
    }
    bool temporary = len > 4 && strcmp(name + len - 4, ".tmp") == 0;
    if (strncmp(name, prefix, sizeof(prefix) - 1) == 0 && !temporary &&
        len - (sizeof(prefix) - 1) < SPOOL_CURSOR_NAME_MAX) {
        return add_cursor(files, name, name + sizeof(prefix) - 1);
    }
    return true;
}

/* Calls look for each entry; false and errno when it did so, or the directory cannot be read. */
static bool each_entry(struct spool_files *files, const char *sub,
                       bool (*look)(struct spool_files *files, const char *name))
{
    int fd = openat(files->fd, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    bool going = true;
    errno = 0;
    for (struct dirent *entry; going && (entry = readdir(dir)) != NULL;) {
        going = look(files, entry->d_name);
        errno = going ? 0 : ENOMEM;
    }
    int error = errno;
    closedir(dir);
    errno = error;
    return error == 0;
}

static bool count_quarantined(struct spool_files *files, const char *name)
{
    char path[300];
    struct stat st;
    snprintf(path, sizeof(path), "quarantine/%.255s", name);
    if (fstatat(files->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
        files->quarantine_files++;
        files->quarantine_bytes += (uint64_t)st.st_size;
    }
    return true;
}

static int by_first(const void *a, const void *b)
{
    uint64_t left = ((const struct spool_file *)a)->first;
    uint64_t right = ((const struct spool_file *)b)->first;
    return (left > right) - (left < right);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct spool_cursor_file *)a)->name,
                  ((const struct spool_cursor_file *)b)->name);
}

/* Asked of the kernel's list, so that the question itself takes no lock that could keep a gateway
 * from starting. */
static bool is_locked(const struct stat *lock)
{
    char line[256], wanted[64];
    bool found = false;
    FILE *locks = fopen("/proc/locks", "re");
    if (locks == NULL) {
        return false;
    }
    snprintf(wanted, sizeof(wanted), " %02x:%02x:%" PRIu64 " ", major(lock->st_dev),
             minor(lock->st_dev), (uint64_t)lock->st_ino);
    while (!found && fgets(line, sizeof(line), locks) != NULL) {
        found = strstr(line, " FLOCK ") != NULL && strstr(line, " WRITE ") != NULL &&
                strstr(line, wanted) != NULL;
    }
    fclose(locks);
    return found;
}

bool spool_files_open(const char *dir, struct spool_files *files, struct result *why)
{
    *files = (struct spool_files){.fd = -1};
    files->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (files->fd < 0) {
        return result_fail_errno(why, errno, "cannot open the spool directory %s", dir);
    }
    if (!each_entry(files, ".", look_at)) {
        return result_fail_errno(why, errno, "cannot read the spool directory %s", dir);
    }
    each_entry(files, "quarantine", count_quarantined); /* it need not be there */
    if (files->n_segments != 0) {
        qsort(files->segments, files->n_segments, sizeof(*files->segments), by_first);
        files->segments[files->n_segments - 1].newest = true;
    }
    if (files->n_cursors != 0) {
        qsort(files->cursors, files->n_cursors, sizeof(*files->cursors), by_name);
    }
    struct stat lock;
    files->has_lock = fstatat(files->fd, "lock", &lock, AT_SYMLINK_NOFOLLOW) == 0;
    files->running = files->has_lock && is_locked(&lock);
    return true;
}

void spool_files_close(struct spool_files *files)
{
    if (files->fd >= 0) {
        close(files->fd);
    }
    free(files->segments);
    free(files->cursors);
    *files = (struct spool_files){.fd = -1};
}

/* --- the walk --------------------------------------------------------------------------------- */

static void tell(const struct spool_walk *walk, const struct spool_file *file,
                 enum spool_fault fault, uint64_t from, uint64_t to, int error)
{
    if (walk->fault != NULL) {
        walk->fault(walk->arg, file, fault, from, to, error);
    }
}

static bool read_header(int fd, struct segment_header *header)
{
    uint8_t bytes[SEGMENT_HEADER_LEN];
    return pread(fd, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes) &&
           segment_header_decode(bytes, header);
}

/* The segment's id: from its header or, when that is damaged, from the first record. */
static bool find_id(int fd, const struct spool_walk *walk, const struct spool_file *file,
                    uint64_t size, uint64_t *id)
{
    struct segment_header header;
    if (read_header(fd, &header) && header.first_sequence == file->first) {
        *id = header.id;
        return true;
    }
    uint8_t bytes[SEGMENT_FRAME_LEN];
    struct segment_frame frame;
    bool known = pread(fd, bytes, sizeof(bytes), SEGMENT_HEADER_LEN) == (ssize_t)sizeof(bytes) &&
                 segment_frame_decode(bytes, &frame) && frame.sequence == file->first;
    uint64_t header_end = size < SEGMENT_HEADER_LEN ? size : SEGMENT_HEADER_LEN;
    tell(walk, file, SPOOL_FAULT_HEADER, 0, known ? header_end : size, 0);
    *id = known ? frame.segment_id : 0;
    return known;
}

/* The end of the newest segment is no frame. True when it became one: the gateway was writing. */
static bool await_writer(struct segment_scan *scan, uint64_t *size)
{
    const struct timespec pause = {0, WRITER_PAUSE_NS};
    struct segment_scan again = {0};
    struct segment_frame frame;
    const uint8_t *bytes;
    bool came = false;
    for (int i = 0; i < WRITER_LOOKS && !came; i++) {
        struct stat st;
        nanosleep(&pause, NULL);
        *size = fstat(scan->fd, &st) == 0 ? (uint64_t)st.st_size : *size;
        segment_scan_start(&again, scan->fd, scan->id, scan->pos, *size, scan->previous);
        enum segment_step step = segment_scan_next(&again, &frame, &bytes);
        came = step == SEGMENT_FRAME || step == SEGMENT_END;
    }
    segment_scan_free(&again);
    return came;
}

/* Damage at scan->pos: tells it and steps over it. False when nothing readable is behind it. */
static bool step_over(const struct spool_files *files, const struct spool_walk *walk,
                      const struct spool_file *file, struct segment_scan *scan, uint64_t *size)
{
    uint64_t next, at = scan->pos;
    uint64_t previous = scan->previous;
    enum segment_step step = segment_scan_resync(scan, &next);
    if (step == SEGMENT_FRAME) {
        tell(walk, file, SPOOL_FAULT_FRAMES, at, next, 0);
        scan->pos = next;
        return true;
    }
    if (step == SEGMENT_ERROR) {
        tell(walk, file, SPOOL_FAULT_UNREADABLE, at, *size, scan->error);
        return false;
    }
    if (file->newest && files->running && await_writer(scan, size)) {
        segment_scan_start(scan, scan->fd, scan->id, at, *size, previous);
        return true;
    }
    tell(walk, file, file->newest ? SPOOL_FAULT_UNFINISHED : SPOOL_FAULT_FRAMES, at, *size, 0);
    return false;
}

static bool visit(const struct spool_walk *walk, const struct spool_file *file,
                  const struct segment_frame *frame, uint64_t offset, const uint8_t *bytes)
{
    if (frame->sequence < walk->from || (SPOOL_SIGNAL(frame->signal) & walk->signals) == 0) {
        return true;
    }
    return frame->sequence <= walk->until && walk->record(walk->arg, file, frame, offset, bytes);
}

/* False when the walk is over. */
static bool walk_frames(const struct spool_files *files, const struct spool_walk *walk,
                        const struct spool_file *file, struct segment_scan *scan, uint64_t size)
{
    for (;;) {
        struct segment_frame frame;
        const uint8_t *bytes = NULL;
        enum segment_step step =
            walk->whole ? segment_scan_next(scan, &frame, &bytes) : segment_scan_skip(scan, &frame);
        if (step == SEGMENT_FRAME) {
            if (!visit(walk, file, &frame, scan->pos - frame.total, bytes)) {
                return false;
            }
            continue;
        }
        if (step == SEGMENT_ERROR) {
            tell(walk, file, SPOOL_FAULT_UNREADABLE, scan->pos, size, scan->error);
        }
        if (step != SEGMENT_BAD || !step_over(files, walk, file, scan, &size)) {
            return true;
        }
    }
}

static bool walk_segment(const struct spool_files *files, const struct spool_walk *walk,
                         const struct spool_file *file)
{
    struct segment_scan scan = {0};
    struct stat st;
    uint64_t id;
    bool going = true;
    int fd = openat(files->fd, file->name, OPEN_FLAGS);
    if (fd < 0) {
        if (errno != ENOENT) {
            tell(walk, file, SPOOL_FAULT_UNREADABLE, 0, file->bytes, errno);
        }
        return true;
    }
    uint64_t size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    if (find_id(fd, walk, file, size, &id)) {
        segment_scan_start(&scan, fd, id, SEGMENT_HEADER_LEN, size, file->first - 1);
        going = walk_frames(files, walk, file, &scan, size);
        segment_scan_free(&scan);
    }
    close(fd);
    return going;
}

void spool_files_walk(const struct spool_files *files, const struct spool_walk *walk)
{
    for (size_t i = 0; i < files->n_segments; i++) {
        const struct spool_file *file = &files->segments[i];
        bool before = i + 1 < files->n_segments && file[1].first <= walk->from;
        if (!before && (file->first > walk->until || !walk_segment(files, walk, file))) {
            return;
        }
    }
}

int64_t spool_file_made(const struct spool_files *files, const struct spool_file *file)
{
    struct segment_header header = {0};
    int fd = openat(files->fd, file->name, OPEN_FLAGS);
    bool read = fd >= 0 && read_header(fd, &header);
    if (fd >= 0) {
        close(fd);
    }
    return read ? header.made_ns : 0;
}
