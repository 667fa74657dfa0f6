/* request.c: see request.h. Header lines are read here, curl commands in curl_command.c. */
#include "ctl/request.h"

#include <stdlib.h>

#define TEXT_MAX ((size_t)256 * 1024)
#define LINE_MAX_BYTES 16384

bool request_add_header(struct request *request, struct slice name, struct slice value)
{
    struct request_header *grown =
        realloc(request->headers, (request->n_headers + 1) * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    request->headers = grown;
    request->headers[request->n_headers++] = (struct request_header){name, value};
    return true;
}

void request_set_target(struct request *request, struct slice target)
{
    size_t path = 0;
    while (path < target.len && target.data[path] != '?' && target.data[path] != '#') {
        path++;
    }
    size_t end = path;
    while (end < target.len && target.data[end] != '#') {
        end++;
    }
    request->path = slice_make(target.data, path);
    if (path < end) {
        request->query = slice_make(target.data + path + 1, end - path - 1);
    }
}

void request_free(struct request *request)
{
    buf_free(&request->text);
    shell_words_free(&request->words);
    free(request->headers);
    *request = (struct request){.text = BUF_INIT};
}

/* "POST /v1/metrics HTTP/1.1". */
static bool take_request_line(struct request *request, struct slice line)
{
    const char *space = memchr(line.data, ' ', line.len);
    if (line.len <= 9 || memcmp(line.data + line.len - 9, " HTTP/1.", 8) != 0 ||
        space >= line.data + line.len - 9) {
        return false;
    }
    request->method = slice_make(line.data, (size_t)(space - line.data));
    request_set_target(request, slice_make(space + 1, line.len - request->method.len - 10));
    return true;
}

static bool take_line(struct request *request, struct slice line, size_t number, struct result *why)
{
    const char *colon = memchr(line.data, ':', line.len);
    if (number == 1 && line.len <= LINE_MAX_BYTES && take_request_line(request, line)) {
        return true;
    }
    if (colon == NULL || colon == line.data || line.len > LINE_MAX_BYTES) {
        return result_fail(why, "line %zu is not \"Name: value\"", number);
    }
    size_t at = (size_t)(colon - line.data);
    return request_add_header(request, slice_make(line.data, at),
                              slice_make(colon + 1, line.len - at - 1)) ||
           result_fail(why, "out of memory");
}

static bool take_lines(struct request *request, struct result *why)
{
    struct slice rest = buf_slice(&request->text);
    for (size_t number = 1; rest.len != 0; number++) {
        const char *newline = memchr(rest.data, '\n', rest.len);
        if (newline == NULL && request->text.len == TEXT_MAX) {
            return result_fail(why, "the headers are longer than %zu bytes", TEXT_MAX);
        }
        size_t len = newline != NULL ? (size_t)(newline - rest.data) : rest.len;
        struct slice line = slice_make(rest.data, len);
        while (line.len != 0 && line.data[line.len - 1] == '\r') {
            line.len--;
        }
        if (line.len == 0) {
            return true;
        }
        if (!take_line(request, line, number, why)) {
            return false;
        }
        size_t used = newline != NULL ? len + 1 : len;
        rest = slice_make(rest.data + used, rest.len - used);
    }
    return true;
}

/* Whether the first word is curl, maybe behind a pasted prompt. */
static bool is_curl(struct slice text)
{
    size_t at = 0;
    while (at < text.len && strchr(" \t\r\n$", text.data[at]) != NULL) {
        at++;
    }
    size_t end = at;
    while (end < text.len && strchr(" \t\r\n\\", text.data[end]) == NULL) {
        end++;
    }
    struct slice word = slice_make(text.data + at, end - at);
    const char *slash = memrchr(word.data, '/', word.len);
    if (slash != NULL) {
        word = slice_make(slash + 1, (size_t)(word.data + word.len - slash) - 1);
    }
    return slice_eq_str(word, "curl") || slice_eq_str(word, "curl.exe");
}

static bool read_text(FILE *in, struct buf *text, struct result *why)
{
    char *to = buf_reserve(text, TEXT_MAX);
    if (to == NULL) {
        return result_fail(why, "out of memory");
    }
    text->len = fread(to, 1, TEXT_MAX, in);
    return ferror(in) == 0 || result_fail(why, "cannot read standard input");
}

static bool read_curl(struct request *request, struct result *why)
{
    struct slice text = buf_slice(&request->text);
    request->curl = true;
    if (text.len == TEXT_MAX) {
        return result_fail(why, "the command is longer than %zu bytes", TEXT_MAX);
    }
    if (memchr(text.data, '\0', text.len) != NULL) {
        return result_fail(why, "the command holds a NUL byte");
    }
    return shell_words_split(text, &request->words, why) && curl_command_read(request, why);
}

bool request_read(FILE *in, struct request *request, struct result *why)
{
    *request = (struct request){.text = BUF_INIT};
    bool ok = read_text(in, &request->text, why);
    if (ok) {
        ok =
            is_curl(buf_slice(&request->text)) ? read_curl(request, why) : take_lines(request, why);
    }
    if (!ok) {
        request_free(request);
    }
    return ok;
}
