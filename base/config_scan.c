/* config_scan.c: reads the file's text once before libconfig 1.5 does, for what that would misread
 * in silence: numbers past 32 bits lose their upper half, a comment or string that is not closed
 * swallows what follows. @include is refused, because an included file would not pass here (and
 * reading a directory makes the library end the process). */
#include "base/config_internal.h"

#include <ctype.h>
#include <stdlib.h>

struct scan {
    const char *path;
    const char *at;
    const char *end;
    unsigned line;
    struct buf *out;
    struct result *why;
};

static bool scan_fail(const struct scan *scan, unsigned line, const char *message)
{
    return result_fail(scan->why, "%s:%u: %s", scan->path, line, message);
}

static void copy_to(struct scan *scan, const char *to)
{
    for (; scan->at < to; scan->at++) {
        scan->line += *scan->at == '\n' ? 1 : 0;
        buf_append_char(scan->out, *scan->at);
    }
}

static bool starts(const struct scan *scan, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(scan->end - scan->at) >= len && memcmp(scan->at, text, len) == 0;
}

static void copy_line(struct scan *scan)
{
    const char *newline = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
    copy_to(scan, newline != NULL ? newline : scan->end);
}

static bool copy_comment(struct scan *scan)
{
    unsigned opened = scan->line;
    const char *close = memmem(scan->at + 2, (size_t)(scan->end - scan->at) - 2, "*/", 2);
    if (close == NULL) {
        return scan_fail(scan, opened, "this comment is not closed; end it with */");
    }
    copy_to(scan, close + 2);
    return true;
}

static bool copy_string(struct scan *scan)
{
    unsigned opened = scan->line;
    const char *to = scan->at + 1;
    while (to < scan->end && *to != '"' && *to != '\n') {
        to += *to == '\\' && scan->end - to > 1 ? 2 : 1;
    }
    if (to >= scan->end || *to == '\n') {
        return scan_fail(scan, opened, "this string is not closed; end it with \" on its line");
    }
    copy_to(scan, to + 1);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '*' || c == '-';
}

static bool is_letter(char c)
{
    return is_word(c) && !is_digit(c) && c != '-' && c != '*' && c != '_';
}

/* 1.5 and 1e9: no key takes one, but the sentence about the type is better than a syntax error. */
static bool copy_real(struct scan *scan)
{
    const char *to = scan->at;
    while (to < scan->end && *to != '\0' && (is_digit(*to) || strchr(".eE+-", *to) != NULL)) {
        to++;
    }
    copy_to(scan, to);
    return true;
}

/* The digits from `digits` on; what does not fit in 63 bits sets *too_large. Returns their end. */
static const char *read_digits(const struct scan *scan, const char *digits, unsigned base,
                               uint64_t *value, bool *too_large)
{
    static const char hex_digits[] = "0123456789abcdef";
    const char *to = digits;
    for (; to < scan->end; to++) {
        const char *hex = base == 16 ? strchr(hex_digits, tolower((unsigned char)*to)) : NULL;
        if (*to == '\0' || (hex == NULL && !is_digit(*to))) {
            break;
        }
        unsigned digit = hex != NULL ? (unsigned)(hex - hex_digits) : (unsigned)(*to - '0');
        *too_large = *too_large || *value > ((uint64_t)INT64_MAX - digit) / base;
        *value = *too_large ? *value : *value * base + digit;
    }
    return to;
}

static bool copy_number(struct scan *scan)
{
    bool hex = starts(scan, "0x") || starts(scan, "0X");
    uint64_t value = 0;
    bool too_large = false;
    const char *to = read_digits(scan, scan->at + (hex ? 2 : 0), hex ? 16 : 10, &value, &too_large);
    char next = (char)(to < scan->end ? *to : 0);
    if (!hex && (next == '.' || next == 'e' || next == 'E')) {
        return copy_real(scan);
    }
    if (is_letter(next) && next != 'L') {
        return scan_fail(scan, scan->line,
                         "a number with a unit must stand in quotes, such as \"30s\" or \"4MiB\"");
    }
    if (too_large) {
        return scan_fail(scan, scan->line,
                         "this number is too large; use at most 9223372036854775807");
    }
    copy_to(scan, to);
    if (next != 'L' && value > INT32_MAX) {
        buf_append_char(scan->out, 'L');
    }
    return true;
}

static void copy_word(struct scan *scan)
{
    const char *to = scan->at;
    while (to < scan->end && is_word(*to)) {
        to++;
    }
    copy_to(scan, to);
}

static bool scan_one(struct scan *scan)
{
    char c = *scan->at;
    if (c == '\0') {
        return scan_fail(scan, scan->line, "a NUL byte; the file must be plain text");
    }
    if (c == '@') {
        return scan_fail(scan, scan->line,
                         "@include is not supported; put all keys in this one file");
    }
    if (c == '#' || starts(scan, "//")) {
        copy_line(scan);
        return true;
    }
    if (starts(scan, "/*")) {
        return copy_comment(scan);
    }
    if (c == '"') {
        return copy_string(scan);
    }
    if (c == '\'') {
        return scan_fail(scan, scan->line, "text stands in double quotes, such as \"5m\"");
    }
    if (is_digit(c)) {
        return copy_number(scan);
    }
    if (is_word(c) && c != '-') {
        copy_word(scan);
        return true;
    }
    copy_to(scan, scan->at + 1);
    return true;
}

bool config_scan(const char *path, struct slice text, struct buf *out, struct result *why)
{
    struct scan scan = {path, text.data, text.data + text.len, 1, out, why};
    while (scan.at < scan.end) {
        if (!scan_one(&scan)) {
            return false;
        }
    }
    buf_append_char(out, '\n'); /* libconfig wants one behind a # comment */
    return !out->failed || result_fail(why, "%s: out of memory", path);
}
