/* http_call.c: see http_call.h. */
#include "gateway/http_call.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

/* The rest of a long body is read and thrown away, so that the connection stays usable. */
static size_t take_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct http_call_answer *answer = arg;
    size_t room = sizeof(answer->body) - answer->body_len;
    size_t kept = size * n < room ? size * n : room;
    memcpy(answer->body + answer->body_len, bytes, kept);
    answer->body_len += kept;
    return size * n;
}

/* Asked at least once a second; other than 0 ends the transfer. */
static int is_over(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                   curl_off_t up)
{
    (void)down_all, (void)down, (void)up_all, (void)up;
    const atomic_bool *stopping = arg;
    return atomic_load(stopping) ? 1 : 0;
}

static void set_options(CURL *curl, const struct http_call *call, struct http_call_answer *out)
{
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, call->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a name server that hangs */
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(call->timeout_ns / NS_PER_MS) + 1);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "sigpost/" SIGPOST_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, out->problem);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, is_over);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, call->stopping);
    if (call->body.data != NULL) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.data);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    }
}

bool http_call(CURL *curl, const struct http_call *call, struct http_call_answer *out)
{
    *out = (struct http_call_answer){0};
    set_options(curl, call, out);
    CURLcode code = curl_easy_perform(curl);
    out->failure = code;
    if (code != CURLE_OK) {
        if (out->problem[0] == '\0') {
            snprintf(out->problem, sizeof(out->problem), "%s", curl_easy_strerror(code));
        }
    } else {
        const char *type = NULL;
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
        curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
        snprintf(out->content_type, sizeof(out->content_type), "%s", type != NULL ? type : "");
    }
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL); /* *out may go before the handle does */
    return code == CURLE_OK;
}
