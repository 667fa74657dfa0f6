/* pages.h: the pages for people, with their variables (docs/sessions.md). */
#ifndef SIGPOST_GATEWAY_PAGES_H
#define SIGPOST_GATEWAY_PAGES_H

#include "gateway/gateway.h"

#define PAGE_VARIABLES_MAX 64

struct page_variables {
    struct template_variable all[PAGE_VARIABLES_MAX];
    size_t n;
};

/* Adds one; past the room there is, nothing. Texts are borrowed until the page is rendered. */
void page_add_text(struct page_variables *variables, const char *name, struct slice text);
void page_add_number(struct page_variables *variables, const char *name, int64_t number);
void page_add_bool(struct page_variables *variables, const char *name, bool value);

/* Adds what every page has: the lobby as the visitor sees it, the year, the base path. */
void page_add_common(struct worker *worker, struct page_variables *variables,
                     const struct lobby_view *view);

/* Answers with the page, and with what a browser may do for it (page_policy.h). */
void page_reply(struct worker *worker, h2o_req_t *req, int status, enum page page,
                const struct page_variables *variables);

#endif
