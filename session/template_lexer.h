/* template_lexer.h: the source of a template as a place that moves, and the tokens inside its tags.
 *
 * Errors are sticky: after the first one, which is the one told, every token is TOKEN_NONE.
 */
#ifndef SIGPOST_SESSION_TEMPLATE_LEXER_H
#define SIGPOST_SESSION_TEMPLATE_LEXER_H

#include "base/result.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_type {
    TOKEN_NONE,
    TOKEN_END, /* of the tag */
    TOKEN_NAME,
    TOKEN_STRING, /* text: between the quotes, escapes untouched but known to be good */
    TOKEN_NUMBER,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_PIPE,
    TOKEN_MINUS,
    TOKEN_COMPARISON, /* number: enum template_comparison */
};

struct token {
    enum token_type type;
    size_t at; /* where it begins in the source */
    struct slice text;
    int64_t number;
};

struct lexer {
    const char *file;
    struct slice source; /* valid UTF-8, lines end in \n */
    size_t at;
    struct result *why;
    bool failed;
    size_t tag_at;    /* where the current tag begins */
    const char *end;  /* what ends it: "}}" or "%}" */
    bool trim_behind; /* the tag that ended last ended in "-": the white space behind it goes */
    struct token token;
};

/* The byte at this place of the source, or NUL past its end. */
char lexer_byte(const struct lexer *lexer, size_t at);

/* Begins with the first token behind the tag's opening, which begins at tag_at. */
void lexer_enter_tag(struct lexer *lexer, size_t tag_at, const char *end);

/* Moves token on to the next one. At the tag's end lexer->at is behind it. */
void lexer_next(struct lexer *lexer);

/* Is the token this name? */
bool lexer_is_name(const struct lexer *lexer, const char *name);

/* Fails with "file:line:column: " and the sentence unless something failed before. */
void lexer_fail(struct lexer *lexer, size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fails at the current token: "expected WHAT, found …". */
void lexer_fail_expected(struct lexer *lexer, const char *what);

#endif
