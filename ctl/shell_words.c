/* shell_words.c: see shell_words.h. One pass; the word under way grows in a buffer. */
#include "ctl/shell_words.h"

#include "base/buf.h"

#include <stdint.h>
#include <stdlib.h>

struct cutter {
    struct slice text;
    size_t at;
    struct shell_words *words;
    struct buf word;
    bool begun;     /* a word is under way; it may be empty: '' */
    bool quoted;    /* some of it was quoted */
    bool drop_next; /* the next word is where a redirection goes */
    struct result *why;
};

/* The byte `ahead` of here; 0 past the end. */
static char peek(const struct cutter *in, size_t ahead)
{
    if (in->at + ahead < in->text.len) {
        return in->text.data[in->at + ahead];
    }
    return '\0';
}

static size_t line_of(const struct cutter *in, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at && i < in->text.len; i++) {
        line += in->text.data[i] == '\n';
    }
    return line;
}

static void put(struct cutter *in, char c)
{
    buf_append_char(&in->word, c);
    in->begun = true;
}

static bool end_word(struct cutter *in)
{
    if (!in->begun) {
        return true;
    }
    bool dropped = in->drop_next;
    in->begun = in->quoted = in->drop_next = false;
    if (!dropped) {
        char **grown = realloc(in->words->items, (in->words->n + 1) * sizeof(*grown));
        char *copy = strdup(buf_cstr(&in->word));
        if (grown != NULL) {
            in->words->items = grown;
        }
        if (grown == NULL || copy == NULL || in->word.failed) {
            free(copy);
            return result_fail(in->why, "out of memory");
        }
        in->words->items[in->words->n++] = copy;
    }
    buf_clear(&in->word);
    return true;
}

/* How many bytes the line's end at `ahead` has: 2 for CR LF, 1 for LF, 0 for none. */
static size_t line_end(const struct cutter *in, size_t ahead)
{
    if (peek(in, ahead) == '\n') {
        return 1;
    }
    return peek(in, ahead) == '\r' && peek(in, ahead + 1) == '\n' ? 2 : 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether a $ or ` here asks the shell to fill something in. */
static bool is_filled_in(const struct cutter *in)
{
    size_t ahead = 1;
    while (peek(in, ahead) == '\\' && line_end(in, ahead + 1) != 0) {
        ahead += 1 + line_end(in, ahead + 1);
    }
    char next = peek(in, ahead);
    return peek(in, 0) == '`' ||
           (peek(in, 0) == '$' && next != '\0' &&
            (is_letter(next) || strchr("_{(0123456789#$?!@*-", next) != NULL));
}

static bool refuse_filled_in(struct cutter *in)
{
    return result_fail(in->why,
                       "line %zu: \"%.*s...\" is filled in by the shell, whose value is not here; "
                       "paste the command with the value in its place",
                       line_of(in, in->at), peek(in, 0) == '`' ? 1 : 2, in->text.data + in->at);
}

static bool refuse_open_quote(struct cutter *in, size_t begin)
{
    return result_fail(in->why, "line %zu: the quote %c is not closed", line_of(in, begin),
                       in->text.data[begin]);
}

static bool take_single(struct cutter *in)
{
    size_t begin = in->at++;
    in->begun = in->quoted = true;
    while (in->at < in->text.len && peek(in, 0) != '\'') {
        put(in, in->text.data[in->at++]);
    }
    if (in->at == in->text.len) {
        return refuse_open_quote(in, begin);
    }
    in->at++;
    return true;
}

