/* json_lex.c: see json_lex.h. Plain stretches of strings are passed eight bytes at a time. */
#include "otlp/json_lex.h"

#include "base/utf8.h"
#include "otlp/json.h"
#include "otlp/json_bytes.h"

#include <stdint.h>

struct json_lex json_lex_over(struct slice text)
{
    const char *begin = text.data != NULL ? text.data : "";
    return (struct json_lex){begin, begin, begin + text.len, NULL, NULL};
}

static bool fail(struct json_lex *lex, const char *fault)
{
    if (lex->fault == NULL) {
        lex->fault = fault;
        lex->fault_at = lex->at;
    }
    lex->at = lex->end;
    return false;
}

/* The byte under the cursor after white space; 0, which no JSON token begins with, at the end. */
static char next_byte(struct json_lex *lex)
{
    for (; lex->at != lex->end; lex->at++) {
        char c = *lex->at;
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
            return c;
        }
    }
    return 0;
}

enum json_kind json_peek(struct json_lex *lex)
{
    switch (next_byte(lex)) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return JSON_NUMBER;
    default:
        return JSON_NONE;
    }
}

void json_enter(struct json_lex *lex)
{
    lex->at++;
}

bool json_next(struct json_lex *lex, bool first, char close)
{
    char c = next_byte(lex);
    if (lex->fault != NULL) {
        return false;
    }
    if (c == close) {
        lex->at++;
        return false;
    }
    if (first) {
        return true;
    }
    if (c != ',') {
        return fail(lex, close == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
    }
    lex->at++;
    if (next_byte(lex) == close) {
        return fail(lex, close == '}' ? "expected a name after ','" : "expected a value after ','");
    }
    return true;
}

bool json_end(struct json_lex *lex)
{
    return next_byte(lex) == 0 && lex->at == lex->end;
}

bool json_name(struct json_lex *lex, struct json_string *name)
{
    if (next_byte(lex) != '"') {
        return fail(lex, "expected a name in quotes");
    }
    if (!json_read_string(lex, name)) {
        return false;
    }
    if (next_byte(lex) != ':') {
        return fail(lex, "expected ':' after a name");
    }
    lex->at++;
    return true;
}

bool json_literal(struct json_lex *lex, enum json_kind kind)
{
    struct slice word = kind == JSON_TRUE    ? SLICE_LIT("true")
                        : kind == JSON_FALSE ? SLICE_LIT("false")
                                             : SLICE_LIT("null");
    if ((size_t)(lex->end - lex->at) < word.len || memcmp(lex->at, word.data, word.len) != 0) {
        return fail(lex, "expected a value");
    }
    lex->at += word.len;
    return true;
}

/* Steps over digits; were there any? */
static bool pass_digits(struct json_lex *lex)
{
    const char *from = lex->at;
    while (lex->at != lex->end && *lex->at >= '0' && *lex->at <= '9') {
        lex->at++;
    }
    return lex->at != from;
}

static bool pass(struct json_lex *lex, char a, char b)
{
    bool there = lex->at != lex->end && (*lex->at == a || *lex->at == b);
    lex->at += there ? 1 : 0;
    return there;
}

bool json_number(struct json_lex *lex, struct slice *number)
{
    const char *from = lex->at;
    *number = slice_make(from, 0);
    pass(lex, '-', '-');
    if (pass(lex, '0', '0')) {
        if (pass_digits(lex)) {
            return fail(lex, "a number must not begin with 0 and more digits");
        }
    } else if (!pass_digits(lex)) {
        return fail(lex, "expected a digit");
    }
    if (pass(lex, '.', '.') && !pass_digits(lex)) {
        return fail(lex, "expected a digit after '.'");
    }
    if (pass(lex, 'e', 'E')) {
        pass(lex, '+', '-');
        if (!pass_digits(lex)) {
            return fail(lex, "expected a digit in the exponent");
        }
    }
    *number = slice_make(from, (size_t)(lex->at - from));
    return true;
}

/* Is one of these eight bytes a quote, a backslash, below 0x20 or not ASCII? It may say yes for
 * others beside one of those, never no. */
static bool is_special(const char *s)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t eight;
    memcpy(&eight, s, sizeof(eight));
    uint64_t quote = eight ^ (ones * '"');
    uint64_t backslash = eight ^ (ones * '\\');
    uint64_t found = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                     ((eight - ones * 0x20) & ~eight) | eight;
    return (found & (ones * 0x80)) != 0;
}

