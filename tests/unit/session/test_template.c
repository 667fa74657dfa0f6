/* The template language: what Jinja2 makes of a source is what we make of it. */
#include "session/template.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum context { OPEN, FULL };

#define WHO "<Ann & \"Bob's\">"

static const struct template_variable contexts[2][11] = {
    [OPEN] = {{"current", TEMPLATE_NUMBER, {0}, 2},
              {"max", TEMPLATE_NUMBER, {0}, 5},
              {"year", TEMPLATE_NUMBER, {0}, 2026},
              {"available", TEMPLATE_BOOL, {0}, 1},
              {"who", TEMPLATE_STRING, {WHO, sizeof(WHO) - 1}, 0},
              {"empty", TEMPLATE_STRING, {0}, 0},
              {"zero", TEMPLATE_NUMBER, {0}, 0},
              {"minus", TEMPLATE_NUMBER, {0}, -7},
              {"one", TEMPLATE_STRING, {"1", 1}, 0},
              {"big", TEMPLATE_NUMBER, {0}, INT64_MAX},
              {"umlaut", TEMPLATE_STRING, {"Gr\303\274\303\237e", 7}, 0}},
    [FULL] = {{"current", TEMPLATE_NUMBER, {0}, 5},
              {"max", TEMPLATE_NUMBER, {0}, 5},
              {"year", TEMPLATE_NUMBER, {0}, 2026},
              {"available", TEMPLATE_BOOL, {0}, 0},
              {"who", TEMPLATE_STRING, {"Eve", 3}, 0},
              {"empty", TEMPLATE_STRING, {0}, 0},
              {"zero", TEMPLATE_NUMBER, {0}, 0},
              {"minus", TEMPLATE_NUMBER, {0}, -7},
              {"one", TEMPLATE_STRING, {"1", 1}, 0},
              {"big", TEMPLATE_NUMBER, {0}, INT64_MAX},
              {"umlaut", TEMPLATE_STRING, {"Gr\303\274\303\237e", 7}, 0}},
};

struct row {
    enum context context;
    const char *source;
    const char *page;
};

