/* sign.c: sigpostctl sign: the headers of a signed request, or the whole of it as a curl command.
 */
#include "ctl/ctl.h"

#include "base/clock.h"

#include <string.h>
#include <unistd.h>

static const char help[] =
    "sigpostctl sign PATH [options]              print the signing headers for a POST to PATH\n"
    "sigpostctl sign --curl URL FILE [options]   print a signed curl command that posts FILE\n"
    "\n"
    "  --session SESSION     the session id, up to 128 of A-Z a-z 0-9 . _ : -\n"
    "  --key ID              sign with this key (the newest active one)\n"
    "  --timestamp N         Unix seconds (now)\n"
    "  --client-version V    adds X-KMS-Client-Version\n"
    "\n"
    "PATH is as it is sent, without a query: /v1/metrics, /v1/traces or /v1/logs.\n"
    "FILE holds one OTLP export request in protobuf; \"-\" is standard input.\n";

struct request {
    struct slice path;
    struct slice session; /* absent: no header */
    struct slice key_id;  /* absent: the newest */
    const char *client_version;
    char timestamp[SIGNATURE_TIMESTAMP_MAX + 1];
    char signature[2 * SIGNATURE_BYTES + 1];
    char used_id[SIGNATURE_KEY_ID_MAX + 1];
};

static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] <= 0x20 || text.data[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static int check_path(struct ctl *ctl, struct slice path)
{
    if (path.len == 0 || path.data[0] != '/') {
        return ctl_wrong_use(ctl, "sign", "the path must begin with \"/\": /v1/metrics");
    }
    if (path.len == 1) {
        return ctl_wrong_use(ctl, "sign",
                             "the path \"/\" is not signed; give the one of the "
                             "signal: /v1/metrics");
    }
    if (path.len > SIGNATURE_PATH_MAX) {
        return ctl_wrong_use(ctl, "sign", "the path has %zu bytes; at most %d are signed", path.len,
                             SIGNATURE_PATH_MAX);
    }
    if (!is_plain(path) || memchr(path.data, '?', path.len) != NULL ||
        memchr(path.data, '#', path.len) != NULL) {
        return ctl_wrong_use(ctl, "sign",
                             "the path has a blank, a query or a fragment; give it as "
                             "it is sent, up to the \"?\"");
    }
    return CTL_DONE;
}

/* The path of an http URL; absent when it is none. Empty when there is no path. */
static struct slice url_path(const char *url)
{
    const char *authority = strncmp(url, "http://", 7) == 0    ? url + 7
                            : strncmp(url, "https://", 8) == 0 ? url + 8
                                                               : NULL;
    if (authority == NULL || strcspn(authority, "/?#") == 0 || !is_plain(slice_of(url))) {
        return (struct slice){0};
    }
    const char *path = authority + strcspn(authority, "/?#");
    return slice_make(path, strcspn(path, "?#"));
}

static int check_url(struct ctl *ctl, const char *url, struct slice *path)
{
    *path = url_path(url);
    if (path->data == NULL) {
        return ctl_wrong_use(ctl, "sign", "\"%s\" is no URL; give http://HOST:PORT/v1/metrics",
                             url);
    }
    if (path->len <= 1) {
        return ctl_wrong_use(ctl, "sign",
                             "the URL has no path to sign; give %.*s/v1/metrics (or /v1/traces, "
                             "/v1/logs)",
                             (int)(path->data - url), url);
    }
    return check_path(ctl, *path);
}

static int check_request(struct ctl *ctl, struct request *request, const char *timestamp)
{
    int64_t seconds;
    if (timestamp == NULL) {
        snprintf(request->timestamp, sizeof(request->timestamp), "%lld", (long long)clock_wall_s());
    } else if (!signature_timestamp_parse(slice_of(timestamp), &seconds)) {
        return ctl_wrong_use(ctl, "sign", "--timestamp takes Unix seconds, 1 to %d digits",
                             SIGNATURE_TIMESTAMP_MAX);
    } else {
        memcpy(request->timestamp, timestamp, strlen(timestamp) + 1);
    }
    if (!signature_session_valid(request->session)) {
        return ctl_wrong_use(ctl, "sign", "--session takes up to %d of A-Z a-z 0-9 . _ : -",
                             SIGNATURE_SESSION_MAX);
    }
    if (request->key_id.data != NULL && !signature_key_id_valid(request->key_id)) {
        return ctl_wrong_use(ctl, "sign", "--key takes a key id: 1 to %d of A-Z a-z 0-9 . _ -",
                             SIGNATURE_KEY_ID_MAX);
    }
    if (request->client_version != NULL && !is_plain(slice_of(request->client_version))) {
        return ctl_wrong_use(ctl, "sign", "--client-version takes a text without blanks");
    }
    return CTL_DONE;
}

static int sign_request(struct ctl *ctl, struct request *request)
{
    struct result why = RESULT_INIT;
    struct ctl_keys keys = {NULL, NULL};
    char message[SIGNATURE_MESSAGE_MAX(SIGNATURE_PATH_MAX)];
    size_t len = signature_message(request->path, slice_of(request->timestamp), request->session,
                                   message, sizeof(message));
    struct config *config = ctl_config(ctl);
    int status = config != NULL ? ctl_keys_open(ctl, config, &keys) : CTL_FAILED;
    if (status == CTL_DONE &&
        !keyring_sign(keys.reader, slice_make(message, len), request->key_id, clock_wall_s(),
                      request->signature, request->used_id, &why)) {
        status = ctl_fail(ctl, "%s", why.text);
    }
    ctl_keys_close(&keys);
    config_free(config);
    return status;
}

/* The shell's quoting: everything in single quotes, and each of those as '\''. */
static void put_quoted(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs("'\\''", out);
        } else {
            fputc(*text, out);
        }
    }
}

