/* Sources that nobody would write: mutations of good templates, spliced, cut, overwritten. Nothing
 * may crash, loop, or leak, whatever compiles renders, and whatever does not says where.
 */
#include "session/template.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

#define ROUNDS 60000
#define SOURCE_MAX 512

static const char *const seeds[] = {
    "<p>{{ current }}/{{ max }}</p>{% if available %}in{% elif x < 3 %}soon{% else %}no{% endif %}",
    "{{ 'text' if available else \"te\\\"xt\" }}{# note -#}  {{- year|default(2026, true) }}",
    "{%- if not (a and b) or 1 <= c < 3 != d -%} {{ x|d|default('<y>') }} {%- endif +%}",
    "{{ ((a)) }}{{ -12 == b }}{{ 'a' if b if c else d if e }}{{ true and false or None }}",
};

/* What matters to the language, so that mutations go deep. */
static const char *const pieces[] = {
    "{{",    "}}",   "{%",   "%}",     "{#",      "#}",   "-}}",        "{%-",         "'",
    "\"",    "\\",   "(",    ")",      "|",       ",",    "-",          "==",          "<",
    ">=",    "!=",   " if ", " else ", " or ",    "and ", " not ",      "elif ",       "else",
    "endif", "9999", "true", "none",   "default", "\n",   "\r\n",       "\303",        "\377",
    "{",     "}",    "%",    "abc",    "",        " ",    "{% if a %}", "{% endif %}",
};

static uint64_t state = 0x5157a7e;

/* 0 to n - 1; 0 when n is 0. */
static size_t below(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n != 0 ? (size_t)(state % n) : 0;
}

/* Puts bytes in the place of source[at, at + cut) unless it gets too long; returns the length. */
static size_t splice(char *source, size_t len, size_t at, size_t cut, struct slice put)
{
    if (len - cut + put.len > SOURCE_MAX) {
        return len;
    }
    memmove(source + at + put.len, source + at + cut, len - at - cut);
    memcpy(source + at, put.data, put.len);
    return len - cut + put.len;
}

/* Replaces some bytes by a piece, a random byte, or a part of another seed. */
static size_t mutate(char *source, size_t len)
{
    size_t at = below(len + 1);
    size_t cut = below(4) == 0 ? below(len - at + 1) : below(3);
    if (cut > len - at) {
        cut = len - at;
    }
    struct slice put = slice_of(pieces[below(sizeof(pieces) / sizeof(pieces[0]))]);
    char byte = (char)below(256);
    if (below(8) == 0) {
        put = slice_make(&byte, 1);
    } else if (below(8) == 0) {
        const char *seed = seeds[below(sizeof(seeds) / sizeof(seeds[0]))];
        seed += below(strlen(seed));
        put = slice_make(seed, below(strlen(seed) + 1));
    }
    return splice(source, len, at, cut, put);
}

/* A number from 1 to max and the colon behind it; moves *text on. */
static void check_number(const char **text, size_t max)
{
    char *end;
    unsigned long number = strtoul(*text, &end, 10);
    cr_assert(*end == ':' && number >= 1 && number <= max, "%s", *text);
    *text = end + 1;
}

/* "m:LINE:COLUMN: sentence", with a line and column that are in the source. */
static void check_sentence(const char *text, size_t len)
{
    cr_assert_eq(strncmp(text, "m:", 2), 0, "%s", text);
    text += 2;
    check_number(&text, len + 1);
    check_number(&text, len + 1);
    cr_assert_gt(strlen(text), 10, "%s", text);
}

Test(template_mutations, crash_nothing)
{
    const struct template_variable variables[] = {
        {"current", TEMPLATE_NUMBER, {0}, 3},
        {"available", TEMPLATE_BOOL, {0}, 1},
        {"a", TEMPLATE_STRING, SLICE_LIT("<a>"), 0},
        {"x", TEMPLATE_NUMBER, {0}, 2},
    };
    size_t compiled = 0;
    struct buf out = BUF_INIT;
    for (size_t round = 0; round < ROUNDS; round++) {
        char scratch[SOURCE_MAX];
        const char *seed = seeds[round % (sizeof(seeds) / sizeof(seeds[0]))];
        size_t len = splice(scratch, 0, 0, 0, slice_of(seed));
        for (size_t times = below(4) + 1; times > 0; times--) {
            len = mutate(scratch, len);
        }
        char *source = malloc(len != 0 ? len : 1); /* exact: reading past it is seen */
        memcpy(source, scratch, len);
        struct result why = RESULT_INIT;
        struct template *template = template_compile("m", slice_make(source, len), &why);
        if (template == NULL) {
            check_sentence(why.text, len);
        } else {
            compiled++;
            cr_assert_str_empty(why.text);
            buf_clear(&out);
            template_render(template, variables, 4, &out);
            cr_assert(!out.failed);
        }
        template_free(template);
        free(source);
    }
    buf_free(&out);
    cr_expect(compiled > ROUNDS / 20 && compiled < ROUNDS * 19 / 20,
              "%zu compiled: the mutations are too wild or too tame", compiled);
}
