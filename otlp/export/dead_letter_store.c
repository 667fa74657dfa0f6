/* dead_letter_store.c: the directory of dead letters, see dead_letter.h. A letter is written under
 * a hidden name, synced, renamed, and the directory synced, before anybody hears that it is there:
 * the frame is acknowledged on the strength of it. */
#include "otlp/export/dead_letter.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char suffix[] = ".dead";

static bool is_letter_name(const char *name)
{
    size_t len = strlen(name);
    return name[0] != '.' && len < DEAD_LETTER_NAME_MAX && len > sizeof(suffix) - 1 &&
           strcmp(name + len - (sizeof(suffix) - 1), suffix) == 0 && strchr(name, '/') == NULL;
}

/* A value that stands on a head line: one line, whatever the bytes. */
static void head_text(struct buf *out, const char *name, struct slice value, size_t max)
{
    size_t take = value.len < max ? value.len : max;
    buf_printf(out, "%s: ", name);
    buf_append_json(out, slice_make(value.data != NULL ? value.data : "", take));
    buf_append_char(out, '\n');
}

static void write_head(struct buf *out, const struct dead_letter *letter)
{
    char arrived[CLOCK_ISO_MAX];
    clock_format_iso(letter->arrived_ns, arrived);
    buf_append_str(out, "sigpost-dead-letter 1\n");
    head_text(out, "reason", letter->reason, DEAD_LETTER_TEXT_MAX);
    buf_printf(out, "status: %d\nsignal: %s\n", letter->status, signal_info(letter->signal)->name);
    head_text(out, "session", letter->session, DEAD_LETTER_TEXT_MAX);
    head_text(out, "key-id", letter->key_id, DEAD_LETTER_TEXT_MAX);
    buf_printf(out, "arrived: %s\narrived-ns: %" PRId64 "\nsequence: %" PRIu64 "\n", arrived,
               letter->arrived_ns, letter->sequence);
    head_text(out, "destination", letter->destination, DEAD_LETTER_TEXT_MAX);
    head_text(out, "url", letter->url, DEAD_LETTER_TEXT_MAX);
    head_text(out, "answer", letter->answer, DEAD_LETTER_ANSWER_MAX);
    buf_printf(out, "payload-bytes: %zu\n\n", letter->payload.len);
}

static int open_dir(const char *dir, struct result *why)
{
    if (mkdir(dir, 0700) == 0) {
        char parent[4096];
        snprintf(parent, sizeof(parent), "%s/..", dir);
        int up = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (up >= 0) {
            fsync(up); /* best effort: where it fails, the fsync of the letter's own directory says
                          so */
            close(up);
        }
    } else if (errno != EEXIST) {
        result_fail_errno(why, errno, "cannot make the dead letter directory %s", dir);
        return -1;
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        result_fail_errno(why, errno, "cannot open the dead letter directory %s", dir);
    }
    return fd;
}

/* Calls visit for each letter of the open directory. */
static bool each_letter(int dir_fd, bool (*visit)(void *arg, int dir_fd, const char *name),
                        void *arg)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (stream == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    bool going = true;
    errno = 0;
    for (struct dirent *entry = readdir(stream); entry != NULL && going; entry = readdir(stream)) {
        if (is_letter_name(entry->d_name)) {
            going = visit(arg, dir_fd, entry->d_name);
        }
        errno = going ? 0 : errno;
    }
    going = going && errno == 0;
    closedir(stream);
    return going;
}

/* Bytes of that letter; 0 when it is not there. */
static uint64_t size_of(int dir_fd, const char *name)
{
    struct stat st;
    bool there = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
    return there ? (uint64_t)st.st_size : 0;
}

static bool add_size(void *arg, int dir_fd, const char *name)
{
    *(uint64_t *)arg += size_of(dir_fd, name);
    return true;
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.len != 0) {
        ssize_t wrote = write(fd, bytes.data, bytes.len);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        size_t n = wrote > 0 ? (size_t)wrote : 0;
        bytes = slice_make(bytes.data + n, bytes.len - n);
    }
    return true;
}

static bool write_file(int dir_fd, const char *temporary, const char *name, struct slice head,
                       struct slice payload)
{
    int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return false;
    }
    bool written = write_all(fd, head) && write_all(fd, payload) && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && written) {
        error = errno;
        written = false;
    }
    errno = error;
    if (!written || renameat(dir_fd, temporary, dir_fd, name) != 0) {
        error = errno;
        unlinkat(dir_fd, temporary, 0);
        errno = error;
        return false;
    }
    return fsync(dir_fd) == 0;
}

static void name_of(const struct dead_letter *letter, char name[DEAD_LETTER_NAME_MAX])
{
    snprintf(name, DEAD_LETTER_NAME_MAX, "%016" PRIx64 "-%016" PRIx64 ".%.*s%s",
             (uint64_t)letter->arrived_ns, letter->sequence,
             letter->destination.len < 64 ? (int)letter->destination.len : 64,
             letter->destination.data != NULL ? letter->destination.data : "", suffix);
}

/* Is there room for `size` bytes, of which `replaced` are given back? */
static bool fits(const struct dead_letter_room *room, uint64_t size, uint64_t replaced,
                 uint64_t max_bytes)
{
    uint64_t used = room->used > replaced ? room->used - replaced : 0;
    return room->trusted != 0 && used <= max_bytes && size <= max_bytes - used;
}

static bool look_again(int dir_fd, struct dead_letter_room *room)
{
    uint64_t used = 0;
    if (!each_letter(dir_fd, add_size, &used)) {
        return false;
    }
    *room = (struct dead_letter_room){used, DEAD_LETTER_TRUST};
    return true;
}

