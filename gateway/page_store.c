/* page_store.c: see page_store.h.
 *
 * Renders hold the read lock, a refresh that found a change takes the write lock for the swap of
 * one pointer. A file is known by device, inode, size and time of change, so an edit by rename or
 * in place is seen at the next look.
 */
#include "gateway/page_store.h"

#include "base/log.h"
#include "gateway/builtin_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    mode_t mode;
    mode_t dir_mode;
};

struct page_state {
    struct template *builtin;
    struct template *own;  /* the operator's, or NULL */
    struct file_mark seen; /* zero: no file */
    bool faulty;
};

struct page_store {
    pthread_rwlock_t lock; /* over own and faulty of every page */
    char *dir;             /* housekeeper's thread only */
    struct page_state pages[PAGE_COUNT];
};

static const char *const names[PAGE_COUNT] = {
    [PAGE_INDEX] = "index.html", [PAGE_WAITING] = "waiting.html", [PAGE_STATUS] = "status.html"};

static struct slice builtin_source(enum page page)
{
    switch (page) {
    case PAGE_INDEX:
        return slice_make(builtin_index_html, builtin_index_html_len);
    case PAGE_STATUS:
        return slice_make(builtin_status_html, builtin_status_html_len);
    case PAGE_WAITING:
    case PAGE_COUNT:
        break;
    }
    return slice_make(builtin_waiting_html, builtin_waiting_html_len);
}

static struct file_mark mark_of(const struct stat *st, const char *dir)
{
    struct stat parent = {0};
    stat(dir, &parent);
    return (struct file_mark){st->st_dev,  st->st_ino,  st->st_size,
                              st->st_ctim, st->st_mode, parent.st_mode};
}

static bool same_mark(const struct file_mark *a, const struct file_mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->mode == b->mode && a->dir_mode == b->dir_mode &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Whoever may write the file or its directory writes our pages. */
static bool check_rights(const char *path, const char *dir, const struct stat *file,
                         mode_t dir_mode, struct result *why)
{
    if (!S_ISREG(file->st_mode)) {
        return result_fail(why, "%s: not a regular file", path);
    }
    if ((file->st_mode & S_IWOTH) != 0) {
        return result_fail(why, "%s: everybody may write it; run: chmod o-w %s", path, path);
    }
    if ((dir_mode & S_IWOTH) != 0) {
        return result_fail(why, "%s: everybody may write there; run: chmod o-w %s", dir, dir);
    }
    return true;
}

static struct template *read_template(const char *path, int fd, size_t size, struct result *why)
{
    struct template *compiled = NULL;
    if (size > TEMPLATE_SOURCE_MAX) {
        result_fail(why, "%s: %zu bytes; at most %d are read", path, size, TEMPLATE_SOURCE_MAX);
        return NULL;
    }
    struct buf source = BUF_INIT;
    char *to = buf_reserve(&source, size + 1);
    ssize_t got = to != NULL ? read(fd, to, size) : -1;
    if (got < 0) {
        result_fail_errno(why, errno, "%s: cannot read it", path);
    } else {
        source.len = (size_t)got;
        compiled = template_compile(path, buf_slice(&source), why);
    }
    buf_free(&source);
    // cppcheck-suppress CastIntegerToAddressAtReturn; it takes `template` for C++
    return compiled;
}

/* The operator's page, or NULL: with an empty sentence when there is none. */
static struct template *load(const char *path, const char *dir, struct file_mark *mark,
                             struct result *why)
{
    struct stat st;
    struct template *compiled = NULL;
    *mark = (struct file_mark){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR) {
            result_fail_errno(why, errno, "%s: cannot open it", path);
        }
        return NULL;
    }
    if (fstat(fd, &st) != 0) {
        result_fail_errno(why, errno, "%s: cannot look at it", path);
    } else {
        *mark = mark_of(&st, dir);
        if (check_rights(path, dir, &st, mark->dir_mode, why)) {
            compiled = read_template(path, fd, (size_t)st.st_size, why);
        }
    }
    close(fd);
    // cppcheck-suppress CastIntegerToAddressAtReturn; as above
    return compiled;
}

static bool changed(const char *path, const char *dir, const struct file_mark *seen)
{
    struct stat st;
    struct file_mark now = {0};
    if (stat(path, &st) == 0) {
        now = mark_of(&st, dir);
    }
    return !same_mark(&now, seen);
}

static void refresh_page(struct page_store *store, enum page page, bool first)
{
    struct page_state *state = &store->pages[page];
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", store->dir, names[page]);
    if (!first && !changed(path, store->dir, &state->seen)) {
        return;
    }
    struct result why = RESULT_INIT;
    struct template *fresh = load(path, store->dir, &state->seen, &why);
    bool faulty = why.text[0] != '\0';
    if (faulty) {
        LOG_WARN("page template is faulty, showing the built-in page", LOG_STR("why", why.text));
    } else if (fresh != NULL) {
        LOG_INFO("page template loaded", LOG_STR("file", path));
    }
    pthread_rwlock_wrlock(&store->lock);
    struct template *old = state->own;
    state->own = fresh;
    state->faulty = faulty;
    pthread_rwlock_unlock(&store->lock);
    template_free(old);
}

void page_store_refresh(struct page_store *store, const char *dir)
{
    bool first = store->dir == NULL || strcmp(store->dir, dir) != 0;
    if (first) {
        char *copy = strdup(dir);
        if (copy == NULL) {
            return;
        }
        free(store->dir);
        store->dir = copy;
    }
    for (unsigned i = 0; i < PAGE_COUNT; i++) {
        refresh_page(store, (enum page)i, first);
    }
}

struct page_store *page_store_create(const char *dir)
{
    struct page_store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        return NULL;
    }
    pthread_rwlock_init(&store->lock, NULL);
    for (unsigned i = 0; i < PAGE_COUNT; i++) {
        store->pages[i].builtin = template_compile(names[i], builtin_source((enum page)i), NULL);
        if (store->pages[i].builtin == NULL) {
            page_store_destroy(store);
            return NULL;
        }
    }
    page_store_refresh(store, dir);
    return store;
}

void page_store_destroy(struct page_store *store)
{
    if (store == NULL) {
        return;
    }
    for (unsigned i = 0; i < PAGE_COUNT; i++) {
        template_free(store->pages[i].builtin);
        template_free(store->pages[i].own);
    }
    pthread_rwlock_destroy(&store->lock);
    free(store->dir);
    free(store);
}

void page_store_render(struct page_store *store, enum page page,
                       const struct template_variable *variables, size_t n, struct buf *out)
{
    const struct page_state *state = &store->pages[page];
    pthread_rwlock_rdlock(&store->lock);
    template_render(state->own != NULL ? state->own : state->builtin, variables, n, out);
    pthread_rwlock_unlock(&store->lock);
}

bool page_store_fallback(struct page_store *store)
{
    bool faulty = false;
    pthread_rwlock_rdlock(&store->lock);
    for (unsigned i = 0; i < PAGE_COUNT; i++) {
        faulty = faulty || store->pages[i].faulty;
    }
    pthread_rwlock_unlock(&store->lock);
    return faulty;
}
