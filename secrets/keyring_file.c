/* keyring_file.c: reading the ring file and the single-secret file; see keyring_file.h.
 *
 * libconfig parses the ring's text. It keeps the strings on the ordinary heap: they are overwritten
 * before its tree is freed. The copy that its scanner makes of the text while it parses is out of
 * our reach; it lives for the length of one read.
 */
#include "secrets/keyring_file.h"

#include "secrets/secret_text.h"

#include <libconfig.h>
#include <openssl/crypto.h>
#include <string.h>

static const char *const member_names[] = {"id",         "secret",    "state", "created",
                                           "not_before", "not_after", "label", "note"};
#define MEMBERS (sizeof(member_names) / sizeof(member_names[0]))
#define MEMBER_LIST "id, secret, state, created, not_before, not_after, label, note"

/* Where a sentence is about: "path:line". */
struct place {
    const char *path;
    int line;
};

/* Puts "path:line: " in front of what a check of ours said. */
static bool fail_at(struct place place, const struct result *said, struct result *why)
{
    return result_fail(why, "%s:%d: %.400s", place.path, place.line, said->text);
}

static void wipe_strings(config_setting_t *setting)
{
    if (config_setting_type(setting) == CONFIG_TYPE_STRING) {
        const char *text = config_setting_get_string(setting);
        if (text != NULL) {
            /* The tree is ours and about to go; only libconfig's interface calls it const. */
            OPENSSL_cleanse((void *)text, strlen(text));
        }
        return;
    }
    if (config_setting_is_aggregate(setting)) {
        for (int i = 0; i < config_setting_length(setting); i++) {
            wipe_strings(config_setting_get_elem(setting, (unsigned)i));
        }
    }
}

/* "@include" would pull in files whose mode nobody checked. Only at the start of a line has it a
 * meaning to libconfig. */
static bool refuse_includes(const char *path, const struct secret_text *text, struct result *why)
{
    int line = 1;
    for (const char *at = text->data; at != NULL; line++) {
        at += strspn(at, " \t");
        if (strncmp(at, "@include", 8) == 0) {
            return result_fail(why,
                               "%s:%d: @include is not allowed here; put the keys into this "
                               "file",
                               path, line);
        }
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    return true;
}

static bool check_members(const char *path, const config_setting_t *group, struct result *why)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *member = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(member);
        size_t known = 0;
        while (known < MEMBERS && strcmp(name, member_names[known]) != 0) {
            known++;
        }
        if (known == MEMBERS) {
            return result_fail(why, "%s:%d: unknown member \"%.64s\" of a key; known: " MEMBER_LIST,
                               path, config_setting_source_line(member), name);
        }
        if (config_setting_type(member) != CONFIG_TYPE_STRING) {
            return result_fail(why, "%s:%d: %s must be a text in quotes", path,
                               config_setting_source_line(member), name);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        if (config_setting_get_member(group, member_names[i]) == NULL) {
            return result_fail(why,
                               "%s:%d: the key has no \"%s\"; id, secret and state are "
                               "required",
                               path, config_setting_source_line(group), member_names[i]);
        }
    }
    return true;
}

/* A member's text, or absent; *place gets its line. */
static struct slice member_text(const config_setting_t *group, const char *name,
                                struct place *place)
{
    const config_setting_t *member = config_setting_get_member(group, name);
    if (member == NULL) {
        return (struct slice){0};
    }
    place->line = (int)config_setting_source_line(member);
    return slice_of(config_setting_get_string(member));
}

static bool read_time(const config_setting_t *group, const char *name, struct place place,
                      int64_t *out, struct result *why)
{
    struct slice text = member_text(group, name, &place);
    if (text.data != NULL && !key_time_parse(text, out)) {
        return result_fail(why,
                           "%s:%d: %s = \"%.40s\" is no time; write it as \"2026-11-21T00:00:00Z\" "
                           "or \"2026-11-21\"",
                           place.path, place.line, name, text.data);
    }
    return true;
}

static bool read_days(const config_setting_t *group, struct place place, struct key_entry *entry,
                      struct result *why)
{
    if (!read_time(group, "created", place, &entry->created, why) ||
        !read_time(group, "not_before", place, &entry->not_before, why) ||
        !read_time(group, "not_after", place, &entry->not_after, why)) {
        return false;
    }
    if (entry->not_before != KEY_TIME_NONE && entry->not_after != KEY_TIME_NONE &&
        entry->not_before >= entry->not_after) {
        return result_fail(why, "%s:%d: key \"%s\": not_after must be later than not_before",
                           place.path, place.line, entry->id);
    }
    return true;
}

