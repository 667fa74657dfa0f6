/* secret_text.h: a whole small file in the secure heap. */
#ifndef SIGPOST_SECRETS_SECRET_TEXT_H
#define SIGPOST_SECRETS_SECRET_TEXT_H

#include "base/result.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct secret_text {
    char *data; /* NUL-terminated; owned */
    size_t len;
    size_t cap;
    struct stat info; /* of the file that was read */
};

/* Reads a regular file of up to `max` bytes, following symlinks (Docker and Kubernetes mount
 * secrets as such). With private_only, one that its group or others may read or write is refused
 * before it is read. *missing when there is no such file; that is true with no data. */
bool secret_text_read(const char *path, size_t max, bool private_only, struct secret_text *text,
                      bool *missing, struct result *why);

/* Wipes and frees. */
void secret_text_free(struct secret_text *text);

#endif
