/* test_key_list.c: entries of a ring in memory: times, states, what each member may hold. */
#include "fixture.h"

static int64_t time_of(const char *text)
{
    int64_t seconds = 7;
    if (!key_time_parse(slice_of(text), &seconds)) {
        cr_assert_eq(seconds, KEY_TIME_NONE, "set on failure too");
    }
    return seconds;
}

Test(key_list, times_are_read)
{
    cr_assert_eq(time_of("1970-01-01T00:00:00Z"), 0);
    cr_assert_eq(time_of("2026-11-21T00:00:00Z"), 1795219200);
    cr_assert_eq(time_of("2026-11-21"), 1795219200);
    cr_assert_eq(time_of("2024-02-29T23:59:59Z"), 1709251199);
    cr_assert_eq(time_of("9999-12-31T23:59:59Z"), INT64_C(253402300799));
}

Test(key_list, what_is_no_time_is_refused)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-11",
                                      "2026-11-2",
                                      "2026-11-211",
                                      "2026-13-01",
                                      "2026-00-01",
                                      "2026-04-31",
                                      "2025-02-29",
                                      "2026-11-00",
                                      "1969-12-31",
                                      "2026-11-21T",
                                      "2026-11-21T00:00:00",
                                      "2026-11-21T00:00Z",
                                      "2026-11-21T24:00:00Z",
                                      "2026-11-21T00:60:00Z",
                                      "2026-11-21T00:00:60Z",
                                      "2026-11-21T00:00:00+01:00",
                                      "2026-11-21 00:00:00Z",
                                      "2026-11-21T00:00:00.5Z",
                                      "2026-11-21T00:00:00ZZ",
                                      " 2026-11-21",
                                      "2026/11/21",
                                      "+026-11-21"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(time_of(bad[i]), KEY_TIME_NONE, "%s", bad[i]);
    }
    int64_t seconds;
    cr_assert_not(key_time_parse((struct slice){0}, &seconds));
}

Test(key_list, times_are_written_as_they_are_read)
{
    char text[KEY_TIME_TEXT_MAX];
    for (int64_t seconds = 0; seconds < INT64_C(253402300799); seconds += INT64_C(98765432)) {
        key_time_format(seconds, text);
        cr_assert_eq(time_of(text), seconds, "%s", text);
    }
    key_time_format(KEY_TIME_NONE, text);
    cr_assert_str_empty(text);
}

Test(key_list, states_have_words)
{
    for (enum key_state state = KEY_PENDING; state <= KEY_REVOKED; state++) {
        enum key_state back = KEY_PENDING;
        cr_assert(key_state_parse(slice_of(key_state_word(state)), &back));
        cr_assert_eq(back, state);
    }
    enum key_state none;
    cr_assert_not(key_state_parse(SLICE_LIT("Active"), &none));
    cr_assert_not(key_state_parse(SLICE_LIT(""), &none));
}

Test(key_list, an_added_key_is_active_and_trimmed)
{
    struct key_list list = {0};
    struct result why = RESULT_INIT;
    struct key_entry *entry =
        key_list_add(&list, SLICE_LIT("k"), SLICE_LIT("\t\r\n " SECRET_A " \n\v\f"), &why);
    cr_assert_not_null(entry, "%s", why.text);
    cr_assert_str_eq(entry->secret, SECRET_A);
    cr_assert_eq(entry->secret_len, strlen(SECRET_A));
    cr_assert_eq(entry->state, KEY_ACTIVE);
    cr_assert_eq(entry->created, KEY_TIME_NONE);
    cr_assert_eq(entry->not_before, KEY_TIME_NONE);
    cr_assert_eq(entry->not_after, KEY_TIME_NONE);
    cr_assert_str_empty(entry->label);
    cr_assert_eq(key_list_find(&list, SLICE_LIT("k")), entry);
    cr_assert_null(key_list_find(&list, SLICE_LIT("K")));
    key_list_free(&list);
    cr_assert_eq(list.n, 0);
}

