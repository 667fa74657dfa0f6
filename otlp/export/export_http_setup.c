/* export_http_setup.c: see export_http_setup.h. */
#include "otlp/export/export_http_setup.h"

#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* The URL parts that a base URL may not have, and how to say so. */
static bool check_parts(CURLU *parsed, struct result *why)
{
    static const struct {
        CURLUPart part;
        const char *name;
    } unwanted[] = {{CURLUPART_QUERY, "a query (?…)"}, {CURLUPART_FRAGMENT, "a fragment (#…)"}};
    for (size_t i = 0; i < sizeof(unwanted) / sizeof(unwanted[0]); i++) {
        char *text = NULL;
        if (curl_url_get(parsed, unwanted[i].part, &text, 0) == CURLUE_OK) {
            curl_free(text);
            return result_fail(
                why,
                "the destination's url has %s; it is to be the base that /v1/metrics "
                "is put behind, like http://collector:4318",
                unwanted[i].name);
        }
    }
    char *scheme = NULL;
    bool http = curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    return http || result_fail(why, "the destination's url is not http:// or https://");
}

static char *copy_url(CURLU *parsed, const char *path)
{
    char *base = NULL;
    if (curl_url_get(parsed, CURLUPART_URL, &base, 0) != CURLUE_OK) {
        return NULL;
    }
    size_t len = strlen(base);
    while (len != 0 && base[len - 1] == '/') {
        len--;
    }
    char *url = NULL;
    if (asprintf(&url, "%.*s%s", (int)len, base, path) < 0) {
        url = NULL;
    }
    curl_free(base);
    return url;
}

static bool fill(char *urls[SIGNAL_COUNT], CURLU *parsed)
{
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        urls[i] = copy_url(parsed, signal_info((enum signal)i)->path.data);
        if (urls[i] == NULL) {
            return false;
        }
    }
    return true;
}

bool export_http_make_urls(struct export_http_urls *urls, const char *base, struct result *why)
{
    bool done = false;
    *urls = (struct export_http_urls){{NULL}, {NULL}};
    CURLU *parsed = curl_url();
    if (parsed == NULL) {
        return result_fail(why, "out of memory");
    }
    CURLUcode code = curl_url_set(parsed, CURLUPART_URL, base != NULL ? base : "", 0);
    if (code != CURLUE_OK) {
        /* The text itself is not shown: it may hold a password. */
        result_fail(why,
                    "the destination's url cannot be read: %s; it is to be like "
                    "http://collector:4318",
                    curl_url_strerror(code));
        goto cleanup;
    }
    if (!check_parts(parsed, why)) {
        goto cleanup;
    }
    done = fill(urls->real, parsed) && curl_url_set(parsed, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
           curl_url_set(parsed, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
           fill(urls->shown, parsed);
    if (!done) {
        result_fail(why, "out of memory");
    }
cleanup:
    curl_url_cleanup(parsed);
    if (!done) {
        export_http_free_urls(urls);
    }
    return done;
}

void export_http_free_urls(struct export_http_urls *urls)
{
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        if (urls->real[i] != NULL) {
            explicit_bzero(urls->real[i], strlen(urls->real[i]));
        }
        free(urls->real[i]);
        free(urls->shown[i]);
        urls->real[i] = urls->shown[i] = NULL;
    }
}

static bool append(struct curl_slist **list, const char *line)
{
    struct curl_slist *grown = curl_slist_append(*list, line);
    if (grown == NULL) {
        return false;
    }
    *list = grown;
    return true;
}

/* tchar of RFC 9110, 5.6.2. */
static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c == '\0' || (!alnum && strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return len != 0;
}

static bool is_ours(const char *name, size_t len)
{
    static const char *const ours[] = {"Content-Type",      "Content-Length", "Content-Encoding",
                                       "Transfer-Encoding", "Connection",     "Expect"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strlen(ours[i]) == len && strncasecmp(ours[i], name, len) == 0) {
            return true;
        }
    }
    return false;
}

static bool append_configured(struct curl_slist **list, const char *line, struct result *why)
{
    size_t name_len = strcspn(line, ":");
    if (line[name_len] != ':' || !is_token(line, name_len)) {
        return result_fail(why, "a header of the destination is not \"Name: value\" with a name of "
                                "letters, digits and dashes");
    }
    if (is_ours(line, name_len)) {
        return result_fail(why,
                           "the destination's header %.*s is set by sigpost itself; take it "
                           "out of the configuration",
                           (int)name_len, line);
    }
    const char *value = line + name_len + 1;
    value += strspn(value, " \t");
    for (const char *c = value; *c != '\0'; c++) {
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f) {
            return result_fail(why,
                               "the value of the destination's header %.*s has a control "
                               "character",
                               (int)name_len, line);
        }
    }
    /* "Name;" is libcurl's form of a header without a value. */
    char *text = NULL;
    int made = *value != '\0' ? asprintf(&text, "%.*s: %s", (int)name_len, line, value)
                              : asprintf(&text, "%.*s;", (int)name_len, line);
    bool added = made >= 0 && append(list, text);
    if (made >= 0) {
        explicit_bzero(text, (size_t)made);
        free(text);
    }
    return added || result_fail(why, "out of memory");
}

static bool append_encoding(struct curl_slist **list, enum export_zip zip)
{
    char text[64];
    const char *name = export_zip_name(zip);
    snprintf(text, sizeof(text), "Content-Encoding: %s", name != NULL ? name : "");
    return name == NULL || append(list, text);
}

bool export_http_make_headers(struct curl_slist **list, const struct export_http_options *options,
                              struct result *why)
{
    *list = NULL;
    /* The empty Expect keeps libcurl from asking first and waiting for a 100 before long bodies. */
    bool done = append(list, "Content-Type: application/x-protobuf") && append(list, "Expect:") &&
                append(list, "Accept: application/x-protobuf") &&
                append_encoding(list, options->zip);
    bool own_agent = false;
    if (!done) {
        result_fail(why, "out of memory");
    }
    for (size_t i = 0; i < options->n_headers && done; i++) {
        own_agent = own_agent || strncasecmp(options->headers[i], "User-Agent:", 11) == 0;
        done = append_configured(list, options->headers[i], why);
    }
    if (done && !own_agent) {
        done = append(list, "User-Agent: sigpost/" SIGPOST_VERSION) ||
               result_fail(why, "out of memory");
    }
    if (!done) {
        export_http_free_headers(*list);
        *list = NULL;
    }
    return done;
}

void export_http_free_headers(struct curl_slist *list)
{
    for (struct curl_slist *item = list; item != NULL; item = item->next) {
        explicit_bzero(item->data, strlen(item->data));
    }
    curl_slist_free_all(list);
}

bool export_http_check_ca_file(const char *path, struct result *why)
{
    if (path == NULL) {
        return true;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return result_fail_errno(why, errno, "cannot read the destination's ca_file %s", path);
    }
    char line[256];
    bool found = false;
    while (!found && fgets(line, sizeof(line), file) != NULL) {
        found = strncmp(line, "-----BEGIN CERTIFICATE-----", 27) == 0 ||
                strncmp(line, "-----BEGIN TRUSTED CERTIFICATE-----", 35) == 0;
    }
    fclose(file);
    return found || result_fail(why,
                                "the destination's ca_file %s holds no certificate; it is to "
                                "be PEM, with a line -----BEGIN CERTIFICATE-----",
                                path);
}
