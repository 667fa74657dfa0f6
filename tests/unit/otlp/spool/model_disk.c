/* model_disk.c: see model_disk.h. The program sees the real files; beside them are kept, for each
 * inode, its durable bytes or entries and the list of changes that are not durable yet. */
#include "model_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NAME_LEN 64
#define SECTOR 512

enum change_kind { CHANGE_WRITE, CHANGE_LENGTH, CHANGE_GROW, CHANGE_LINK, CHANGE_UNLINK };

struct inode;

struct change {
    struct change *next;
    uint64_t number; /* in the order of all changes of the disk */
    enum change_kind kind;
    uint64_t offset, len; /* WRITE; LENGTH and GROW use len */
    uint8_t *bytes;
    char name[NAME_LEN]; /* LINK, UNLINK */
    char from[NAME_LEN]; /* LINK by rename: the name that goes in the same moment; else empty */
    struct inode *inode; /* LINK */
};

struct entry {
    struct entry *next;
    char name[NAME_LEN];
    struct inode *inode;
};

struct inode {
    struct inode *next;
    ino_t ino;
    bool is_directory;
    uint8_t *bytes;
    uint64_t len;
    struct entry *entries;
    struct change *changes, **last;
};

static struct {
    pthread_mutex_t lock;
    char parent[DISK_PATH_MAX / 2], root[DISK_PATH_MAX];
    unsigned roots;
    enum disk_bug bug;
    struct inode *inodes; /* the newest first */
    uint64_t changes, freeze_at;
    uint64_t trouble; /* state of its random numbers; 0: none */
    bool frozen;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

uint64_t disk_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

uint64_t disk_below(uint64_t *state, uint64_t n)
{
    return (disk_random(state) >> 11) % n;
}

static void *need(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/* --- inodes ----------------------------------------------------------------------------------- */

static struct inode *add_inode(ino_t ino, bool is_directory)
{
    struct inode *inode = need(calloc(1, sizeof(*inode)));
    inode->ino = ino;
    inode->is_directory = is_directory;
    inode->last = &inode->changes;
    inode->next = disk.inodes;
    disk.inodes = inode;
    return inode;
}

static struct inode *inode_of(int fd)
{
    struct stat st;
    struct inode *inode = fstat(fd, &st) == 0 ? disk.inodes : NULL;
    while (inode != NULL && inode->ino != st.st_ino) {
        inode = inode->next;
    }
    return inode;
}

/* Where a path relative to a descriptor leads: the directory's inode and the last part. */
static struct inode *directory_of(int at, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    if (slash == NULL) {
        return inode_of(at);
    }
    char parent[DISK_PATH_MAX];
    snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct inode *inode = fd >= 0 ? inode_of(fd) : NULL;
    if (fd >= 0) {
        close(fd);
    }
    return inode;
}

static void free_change(struct change *change)
{
    free(change->bytes);
    free(change);
}

static void drop_inodes(void)
{
    for (struct inode *inode; (inode = disk.inodes) != NULL;) {
        disk.inodes = inode->next;
        for (struct change *change; (change = inode->changes) != NULL;) {
            inode->changes = change->next;
            free_change(change);
        }
        for (struct entry *entry; (entry = inode->entries) != NULL;) {
            inode->entries = entry->next;
            free(entry);
        }
        free(inode->bytes);
        free(inode);
    }
}

static void set_length(struct inode *inode, uint64_t len)
{
    inode->bytes = need(realloc(inode->bytes, len + 1));
    if (len > inode->len) {
        memset(inode->bytes + inode->len, 0, len - inode->len);
    }
    inode->len = len;
}

static void put_bytes(struct inode *inode, uint64_t offset, const uint8_t *bytes, uint64_t len)
{
    if (offset + len > inode->len) {
        set_length(inode, offset + len);
    }
    memcpy(inode->bytes + offset, bytes, len);
}

static void remove_entry(struct inode *directory, const char *name)
{
    for (struct entry **at = &directory->entries; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->name, name) == 0) {
            struct entry *gone = *at;
            *at = gone->next;
            free(gone);
            return;
        }
    }
}

static void put_entry(struct inode *directory, const char *name, struct inode *inode)
{
    remove_entry(directory, name);
    struct entry *entry = need(calloc(1, sizeof(*entry)));
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    entry->inode = inode;
    entry->next = directory->entries;
    directory->entries = entry;
}

