/* test_shell_words.c: words as a shell cuts them: known cases, and bash asked about random ones. */
#include "ctl/shell_words.h"

#include "base/buf.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct shell_words words;
static struct result why;

Test(shell_words, of_one_command_after_the_other)
{
    static const char *const commands[] = {"a 'b;'", "", "c", "d"};
    struct slice text = SLICE_LIT("a 'b;' && c |\n d # e");
    size_t at = 0;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct shell_words expected;
        cr_assert(shell_words_split(slice_of(commands[i]), &expected, &why));
        cr_assert(shell_words_next(text, &at, &words, &why), "%s", why.text);
        cr_assert_eq(words.n, expected.n, "%s", commands[i]);
        for (size_t k = 0; k < words.n; k++) {
            cr_assert_str_eq(words.items[k], expected.items[k]);
        }
        shell_words_free(&words);
        shell_words_free(&expected);
    }
    cr_assert_eq(at, text.len);
}

Test(shell_words, one_of_a_list)
{
    static const char list[] = " curl curl.exe ";
    cr_assert(shell_word_is_in("curl", list) && shell_word_is_in("curl.exe", list));
    static const char *const others[] = {"",    " ",   " curl",  "curl ",        "cur",
                                         "url", "exe", " curl ", "curl curl.exe"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        cr_expect_not(shell_word_is_in(others[i], list), "\"%s\"", others[i]);
    }
}

/* The words, each followed by "|". */
static const char *split(const char *text)
{
    static char joined[4096];
    joined[0] = '\0';
    why = RESULT_INIT;
    cr_assert(shell_words_split(slice_of(text), &words, &why), "%s: %s", text, why.text);
    for (size_t i = 0; i < words.n; i++) {
        size_t len = strlen(joined);
        snprintf(joined + len, sizeof(joined) - len, "%s|", words.items[i]);
    }
    shell_words_free(&words);
    return joined;
}

Test(shell_words, cuts_as_a_shell_does)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"  \t \n ", ""},
        {"curl http://h/", "curl|http://h/|"},
        {"\n\ncurl a\nnext command", "curl|a|"},
        {"a'b c'd", "ab cd|"},
        {"'a\"b' \"c'd\"", "a\"b|c'd|"},
        {"'' \"\" $''", "|||"},
        {"\"a\\\"b\\\\c\\$d\\`e\\nf\"", "a\"b\\c$d`e\\nf|"},
        {"'a\\nb'", "a\\nb|"},
        {"a\\ b \\'", "a b|'|"},
        {"a \\\n b", "a|b|"},
        {"a \\\r\n b\r\n", "a|b|"},
        {"a\\\nb", "ab|"},
        {"\"a\\\nb\" \"c\\\r\nd\"", "ab|cd|"},
        {"$'a\\tb\\'c\\x41\\101\\u00fc\\\\'", "a\tb'cAA\xc3\xbc\\|"},
        {"$'\\U0001f600\\u20ac' $'\\q\\e'", "\xf0\x9f\x98\x80\xe2\x82\xac|\\q\033|"},
        {"$\"a b\"", "a b|"},
        {"a$ $ $. a$", "a$|$|$.|a$|"},
        {"a # b\nc", "a|"},
        {"a#b '#c'", "a#b|#c|"},
        {"# only a comment\ncurl x", "curl|x|"},
        {"a b | c", "a|b|"},
        {"a;b", "a|"},
        {"a&&b", "a|"},
        {"a 'b|;&c'", "a|b|;&c|"},
        {"a > out b 2>&1 c < in d", "a|b|c|d|"},
        {"a 2>/dev/null '2'>x 12", "a|2|12|"},
        {"a\\", "a\\|"},
        {"a ^\n b^\r\nc '^\n' ^d e^", "a|bc|^\n|^d|e^|"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_str_eq(split(cases[i][0]), cases[i][1], "%s", cases[i][0]);
    }
}

