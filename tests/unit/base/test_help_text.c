/* test_help_text.c: help texts read back, and what manual pages are made of them. */
#include "base/help_text.h"
#include "base/manual.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const char help[] = "prog noun ID [--one VALUE]   does it\n"
                           "prog noun --two a|b [--three]\n"
                           "                    [--four N]\n"
                           "      does it in\n"
                           "      another way\n"
                           "\n"
                           "  -o, --one VALUE  first line\n"
                           "                   second line\n"
                           "      --bare\n"
                           "  --tight VALUE what it means\n"
                           "  name, name   an item that is no option\n"
                           "\n"
                           "Text that runs\n"
                           "over two lines.\n"
                           "\n"
                           "program is no synopsis\n";

/* "kind|term|text" a line. */
static const char *read_all(const char *text)
{
    static char out[4096];
    struct help_part part = {.kind = HELP_TEXT};
    struct slice rest = slice_of(text);
    size_t len = 0;
    out[0] = '\0';
    while (help_next(&rest, "prog", &part)) {
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%c|%.*s|%.*s\n", "SIT"[part.kind],
                                (int)part.term.len, part.term.data, (int)part.text.len,
                                part.text.data);
    }
    help_part_free(&part);
    return out;
}

Test(help_text, parts)
{
    cr_assert_str_eq(read_all(help),
                     "S|prog noun ID [--one VALUE]|does it\n"
                     "S|prog noun --two a|b [--three] [--four N]|does it in another way\n"
                     "I|-o, --one VALUE|first line second line\n"
                     "I|--bare|\n"
                     "I|--tight VALUE|what it means\n"
                     "I|name, name|an item that is no option\n"
                     "T||Text that runs over two lines.\n"
                     "T||program is no synopsis\n");
    cr_assert_str_eq(read_all(""), "");
    cr_assert_str_eq(read_all("\n\n"), "");
    cr_assert_str_eq(read_all("usage: prog [-x]"), "S|prog [-x]|\n");
    cr_assert_str_eq(read_all("  -"), "I|-|\n");
}

Test(help_text, words)
{
    struct slice rest = SLICE_LIT("prog [-c FILE] a|b ... [--x=N] ID... [WORD...]");
    static const char *const expected[] = {"prog", "-c", "FILE", "a|b", "--x=N", "ID", "WORD"};
    struct slice word;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        cr_assert(help_word(&rest, &word));
        cr_assert(slice_eq_str(word, expected[i]), "%.*s", (int)word.len, word.data);
    }
    cr_assert_not(help_word(&rest, &word));
    cr_assert(help_is_placeholder(SLICE_LIT("NEW-ID_2")));
    cr_assert_not(help_is_placeholder(SLICE_LIT("New")));
    cr_assert_not(help_is_placeholder(SLICE_LIT("-")));
    cr_assert_not(help_is_placeholder(SLICE_LIT("")));
}

Test(manual, roff_is_escaped)
{
    struct buf out = BUF_INIT;
    manual_head(&out, "prog", 1, "a program");
    manual_section(&out, "DESCRIPTION");
    manual_paragraph(&out, SLICE_LIT(".so /etc/passwd"));
    manual_paragraph(&out,
                     SLICE_LIT("'quoted' \"twice\" \\fB -x `code` [words](target.md) [a, b]"));
    manual_item(&out, SLICE_LIT("-o, --one FILE"), SLICE_LIT("text"));
    manual_example(&out, ".x\n-y\n");
    cr_assert_str_eq(buf_cstr(&out),
                     ".TH PROG 1 \"\" \"sigpost " SIGPOST_VERSION "\" \"sigpost\"\n.nh\n.ad l\n"
                     ".SH NAME\nprog \\- a program\n"
                     ".SH DESCRIPTION\n\\&.so /etc/passwd\n"
                     ".PP\n\\(aqquoted\\(aq \\(dqtwice\\(dq \\efB \\-x \\fBcode\\fR words [a, b]\n"
                     ".TP\n\\fB\\-o\\fR, \\fB\\-\\-one\\fR \\fIFILE\\fR\ntext\n"
                     ".PP\n.RS 4\n.nf\n\\&.x\n\\-y\n.fi\n.RE\n");
    buf_free(&out);
}

Test(manual, long_lines_are_broken_but_never_into_a_request)
{
    struct buf out = BUF_INIT;
    struct buf text = BUF_INIT;
    for (int i = 0; i < 200; i++) {
        buf_append_str(&text, "word .B ");
    }
    manual_paragraph(&out, buf_slice(&text));
    const char *at = buf_cstr(&out) + 4;
    cr_assert_eq(strncmp(buf_cstr(&out), ".PP\n", 4), 0);
    for (const char *newline; (newline = strchr(at, '\n')) != NULL; at = newline + 1) {
        cr_assert_leq(newline - at, 80);
        cr_assert_neq(at[0], '.');
    }
    buf_free(&out);
    buf_free(&text);
}
