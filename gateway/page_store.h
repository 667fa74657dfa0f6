/* page_store.h: the pages for people: templates of the operator's, or the built-in ones.
 *
 * A page is read from {templates.dir}/NAME.html, compiled once, and read again when the file
 * changes. A file that is missing gives the built-in page in silence; one that is unreadable, too
 * long, faulty, or that everybody may write gives the built-in page with one log line. A copy of
 * the built-in page is the built-in page. Thread-safe.
 */
#ifndef SIGPOST_GATEWAY_PAGE_STORE_H
#define SIGPOST_GATEWAY_PAGE_STORE_H

#include "session/template.h"

#include <stdbool.h>

enum page { PAGE_INDEX, PAGE_WAITING, PAGE_STATUS, PAGE_COUNT };

struct page_store;

/* NULL when out of memory. dir is copied. */
struct page_store *page_store_create(const char *dir);
void page_store_destroy(struct page_store *store);

/* Looks at the files and compiles what changed; called about once a second by the housekeeper. A
 * different dir (reload of the configuration) takes effect here. */
void page_store_refresh(struct page_store *store, const char *dir);

/* Appends the page. Returns the beginning of its Content-Security-Policy (page_policy.h) when it is
 * the built-in one, which lives as long as the store, and NULL when it is the operator's. */
const char *page_store_render(struct page_store *store, enum page page,
                              const struct template_variable *variables, size_t n, struct buf *out);

/* Is a faulty template being replaced by a built-in page? (A missing file is no fault.) */
bool page_store_fallback(struct page_store *store);

#endif
