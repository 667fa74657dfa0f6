/* test_visitor.c: pages or not, other sites or not. */
#include "gateway/visitor.h"

#include <criterion/criterion.h>

struct fixture {
    h2o_req_t req;
    h2o_iovec_t names[8];
    h2o_header_t headers[8];
};

static struct fixture make(const char *method)
{
    struct fixture f = {.req.method = {(char *)method, strlen(method)}};
    return f;
}

static void add(struct fixture *f, const char *name, const char *value)
{
    size_t i = f->req.headers.size++;
    f->names[i] = h2o_iovec_init(name, strlen(name));
    f->headers[i].name = &f->names[i];
    f->headers[i].value = h2o_iovec_init(value, strlen(value));
    f->req.headers.entries = f->headers;
}

static bool wants_page(const char *accept)
{
    struct fixture f = make("GET");
    add(&f, "accept", accept);
    return visitor_wants_page(&f.req);
}

Test(visitor, a_page_is_named)
{
    static const char *const pages[] = {"text/html",
                                        "TEXT/HTML",
                                        "text/html,application/xhtml+xml,*/*;q=0.8",
                                        "application/json, text/html ;q=0.1",
                                        "text/html;level=1;q=0.001",
                                        "text/html;q=1"};
    static const char *const rest[] = {
        "",           "*/*",           "text/*",           "application/json",  "text/htmlx",
        "xtext/html", "text/html;q=0", "text/html; q=0.0", "text/html;Q=0.000", "a;b=text/html",
        ",,;,",       "text/plain;q=1"};
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        cr_expect(wants_page(pages[i]), "%s", pages[i]);
    }
    for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
        cr_expect(!wants_page(rest[i]), "%s", rest[i]);
    }
    struct fixture f = make("GET");
    cr_expect(!visitor_wants_page(&f.req));
    add(&f, "accept", "application/json");
    add(&f, "accept", "text/html");
    cr_expect(visitor_wants_page(&f.req), "two headers are one list");
}

static bool is_cross(const char *method, const char *site, const char *mode, const char *dest)
{
    struct fixture f = make(method);
    if (site != NULL) {
        add(&f, "sec-fetch-site", site);
    }
    if (mode != NULL) {
        add(&f, "sec-fetch-mode", mode);
    }
    if (dest != NULL) {
        add(&f, "sec-fetch-dest", dest);
    }
    return visitor_is_cross_site(&f.req);
}

Test(visitor, other_sites_may_link_and_nothing_else)
{
    cr_expect(!is_cross("POST", NULL, NULL, NULL));
    cr_expect(!is_cross("POST", "same-origin", "cors", "empty"));
    cr_expect(!is_cross("POST", "same-site", "navigate", "document"));
    cr_expect(!is_cross("GET", "none", "navigate", "document"));
    cr_expect(!is_cross("GET", "cross-site", "navigate", "document"));
    cr_expect(!is_cross("HEAD", "cross-site", "navigate", "document"));
    cr_expect(is_cross("POST", "cross-site", "navigate", "document"));
    cr_expect(is_cross("GET", "cross-site", "navigate", "iframe"));
    cr_expect(is_cross("GET", "cross-site", "no-cors", "image"));
    cr_expect(is_cross("GET", "cross-site", NULL, NULL));
}