static bool take_double(struct cutter *in)
{
    size_t begin = in->at++;
    in->begun = in->quoted = true;
    while (in->at < in->text.len && peek(in, 0) != '"') {
        if (is_filled_in(in)) {
            return refuse_filled_in(in);
        }
        if (peek(in, 0) == '\\' && line_end(in, 1) != 0) {
            in->at += 1 + line_end(in, 1);
            continue;
        }
        if (peek(in, 0) == '\\' && peek(in, 1) != '\0' && strchr("$`\"\\", peek(in, 1)) != NULL) {
            in->at++;
        }
        put(in, in->text.data[in->at++]);
    }
    if (in->at == in->text.len) {
        return refuse_open_quote(in, begin);
    }
    in->at++;
    return true;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

/* Up to `most` digits of that base. */
static uint32_t take_digits(struct cutter *in, size_t most, unsigned base)
{
    uint32_t value = 0;
    for (size_t i = 0; i < most && digit_of(peek(in, 0)) < (int)base; i++) {
        value = value * base + (uint32_t)digit_of(in->text.data[in->at++]);
    }
    return value;
}

static void put_utf8(struct cutter *in, uint32_t c)
{
    if (c < 0x80) {
        put(in, (char)c);
    } else if (c < 0x800) {
        put(in, (char)(0xc0 | c >> 6));
        put(in, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        put(in, (char)(0xe0 | c >> 12));
        put(in, (char)(0x80 | (c >> 6 & 0x3f)));
        put(in, (char)(0x80 | (c & 0x3f)));
    } else {
        put(in, (char)(0xf0 | (c >> 18 & 7)));
        put(in, (char)(0x80 | (c >> 12 & 0x3f)));
        put(in, (char)(0x80 | (c >> 6 & 0x3f)));
        put(in, (char)(0x80 | (c & 0x3f)));
    }
}

/* One escape of $'...'; `at` is behind its backslash. */
static bool take_escape(struct cutter *in)
{
    static const char names[] = "abeEfnrtv\\'\"?";
    static const char bytes[] = "\a\b\033\033\f\n\r\t\v\\'\"?";
    char c = peek(in, 0);
    const char *known = c != '\0' ? strchr(names, c) : NULL;
    uint32_t value = 0;
    if (known != NULL) {
        put(in, bytes[known - names]);
        in->at++;
        return true;
    }
    if (c >= '0' && c <= '7') {
        value = take_digits(in, 3, 8) & 0xff;
        put(in, (char)value);
    } else if (c == 'x' && digit_of(peek(in, 1)) < 16) {
        in->at++;
        value = take_digits(in, 2, 16);
        put(in, (char)value);
    } else if ((c == 'u' || c == 'U') && digit_of(peek(in, 1)) < 16) {
        in->at++;
        value = take_digits(in, c == 'u' ? 4 : 8, 16);
        put_utf8(in, value);
    } else {
        put(in, '\\'); /* an escape that is none stands for itself */
        return true;
    }
    return value != 0 || result_fail(in->why, "line %zu: a word with a NUL byte", //
                                     line_of(in, in->at));
}

static bool take_ansi(struct cutter *in)
{
    size_t begin = in->at + 1;
    in->at += 2;
    in->begun = in->quoted = true;
    while (in->at < in->text.len && peek(in, 0) != '\'') {
        if (peek(in, 0) != '\\') {
            put(in, in->text.data[in->at++]);
            continue;
        }
        in->at++;
        if (!take_escape(in)) {
            return false;
        }
    }
    if (in->at >= in->text.len) {
        return refuse_open_quote(in, begin);
    }
    in->at++;
    return true;
}

static void take_backslash(struct cutter *in)
{
    size_t newline = line_end(in, 1);
    in->at++;
    if (newline != 0) {
        in->at += newline;
    } else {
        in->quoted = true;
        char c = '\\';
        if (in->at < in->text.len) {
            c = in->text.data[in->at++];
        }
        put(in, c);
    }
}

/* ">file", "2>&1", "<body": the number before it and the word behind it are no words of the
 * command. */
static bool take_redirection(struct cutter *in)
{
    const char *word = buf_cstr(&in->word);
    if (in->begun && !in->quoted && strspn(word, "0123456789") == in->word.len) {
        buf_clear(&in->word);
        in->begun = false;
    }
    if (!end_word(in)) {
        return false;
    }
    while (peek(in, 0) != '\0' && strchr("<>&", peek(in, 0)) != NULL) {
        in->at++;
    }
    in->drop_next = true;
    return true;
}

/* Takes what begins here; *ended at the end of the command. */
static bool take_one(struct cutter *in, bool *ended)
{
    char c = peek(in, 0);
    switch (c) {
    case '\'':
        return take_single(in);
    case '"':
        return take_double(in);
    case '\\':
        take_backslash(in);
        return true;
    case '<':
    case '>':
        return take_redirection(in);
    default:
        break;
    }
    if (is_filled_in(in)) {
        return refuse_filled_in(in);
    }
    if (c == '$' && peek(in, 1) == '\'') {
        return take_ansi(in);
    }
    if (c == '$' && peek(in, 1) == '"') {
        in->at++;
        return take_double(in);
    }
    if (c == '^' && line_end(in, 1) != 0) {
        in->at += 1 + line_end(in, 1);
        return true;
    }
    in->at++;
    if (c == ' ' || c == '\t' || c == '\r') {
        return end_word(in);
    }
    if (c == '#' && !in->begun) {
        while (in->at < in->text.len && peek(in, 0) != '\n') {
            in->at++;
        }
    } else if (c == '\n' || c == '|' || c == '&' || c == ';') {
        *ended = in->begun || in->words->n != 0 || c != '\n';
        return end_word(in);
    } else {
        put(in, c);
    }
    return true;
}

bool shell_words_split(struct slice text, struct shell_words *words, struct result *why)
{
    size_t at = 0;
    return shell_words_next(text, &at, words, why);
}

bool shell_words_next(struct slice text, size_t *at, struct shell_words *words, struct result *why)
{
    struct cutter in = {.text = text, .at = *at, .words = words, .word = BUF_INIT, .why = why};
    bool ok = true;
    bool ended = false;
    *words = (struct shell_words){NULL, 0};
    while (ok && !ended && in.at < text.len) {
        ok = take_one(&in, &ended);
    }
    ok = ok && end_word(&in);
    *at = in.at;
    buf_free(&in.word);
    if (!ok) {
        shell_words_free(words);
    }
    return ok;
}

void shell_words_free(struct shell_words *words)
{
    for (size_t i = 0; i < words->n; i++) {
        free(words->items[i]);
    }
    free(words->items);
    *words = (struct shell_words){NULL, 0};
}

bool shell_word_is_in(const char *word, const char *list)
{
    size_t len = strlen(word);
    if (len == 0 || strchr(word, ' ') != NULL) {
        return false;
    }
    for (const char *at = strstr(list, word); at != NULL; at = strstr(at + 1, word)) {
        if (at[-1] == ' ' && at[len] == ' ') {
            return true;
        }
    }
    return false;
}
