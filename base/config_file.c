/* config_file.c: the libconfig file: every setting in it must be one of the table's keys. The text
 * is read here and given to the library as a string (see config_scan.c). */
#include "base/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES ((size_t)1024 * 1024)
#define PARTS_MAX 256

/* "file:line"; of a very long path its beginning. */
const char *config_file_where(const struct config_reading *r, const config_setting_t *setting,
                              char out[CONFIG_WHERE_MAX])
{
    snprintf(out, CONFIG_WHERE_MAX, "%.300s:%u", r->path, config_setting_source_line(setting));
    return out;
}

/* A scalar as text; absent for a list or a group. */
static struct slice scalar_text(const config_setting_t *setting, char number[CONFIG_NUMBER_MAX])
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        return slice_of(config_setting_get_string(setting));
    case CONFIG_TYPE_BOOL:
        return slice_of(config_setting_get_bool(setting) ? "true" : "false");
    case CONFIG_TYPE_INT:
        snprintf(number, CONFIG_NUMBER_MAX, "%d", config_setting_get_int(setting));
        return slice_of(number);
    case CONFIG_TYPE_INT64:
        snprintf(number, CONFIG_NUMBER_MAX, "%lld", config_setting_get_int64(setting));
        return slice_of(number);
    case CONFIG_TYPE_FLOAT:
        snprintf(number, CONFIG_NUMBER_MAX, "%g", config_setting_get_float(setting));
        return slice_of(number);
    default:
        return (struct slice){0};
    }
}

static const char *type_name(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "a boolean";
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_ARRAY:
    case CONFIG_TYPE_LIST:
        return "a list";
    default:
        return "a number";
    }
}

bool config_file_wrong_type(const struct config_reading *r, const config_setting_t *setting,
                            const char *key, const char *right)
{
    char where[CONFIG_WHERE_MAX];
    return config_fail(r->why, config_file_where(r, setting, where), key, "%s; write %s",
                       type_name(setting), right);
}

/* May a setting of this libconfig type be the key's value? The text decides about the rest. */
static bool type_fits(const struct config_key *key, const config_setting_t *setting)
{
    int type = config_setting_type(setting);
    bool number = type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64 || type == CONFIG_TYPE_FLOAT;
    switch (key->type) {
    case KEY_SIZE:
    case KEY_DURATION:
    case KEY_INTEGER:
        return number || type == CONFIG_TYPE_STRING;
    case KEY_BOOLEAN:
        return number || type == CONFIG_TYPE_BOOL || type == CONFIG_TYPE_STRING;
    default:
        return type == CONFIG_TYPE_STRING;
    }
}

static const char *right_type(const struct config_key *key)
{
    switch (key->type) {
    case KEY_SIZE:
        return "bytes as a number, or a size such as \"4MiB\"";
    case KEY_DURATION:
        return "seconds as a number, or a duration such as \"30s\"";
    case KEY_INTEGER:
        return "a whole number";
    case KEY_BOOLEAN:
        return "true or false";
    case KEY_CIDRS:
    case KEY_STRINGS:
        return "a list of strings, such as [\"a\", \"b\"]";
    default:
        return "a string in quotes";
    }
}

static bool set_list(const struct config_reading *r, const struct config_key *key,
                     const config_setting_t *setting)
{
    struct slice parts[PARTS_MAX];
    char where[CONFIG_WHERE_MAX];
    int n = config_setting_length(setting);
    if (n > PARTS_MAX) {
        return config_fail(r->why, config_file_where(r, setting, where), key->name,
                           "more than %d parts", PARTS_MAX);
    }
    for (int i = 0; i < n; i++) {
        const config_setting_t *part = config_setting_get_elem(setting, (unsigned)i);
        if (config_setting_type(part) != CONFIG_TYPE_STRING) {
            return config_file_wrong_type(r, part, key->name, right_type(key));
        }
        parts[i] = config_trim(slice_of(config_setting_get_string(part)));
    }
    return config_set_parts(r->load, key, parts, (size_t)n, config_file_where(r, setting, where),
                            r->why);
}

bool config_file_is_list(const config_setting_t *setting)
{
    return config_setting_is_list(setting) || config_setting_is_array(setting);
}

/* Names the key for a file of its own that a secret has. */
static bool refuse_secret(const struct config_reading *r, const struct config_key *key,
                          const char *where)
{
    char file[CONFIG_SHOWN_MAX];
    snprintf(file, sizeof(file), "%s_file", key->name);
    const struct config_key *instead = config_key_find(slice_of(file));
    return config_fail(r->why, where, key->name,
                       "a secret does not belong in this file; put it in the environment or in a "
                       "file named by %s",
                       instead != NULL ? instead->name : "secrets.secret_file");
}

