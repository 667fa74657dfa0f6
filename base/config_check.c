/* config_check.c: the grammar of what is not a plain number or word: listen addresses, URLs, paths.
 * Each sentence ends with what would be right. */
#include "base/config_internal.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One to five digits, at most 65535. */
bool config_check_port(struct slice text)
{
    unsigned value = 0;
    if (text.len == 0 || text.len > 5) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    return value <= 65535;
}

static bool is_visible_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text >= 0x7f) {
            return false;
        }
    }
    return true;
}

/* Cuts "[v6]" or "v4" and ":port" apart; false when there is no colon, or brackets do not match. */
static bool split_port(struct slice text, struct slice *host, struct slice *port, bool *bracketed)
{
    const char *colon = memrchr(text.data, ':', text.len);
    *bracketed = text.len > 0 && text.data[0] == '[';
    if (colon == NULL) {
        return false;
    }
    *host = slice_make(text.data, (size_t)(colon - text.data));
    *port = slice_make(colon + 1, text.len - host->len - 1);
    if (*bracketed) {
        if (host->len < 2 || host->data[host->len - 1] != ']') {
            return false;
        }
        *host = slice_make(host->data + 1, host->len - 2);
    }
    return true;
}

bool config_check_listen(char *text, struct result *why)
{
    struct slice host;
    struct slice port;
    struct ip_addr addr;
    bool bracketed = false;
    bool ok = split_port(slice_of(text), &host, &port, &bracketed) && config_check_port(port);
    if (ok && (bracketed || host.len != 0)) {
        bool is_v6 = memchr(host.data, ':', host.len) != NULL;
        ok = is_v6 == bracketed && ip_parse(host, &addr);
    }
    if (!ok) {
        char shown[CONFIG_SHOWN_MAX];
        return result_fail(why,
                           "\"%s\" is not an address to listen on; write address:port with a "
                           "numeric address, such as 0.0.0.0:8080, [::]:8080 or :8080",
                           config_shown(slice_of(text), shown));
    }
    return true;
}

/* Host and port of a URL's authority. */
static bool is_authority(struct slice authority)
{
    struct slice host = authority;
    struct slice port = SLICE_LIT("1");
    bool bracketed = false;
    struct ip_addr addr;
    if (authority.len > 0 && authority.data[authority.len - 1] == ']') {
        bracketed = authority.data[0] == '[';
        host = slice_make(authority.data + 1, authority.len - 2);
    } else if (memchr(authority.data, ':', authority.len) != NULL &&
               !split_port(authority, &host, &port, &bracketed)) {
        return false;
    }
    bool host_ok = bracketed ? ip_parse(host, &addr) : memchr(host.data, ':', host.len) == NULL;
    bool brackets_left = !bracketed && (memchr(host.data, '[', host.len) != NULL ||
                                        memchr(host.data, ']', host.len) != NULL);
    return host.len != 0 && host_ok && !brackets_left && config_check_port(port) &&
           !slice_eq_str(port, "0");
}

/* Where the authority begins, or NULL when it is neither http:// nor https://. */
static const char *behind_scheme(const char *url)
{
    if (strncasecmp(url, "http://", 7) == 0) {
        return url + 7;
    }
    return strncasecmp(url, "https://", 8) == 0 ? url + 8 : NULL;
}

bool config_check_url(char *text, struct result *why)
{
    const char *authority = behind_scheme(text);
    size_t len = authority != NULL ? strcspn(authority, "/?#") : 0;
    if (authority != NULL && memchr(authority, '@', len) != NULL) {
        return result_fail(why, "a user name or password in the URL is not supported; take it out "
                                "and use headers, such as \"Authorization: Basic ...\"");
    }
    char shown[CONFIG_SHOWN_MAX];
    config_shown(slice_of(text), shown);
    if (authority == NULL || !is_visible_ascii(text) || !is_authority(slice_make(authority, len))) {
        return result_fail(why,
                           "\"%s\" is not a URL with http:// or https:// and a host; write one "
                           "such as http://collector:4318",
                           shown);
    }
    if (strpbrk(authority, "?#") != NULL) {
        return result_fail(why,
                           "\"%s\" has a query or a fragment; write the base URL only: /v1/metrics "
                           "and the like are added to it",
                           shown);
    }
    size_t end = strlen(text);
    while (text[end - 1] == '/') {
        text[--end] = '\0';
    }
    return true;
}

