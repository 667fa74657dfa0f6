/* manual.c: see manual.h. */
#include "base/manual.h"

#include <string.h>

/* Appends one character of text. A minus sign is what an option begins with; a bare "-" would be
 * set as a hyphen. */
static void put_char(struct buf *out, char c)
{
    if (c == '\\') {
        buf_append_str(out, "\\e");
    } else if (c == '-') {
        buf_append_str(out, "\\-");
    } else if (c == '\'') {
        buf_append_str(out, "\\(aq");
    } else if (c == '"') {
        buf_append_str(out, "\\(dq");
    } else {
        buf_append_char(out, c);
    }
}

static void put_plain(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        put_char(out, text.data[i]);
    }
}

/* The length of "[words](target)" at the front of text, 0 when it is something else; *words gets
 * what is shown. */
static size_t link_length(struct slice text, struct slice *words)
{
    const char *end = text.data + text.len;
    const char *bracket = text.data[0] == '[' ? memchr(text.data, ']', text.len) : NULL;
    if (bracket == NULL || end - bracket < 2 || bracket[1] != '(') {
        return 0;
    }
    const char *close = memchr(bracket, ')', (size_t)(end - bracket));
    *words = slice_make(text.data + 1, (size_t)(bracket - text.data) - 1);
    return close != NULL ? (size_t)(close - text.data) + 1 : 0;
}

/* Lines are broken at the first blank past this. */
#define LINE_FILLED 60

/* A line may not begin with ".": the zero-width \& stands before it. ("'" is escaped anyway.) */
static void put_text(struct buf *out, struct slice text)
{
    bool bold = false;
    size_t line = out->len;
    buf_append_str(out, text.len != 0 && text.data[0] == '.' ? "\\&" : "");
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == ' ' && out->len - line > LINE_FILLED) {
            buf_append_str(out, i + 1 < text.len && text.data[i + 1] == '.' ? "\n\\&" : "\n");
            line = out->len;
            continue;
        }
        struct slice words;
        size_t link = link_length(slice_make(text.data + i, text.len - i), &words);
        if (text.data[i] == '`') {
            bold = !bold;
            buf_append_str(out, bold ? "\\fB" : "\\fR");
        } else if (link != 0 && !bold) {
            put_plain(out, words);
            i += link - 1;
        } else {
            put_char(out, text.data[i]);
        }
    }
    buf_append_str(out, bold ? "\\fR\n" : "\n");
}

static bool is_mark(char c)
{
    return strchr(" []|,()=", c) != NULL;
}

/* A term: what is typed as it stands in bold, placeholders in italics, marks between them plain. */
static void put_term(struct buf *out, struct slice term)
{
    for (size_t i = 0; i < term.len;) {
        if (is_mark(term.data[i])) {
            put_char(out, term.data[i++]);
            continue;
        }
        size_t end = i;
        while (end < term.len && !is_mark(term.data[end])) {
            end++;
        }
        struct slice word = slice_make(term.data + i, end - i);
        buf_append_str(out, help_is_placeholder(word) ? "\\fI" : "\\fB");
        put_plain(out, word);
        buf_append_str(out, "\\fR");
        i = end;
    }
    buf_append_char(out, '\n');
}

void manual_head(struct buf *out, const char *name, int section, const char *brief)
{
    buf_append_str(out, ".TH ");
    for (const char *at = name; *at != '\0'; at++) {
        bool small = *at >= 'a' && *at <= 'z';
        buf_append_char(out, (char)(small ? *at - 'a' + 'A' : *at));
    }
    /* No date: the page is as old as the program. */
    buf_printf(out, " %d \"\" \"sigpost " SIGPOST_VERSION "\" \"sigpost\"\n", section);
    /* Names of keys and variables are not to be hyphenated, nor blanks stretched. */
    buf_append_str(out, ".nh\n.ad l\n");
    manual_section(out, "NAME");
    buf_printf(out, "%s \\- %s\n", name, brief);
}

void manual_section(struct buf *out, const char *title)
{
    buf_printf(out, ".SH %s\n", title);
}

void manual_subsection(struct buf *out, const char *title)
{
    buf_printf(out, ".SS %s\n", title);
}

/* Behind a heading a paragraph begins by itself. */
static void begin_paragraph(struct buf *out)
{
    size_t at = out->len != 0 ? out->len - 1 : 0;
    while (at > 0 && out->data[at - 1] != '\n') {
        at--;
    }
    if (out->len - at < 3 || memcmp(out->data + at, ".S", 2) != 0) {
        buf_append_str(out, ".PP\n");
    }
}

void manual_paragraph(struct buf *out, struct slice text)
{
    begin_paragraph(out);
    put_text(out, text);
}

void manual_item(struct buf *out, struct slice term, struct slice text)
{
    buf_append_str(out, ".TP\n");
    put_term(out, term);
    put_text(out, text);
}

void manual_example(struct buf *out, const char *lines)
{
    begin_paragraph(out);
    buf_append_str(out, ".RS 4\n.nf\n");
    for (struct slice rest = slice_of(lines); rest.len != 0;) {
        const char *newline = memchr(rest.data, '\n', rest.len);
        size_t len = newline != NULL ? (size_t)(newline - rest.data) : rest.len;
        buf_append_str(out, len != 0 && rest.data[0] == '.' ? "\\&" : "");
        put_plain(out, slice_make(rest.data, len));
        buf_append_char(out, '\n');
        size_t skip = newline != NULL ? len + 1 : len;
        rest = slice_make(rest.data + skip, rest.len - skip);
    }
    buf_append_str(out, ".fi\n.RE\n");
}

static void put_part(struct buf *out, const struct help_part *part)
{
    struct slice term = buf_slice(&part->term);
    struct slice text = buf_slice(&part->text);
    if (part->kind == HELP_TEXT) {
        manual_paragraph(out, text);
    } else if (text.len != 0) {
        manual_item(out, term, text);
    } else {
        begin_paragraph(out);
        put_term(out, term);
    }
}

void manual_help(struct buf *out, const char *help, const char *program, enum help_kind kind)
{
    struct help_part part = {.kind = HELP_TEXT};
    struct slice rest = slice_of(help);
    while (help_next(&rest, program, &part)) {
        if (part.kind == kind) {
            put_part(out, &part);
        }
    }
    help_part_free(&part);
}

void manual_help_body(struct buf *out, const char *help, const char *program)
{
    struct help_part part = {.kind = HELP_TEXT};
    struct slice rest = slice_of(help);
    while (help_next(&rest, program, &part)) {
        if (part.kind != HELP_SYNOPSIS) {
            put_part(out, &part);
        }
    }
    help_part_free(&part);
}

void manual_see_also(struct buf *out, const char *pages)
{
    manual_section(out, "SEE ALSO");
    put_text(out, slice_of(pages));
}