/* Written by Jinja2 3.1.6 with autoescape on and the variables above. */
/* clang-format off */
static const struct row jinja_rows[] = {
    {OPEN, "", ""},
    {OPEN, "plain text, { no } tags }} %} #} here", "plain text, { no } tags }} %} #} here"},
    {OPEN, "{{ current }}/{{ max }} in {{year}}", "2/5 in 2026"},
    {FULL, "{{ 'text' if available else 'other' }}", "other"},
    {OPEN, "{{ 'text' if available else 'other' }}", "text"},
    {OPEN, "{{ \"double\" if available else \"other\" }}", "double"},
    {FULL, "{% if available %}come in{% else %}wait{% endif %}", "wait"},
    {OPEN, "{% if available %}come in{% else %}wait{% endif %}", "come in"},
    {OPEN, "{% if current == 5 %}a{% elif current == 2 %}b{% elif true %}c{% else %}d{% endif %}", "b"},
    {FULL, "{% if current == 5 %}a{% elif current == 2 %}b{% elif true %}c{% else %}d{% endif %}", "a"},
    {FULL, "{% if current == 4 %}a{% elif current == 2 %}b{% elif false %}c{% else %}d{% endif %}!", "d!"},
    {OPEN, "{% if false %}a{% elif false %}b{% endif %}.", "."},
    {OPEN, "{{ who }}", "&lt;Ann &amp; &#34;Bob&#39;s&#34;&gt;"},
    {OPEN, "{{ '<b>' }}", "&lt;b&gt;"},
    {OPEN, "{{ \"it's\" }}", "it&#39;s"},
    {OPEN, "{{ 'a' if missing else '<' }}", "&lt;"},
    {OPEN, "[{{ missing }}]", "[]"},
    {OPEN, "[{{ 'a' if missing }}]", "[]"},
    {OPEN, "[{{ 'a' if available }}]", "[a]"},
    {OPEN, "{{ missing|default('x') }}", "x"},
    {OPEN, "{{ missing|default }}.", "."},
    {OPEN, "{{ missing|default() }}.", "."},
    {OPEN, "{{ missing|d('short') }}", "short"},
    {OPEN, "{{ empty|default('x') }}.", "."},
    {OPEN, "{{ empty|default('x', true) }}", "x"},
    {OPEN, "{{ empty|default('x', false) }}.", "."},
    {OPEN, "{{ zero|default('none', True) }}", "none"},
    {OPEN, "{{ zero|default('none') }}", "0"},
    {FULL, "{{ available|default('shut', true) }}", "shut"},
    {OPEN, "{{ missing|default(other)|default('third') }}", "third"},
    {OPEN, "{{ missing|default(current) }}", "2"},
    {OPEN, "{{ missing|default('a' if available else 'b') }}", "a"},
    {OPEN, "{{ ('a' if missing)|default('z') }}", "z"},
    {OPEN, "{{ 'a' if missing else missing|default('q') }}", "q"},
    {OPEN, "{{ missing|default(max, current == 2) }}", "5"},
    {OPEN, "{{ available }} {{ not available }} {{ true }} {{ false }} {{ True }} {{ False }}", "True False True False True False"},
    {OPEN, "{{ not missing }}", "True"},
    {OPEN, "{{ not not missing }} {{ not not current }}", "False True"},
    {OPEN, "{{ not empty and not zero }}", "True"},
    {OPEN, "{{ empty or 'fallback' }}", "fallback"},
    {OPEN, "{{ who and 'someone' }}", "someone"},
    {OPEN, "{{ zero and 'x' }}", "0"},
    {OPEN, "[{{ missing and 'x' }}]", "[]"},
    {OPEN, "{{ missing or empty or zero or 'last' }}", "last"},
    {OPEN, "{{ 1 and 2 and 3 }}{{ 1 and 0 and 3 }}", "30"},
    {OPEN, "{{ zero or false and true }}", "False"},
    {OPEN, "{{ true or false and false }}", "True"},
    {OPEN, "{{ (true or false) and false }}", "False"},
    {OPEN, "{{ not true or true }}", "True"},
    {OPEN, "{{ not (true or true) }}", "False"},
    {OPEN, "{{ not current == 2 }}", "False"},
    {OPEN, "{{ current == 2 }} {{ current != 2 }} {{ current < max }} {{ current <= 2 }}", "True False True True"},
    {OPEN, "{{ current > max }} {{ current >= 2 }} {{ current >= 3 }}", "False True False"},
    {OPEN, "{{ 1 < current < 3 }} {{ 1 < current < 2 }} {{ 3 < current < 9 }}", "True False False"},
    {OPEN, "{{ 1 < 2 < 3 < 4 == 4 != 5 }} {{ 1 < 2 < 3 < 3 < 4 }}", "True False"},
    {OPEN, "{{ 'a' < 'b' }} {{ 'B' < 'a' }} {{ 'a' < 'ab' }} {{ 'ab' <= 'ab' }} {{ '' < 'a' }}", "True True True True True"},
    {OPEN, "{{ '\303\274' > 'z' }}", "True"},
    {OPEN, "{{ one == 1 }} {{ one != 1 }} {{ one == '1' }} {{ 1 == 'a' }} {{ 'a' != 1 }}", "False True True False True"},
    {OPEN, "{{ true == 1 }} {{ false == 0 }} {{ true < 2 }} {{ available == 1 }} {{ true == 'True' }}", "True True True True False"},
    {OPEN, "{{ missing == other }} {{ missing == '' }} {{ missing != empty }} {{ missing == 0 }} {{ missing == false }}", "True False True False False"},
    {OPEN, "{{ -5 }} {{ - 5 }} {{ minus }} {{ minus == -7 }} {{ minus < -6 }} {{ -1|default(2) }}", "-5 -5 -7 True True -1"},
    {OPEN, "{{ big }} {{ big == 9223372036854775807 }} {{ 0 }}", "9223372036854775807 True 0"},
    {OPEN, "{{ umlaut }} {{ 'gr\303\266\303\237er' if max > current }}", "Gr\303\274\303\237e gr\303\266\303\237er"},
    {OPEN, "{{ 'it\\'s' }} {{ \"say \\\"x\\\"\" }} {{ 'back\\\\slash' }} {{ 'tab\\tnl\\n.' }}", "it&#39;s say &#34;x&#34; back\\slash tab\tnl\n."},
    {OPEN, "{{ 'a }} b' }} {{ '%}' }} {{ \"{{\" }} {{ '{# no #}' }}", "a }} b %} {{ {# no #}"},
    {OPEN, "{{ ((((current)))) }}", "2"},
    {OPEN, "{{ 'a' if zero else 'b' if zero else 'c' if available else 'd' }}", "c"},
    {OPEN, "{{ 'a' if (zero if available else 1) else 'b' }}", "b"},
    {OPEN, "{{ 'x' if 1 if 1 }}", "x"},
    {OPEN, "[{{ 'x' if 1 if 0 }}]", "[]"},
    {OPEN, "{{ 'x' if 1 if 0 else 'y' }}", "y"},
    {OPEN, "a{# comment {{ not }} {% seen %} #}b", "ab"},
    {OPEN, "a {#- trimmed -#} b", "ab"},
    {OPEN, "a{##}b{#-#} c{#--#} d{#}#}e", "ab cde"},
    {OPEN, "a {%- if true -%} b {%- endif -%} c", "abc"},
    {OPEN, "a {% if true -%} \n b \t {%- endif %} c", "a b c"},
    {OPEN, "a \n {{- current -}} \n b", "a2b"},
    {OPEN, "a {{-5}} {{ 5 -}} b", "a5 5b"},
    {OPEN, "a  {{- who -}}  {{- max -}}  b", "a&lt;Ann &amp; &#34;Bob&#39;s&#34;&gt;5b"},
    {OPEN, "a {%+ if true +%} b {%+ endif %} c", "a  b  c"},
    {OPEN, "a {{+ current }} c {#+ x +#} d", "a 2 c  d"},
    {OPEN, "{%if true%}{%if false%}1{%else%}2{%endif%}{%endif%}", "2"},
    {OPEN, "{%\n  if\n  current\n  ==\n  2\n%}yes{% endif %}", "yes"},
    {OPEN, "line\n", "line"},
    {OPEN, "line\n\n", "line\n"},
    {OPEN, "a\r\nb\rc\n\r\n", "a\nb\nc\n"},
    {OPEN, "{{ current }}\n", "2"},
    {OPEN, "{{ 'a\r\nb' }}", "a\nb"},
    {OPEN, "{% if missing %}x{% endif %}{% if 'false' %}y{% endif %}{% if 0 %}z{% endif %}", "y"},
    {OPEN, "{% if available and current < max %}room{% else %}none{% endif %}", "room"},
    {OPEN, "{% if not available or missing %}none{% else %}room{% endif %}", "room"},
    {OPEN, "{% if (current if available else max) == 2 %}two{% endif %}", "two"},
    {OPEN, "{{ iffy }}{{ nothing }}{{ truely }}{{ _x1 }}.", "."},
    {OPEN, "{{ true and'x' }}{{('y')if(1)else\"z\"}}", "xy"},
    {OPEN, "style { color: red } $x {{ '$' }} { { x } } {x}", "style { color: red } $x $ { { x } } {x}"},
    {OPEN, "&amp; <b>\"text\"</b> 'stays'", "&amp; <b>\"text\"</b> 'stays'"},
    {OPEN, "{{ '&amp;' }}", "&amp;amp;"},
    {OPEN, "trailing {", "trailing {"},
    {OPEN, "{", "{"},
    {OPEN, "\n\n  {{- ' kept ' -}}  \n\n", " kept "},
};
/* clang-format on */

