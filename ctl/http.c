/* http.c: see http.h. */
#include "ctl/http.h"

#include "base/clock.h"
#include "base/slice.h"

#include <curl/curl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static size_t take_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct http_answer *answer = arg;
    size_t room = HTTP_BODY_MAX - answer->body.len;
    buf_append(&answer->body, bytes, size * n < room ? size * n : room);
    return size * n;
}

static bool is_header(struct slice line, const char *name, struct slice *value)
{
    size_t len = strlen(name);
    if (line.len <= len || strncasecmp(line.data, name, len) != 0 || line.data[len] != ':') {
        return false;
    }
    *value = slice_make(line.data + len + 1, line.len - len - 1);
    while (value->len != 0 && strchr(" \t", value->data[0]) != NULL) {
        value->data++;
        value->len--;
    }
    while (value->len != 0 && strchr(" \t\r\n", value->data[value->len - 1]) != NULL) {
        value->len--;
    }
    return true;
}

static size_t take_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct http_answer *answer = arg;
    struct slice value;
    char text[64];
    if (is_header(slice_make(bytes, size * n), "date", &value) && value.len < sizeof(text)) {
        memcpy(text, value.data, value.len);
        text[value.len] = '\0';
        time_t date = curl_getdate(text, NULL);
        answer->date_s = date >= 0 ? (int64_t)date : INT64_MIN;
    } else if (is_header(slice_make(bytes, size * n), "location", &value) &&
               value.len < sizeof(answer->location)) {
        memcpy(answer->location, value.data, value.len);
        answer->location[value.len] = '\0';
    }
    return size * n;
}

static struct curl_slist *list_headers(const struct http_call *call)
{
    struct curl_slist *list = NULL;
    for (size_t i = 0; call->headers[i] != NULL; i++) {
        struct curl_slist *grown = curl_slist_append(list, call->headers[i]);
        list = grown != NULL ? grown : list;
    }
    return list;
}

static void set_options(CURL *curl, const struct http_call *call, struct http_answer *answer,
                        struct curl_slist *headers, char error[CURL_ERROR_SIZE])
{
    curl_easy_setopt(curl, CURLOPT_URL, call->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, call->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "sigpostctl/" SIGPOST_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    if (call->ca_file != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, call->ca_file);
    }
    if (call->body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
    }
}

/* `verified` is OpenSSL's verdict on the chain. libcurl looks at the names first where the
 * handshake went well, and leaves "unspecified" then. */
static enum http_failure judge_certificate(long verified)
{
    if (verified == X509_V_ERR_CERT_HAS_EXPIRED || verified == X509_V_ERR_CERT_NOT_YET_VALID) {
        return HTTP_OUT_OF_DATE;
    }
    return verified == X509_V_OK || verified == X509_V_ERR_UNSPECIFIED ? HTTP_OTHER_NAME
                                                                       : HTTP_UNKNOWN_AUTHORITY;
}

static enum http_failure judge_failure(CURL *curl, CURLcode code, const char *url)
{
    long verified = 0;
    bool tls = strncmp(url, "https://", 8) == 0;
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &verified);
        return judge_certificate(verified);
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_NO_AUTHORITIES;
    case CURLE_SSL_CONNECT_ERROR:
        return HTTP_NO_TLS;
    case CURLE_UNSUPPORTED_PROTOCOL: /* libcurl's word for an answer that begins like no HTTP */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return tls ? HTTP_UNREACHED : HTTP_NO_HTTP;
    default:
        return HTTP_UNREACHED;
    }
}

bool http_call(const struct http_call *call, struct http_answer *answer, struct result *why)
{
    char error[CURL_ERROR_SIZE] = "";
    long status = 0;
    *answer = (struct http_answer){.date_s = INT64_MIN, .body = BUF_INIT};
    CURL *curl = curl_easy_init();
    if (curl == NULL) {
        return result_fail(why, "out of memory");
    }
    struct curl_slist *headers = list_headers(call);
    set_options(curl, call, answer, headers, error);
    answer->sent_ns = clock_wall_ns();
    CURLcode code = curl_easy_perform(curl);
    answer->arrived_ns = clock_wall_ns();
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    bool ok = code == CURLE_OK && status != 0;
    if (!ok) {
        answer->failure = judge_failure(curl, code, call->url);
        result_fail(why, "%s", error[0] != '\0' ? error : curl_easy_strerror(code));
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return ok;
}

void http_answer_free(struct http_answer *answer)
{
    buf_free(&answer->body);
}
