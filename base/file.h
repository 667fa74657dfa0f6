/* file.h: small files that must be whole: read at once, replaced at once. Thread-safe: no state. */
#ifndef SIGPOST_BASE_FILE_H
#define SIGPOST_BASE_FILE_H

#include "base/buf.h"
#include "base/result.h"

/* Appends the content of a regular file of at most `max` bytes; a symbolic link at the end of the
 * path is refused. *missing when there is no such file. False and a sentence otherwise. */
bool file_read(const char *path, size_t max, struct buf *out, bool *missing, struct result *why);

/* Puts a file of these bytes, mode 0600, in the place of `path`, so that after a power cut there is
 * either the old one or the new one: a temporary file beside it, fsync, rename, fsync of the
 * directory. False and a sentence otherwise; whether the old or the new one is there is then not
 * known. One writer at a time for a path. Blocks on the disk. */
bool file_replace(const char *path, struct slice bytes, struct result *why);

#endif
