/* directory.h: a directory that is still there after a power cut. */
#ifndef SIGPOST_BASE_DIRECTORY_H
#define SIGPOST_BASE_DIRECTORY_H

#include "base/result.h"

#include <stdbool.h>

/* Makes the directory (0700; its parent must be there) unless it is there, and makes its entry in
 * the parent durable. `what` begins the sentence on failure: "spool directory". Where it was there
 * already and the parent may not be opened, that is not a failure. Any thread. */
bool directory_make(const char *what, const char *path, struct result *why);

/* Makes the path's entry in its directory durable: what was made or renamed there. False and errno.
 * Any thread. */
bool directory_sync_parent(const char *path);

#endif