/* Into the durable part. */
static void apply(struct inode *inode, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_WRITE:
        put_bytes(inode, change->offset, change->bytes, change->len);
        break;
    case CHANGE_LENGTH:
        set_length(inode, change->len);
        break;
    case CHANGE_GROW:
        set_length(inode, change->len > inode->len ? change->len : inode->len);
        break;
    case CHANGE_LINK:
        if (change->from[0] != '\0') {
            remove_entry(inode, change->from);
        }
        put_entry(inode, change->name, change->inode);
        break;
    case CHANGE_UNLINK:
        remove_entry(inode, change->name);
        break;
    }
}

static void settle(struct inode *inode)
{
    for (struct change *change; (change = inode->changes) != NULL;) {
        apply(inode, change);
        inode->changes = change->next;
        free_change(change);
    }
    inode->last = &inode->changes;
}

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
    struct change *change = need(calloc(1, sizeof(*change)));
    change->number = disk.changes;
    change->kind = kind;
    *inode->last = change;
    inode->last = &change->next;
    return change;
}

static void note_length(int fd, enum change_kind kind, uint64_t len)
{
    struct inode *inode = inode_of(fd);
    if (inode != NULL) {
        note(inode, kind)->len = len;
    }
}

static void note_write(int fd, uint64_t offset, const struct iovec *iov, int n, size_t wrote)
{
    struct inode *inode = inode_of(fd);
    for (int i = 0; i < n && inode != NULL && wrote != 0; i++) {
        size_t part = iov[i].iov_len < wrote ? iov[i].iov_len : wrote;
        struct change *change = note(inode, CHANGE_WRITE);
        change->offset = offset;
        change->len = part;
        change->bytes = need(malloc(part + 1));
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
        struct inode *directory = directory_of(at, path, &name);
        fstat(fd, &st);
        note_link(directory, name, add_inode(st.st_ino, false), "");
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

/* Eventfds and the log are written to as well. */
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return __real_write(fd, bytes, len);
    }
    struct iovec iov = {(void *)(uintptr_t)bytes, len};
    return write_at(fd, &iov, 1, 0, true);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, len};
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
    struct inode *inode = fd >= 0 ? inode_of(fd) : NULL;
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
        struct inode *from_directory = directory_of(from_at, from, &from_name);
        struct inode *to_directory = directory_of(to_at, to, &to_name);
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
        struct inode *directory = directory_of(at, path, &name);
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
            struct inode *directory = directory_of(at, path, &name);
            fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW);
            note_link(directory, name, add_inode(st.st_ino, true), "");
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
        struct inode *inode = inode_of(fd);
        enum disk_bug bug =
            inode != NULL && inode->is_directory ? DISK_NO_DIRECTORY_FSYNC : file_bug;
        if (inode != NULL && disk.bug != bug) {
            settle(inode);
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

/* --- what the test does -------------------------------------------------------------------------
 */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void make_root(void)
{
    snprintf(disk.root, sizeof(disk.root), "%s/%ld-%u", disk.parent, (long)getpid(), disk.roots++);
    nftw(disk.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (__real_mkdir(disk.root, 0700) != 0) {
        perror(disk.root);
        abort();
    }
}

/* What lies in the directory is durable. */
static struct inode *load(const char *path)
{
    struct stat st;
    DIR *dir = opendir(path);
    if (dir == NULL || stat(path, &st) != 0) {
        abort();
    }
    struct inode *inode = add_inode(st.st_ino, true);
    for (struct dirent *found; (found = readdir(dir)) != NULL;) {
        char inner[2 * DISK_PATH_MAX + NAME_LEN];
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0) {
            continue;
        }
        snprintf(inner, sizeof(inner), "%.*s/%.*s", DISK_PATH_MAX, path, NAME_LEN, found->d_name);
        if (lstat(inner, &st) != 0) {
            abort();
        }
        if (S_ISDIR(st.st_mode)) {
            put_entry(inode, found->d_name, load(inner));
            continue;
        }
        struct inode *file = add_inode(st.st_ino, false);
        set_length(file, (uint64_t)st.st_size);
        int fd = __real_open(inner, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || pread(fd, file->bytes, file->len, 0) != (ssize_t)file->len) {
            abort();
        }
        close(fd);
        put_entry(inode, found->d_name, file);
    }
    closedir(dir);
    return inode;
}

static void thaw(void)
{
    disk.frozen = false;
    disk.freeze_at = UINT64_MAX;
}

void disk_start(const char *parent, enum disk_bug bug)
{
    snprintf(disk.parent, sizeof(disk.parent), "%s", parent);
    disk.bug = bug;
    thaw();
    make_root();
    load(disk.root);
}

const char *disk_root(void)
{
    return disk.root;
}

void disk_end(void)
{
    drop_inodes();
    nftw(disk.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void disk_trouble(uint64_t seed)
{
    pthread_mutex_lock(&disk.lock);
    disk.trouble = seed;
    pthread_mutex_unlock(&disk.lock);
}

void disk_freeze_after(uint64_t n)
{
    pthread_mutex_lock(&disk.lock);
    disk.freeze_at = disk.changes + n;
    disk.frozen = disk.frozen || n == 0;
    pthread_mutex_unlock(&disk.lock);
}

bool disk_is_frozen(void)
{
    pthread_mutex_lock(&disk.lock);
    bool frozen = disk.frozen;
    pthread_mutex_unlock(&disk.lock);
    return frozen;
}

void disk_set_if_alive(bool *flag)
{
    pthread_mutex_lock(&disk.lock);
    *flag = *flag || !disk.frozen;
    pthread_mutex_unlock(&disk.lock);
}

void disk_kill(void)
{
    thaw();
}

struct cut {
    enum disk_cut how;
    uint64_t *random;
    uint64_t until; /* PREFIX: changes before are kept, the one of this number is torn */
};

static void keep_sectors(struct inode *inode, const struct change *change, uint64_t *random)
{
    for (uint64_t done = 0; done < change->len;) {
        uint64_t at = change->offset + done;
        uint64_t part = SECTOR - at % SECTOR;
        part = part < change->len - done ? part : change->len - done;
        if (disk_below(random, 2) != 0) {
            put_bytes(inode, at, change->bytes + done, part);
        }
        done += part;
    }
}

static void keep_some(struct inode *inode, const struct cut *cut)
{
    for (const struct change *change = inode->changes; change != NULL; change = change->next) {
        bool whole = cut->how == DISK_KEEP_ALL ||
                     (cut->how == DISK_KEEP_PREFIX && change->number < cut->until);
        bool torn = (cut->how == DISK_KEEP_PREFIX && change->number == cut->until) ||
                    (cut->how == DISK_KEEP_ANY && disk_below(cut->random, 2) != 0);
        if (whole || (torn && change->kind != CHANGE_WRITE)) {
            apply(inode, change);
        } else if (torn) {
            keep_sectors(inode, change, cut->random);
        }
    }
}

static void make_real(struct inode *inode, const char *path)
{
    if (!inode->is_directory) {
        int fd = __real_open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || __real_write(fd, inode->bytes, inode->len) != (ssize_t)inode->len) {
            abort();
        }
        close(fd);
        return;
    }
    __real_mkdir(path, 0700);
    for (struct entry *entry = inode->entries; entry != NULL; entry = entry->next) {
        char inner[2 * DISK_PATH_MAX + NAME_LEN];
        snprintf(inner, sizeof(inner), "%.*s/%s", DISK_PATH_MAX, path, entry->name);
        make_real(entry->inode, inner);
    }
}

void disk_power_cut(enum disk_cut how, uint64_t *random)
{
    struct inode *root = disk.inodes;
    struct cut cut = {how, random, 0};
    uint64_t oldest = disk.changes;
    for (struct inode *inode = disk.inodes; inode != NULL; inode = inode->next) {
        if (inode->changes != NULL && inode->changes->number < oldest) {
            oldest = inode->changes->number;
        }
        root = inode; /* the one that was there first */
    }
    cut.until = oldest + disk_below(random, disk.changes - oldest + 1);
    for (struct inode *inode = disk.inodes; inode != NULL; inode = inode->next) {
        keep_some(inode, &cut);
    }
    nftw(disk.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    make_root();
    make_real(root, disk.root);
    drop_inodes();
    load(disk.root);
    thaw();
}
