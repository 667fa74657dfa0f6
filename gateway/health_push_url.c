/* health_push_url.c: the words of the push: see health_push.h. Pure. */
#include "gateway/health_push.h"

#include "base/clock.h"
#include "gateway/http_call.h"

#include <inttypes.h>
#include <strings.h>

/* RFC 3986, 2.3: what needs no percent-encoding. */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

static void append_encoded(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (is_unreserved(*text)) {
            buf_append_char(out, *text);
        } else {
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
        }
    }
}

static bool is_ours(struct slice pair)
{
    static const char *const ours[] = {"status", "msg", "ping"};
    const char *equals = memchr(pair.data, '=', pair.len);
    struct slice name =
        slice_make(pair.data, equals != NULL ? (size_t)(equals - pair.data) : pair.len);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (slice_eq_str(name, ours[i])) {
            return true;
        }
    }
    return false;
}

void health_push_url(struct buf *out, const char *base, const struct canary_outcome *outcome)
{
    size_t path_len = strcspn(base, "?");
    buf_append(out, base, path_len);
    buf_append_char(out, '?');
    for (const char *rest = base + path_len; *rest != '\0';) {
        size_t len = strcspn(++rest, "&");
        if (len != 0 && !is_ours(slice_make(rest, len))) {
            buf_append(out, rest, len);
            buf_append_char(out, '&');
        }
        rest += len;
    }
    if (outcome->arrived) {
        int64_t ms = (outcome->took_ns + NS_PER_MS - 1) / NS_PER_MS;
        buf_printf(out, "status=up&msg=OK&ping=%" PRId64, ms);
    } else {
        buf_append_str(out, "status=down&msg=");
        append_encoded(out, outcome->hop);
        append_encoded(out, ": ");
        append_encoded(out, outcome->problem);
    }
}

void health_push_shown_url(struct buf *out, const char *url)
{
    const char *authority = strstr(url, "://");
    authority = authority != NULL ? authority + 3 : url;
    size_t len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    const char *host = at != NULL ? at + 1 : authority;
    buf_append(out, url, (size_t)(authority - url));
    buf_append(out, host, len - (size_t)(host - authority));
    buf_append_str(out, "/...");
}

bool health_push_taken(const struct http_call_answer *answer, struct result *problem)
{
    if (answer->status == 0) {
        return result_fail(problem, "%s", answer->problem);
    }
    if (strncasecmp(answer->content_type, "text/html", 9) == 0) {
        return result_fail(problem,
                           "answered %ld with a web page; health.push_url is to be the push URL "
                           "that the monitor shows, with /api/push/ and its token",
                           answer->status);
    }
    if (answer->status < 200 || answer->status > 299) {
        return result_fail(problem, "answered %ld: %.*s", answer->status,
                           (int)(answer->body_len < 160 ? answer->body_len : 160), answer->body);
    }
    return true;
}
