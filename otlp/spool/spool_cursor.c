/* spool_cursor.c: cursor.<name>: how far a destination is; see cursor_text.h for its bytes. Written
 * to a temporary file, synced, renamed, the directory synced. A file that makes no sense counts as
 * a cursor at 0: records are sent twice rather than not at all.
 */
#include "otlp/spool/spool_internal.h"

#include "base/log.h"
#include "otlp/spool/cursor_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool spool_name_valid(const char *name)
{
    static const char of[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t len = strspn(name, of);
    if (len < 1 || len > SPOOL_NAME_PART_MAX || name[len] != '.') {
        return len >= 1 && len <= SPOOL_NAME_PART_MAX && name[len] == '\0';
    }
    const char *second = name + len + 1;
    len = strspn(second, of);
    return len >= 1 && len <= SPOOL_NAME_PART_MAX && second[len] == '\0' &&
           strcmp(second, "tmp") != 0;
}

static void file_name(const char *name, const char *suffix, char out[SPOOL_FILE_PATH_MAX])
{
    snprintf(out, SPOOL_FILE_PATH_MAX, "cursor.%s%s", name, suffix);
}

static bool read_cursor(const struct spool *spool, const char *name, uint64_t *sequence)
{
    char path[SPOOL_FILE_PATH_MAX], text[CURSOR_TEXT_MAX];
    file_name(name, "", path);
    *sequence = 0;
    int fd = openat(spool->dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    ssize_t len;
    do {
        len = pread(fd, text, sizeof(text), 0);
    } while (len < 0 && errno == EINTR);
    close(fd);
    return len > 0 && cursor_text_parse(text, (size_t)len, sequence);
}

struct spool_cursor *spool_cursor_find(struct spool *spool, const char *name)
{
    for (size_t i = 0; i < spool->n_cursors; i++) {
        if (strcmp(spool->cursors[i].name, name) == 0) {
            return &spool->cursors[i];
        }
    }
    return NULL;
}

struct spool_cursor *spool_cursor_add(struct spool *spool, const char *name, uint64_t acked)
{
    struct spool_cursor *grown =
        realloc(spool->cursors, (spool->n_cursors + 1) * sizeof(*spool->cursors));
    if (grown == NULL) {
        return NULL;
    }
    spool->cursors = grown;
    struct spool_cursor *cursor = &spool->cursors[spool->n_cursors++];
    memset(cursor, 0, sizeof(*cursor));
    snprintf(cursor->name, sizeof(cursor->name), "%s", name);
    cursor->acked = cursor->due = acked;
    return cursor;
}

bool spool_cursor_slowest(const struct spool *spool, uint64_t *acked)
{
    *acked = 0;
    for (size_t i = 0; i < spool->n_cursors; i++) {
        if (i == 0 || spool->cursors[i].acked < *acked) {
            *acked = spool->cursors[i].acked;
        }
    }
    return spool->n_cursors != 0;
}

bool spool_cursor_load(struct spool *spool, const char *name)
{
    uint64_t sequence;
    bool sound = read_cursor(spool, name, &sequence);
    if (!sound) {
        LOG_WARN("spool: a cursor file makes no sense; its destination starts at the oldest record",
                 LOG_STR("dir", spool->dir), LOG_STR("cursor", name));
    }
    struct spool_cursor *cursor = spool_cursor_add(spool, name, sequence);
    if (cursor == NULL) {
        return false;
    }
    cursor->durable = sequence;
    cursor->on_disk = true;
    return true;
}

static bool write_file(int fd, const char *text, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t wrote = write(fd, text + done, len - done);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return true;
}

static bool store_sequence(struct spool *spool, const char *name, uint64_t sequence)
{
    char path[SPOOL_FILE_PATH_MAX], temp[SPOOL_FILE_PATH_MAX], text[CURSOR_TEXT_MAX];
    file_name(name, "", path);
    file_name(name, ".tmp", temp);
    size_t len = cursor_text_format(sequence, text);
    int fd =
        openat(spool->dir_fd, temp, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return false;
    }
    bool stored = write_file(fd, text, len) && fsync(fd) == 0;
    int error = errno;
    close(fd);
    errno = error;
    return stored && renameat(spool->dir_fd, temp, spool->dir_fd, path) == 0 &&
           fsync(spool->dir_fd) == 0;
}

/* The sequence is taken under cursor_files: of two threads that store one cursor, the later does
 * not write the older value. */
bool spool_cursor_store(struct spool *spool, const char *name)
{
    pthread_mutex_lock(&spool->cursor_files);
    pthread_mutex_lock(&spool->lock);
    struct spool_cursor *cursor = spool_cursor_find(spool, name);
    bool stored = cursor == NULL || (cursor->on_disk && cursor->durable == cursor->acked);
    uint64_t acked = cursor != NULL ? cursor->acked : 0;
    pthread_mutex_unlock(&spool->lock);
    if (!stored) {
        stored = store_sequence(spool, name, acked);
        int error = errno;
        pthread_mutex_lock(&spool->lock);
        cursor = spool_cursor_find(spool, name);
        if (stored && cursor != NULL) {
            cursor->durable = acked;
            cursor->on_disk = true;
        }
        pthread_mutex_unlock(&spool->lock);
        errno = error;
    }
    pthread_mutex_unlock(&spool->cursor_files);
    return stored;
}

bool spool_cursor_remove(struct spool *spool, const char *name)
{
    char path[SPOOL_FILE_PATH_MAX];
    file_name(name, "", path);
    pthread_mutex_lock(&spool->cursor_files);
    bool removed =
        (unlinkat(spool->dir_fd, path, 0) == 0 || errno == ENOENT) && fsync(spool->dir_fd) == 0;
    pthread_mutex_unlock(&spool->cursor_files);
    return removed;
}
