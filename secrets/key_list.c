/* key_list.c: the entries of a ring in memory, what each member may hold, and the times. The
 * secrets are the only part that is kept in the secure heap. See keyring_file.h.
 */
#include "base/utf8.h"
#include "secrets/keyring_file.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const state_words[] = {
    [KEY_PENDING] = "pending",
    [KEY_ACTIVE] = "active",
    [KEY_RETIRING] = "retiring",
    [KEY_REVOKED] = "revoked",
};
#define STATES (sizeof(state_words) / sizeof(state_words[0]))

const char *key_state_word(enum key_state state)
{
    return (size_t)state < STATES ? state_words[state] : "unknown";
}

bool key_state_parse(struct slice word, enum key_state *out)
{
    for (size_t i = 0; i < STATES; i++) {
        if (slice_eq_str(word, state_words[i])) {
            *out = (enum key_state)i;
            return true;
        }
    }
    return false;
}

enum key_stage key_entry_stage(const struct key_entry *entry, int64_t now_s)
{
    if (entry->state == KEY_REVOKED ||
        (entry->not_after != KEY_TIME_NONE && now_s > entry->not_after)) {
        return KEY_STAGE_ENDED;
    }
    if (entry->state == KEY_PENDING ||
        (entry->not_before != KEY_TIME_NONE && now_s < entry->not_before)) {
        return KEY_STAGE_PENDING;
    }
    return KEY_STAGE_ACCEPTED;
}

/* Reads `digits` digits at *at; -1 when there is something else. */
static int read_digits(struct slice text, size_t *at, size_t digits)
{
    int value = 0;
    for (size_t end = *at + digits; *at < end; (*at)++) {
        if (*at >= text.len || text.data[*at] < '0' || text.data[*at] > '9') {
            return -1;
        }
        value = value * 10 + (text.data[*at] - '0');
    }
    return value;
}

static bool read_mark(struct slice text, size_t *at, char mark)
{
    bool there = *at < text.len && text.data[*at] == mark;
    *at += there;
    return there;
}

bool key_time_parse(struct slice text, int64_t *out)
{
    size_t at = 0;
    struct tm utc = {0};
    *out = KEY_TIME_NONE;
    int year = read_digits(text, &at, 4);
    bool fine = year >= 1970 && read_mark(text, &at, '-');
    int month = fine ? read_digits(text, &at, 2) : -1;
    fine = month >= 1 && read_mark(text, &at, '-');
    utc.tm_mday = fine ? read_digits(text, &at, 2) : -1;
    fine = utc.tm_mday >= 1;
    if (fine && at != text.len) {
        fine = read_mark(text, &at, 'T');
        utc.tm_hour = fine ? read_digits(text, &at, 2) : -1;
        fine = utc.tm_hour >= 0 && read_mark(text, &at, ':');
        utc.tm_min = fine ? read_digits(text, &at, 2) : -1;
        fine = utc.tm_min >= 0 && read_mark(text, &at, ':');
        utc.tm_sec = fine ? read_digits(text, &at, 2) : -1;
        fine = utc.tm_sec >= 0 && read_mark(text, &at, 'Z') && at == text.len;
    }
    if (!fine) {
        return false;
    }
    utc.tm_year = year - 1900;
    utc.tm_mon = month - 1;
    const struct tm wanted = utc;
    time_t seconds = timegm(&utc);
    /* timegm rolls 31 April over to 1 May: what comes back changed was no date. */
    if (utc.tm_mon != wanted.tm_mon || utc.tm_mday != wanted.tm_mday ||
        utc.tm_hour != wanted.tm_hour || utc.tm_min != wanted.tm_min ||
        utc.tm_sec != wanted.tm_sec) {
        return false;
    }
    *out = (int64_t)seconds;
    return true;
}

