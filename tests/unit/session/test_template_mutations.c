/* Sources that nobody would write: mutations of good templates, spliced, cut, overwritten. Nothing
 * may crash, loop, or leak, whatever compiles renders, and whatever does not says where.
 */
#include "session/template.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
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

static size_t below(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % n);
}

/* Replaces some bytes by a piece, a random byte, or a part of another seed. */
static size_t mutate(char *source, size_t len)
{
    size_t at = below(len + 1);
    size_t cut = below(4) == 0 ? below(len - at + 1) : below(3);
    if (cut > len - at) {
        cut = len - at;
    }
    const char *put = pieces[below(sizeof(pieces) / sizeof(pieces[0]))];
    size_t n = strlen(put);
    char byte = (char)below(256);
    if (below(8) == 0) {
        put = &byte;
        n = 1;
    } else if (below(8) == 0) {
        const char *seed = seeds[below(sizeof(seeds) / sizeof(seeds[0]))];
        put = seed + below(strlen(seed));
        n = below(strlen(put) + 1);
    }
    if (len - cut + n > SOURCE_MAX) {
        return len;
    }
    memmove(source + at + n, source + at + cut, len - at - cut);
    memcpy(source + at, put, n);
    return len - cut + n;
}

/* "m:LINE:COLUMN: sentence", with a line and column that are in the source. */
static void check_sentence(const char *text, const char *source, size_t len)
{
    unsigned line = 0;
    unsigned column = 0;
    int end = 0;
    cr_assert_eq(sscanf(text, "m:%u:%u: %n", &line, &column, &end), 2, "%s", text);
    cr_assert(line >= 1 && line <= len + 1 && column >= 1 && column <= len + 1, "%s", text);
    cr_assert_gt(strlen(text + end), 10, "%s for %.*s", text, (int)len, source);
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
        size_t len = strlen(seed);
        memcpy(scratch, seed, len);
        for (size_t times = below(4) + 1; times > 0; times--) {
            len = mutate(scratch, len);
        }
        char *source = malloc(len != 0 ? len : 1); /* exact: reading past it is seen */
        memcpy(source, scratch, len);
        struct result why = RESULT_INIT;
        struct template *template = template_compile("m", slice_make(source, len), &why);
        if (template == NULL) {
            check_sentence(why.text, source, len);
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
