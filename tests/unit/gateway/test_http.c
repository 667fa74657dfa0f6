/* test_http.c: reading requests: raw paths, repeated headers, media types, cookies. */
#include "gateway/http.h"

#include <criterion/criterion.h>

struct fixture {
    h2o_req_t req;
    h2o_iovec_t names[8];
    h2o_header_t headers[8];
};

static void add(struct fixture *f, const char *name, const char *value)
{
    size_t i = f->req.headers.size++;
    f->names[i] = h2o_iovec_init(name, strlen(name));
    f->headers[i].name = &f->names[i];
    f->headers[i].value = h2o_iovec_init(value, strlen(value));
    f->req.headers.entries = f->headers;
}

Test(http, path_is_raw_without_the_query)
{
    static struct fixture f;
    f.req.path = h2o_iovec_init(H2O_STRLIT("/v1/%6detrics/../x?a=/v1"));
    f.req.query_at = 18;
    cr_assert(slice_eq_str(http_path(&f.req), "/v1/%6detrics/../x"));
    f.req.query_at = SIZE_MAX;
    cr_assert_eq(http_path(&f.req).len, f.req.path.len);
}

Test(http, header_is_trimmed_and_counted)
{
    static struct fixture f;
    bool repeated;
    cr_assert_null(http_header(&f.req, SLICE_LIT("x"), &repeated).data);
    add(&f, "x", " \tone\t ");
    cr_assert(slice_eq_str(http_header(&f.req, SLICE_LIT("x"), &repeated), "one"));
    cr_assert_not(repeated);
    add(&f, "", "obsolete folding");
    add(&f, "x-y", "other");
    cr_assert(slice_eq_str(http_header(&f.req, SLICE_LIT("x"), &repeated), "one"));
    cr_assert_not(repeated);
    add(&f, "x", "");
    cr_assert(slice_eq_str(http_header(&f.req, SLICE_LIT("x"), &repeated), "one"));
    cr_assert(repeated);
}

Test(http, header_all_keeps_order_and_bound)
{
    static struct fixture f;
    struct slice values[2];
    add(&f, "via", "a");
    add(&f, "via", "b");
    add(&f, "via", "c");
    cr_assert_eq(http_header_all(&f.req, SLICE_LIT("via"), values, 2), 2);
    cr_assert(slice_eq_str(values[0], "a"));
    cr_assert(slice_eq_str(values[1], "b"));
}

Test(http, a_header_without_a_name_is_a_folded_line)
{
    static struct fixture f;
    cr_assert_not(http_is_folded(&f.req));
    add(&f, "x-kms-session-id", "abc");
    cr_assert_not(http_is_folded(&f.req));
    add(&f, "", "  def");
    add(&f, "x", "y");
    cr_assert(http_is_folded(&f.req));
}

Test(http, media_types)
{
    const char *type = "application/x-protobuf";
    cr_assert(http_media_type_is(SLICE_LIT("application/x-protobuf"), type));
    cr_assert(http_media_type_is(SLICE_LIT("Application/X-Protobuf ; charset=x"), type));
    cr_assert_not(http_media_type_is(SLICE_LIT("application/x-protobuf2"), type));
    cr_assert_not(http_media_type_is(SLICE_LIT("application/x-proto"), type));
    cr_assert_not(http_media_type_is(SLICE_LIT(";application/x-protobuf"), type));
    cr_assert_not(http_media_type_is((struct slice){0}, type));
}

Test(http, cookies)
{
    static struct fixture f;
    struct slice name = SLICE_LIT("ksid");
    bool repeated;
    cr_assert_null(http_cookie(&f.req, name, &repeated).data);
    add(&f, "cookie", "xksid=1; ksidx=2;ksid; =; ");
    cr_assert_null(http_cookie(&f.req, name, &repeated).data);
    cr_assert_not(repeated);
    add(&f, "cookie", "a=b;  ksid=0123 ; c=d");
    cr_assert(slice_eq_str(http_cookie(&f.req, name, &repeated), "0123"));
    cr_assert_not(repeated);
    add(&f, "cookie", "ksid=");
    cr_assert(slice_eq_str(http_cookie(&f.req, name, &repeated), "0123"));
    cr_assert(repeated, "an empty one counts");
    f.req.headers.size = 0;
    add(&f, "cookie", "ksid=1;ksid=1");
    http_cookie(&f.req, name, &repeated);
    cr_assert(repeated);
}