void key_time_format(int64_t seconds, char out[KEY_TIME_TEXT_MAX])
{
    time_t time = (time_t)seconds;
    struct tm utc;
    out[0] = '\0';
    if (seconds != KEY_TIME_NONE && gmtime_r(&time, &utc) != NULL &&
        strftime(out, KEY_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) {
        out[0] = '\0';
    }
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static size_t find_control(struct slice text)
{
    size_t at = 0;
    while (at < text.len && !is_control(text.data[at])) {
        at++;
    }
    return at;
}

static bool set_text(char *to, size_t max, const char *name, struct slice text, struct result *why)
{
    if (text.data == NULL) {
        text = SLICE_LIT("");
    }
    if (text.len > max) {
        return result_fail(why, "the %s has %zu bytes; at most %zu are allowed", name, text.len,
                           max);
    }
    if (find_control(text) != text.len || !utf8_valid(text.data, text.len)) {
        return result_fail(why, "the %s must be UTF-8 without line breaks or control characters",
                           name);
    }
    memcpy(to, text.data, text.len);
    to[text.len] = '\0';
    return true;
}

bool key_entry_set_label(struct key_entry *entry, struct slice label, struct result *why)
{
    return set_text(entry->label, KEY_LABEL_MAX, "label", label, why);
}

bool key_entry_set_note(struct key_entry *entry, struct slice note, struct result *why)
{
    return set_text(entry->note, KEY_NOTE_MAX, "note", note, why);
}

/* The white space that Python's str.strip() cuts from ASCII text: the clients' side of the
 * agreement. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

static struct slice trim(struct slice text)
{
    while (text.len != 0 && is_space(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len != 0 && is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

bool key_entry_set_secret(struct key_entry *entry, struct slice secret, struct result *why)
{
    secret = trim(secret);
    if (secret.len == 0) {
        return result_fail(why, "the secret is empty; it takes %d to %d bytes", KEY_SECRET_MIN,
                           KEY_SECRET_MAX);
    }
    if (secret.len < KEY_SECRET_MIN || secret.len > KEY_SECRET_MAX) {
        return result_fail(why,
                           "the secret has %zu bytes; it takes %d to %d, and %d or more are "
                           "advised",
                           secret.len, KEY_SECRET_MIN, KEY_SECRET_MAX, KEY_SECRET_ADVISED);
    }
    size_t control = find_control(secret);
    if (control != secret.len) {
        return result_fail(why,
                           "the secret has a line break or control character behind its first %zu "
                           "bytes; a secret is one line of text",
                           control);
    }
    char *copy = OPENSSL_secure_malloc(secret.len + 1);
    if (copy == NULL) {
        return result_fail(why, "the secure memory for secrets is used up; have fewer keys");
    }
    memcpy(copy, secret.data, secret.len);
    copy[secret.len] = '\0';
    key_entry_free(entry);
    entry->secret = copy;
    entry->secret_len = secret.len;
    return true;
}

bool key_entry_same_secret(const struct key_entry *a, const struct key_entry *b)
{
    return a->secret_len == b->secret_len &&
           CRYPTO_memcmp(a->secret, b->secret, a->secret_len) == 0;
}

struct key_entry *key_list_find(const struct key_list *list, struct slice id)
{
    for (size_t i = 0; i < list->n; i++) {
        if (slice_eq_str(id, list->entries[i].id)) {
            return &list->entries[i];
        }
    }
    return NULL;
}

static bool check_new(const struct key_list *list, const struct key_entry *entry,
                      struct result *why)
{
    if (key_list_find(list, slice_of(entry->id)) != NULL) {
        return result_fail(why, "there is a key \"%s\" already; ids are unique", entry->id);
    }
    for (size_t i = 0; i < list->n; i++) {
        if (key_entry_same_secret(&list->entries[i], entry)) {
            return result_fail(why,
                               "keys \"%s\" and \"%s\" hold the same secret; revoking one would "
                               "leave the other: give each its own",
                               list->entries[i].id, entry->id);
        }
    }
    if (list->n >= KEY_LIST_MAX) {
        return result_fail(why, "a ring holds at most %d keys; take one out that has ended",
                           KEY_LIST_MAX);
    }
    return true;
}

struct key_entry *key_list_add(struct key_list *list, struct slice id, struct slice secret,
                               struct result *why)
{
    struct key_entry entry = {.state = KEY_ACTIVE,
                              .created = KEY_TIME_NONE,
                              .not_before = KEY_TIME_NONE,
                              .not_after = KEY_TIME_NONE};
    struct key_entry *grown = NULL;
    if (!signature_key_id_valid(id)) {
        result_fail(why, "the id must be 1 to %d of A-Z a-z 0-9 . _ -", SIGNATURE_KEY_ID_MAX);
        return NULL;
    }
    memcpy(entry.id, id.data, id.len);
    if (!key_entry_set_secret(&entry, secret, why) || !check_new(list, &entry, why)) {
        goto cleanup;
    }
    grown = realloc(list->entries, (list->n + 1) * sizeof(*grown));
    if (grown == NULL) {
        result_fail(why, "out of memory");
        goto cleanup;
    }
    list->entries = grown;
    list->entries[list->n] = entry;
    return &list->entries[list->n++];

cleanup:
    key_entry_free(&entry);
    return NULL;
}

void key_entry_free(struct key_entry *entry)
{
    if (entry->secret != NULL) {
        OPENSSL_secure_clear_free(entry->secret, entry->secret_len + 1);
    }
    entry->secret = NULL;
    entry->secret_len = 0;
}

void key_list_remove(struct key_list *list, struct key_entry *entry)
{
    size_t at = (size_t)(entry - list->entries);
    key_entry_free(entry);
    memmove(entry, entry + 1, (list->n - at - 1) * sizeof(*entry));
    list->n--;
}

void key_list_free(struct key_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        key_entry_free(&list->entries[i]);
    }
    free(list->entries);
    *list = (struct key_list){0};
}
