/* durable_file.h: small files that are replaced whole and read whole.
 *
 *     struct durable_file file;
 *     if (durable_file_begin(&file, path, why)) {
 *         durable_file_put(&file, bytes, len);         // sticky; as often as needed
 *         ok = durable_file_commit(&file, why);        // or durable_file_abandon(&file)
 *     }
 *
 * The bytes go to {path}.tmp, which is synced and renamed, and the directory is synced: after a
 * kill or a power cut the path names the old file or the new one, never a third thing. A {path}.tmp
 * that a kill left behind is replaced by the next begin.
 *
 * One writer of a path at a time: that is the caller's to see to. A path that is a symlink is
 * itself replaced; resolve it first where its target is meant.
 */
#ifndef SIGPOST_BASE_DURABLE_FILE_H
#define SIGPOST_BASE_DURABLE_FILE_H

#include "base/buf.h"
#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>

struct durable_file {
    int fd;          /* of the temporary file, for fchown and the like; -1 when not begun */
    int error;       /* the first errno of a put; later puts do nothing */
    char *path;      /* owned */
    char *temporary; /* owned */
};

/* Makes {path}.tmp, mode 0600. False and a sentence, and *file as not begun, when it cannot. */
bool durable_file_begin(struct durable_file *file, const char *path, struct result *why);

/* Appends bytes, unbuffered. A failure is told by the commit. */
void durable_file_put(struct durable_file *file, const void *bytes, size_t len);

/* Puts the file in its place. False and a sentence when that failed: the old file is in place then,
 * unless it was the last step, the sync of the directory, that failed. Ends the file either way. */
bool durable_file_commit(struct durable_file *file, struct result *why);

/* Removes the temporary file; does nothing for one that is not begun. */
void durable_file_abandon(struct durable_file *file);

/* begin, put and commit in one. */
bool durable_file_write(const char *path, const void *bytes, size_t len, struct result *why);

/* Appends the content of a regular file of at most `max` bytes to *out, not following a symlink as
 * its last part. True with *missing when there is no such file. False and a sentence otherwise. */
bool durable_file_read(const char *path, size_t max, struct buf *out, bool *missing,
                       struct result *why);

/* Moves a file that makes no sense to {path}.damaged, over an earlier one, for a person to look at.
 * False and errno when it cannot; nothing is changed then. */
bool durable_file_set_aside(const char *path);

#endif
