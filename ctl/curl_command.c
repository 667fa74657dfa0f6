/* curl_command.c: what a curl command would send: method, target and headers; see request.h.
 *
 * The options that take a value must all be known, or the value would be read as the URL; these are
 * curl 8's. What they set does not matter here but for a few.
 */
#include "ctl/request.h"

#include <strings.h>

enum effect { IGNORED, HEADER, METHOD, URL, DATA, UPLOAD, URL_QUERY };

static const struct valued {
    const char *name;
    char letter; /* 0: none */
    enum effect effect;
} valued[] = {
    {"header", 'H', HEADER},
    {"request", 'X', METHOD},
    {"url", 0, URL},
    {"url-query", 0, URL_QUERY},
    {"data", 'd', DATA},
    {"data-ascii", 0, DATA},
    {"data-binary", 0, DATA},
    {"data-raw", 0, DATA},
    {"data-urlencode", 0, DATA},
    {"json", 0, DATA},
    {"form", 'F', DATA},
    {"form-string", 0, DATA},
    {"upload-file", 'T', UPLOAD},
    {NULL, 'A', IGNORED},
    {NULL, 'b', IGNORED},
    {NULL, 'c', IGNORED},
    {NULL, 'C', IGNORED},
    {NULL, 'D', IGNORED},
    {NULL, 'e', IGNORED},
    {NULL, 'E', IGNORED},
    {NULL, 'h', IGNORED},
    {NULL, 'K', IGNORED},
    {NULL, 'm', IGNORED},
    {NULL, 'o', IGNORED},
    {NULL, 'P', IGNORED},
    {NULL, 'Q', IGNORED},
    {NULL, 'r', IGNORED},
    {NULL, 't', IGNORED},
    {NULL, 'u', IGNORED},
    {NULL, 'U', IGNORED},
    {NULL, 'w', IGNORED},
    {NULL, 'x', IGNORED},
    {NULL, 'y', IGNORED},
    {NULL, 'Y', IGNORED},
    {NULL, 'z', IGNORED},
};

/* Long options whose value changes nothing that is signed, between blanks. */
static const char ignored[] =
    " abstract-unix-socket alt-svc aws-sigv4 cacert capath cert cert-type ciphers config"
    " connect-timeout connect-to continue-at cookie cookie-jar create-file-mode crlfile curves"
    " delegation dns-interface dns-ipv4-addr dns-ipv6-addr dns-servers doh-url dump-header ech"
    " egd-file engine etag-compare etag-save expect100-timeout ftp-account"
    " ftp-alternative-to-user ftp-method ftp-port ftp-ssl-ccc-mode happy-eyeballs-timeout-ms"
    " haproxy-clientip help hostpubmd5 hostpubsha256 hsts interface ip-tos ipfs-gateway"
    " keepalive-cnt keepalive-time key key-type krb libcurl limit-rate local-port login-options"
    " mail-auth mail-from mail-rcpt max-filesize max-redirs max-time netrc-file noproxy"
    " oauth2-bearer output output-dir parallel-max pass pinnedpubkey preproxy proto"
    " proto-default proto-redir proxy proxy-cacert proxy-capath proxy-cert proxy-cert-type"
    " proxy-ciphers proxy-crlfile proxy-header proxy-key proxy-key-type proxy-pass"
    " proxy-pinnedpubkey proxy-service-name proxy-tls13-ciphers proxy-tlsauthtype"
    " proxy-tlspassword proxy-tlsuser proxy-user proxy1.0 pubkey quote random-file range rate"
    " referer request-target resolve retry retry-delay retry-max-time sasl-authzid service-name"
    " sigalgs socks4 socks4a socks5 socks5-gssapi-service socks5-hostname speed-limit speed-time"
    " stderr telnet-option tftp-blksize time-cond tls-max tls13-ciphers tlsauthtype tlspassword"
    " tlsuser trace trace-ascii trace-config unix-socket user user-agent variable vlan-priority"
    " write-out ";

struct curl {
    struct request *request;
    size_t at; /* the word under way */
    const char *url;
    bool has_data, get, head, upload;
    struct result *why;
};

