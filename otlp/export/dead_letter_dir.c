/* dead_letter_dir.c: the directory of dead letters and, below it, the one of those that wait to be
 * sent again: looking, reading, removing, moving. See dead_letter.h. */
#include "otlp/export/dead_letter_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool dead_letter_is_name(const char *name)
{
    size_t len = strlen(name);
    return name[0] != '.' && len < DEAD_LETTER_NAME_MAX && len > sizeof(DEAD_LETTER_SUFFIX) - 1 &&
           strcmp(name + len - (sizeof(DEAD_LETTER_SUFFIX) - 1), DEAD_LETTER_SUFFIX) == 0 &&
           strchr(name, '/') == NULL;
}

int dead_letter_open_dir(const char *dir, struct result *why)
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

bool dead_letter_each(int dir_fd, bool (*visit)(void *arg, int dir_fd, const char *name), void *arg)
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
        if (dead_letter_is_name(entry->d_name)) {
            going = visit(arg, dir_fd, entry->d_name);
        }
        errno = going ? 0 : errno;
    }
    going = going && errno == 0;
    closedir(stream);
    return going;
}

uint64_t dead_letter_size(int dir_fd, const char *name)
{
    struct stat st;
    bool there = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
    return there ? (uint64_t)st.st_size : 0;
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
    bool done = dead_letter_each(fd, add_name, &listing);
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
    return dead_letter_is_name(name) ||
           result_fail(why, "%.100s: not the name of a dead letter, which ends in %s", name,
                       DEAD_LETTER_SUFFIX);
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
    int fd =
        dir_fd >= 0 ? openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
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

/* --- to be sent again ------------------------------------------------------------------------- */

void dead_letter_retry_dir(const char *dir, char out[DEAD_LETTER_PATH_MAX])
{
    snprintf(out, DEAD_LETTER_PATH_MAX, "%s/retry", dir);
}

/* Made by root for a daemon that runs as somebody else, the directory is to be the daemon's. */
static int open_retry_dir(const char *dir, int dir_fd, struct result *why)
{
    char retry[DEAD_LETTER_PATH_MAX];
    struct stat ours, theirs;
    dead_letter_retry_dir(dir, retry);
    int fd = dead_letter_open_dir(retry, why);
    if (fd < 0) {
        return -1;
    }
    bool owned = fstat(fd, &ours) == 0 && fstat(dir_fd, &theirs) == 0 &&
                 ((ours.st_uid == theirs.st_uid && ours.st_gid == theirs.st_gid) ||
                  fchown(fd, theirs.st_uid, theirs.st_gid) == 0);
    if (!owned) {
        result_fail_errno(why, errno, "cannot give %s to the owner of %s", retry, dir);
        close(fd);
        return -1;
    }
    return fd;
}

static bool move_to(int dir_fd, const char *name, int retry_fd, const char *to, const char *dir,
                    struct result *why)
{
    if (renameat(dir_fd, name, retry_fd, to) != 0) {
        return result_fail_errno(why, errno, "cannot move the dead letter %s/%s", dir, name);
    }
    return (fsync(retry_fd) == 0 && fsync(dir_fd) == 0) ||
           result_fail_errno(why, errno, "cannot sync the dead letter directory %s", dir);
}

bool dead_letter_put_back(const char *dir, const char *name, struct result *why)
{
    struct buf file = BUF_INIT;
    struct dead_letter letter;
    bool moved = false;
    int retry_fd = -1;
    char to[2 * DEAD_LETTER_NAME_MAX];
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        result_fail_errno(why, errno, "cannot open the dead letter directory %s", dir);
        goto cleanup;
    }
    if (!dead_letter_read(dir, name, &file, &letter, why)) {
        goto cleanup;
    }
    snprintf(to, sizeof(to), "%s-%s", signal_info(letter.signal)->name, name);
    if (strlen(to) >= DEAD_LETTER_NAME_MAX) {
        result_fail(why, "%.100s: the name is too long for a dead letter", name);
        goto cleanup;
    }
    retry_fd = open_retry_dir(dir, dir_fd, why);
    moved = retry_fd >= 0 && move_to(dir_fd, name, retry_fd, to, dir, why);

cleanup:
    if (retry_fd >= 0) {
        close(retry_fd);
    }
    if (dir_fd >= 0) {
        close(dir_fd);
    }
    buf_free(&file);
    return moved;
}

struct waiting {
    char prefix[32], end[64];
    const char *after;
    char (*names)[DEAD_LETTER_NAME_MAX]; /* in order */
    size_t n, max;
};

/* A full list loses its last name to one that comes before that. */
static void insert(struct waiting *waiting, const char *name)
{
    size_t at = waiting->n;
    while (at > 0 && strcmp(waiting->names[at - 1], name) > 0) {
        at--;
    }
    if (at == waiting->max) {
        return;
    }
    waiting->n += waiting->n < waiting->max ? 1 : 0;
    memmove(waiting->names[at + 1], waiting->names[at],
            (waiting->n - at - 1) * sizeof(*waiting->names));
    snprintf(waiting->names[at], DEAD_LETTER_NAME_MAX, "%s", name);
}

static bool add_waiting(void *arg, int dir_fd, const char *name)
{
    (void)dir_fd;
    struct waiting *waiting = arg;
    size_t len = strlen(name), prefix = strlen(waiting->prefix), end = strlen(waiting->end);
    if (len >= prefix + end && strncmp(name, waiting->prefix, prefix) == 0 &&
        strcmp(name + len - end, waiting->end) == 0 && strcmp(name, waiting->after) > 0) {
        insert(waiting, name);
    }
    return true;
}

size_t dead_letter_waiting(const char *dir, enum signal signal, const char *destination,
                           const char *after, char (*names)[DEAD_LETTER_NAME_MAX], size_t max)
{
    char retry[DEAD_LETTER_PATH_MAX];
    struct waiting waiting = {.after = after, .names = names, .max = max};
    snprintf(waiting.prefix, sizeof(waiting.prefix), "%s-", signal_info(signal)->name);
    snprintf(waiting.end, sizeof(waiting.end), ".%.40s" DEAD_LETTER_SUFFIX, destination);
    dead_letter_retry_dir(dir, retry);
    int fd = max != 0 ? open(retry, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0) {
        return 0;
    }
    dead_letter_each(fd, add_waiting, &waiting);
    close(fd);
    return waiting.n;
}
