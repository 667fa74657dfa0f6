/* model_disk.h: a disk that forgets, for tests of what survives a power cut.
 *
 * The program under test works on a real directory; it is linked with -Wl,--wrap for every call
 * that changes files (model_disk_calls.c), so that the disk knows for each file and directory what
 * is durable and what only lies in the cache. At a moment of the test's choice the disk freezes:
 * from then on calls seem to succeed and change nothing, as after the plug was pulled. What is
 * found afterwards is made from the durable part and any part of the rest:
 *
 *     disk_start(&root);  ... disk_freeze_after(n) ...  work until disk_is_frozen()
 *     disk_kill() or disk_power_cut(how, &random)       and the next life begins
 *
 * A write that is not durable may be kept in any of its sectors of 512 bytes; an entry of a
 * directory that is not durable may be there or not, whatever its file holds. fdatasync and fsync
 * of a file make its bytes and length durable, fsync of a directory its entries, and neither does
 * more than that.
 */
#ifndef SIGPOST_TESTS_MODEL_DISK_H
#define SIGPOST_TESTS_MODEL_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* Calls that the disk pretends to make: the seeded bugs. */
enum disk_bug {
    DISK_HONEST,
    DISK_NO_FDATASYNC,
    DISK_NO_FILE_FSYNC,
    DISK_NO_DIRECTORY_FSYNC,
};

enum disk_cut {
    DISK_KEEP_NOTHING, /* only what is durable */
    DISK_KEEP_ALL,
    DISK_KEEP_PREFIX, /* changes up to some moment, the last one torn */
    DISK_KEEP_ANY,    /* any of the changes, each in any of its sectors */
    DISK_CUTS
};

#define DISK_PATH_MAX 128

/* Makes an empty root directory under `parent`; its path until the next power cut is disk_root. */
void disk_start(const char *parent, enum disk_bug bug);
const char *disk_root(void);
/* Removes everything. */
void disk_end(void);

/* From now on a writev may be short or find no room on the disk, now and then; 0: no more. */
void disk_trouble(uint64_t seed);

/* Freezes at the nth change or sync from now on; 0: at once. */
void disk_freeze_after(uint64_t n);
bool disk_is_frozen(void);

/* Under the lock that orders changes: was the disk alive until now? Then *flag is set. */
void disk_set_if_alive(bool *flag);

/* The process died, the cache did not: files are as the program saw them, what was not durable
 * still is not. Nobody may use the directory meanwhile. */
void disk_kill(void);

/* The power failed: a new root is made from what survived; all in it is durable. */
void disk_power_cut(enum disk_cut how, uint64_t *random);

/* xorshift64*: the next of the stream, and one below n. */
uint64_t disk_random(uint64_t *state);
uint64_t disk_below(uint64_t *state, uint64_t n);

#endif
