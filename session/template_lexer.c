/* template_lexer.c: see template_lexer.h. */
#include "session/template_lexer.h"

#include "session/template_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 32 /* bytes of a token in an error */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_part(char c)
{
    return is_name_start(c) || is_digit(c);
}

char lexer_byte(const struct lexer *lexer, size_t at)
{
    if (at < lexer->source.len) {
        return lexer->source.data[at];
    }
    return '\0';
}

/* The byte `ahead` of the place, or NUL past the end. */
static char peek(const struct lexer *lexer, size_t ahead)
{
    return lexer_byte(lexer, lexer->at + ahead);
}

void lexer_fail(struct lexer *lexer, size_t at, const char *format, ...)
{
    if (lexer->failed) {
        return;
    }
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < at && i < lexer->source.len; i++) {
        unsigned char c = (unsigned char)lexer->source.data[i];
        if (c == '\n') {
            line++;
            column = 1;
        } else if ((c & 0xc0) != 0x80) {
            column++;
        }
    }
    char sentence[RESULT_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    result_fail(lexer->why, "%.200s:%zu:%zu: %s", lexer->file, line, column, sentence);
    lexer->failed = true;
    lexer->token.type = TOKEN_NONE;
}

void lexer_fail_expected(struct lexer *lexer, const char *what)
{
    const struct token *token = &lexer->token;
    if (token->type == TOKEN_END) {
        lexer_fail(lexer, token->at, "expected %s, found the end of the tag", what);
        return;
    }
    size_t shown = token->text.len;
    if (shown > SHOWN_MAX) {
        for (shown = SHOWN_MAX; shown > 0 && (token->text.data[shown] & 0xc0) == 0x80; shown--) {
        }
    }
    lexer_fail(lexer, token->at, "expected %s, found %s'%.*s'", what,
               token->type == TOKEN_STRING ? "the string " : "", (int)shown, token->text.data);
}

bool lexer_is_name(const struct lexer *lexer, const char *name)
{
    return lexer->token.type == TOKEN_NAME && slice_eq_str(lexer->token.text, name);
}

/* Takes `len` bytes as a token. */
static void take(struct lexer *lexer, enum token_type type, size_t len)
{
    lexer->token = (struct token){
        .type = type, .at = lexer->at, .text = slice_make(lexer->source.data + lexer->at, len)};
    lexer->at += len;
}

static void take_name(struct lexer *lexer)
{
    size_t len = 1;
    while (is_name_part(peek(lexer, len))) {
        len++;
    }
    take(lexer, TOKEN_NAME, len);
}

static void take_number(struct lexer *lexer)
{
    size_t len = 0;
    int64_t number = 0;
    for (; is_digit(peek(lexer, len)); len++) {
        int digit = peek(lexer, len) - '0';
        if (number > (INT64_MAX - digit) / 10) {
            lexer_fail(lexer, lexer->at, "the number is too large; the largest is %lld",
                       (long long)INT64_MAX);
            return;
        }
        number = number * 10 + digit;
    }
    if (is_name_part(peek(lexer, len)) || peek(lexer, len) == '.') {
        lexer_fail(lexer, lexer->at, "not a whole number; write decimal digits only, as in 42");
        return;
    }
    if (len > 1 && peek(lexer, 0) == '0') {
        lexer_fail(lexer, lexer->at, "a number with leading zeros; write it without them");
        return;
    }
    take(lexer, TOKEN_NUMBER, len);
    lexer->token.number = number;
}