static bool take_header(struct curl *in, const char *text)
{
    size_t name = strcspn(text, ":;");
    if (text[0] == '@') {
        return result_fail(in->why, "-H %.100s reads headers from a file; paste them instead",
                           text);
    }
    if (!request_is_name(slice_make(text, name)) || text[name] == '\0') {
        return result_fail(in->why, "-H \"%.100s\" is not \"Name: value\"", text);
    }
    struct slice value = slice_of(text + name + 1);
    /* "Name:" takes a header of curl's own away; "Name;" sends it without a value. */
    bool blank = strspn(value.data, " \t") == value.len;
    if (text[name] == ':' && blank) {
        return true;
    }
    return request_add_header(in->request, slice_make(text, name), blank ? SLICE_LIT("") : value) ||
           result_fail(in->why, "out of memory");
}

static bool take_url(struct curl *in, const char *text)
{
    if (in->url != NULL) {
        return result_fail(in->why,
                           "the command has two URLs, %.100s and %.100s; one request at a time",
                           in->url, text);
    }
    in->url = text;
    return true;
}

static bool apply(struct curl *in, enum effect effect, const char *value)
{
    switch (effect) {
    case HEADER:
        return take_header(in, value);
    case METHOD:
        in->request->method = slice_of(value);
        return true;
    case URL:
        return take_url(in, value);
    case DATA:
        in->has_data = true;
        return true;
    case UPLOAD:
        in->upload = true;
        return true;
    case URL_QUERY:
        in->request->query = slice_of(value);
        return true;
    case IGNORED:
        break;
    }
    return true;
}

/* The value of the option in the word under way: `rest` of that word, or the next word. */
static bool take_value(struct curl *in, enum effect effect, const char *rest)
{
    const struct shell_words *words = &in->request->words;
    if (rest == NULL || rest[0] == '\0') {
        if (in->at + 1 >= words->n) {
            return result_fail(in->why, "curl's %.50s needs a value", words->items[in->at]);
        }
        rest = words->items[++in->at];
    }
    return apply(in, effect, rest);
}

static bool take_long(struct curl *in, const char *name)
{
    for (size_t i = 0; i < sizeof(valued) / sizeof(valued[0]); i++) {
        if (valued[i].name != NULL && strcmp(valued[i].name, name) == 0) {
            return take_value(in, valued[i].effect, NULL);
        }
    }
    in->get = in->get || strcmp(name, "get") == 0;
    in->head = in->head || strcmp(name, "head") == 0;
    return !shell_word_is_in(name, ignored) || take_value(in, IGNORED, NULL);
}

/* "-sSXPOST": flags, and at most one option with a value, which is the rest. */
static bool take_short(struct curl *in, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        for (size_t i = 0; i < sizeof(valued) / sizeof(valued[0]); i++) {
            if (valued[i].letter == *letters) {
                return take_value(in, valued[i].effect, letters + 1);
            }
        }
        in->get = in->get || *letters == 'G';
        in->head = in->head || *letters == 'I';
    }
    return true;
}

/* The target behind scheme and authority; "/" when there is none. */
static void set_target(struct request *request, const char *url)
{
    struct slice query = request->query;
    const char *scheme = strstr(url, "://");
    const char *target = scheme != NULL ? scheme + 3 : url;
    target += strcspn(target, "/?#");
    request_set_target(request, slice_of(target));
    request->path = request->path.len != 0 ? request->path : SLICE_LIT("/");
    request->query = query.data != NULL ? query : request->query;
}

static bool take_words(struct curl *in)
{
    const struct shell_words *words = &in->request->words;
    bool ended = false;
    for (; in->at < words->n; in->at++) {
        const char *word = words->items[in->at];
        bool ok = true;
        if (!ended && (strcmp(word, "--next") == 0 || strcmp(word, "-:") == 0)) {
            return true; /* what follows is another request */
        }
        if (!ended && strcmp(word, "--") == 0) {
            ended = true;
        } else if (!ended && word[0] == '-' && word[1] == '-') {
            ok = take_long(in, word + 2);
        } else if (!ended && word[0] == '-' && word[1] != '\0') {
            ok = take_short(in, word + 1);
        } else {
            ok = take_url(in, word);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool curl_command_read(struct request *request, struct result *why)
{
    struct curl in = {.request = request, .why = why, .at = 1};
    if (!take_words(&in)) {
        return false;
    }
    if (in.url == NULL) {
        return result_fail(why, "the curl command has no URL");
    }
    set_target(request, in.url);
    if (request->method.data == NULL) {
        request->method = in.head                  ? SLICE_LIT("HEAD")
                          : in.upload              ? SLICE_LIT("PUT")
                          : in.has_data && !in.get ? SLICE_LIT("POST")
                                                   : SLICE_LIT("GET");
    }
    return true;
}
