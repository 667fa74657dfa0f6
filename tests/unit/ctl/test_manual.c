/* test_manual.c: the manual page and the completion say what the program takes, neither more nor
 * less. */
#include "fixture.h"

#include "base/help_text.h"

TestSuite(manual, .init = set_up, .fini = tear_down);

#define VERBS_MAX 2

/* " --a= --b" of what ctl_options is given behind "noun [verb [verb]]": the truth. */
static void options_taken(const char *noun, const struct slice *verbs, size_t n, char *out,
                          size_t size)
{
    char *text = NULL;
    size_t text_len = 0;
    char names[1 + VERBS_MAX][32];
    char *argv[3 + VERBS_MAX] = {(char[]){"sigpostctl"}, names[0]};
    struct ctl ctl = {.environment = (char *[]){NULL}, .err = stderr, .list_options = true};
    snprintf(names[0], sizeof(names[0]), "%s", noun);
    for (size_t i = 0; i < n; i++) {
        snprintf(names[1 + i], sizeof(names[0]), "%.*s", (int)verbs[i].len, verbs[i].data);
        argv[2 + i] = names[1 + i];
    }
    ctl.out = open_memstream(&text, &text_len);
    cr_assert_eq(ctl_run(&ctl, 2 + (int)n, argv), CTL_DONE);
    fclose(ctl.out);
    size_t len = 0;
    for (char *save, *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        len += (size_t)snprintf(out + len, size - len, " %s ", line);
    }
    out[len] = '\0';
    free(text);
}

/* Checks the options of a synopsis or an item against the truth, and takes them out of it. */
static void strike(char *taken, struct slice words, const char *where)
{
    struct slice word;
    struct slice next;
    bool more = help_word(&words, &word);
    while (more) {
        more = help_word(&words, &next);
        char name[80];
        bool value = more && (help_is_placeholder(next) || memchr(next.data, '|', next.len));
        if (word.len > 2 && word.data[0] == '-' && word.data[1] == '-') {
            snprintf(name, sizeof(name), " %.*s%s ", (int)word.len, word.data, value ? "=" : "");
            char *found = strstr(taken, name);
            cr_assert_not_null(found, "%s: the help says \"%s\", taken are:%s", where, name, taken);
            memset(found, ' ', strlen(name));
        }
        word = next;
    }
}

static void strike_items(char *taken, const char *help, const char *where)
{
    struct help_part part = {.kind = HELP_TEXT};
    for (struct slice rest = slice_of(help); help_next(&rest, "sigpostctl", &part);) {
        if (part.kind == HELP_ITEM && part.term.data[0] == '-') {
            strike(taken, buf_slice(&part.term), where);
        }
    }
    help_part_free(&part);
}

static bool is_lower(struct slice word)
{
    return word.len != 0 && word.data[0] >= 'a' && word.data[0] <= 'z';
}

/* The verbs that words begin with; *words goes behind them. */
static size_t take_verbs(struct slice *words, struct slice verbs[VERBS_MAX])
{
    size_t n = 0;
    struct slice behind = *words;
    while (n < VERBS_MAX && help_word(&behind, &verbs[n]) && is_lower(verbs[n])) {
        n++;
        *words = behind;
    }
    return n;
}

/* Of a noun without verbs the options of all its synopses count together. */
static void check_noun(const char *noun, const char *help)
{
    char all[2048] = "";
    struct help_part part = {.kind = HELP_TEXT};
    unsigned synopses = 0;
    for (struct slice rest = slice_of(help); help_next(&rest, "sigpostctl", &part);) {
        struct slice words = buf_slice(&part.term);
        struct slice word;
        if (part.kind != HELP_SYNOPSIS) {
            continue;
        }
        synopses++;
        cr_assert(help_word(&words, &word) && help_word(&words, &word));
        cr_assert(slice_eq_str(word, noun), "a synopsis of %s: %.*s", noun, (int)part.term.len,
                  part.term.data);
        struct slice verbs[VERBS_MAX];
        size_t n = take_verbs(&words, verbs);
        if (n != 0) {
            char taken[2048];
            options_taken(noun, verbs, n, taken, sizeof(taken));
            strike(taken, words, noun);
            cr_assert_eq(strspn(taken, " "), strlen(taken), "%s %.*s takes, unsaid:%s", noun,
                         (int)verbs[n - 1].len, verbs[n - 1].data, taken);
        } else {
            options_taken(noun, NULL, 0, all, sizeof(all));
        }
    }
    cr_assert_gt(synopses, 0, "%s", noun);
    if (all[0] != '\0') {
        strike_items(all, help, noun);
        for (struct slice rest = slice_of(help); help_next(&rest, "sigpostctl", &part);) {
            char again[2048];
            options_taken(noun, NULL, 0, again, sizeof(again));
            if (part.kind == HELP_SYNOPSIS) {
                strike(again, buf_slice(&part.term), noun);
            }
        }
    }
    help_part_free(&part);
}

Test(manual, the_help_names_the_options_that_are_taken)
{
    const struct ctl ctl = {.environment = (char *[]){NULL}, .err = stderr};
    size_t i = 0;
    for (; ctl_noun_name(i) != NULL; i++) {
        char *help = ctl_noun_help(&ctl, i);
        cr_assert_not_null(help);
        check_noun(ctl_noun_name(i), help);
        cr_assert_not_null(strstr(ctl_help(), ctl_noun_name(i)), "the program's help");
        free(help);
    }
    cr_assert_geq(i, 3);
}

Test(manual, the_pages_and_the_completion_have_every_noun)
{
    cr_assert_eq(RUN("--print-manual"), CTL_DONE);
    cr_assert_eq(strncmp(output, ".TH SIGPOSTCTL 1 ", 17), 0);
    for (size_t i = 0; ctl_noun_name(i) != NULL; i++) {
        char heading[64];
        snprintf(heading, sizeof(heading), "\n.SS %s\n.TP\n", ctl_noun_name(i));
        EXPECT_OUTPUT(heading);
    }
    EXPECT_OUTPUT("[\\fB\\-\\-grace\\fR \\fILENGTH\\fR]");
    EXPECT_OUTPUT("reason:\n.TP\n\\fBkeyring\\fR, \\fBstate\\fR, ");
    cr_assert_eq(RUN("--print-config-manual"), CTL_DONE);
    EXPECT_OUTPUT(".TH SIGPOST.CFG 5 ");
    EXPECT_OUTPUT("\\fBsecrets.keyring\\fR\n");
    cr_assert_eq(RUN("--print-completion"), CTL_DONE);
    for (size_t i = 0; ctl_noun_name(i) != NULL; i++) {
        char form[64];
        snprintf(form, sizeof(form), "\n    '%s", ctl_noun_name(i));
        EXPECT_OUTPUT(form);
    }
    EXPECT_OUTPUT("' --format=raw|dotenv|docker|github '");
    EXPECT_OUTPUT(" --signal=metrics|traces|logs|profiles ");
    EXPECT_OUTPUT("options+=' --curl' values"); /* those of "[options]" are in the first form */
    EXPECT_OUTPUT("options+=' --all --dir' values+=' --dir=DIR ' operands=${operands:-'LETTER'}");
}