/* The UTF-16 unit that the escape \uXXXX at s gives; -1 when there is none in len bytes. */
static int32_t escaped_unit(const char *s, size_t len)
{
    if (len < 6 || s[0] != '\\' || s[1] != 'u') {
        return -1;
    }
    int32_t unit = 0;
    for (unsigned i = 2; i < 6; i++) {
        int digit = json_hex_value(s[i]);
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

/* The code point of the escape or pair of escapes at s, which takes *len bytes of `left`; -1 when
 * it is malformed, -2 when it is half a pair. */
static int32_t escaped_point(const char *s, size_t left, size_t *len)
{
    int32_t unit = escaped_unit(s, left);
    *len = 6;
    if (unit < 0xd800 || unit > 0xdfff) {
        return unit;
    }
    int32_t low = unit < 0xdc00 ? escaped_unit(s + 6, left - 6) : -1;
    *len = 12;
    return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : -2;
}

/* Steps over the escape at the cursor. */
static bool pass_escape(struct json_lex *lex)
{
    size_t left = (size_t)(lex->end - lex->at);
    size_t len = 2;
    if (left < 2 || lex->at[1] == '\0' || strchr("\"\\/bfnrtu", lex->at[1]) == NULL) {
        return fail(lex, "unknown escape");
    }
    if (lex->at[1] == 'u') {
        int32_t point = escaped_point(lex->at, left, &len);
        if (point < 0) {
            return fail(lex, point == -1 ? "expected four hex digits after \\u"
                                         : "half of a surrogate pair");
        }
    }
    lex->at += len;
    return true;
}

/* Steps over what is no plain byte of a string; the cursor is not at its closing quote. */
static bool pass_special(struct json_lex *lex)
{
    unsigned char c = (unsigned char)*lex->at;
    if (c == '\\') {
        return pass_escape(lex);
    }
    if (c < 0x20) {
        return fail(lex, "a control character in a string must be escaped");
    }
    size_t n = utf8_sequence(lex->at, (size_t)(lex->end - lex->at));
    lex->at += n;
    return n != 0 || fail(lex, "invalid UTF-8");
}

bool json_read_string(struct json_lex *lex, struct json_string *string)
{
    const char *from = ++lex->at;
    *string = (struct json_string){slice_make(from, 0), false};
    while (lex->at != lex->end) {
        if (lex->end - lex->at >= 8 && !is_special(lex->at)) {
            lex->at += 8;
        } else if (*lex->at == '"') {
            string->raw.len = (size_t)(lex->at - from);
            lex->at++;
            return true;
        } else {
            string->escaped |= *lex->at == '\\';
            if (!pass_special(lex)) {
                return false;
            }
        }
    }
    return fail(lex, "a string without its closing quote");
}

static size_t put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) {
        to[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (char)(0xc0 | point >> 6);
        to[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        to[0] = (char)(0xe0 | point >> 12);
        to[1] = (char)(0x80 | (point >> 6 & 0x3f));
        to[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | point >> 18);
    to[1] = (char)(0x80 | (point >> 12 & 0x3f));
    to[2] = (char)(0x80 | (point >> 6 & 0x3f));
    to[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

static char short_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

size_t json_unescape(const struct json_string *string, char *to)
{
    const char *at = string->raw.data;
    const char *end = at + string->raw.len;
    size_t n = 0;
    while (at != end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape != NULL ? escape : end) - at);
        memcpy(to + n, at, plain);
        n += plain;
        at += plain;
        if (escape != NULL && at[1] == 'u') {
            size_t len;
            n += put_utf8(to + n, (uint32_t)escaped_point(at, (size_t)(end - at), &len));
            at += len;
        } else if (escape != NULL) {
            to[n++] = short_escape(at[1]);
            at += 2;
        }
    }
    return n;
}

/* Reads one value of which an object or array is only opened; gives what closes it, or 0. */
static char skip_one(struct json_lex *lex)
{
    struct json_string string;
    struct slice number;
    enum json_kind kind = json_peek(lex);
    switch (kind) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        json_enter(lex);
        return kind == JSON_OBJECT ? '}' : ']';
    case JSON_STRING:
        json_read_string(lex, &string);
        break;
    case JSON_NUMBER:
        json_number(lex, &number);
        break;
    case JSON_NONE:
        fail(lex, "expected a value");
        break;
    default:
        json_literal(lex, kind);
        break;
    }
    return 0;
}

bool json_skip(struct json_lex *lex)
{
    char close[JSON_IGNORED_DEPTH_MAX];
    size_t depth = 0;
    do {
        char opened = skip_one(lex);
        if (opened != 0 && depth == JSON_IGNORED_DEPTH_MAX) {
            return fail(lex, "a value of an unknown field is nested too deep");
        }
        if (opened != 0) {
            close[depth++] = opened;
        }
        bool first = opened != 0;
        while (depth > 0 && !json_next(lex, first, close[depth - 1])) {
            depth--;
            first = false;
        }
        struct json_string name;
        if (depth > 0 && close[depth - 1] == '}') {
            json_name(lex, &name);
        }
    } while (depth > 0 && lex->fault == NULL);
    return lex->fault == NULL;
}
