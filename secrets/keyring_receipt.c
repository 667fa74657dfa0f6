/* keyring_receipt.c: see keyring_receipt.h. A receipt is text:
 *
 *     taken 1835023 1795234417123456789 212        inode, mtime in nanoseconds, size
 *     refused 1835023 1795234417123456789 212      and on the next line the reason
 *
 * It is written aside, locked and renamed, so that a reader sees a whole one, and never a current
 * one without its lock. It need not survive a crash: no fsync.
 */
#include "secrets/keyring_receipt.h"

#include "base/clock.h"
#include "secrets/keyring_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX (RESULT_TEXT_MAX + 128)
#define LOOK_EVERY_MS 5
#define LOOKS_AT_ONCE 8 /* at a receipt that is replaced while it is read */

struct keyring_receipt {
    char path[PATH_MAX];
    char aside[PATH_MAX];
    char text[TEXT_MAX]; /* as last written; empty before */
    int fd;              /* of the receipt in place: holds its lock. -1 before the first */
};

/* "1835023 1795234417123456789 212", or "none" when there is no file. */
static void print_version(const struct file_print *print, char *out, size_t size)
{
    const struct stat *info = &print->info;
    if (!print->exists) {
        snprintf(out, size, "none");
        return;
    }
    snprintf(out, size, "%" PRIuMAX " %" PRId64 " %" PRId64, (uintmax_t)info->st_ino,
             (int64_t)info->st_mtim.tv_sec * NS_PER_SECOND + info->st_mtim.tv_nsec,
             (int64_t)info->st_size);
}

static bool put_paths(const char *state_dir, char *path, char *aside)
{
    return snprintf(path, PATH_MAX, "%s/keyring.loaded", state_dir) < PATH_MAX &&
           snprintf(aside, PATH_MAX, "%s/keyring.loaded.tmp", state_dir) < PATH_MAX;
}

struct keyring_receipt *keyring_receipt_open(const char *state_dir)
{
    struct keyring_receipt *receipt = calloc(1, sizeof(*receipt));
    if (receipt != NULL && !put_paths(state_dir, receipt->path, receipt->aside)) {
        receipt->path[0] = '\0'; /* the first write says so */
    }
    if (receipt != NULL) {
        receipt->fd = -1;
    }
    return receipt;
}

/* An open and locked file with the text in it; -1 and errno. */
static int write_aside(const char *aside, const char *text)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    size_t len = strlen(text);
    (void)unlink(aside);
    int fd = open(aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -1;
    }
    ssize_t wrote = fcntl(fd, F_OFD_SETLK, &lock) == 0 ? write(fd, text, len) : -1;
    if (wrote != (ssize_t)len) {
        int error = wrote < 0 ? errno : ENOSPC;
        close(fd);
        (void)unlink(aside);
        errno = error;
        return -1;
    }
    return fd;
}

bool keyring_receipt_write(struct keyring_receipt *receipt, struct keyring *keyring,
                           struct result *why)
{
    char version[96];
    char text[TEXT_MAX];
    struct keyring_counts counts;
    keyring_counts(keyring, 0, &counts);
    print_version(&keyring->prints[0], version, sizeof(version));
    bool good = counts.problem[0] == '\0';
    snprintf(text, sizeof(text), "%s %s\n%s%s", good ? "taken" : "refused", version, counts.problem,
             good ? "" : "\n");
    if (strcmp(text, receipt->text) == 0) {
        return true;
    }
    if (receipt->path[0] == '\0') {
        return result_fail(why, "state.dir: the path is too long");
    }
    int fd = write_aside(receipt->aside, text);
    if (fd < 0 || rename(receipt->aside, receipt->path) != 0) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return result_fail_errno(why, error, "%s: cannot write", receipt->path);
    }
    if (receipt->fd >= 0) {
        close(receipt->fd);
    }
    receipt->fd = fd;
    memcpy(receipt->text, text, sizeof(text));
    return true;
}

void keyring_receipt_close(struct keyring_receipt *receipt)
{
    if (receipt != NULL && receipt->fd >= 0) {
        (void)unlink(receipt->path);
        close(receipt->fd);
    }
    free(receipt);
}

/* Whether somebody holds the lock, without taking it. */
static bool is_locked(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* Whether `fd` is still the file at path: a receipt loses its lock when the next one is there. */
static bool is_current(int fd, const char *path)
{
    struct stat held;
    struct stat there;
    return fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_ino == there.st_ino &&
           held.st_dev == there.st_dev;
}

/* Reads the receipt of a running gateway into `text`; empty when there is none. */
static void read_receipt(const char *path, char text[TEXT_MAX])
{
    bool locked = false;
    text[0] = '\0';
    for (int looks = 0; looks < LOOKS_AT_ONCE && !locked; looks++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0) {
            return;
        }
        locked = is_locked(fd);
        ssize_t got = locked ? pread(fd, text, TEXT_MAX - 1, 0) : 0;
        bool current = is_current(fd, path);
        close(fd);
        text[got > 0 ? got : 0] = '\0';
        if (!locked && current) {
            return;
        }
    }
}

static enum keyring_answer judge(const char *text, const char *ring_file, struct result *why)
{
    char version[96];
    char wanted[128];
    const struct file_print print = file_print_take(ring_file);
    const char *newline = strchr(text, '\n');
    print_version(&print, version, sizeof(version));
    if (newline == NULL) {
        return text[0] == '\0' ? KEYRING_NOBODY : KEYRING_WAITING;
    }
    struct slice line = slice_make(text, (size_t)(newline - text));
    snprintf(wanted, sizeof(wanted), "taken %s", version);
    if (slice_eq_str(line, wanted)) {
        return KEYRING_TAKEN;
    }
    snprintf(wanted, sizeof(wanted), "refused %s", version);
    if (!slice_eq_str(line, wanted)) {
        return KEYRING_WAITING;
    }
    size_t len = strcspn(newline + 1, "\n");
    result_fail(why, "%.*s", (int)len, newline + 1);
    return KEYRING_REFUSED;
}

enum keyring_answer keyring_receipt_look(const char *state_dir, const char *ring_file,
                                         struct result *why)
{
    char path[PATH_MAX];
    char aside[PATH_MAX];
    char text[TEXT_MAX] = "";
    if (put_paths(state_dir, path, aside)) {
        read_receipt(path, text);
    }
    return judge(text, ring_file, why);
}

/* Counted in looks, not by a clock: tests stop clocks. */
enum keyring_answer keyring_receipt_wait(const char *state_dir, const char *ring_file,
                                         unsigned timeout_ms, struct result *why)
{
    const struct timespec pause = {.tv_nsec = LOOK_EVERY_MS * NS_PER_MS};
    enum keyring_answer answer = keyring_receipt_look(state_dir, ring_file, why);
    for (unsigned waited = 0; answer == KEYRING_WAITING && waited < timeout_ms;
         waited += LOOK_EVERY_MS) {
        nanosleep(&pause, NULL);
        answer = keyring_receipt_look(state_dir, ring_file, why);
    }
    return answer;
}
