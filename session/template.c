/* template.c: see template.h. The page between the tags, and the tags that choose: {% if %}. What a
 * template becomes is told in template_internal.h.
 */
#include "session/template.h"

#include "base/utf8.h"
#include "session/template_expr.h"
#include "session/template_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* An {% if %} that is open. */
struct branch {
    size_t at;        /* of its tag */
    uint32_t refused; /* the jump past the current branch */
    uint32_t done;    /* the jumps from the ends of the branches */
    bool has_else;
};

struct page {
    struct compiler compiler;
    struct branch branches[TEMPLATE_IF_DEPTH];
    size_t depth;
};

/* Copies the source as Jinja2 reads it: lines end in \n, and one line end at the very end is not
 * part of the page. The caller frees it; NULL when out of memory. */
static char *normalise(struct slice source, size_t *len)
{
    char *copy = malloc(source.len + 1);
    if (copy == NULL) {
        return NULL;
    }
    *len = 0;
    for (size_t i = 0; i < source.len; i++) {
        char c = source.data[i];
        if (c == '\r') {
            if (i + 1 < source.len && source.data[i + 1] == '\n') {
                i++;
            }
            c = '\n';
        }
        copy[(*len)++] = c;
    }
    if (*len > 0 && copy[*len - 1] == '\n') {
        (*len)--;
    }
    return copy;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

/* Appends source[from, to) without the white space that "-" marks take. */
static void emit_text(struct page *page, size_t from, size_t to, bool trim_front, bool trim_back)
{
    const char *source = page->compiler.lexer.source.data;
    while (trim_front && from < to && is_space(source[from])) {
        from++;
    }
    while (trim_back && from < to && is_space(source[to - 1])) {
        to--;
    }
    if (from < to) {
        compiler_emit_bytes(&page->compiler, TEMPLATE_OP_TEXT, slice_make(source + from, to - from),
                            0);
    }
}

static void expect_end(struct page *page)
{
    struct lexer *lexer = &page->compiler.lexer;
    if (lexer->token.type != TOKEN_END) {
        char what[64];
        snprintf(what, sizeof(what), "%s or an operator", lexer->end);
        lexer_fail_expected(lexer, what);
    }
}

/* The condition of an if or elif, and the jump past what it guards. */
static void condition(struct page *page, struct branch *branch)
{
    struct compiler *compiler = &page->compiler;
    lexer_next(&compiler->lexer);
    compiler_condition(compiler);
    expect_end(page);
    compiler_emit_jump(compiler, (struct template_instruction){.op = TEMPLATE_OP_BRANCH}, -1,
                       &branch->refused);
}

static void tag_if(struct page *page)
{
    struct lexer *lexer = &page->compiler.lexer;
    if (page->depth == TEMPLATE_IF_DEPTH) {
        lexer_fail(lexer, lexer->tag_at, "{%% if %%} is nested too deeply; at most %d are allowed",
                   TEMPLATE_IF_DEPTH);
        return;
    }
    struct branch *branch = &page->branches[page->depth++];
    *branch = (struct branch){lexer->tag_at, COMPILER_NO_JUMPS, COMPILER_NO_JUMPS, false};
    condition(page, branch);
}

/* Begins another branch of the innermost {% if %}; NULL after a failure. */
static struct branch *next_branch(struct page *page, const char *tag)
{
    struct compiler *compiler = &page->compiler;
    struct lexer *lexer = &compiler->lexer;
    if (page->depth == 0) {
        lexer_fail(lexer, lexer->tag_at, "{%% %s %%} without an {%% if %%} before it", tag);
        return NULL;
    }
    struct branch *branch = &page->branches[page->depth - 1];
    if (branch->has_else) {
        lexer_fail(lexer, lexer->tag_at,
                   "{%% %s %%} behind {%% else %%}; else comes last, then {%% endif %%}", tag);
        return NULL;
    }
    compiler_emit_jump(compiler, (struct template_instruction){.op = TEMPLATE_OP_JUMP}, 0,
                       &branch->done);
    compiler_land(compiler, &branch->refused);
    return branch;
}

static void tag_elif(struct page *page)
{
    struct branch *branch = next_branch(page, "elif");
    if (branch != NULL) {
        condition(page, branch);
    }
}

static void tag_else(struct page *page)
{
    struct lexer *lexer = &page->compiler.lexer;
    struct branch *branch = next_branch(page, "else");
    if (branch != NULL) {
        branch->has_else = true;
        lexer_next(lexer);
        if (lexer_is_name(lexer, "if")) {
            lexer_fail(lexer, lexer->token.at, "a condition behind else; write {%% elif ... %%}");
        }
        expect_end(page);
    }
}

static void tag_endif(struct page *page)
{
    struct lexer *lexer = &page->compiler.lexer;
    if (page->depth == 0) {
        lexer_fail(lexer, lexer->tag_at, "{%% endif %%} without an {%% if %%} before it");
        return;
    }
    struct branch *branch = &page->branches[--page->depth];
    compiler_land(&page->compiler, &branch->refused);
    compiler_land(&page->compiler, &branch->done);
    lexer_next(lexer);
    expect_end(page);
}

static void block_tag(struct page *page)
{
    static const struct {
        const char *name;
        void (*parse)(struct page *page);
    } tags[] = {{"if", tag_if}, {"elif", tag_elif}, {"else", tag_else}, {"endif", tag_endif}};
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (lexer_is_name(&page->compiler.lexer, tags[i].name)) {
            tags[i].parse(page);
            return;
        }
    }
    lexer_fail_expected(&page->compiler.lexer, "if, elif, else or endif, the only tags there are");
}

