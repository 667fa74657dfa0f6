/* page_file.c: see page_file.h. */
#include "gateway/page_file.h"

#include "session/template.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool is_absence(int error)
{
    return error == ENOENT || error == ENOTDIR;
}

static struct page_mark mark_of(const struct stat *file, const struct stat *dir)
{
    return (struct page_mark){file->st_dev,  file->st_ino,  file->st_size,
                              file->st_ctim, file->st_mode, dir->st_mode,
                              file->st_uid,  dir->st_uid,   0};
}

static struct page_mark mark_of_error(int error)
{
    return (struct page_mark){.error = is_absence(error) ? 0 : error};
}

static int open_dir(const char *dir)
{
    return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The mark of the file in an open directory; false and the error's when it cannot be told. */
static bool look(int dir_fd, const char *name, struct page_mark *out)
{
    struct stat file, dir;
    bool good = fstatat(dir_fd, name, &file, 0) == 0 && fstat(dir_fd, &dir) == 0;
    *out = good ? mark_of(&file, &dir) : mark_of_error(errno);
    return good;
}

void page_file_look(const char *dir, const char *name, struct page_mark *out)
{
    int dir_fd = open_dir(dir);
    if (dir_fd < 0) {
        *out = mark_of_error(errno);
        return;
    }
    look(dir_fd, name, out);
    close(dir_fd);
}

bool page_mark_same(const struct page_mark *a, const struct page_mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mode == b->mode && a->dir_mode == b->dir_mode && a->owner == b->owner &&
           a->dir_owner == b->dir_owner && a->error == b->error &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool is_foreign(uid_t owner)
{
    return owner != 0 && owner != geteuid();
}

bool page_mark_is_foreign(const struct page_mark *mark)
{
    return mark->inode != 0 && (is_foreign(mark->owner) || is_foreign(mark->dir_owner));
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool check_rights(const char *dir, const char *name, const struct page_mark *mark,
                         struct result *why)
{
    if (!S_ISREG(mark->mode)) {
        return result_fail(why, "%s/%s: not a regular file; put the page's text into one", dir,
                           name);
    }
    if ((mark->mode & S_IWOTH) != 0) {
        return result_fail(why, "%s/%s: everybody may write it; run: chmod o-w %s/%s", dir, name,
                           dir, name);
    }
    if ((mark->dir_mode & S_IWOTH) != 0) {
        return result_fail(why, "%s: everybody may write there; run: chmod o-w %s", dir, dir);
    }
    if (mark->size > TEMPLATE_SOURCE_MAX) {
        return result_fail(why, "%s/%s: %lld bytes; at most %d (256 KiB) are read", dir, name,
                           (long long)mark->size, TEMPLATE_SOURCE_MAX);
    }
    return true;
}

static bool fail_open(const char *dir, const char *name, struct result *why)
{
    int error = errno;
    if (is_absence(error)) {
        return false;
    }
    if (error == EACCES) {
        return result_fail(why, "%s/%s: no right to read it; run: chmod o+x %s; chmod o+r %s/%s",
                           dir, name, dir, dir, name);
    }
    return result_fail_errno(why, error, "%s/%s: cannot open it", dir, name);
}

static bool read_text(const char *dir, const char *name, int fd, size_t size, struct buf *out,
                      struct result *why)
{
    char *to = buf_reserve(out, size + 1);
    if (to == NULL) {
        return result_fail(why, "%s/%s: out of memory", dir, name);
    }
    ssize_t got = read(fd, to, size);
    if (got < 0) {
        return result_fail_errno(why, errno, "%s/%s: cannot read it", dir, name);
    }
    out->len += (size_t)got;
    return true;
}

bool page_file_read(const char *dir, const char *name, struct page_mark *mark, struct buf *out,
                    struct result *why)
{
    struct stat file, directory;
    bool good = false;
    int fd = -1;
    int dir_fd = open_dir(dir);
    if (dir_fd < 0) {
        *mark = mark_of_error(errno);
        return fail_open(dir, name, why);
    }
    look(dir_fd, name, mark); /* also of a file that cannot be opened, which is then told of once */
    fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        fail_open(dir, name, why);
    } else if (fstat(fd, &file) != 0 || fstat(dir_fd, &directory) != 0) {
        result_fail_errno(why, errno, "%s/%s: cannot look at it", dir, name);
    } else {
        *mark = mark_of(&file, &directory);
        good = check_rights(dir, name, mark, why) &&
               read_text(dir, name, fd, (size_t)mark->size, out, why);
    }
    if (fd >= 0) {
        close(fd);
    }
    close(dir_fd);
    return good;
}
