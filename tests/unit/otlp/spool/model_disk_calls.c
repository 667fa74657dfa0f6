/* model_disk_calls.c: what the program under test does to files. Linked with -Wl,--wrap, each call
 * comes here first: it is made on the real file and noted as a change, or, on a frozen disk,
 * neither.
 */
#include "model_disk_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* --- what the program does ----------------------------------------------------------------------
 */

/* Begins a change: locked from here to end_change. False: the disk is frozen. */
static bool begin_change(void)
{
    pthread_mutex_lock(&disk.lock);
    if (!disk.frozen && disk.changes >= disk.freeze_at) {
        disk.frozen = true;
    }
    disk.changes++;
    return !disk.frozen;
}

/* Keeps errno. */
static void end_change(void)
{
    pthread_mutex_unlock(&disk.lock);
}

static struct change *note(struct inode *inode, enum change_kind kind)
{
    struct change *change = disk_need(calloc(1, sizeof(*change)));
    change->number = disk.changes;
    change->kind = kind;
    *inode->last = change;
    inode->last = &change->next;
    return change;
}

static void note_length(int fd, enum change_kind kind, uint64_t len)
{
    struct inode *inode = disk_inode_of(fd);
    if (inode != NULL) {
        note(inode, kind)->len = len;
    }
}

static void note_write(int fd, uint64_t offset, const struct iovec *iov, int n, size_t wrote)
{
    struct inode *inode = disk_inode_of(fd);
    for (int i = 0; i < n && inode != NULL && wrote != 0; i++) {
        size_t part = iov[i].iov_len < wrote ? iov[i].iov_len : wrote;
        struct change *change = note(inode, CHANGE_WRITE);
        change->offset = offset;
        change->len = part;
        change->bytes = disk_need(malloc(part + 1));
        memcpy(change->bytes, iov[i].iov_base, part);
        offset += part;
        wrote -= part;
    }
}

static void note_link(struct inode *directory, const char *name, struct inode *inode,
                      const char *from)
{
    if (directory != NULL && inode != NULL) {
        struct change *change = note(directory, CHANGE_LINK);
        snprintf(change->name, sizeof(change->name), "%s", name);
        snprintf(change->from, sizeof(change->from), "%s", from);
        change->inode = inode;
    }
}

static void note_unlink(struct inode *directory, const char *name)
{
    if (directory != NULL) {
        struct change *change = note(directory, CHANGE_UNLINK);
        snprintf(change->name, sizeof(change->name), "%s", name);
    }
}

int __real_open(const char *path, int flags, ...);
int __real_openat(int at, const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __real_pwrite(int fd, const void *bytes, size_t len, off_t offset);
ssize_t __real_writev(int fd, const struct iovec *iov, int n);
ssize_t __real_pwritev(int fd, const struct iovec *iov, int n, off_t offset);
int __real_ftruncate(int fd, off_t len);
int __real_fallocate(int fd, int mode, off_t offset, off_t len);
int __real_renameat(int from_at, const char *from, int to_at, const char *to);
int __real_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __real_unlinkat(int at, const char *path, int flags);
int __real_mkdir(const char *path, mode_t mode);
int __real_mkdirat(int at, const char *path, mode_t mode);

int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t offset);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int n);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t offset);
int __wrap_ftruncate(int fd, off_t len);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len);
int __wrap_renameat(int from_at, const char *from, int to_at, const char *to);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __wrap_unlinkat(int at, const char *path, int flags);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdirat(int at, const char *path, mode_t mode);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

static int open_changing(int at, const char *path, int flags, mode_t mode)
{
    if (!begin_change()) {
        end_change();
        return memfd_create("frozen", MFD_CLOEXEC);
    }
    bool was_there = faccessat(at, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    int fd = __real_openat(at, path, flags, mode);
    if (fd >= 0 && !was_there) {
        const char *name;
        struct stat st;
        struct inode *directory = disk_directory_of(at, path, &name);
        fstat(fd, &st);
        note_link(directory, name, disk_add_inode(st.st_ino, false), "");
    } else if (fd >= 0 && (flags & O_TRUNC) != 0) {
        note_length(fd, CHANGE_LENGTH, 0);
    }
    end_change();
    return fd;
}

int __wrap_openat(int at, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
    return changes ? open_changing(at, path, flags, mode) : __real_openat(at, path, flags, mode);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return __wrap_openat(AT_FDCWD, path, flags, mode);
}

/* Makes a write shorter, or fail. False: it fails, errno is set. */
static bool trouble(struct iovec *iov, int *n)
{
    uint64_t what = disk.trouble != 0 ? disk_below(&disk.trouble, 24) : 2;
    if (what == 0) {
        errno = ENOSPC;
        return false;
    }
    if (what == 1) {
        *n = 1 + (int)disk_below(&disk.trouble, (uint64_t)*n);
        iov[*n - 1].iov_len = 1 + disk_below(&disk.trouble, iov[*n - 1].iov_len);
    }
    return true;
}

static ssize_t write_at(int fd, const struct iovec *iov, int n, off_t offset, bool moves)
{
    ssize_t wrote = 0;
    if (begin_change()) {
        off_t from = moves ? lseek(fd, 0, SEEK_CUR) : offset;
        wrote = moves ? __real_writev(fd, iov, n) : __real_pwritev(fd, iov, n, offset);
        if (wrote > 0 && from >= 0) {
            note_write(fd, (uint64_t)from, iov, n, (size_t)wrote);
        }
    } else {
        for (int i = 0; i < n; i++) {
            wrote += (ssize_t)iov[i].iov_len;
        }
    }
    end_change();
    return wrote;
}

ssize_t __wrap_writev(int fd, const struct iovec *iov, int n)
{
    struct iovec some[1024];
    memcpy(some, iov, (size_t)n * sizeof(*iov));
    pthread_mutex_lock(&disk.lock);
    bool room = disk.frozen || trouble(some, &n);
    pthread_mutex_unlock(&disk.lock);
    return room ? write_at(fd, some, n, 0, true) : -1;
}

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
    return write_at(fd, iov, n, offset, false);
}

