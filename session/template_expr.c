/* template_expr.c: see template_expr.h. Recursive descent; whatever recurses goes through
 * compiler_expression, which counts. Repetition ("a or b or c", "not not a") is done in loops.
 */
#include "session/template_expr.h"

#include <stdlib.h>

/* What is known of a value when compiling. */
enum kind { KIND_ANY, KIND_STRING, KIND_NUMBER };

static enum kind parse_expression(struct compiler *compiler);

uint32_t compiler_emit(struct compiler *compiler, struct template_instruction instruction,
                       int grows)
{
    struct template *out = compiler->out;
    if (compiler->lexer.failed) {
        return 0;
    }
    if (out->n == out->cap) {
        size_t cap = out->cap != 0 ? out->cap * 2 : 32;
        struct template_instruction *grown = realloc(out->code, cap * sizeof(*grown));
        if (grown == NULL) {
            lexer_fail(&compiler->lexer, compiler->lexer.at, "out of memory");
            return 0;
        }
        out->code = grown;
        out->cap = cap;
    }
    compiler->stack = (unsigned)((int)compiler->stack + grows);
    if (compiler->stack > TEMPLATE_STACK_MAX) {
        lexer_fail(&compiler->lexer, compiler->lexer.token.at,
                   "the expression is too deep; use fewer parentheses");
        return 0;
    }
    out->code[out->n] = instruction;
    return (uint32_t)out->n++;
}

void compiler_emit_bytes(struct compiler *compiler, enum template_op op, struct slice bytes,
                         int grows)
{
    struct buf *pool = &compiler->out->pool;
    compiler_emit(compiler,
                  (struct template_instruction){
                      .op = (uint8_t)op, .at = (uint32_t)pool->len, .number = (int64_t)bytes.len},
                  grows);
    buf_append_slice(pool, bytes);
}

void compiler_emit_jump(struct compiler *compiler, struct template_instruction jump, int grows,
                        uint32_t *list)
{
    jump.at = *list;
    uint32_t index = compiler_emit(compiler, jump, grows);
    if (!compiler->lexer.failed) {
        *list = index;
    }
}

void compiler_land(struct compiler *compiler, uint32_t *list)
{
    while (*list != COMPILER_NO_JUMPS) {
        struct template_instruction *jump = &compiler->out->code[*list];
        *list = jump->at;
        jump->at = (uint32_t)compiler->out->n;
    }
}

static void emit_op(struct compiler *compiler, enum template_op op, int grows)
{
    compiler_emit(compiler, (struct template_instruction){.op = (uint8_t)op}, grows);
}

static void emit_number(struct compiler *compiler, enum template_op op, int64_t number)
{
    compiler_emit(compiler, (struct template_instruction){.op = (uint8_t)op, .number = number}, 1);
}

