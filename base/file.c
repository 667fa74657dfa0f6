/* file.c: see file.h. A failed fsync is not tried again on the same file: the next replacement
 * writes a new one. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_all(int fd, size_t size, struct buf *out)
{
    char *to = buf_reserve(out, size + 1);
    size_t got = 0;
    while (to != NULL && got < size) {
        ssize_t n = read(fd, to + got, size - got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        got += (size_t)n;
    }
    out->len += to != NULL ? got : 0;
    return to != NULL && got == size;
}

bool file_read(const char *path, size_t max, struct buf *out, bool *missing, struct result *why)
{
    struct stat st;
    bool done = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    *missing = fd < 0 && errno == ENOENT;
    if (fd < 0) {
        return result_fail_errno(why, errno, "%s: cannot open it", path);
    }
    if (fstat(fd, &st) != 0) {
        result_fail_errno(why, errno, "%s: cannot look at it", path);
    } else if (!S_ISREG(st.st_mode)) {
        result_fail(why, "%s: not a regular file", path);
    } else if (st.st_size < 0 || (size_t)st.st_size > max) {
        result_fail(why, "%s: %lld bytes; at most %zu are read", path, (long long)st.st_size, max);
    } else if (!read_all(fd, (size_t)st.st_size, out)) {
        result_fail(why, "%s: cannot read all of it", path);
    } else {
        done = true;
    }
    close(fd);
    return done;
}

/* 0, or the errno of what failed. */
static int write_all(int fd, struct slice bytes)
{
    while (bytes.len != 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0) {
            bytes = slice_make(bytes.data + n, bytes.len - (size_t)n);
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

/* Makes what was renamed in the directory of path last. */
static int sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    int fd = directory != NULL ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    free(directory);
    return error;
}

static int write_beside(const char *temporary, struct slice bytes)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return errno;
    }
    int error = write_all(fd, bytes);
    if (close(fd) != 0 && error == 0) {
        error = errno;
    }
    if (error != 0) {
        unlink(temporary);
    }
    return error;
}

bool file_replace(const char *path, struct slice bytes, struct result *why)
{
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.tmp", path) < 0) {
        return result_fail(why, "%s: out of memory", path);
    }
    int error = write_beside(temporary, bytes);
    if (error != 0) {
        result_fail_errno(why, error, "%s: cannot write it", temporary);
    } else {
        error = rename(temporary, path) != 0 ? errno : sync_directory(path);
        if (error != 0) {
            result_fail_errno(why, error, "%s: cannot put it in place", path);
        }
    }
    free(temporary);
    return error == 0;
}