static bool read_words(const config_setting_t *group, struct place place, struct key_entry *entry,
                       struct result *why)
{
    struct result said = RESULT_INIT;
    struct slice state = member_text(group, "state", &place);
    if (!key_state_parse(state, &entry->state)) {
        return result_fail(why, "%s:%d: state = \"%.40s\" is unknown; known: " KEY_STATE_WORDS,
                           place.path, place.line, state.data);
    }
    if (!key_entry_set_label(entry, member_text(group, "label", &place), &said) ||
        !key_entry_set_note(entry, member_text(group, "note", &place), &said)) {
        return fail_at(place, &said, why);
    }
    return true;
}

static bool read_entry(const char *path, const config_setting_t *group, struct key_list *list,
                       struct result *why)
{
    struct result said = RESULT_INIT;
    struct place place = {path, (int)config_setting_source_line(group)};
    if (!config_setting_is_group(group)) {
        return result_fail(why,
                           "%s:%d: a key is a group: { id = \"…\"; secret = \"…\"; state = "
                           "\"active\"; }",
                           path, place.line);
    }
    if (!check_members(path, group, why)) {
        return false;
    }
    struct place ignored = place;
    struct key_entry *entry = key_list_add(list, member_text(group, "id", &ignored),
                                           member_text(group, "secret", &ignored), &said);
    if (entry == NULL) {
        return fail_at(place, &said, why);
    }
    return read_words(group, place, entry, why) && read_days(group, place, entry, why);
}

static bool read_tree(const char *path, const config_t *tree, struct key_list *list,
                      struct result *why)
{
    const config_setting_t *root = config_root_setting(tree);
    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *setting = config_setting_get_elem(root, (unsigned)i);
        if (strcmp(config_setting_name(setting), "keys") != 0) {
            return result_fail(why, "%s:%d: unknown name \"%.64s\"; known: keys", path,
                               config_setting_source_line(setting), config_setting_name(setting));
        }
    }
    const config_setting_t *keys = config_lookup(tree, "keys");
    if (keys == NULL) {
        return result_fail(why, "%s: has no list of keys; write: keys = ( { … }, … );", path);
    }
    if (!config_setting_is_list(keys)) {
        return result_fail(why, "%s:%d: keys must be a list: keys = ( { … }, … );", path,
                           config_setting_source_line(keys));
    }
    for (int i = 0; i < config_setting_length(keys); i++) {
        if (!read_entry(path, config_setting_get_elem(keys, (unsigned)i), list, why)) {
            return false;
        }
    }
    return true;
}

static bool parse_text(const char *path, const struct secret_text *text, struct key_list *list,
                       struct result *why)
{
    if (strlen(text->data) != text->len) {
        return result_fail(why, "%s: holds a NUL byte; it is not a ring file", path);
    }
    if (!refuse_includes(path, text, why)) {
        return false;
    }
    config_t tree;
    config_init(&tree);
    bool ok = config_read_string(&tree, text->data) == CONFIG_TRUE
                  ? read_tree(path, &tree, list, why)
                  : result_fail(why, "%s:%d: %s", path, config_error_line(&tree),
                                config_error_text(&tree));
    wipe_strings(config_root_setting(&tree));
    config_destroy(&tree);
    return ok;
}

bool keyring_file_read(const char *path, struct key_list *list, bool *missing, struct result *why)
{
    struct secret_text text;
    *list = (struct key_list){0};
    if (!secret_text_read(path, KEYRING_FILE_MAX, true, &text, missing, why)) {
        return false;
    }
    if (*missing) {
        return true;
    }
    bool ok = parse_text(path, &text, list, why);
    secret_text_free(&text);
    if (!ok) {
        key_list_free(list);
    }
    return ok;
}

bool secret_file_read(const char *path, struct key_entry *entry, bool *missing, struct result *why)
{
    struct secret_text text;
    struct result said = RESULT_INIT;
    *entry = (struct key_entry){.state = KEY_ACTIVE,
                                .created = KEY_TIME_NONE,
                                .not_before = KEY_TIME_NONE,
                                .not_after = KEY_TIME_NONE};
    /* Twice the longest secret: room for white space around it. */
    if (!secret_text_read(path, (size_t)2 * KEY_SECRET_MAX, false, &text, missing, why)) {
        return false;
    }
    if (*missing) {
        return true;
    }
    bool ok = key_entry_set_secret(entry, slice_make(text.data, text.len), &said);
    secret_text_free(&text);
    return ok || result_fail(why, "%s: %.400s", path, said.text);
}