static void print_tag(struct page *page)
{
    compiler_expression(&page->compiler);
    expect_end(page);
    compiler_emit(&page->compiler, (struct template_instruction){.op = TEMPLATE_OP_PRINT}, -1);
}

static void comment(struct page *page, size_t tag_at)
{
    struct lexer *lexer = &page->compiler.lexer;
    for (size_t i = lexer->at; i + 1 < lexer->source.len; i++) {
        if (lexer->source.data[i] == '#' && lexer->source.data[i + 1] == '}') {
            lexer->trim_behind = i > lexer->at && lexer->source.data[i - 1] == '-';
            lexer->at = i + 2;
            return;
        }
    }
    lexer_fail(lexer, tag_at, "the comment is never closed; close it with #}");
}

/* Where the next tag begins, at or behind `from`; the source's length when there is none. */
static size_t find_tag(struct slice source, size_t from)
{
    for (size_t i = from; i + 1 < source.len; i++) {
        char next = source.data[i + 1];
        if (source.data[i] == '{' && (next == '{' || next == '%' || next == '#')) {
            return i;
        }
    }
    return source.len;
}

static void tag(struct page *page, size_t tag_at)
{
    struct lexer *lexer = &page->compiler.lexer;
    switch (lexer->source.data[tag_at + 1]) {
    case '#':
        comment(page, tag_at);
        break;
    case '%':
        lexer_enter_tag(lexer, tag_at, "%}");
        block_tag(page);
        break;
    default:
        lexer_enter_tag(lexer, tag_at, "}}");
        print_tag(page);
        break;
    }
}

static void compile_page(struct page *page)
{
    struct lexer *lexer = &page->compiler.lexer;
    struct slice source = lexer->source;
    while (!lexer->failed && lexer->at < source.len) {
        size_t from = lexer->at;
        size_t tag_at = find_tag(source, from);
        const char mark = lexer_byte(lexer, tag_at + 2);
        emit_text(page, from, tag_at, lexer->trim_behind, mark == '-');
        lexer->trim_behind = false;
        lexer->at = tag_at;
        if (tag_at < source.len) {
            lexer->at += mark == '-' || mark == '+' ? 3 : 2;
            tag(page, tag_at);
        }
    }
    if (page->depth > 0) {
        lexer_fail(lexer, page->branches[page->depth - 1].at,
                   "{%% if %%} is never closed; close it with {%% endif %%}");
    }
    if (page->compiler.out->pool.failed) {
        lexer_fail(lexer, 0, "out of memory");
    }
}

/* False and the place when it is not UTF-8. */
static bool check_utf8(struct lexer *lexer)
{
    size_t at = 0;
    while (at < lexer->source.len) {
        size_t len = utf8_sequence(lexer->source.data + at, lexer->source.len - at);
        if (len == 0) {
            lexer_fail(lexer, at, "not UTF-8; save the file in this encoding");
            return false;
        }
        at += len;
    }
    return true;
}

struct template *template_compile(const char *file, struct slice source, struct result *why)
{
    if (source.len > TEMPLATE_SOURCE_MAX) {
        result_fail(why, "%.200s:1:1: the template has %zu bytes; at most %d are allowed", file,
                    source.len, TEMPLATE_SOURCE_MAX);
        return NULL;
    }
    size_t len = 0;
    char *copy = normalise(source, &len);
    struct template *template = calloc(1, sizeof(*template));
    if (copy == NULL || template == NULL) {
        result_fail(why, "%.200s:1:1: out of memory", file);
        free(copy);
        free(template);
        return NULL;
    }
    struct page page = {
        .compiler = {.lexer = {.file = file, .source = slice_make(copy, len), .why = why},
                     .out = template}};
    if (check_utf8(&page.compiler.lexer)) {
        compile_page(&page);
    }
    free(copy);
    if (page.compiler.lexer.failed) {
        template_free(template);
        return NULL;
    }
    return template;
}

void template_free(struct template *template)
{
    if (template != NULL) {
        free(template->code);
        buf_free(&template->pool);
        free(template);
    }
}