static bool set_key(const struct config_reading *r, const struct config_key *key,
                    const config_setting_t *setting)
{
    char where[CONFIG_WHERE_MAX];
    char number[CONFIG_NUMBER_MAX];
    config_file_where(r, setting, where);
    if (key->environment_only) {
        return refuse_secret(r, key, where);
    }
    if (key->type == KEY_DESTINATIONS) {
        return config_file_destinations(r, key, setting);
    }
    if ((key->type == KEY_CIDRS || key->type == KEY_STRINGS) && config_file_is_list(setting)) {
        return set_list(r, key, setting);
    }
    if (!type_fits(key, setting)) {
        return config_file_wrong_type(r, setting, key->name, right_type(key));
    }
    return config_set(r->load, key, scalar_text(setting, number), where, r->why);
}

static bool unknown_key(const struct config_reading *r, const config_setting_t *setting,
                        const char *group, const char *name)
{
    char where[CONFIG_WHERE_MAX];
    char shown_group[CONFIG_SHOWN_MAX];
    char shown_name[CONFIG_SHOWN_MAX];
    char key[2 * CONFIG_SHOWN_MAX];
    const char *meant = config_suggest_key(group, name);
    config_file_where(r, setting, where);
    snprintf(key, sizeof(key), "%s%s%s", config_shown(slice_of(group), shown_group),
             group[0] != '\0' ? "." : "", config_shown(slice_of(name), shown_name));
    if (meant != NULL) {
        return config_fail(r->why, where, key, "unknown key; did you mean %s?", meant);
    }
    return config_fail(r->why, where, key,
                       "unknown key; docs/configuration.md lists those there are");
}

static bool is_group_name(const char *name)
{
    for (size_t i = 0; i < config_n_groups; i++) {
        if (strcmp(config_groups[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_group(const struct config_reading *r, const config_setting_t *group)
{
    const char *name = config_setting_name(group);
    if (!is_group_name(name)) {
        const char *meant = config_suggest_group(name);
        if (!config_setting_is_group(group) && meant == NULL) {
            return unknown_key(r, group, "", name);
        }
        char where[CONFIG_WHERE_MAX];
        char shown[CONFIG_SHOWN_MAX];
        return config_fail(r->why, config_file_where(r, group, where),
                           config_shown(slice_of(name), shown),
                           meant != NULL ? "unknown group; did you mean %s?"
                                         : "unknown group; docs/configuration.md lists those%s",
                           meant != NULL ? meant : " there are");
    }
    if (!config_setting_is_group(group)) {
        return config_file_wrong_type(r, group, name, "a group { key = value; }");
    }
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *last = config_setting_name(setting);
        char full[128];
        snprintf(full, sizeof(full), "%s.%s", name, last);
        const struct config_key *key = config_key_find(slice_of(full));
        if (key == NULL ? !unknown_key(r, setting, name, last) : !set_key(r, key, setting)) {
            return false;
        }
    }
    return true;
}

static bool read_text(const struct config_reading *r, const char *text)
{
    bool ok = false;
    config_t file;
    config_init(&file);
    if (config_read_string(&file, text) != CONFIG_TRUE) {
        const char *text_error = config_error_text(&file);
        bool syntax = strstr(text_error, "syntax") != NULL;
        result_fail(r->why, "%.300s:%d: %s; %s", r->path, config_error_line(&file), text_error,
                    syntax ? "write key = value; inside group = { ... };"
                           : "write each key and each group once, and lists of one type");
        goto cleanup;
    }
    const config_setting_t *root = config_root_setting(&file);
    for (int i = 0; i < config_setting_length(root); i++) {
        if (!read_group(r, config_setting_get_elem(root, (unsigned)i))) {
            goto cleanup;
        }
    }
    ok = true;
cleanup:
    config_destroy(&file);
    return ok;
}

/* The whole file; false with `why` set, or with *missing. */
static bool slurp(const char *path, struct buf *out, bool *missing, struct result *why)
{
    bool ok = false;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *missing = fd < 0 && errno == ENOENT;
    if (fd < 0) {
        return result_fail_errno(why, errno, "%.300s: the configuration cannot be read", path);
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        result_fail(why, "%.300s: not a regular file; name the configuration file", path);
        goto cleanup;
    }
    for (;;) {
        char *to = buf_reserve(out, 65536);
        ssize_t got = to != NULL ? read(fd, to, 65536) : -1;
        if (got < 0 && to != NULL && errno == EINTR) {
            continue;
        }
        if (got < 0 || out->len > FILE_MAX_BYTES) {
            result_fail(why, "%.300s: the configuration cannot be read, or is over 1 MiB", path);
            goto cleanup;
        }
        if (got == 0) {
            break;
        }
        out->len += (size_t)got;
    }
    ok = true;
cleanup:
    close(fd);
    return ok;
}

bool config_read_path(struct config_load *load, const char *path, bool required, struct result *why)
{
    const struct config_reading reading = {load, path, why};
    struct buf raw = BUF_INIT;
    struct buf text = BUF_INIT;
    bool missing = false;
    bool ok = slurp(path, &raw, &missing, why);
    if (ok) {
        ok = config_scan(path, buf_slice(&raw), &text, why) && read_text(&reading, buf_cstr(&text));
    } else if (missing && !required) {
        if (why != NULL) {
            why->text[0] = '\0';
        }
        ok = true;
    }
    buf_free(&raw);
    buf_free(&text);
    return ok;
}
