/* model_disk_internal.h: what the files of the model's disk share.
 *
 *     model_disk.c        what the test does: start, freeze, kill, cut the power
 *     model_disk_state.c  inodes, what of them is durable, and the changes that are not
 *     model_disk_calls.c  the calls of the program under test
 */
#ifndef SIGPOST_TESTS_MODEL_DISK_INTERNAL_H
#define SIGPOST_TESTS_MODEL_DISK_INTERNAL_H

#include "model_disk.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/types.h>

#define NAME_LEN 64

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

struct disk {
    pthread_mutex_t lock;
    char parent[DISK_PATH_MAX / 2], root[DISK_PATH_MAX];
    unsigned roots;
    enum disk_bug bug;
    struct inode *inodes; /* the newest first */
    uint64_t changes, freeze_at;
    uint64_t trouble; /* state of its random numbers; 0: none */
    bool frozen;
};
extern struct disk disk;

/* Or ends the test: memory is not what is tested. */
void *disk_need(void *memory);

struct inode *disk_add_inode(ino_t ino, bool is_directory);
/* The inode behind a descriptor, or NULL: none of ours. */
struct inode *disk_inode_of(int fd);
/* Where a path relative to a descriptor leads: the directory's inode and the last part. */
struct inode *disk_directory_of(int at, const char *path, const char **name);
void disk_drop_inodes(void);

/* Changes of the durable part. */
void disk_set_length(struct inode *inode, uint64_t len);
void disk_put_bytes(struct inode *inode, uint64_t offset, const uint8_t *bytes, uint64_t len);
void disk_put_entry(struct inode *directory, const char *name, struct inode *inode);
void disk_apply(struct inode *inode, const struct change *change);
/* Makes all changes durable. */
void disk_settle(struct inode *inode);

#endif