bool config_check_push_url(char *text, struct result *why)
{
    const char *authority = behind_scheme(text);
    size_t len = authority != NULL ? strcspn(authority, "/?#") : 0;
    const char *at = authority != NULL ? memrchr(authority, '@', len) : NULL;
    const char *host = at != NULL ? at + 1 : authority;
    bool good = authority != NULL && is_visible_ascii(text) && strchr(text, '#') == NULL &&
                is_authority(slice_make(host, len - (size_t)(host - authority)));
    return text[0] == '\0' || good ||
           result_fail(why, "the value, which is not shown because it holds a token, is not a URL "
                            "with http:// or https:// and a host; write it as the monitor shows "
                            "it, such as https://kuma.example.org/api/push/TOKEN");
}

bool config_check_location(char *text, struct result *why)
{
    const char *authority = behind_scheme(text);
    bool is_url = authority != NULL && strchr("/?#", *authority) == NULL;
    if ((text[0] != '/' && !is_url) || !is_visible_ascii(text)) {
        char shown[CONFIG_SHOWN_MAX];
        return result_fail(why,
                           "\"%s\" is not a place to send a browser to; write a path that begins "
                           "with / or a URL with http:// or https://, without spaces",
                           config_shown(slice_of(text), shown));
    }
    return true;
}

bool config_check_origin(char *text, struct result *why)
{
    const char *authority = behind_scheme(text);
    bool is_origin = authority != NULL && *authority != '\0' && strpbrk(authority, "/?#@") == NULL;
    if ((strcmp(text, "*") != 0 && !is_origin) || !is_visible_ascii(text)) {
        char shown[CONFIG_SHOWN_MAX];
        return result_fail(why,
                           "\"%s\" is not a web origin; write one such as https://app.example.org, "
                           "without a path, or * for all",
                           config_shown(slice_of(text), shown));
    }
    return true;
}

bool config_check_text(char *text, struct result *why)
{
    if (!utf8_valid(text, strlen(text)) || strpbrk(text, "\n\r\t") != NULL) {
        return result_fail(why, "the text is not one line of UTF-8; write it so");
    }
    return true;
}

static bool is_base_path(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~/";
    return text[0] == '/' && text[strspn(text, allowed)] == '\0' && strstr(text, "//") == NULL &&
           strstr(text, "/.") == NULL;
}

bool config_check_base_path(char *text, struct result *why)
{
    size_t end = strlen(text);
    char shown[CONFIG_SHOWN_MAX];
    config_shown(slice_of(text), shown);
    while (end > 0 && text[end - 1] == '/') {
        text[--end] = '\0';
    }
    return end == 0 || is_base_path(text) ||
           result_fail(why,
                       "\"%s\" is not a base path; write one such as /ost_status: a / and then "
                       "letters, digits, - . _ ~ and single slashes, no part that begins with a "
                       "dot",
                       shown);
}

bool config_check_optional_path(char *text, struct result *why)
{
    return text[0] == '\0' || config_check_path(text, why);
}

bool config_check_path(char *text, struct result *why)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return result_fail(why, "the path has a control character; take it out");
        }
    }
    return text[0] != '\0' || result_fail(why, "the path is empty; write one or leave the key out");
}

bool config_check_directory(char *text, struct result *why)
{
    if (!config_check_path(text, why)) {
        return false;
    }
    size_t end = strlen(text);
    while (end > 1 && text[end - 1] == '/') {
        text[--end] = '\0';
    }
    return true;
}