static void put_header(FILE *out, bool curl, const char *name, struct slice value)
{
    if (value.data != NULL) {
        fprintf(out, curl ? " \\\n  -H '%s: " : "%s: ", name);
        if (curl) {
            put_quoted(out, value.data);
        } else {
            fputs(value.data, out);
        }
        fputs(curl ? "'" : "\n", out);
    }
}

static void put_headers(FILE *out, bool curl, const struct request *request)
{
    put_header(out, curl, "X-KMS-Signature", slice_of(request->signature));
    put_header(out, curl, "X-KMS-Timestamp", slice_of(request->timestamp));
    put_header(out, curl, "X-KMS-Session-ID", request->session);
    put_header(out, curl, "X-KMS-Key-ID", slice_of(request->used_id));
    put_header(out, curl, "X-KMS-Client-Version", slice_of(request->client_version));
}

/* --globoff and --path-as-is: curl must send the path that was signed. */
static void put_curl(FILE *out, const char *url, const char *file, const struct request *request)
{
    fputs("curl --silent --show-error --fail-with-body --globoff --path-as-is \\\n"
          "  -H 'Content-Type: application/x-protobuf'",
          out);
    put_headers(out, true, request);
    fputs(" \\\n  --data-binary '@", out);
    put_quoted(out, file);
    fputs("' '", out);
    put_quoted(out, url);
    fputs("'\n", out);
}

static int check_operands(struct ctl *ctl, const char *url, const char *const *rest, size_t n)
{
    if (n != 1) {
        return url == NULL ? ctl_wrong_use(ctl, "sign", "the path is missing")
                           : ctl_wrong_use(ctl, "sign", "the file to post is missing");
    }
    if (url != NULL && strcmp(rest[0], "-") != 0 && access(rest[0], R_OK) != 0) {
        return ctl_fail(ctl, "%s: cannot be read; name the file to post", rest[0]);
    }
    return CTL_DONE;
}

int ctl_sign(struct ctl *ctl, int argc, char **argv)
{
    const char *session = NULL;
    const char *key = NULL;
    const char *timestamp = NULL;
    const char *url = NULL;
    const char *rest[1];
    size_t n_rest;
    struct request request = {.path = {NULL, 0}};
    const struct ctl_option options[] = {
        {"--session", NULL, &session},
        {"--key", NULL, &key},
        {"--timestamp", NULL, &timestamp},
        {"--client-version", NULL, &request.client_version},
        {"--curl", NULL, &url},
    };
    int status = ctl_options(ctl, "sign", help, argc, argv, options,
                             sizeof(options) / sizeof(options[0]), rest, 1, &n_rest);
    if (status >= 0) {
        return status;
    }
    status = check_operands(ctl, url, rest, n_rest);
    if (status != CTL_DONE) {
        return status;
    }
    request.session = slice_of(session);
    request.key_id = slice_of(key);
    request.path = slice_of(rest[0]);
    status = url != NULL ? check_url(ctl, url, &request.path) : check_path(ctl, request.path);
    if (status == CTL_DONE) {
        status = check_request(ctl, &request, timestamp);
    }
    if (status == CTL_DONE) {
        status = sign_request(ctl, &request);
    }
    if (status == CTL_DONE && url != NULL) {
        put_curl(ctl->out, url, rest[0], &request);
    } else if (status == CTL_DONE) {
        put_headers(ctl->out, false, &request);
    }
    return status;
}