/* Where Jinja2 stops with an error while rendering, a page is shown all the same. */
static const struct row own_rows[] = {
    {OPEN, "{{ missing < 1 }} {{ missing >= 1 }} {{ 1 > missing }}", "False False False"},
    {OPEN, "{{ missing < missing }} {{ missing <= other }}", "False False"},
    {OPEN, "{{ one < 2 }} {{ one > 2 }} {{ current >= '1' }}", "False False False"},
    {OPEN, "{{ available < 'z' }} {{ 'z' > available }}", "False False"},
    {OPEN, "{{ 1 < one < 3 }}", "False"},
};

static void check_row(const struct row *row)
{
    struct result why = RESULT_INIT;
    struct template *template = template_compile("t.html", slice_of(row->source), &why);
    cr_assert_not_null(template, "%s: %s", row->source, why.text);
    struct buf out = BUF_INIT;
    template_render(template, contexts[row->context], 11, &out);
    cr_assert_str_eq(buf_cstr(&out), row->page, "%s\n  gave: %s\n  want: %s", row->source,
                     buf_cstr(&out), row->page);
    buf_clear(&out);
    template_render(template, contexts[row->context], 11, &out);
    cr_assert_str_eq(buf_cstr(&out), row->page, "the second time: %s", row->source);
    buf_free(&out);
    template_free(template);
}