/* An iovec's base is not const, though writing only reads. */
static struct iovec one_part(const void *bytes, size_t len)
{
    struct iovec iov = {NULL, len};
    memcpy(&iov.iov_base, &bytes, sizeof(bytes));
    return iov;
}

/* Eventfds and the log are written to as well. */
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return __real_write(fd, bytes, len);
    }
    struct iovec iov = one_part(bytes, len);
    return write_at(fd, &iov, 1, 0, true);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    struct iovec iov = one_part(bytes, len);
    return write_at(fd, &iov, 1, offset, false);
}

int __wrap_ftruncate(int fd, off_t len)
{
    int result = 0;
    if (begin_change()) {
        result = __real_ftruncate(fd, len);
        if (result == 0) {
            note_length(fd, CHANGE_LENGTH, (uint64_t)len);
        }
    }
    end_change();
    return result;
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t len)
{
    int result = 0;
    if (begin_change()) {
        result = __real_fallocate(fd, mode, offset, len);
        if (result == 0 && (mode & FALLOC_FL_KEEP_SIZE) == 0) {
            note_length(fd, CHANGE_GROW, (uint64_t)(offset + len));
        }
    }
    end_change();
    return result;
}

static struct inode *inode_named(int at, const char *path)
{
    int fd = __real_openat(at, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct inode *inode = fd >= 0 ? disk_inode_of(fd) : NULL;
    if (fd >= 0) {
        close(fd);
    }
    return inode;
}

/* Between two directories the old name's going is a change of its own. */
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    int result = 0;
    if (begin_change()) {
        const char *from_name, *to_name;
        struct inode *moved = inode_named(from_at, from);
        struct inode *from_directory = disk_directory_of(from_at, from, &from_name);
        struct inode *to_directory = disk_directory_of(to_at, to, &to_name);
        result = __real_renameat2(from_at, from, to_at, to, flags);
        if (result == 0) {
            bool same = from_directory == to_directory;
            note_link(to_directory, to_name, moved, same ? from_name : "");
            if (!same) {
                note_unlink(from_directory, from_name);
            }
        }
    }
    end_change();
    return result;
}

int __wrap_renameat(int from_at, const char *from, int to_at, const char *to)
{
    return __wrap_renameat2(from_at, from, to_at, to, 0);
}

int __wrap_unlinkat(int at, const char *path, int flags)
{
    int result = 0;
    if (begin_change()) {
        const char *name;
        struct inode *directory = disk_directory_of(at, path, &name);
        result = __real_unlinkat(at, path, flags);
        if (result == 0) {
            note_unlink(directory, name);
        }
    }
    int error = errno;
    end_change();
    errno = error;
    return result;
}

int __wrap_mkdirat(int at, const char *path, mode_t mode)
{
    int result = 0;
    if (begin_change()) {
        result = __real_mkdirat(at, path, mode);
        if (result == 0) {
            const char *name;
            struct stat st;
            struct inode *directory = disk_directory_of(at, path, &name);
            fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW);
            note_link(directory, name, disk_add_inode(st.st_ino, true), "");
        }
    }
    int error = errno;
    end_change();
    errno = error;
    return result;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    return __wrap_mkdirat(AT_FDCWD, path, mode);
}

static int sync_unless(int fd, enum disk_bug file_bug)
{
    if (begin_change()) {
        struct inode *inode = disk_inode_of(fd);
        enum disk_bug bug =
            inode != NULL && inode->is_directory ? DISK_NO_DIRECTORY_FSYNC : file_bug;
        if (inode != NULL && disk.bug != bug) {
            disk_settle(inode);
        }
    }
    end_change();
    return 0;
}

int __wrap_fsync(int fd)
{
    return sync_unless(fd, DISK_NO_FILE_FSYNC);
}

int __wrap_fdatasync(int fd)
{
    return sync_unless(fd, DISK_NO_FDATASYNC);
}
