/* model_disk.c: see model_disk.h: what the test does. */
#include "model_disk_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

/* These are wrapped; the test itself changes files unseen. */
int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *bytes, size_t len);
int __real_mkdir(const char *path, mode_t mode);

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
    struct inode *inode = disk_add_inode(st.st_ino, true);
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
            disk_put_entry(inode, found->d_name, load(inner));
            continue;
        }
        struct inode *file = disk_add_inode(st.st_ino, false);
        disk_set_length(file, (uint64_t)st.st_size);
        int fd = __real_open(inner, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || pread(fd, file->bytes, file->len, 0) != (ssize_t)file->len) {
            abort();
        }
        close(fd);
        disk_put_entry(inode, found->d_name, file);
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
    disk_drop_inodes();
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
            disk_put_bytes(inode, at, change->bytes + done, part);
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
            disk_apply(inode, change);
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
    make_real(disk_need(root), disk.root);
    disk_drop_inodes();
    load(disk.root);
    thaw();
}
