/* test_page_policy.c: the Content-Security-Policy of the built-in pages. */
#include "gateway/page_policy.h"

#include "gateway/builtin_pages.h"

#include <criterion/criterion.h>
#include <string.h>

static bool policy_is(const char *source, const char *expected)
{
    struct buf out = BUF_INIT;
    bool good = page_policy_builtin(slice_of(source), &out);
    bool same = good && strcmp(buf_cstr(&out), expected) == 0;
    if (!same) {
        cr_log_error("%s", buf_cstr(&out));
    }
    buf_free(&out);
    return same;
}

static bool refuses(const char *source)
{
    struct buf out = BUF_INIT;
    bool good = page_policy_builtin(slice_of(source), &out);
    buf_free(&out);
    return !good;
}

#define REST "connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; "

/* The digests are those of `printf %s TEXT | openssl dgst -sha256 -binary | base64`. */
Test(page_policy, names_each_element_by_its_hash)
{
    cr_assert(policy_is("<p>", "default-src 'none'; style-src 'none'; script-src 'none'; " REST));
    cr_assert(policy_is(
        "<style>p { margin: 0 }</style><script>a()</script>{{ x }}<script>b()</script>",
        "default-src 'none'; style-src 'sha256-7IWhgxoOGTB5NQzjGk9OPt0FwhVeBvZGoWgF9xLLh8c='; "
        "script-src 'sha256-qVpDBgj7bpq5hMAcGp3AOc79J3Y1Z4HvySTwKrWDoy4=' "
        "'sha256-cf242PFc/kb7xD0Qzhsmd9vvRkc+cWFmbi+k+YvtdKc='; " REST));
    cr_assert(policy_is("<style></style>",
                        "default-src 'none'; "
                        "style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; "
                        "script-src 'none'; " REST));
}

Test(page_policy, what_differs_from_rendering_to_rendering_has_no_hash)
{
    cr_assert(refuses("<script>var base = '{{ base }}'</script>"));
    cr_assert(refuses("<style>{% if x %}p{% endif %}</style>"));
    cr_assert(refuses("<style>{# gone #}</style>"));
    cr_assert(refuses("<style>p"));
    cr_assert(refuses("<script>p</style>"));
}

static void assert_strict(const char *page, size_t len)
{
    struct buf out = BUF_INIT;
    struct slice source = slice_make(page, len);
    cr_assert(page_policy_builtin(source, &out));
    const char *policy = buf_cstr(&out);
    cr_assert_null(strstr(policy, "unsafe"), "%s", policy);
    cr_assert_null(strstr(policy, "style-src 'none'"), "the style is not known: %s", policy);
    cr_assert_null(strstr(policy, "script-src 'none'"), "the script is not known: %s", policy);
    buf_free(&out);
    static const char *const inline_things[] = {
        " style=", " onclick=",           " onload=", "javascript:", "<script ",
        "<style ", "http-equiv=\"Content"};
    for (size_t i = 0; i < sizeof(inline_things) / sizeof(inline_things[0]); i++) {
        cr_assert_null(memmem(page, len, inline_things[i], strlen(inline_things[i])), "%s",
                       inline_things[i]);
    }
}

Test(page_policy, of_each_built_in_page)
{
    assert_strict(builtin_index_html, builtin_index_html_len);
    assert_strict(builtin_waiting_html, builtin_waiting_html_len);
    assert_strict(builtin_status_html, builtin_status_html_len);
}

static bool form_is(const char *redirect, const char *expected)
{
    struct buf out = BUF_INIT;
    page_policy_form(redirect, &out);
    bool same = strcmp(buf_cstr(&out), expected) == 0;
    if (!same) {
        cr_log_error("%s: %s", redirect, buf_cstr(&out));
    }
    buf_free(&out);
    return same;
}

Test(page_policy, the_form_may_lead_where_the_redirect_does)
{
    cr_assert(form_is("/", "form-action 'self' https:"));
    cr_assert(form_is("/s/{id}/", "form-action 'self' https:"));
    cr_assert(form_is("https://a.example.org:8443/s/", "form-action 'self' https:"));
    cr_assert(form_is("http://a.example.org:3000/s/{id}/?x#y",
                      "form-action 'self' https: http://a.example.org:3000"));
    cr_assert(form_is("HTTP://a", "form-action 'self' https: HTTP://a"));
    cr_assert(form_is("//a.example.org/", "form-action 'self' https: http:"));
    cr_assert(form_is("http://{id}.example.org/", "form-action 'self' https: http:"));
    cr_assert(form_is("http://[::1]:3000/", "form-action 'self' https: http:"));
    cr_assert(form_is("http://a;script-src *", "form-action 'self' https: http:"));
    cr_assert(form_is("http://a,b/", "form-action 'self' https: http:"));
}
