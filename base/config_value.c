/* config_value.c: text to a typed value, and the other way for sentences and the reference.
 *
 * One reader serves the defaults, the file's strings and numbers, and the environment, so that a
 * value means the same wherever it is written.
 */
#include "base/config_internal.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PARTS_MAX 256

struct unit {
    const char *name;
    int64_t factor;
};

#define KB INT64_C(1000)
#define KIB INT64_C(1024)

/* Largest first, as config_format_number tries them; decimal ones are read but never written. */
static const struct unit size_units[] = {{"TiB", KIB *KIB *KIB *KIB},
                                         {"GiB", KIB *KIB *KIB},
                                         {"MiB", KIB *KIB},
                                         {"KiB", KIB},
                                         {"B", 1},
                                         {"KB", KB},
                                         {"MB", KB *KB},
                                         {"GB", KB *KB *KB},
                                         {"TB", KB *KB *KB *KB},
                                         {NULL, 0}};
static const struct unit duration_units[] = {
    {"d", 86400 * NS_PER_SECOND}, {"h", 3600 * NS_PER_SECOND}, {"m", 60 * NS_PER_SECOND},
    {"s", NS_PER_SECOND},         {"ms", NS_PER_MS},           {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum key_type type)
{
    return type == KEY_SIZE ? size_units : type == KEY_DURATION ? duration_units : no_units;
}

void config_format_number(enum key_type type, int64_t value, char out[CONFIG_NUMBER_MAX])
{
    const struct unit *unit = units_of(type);
    while (value != 0 && value % unit->factor != 0 && unit[1].name != NULL) {
        unit++;
    }
    snprintf(out, CONFIG_NUMBER_MAX, "%lld%s", (long long)(value / unit->factor),
             value != 0 ? unit->name : "");
}

static void *field(struct config *config, size_t offset)
{
    return (char *)config + offset;
}

static bool fail_number(const struct config_key *key, struct slice text, const char *where,
                        struct result *why)
{
    char shown[CONFIG_SHOWN_MAX];
    config_shown(text, shown);
    if (key->type == KEY_SIZE) {
        return config_fail(why, where, key->name,
                           "\"%s\" is not a size; write a whole number of bytes, or one with B, "
                           "KiB, MiB, GiB, KB, MB or GB, such as 4MiB",
                           shown);
    }
    if (key->type == KEY_DURATION) {
        return config_fail(why, where, key->name,
                           "\"%s\" is not a duration; write a whole number of seconds, or one "
                           "with ms, s, m, h or d, such as 30s",
                           shown);
    }
    return config_fail(why, where, key->name, "\"%s\" is not a whole number", shown);
}

static bool fail_range(const struct config_key *key, struct slice text, const char *where,
                       struct result *why)
{
    char shown[CONFIG_SHOWN_MAX];
    char least[CONFIG_NUMBER_MAX];
    char most[CONFIG_NUMBER_MAX];
    config_format_number(key->type, key->min, least);
    config_format_number(key->type, key->max, most);
    return config_fail(why, where, key->name, "%s is out of range; use %s to %s",
                       config_shown(text, shown), least, most);
}

/* Digits, then at most one unit. False when it is not of that form; *past when it does not fit. */
static bool read_number(enum key_type type, struct slice text, int64_t *out, bool *past)
{
    uint64_t value = 0;
    size_t at = text.len > 0 && text.data[0] == '-' ? 1 : 0;
    bool negative = at == 1;
    size_t first = at;
    *past = false;
    for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        uint64_t digit = (uint64_t)(text.data[at] - '0');
        *past = *past || value > (INT64_MAX - digit) / 10;
        value = *past ? value : value * 10 + digit;
    }
    struct slice rest = config_trim(slice_make(text.data + at, text.len - at));
    if (at == first) {
        return false;
    }
    int64_t factor = type == KEY_DURATION ? NS_PER_SECOND : 1;
    if (rest.len != 0) {
        const struct unit *unit = units_of(type);
        while (unit->name != NULL && (unit->name[0] == '\0' || strlen(unit->name) != rest.len ||
                                      strncasecmp(unit->name, rest.data, rest.len) != 0)) {
            unit++;
        }
        if (unit->name == NULL) {
            return false;
        }
        factor = unit->factor;
    }
    *past = *past || (negative && value != 0) || value > (uint64_t)(INT64_MAX / factor);
    *out = *past ? 0 : (int64_t)value * factor;
    return true;
}

bool config_duration_parse(struct slice text, int64_t *out)
{
    bool past = false;
    *out = 0;
    return read_number(KEY_DURATION, text, out, &past) && !past;
}

static bool set_number(struct config *config, const struct config_key *key, struct slice text,
                       const char *where, struct result *why)
{
    int64_t value = 0;
    bool past = false;
    if (!read_number(key->type, text, &value, &past)) {
        return fail_number(key, text, where, why);
    }
    if (past || value < key->min || value > key->max) {
        return fail_range(key, text, where, why);
    }
    void *to = field(config, key->offset);
    if (key->type == KEY_SIZE) {
        memcpy(to, &(uint64_t){(uint64_t)value}, sizeof(uint64_t));
    } else if (key->type == KEY_DURATION) {
        memcpy(to, &value, sizeof(value));
    } else {
        memcpy(to, &(unsigned){(unsigned)value}, sizeof(unsigned));
    }
    return true;
}