static enum dead_letter_outcome store_in(int dir_fd, const char *dir,
                                         const struct dead_letter *letter, struct slice head,
                                         uint64_t max_bytes, struct dead_letter_room *room,
                                         struct result *why)
{
    char name[DEAD_LETTER_NAME_MAX];
    char temporary[DEAD_LETTER_NAME_MAX + 1];
    uint64_t size = head.len + letter->payload.len;
    name_of(letter, name);
    snprintf(temporary, sizeof(temporary), ".%s", name);
    uint64_t replaced = size_of(dir_fd, name);
    if (!fits(room, size, replaced, max_bytes) && !look_again(dir_fd, room)) {
        result_fail_errno(why, errno, "cannot read the dead letter directory %s", dir);
        return DEAD_LETTER_FAILED;
    }
    if (!fits(room, size, replaced, max_bytes)) {
        result_fail(why,
                    "the dead letter directory %s is full (%" PRIu64 " of %" PRIu64
                    " bytes used, %" PRIu64 " more needed); look at the letters and retry or drop "
                    "them",
                    dir, room->used, max_bytes, size);
        return DEAD_LETTER_FULL;
    }
    if (!write_file(dir_fd, temporary, name, head, letter->payload)) {
        result_fail_errno(why, errno, "cannot write the dead letter %s/%s", dir, name);
        return DEAD_LETTER_FAILED;
    }
    room->used += size - (replaced < room->used ? replaced : room->used);
    room->trusted--;
    return DEAD_LETTER_STORED;
}

enum dead_letter_outcome dead_letter_store(const char *dir, const struct dead_letter *letter,
                                           uint64_t max_bytes, struct dead_letter_room *room,
                                           struct result *why)
{
    enum dead_letter_outcome outcome = DEAD_LETTER_FAILED;
    struct buf head = BUF_INIT;
    int dir_fd = open_dir(dir, why);
    if (dir_fd < 0) {
        goto cleanup;
    }
    write_head(&head, letter);
    if (head.failed) {
        result_fail(why, "out of memory while setting a dead letter aside");
        goto cleanup;
    }
    outcome = store_in(dir_fd, dir, letter, buf_slice(&head), max_bytes, room, why);
cleanup:
    if (dir_fd >= 0) {
        close(dir_fd);
    }
    buf_free(&head);
    return outcome;
}

struct listing {
    char (*names)[DEAD_LETTER_NAME_MAX];
    size_t n, cap;
};

static bool add_name(void *arg, int dir_fd, const char *name)
{
    (void)dir_fd;
    struct listing *listing = arg;
    if (listing->n == listing->cap) {
        size_t cap = listing->cap != 0 ? listing->cap * 2 : 64;
        void *grown = reallocarray(listing->names, cap, sizeof(*listing->names));
        if (grown == NULL) {
            errno = ENOMEM;
            return false;
        }
        listing->names = grown;
        listing->cap = cap;
    }
    snprintf(listing->names[listing->n++], sizeof(*listing->names), "%s", name);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

bool dead_letter_list(const char *dir, char (**names)[DEAD_LETTER_NAME_MAX], size_t *n,
                      struct result *why)
{
    *names = NULL;
    *n = 0;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ||
               result_fail_errno(why, errno, "cannot open the dead letter directory %s", dir);
    }
    struct listing listing = {NULL, 0, 0};
    bool done = each_letter(fd, add_name, &listing);
    int error = errno;
    close(fd);
    if (!done) {
        free(listing.names);
        return result_fail_errno(why, error, "cannot read the dead letter directory %s", dir);
    }
    if (listing.n != 0) {
        qsort(listing.names, listing.n, sizeof(*listing.names), by_name);
    }
    *names = listing.names;
    *n = listing.n;
    return true;
}

static bool read_all(int fd, struct buf *into)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return false;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > DEAD_LETTER_FILE_MAX) {
        errno = EFBIG;
        return false;
    }
    size_t left = (size_t)st.st_size;
    while (left != 0) {
        char *to = buf_reserve(into, left);
        ssize_t got = to != NULL ? read(fd, to, left) : -1;
        if (got == 0) {
            break;
        }
        if (got < 0) {
            if (to != NULL && errno == EINTR) {
                continue;
            }
            errno = to == NULL ? ENOMEM : errno;
            return false;
        }
        into->len += (size_t)got;
        left -= (size_t)got;
    }
    return true;
}

static bool check_name(const char *name, struct result *why)
{
    return is_letter_name(name) ||
           result_fail(why, "%.100s: not the name of a dead letter, which ends in %s", name,
                       suffix);
}

bool dead_letter_read(const char *dir, const char *name, struct buf *file, struct dead_letter *out,
                      struct result *why)
{
    *out = (struct dead_letter){.signal = SIGNAL_COUNT};
    buf_clear(file);
    if (!check_name(name, why)) {
        return false;
    }
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dir_fd >= 0 ? openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    bool done = fd >= 0 && read_all(fd, file);
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (dir_fd >= 0) {
        close(dir_fd);
    }
    if (!done) {
        return result_fail_errno(why, error, "cannot read the dead letter %s/%s", dir, name);
    }
    return dead_letter_parse(buf_slice(file), out, why);
}

bool dead_letter_remove(const char *dir, const char *name, struct result *why)
{
    if (!check_name(name, why)) {
        return false;
    }
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = dir_fd >= 0 && unlinkat(dir_fd, name, 0) == 0 && fsync(dir_fd) == 0;
    int error = errno;
    if (dir_fd >= 0) {
        close(dir_fd);
    }
    return done || result_fail_errno(why, error, "cannot remove the dead letter %s/%s", dir, name);
}