static void take_string(struct lexer *lexer)
{
    char quote = peek(lexer, 0);
    size_t len = 1;
    for (; lexer->at + len < lexer->source.len && peek(lexer, len) != quote; len++) {
        if (peek(lexer, len) == '\\') {
            len++;
            if (peek(lexer, len) == '\0' || strchr("\\'\"nrt", peek(lexer, len)) == NULL) {
                lexer_fail(lexer, lexer->at + len - 1,
                           "unknown escape in a string; there are \\\\ \\' \\\" \\n \\r \\t");
                return;
            }
        }
    }
    if (lexer->at + len >= lexer->source.len) {
        lexer_fail(lexer, lexer->at, "the string is never closed; close it with %c", quote);
        return;
    }
    take(lexer, TOKEN_STRING, len + 1);
    lexer->token.text.data++;
    lexer->token.text.len -= 2;
}

static bool take_comparison(struct lexer *lexer)
{
    static const struct {
        const char *text;
        size_t len;
        enum template_comparison comparison;
    } all[] = {{"==", 2, TEMPLATE_EQ}, {"!=", 2, TEMPLATE_NE}, {"<=", 2, TEMPLATE_LE},
               {">=", 2, TEMPLATE_GE}, {"<", 1, TEMPLATE_LT},  {">", 1, TEMPLATE_GT}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (peek(lexer, 0) == all[i].text[0] &&
            (all[i].len == 1 || peek(lexer, 1) == all[i].text[1])) {
            take(lexer, TOKEN_COMPARISON, all[i].len);
            lexer->token.number = all[i].comparison;
            return true;
        }
    }
    return false;
}

/* "}}", "%}", both with a "-" (or, for blocks, a "+") before. */
static bool take_end(struct lexer *lexer)
{
    bool minus = peek(lexer, 0) == '-';
    size_t mark = minus || (peek(lexer, 0) == '+' && lexer->end[0] == '%') ? 1 : 0;
    char first = peek(lexer, mark);
    if (peek(lexer, mark + 1) != '}' || (first != '}' && first != '%')) {
        return false;
    }
    if (first != lexer->end[0]) {
        lexer_fail(lexer, lexer->at + mark, "%c} ends a tag that did not begin with {%c; write %s",
                   first, first == '}' ? '{' : '%', lexer->end);
        return true;
    }
    take(lexer, TOKEN_END, mark + 2);
    lexer->trim_behind = minus;
    return true;
}

static void take_symbol(struct lexer *lexer)
{
    static const struct {
        char c;
        enum token_type type;
    } all[] = {{'(', TOKEN_OPEN},
               {')', TOKEN_CLOSE},
               {',', TOKEN_COMMA},
               {'|', TOKEN_PIPE},
               {'-', TOKEN_MINUS}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (peek(lexer, 0) == all[i].c) {
            take(lexer, all[i].type, 1);
            return;
        }
    }
    unsigned char c = (unsigned char)peek(lexer, 0);
    char shown[16];
    snprintf(shown, sizeof(shown), c > ' ' && c < 0x7f ? "'%c'" : "byte 0x%02x", c);
    lexer_fail(lexer, lexer->at,
               "%s has no meaning here; there are names, numbers, strings, ( ) == != < <= > >= "
               "and or not if else, and |default(...)",
               shown);
}

void lexer_next(struct lexer *lexer)
{
    if (lexer->failed) {
        return;
    }
    while (lexer->at < lexer->source.len && strchr(" \t\n\r\v\f", peek(lexer, 0)) != NULL &&
           peek(lexer, 0) != '\0') {
        lexer->at++;
    }
    char c = peek(lexer, 0);
    if (lexer->at >= lexer->source.len) {
        lexer_fail(lexer, lexer->tag_at, "the tag is never closed; close it with %s", lexer->end);
    } else if (is_name_start(c)) {
        take_name(lexer);
    } else if (is_digit(c)) {
        take_number(lexer);
    } else if (c == '\'' || c == '"') {
        take_string(lexer);
    } else if (!take_end(lexer) && !take_comparison(lexer)) {
        take_symbol(lexer);
    }
}

void lexer_enter_tag(struct lexer *lexer, size_t tag_at, const char *end)
{
    lexer->tag_at = tag_at;
    lexer->end = end;
    lexer_next(lexer);
}