Test(template, agrees_with_jinja2)
{
    for (size_t i = 0; i < sizeof(jinja_rows) / sizeof(jinja_rows[0]); i++) {
        check_row(&jinja_rows[i]);
    }
}

Test(template, never_fails_when_rendering)
{
    for (size_t i = 0; i < sizeof(own_rows) / sizeof(own_rows[0]); i++) {
        check_row(&own_rows[i]);
    }
}

struct refusal {
    const char *source;
    const char *sentence;
};

#define TAGS "if, elif, else or endif, the only tags there are"
#define VALUE "a name, a number, a string or '('"
#define SYMBOLS                                                                                \
    " has no meaning here; there are names, numbers, strings, ( ) == != < <= > >= and or not " \
    "if else, and |default(...)"

static const struct refusal refusals[] = {
    {"{{", "1:1: the tag is never closed; close it with }}"},
    {"{%", "1:1: the tag is never closed; close it with %}"},
    {"a\n  {{ current", "2:3: the tag is never closed; close it with }}"},
    {"{#", "1:1: the comment is never closed; close it with #}"},
    {"x{# a #", "1:2: the comment is never closed; close it with #}"},
    {"{{ }}", "1:4: expected " VALUE ", found the end of the tag"},
    {"{{ a b }}", "1:6: expected }} or an operator, found 'b'"},
    {"{{ 'a' 'b' }}", "1:8: expected }} or an operator, found the string 'b'"},
    {"{{ a, b }}", "1:5: expected }} or an operator, found ','"},
    {"{{ a -1 }}", "1:6: expected }} or an operator, found '-'"},
    {"{{ -a }}",
     "1:5: expected a number behind the minus sign (nothing is computed here), found 'a'"},
    {"{{ a + b }}", "1:6: '+'" SYMBOLS},
    {"{{ a.b }}", "1:5: '.'" SYMBOLS},
    {"{{ a[0] }}", "1:5: '['" SYMBOLS},
    {"{{ a = 1 }}", "1:6: '='" SYMBOLS},
    {"{{ a ! b }}", "1:6: '!'" SYMBOLS},
    {"{{ gr\303\274n }}", "1:6: byte 0xc3" SYMBOLS},
    {"{{ f(1) }}", "1:5: expected }} or an operator, found '('"},
    {"{{ a in b }}", "1:6: expected }} or an operator, found 'in'"},
    {"{{ a is defined }}", "1:6: expected }} or an operator, found 'is'"},
    {"{{ none }}", "1:4: expected " VALUE ", found 'none'"},
    {"{{ a and }}", "1:10: expected " VALUE ", found the end of the tag"},
    {"{{ a or or b }}", "1:9: expected " VALUE ", found 'or'"},
    {"{{ a == not b }}", "1:9: expected " VALUE ", found 'not'"},
    {"{{ not }}", "1:8: expected " VALUE ", found the end of the tag"},
    {"{{ (a }}", "1:7: expected ')', found the end of the tag"},
    {"{{ a) }}", "1:5: expected }} or an operator, found ')'"},
    {"{{ 'a' if }}", "1:11: expected " VALUE ", found the end of the tag"},
    {"{{ 'a' else 'b' }}", "1:8: expected }} or an operator, found 'else'"},
    {"{{ 'a' if b else }}", "1:18: expected " VALUE ", found the end of the tag"},
    {"{{ a|upper }}",
     "1:6: expected the filter default('...'), the only one there is, found 'upper'"},
    {"{{ a|default('b' }}",
     "1:18: expected ')' behind default's value and its optional true, found the end of the tag"},
    {"{{ a|default('b', true, 1) }}",
     "1:23: expected ')' behind default's value and its optional true, found ','"},
    {"{{ 1.5 }}", "1:4: not a whole number; write decimal digits only, as in 42"},
    {"{{ 0x1f }}", "1:4: not a whole number; write decimal digits only, as in 42"},
    {"{{ 007 }}", "1:4: a number with leading zeros; write it without them"},
    {"{{ 9223372036854775808 }}",
     "1:4: the number is too large; the largest is 9223372036854775807"},
    {"{{ 'abc }}", "1:4: the string is never closed; close it with '"},
    {"{{ \"abc\\\" }}", "1:4: the string is never closed; close it with \""},
    {"{{ 'a\\d' }}", "1:6: unknown escape in a string; there are \\\\ \\' \\\" \\n \\r \\t"},
    {"{{ 'a\\", "1:6: unknown escape in a string; there are \\\\ \\' \\\" \\n \\r \\t"},
    {"{{ a %}", "1:6: %} ends a tag that did not begin with {%; write }}"},
    {"{% if a }}", "1:9: }} ends a tag that did not begin with {{; write %}"},
    {"{% for x in y %}", "1:4: expected " TAGS ", found 'for'"},
    {"{% %}", "1:4: expected " TAGS ", found the end of the tag"},
    {"{% 1 %}", "1:4: expected " TAGS ", found '1'"},
    {"{% if %}", "1:7: expected " VALUE ", found the end of the tag"},
    {"{% if a if b %}{% endif %}", "1:9: expected %} or an operator, found 'if'"},
    {"{% if a %}\nx", "1:1: {% if %} is never closed; close it with {% endif %}"},
    {"{% if a %}\n {% if b %}{% endif %}",
     "1:1: {% if %} is never closed; close it with {% endif %}"},
    {"{% endif %}", "1:1: {% endif %} without an {% if %} before it"},
    {"{% else %}", "1:1: {% else %} without an {% if %} before it"},
    {"\n\n{% elif a %}", "3:1: {% elif %} without an {% if %} before it"},
    {"{% if a %}{% else %}{% else %}{% endif %}",
     "1:21: {% else %} behind {% else %}; else comes last, then {% endif %}"},
    {"{% if a %}{% else %}{% elif b %}{% endif %}",
     "1:21: {% elif %} behind {% else %}; else comes last, then {% endif %}"},
    {"{% if a %}{% else if b %}{% endif %}", "1:19: a condition behind else; write {% elif ... %}"},
    {"{% if a %}{% endif x %}", "1:20: expected %} or an operator, found 'x'"},
    {"{{ 1 < 'a' }}",
     "1:6: a string and a number have no order; compare two numbers or two strings"},
    {"{{ ('a') >= true }}",
     "1:10: a string and a number have no order; compare two numbers or two strings"},
    {"{{ a == 1 < 'a' }}",
     "1:11: a string and a number have no order; compare two numbers or two strings"},
    {"\303\274\303\274{{ ? }}", "1:6: '?'" SYMBOLS},
    {"a\r\nb\r\n{{ ? }}", "3:4: '?'" SYMBOLS},
    {"ab\n\303\274\377", "2:2: not UTF-8; save the file in this encoding"},
    {"{{ a 12345678901234567890123456789012345 }}",
     "1:6: the number is too large; the largest is 9223372036854775807"},
    {"{{ a abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz }}",
     "1:6: expected }} or an operator, found 'abcdefghijklmnopqrstuvwxyzabcdef'"},
};