static const char *refusal(struct key_list *list, const char *id, const char *secret)
{
    static struct result why;
    why = RESULT_INIT;
    size_t n = list->n;
    cr_assert_null(key_list_add(list, slice_of(id), slice_of(secret), &why), "%s", id);
    cr_assert_eq(list->n, n);
    cr_assert_null(strstr(why.text, secret[0] != '\0' ? secret : "\n"), "it quotes the secret");
    return why.text;
}

Test(key_list, unfit_keys_are_refused_with_a_sentence)
{
    struct key_list list = {0};
    char text[KEY_SECRET_MAX + 2];
    memset(text, 'x', sizeof(text));
    text[KEY_SECRET_MAX + 1] = '\0';
    cr_assert_not_null(key_list_add(&list, SLICE_LIT("k"), SLICE_LIT(SECRET_A), NULL));
    cr_assert_not_null(strstr(refusal(&list, "", SECRET_B), "1 to 64"));
    cr_assert_not_null(strstr(refusal(&list, "a b", SECRET_B), "A-Z"));
    cr_assert_not_null(strstr(refusal(&list, "k", SECRET_B), "unique"));
    cr_assert_not_null(strstr(refusal(&list, "l", " " SECRET_A "\n"), "same secret"));
    cr_assert_not_null(strstr(refusal(&list, "l", "123456789012345"), "15 bytes"));
    cr_assert_not_null(strstr(refusal(&list, "l", "   "), "empty"));
    cr_assert_not_null(strstr(refusal(&list, "l", ""), "empty"));
    cr_assert_not_null(strstr(refusal(&list, "l", text), "1025 bytes"));
    cr_assert_not_null(strstr(refusal(&list, "l", "1234567890\n1234567890"), "first 10 bytes"));
    cr_assert_not_null(key_list_add(&list, SLICE_LIT("l"), SLICE_LIT("1234567890123456"), NULL));
    cr_assert_not_null(key_list_add(&list, SLICE_LIT("m"), slice_make(text, KEY_SECRET_MAX), NULL));
    key_list_free(&list);
}

Test(key_list, is_bounded)
{
    struct key_list list = {0};
    struct result why = RESULT_INIT;
    char id[16];
    char secret[32];
    for (int i = 0; i < KEY_LIST_MAX; i++) {
        snprintf(id, sizeof(id), "k%d", i);
        snprintf(secret, sizeof(secret), "secret-%020d", i);
        cr_assert_not_null(key_list_add(&list, slice_of(id), slice_of(secret), &why));
    }
    cr_assert_null(key_list_add(&list, SLICE_LIT("x"), SLICE_LIT(SECRET_A), &why));
    cr_assert_str_eq(why.text, "a ring holds at most 128 keys; take one out that has ended");
    key_list_free(&list);
}

Test(key_list, labels_and_notes)
{
    struct key_entry entry = {0};
    struct result why = RESULT_INIT;
    char text[KEY_NOTE_MAX + 1];
    memset(text, 'n', sizeof(text));
    cr_assert(key_entry_set_label(&entry, SLICE_LIT("développement \"1\""), &why));
    cr_assert_str_eq(entry.label, "développement \"1\"");
    cr_assert(key_entry_set_label(&entry, (struct slice){0}, &why));
    cr_assert_str_empty(entry.label);
    cr_assert(key_entry_set_label(&entry, slice_make(text, KEY_LABEL_MAX), &why));
    cr_assert_not(key_entry_set_label(&entry, slice_make(text, KEY_LABEL_MAX + 1), &why));
    cr_assert_not_null(strstr(why.text, "64 bytes"));
    cr_assert(key_entry_set_note(&entry, slice_make(text, KEY_NOTE_MAX), &why));
    cr_assert_not(key_entry_set_note(&entry, slice_make(text, KEY_NOTE_MAX + 1), &why));
    cr_assert_not(key_entry_set_note(&entry, SLICE_LIT("two\nlines"), &why));
    cr_assert_not(key_entry_set_label(&entry, SLICE_LIT("\xff"), &why));
    cr_assert_not_null(strstr(why.text, "UTF-8"));
}
