/* keyring_watch.c: noticing that a source changed; see keyring_internal.h.
 *
 * What a path means depends on the entries of several directories: the last one, and each that
 * holds a symlink on the way (Kubernetes swaps the link "..data" beside the file's own link). A
 * path is walked as the kernel would, and those directories are watched; where it breaks off, the
 * last directory that is there. A watch only says "look again": whether a source did change is seen
 * from its inode, size and times.
 */
#include "secrets/keyring_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel's */
#define EVENTS                                                                          \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | \
     IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* A path being walked: `base` is real (no symlink in it), `rest` is still to be walked. */
struct walk {
    char base[PATH_MAX];
    char rest[PATH_MAX];
    char next[PATH_MAX];
    int links;
};

void keyring_watch_open(struct keyring_watch *watch)
{
    watch->n = 0;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        LOG_WARN("cannot watch the key files; they are looked at on a timer",
                 LOG_STR("error", strerrorname_np(errno)));
    }
}

void keyring_watch_close(struct keyring_watch *watch)
{
    if (watch->fd >= 0) {
        close(watch->fd);
    }
    watch->fd = -1;
}

static void drain(struct keyring_watch *watch)
{
    char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t got = 1;
    while (got > 0 || (got < 0 && errno == EINTR)) {
        got = read(watch->fd, events, sizeof(events));
    }
}

static bool is_watched(const int *watches, size_t n, int wd)
{
    for (size_t i = 0; i < n; i++) {
        if (watches[i] == wd) {
            return true;
        }
    }
    return false;
}

/* The kernel gives the same number for a directory that is watched already. */
static void watch_directory(struct keyring_watch *watch, const char *directory)
{
    int wd = inotify_add_watch(watch->fd, directory, EVENTS);
    if (wd >= 0 && watch->n < WATCHES_MAX && !is_watched(watch->watches, watch->n, wd)) {
        watch->watches[watch->n++] = wd;
    }
}

/* Cuts the first component off `rest` and writes base/component to `next`. False at the end of the
 * path or when it is too long. */
static bool next_component(struct walk *walk)
{
    char *start = walk->rest + strspn(walk->rest, "/");
    size_t len = strcspn(start, "/");
    if (len == 0) {
        return false;
    }
    int wrote = snprintf(walk->next, sizeof(walk->next), "%s%s%.*s", walk->base,
                         strcmp(walk->base, "/") == 0 ? "" : "/", (int)len, start);
    memmove(walk->rest, start + len, strlen(start + len) + 1);
    return wrote > 0 && (size_t)wrote < sizeof(walk->next);
}

/* Puts the target of the symlink `next` in front of what is left. */
static bool follow_link(struct walk *walk)
{
    char target[PATH_MAX];
    char rest[PATH_MAX];
    ssize_t len = readlink(walk->next, target, sizeof(target) - 1);
    if (len <= 0 || ++walk->links > LINKS_MAX) {
        return false;
    }
    target[len] = '\0';
    if (snprintf(rest, sizeof(rest), "%s/%s", target, walk->rest) >= (int)sizeof(rest)) {
        return false;
    }
    memcpy(walk->rest, rest, sizeof(rest));
    if (target[0] == '/') {
        memcpy(walk->base, "/", 2);
    }
    return true;
}

static void watch_path(struct keyring_watch *watch, const char *path)
{
    struct walk walk = {.links = 0};
    snprintf(walk.base, sizeof(walk.base), "%s", path[0] == '/' ? "/" : ".");
    snprintf(walk.rest, sizeof(walk.rest), "%s", path);
    while (next_component(&walk)) {
        struct stat info;
        if (lstat(walk.next, &info) != 0) {
            watch_directory(watch, walk.base);
            return;
        }
        bool last = walk.rest[strspn(walk.rest, "/")] == '\0';
        if (last || S_ISLNK(info.st_mode)) {
            watch_directory(watch, walk.base);
        }
        if (!S_ISLNK(info.st_mode)) {
            memcpy(walk.base, walk.next, sizeof(walk.base));
        } else if (!follow_link(&walk)) {
            return;
        }
    }
}

static bool same_watches(const struct keyring_watch *a, const struct keyring_watch *b)
{
    return a->n == b->n && memcmp(a->watches, b->watches, a->n * sizeof(a->watches[0])) == 0;
}

void keyring_watch_renew(struct keyring_watch *watch, const char *const *paths, size_t n)
{
    if (watch->fd < 0) {
        return;
    }
    /* Something may change between the look and the watch: walk again until nothing is new. The
     * end of an old watch makes an event, too, for the next round to drain. */
    for (int round = 0; round < 4; round++) {
        drain(watch);
        struct keyring_watch old = *watch;
        watch->n = 0;
        for (size_t i = 0; i < n; i++) {
            if (paths[i] != NULL) {
                watch_path(watch, paths[i]);
            }
        }
        for (size_t i = 0; i < old.n; i++) {
            if (!is_watched(watch->watches, watch->n, old.watches[i])) {
                inotify_rm_watch(watch->fd, old.watches[i]);
            }
        }
        if (same_watches(&old, watch)) {
            return;
        }
    }
}

struct file_print file_print_take(const char *path)
{
    struct file_print print = {0};
    print.exists = path != NULL && stat(path, &print.info) == 0;
    return print;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_print_changed(const struct file_print *then, const char *path)
{
    const struct file_print now = file_print_take(path);
    const struct stat *a = &then->info;
    const struct stat *b = &now.info;
    if (!then->exists || !now.exists) {
        return then->exists != now.exists;
    }
    return a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size ||
           a->st_mode != b->st_mode || !same_time(a->st_mtim, b->st_mtim) ||
           !same_time(a->st_ctim, b->st_ctim);
}

/* Further ahead than that is of a clock that has been set back since. */
bool file_print_fresh(const struct file_print *print, int64_t loaded_ns)
{
    const struct timespec *changed = &print->info.st_ctim;
    int64_t age_ns = loaded_ns - ((int64_t)changed->tv_sec * NS_PER_SECOND + changed->tv_nsec);
    return print->exists && age_ns < NS_PER_SECOND && age_ns > -NS_PER_SECOND;
}