Test(template, says_what_is_wrong_and_where)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        struct result why = RESULT_INIT;
        char want[RESULT_TEXT_MAX];
        snprintf(want, sizeof(want), "dir/t.html:%s", refusals[i].sentence);
        struct template *template =
            template_compile("dir/t.html", slice_of(refusals[i].source), &why);
        cr_expect_null(template, "%s", refusals[i].source);
        cr_expect_str_eq(why.text, want, "%s\n  gave: %s\n  want: %s", refusals[i].source, why.text,
                         want);
        template_free(template);
    }
}

Test(template, needs_no_place_for_the_sentence)
{
    cr_expect_null(template_compile("t", SLICE_LIT("{{"), NULL));
}

/* text[0] repeated, then middle, then text[1] repeated. */
static char *nested(const char *open, const char *middle, const char *close, size_t n)
{
    char *text = calloc(1, n * (strlen(open) + strlen(close)) + strlen(middle) + 1);
    char *at = text;
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, open);
    }
    at = stpcpy(at, middle);
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, close);
    }
    return text;
}

/* Compiles "before" n * open, middle, n * close "after"; renders what compiles. */
static bool nests(const char *before, const char *open, const char *middle, const char *close,
                  const char *after, size_t n, struct result *why)
{
    char *inner = nested(open, middle, close, n);
    struct buf source = BUF_INIT;
    buf_printf(&source, "%s%s%s", before, inner, after);
    *why = RESULT_INIT;
    struct template *template = template_compile("t", buf_slice(&source), why);
    bool compiled = template != NULL;
    if (compiled) {
        struct buf out = BUF_INIT;
        template_render(template, contexts[OPEN], 11, &out);
        cr_expect(!out.failed);
        buf_free(&out);
    }
    template_free(template);
    buf_free(&source);
    free(inner);
    return compiled;
}

