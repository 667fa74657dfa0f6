/* model_disk_state.c: see model_disk_internal.h. Beside the real files are kept, for each inode,
 * its durable bytes or entries and the list of changes that are not durable yet. */
#include "model_disk_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct disk disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

void *disk_need(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

struct inode *disk_add_inode(ino_t ino, bool is_directory)
{
    struct inode *inode = disk_need(calloc(1, sizeof(*inode)));
    inode->ino = ino;
    inode->is_directory = is_directory;
    inode->last = &inode->changes;
    inode->next = disk.inodes;
    disk.inodes = inode;
    return inode;
}

struct inode *disk_inode_of(int fd)
{
    struct stat st;
    struct inode *inode = fstat(fd, &st) == 0 ? disk.inodes : NULL;
    while (inode != NULL && inode->ino != st.st_ino) {
        inode = inode->next;
    }
    return inode;
}

/* Where a path relative to a descriptor leads: the directory's inode and the last part. */
struct inode *disk_directory_of(int at, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash != NULL ? slash + 1 : path;
    if (slash == NULL) {
        return disk_inode_of(at);
    }
    char parent[DISK_PATH_MAX];
    snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct inode *inode = fd >= 0 ? disk_inode_of(fd) : NULL;
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

void disk_drop_inodes(void)
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

void disk_set_length(struct inode *inode, uint64_t len)
{
    inode->bytes = disk_need(realloc(inode->bytes, len + 1));
    if (len > inode->len) {
        memset(inode->bytes + inode->len, 0, len - inode->len);
    }
    inode->len = len;
}

void disk_put_bytes(struct inode *inode, uint64_t offset, const uint8_t *bytes, uint64_t len)
{
    if (offset + len > inode->len) {
        disk_set_length(inode, offset + len);
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

void disk_put_entry(struct inode *directory, const char *name, struct inode *inode)
{
    remove_entry(directory, name);
    struct entry *entry = disk_need(calloc(1, sizeof(*entry)));
    snprintf(entry->name, sizeof(entry->name), "%s", name);
    entry->inode = inode;
    entry->next = directory->entries;
    directory->entries = entry;
}

/* Into the durable part. */
void disk_apply(struct inode *inode, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_WRITE:
        disk_put_bytes(inode, change->offset, change->bytes, change->len);
        break;
    case CHANGE_LENGTH:
        disk_set_length(inode, change->len);
        break;
    case CHANGE_GROW:
        disk_set_length(inode, change->len > inode->len ? change->len : inode->len);
        break;
    case CHANGE_LINK:
        if (change->from[0] != '\0') {
            remove_entry(inode, change->from);
        }
        disk_put_entry(inode, change->name, change->inode);
        break;
    case CHANGE_UNLINK:
        remove_entry(inode, change->name);
        break;
    }
}

void disk_settle(struct inode *inode)
{
    for (struct change *change; (change = inode->changes) != NULL;) {
        disk_apply(inode, change);
        inode->changes = change->next;
        free_change(change);
    }
    inode->last = &inode->changes;
}
