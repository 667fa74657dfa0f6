/* page_policy.c: see page_policy.h. */
#include "gateway/page_policy.h"

#include <openssl/evp.h>
#include <string.h>

#define SHA256_LEN 32
#define BASE64_LEN 44

static const char *find(const char *from, const char *end, const char *text)
{
    return memmem(from, (size_t)(end - from), text, strlen(text));
}

static bool has_tag(struct slice text)
{
    const char *end = text.data + text.len;
    return find(text.data, end, "{{") != NULL || find(text.data, end, "{%") != NULL ||
           find(text.data, end, "{#") != NULL;
}

static bool append_hash(struct slice text, struct buf *out)
{
    unsigned char digest[SHA256_LEN];
    unsigned char base64[BASE64_LEN + 1];
    if (EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL) != 1) {
        return false;
    }
    EVP_EncodeBlock(base64, digest, SHA256_LEN);
    buf_printf(out, " 'sha256-%s'", (const char *)base64);
    return true;
}

/* "directive 'sha256-…' 'sha256-…'; " over the elements of one kind; 'none' where there are none.
 * Only the bare opening tag is known: an element with attributes would have no hash and not run. */
static bool append_sources(struct slice source, const char *directive, const char *open,
                           const char *close, struct buf *out)
{
    const char *at = source.data;
    const char *end = source.data + source.len;
    bool any = false;
    buf_append_str(out, directive);
    while ((at = find(at, end, open)) != NULL) {
        at += strlen(open);
        const char *closed = find(at, end, close);
        if (closed == NULL) {
            return false;
        }
        struct slice text = slice_make(at, (size_t)(closed - at));
        if (has_tag(text) || !append_hash(text, out)) {
            return false;
        }
        at = closed;
        any = true;
    }
    buf_append_str(out, any ? "; " : " 'none'; ");
    return true;
}

bool page_policy_builtin(struct slice source, struct buf *out)
{
    buf_append_str(out, "default-src 'none'; ");
    if (!append_sources(source, "style-src", "<style>", "</style>", out) ||
        !append_sources(source, "script-src", "<script>", "</script>", out)) {
        return false;
    }
    buf_append_str(out, "connect-src 'self'; img-src data:; base-uri 'none'; "
                        "frame-ancestors 'none'; ");
    return !out->failed;
}

/* Behind the app there may be a sign-in elsewhere, to which it redirects in turn: any https. What
 * is neither on this server nor https must be named. */
void page_policy_form(const char *redirect, struct buf *out)
{
    static const char plain[] = "http://";
    const size_t scheme = strlen(plain);
    buf_append_str(out, "form-action 'self' https:");
    if (strncmp(redirect, "//", 2) == 0) {
        buf_append_str(out, " http:");
    }
    if (strncasecmp(redirect, plain, scheme) != 0) {
        return;
    }
    size_t len = strcspn(redirect + scheme, "/?#");
    size_t known = strspn(redirect + scheme, "abcdefghijklmnopqrstuvwxyz"
                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "0123456789.-:");
    if (known >= len) {
        buf_append_char(out, ' ');
        buf_append(out, redirect, scheme + len);
    } else { /* what a policy cannot name, such as [::1] or a name that holds {id} */
        buf_append_str(out, " http:");
    }
}