Test(template, bounds_what_nests)
{
    struct result why;
    cr_expect(nests("", "{% if true %}", "x", "{% endif %}", "", 32, &why), "%s", why.text);
    cr_expect(!nests("", "{% if true %}", "x", "{% endif %}", "", 33, &why));
    cr_expect_str_eq(why.text, "t:1:417: {% if %} is nested too deeply; at most 32 are allowed");
    cr_expect(nests("{{ ", "(", "1", ")", " }}", 64, &why), "%s", why.text);
    cr_expect(!nests("{{ ", "(", "1", ")", " }}", 65, &why));
    cr_expect_not_null(strstr(why.text, "nested too deeply; at most 64 are allowed"));
    cr_expect(!nests("{{ ", "(", "1", ")", " }}", 100000, &why));
    cr_expect(!nests("{% if ", "(", "1", ")", " %}{% endif %}", 100000, &why));
    cr_expect(!nests("{{ ", "(", "", "", " }}", 200000, &why));
    cr_expect(!nests("{{ ", "1 if 0 else ", "2", "", " }}", 20000, &why));
    cr_expect(!nests("{{ ", "a|default(", "1", ")", " }}", 20000, &why));
    cr_expect(!nests("{{ ", "a|default(1,", "1", ")", " }}", 20000, &why));
}

