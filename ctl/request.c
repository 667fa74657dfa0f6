/* request.c: see request.h. Header lines are read here, the options of curl in curl_command.c. */
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

/* --- header lines ----------------------------------------------------------------------------- */

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* A token of RFC 9110, section 5.6.2. */
bool request_is_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool alnum = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && !is_one_of(c, "!#$%&'*+-.^_`|~")) {
            return false;
        }
    }
    return text.len != 0;
}

static struct slice cut_blanks(struct slice text)
{
    while (text.len != 0 && is_one_of(text.data[text.len - 1], " \t\r")) {
        text.len--;
    }
    while (text.len != 0 && is_one_of(text.data[0], " \t\r")) {
        text = slice_make(text.data + 1, text.len - 1);
    }
    return text;
}

static bool begins_with(struct slice text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.data, with, len) == 0;
}

/* "Name: value" out of "-H 'Name: value' \", a line of a curl command that was taken apart; empty
 * when its quote is not closed. */
static struct slice unwrap_option(struct slice line)
{
    size_t name = begins_with(line, "--header") ? 8 : begins_with(line, "-H") ? 2 : 0;
    if (name == 0) {
        return line;
    }
    line = cut_blanks(slice_make(line.data + name, line.len - name));
    if (line.len != 0 && is_one_of(line.data[line.len - 1], "\\^")) {
        line = cut_blanks(slice_make(line.data, line.len - 1));
    }
    if (line.len == 0 || !is_one_of(line.data[0], "'\"")) {
        return line;
    }
    bool closed = line.len >= 2 && line.data[line.len - 1] == line.data[0];
    return closed ? slice_make(line.data + 1, line.len - 2) : SLICE_LIT("");
}

/* "POST /v1/metrics HTTP/1.1". */
static bool take_request_line(struct request *request, struct slice line)
{
    const char *space = memchr(line.data, ' ', line.len);
    const char *last = memrchr(line.data, ' ', line.len);
    if (space == last ||
        !begins_with(slice_make(last, (size_t)(line.data + line.len - last)), " HTTP/")) {
        return false;
    }
    struct slice method = slice_make(line.data, (size_t)(space - line.data));
    if (!request_is_name(method)) {
        return false;
    }
    request->method = method;
    request_set_target(request, slice_make(space + 1, (size_t)(last - space) - 1));
    return true;
}

/* Cuts "Name: value"; false for what is none. */
static bool split_header(struct slice line, struct slice *name, struct slice *value)
{
    const char *colon = memchr(line.data, ':', line.len);
    if (colon == NULL) {
        return false;
    }
    *name = slice_make(line.data, (size_t)(colon - line.data));
    *value = slice_make(colon + 1, line.len - name->len - 1);
    /* A quote may begin a token, but what is pasted like that is a map of some language. */
    return request_is_name(*name) && name->data[0] != '\'';
}

#define SHOWN_MAX 60

/* A line without the blanks around it and without the mark that curl -v puts before what is sent.
 */
static bool take_line(struct request *request, struct slice line, size_t number, struct result *why)
{
    struct slice name;
    struct slice value;
    bool first = request->method.data == NULL && request->n_headers == 0;
    if (line.len > LINE_MAX_BYTES) {
        return result_fail(why, "line %zu is longer than %d bytes", number, LINE_MAX_BYTES);
    }
    if (first && take_request_line(request, line)) {
        return true;
    }
    if (!split_header(unwrap_option(line), &name, &value)) {
        return result_fail(why,
                           "line %zu is no header line: \"%.*s%s\"; write \"Name: value\" as it is "
                           "sent, one a line, or paste a curl command",
                           number, (int)(line.len < SHOWN_MAX ? line.len : SHOWN_MAX), line.data,
                           line.len > SHOWN_MAX ? "..." : "");
    }
    return request_add_header(request, name, value) || result_fail(why, "out of memory");
}

/* The next line without the blanks around it. */
static struct slice next_line(struct slice *rest)
{
    const char *newline = memchr(rest->data, '\n', rest->len);
    size_t len = newline != NULL ? (size_t)(newline - rest->data) : rest->len;
    struct slice line = slice_make(rest->data, len);
    size_t used = newline != NULL ? len + 1 : len;
    *rest = slice_make(rest->data + used, rest->len - used);
    return cut_blanks(line);
}

static bool take_lines(struct request *request, struct result *why)
{
    struct slice rest = buf_slice(&request->text);
    for (size_t number = 1; rest.len != 0; number++) {
        if (request->text.len == TEXT_MAX && memchr(rest.data, '\n', rest.len) == NULL) {
            return result_fail(why, "the headers are longer than %zu bytes", TEXT_MAX);
        }
        struct slice line = next_line(&rest);
        bool sent = begins_with(line, ">");
        if (sent) {
            line = cut_blanks(slice_make(line.data + 1, line.len - 1));
        }
        bool begun = request->method.data != NULL || request->n_headers != 0;
        if (line.len == 0 && begun) {
            return true;
        }
        bool skipped =
            line.len == 0 || (!sent && begins_with(line, "* ")); /* curl -v's own words */
        if (!skipped && !take_line(request, line, number, why)) {
            return false;
        }
    }
    return true;
}

