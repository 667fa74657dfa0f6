/* keyring_write.c: writing the ring file whole, and changing it under its lock; see keyring_file.h.
 *
 * The text goes to the descriptor through one small block that is wiped at the end, so that no
 * second copy of the ring is made in memory.
 */
#include "secrets/keyring_file.h"

#include "base/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Failures stick to the file. */
struct out {
    struct durable_file *file;
    size_t len;
    char block[512];
};

static void out_flush(struct out *out)
{
    durable_file_put(out->file, out->block, out->len);
    out->len = 0;
}

static void out_char(struct out *out, char c)
{
    if (out->len == sizeof(out->block)) {
        out_flush(out);
    }
    out->block[out->len++] = c;
}

static void out_str(struct out *out, const char *text)
{
    for (; *text != '\0'; text++) {
        out_char(out, *text);
    }
}

/* ` name = "value";` in libconfig's notation; no value may hold control bytes, so only the quote
 * and the backslash need escaping. */
static void out_member(struct out *out, const char *name, const char *value)
{
    out_str(out, " ");
    out_str(out, name);
    out_str(out, " = \"");
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\') {
            out_char(out, '\\');
        }
        out_char(out, *value);
    }
    out_str(out, "\";");
}

static void out_time(struct out *out, const char *name, int64_t seconds)
{
    char text[KEY_TIME_TEXT_MAX];
    key_time_format(seconds, text);
    if (text[0] != '\0') {
        out_member(out, name, text);
    }
}

static void out_entry(struct out *out, const struct key_entry *entry)
{
    out_str(out, "  {");
    out_member(out, "id", entry->id);
    out_member(out, "secret", entry->secret);
    out_member(out, "state", key_state_word(entry->state));
    out_str(out, "\n   ");
    out_time(out, "created", entry->created);
    out_time(out, "not_before", entry->not_before);
    out_time(out, "not_after", entry->not_after);
    if (entry->label[0] != '\0') {
        out_member(out, "label", entry->label);
    }
    if (entry->note[0] != '\0') {
        out_member(out, "note", entry->note);
    }
    out_str(out, " }");
}

static void write_list(struct durable_file *file, const struct key_list *list)
{
    struct out out = {.file = file};
    out_str(&out, "# The keys of sigpost. Written by sigpostctl; keep its mode at 0600.\nkeys = (");
    for (size_t i = 0; i < list->n; i++) {
        out_str(&out, i == 0 ? "\n" : ",\n");
        out_entry(&out, &list->entries[i]);
    }
    out_str(&out, "\n);\n");
    out_flush(&out);
    OPENSSL_cleanse(out.block, sizeof(out.block));
}

/* The file a path names, behind symlinks: a rename must replace the file, not the link to it. The
 * caller frees it. */
static char *resolve(const char *path, struct result *why)
{
    char *real = realpath(path, NULL);
    if (real == NULL && errno == ENOENT) {
        char *target = NULL;
        struct stat info;
        if (lstat(path, &info) == 0) {
            result_fail(why, "%s: is a symlink to nothing; make its target or remove it", path);
        } else if ((target = strdup(path)) == NULL) {
            result_fail(why, "out of memory");
        }
        return target;
    }
    if (real == NULL) {
        result_fail_errno(why, errno, "%s: cannot resolve", path);
    }
    return real;
}

/* The directory part of a path, "." when it has none. False when it is too long. */
static bool directory_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    if (len >= PATH_MAX) {
        return false;
    }
    memcpy(out, slash == NULL ? "." : path, len);
    out[len] = '\0';
    return true;
}

/* For root: gives a file of ours to the one who owns the old file, or else the directory. */
static int hand_over(int fd, const char *path, const char *directory)
{
    struct stat info;
    if (geteuid() != 0) {
        return 0;
    }
    if (stat(path, &info) != 0 && stat(directory, &info) != 0) {
        return errno;
    }
    return fchown(fd, info.st_uid, info.st_gid) == 0 ? 0 : errno;
}

/* Takes {path}.lock, waiting for whoever holds it. -1 and a sentence. */
static int lock_beside(const char *path, struct result *why)
{
    char lock[PATH_MAX];
    char directory[PATH_MAX];
    if (snprintf(lock, sizeof(lock), "%s.lock", path) >= (int)sizeof(lock) ||
        !directory_of(path, directory)) {
        result_fail(why, "%.200s…: the path is too long", path);
        return -1;
    }
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        result_fail_errno(why, errno, "%s: cannot open the lock file", lock);
        return -1;
    }
    (void)hand_over(fd, path, directory); /* a lock that cannot be handed over still locks */
    int locked;
    do {
        locked = flock(fd, LOCK_EX);
    } while (locked != 0 && errno == EINTR);
    if (locked != 0) {
        result_fail_errno(why, errno, "%s: cannot lock", lock);
        close(fd);
        return -1;
    }
    return fd;
}

/* path is resolved and its lock is held: nobody else is writing it, and what an editor that was
 * killed left behind, secrets in it, is gone with the next edit. */
static bool replace_file(const char *path, const struct key_list *list, struct result *why)
{
    char directory[PATH_MAX];
    struct durable_file file;
    if (!directory_of(path, directory)) {
        return result_fail(why, "%.200s…: the path is too long", path);
    }
    if (!durable_file_begin(&file, path, why)) {
        return false;
    }
    int error = hand_over(file.fd, path, directory);
    if (error != 0) {
        durable_file_abandon(&file);
        return result_fail_errno(why, error, "%s: cannot give it to its owner", path);
    }
    write_list(&file, list);
    return durable_file_commit(&file, why);
}

bool keyring_file_edit(const char *path,
                       bool (*edit)(struct key_list *list, bool missing, void *arg,
                                    struct result *why),
                       void *arg, struct result *why)
{
    struct key_list list = {0};
    bool ok = false;
    bool missing = false;
    int lock = -1;
    char *real = resolve(path, why);
    if (real == NULL) {
        return false;
    }
    lock = lock_beside(real, why);
    if (lock < 0 || !keyring_file_read(real, &list, &missing, why)) {
        goto cleanup;
    }
    ok = edit(&list, missing, arg, why) && replace_file(real, &list, why);

cleanup:
    key_list_free(&list);
    if (lock >= 0) {
        close(lock);
    }
    free(real);
    return ok;
}

bool keyring_file_write(const char *path, const struct key_list *list, struct result *why)
{
    bool ok = false;
    int lock = -1;
    char *real = resolve(path, why);
    if (real == NULL) {
        return false;
    }
    lock = lock_beside(real, why);
    if (lock >= 0) {
        ok = replace_file(real, list, why);
        close(lock);
    }
    free(real);
    return ok;
}