/* What the escape that ends in this character stands for. */
static char unescape(char c)
{
    switch (c) {
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

/* Pushes the current token, a string, and writes its escapes out. */
static void emit_string(struct compiler *compiler)
{
    struct slice raw = compiler->lexer.token.text;
    struct buf *pool = &compiler->out->pool;
    size_t at = pool->len;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.data[i];
        if (c == '\\') {
            c = unescape(raw.data[++i]);
        }
        buf_append_char(pool, c);
    }
    compiler_emit(compiler,
                  (struct template_instruction){.op = TEMPLATE_OP_STRING,
                                                .at = (uint32_t)at,
                                                .number = (int64_t)(pool->len - at)},
                  1);
}

static bool is_reserved(const struct lexer *lexer)
{
    static const char *const words[] = {"and", "or", "not",  "if",  "else",
                                        "in",  "is", "none", "None"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (lexer_is_name(lexer, words[i])) {
            return true;
        }
    }
    return false;
}

/* true, false or a variable's name. */
static enum kind parse_name(struct compiler *compiler)
{
    const struct lexer *lexer = &compiler->lexer;
    bool is_true = lexer_is_name(lexer, "true") || lexer_is_name(lexer, "True");
    if (is_true || lexer_is_name(lexer, "false") || lexer_is_name(lexer, "False")) {
        emit_number(compiler, TEMPLATE_OP_BOOL, is_true);
        return KIND_NUMBER;
    }
    compiler_emit_bytes(compiler, TEMPLATE_OP_NAME, lexer->token.text, 1);
    return KIND_ANY;
}

static enum kind parse_negative(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    lexer_next(lexer);
    if (lexer->token.type != TOKEN_NUMBER) {
        lexer_fail_expected(lexer, "a number behind the minus sign (nothing is computed here)");
    }
    emit_number(compiler, TEMPLATE_OP_NUMBER, -lexer->token.number);
    return KIND_NUMBER;
}

static enum kind parse_parentheses(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    lexer_next(lexer);
    enum kind kind = parse_expression(compiler);
    if (lexer->token.type != TOKEN_CLOSE) {
        lexer_fail_expected(lexer, "')'");
    }
    return kind;
}

static enum kind parse_primary(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    enum kind kind = KIND_ANY;
    enum token_type type = lexer->token.type;
    if (type == TOKEN_STRING) {
        emit_string(compiler);
        kind = KIND_STRING;
    } else if (type == TOKEN_NUMBER) {
        emit_number(compiler, TEMPLATE_OP_NUMBER, lexer->token.number);
        kind = KIND_NUMBER;
    } else if (type == TOKEN_MINUS) {
        kind = parse_negative(compiler);
    } else if (type == TOKEN_NAME && !is_reserved(lexer)) {
        kind = parse_name(compiler);
    } else if (type == TOKEN_OPEN) {
        kind = parse_parentheses(compiler);
    } else {
        lexer_fail_expected(lexer, "a name, a number, a string or '('");
    }
    lexer_next(lexer);
    return kind;
}

/* The arguments of default; the current token is behind its name. */
static void parse_default(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    bool has_fallback = false;
    bool has_falsy_too = false;
    if (lexer->token.type == TOKEN_OPEN) {
        lexer_next(lexer);
        if (lexer->token.type != TOKEN_CLOSE) {
            parse_expression(compiler);
            has_fallback = true;
        }
        if (has_fallback && lexer->token.type == TOKEN_COMMA) {
            lexer_next(lexer);
            parse_expression(compiler);
            has_falsy_too = true;
        }
        if (lexer->token.type != TOKEN_CLOSE) {
            lexer_fail_expected(lexer, "')' behind default's value and its optional true");
        }
        lexer_next(lexer);
    }
    if (!has_fallback) {
        compiler_emit_bytes(compiler, TEMPLATE_OP_STRING, SLICE_LIT(""), 1);
    }
    if (!has_falsy_too) {
        emit_number(compiler, TEMPLATE_OP_BOOL, 0);
    }
    emit_op(compiler, TEMPLATE_OP_DEFAULT, -2);
}

static enum kind parse_value(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    enum kind kind = parse_primary(compiler);
    while (lexer->token.type == TOKEN_PIPE) {
        lexer_next(lexer);
        if (!lexer_is_name(lexer, "default") && !lexer_is_name(lexer, "d")) {
            lexer_fail_expected(lexer, "the filter default('...'), the only one there is");
        }
        lexer_next(lexer);
        parse_default(compiler);
        kind = KIND_ANY;
    }
    return kind;
}

static bool is_order(enum template_comparison comparison)
{
    return comparison != TEMPLATE_EQ && comparison != TEMPLATE_NE;
}

static enum kind parse_comparison(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    uint32_t done = COMPILER_NO_JUMPS;
    enum kind left = parse_value(compiler);
    enum kind kind = left;
    while (lexer->token.type == TOKEN_COMPARISON) {
        struct token sign = lexer->token;
        lexer_next(lexer);
        enum kind right = parse_value(compiler);
        if (is_order((enum template_comparison)sign.number) && left != KIND_ANY &&
            right != KIND_ANY && left != right) {
            lexer_fail(lexer, sign.at,
                       "a string and a number have no order; compare two numbers or two strings");
        }
        struct template_instruction compare = {.op = TEMPLATE_OP_COMPARE,
                                               .comparison = (uint8_t)sign.number};
        if (lexer->token.type == TOKEN_COMPARISON) {
            compare.op = TEMPLATE_OP_CHAIN;
            compiler_emit_jump(compiler, compare, -1, &done);
        } else {
            compiler_emit(compiler, compare, -1);
        }
        left = right;
        kind = KIND_ANY;
    }
    compiler_land(compiler, &done);
    return kind;
}

static enum kind parse_not(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    unsigned count = 0;
    for (; lexer_is_name(lexer, "not"); count++) {
        lexer_next(lexer);
    }
    enum kind kind = parse_comparison(compiler);
    if (count == 0) {
        return kind;
    }
    emit_op(compiler, TEMPLATE_OP_NOT, 0);
    if (count % 2 == 0) {
        emit_op(compiler, TEMPLATE_OP_NOT, 0);
    }
    return KIND_ANY;
}

static enum kind parse_and(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    uint32_t done = COMPILER_NO_JUMPS;
    enum kind kind = parse_not(compiler);
    while (lexer_is_name(lexer, "and")) {
        lexer_next(lexer);
        compiler_emit_jump(compiler, (struct template_instruction){.op = TEMPLATE_OP_AND}, -1,
                           &done);
        parse_not(compiler);
        kind = KIND_ANY;
    }
    compiler_land(compiler, &done);
    return kind;
}

static enum kind parse_or(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    uint32_t done = COMPILER_NO_JUMPS;
    enum kind kind = parse_and(compiler);
    while (lexer_is_name(lexer, "or")) {
        lexer_next(lexer);
        compiler_emit_jump(compiler, (struct template_instruction){.op = TEMPLATE_OP_OR}, -1,
                           &done);
        parse_and(compiler);
        kind = KIND_ANY;
    }
    compiler_land(compiler, &done);
    return kind;
}

/* Behind a value that is on the stack already: "if condition [else other]". Keeps the value or puts
 * the other (without else: undefined) in its place. */
static void parse_choice(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    uint32_t refused = COMPILER_NO_JUMPS;
    uint32_t done = COMPILER_NO_JUMPS;
    parse_or(compiler);
    compiler_emit_jump(compiler, (struct template_instruction){.op = TEMPLATE_OP_BRANCH}, -1,
                       &refused);
    compiler_emit_jump(compiler, (struct template_instruction){.op = TEMPLATE_OP_JUMP}, 0, &done);
    compiler_land(compiler, &refused);
    emit_op(compiler, TEMPLATE_OP_POP, -1);
    if (lexer_is_name(lexer, "else")) {
        lexer_next(lexer);
        parse_expression(compiler);
    } else {
        emit_op(compiler, TEMPLATE_OP_UNDEFINED, 1);
    }
    compiler_land(compiler, &done);
}

static enum kind parse_expression(struct compiler *compiler)
{
    struct lexer *lexer = &compiler->lexer;
    if (compiler->nesting > TEMPLATE_EXPRESSION_DEPTH) {
        lexer_fail(lexer, lexer->token.at,
                   "parentheses and else branches are nested too deeply; at most %d are allowed",
                   TEMPLATE_EXPRESSION_DEPTH);
        return KIND_ANY;
    }
    compiler->nesting++;
    enum kind kind = parse_or(compiler);
    while (lexer_is_name(lexer, "if")) {
        lexer_next(lexer);
        parse_choice(compiler);
        kind = KIND_ANY;
    }
    compiler->nesting--;
    return kind;
}

void compiler_expression(struct compiler *compiler)
{
    parse_expression(compiler);
}

void compiler_condition(struct compiler *compiler)
{
    parse_or(compiler);
}