/* --- commands --------------------------------------------------------------------------------- */

/* Whether a word names one of the programs, whose names stand between blanks. */
static bool is_program(const char *word, const char *names)
{
    const char *slash = strrchr(word, '/');
    return shell_word_is_in(slash != NULL ? slash + 1 : word, names);
}

#define CURL " curl curl.exe "
#define RUNNERS " sudo doas env time nohup exec command docker podman kubectl "
#define OTHERS " wget http https xh "

/* "$", "user@host:~$", "root#". */
static bool is_prompt(const char *word)
{
    size_t len = strlen(word);
    return len != 0 && is_one_of(word[len - 1], "$#%");
}

static bool is_assignment(const char *word)
{
    size_t name = strcspn(word, "=");
    return name != 0 && word[name] == '=' && strcspn(word, "-/:") > name;
}

/* Where curl stands in a command: first, or behind what runs it. `words->n` when it does not. */
static size_t find_curl(const struct shell_words *words)
{
    size_t at = 0;
    while (at < words->n && is_prompt(words->items[at])) {
        at++;
    }
    bool run =
        at < words->n && (is_program(words->items[at], RUNNERS) || is_assignment(words->items[at]));
    while (run && at < words->n && !is_program(words->items[at], CURL)) {
        at++;
    }
    return at < words->n && is_program(words->items[at], CURL) ? at : words->n;
}

static void drop_words(struct shell_words *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(words->items[i]);
    }
    words->n -= n;
    memmove(words->items, words->items + n, words->n * sizeof(*words->items));
}

/* Reads the first curl command of several; *found: there is one. */
static bool read_commands(struct request *request, bool *found, struct result *why)
{
    struct slice text = buf_slice(&request->text);
    size_t at = 0;
    while (!*found && at < text.len) {
        if (!shell_words_next(text, &at, &request->words, why)) {
            return false;
        }
        size_t curl = find_curl(&request->words);
        *found = curl < request->words.n;
        if (*found) {
            drop_words(&request->words, curl);
        } else if (request->words.n != 0 && is_program(request->words.items[0], OTHERS)) {
            return result_fail(why,
                               "of commands only curl is read, not %.20s; paste its headers as "
                               "lines \"Name: value\", and say --path",
                               request->words.items[0]);
        } else {
            shell_words_free(&request->words);
        }
    }
    request->curl = *found;
    return !*found || curl_command_read(request, why);
}

static bool read_command(struct request *request, bool *found, struct result *why)
{
    struct slice text = buf_slice(&request->text);
    *found = true;
    if (text.len == TEXT_MAX) {
        return result_fail(why, "the command is longer than %zu bytes", TEXT_MAX);
    }
    if (memchr(text.data, '\0', text.len) != NULL) {
        return result_fail(why, "the command holds a NUL byte");
    }
    *found = false;
    return read_commands(request, found, why);
}

/* Whether this may be a command: it names a program that sends, and does not begin like headers. */
static bool may_be_command(struct slice text)
{
    struct slice name;
    struct slice value;
    struct request scratch = {.text = BUF_INIT};
    if (memmem(text.data, text.len, "curl", 4) == NULL &&
        memmem(text.data, text.len, "wget", 4) == NULL &&
        memmem(text.data, text.len, "http", 4) == NULL) {
        return false;
    }
    struct slice line = next_line(&text);
    while (line.len == 0 && text.len != 0) {
        line = next_line(&text);
    }
    return line.len != 0 && !is_one_of(line.data[0], ">*-") && !split_header(line, &name, &value) &&
           !take_request_line(&scratch, line);
}

/* --- both ------------------------------------------------------------------------------------- */

static bool read_text(FILE *in, struct buf *text, struct result *why)
{
    char *to = buf_reserve(text, TEXT_MAX);
    if (to == NULL) {
        return result_fail(why, "out of memory");
    }
    text->len = fread(to, 1, TEXT_MAX, in);
    if (ferror(in) != 0) {
        return result_fail(why, "cannot read standard input");
    }
    for (size_t i = 0; i < text->len; i++) {
        if (!is_one_of(to[i], " \t\r\n")) {
            return true;
        }
    }
    return result_fail(why, "nothing was read: standard input is to hold header lines "
                            "\"Name: value\" or a curl command");
}

bool request_read(FILE *in, struct request *request, struct result *why)
{
    *request = (struct request){.text = BUF_INIT};
    bool found = false;
    bool ok = read_text(in, &request->text, why);
    if (ok && may_be_command(buf_slice(&request->text))) {
        ok = read_command(request, &found, why);
    }
    if (ok && !found) {
        ok = take_lines(request, why);
    }
    if (!ok) {
        request_free(request);
    }
    return ok;
}