/* Each level leaves as much as possible on the stack of the machine. */
Test(template, deepest_stacks_stay_in_bounds)
{
    struct result why;
    cr_expect(nests("{{ ", "1 == (", "1", ")", " }}", 64, &why), "%s", why.text);
    cr_expect(nests("{{ ", "a|default(b, ", "1", ")", " }}", 64, &why), "%s", why.text);
    cr_expect(nests("{{ ", "1 if 2 == (", "1", ")", " }}", 64, &why), "%s", why.text);
    nests("{{ ", "1 if 2 == a|default(b, ", "1", ")", " }}", 64, &why);
    cr_expect(!nests("{{ ", "1 if 2 == a|default(b, 3 if 4 == c|default(d, ", "1", "))", " }}", 63,
                     &why));
}

Test(template, long_chains_cost_no_depth)
{
    struct result why;
    cr_expect(nests("{{ ", "a or ", "1", "", " }}", 50000, &why), "%s", why.text);
    cr_expect(nests("{{ ", "1 and ", "1", "", " }}", 40000, &why), "%s", why.text);
    cr_expect(nests("{{ ", "not ", "1", "", " }}", 60000, &why), "%s", why.text);
    cr_expect(nests("{{ ", "1 == ", "1", "", " }}", 50000, &why), "%s", why.text);
    cr_expect(nests("{{ a", "|default", "", "", " }}", 30000, &why), "%s", why.text);
    cr_expect(nests("{{ 1", " if 1", "", "", " }}", 40000, &why), "%s", why.text);
    cr_expect(nests("{% if 0 %}", "{% elif 0 %}", "", "", "{% endif %}", 20000, &why), "%s",
              why.text);
}

Test(template, bounds_the_source)
{
    struct result why = RESULT_INIT;
    char *text = malloc(TEMPLATE_SOURCE_MAX + 1);
    memset(text, '{', TEMPLATE_SOURCE_MAX + 1);
    cr_expect_null(template_compile("t", slice_make(text, TEMPLATE_SOURCE_MAX + 1), &why));
    cr_expect_str_eq(why.text, "t:1:1: the template has 262145 bytes; at most 262144 are allowed");
    memset(text, 'x', TEMPLATE_SOURCE_MAX);
    struct template *template = template_compile("t", slice_make(text, TEMPLATE_SOURCE_MAX), &why);
    cr_assert_not_null(template);
    struct buf out = BUF_INIT;
    template_render(template, NULL, 0, &out);
    cr_expect_eq(out.len, TEMPLATE_SOURCE_MAX);
    buf_free(&out);
    template_free(template);
    free(text);
}

Test(template, a_long_file_name_leaves_room_for_the_sentence)
{
    char name[1000];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct result why = RESULT_INIT;
    cr_expect_null(template_compile(name, SLICE_LIT("{% endif %}"), &why));
    cr_expect_not_null(strstr(why.text, "without an {% if %} before it"));
}

Test(template, keeps_bytes_that_are_not_text)
{
    struct result why = RESULT_INIT;
    struct template *template = template_compile("t", SLICE_LIT("a\0b{{ x }}c"), &why);
    cr_assert_not_null(template, "%s", why.text);
    const struct template_variable x = {"x", TEMPLATE_STRING, SLICE_LIT("1\0<"), 0};
    struct buf out = BUF_INIT;
    template_render(template, &x, 1, &out);
    cr_expect(slice_eq(buf_slice(&out), SLICE_LIT("a\0b1\0&lt;c")));
    buf_free(&out);
    template_free(template);
    cr_expect_null(template_compile("t", SLICE_LIT("{{ a\0b }}"), &why));
    cr_expect_null(template_compile("t", SLICE_LIT("{{ 'a\\\0' }}"), &why));
}

/* Appends to a page that is there already: the gateway writes its own head first. */
Test(template, appends)
{
    struct result why = RESULT_INIT;
    struct template *template = template_compile("t", SLICE_LIT("{{ current }}"), &why);
    struct buf out = BUF_INIT;
    buf_append_str(&out, "now ");
    template_render(template, contexts[FULL], 11, &out);
    cr_expect_str_eq(buf_cstr(&out), "now 5");
    buf_free(&out);
    template_free(template);
    template_free(NULL);
}