Test(shell_words, says_what_it_cannot_know)
{
    static const char *const cases[][2] = {
        {"a 'b", "line 1: the quote ' is not closed"},
        {"a\nb", ""},
        {"a \\\n \"b\n c", "line 2: the quote \" is not closed"},
        {"a $'b", "line 1: the quote ' is not closed"},
        {"a $'b\\", "line 1: the quote ' is not closed"},
        {"a $'b\\'", "line 1: the quote ' is not closed"},
        {"a $SIG", "line 1: \"$S...\" is filled in by the shell"},
        {"a \"x\n ${SIG}\"", "line 2: \"${...\" is filled in by the shell"},
        {"a \"$(date)\"", "\"$(...\" is filled in by the shell"},
        {"a $1", "\"$1...\""},
        {"a \"$#\"", "\"$#...\""},
        {"a `date`", "\"`...\" is filled in by the shell"},
        {"a \"`date`\"", "\"`...\" is filled in by the shell"},
        {"a $'\\0'", "NUL"},
        {"a $'\\x00'", "NUL"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        why = RESULT_INIT;
        bool ok = shell_words_split(slice_of(cases[i][0]), &words, &why);
        cr_assert_eq(ok, cases[i][1][0] == '\0', "%s", cases[i][0]);
        cr_assert_not_null(strstr(why.text, cases[i][1]), "%s: %s", cases[i][0], why.text);
        cr_assert(ok || (words.items == NULL && words.n == 0));
        shell_words_free(&words);
    }
}

/* --- bash's opinion --------------------------------------------------------------------------- */

/* The words as bash cuts them, each followed by 0x01; false when it refuses them. */
static bool ask_bash(const char *script, struct buf *out)
{
    char answer[4096];
    setenv("WORDS_SCRIPT", script, 1);
    FILE *bash = popen("LC_ALL=C.UTF-8 bash -c \"$WORDS_SCRIPT\" 2>/dev/null", "r");
    cr_assert_not_null(bash);
    size_t got = fread(answer, 1, sizeof(answer), bash);
    int status = pclose(bash);
    buf_append(out, answer, got);
    return status == 0;
}

static void join_ours(struct buf *out)
{
    for (size_t i = 0; i < words.n; i++) {
        buf_append_str(out, words.items[i]);
        buf_append_char(out, 1);
    }
}

Test(shell_words, agrees_with_bash, .timeout = 120)
{
    static const char *const pieces[] = {"'",  "\"",  "\\",    " ", "\n",  "a",    "#",     "\\\n",
                                         "$'", "\\n", "\\x41", "b", "\\'", "\\\"", "\\101", "$"};
    unsigned state = 7;
    unsigned agreed = 0;
    for (int round = 0; round < 600; round++) {
        char text[128] = "x ";
        char script[256];
        struct buf theirs = BUF_INIT, ours = BUF_INIT;
        size_t len = 2;
        for (int i = 0; i < 9; i++) {
            state = state * 1103515245 + 12345;
            const char *piece = pieces[state >> 16 & 15];
            bool split_dollar = text[len - 1] == '$' && strcmp(piece, "\\\n") == 0;
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
                                    split_dollar ? " " : piece); /* nobody breaks a line there */
        }
        /* bash is of two minds about a backslash at the very end */
        snprintf(text + len, sizeof(text) - len, " z");
        snprintf(script, sizeof(script), "f() { printf '%%s\\001' \"$@\"; exit 0; }; f %s", text);
        bool known = shell_words_split(slice_of(text), &words, &why);
        bool cut = ask_bash(script, &theirs);
        if (known && cut) {
            join_ours(&ours);
            cr_assert(slice_eq(buf_slice(&ours), buf_slice(&theirs)),
                      "[%s]\nours  [%s]\nbash  [%s]", text, buf_cstr(&ours), buf_cstr(&theirs));
            agreed++;
        } else if (!known) {
            cr_assert(!cut || strstr(why.text, "filled in") != NULL, "[%s]: %s, but bash has [%s]",
                      text, why.text, buf_cstr(&theirs));
        }
        buf_free(&theirs);
        buf_free(&ours);
        shell_words_free(&words);
    }
    cr_assert_gt(agreed, 100, "only %u could be compared", agreed);
}
