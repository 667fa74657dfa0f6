/* config_file_destinations.c: the list export.destinations as it stands in the file. */
#include "base/config_file.h"

#include <stdio.h>

static bool header_from_line(const struct config_reading *r, struct config_destination *destination,
                             const config_setting_t *setting)
{
    char where[CONFIG_WHERE_MAX];
    if (config_setting_type(setting) != CONFIG_TYPE_STRING) {
        return config_file_wrong_type(r, setting, "export.destinations.headers",
                                      "strings \"Name: value\"");
    }
    struct slice line = slice_of(config_setting_get_string(setting));
    const char *colon = memchr(line.data, ':', line.len);
    size_t name_len = colon != NULL ? (size_t)(colon - line.data) : line.len;
    struct slice value = colon != NULL ? slice_make(colon + 1, line.len - name_len - 1)
                                       : slice_make(line.data + line.len, 0);
    return config_destination_header(destination, slice_make(line.data, name_len), value,
                                     config_file_where(r, setting, where), r->why);
}

static bool set_headers(const struct config_reading *r, struct config_destination *destination,
                        const config_setting_t *setting)
{
    bool group = config_setting_is_group(setting);
    if (!group && !config_file_is_list(setting)) {
        return config_file_wrong_type(r, setting, "export.destinations.headers",
                                      "a list of strings \"Name: value\"");
    }
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *header = config_setting_get_elem(setting, (unsigned)i);
        char where[CONFIG_WHERE_MAX];
        bool ok = false;
        if (!group) {
            ok = header_from_line(r, destination, header);
        } else if (config_setting_type(header) != CONFIG_TYPE_STRING) {
            ok = config_file_wrong_type(r, header, "export.destinations.headers",
                                        "Name = \"value\"");
        } else {
            ok = config_destination_header(destination, slice_of(config_setting_name(header)),
                                           slice_of(config_setting_get_string(header)),
                                           config_file_where(r, header, where), r->why);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool set_signals(const struct config_reading *r, struct config_destination *destination,
                        const config_setting_t *setting)
{
    static const char right[] = "a list such as [\"metrics\", \"traces\"]";
    char where[CONFIG_WHERE_MAX];
    if (!config_file_is_list(setting)) {
        return config_file_wrong_type(r, setting, "export.destinations.signals", right);
    }
    if (config_setting_length(setting) == 0) {
        return config_fail(r->why, config_file_where(r, setting, where),
                           "export.destinations.signals",
                           "the list is empty; list at least one, or leave the key out for all");
    }
    destination->signals = 0;
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *word = config_setting_get_elem(setting, (unsigned)i);
        if (config_setting_type(word) != CONFIG_TYPE_STRING) {
            return config_file_wrong_type(r, word, "export.destinations.signals", right);
        }
        if (!config_destination_signal(destination, slice_of(config_setting_get_string(word)),
                                       config_file_where(r, word, where), r->why)) {
            return false;
        }
    }
    return true;
}

static bool is_destination_key(const char *name)
{
    for (size_t i = 0; i < config_n_destination_keys; i++) {
        if (strcmp(config_destination_keys[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool set_destination_key(const struct config_reading *r,
                                struct config_destination *destination,
                                const config_setting_t *setting)
{
    char where[CONFIG_WHERE_MAX];
    char key[128];
    const char *name = config_setting_name(setting);
    char shown[CONFIG_SHOWN_MAX];
    snprintf(key, sizeof(key), "export.destinations.%s", config_shown(slice_of(name), shown));
    config_file_where(r, setting, where);
    if (!is_destination_key(name)) {
        const char *meant = config_suggest_destination_key(name);
        return meant != NULL
                   ? config_fail(r->why, where, key, "unknown key; did you mean %s?", meant)
                   : config_fail(r->why, where, key,
                                 "unknown key; a destination has type, name, url, signals, "
                                 "compression, headers and ca_file");
    }
    if (strcmp(name, "type") == 0) {
        return true; /* read first, see set_destination */
    }
    if (strcmp(name, "headers") == 0) {
        return set_headers(r, destination, setting);
    }
    if (strcmp(name, "signals") == 0) {
        return set_signals(r, destination, setting);
    }
    if (config_setting_type(setting) != CONFIG_TYPE_STRING) {
        return config_file_wrong_type(r, setting, key, "a string in quotes");
    }
    return config_destination_set(destination, name, slice_of(config_setting_get_string(setting)),
                                  where, r->why);
}

static bool set_destination(const struct config_reading *r, const config_setting_t *setting)
{
    static const char right[] = "a group such as { type = \"otlp\"; url = \"http://host:4318\"; }";
    char where[CONFIG_WHERE_MAX];
    const char *type = NULL;
    config_file_where(r, setting, where);
    if (!config_setting_is_group(setting)) {
        return config_file_wrong_type(r, setting, "export.destinations", right);
    }
    bool typed = config_setting_lookup_string(setting, "type", &type) == CONFIG_TRUE;
    bool fleet = typed && strcmp(type, "fleet") == 0;
    if (!typed || (!fleet && strcmp(type, "otlp") != 0)) {
        return config_fail(r->why, where, "export.destinations.type", "%s; use one of: fleet, otlp",
                           typed ? "this type is not known" : "missing, or not a string");
    }
    struct config_destination *added = config_destination_add(
        r->load->config, fleet ? CONFIG_DESTINATION_FLEET : CONFIG_DESTINATION_OTLP, where, r->why);
    for (int i = 0; added != NULL && i < config_setting_length(setting); i++) {
        if (!set_destination_key(r, added, config_setting_get_elem(setting, (unsigned)i))) {
            return false;
        }
    }
    if (added != NULL && !fleet && added->url == NULL) {
        return config_fail(r->why, where, "export.destinations.url",
                           "missing; add url = \"http://collector:4318\"");
    }
    return added != NULL;
}

bool config_file_destinations(const struct config_reading *r, const struct config_key *key,
                              const config_setting_t *setting)
{
    char where[CONFIG_WHERE_MAX];
    if (!config_file_is_list(setting)) {
        return config_file_wrong_type(r, setting, key->name,
                                      "a list such as ( { type = \"fleet\"; } )");
    }
    config_destinations_clear(r->load->config);
    for (int i = 0; i < config_setting_length(setting); i++) {
        if (!set_destination(r, config_setting_get_elem(setting, (unsigned)i))) {
            return false;
        }
    }
    return config_remember(r->load, key, config_file_where(r, setting, where), r->why);
}
