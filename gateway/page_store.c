/* page_store.c: see page_store.h.
 *
 * Renders hold the read lock, a refresh that found a change takes the write lock for the swap of
 * one pointer.
 */
#include "gateway/page_store.h"

#include "base/log.h"
#include "gateway/builtin_pages.h"
#include "gateway/page_file.h"
#include "gateway/page_policy.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct page_state {
    struct template *builtin;
    struct buf policy;     /* of the built-in page, NUL-terminated */
    struct template *own;  /* the operator's, or NULL */
    struct page_mark seen; /* housekeeper's thread only */
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

/* The operator's page, or NULL: with an empty sentence when there is none to be used. An unchanged
 * copy of the built-in page is none: it is shown with the built-in page's strict policy. */
static struct template *load(const char *dir, enum page page, struct page_mark *mark,
                             struct result *why)
{
    struct template *compiled = NULL;
    struct buf source = BUF_INIT;
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, names[page]);
    if (page_file_read(dir, names[page], mark, &source, why) &&
        !slice_eq(buf_slice(&source), builtin_source(page))) {
        compiled = template_compile(path, buf_slice(&source), why);
    }
    buf_free(&source);
    // cppcheck-suppress CastIntegerToAddressAtReturn; it takes `template` for C++
    return compiled;
}

static void tell(const char *dir, enum page page, const struct page_mark *mark, bool loaded,
                 const struct result *why)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", dir, names[page]);
    if (why->text[0] != '\0') {
        LOG_WARN("page template is faulty, showing the built-in page", LOG_STR("why", why->text));
    } else if (loaded) {
        LOG_INFO("page template loaded", LOG_STR("file", path));
    }
    if (loaded && page_mark_is_foreign(mark)) {
        struct result foreign = RESULT_INIT;
        result_fail(&foreign,
                    "%s: uid %u owns it and uid %u its directory, and may change our pages; run: "
                    "chown root %s %s",
                    path, (unsigned)mark->owner, (unsigned)mark->dir_owner, dir, path);
        LOG_WARN("page template belongs to another user", LOG_STR("why", foreign.text));
    }
}

static void refresh_page(struct page_store *store, enum page page, bool first)
{
    struct page_state *state = &store->pages[page];
    struct page_mark now;
    page_file_look(store->dir, names[page], &now);
    if (!first && page_mark_same(&now, &state->seen)) {
        return;
    }
    struct result why = RESULT_INIT;
    struct template *fresh = load(store->dir, page, &state->seen, &why);
    tell(store->dir, page, &state->seen, fresh != NULL, &why);
    pthread_rwlock_wrlock(&store->lock);
    struct template *old = state->own;
    state->own = fresh;
    state->faulty = why.text[0] != '\0';
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

static bool open_builtin(enum page page, struct page_state *out)
{
    out->builtin = template_compile(names[page], builtin_source(page), NULL);
    return out->builtin != NULL && page_policy_builtin(builtin_source(page), &out->policy) &&
           buf_cstr(&out->policy)[0] != '\0';
}

struct page_store *page_store_create(const char *dir)
{
    struct page_store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        return NULL;
    }
    pthread_rwlock_init(&store->lock, NULL);
    for (unsigned i = 0; i < PAGE_COUNT; i++) {
        if (!open_builtin((enum page)i, &store->pages[i])) {
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
        buf_free(&store->pages[i].policy);
    }
    pthread_rwlock_destroy(&store->lock);
    free(store->dir);
    free(store);
}

const char *page_store_render(struct page_store *store, enum page page,
                              const struct template_variable *variables, size_t n, struct buf *out)
{
    struct page_state *state = &store->pages[page];
    pthread_rwlock_rdlock(&store->lock);
    bool own = state->own != NULL;
    template_render(own ? state->own : state->builtin, variables, n, out);
    pthread_rwlock_unlock(&store->lock);
    return own ? NULL : state->policy.data;
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
