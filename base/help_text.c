/* help_text.c: see help_text.h. */
#include "base/help_text.h"

#include <string.h>

#define USAGE "usage: "

static struct slice next_line(struct slice *rest)
{
    const char *newline = memchr(rest->data, '\n', rest->len);
    size_t len = newline != NULL ? (size_t)(newline - rest->data) : rest->len;
    struct slice line = slice_make(rest->data, len);
    size_t skip = newline != NULL ? len + 1 : len;
    *rest = slice_make(rest->data + skip, rest->len - skip);
    return line;
}

static size_t indent_of(struct slice line)
{
    size_t n = 0;
    while (n < line.len && line.data[n] == ' ') {
        n++;
    }
    return n;
}

static struct slice cut(struct slice line, size_t from)
{
    return slice_make(line.data + from, line.len - from);
}

static bool starts_with(struct slice line, const char *word)
{
    size_t len = strlen(word);
    return line.len >= len && memcmp(line.data, word, len) == 0;
}

static bool is_synopsis(struct slice line, const char *program)
{
    size_t len = strlen(program);
    return starts_with(line, USAGE) ||
           (starts_with(line, program) && line.len > len && line.data[len] == ' ');
}

/* Appends words with single blanks between them and what is there. */
static void append(struct buf *to, struct slice words)
{
    while (words.len != 0) {
        size_t skip = indent_of(words);
        words = cut(words, skip);
        size_t len = 0;
        while (len < words.len && words.data[len] != ' ') {
            len++;
        }
        if (len != 0 && to->len != 0) {
            buf_append_char(to, ' ');
        }
        buf_append(to, words.data, len);
        words = cut(words, len);
    }
}

bool help_is_placeholder(struct slice word)
{
    size_t i = 0;
    while (i < word.len && ((word.data[i] >= 'A' && word.data[i] <= 'Z') ||
                            (i > 0 && strchr("0123456789-_", word.data[i]) != NULL))) {
        i++;
    }
    return word.len != 0 && i == word.len;
}

/* Where a term ends: at two blanks; in "-o VALUE text", behind VALUE. */
static size_t term_end(struct slice line)
{
    for (size_t i = 0; i + 1 < line.len; i++) {
        if (line.data[i] == ' ' && line.data[i + 1] == ' ') {
            return i;
        }
    }
    const char *blank = line.data[0] == '-' ? memchr(line.data, ' ', line.len) : NULL;
    if (blank == NULL) {
        return line.len;
    }
    size_t end = (size_t)(blank - line.data);
    size_t next = end + 1;
    while (next < line.len && line.data[next] != ' ') {
        next++;
    }
    return help_is_placeholder(slice_make(blank + 1, next - end - 1)) ? next : end;
}

static void split(struct help_part *part, struct slice line)
{
    size_t end = term_end(line);
    append(&part->term, slice_make(line.data, end));
    append(&part->text, cut(line, end));
}

/* "-c" or "--check" begins an item wherever it stands; "- is standard input" does not. */
static bool is_option(struct slice line)
{
    return line.len > 1 && line.data[0] == '-' && line.data[1] != ' ';
}

/* The lines behind the first one that belong to the same part. */
static void take_more(struct slice *rest, struct help_part *part, size_t indent,
                      const char *program)
{
    for (;;) {
        struct slice ahead = *rest;
        struct slice line = ahead.len != 0 ? next_line(&ahead) : SLICE_LIT("");
        size_t in = indent_of(line);
        if (in == line.len ||
            (part->kind == HELP_TEXT ? is_synopsis(line, program) || in >= 2 : in <= indent)) {
            return;
        }
        line = cut(line, in);
        if (is_option(line)) {
            return;
        }
        bool more_term = part->kind == HELP_SYNOPSIS && part->text.len == 0 && line.data[0] == '[';
        append(more_term ? &part->term : &part->text, line);
        *rest = ahead;
    }
}

bool help_next(struct slice *rest, const char *program, struct help_part *part)
{
    struct slice line = SLICE_LIT("");
    size_t indent = 0;
    part->term.len = 0;
    part->text.len = 0;
    while (rest->len != 0 && indent == line.len) {
        line = next_line(rest);
        indent = indent_of(line);
    }
    if (indent == line.len) {
        return false;
    }
    part->kind = indent >= 2 ? HELP_ITEM : is_synopsis(line, program) ? HELP_SYNOPSIS : HELP_TEXT;
    line = cut(line, indent);
    if (part->kind == HELP_TEXT) {
        append(&part->text, line);
    } else {
        split(part, cut(line, starts_with(line, USAGE) ? strlen(USAGE) : 0));
    }
    take_more(rest, part, indent, program);
    return true;
}

void help_part_free(struct help_part *part)
{
    buf_free(&part->term);
    buf_free(&part->text);
}

bool help_word(struct slice *rest, struct slice *word)
{
    static const char skipped[] = " []";
    static const char repeated[] = "...";
    while (rest->len != 0 && strchr(skipped, rest->data[0]) != NULL) {
        *rest = cut(*rest, 1);
    }
    size_t len = 0;
    while (len < rest->len && strchr(skipped, rest->data[len]) == NULL) {
        len++;
    }
    *word = slice_make(rest->data, len);
    *rest = cut(*rest, len);
    size_t dots = strlen(repeated);
    if (len >= dots && memcmp(word->data + len - dots, repeated, dots) == 0) {
        word->len -= dots;
        return word->len != 0 || help_word(rest, word);
    }
    return len != 0;
}
