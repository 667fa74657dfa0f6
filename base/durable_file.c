/* durable_file.c: see durable_file.h. The order is the point: the bytes are on the disk before the
 * name is theirs, and the name is on the disk before anybody hears of it.
 */
#include "base/durable_file.h"

#include "base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOT_BEGUN ((struct durable_file){.fd = -1})

static void end(struct durable_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
    }
    free(file->path);
    free(file->temporary);
    *file = NOT_BEGUN;
}

bool durable_file_begin(struct durable_file *file, const char *path, struct result *why)
{
    *file = NOT_BEGUN;
    file->path = strdup(path);
    if (file->path == NULL || asprintf(&file->temporary, "%s.tmp", path) < 0) {
        file->temporary = NULL;
        end(file);
        result_fail(why, "%.200s: out of memory", path);
        return false;
    }
    /* One that a kill left may have another owner or mode: a new one is made. */
    if (unlink(file->temporary) == 0 || errno == ENOENT) {
        file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    if (file->fd < 0) {
        result_fail_errno(why, errno, "%.400s: cannot make the file", file->temporary);
        end(file);
        return false;
    }
    return true;
}

void durable_file_put(struct durable_file *file, const void *bytes, size_t len)
{
    const char *from = bytes;
    while (file->error == 0 && len != 0) {
        ssize_t wrote = write(file->fd, from, len);
        if (wrote > 0) {
            from += wrote;
            len -= (size_t)wrote;
        } else if (wrote == 0 || errno != EINTR) {
            file->error = wrote == 0 ? EIO : errno;
        }
    }
}

bool durable_file_commit(struct durable_file *file, struct result *why)
{
    int error = file->error;
    if (error == 0 && fsync(file->fd) != 0) {
        error = errno;
    }
    if (close(file->fd) != 0 && error == 0) {
        error = errno;
    }
    file->fd = -1;
    if (error == 0 && rename(file->temporary, file->path) != 0) {
        error = errno;
    }
    if (error != 0) {
        unlink(file->temporary);
        result_fail_errno(why, error, "%.400s: cannot write", file->path);
    } else if (!directory_sync_parent(file->path)) {
        error = errno;
        result_fail_errno(why, error, "%.400s: cannot sync the directory of the new file",
                          file->path);
    }
    end(file);
    return error == 0;
}

void durable_file_abandon(struct durable_file *file)
{
    if (file->fd >= 0) {
        unlink(file->temporary);
    }
    end(file);
}

bool durable_file_write(const char *path, const void *bytes, size_t len, struct result *why)
{
    struct durable_file file;
    if (!durable_file_begin(&file, path, why)) {
        return false;
    }
    durable_file_put(&file, bytes, len);
    return durable_file_commit(&file, why);
}

/* 0, or errno; EFBIG when there is more than `max`. */
static int read_all(int fd, size_t max, struct buf *out)
{
    size_t start = out->len;
    for (;;) {
        size_t room = max + 1 - (out->len - start);
        char *to = buf_reserve(out, room < 4096 ? room : 4096);
        if (to == NULL) {
            return ENOMEM;
        }
        ssize_t got = read(fd, to, room < 4096 ? room : 4096);
        if (got == 0) {
            return 0;
        }
        if (got < 0 && errno != EINTR) {
            return errno;
        }
        out->len += got > 0 ? (size_t)got : 0;
        if (out->len - start > max) {
            return EFBIG;
        }
    }
}

bool durable_file_read(const char *path, size_t max, struct buf *out, bool *missing,
                       struct result *why)
{
    struct stat info;
    size_t start = out->len;
    /* O_NONBLOCK: a FIFO in the file's place must not hang the one who opens it. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    *missing = fd < 0 && errno == ENOENT;
    if (fd < 0) {
        return *missing || result_fail_errno(why, errno, "%.400s: cannot open", path);
    }
    int error = fstat(fd, &info) != 0 ? errno : 0;
    bool regular = error == 0 && S_ISREG(info.st_mode);
    if (regular) {
        error = read_all(fd, max, out);
    }
    close(fd);
    if (error == 0 && regular) {
        return true;
    }
    out->len = start;
    if (error == EFBIG) {
        return result_fail(why, "%.400s: has more than %zu bytes", path, max);
    }
    return error != 0 ? result_fail_errno(why, error, "%.400s: cannot read", path)
                      : result_fail(why, "%.400s: not a regular file", path);
}

bool durable_file_set_aside(const char *path)
{
    char *aside = NULL;
    bool moved = asprintf(&aside, "%s.damaged", path) >= 0 && rename(path, aside) == 0;
    int error = errno;
    free(aside);
    errno = error;
    return moved;
}
