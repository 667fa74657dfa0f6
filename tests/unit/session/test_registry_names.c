/* Shared names: kept once, counted, and never more than there is room for. */
#include "session/registry_names.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct names names;

static void begin(void)
{
    names_init(&names);
}

static void end(void)
{
    names_destroy(&names);
}

static uint8_t take(const char *text)
{
    return names_take(&names, slice_of(text));
}

static size_t users(const char *text)
{
    char got[NAMES_TEXT_MAX + 1];
    for (uint8_t at = 0; at < NAMES_MAX; at++) {
        size_t n = names_look(&names, at, got);
        if (n != 0 && strcmp(got, text) == 0) {
            return n;
        }
    }
    return 0;
}

TestSuite(registry_names, .init = begin, .fini = end);

Test(registry_names, counts_the_users_of_a_text)
{
    uint8_t a = take("a");
    uint8_t b = take("b");
    cr_expect_neq(a, b);
    cr_expect_eq(take("a"), a);
    cr_expect(slice_eq_str(names_text(&names, b), "b"));
    cr_expect_eq(users("a"), 2);
    names_drop(&names, a);
    cr_expect_eq(users("a"), 1);
    cr_expect_eq(names_change(&names, a, SLICE_LIT("a")), a);
    cr_expect_eq(users("a"), 1);
    cr_expect_eq(names_change(&names, a, SLICE_LIT("b")), b);
    cr_expect_eq(users("a"), 0);
    cr_expect_eq(users("b"), 2);
}

Test(registry_names, what_cannot_be_kept_is_nameless)
{
    char text[NAMES_TEXT_MAX + 2];
    memset(text, 'x', sizeof(text));
    cr_expect_eq(names_take(&names, (struct slice){0}), NAMES_NONE);
    cr_expect_eq(names_take(&names, SLICE_LIT("")), NAMES_NONE);
    cr_expect_eq(names_take(&names, slice_make(text, NAMES_TEXT_MAX + 1)), NAMES_NONE);
    cr_expect_eq(names_nameless(&names), 3);
    cr_expect_eq(names_text(&names, NAMES_NONE).len, 0);
    uint8_t at = names_change(&names, NAMES_NONE, slice_make(text, NAMES_TEXT_MAX));
    cr_expect_neq(at, NAMES_NONE);
    cr_expect_eq(names_text(&names, at).len, NAMES_TEXT_MAX);
    cr_expect_eq(names_nameless(&names), 2);
}

Test(registry_names, full_is_full_until_somebody_goes)
{
    char text[16];
    for (size_t n = 0; n < 1000; n++) {
        snprintf(text, sizeof(text), "n-%zu", n);
        cr_expect_eq(take(text) == NAMES_NONE, n >= NAMES_MAX);
    }
    cr_expect_eq(names_nameless(&names), 1000 - NAMES_MAX);
    uint8_t known = take("n-254");
    cr_expect_neq(known, NAMES_NONE);
    names_drop(&names, 7);
    cr_expect_eq(take("fresh"), 7);
    cr_expect_eq(users("n-7"), 0);
    cr_expect_eq(users("fresh"), 1);
    cr_expect_eq(take("n-254"), known);
}
