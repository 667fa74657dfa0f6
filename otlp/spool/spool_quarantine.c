/* spool_quarantine.c: {dir}/quarantine, where damaged bytes are kept for a person to look at.
 *
 * <segment>-<offset>.bad holds the bytes of a damaged place, <segment>.seg a whole file whose
 * header could not be read. All copies together are bounded; past that only the count and the log
 * line remain. A place that has its copy already (met again after a restart) is not counted again.
 */
#include "otlp/spool/spool_internal.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUARANTINE "quarantine"
#define TEMP_NAME "copy.tmp"
#define KEPT_MIN ((uint64_t)1 << 20)
#define KEPT_MAX ((uint64_t)64 << 20)
#define COPY_PART ((size_t)64 * 1024)

static void count(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    spool->quarantined++;
    pthread_mutex_unlock(&spool->lock);
    metric_add(spool->quarantined_total, 1);
}

/* Opens the directory, making it when it is not there; -1 on failure. */
static int open_quarantine(const struct spool *spool)
{
    if (mkdirat(spool->dir_fd, QUARANTINE, 0700) == 0) {
        fsync(spool->dir_fd);
    } else if (errno != EEXIST) {
        return -1;
    }
    return openat(spool->dir_fd, QUARANTINE, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static uint64_t kept_bytes(int quarantine)
{
    uint64_t total = 0;
    int fd = openat(quarantine, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0) {
            close(fd);
        }
        return total;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat st;
        if (fstatat(quarantine, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode)) {
            total += (uint64_t)st.st_size;
        }
    }
    closedir(dir);
    return total;
}

static uint64_t kept_limit(const struct spool *spool)
{
    uint64_t limit = spool->options.max_bytes / 4;
    limit = limit < KEPT_MAX ? limit : KEPT_MAX;
    return limit > KEPT_MIN ? limit : KEPT_MIN;
}

static bool write_part(int fd, const char *bytes, size_t len)
{
    while (len != 0) {
        ssize_t wrote = write(fd, bytes, len);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            return false;
        }
        bytes += wrote;
        len -= (size_t)wrote;
    }
    return true;
}

static bool copy_range(int from_fd, uint64_t from, uint64_t to, int to_fd)
{
    char part[COPY_PART];
    while (from < to) {
        size_t want = to - from < sizeof(part) ? (size_t)(to - from) : sizeof(part);
        ssize_t got = pread(from_fd, part, want, (off_t)from);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got == 0) {
            break;
        }
        if (got < 0 || !write_part(to_fd, part, (size_t)got)) {
            return false;
        }
        from += (uint64_t)got;
    }
    return true;
}

static bool keep_copy(int quarantine, const char *name, int fd, uint64_t from, uint64_t to)
{
    bool kept = false;
    unlinkat(quarantine, TEMP_NAME, 0);
    int copy =
        openat(quarantine, TEMP_NAME, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (copy >= 0) {
        kept = copy_range(fd, from, to, copy) && fdatasync(copy) == 0 &&
               renameat(quarantine, TEMP_NAME, quarantine, name) == 0 && fsync(quarantine) == 0;
        int error = errno;
        close(copy);
        if (!kept) {
            unlinkat(quarantine, TEMP_NAME, 0);
        }
        errno = error;
    }
    return kept;
}

bool spool_quarantine_range(struct spool *spool, int fd, uint64_t first, uint64_t from, uint64_t to,
                            const char *what)
{
    char name[SPOOL_FILE_PATH_MAX];
    snprintf(name, sizeof(name), "%016" PRIx64 "-%08" PRIx64 ".bad", first, from);
    bool kept = false;
    const char *problem = NULL;
    int quarantine = open_quarantine(spool);
    if (quarantine < 0) {
        problem = "the quarantine directory cannot be opened";
    } else if (faccessat(quarantine, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        close(quarantine);
        return true;
    } else if (kept_bytes(quarantine) + (to - from) > kept_limit(spool)) {
        problem = "the quarantine is full; empty it";
    } else {
        kept = keep_copy(quarantine, name, fd, from, to);
        problem = kept ? NULL : "the copy could not be written";
    }
    if (quarantine >= 0) {
        close(quarantine);
    }
    count(spool);
    LOG_ERROR("spool: damaged bytes set aside", LOG_STR("dir", spool->dir), LOG_STR("what", what),
              LOG_STR("copy", name), LOG_INT("offset", from), LOG_INT("bytes", to - from),
              LOG_STR("no_copy", problem));
    return kept;
}

bool spool_quarantine_file(struct spool *spool, const char *name, const char *what)
{
    int quarantine = open_quarantine(spool);
    bool moved =
        quarantine >= 0 && renameat2(spool->dir_fd, name, quarantine, name, RENAME_NOREPLACE) == 0;
    if (!moved && quarantine >= 0 && (errno == EEXIST || errno == EINVAL || errno == ENOSYS)) {
        char other[SPOOL_FILE_PATH_MAX];
        snprintf(other, sizeof(other), "%s.%lld", name, (long long)getpid());
        moved = renameat(spool->dir_fd, name, quarantine, other) == 0;
    }
    if (moved) {
        fsync(quarantine);
        fsync(spool->dir_fd);
    }
    if (quarantine >= 0) {
        close(quarantine);
    }
    count(spool);
    LOG_ERROR("spool: a segment file set aside whole", LOG_STR("dir", spool->dir),
              LOG_STR("file", name), LOG_STR("what", what),
              LOG_STR("no_move", moved ? NULL : "it could not be moved and is left where it is"));
    return moved;
}
