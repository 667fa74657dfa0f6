/* verify.c: sigpostctl verify: what the gateway would say to these headers, and to an operator,
 * why. Names the true reason, also the one that a client is not told. */
#include "ctl/ctl.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static const char help[] =
    "sigpostctl verify --path PATH [--at N]   check the signing headers on standard input\n"
    "\n"
    "  --path PATH   the request's path as it was sent, without a query; \"/\" is tried as\n"
    "                /v1/metrics, /v1/traces and /v1/logs, as the gateway does\n"
    "  --at N        as if it were Unix second N (now)\n"
    "\n"
    "Headers are lines \"Name: value\"; a request line before them is skipped, and reading ends "
    "at\n"
    "the first empty line. Prints \"ok key=... session=...\", or the reason and its remedy.\n";

#define LINE_MAX_BYTES 16384

struct check {
    struct signature_headers headers;
    struct signature_claim claim;
    struct keyring_match match;
    const struct slice *paths;
    size_t n_paths;
    int64_t now;
    int64_t window;
    int64_t skew;
};

static const struct slice signal_paths[] = {
    {"/v1/metrics", 11}, {"/v1/traces", 10}, {"/v1/logs", 8}};

/* Keeps the lines that the headers' slices point into. */
struct lines {
    char **items;
    size_t n;
};

static void free_lines(struct lines *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        free(lines->items[i]);
    }
    free(lines->items);
}

static bool keep_line(struct lines *lines, char *line)
{
    char **grown = realloc(lines->items, (lines->n + 1) * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    lines->items = grown;
    lines->items[lines->n++] = line;
    return true;
}

/* Takes one line; keeps it when a slice of the headers points into it, else frees it. -1 or the
 * exit status. */
static int take_line(struct ctl *ctl, struct check *check, struct lines *lines, char *line,
                     size_t len, size_t number)
{
    const char *colon = memchr(line, ':', len);
    if (len > LINE_MAX_BYTES || colon == NULL) {
        bool request_line = number == 1 && len <= LINE_MAX_BYTES && len > 9 &&
                            memcmp(line + len - 9, " HTTP/1.", 8) == 0;
        free(line);
        return request_line
                   ? -1
                   : ctl_wrong_use(ctl, "verify", "line %zu is not \"Name: value\"", number);
    }
    size_t at = (size_t)(colon - line);
    if (!signature_headers_add(&check->headers, slice_make(line, at),
                               slice_make(colon + 1, len - at - 1))) {
        free(line);
        return -1;
    }
    if (!keep_line(lines, line)) {
        free(line);
        return ctl_fail(ctl, "out of memory");
    }
    return -1;
}

static int read_headers(struct ctl *ctl, struct check *check, struct lines *lines)
{
    for (size_t number = 1;; number++) {
        char *line = NULL;
        size_t cap = 0;
        ssize_t got = getline(&line, &cap, ctl->in);
        size_t len = got > 0 ? (size_t)got : 0;
        while (len != 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
            len--;
        }
        if (len == 0) {
            free(line);
            return -1;
        }
        int status = take_line(ctl, check, lines, line, len, number);
        if (status >= 0) {
            return status;
        }
    }
}

static enum reason judge(struct check *check, struct keyring_reader *reader)
{
    enum reason reason = signature_parse(&check->headers, &check->claim);
    if (reason == REASON_OK) {
        reason = signature_check_window(&check->claim, check->now, check->window, &check->skew);
    }
    return reason != REASON_OK ? reason
                               : keyring_match(reader, &check->claim, check->paths, check->n_paths,
                                               (struct slice){0}, check->now, &check->match);
}

static void put_detail(FILE *out, enum reason reason, const struct check *check)
{
    if (reason == REASON_TIMESTAMP_DRIFT) {
        fprintf(out, "the timestamp is %lld s %s the clock (%lld); the window is %lld s\n",
                (long long)llabs(check->skew), check->skew > 0 ? "behind" : "ahead of",
                (long long)check->now, (long long)check->window);
    } else if (reason == REASON_RETIRED_KEY) {
        fprintf(out, "it verifies with key %s\n", check->match.key_id.data);
    } else if (reason == REASON_INVALID_SIGNATURE && check->claim.timestamp_text.data == NULL) {
        fputs("X-KMS-Signature is not 64 hex digits, or X-KMS-Key-ID is no key id\n", out);
    }
}

static int put_verdict(struct ctl *ctl, enum reason reason, const struct check *check)
{
    if (reason == REASON_OK) {
        struct slice session = check->claim.session;
        fprintf(ctl->out, "ok key=%s session=%.*s", check->match.key_id.data,
                session.len != 0 ? (int)session.len : 1, session.len != 0 ? session.data : "-");
        if (check->n_paths > 1) {
            fprintf(ctl->out, " path=%s", check->paths[check->match.path].data);
        }
        fputc('\n', ctl->out);
        return CTL_DONE;
    }
    const struct reason_info *info = reason_info(reason);
    fprintf(ctl->out, "%s: %s. %s\n", info->word, info->title, info->remedy);
    put_detail(ctl->out, reason, check);
    return CTL_FAILED;
}

static int verify_headers(struct ctl *ctl, struct check *check)
{
    struct ctl_keys keys = {NULL, NULL};
    struct lines lines = {NULL, 0};
    struct config *config = ctl_config(ctl);
    int status = config != NULL ? ctl_keys_open(ctl, config, &keys) : CTL_FAILED;
    if (status != CTL_DONE) {
        goto cleanup;
    }
    struct keyring_counts counts;
    keyring_counts(keys.ring, check->now, &counts);
    if (counts.active + counts.pending + counts.ended == 0) {
        status = ctl_fail(ctl, "there is no key; make one: sigpostctl secret init");
        goto cleanup;
    }
    check->window = config->auth.window / NS_PER_SECOND;
    status = read_headers(ctl, check, &lines);
    if (status < 0) {
        status = put_verdict(ctl, judge(check, keys.reader), check);
    }

cleanup:
    free_lines(&lines);
    ctl_keys_close(&keys);
    config_free(config);
    return status;
}

int ctl_verify(struct ctl *ctl, int argc, char **argv)
{
    const char *path = NULL;
    const char *at = NULL;
    size_t n_rest;
    const struct ctl_option options[] = {{"--path", NULL, &path}, {"--at", NULL, &at}};
    int status = ctl_options(ctl, "verify", help, argc, argv, options, 2, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    if (path == NULL || path[0] != '/' || strlen(path) > SIGNATURE_PATH_MAX ||
        strpbrk(path, "?# ") != NULL) {
        return ctl_wrong_use(ctl, "verify",
                             "--path takes the path as it was sent, without a "
                             "query, up to %d bytes: /v1/metrics",
                             SIGNATURE_PATH_MAX);
    }
    struct check check = {.now = clock_wall_s()};
    if (at != NULL && !signature_timestamp_parse(slice_of(at), &check.now)) {
        return ctl_wrong_use(ctl, "verify", "--at takes Unix seconds, 1 to %d digits",
                             SIGNATURE_TIMESTAMP_MAX);
    }
    const struct slice one = slice_of(path);
    bool root = strcmp(path, "/") == 0;
    check.paths = root ? signal_paths : &one;
    check.n_paths = root ? sizeof(signal_paths) / sizeof(signal_paths[0]) : 1;
    return verify_headers(ctl, &check);
}