static bool set_boolean(struct config *config, const struct config_key *key, struct slice text,
                        const char *where, struct result *why)
{
    static const char *const words[][2] = {
        {"false", "true"}, {"0", "1"}, {"no", "yes"}, {"off", "on"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (int value = 0; value <= 1; value++) {
            const char *word = words[i][value];
            if (strlen(word) == text.len && strncasecmp(word, text.data, text.len) == 0) {
                *(bool *)field(config, key->offset) = value == 1;
                return true;
            }
        }
    }
    char shown[CONFIG_SHOWN_MAX];
    return config_fail(why, where, key->name,
                       "\"%s\" is neither true nor false; write true or false",
                       config_shown(text, shown));
}

static bool set_enum(struct config *config, const struct config_key *key, struct slice text,
                     const char *where, struct result *why)
{
    struct buf all = BUF_INIT;
    for (unsigned i = 0; key->words[i] != NULL; i++) {
        if (slice_eq_str(text, key->words[i])) {
            memcpy(field(config, key->offset), &i, sizeof(i));
            buf_free(&all);
            return true;
        }
        buf_printf(&all, "%s%s", i == 0 ? "" : ", ", key->words[i]);
    }
    char shown[CONFIG_SHOWN_MAX];
    config_fail(why, where, key->name, "\"%s\" is not known; use one of: %s",
                config_shown(text, shown), buf_cstr(&all));
    buf_free(&all);
    return false;
}

static bool set_string(struct config *config, const struct config_key *key, struct slice text,
                       const char *where, struct result *why)
{
    struct result wrong = RESULT_INIT;
    char *copy = config_copy(text);
    if (copy == NULL) {
        return config_fail(why, where, key->name, "out of memory");
    }
    if (key->check != NULL && !key->check(copy, &wrong)) {
        free(copy);
        return config_fail(why, where, key->name, "%s", wrong.text);
    }
    config_clear(config, key);
    memcpy(field(config, key->offset), &copy, sizeof(copy));
    return true;
}

static bool set_cidrs(struct config *config, const struct config_key *key,
                      const struct slice *parts, size_t n, const char *where, struct result *why)
{
    struct cidr *ranges = calloc(n + 1, sizeof(*ranges));
    if (ranges == NULL) {
        return config_fail(why, where, key->name, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        if (!cidr_parse(parts[i], &ranges[i])) {
            char shown[CONFIG_SHOWN_MAX];
            free(ranges);
            return config_fail(why, where, key->name,
                               "\"%s\" is not an address range; write one such as 10.0.0.0/8 or "
                               "fd00::/8, with no bits set past the prefix, or a single address",
                               config_shown(parts[i], shown));
        }
    }
    config_clear(config, key);
    memcpy(field(config, key->offset), &ranges, sizeof(struct cidr *));
    memcpy(field(config, key->offset_n), &n, sizeof(n));
    return true;
}

static bool set_strings(struct config *config, const struct config_key *key,
                        const struct slice *parts, size_t n, const char *where, struct result *why)
{
    struct config_strings strings = {calloc(n + 1, sizeof(char *)), 0};
    struct result wrong = {.text = "out of memory"};
    bool ok = strings.items != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        ok = (strings.items[i] = config_copy(parts[i])) != NULL;
        strings.n += ok ? 1 : 0;
        ok = ok && (key->check == NULL || key->check(strings.items[i], &wrong));
    }
    config_clear(config, key);
    memcpy(field(config, key->offset), &strings, sizeof(strings));
    return ok || config_fail(why, where, key->name, "%s", wrong.text);
}

bool config_set_parts(struct config_load *load, const struct config_key *key,
                      const struct slice *parts, size_t n, const char *where, struct result *why)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].len == 0) {
            return config_fail(why, where, key->name, "part %zu of the list is empty; take it out",
                               i + 1);
        }
    }
    bool ok = key->type == KEY_CIDRS ? set_cidrs(load->config, key, parts, n, where, why)
                                     : set_strings(load->config, key, parts, n, where, why);
    return ok && config_remember(load, key, where, why);
}

static bool set_list(struct config_load *load, const struct config_key *key, struct slice text,
                     const char *where, struct result *why)
{
    struct slice parts[PARTS_MAX];
    size_t n = 0;
    struct slice part;
    if (config_trim(text).len == 0) {
        return config_set_parts(load, key, parts, 0, where, why);
    }
    while (config_next_part(&text, &part)) {
        if (n == PARTS_MAX) {
            return config_fail(why, where, key->name, "more than %d parts", PARTS_MAX);
        }
        parts[n++] = part;
    }
    return config_set_parts(load, key, parts, n, where, why);
}

bool config_set(struct config_load *load, const struct config_key *key, struct slice text,
                const char *where, struct result *why)
{
    struct config *config = load->config;
    bool ok = false;
    switch (key->type) {
    case KEY_STRING:
        ok = set_string(config, key, text, where, why);
        break;
    case KEY_SECRET:
        ok = set_string(config, key, config_trim(text), where, why);
        break;
    case KEY_SIZE:
    case KEY_DURATION:
    case KEY_INTEGER:
        ok = set_number(config, key, config_trim(text), where, why);
        break;
    case KEY_BOOLEAN:
        ok = set_boolean(config, key, config_trim(text), where, why);
        break;
    case KEY_ENUM:
        ok = set_enum(config, key, config_trim(text), where, why);
        break;
    case KEY_CIDRS:
    case KEY_STRINGS:
        return set_list(load, key, text, where, why);
    case KEY_DESTINATIONS:
        ok = config_destinations_from_text(config, text, where, why);
        break;
    }
    return ok && config_remember(load, key, where, why);
}
