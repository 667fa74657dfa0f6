/* directory.c: see directory.h. */
#include "base/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool directory_sync_parent(const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        errno = ENOMEM;
        return false;
    }
    size_t len = strlen(copy);
    while (len > 1 && copy[len - 1] == '/') {
        copy[--len] = '\0';
    }
    char *slash = strrchr(copy, '/');
    const char *parent = ".";
    if (slash != NULL) {
        slash[slash == copy ? 1 : 0] = '\0';
        parent = copy;
    }
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    free(copy);
    errno = error;
    return ok;
}

bool directory_make(const char *what, const char *path, struct result *why)
{
    bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST) {
        return result_fail_errno(why, errno, "%s %s: cannot be made", what, path);
    }
    /* Also when it was there: a process that made it may have been killed before this. */
    if (!directory_sync_parent(path) && made) {
        return result_fail_errno(why, errno, "%s %s: its parent cannot be synced", what, path);
    }
    return true;
}
