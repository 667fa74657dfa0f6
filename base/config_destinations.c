/* config_destinations.c: the list export.destinations: adding, naming, checking, comparing. */
#include "base/config_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEY "export.destinations"
#define DESTINATIONS_MAX 8
#define HEADERS_MAX 32
#define HEADER_VALUE_MAX 8192
#define NAME_MAX_LEN 32

/* In the order of the bits of enum config_signal. */
static const char *const signal_words[] = {"metrics", "traces", "logs", "profiles"};
#define N_SIGNALS (sizeof(signal_words) / sizeof(signal_words[0]))

static const char *type_word(enum config_destination_type type)
{
    return type == CONFIG_DESTINATION_FLEET ? "fleet" : "otlp";
}

static void destination_free(struct config_destination *destination)
{
    for (size_t i = 0; i < destination->n_headers; i++) {
        char *value = destination->headers[i].value;
        if (value != NULL) {
            explicit_bzero(value, strlen(value)); /* often a token */
        }
        free(value);
        free(destination->headers[i].name);
    }
    free(destination->headers);
    free(destination->name);
    free(destination->url);
    free(destination->ca_file);
}

void config_destinations_clear(struct config *config)
{
    for (size_t i = 0; i < config->export.n_destinations; i++) {
        destination_free(&config->export.destinations[i]);
    }
    free(config->export.destinations);
    config->export.destinations = NULL;
    config->export.n_destinations = 0;
}

struct config_destination *config_destination_add(struct config *config,
                                                  enum config_destination_type type,
                                                  const char *where, struct result *why)
{
    size_t n = config->export.n_destinations;
    if (n == DESTINATIONS_MAX) {
        config_fail(why, where, KEY, "more than %d destinations", DESTINATIONS_MAX);
        return NULL;
    }
    for (size_t i = 0; type == CONFIG_DESTINATION_FLEET && i < n; i++) {
        if (config->export.destinations[i].type == type) {
            config_fail(why, where, KEY, "fleet is listed twice; list it once");
            return NULL;
        }
    }
    struct config_destination *grown =
        realloc(config->export.destinations, (n + 1) * sizeof(*grown));
    if (grown == NULL) {
        config_fail(why, where, KEY, "out of memory");
        return NULL;
    }
    config->export.destinations = grown;
    config->export.n_destinations = n + 1;
    grown[n] = (struct config_destination){.type = type, .signals = CONFIG_SIGNALS_ALL};
    if (type == CONFIG_DESTINATION_FLEET) {
        grown[n].signals = CONFIG_SIGNAL_METRICS;
    }
    return &grown[n];
}

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) {
            return false;
        }
    }
    return name.len >= 1 && name.len <= NAME_MAX_LEN;
}

static bool check_name(char *text, struct result *why)
{
    char shown[CONFIG_SHOWN_MAX];
    return is_name(slice_of(text)) ||
           result_fail(why, "\"%s\" is not a name; use 1 to 32 of a-z 0-9 _ -",
                       config_shown(slice_of(text), shown));
}

static bool set_text(char **to, struct slice value, check_fn check, const char *key,
                     const char *where, struct result *why)
{
    struct result wrong = RESULT_INIT;
    char *copy = config_copy(value);
    if (copy == NULL) {
        return config_fail(why, where, key, "out of memory");
    }
    if (!check(copy, &wrong)) {
        free(copy);
        return config_fail(why, where, key, "%s", wrong.text);
    }
    free(*to);
    *to = copy;
    return true;
}

static bool set_compression(struct config_destination *destination, struct slice value,
                            const char *key, const char *where, struct result *why)
{
    static const char *const words[] = {[CONFIG_COMPRESSION_NONE] = "none",
                                        [CONFIG_COMPRESSION_GZIP] = "gzip",
                                        [CONFIG_COMPRESSION_ZSTD] = "zstd"};
    char shown[CONFIG_SHOWN_MAX];
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_eq_str(value, words[i])) {
            destination->compression = (enum config_compression)i;
            return true;
        }
    }
    return config_fail(why, where, key, "\"%s\" is not known; use one of: none, gzip, zstd",
                       config_shown(value, shown));
}

bool config_destination_set(struct config_destination *destination, const char *name,
                            struct slice value, const char *where, struct result *why)
{
    char key[64];
    snprintf(key, sizeof(key), KEY ".%s", name);
    if (strcmp(name, "name") == 0) {
        return set_text(&destination->name, value, check_name, key, where, why);
    }
    if (destination->type != CONFIG_DESTINATION_OTLP) {
        return config_fail(why, where, key, "only for type \"otlp\"; take it out of this \"%s\"",
                           type_word(destination->type));
    }
    if (strcmp(name, "url") == 0) {
        return set_text(&destination->url, value, config_check_url, key, where, why);
    }
    if (strcmp(name, "ca_file") == 0) {
        return set_text(&destination->ca_file, value, config_check_path, key, where, why);
    }
    return set_compression(destination, value, key, where, why);
}

bool config_destination_signal(struct config_destination *destination, struct slice name,
                               const char *where, struct result *why)
{
    const char *key = KEY ".signals";
    char shown[CONFIG_SHOWN_MAX];
    if (destination->type != CONFIG_DESTINATION_OTLP) {
        return config_fail(why, where, key,
                           "only for type \"otlp\"; take it out of this \"fleet\", which takes "
                           "metrics");
    }
    for (unsigned i = 0; i < N_SIGNALS; i++) {
        if (slice_eq_str(name, signal_words[i])) {
            destination->signals |= 1U << i;
            return true;
        }
    }
    return config_fail(why, where, key,
                       "\"%s\" is not known; use some of: metrics, traces, logs, profiles",
                       config_shown(name, shown));
}

void config_signals_print(unsigned signals, struct buf *out)
{
    unsigned left = signals & CONFIG_SIGNALS_ALL;
    for (unsigned i = 0; i < N_SIGNALS; i++) {
        if ((left >> i & 1) != 0) {
            left &= ~(1U << i);
            buf_printf(out, "%s%s", signal_words[i],
                       left == 0 ? "" : ((left & (left - 1)) == 0 ? " and " : ", "));
        }
    }
}

/* RFC 9110, 5.6.2: a token. */
static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return text.len >= 1 && text.len <= 128;
}

static bool is_header_value(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return text.len >= 1 && text.len <= HEADER_VALUE_MAX;
}

static bool is_ours(struct slice name)
{
    static const char *const ours[] = {"content-type",      "content-encoding", "content-length",
                                       "transfer-encoding", "connection",       "expect"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (strlen(ours[i]) == name.len && strncasecmp(ours[i], name.data, name.len) == 0) {
            return true;
        }
    }
    return false;
}

bool config_destination_header(struct config_destination *destination, struct slice name,
                               struct slice value, const char *where, struct result *why)
{
    const char *key = KEY ".headers";
    char shown[CONFIG_SHOWN_MAX];
    name = config_trim(name);
    value = config_trim(value);
    if (destination->type != CONFIG_DESTINATION_OTLP) {
        return config_fail(why, where, key,
                           "only for type \"otlp\"; take it out of this \"fleet\"");
    }
    if (!is_token(name)) {
        return config_fail(why, where, key,
                           "a header's name is missing or has a character that is not allowed; "
                           "write \"Name: value\"");
    }
    if (!is_header_value(value)) {
        return config_fail(why, where, key,
                           "the value of %s is empty, too long or has a control character; write "
                           "\"Name: value\"",
                           config_shown(name, shown));
    }
    if (is_ours(name)) {
        return config_fail(why, where, key, "%s is set by sigpost itself; take it out",
                           config_shown(name, shown));
    }
    size_t n = destination->n_headers;
    struct config_header *grown = NULL;
    if (n < HEADERS_MAX) {
        grown = realloc(destination->headers, (n + 1) * sizeof(*grown));
    }
    if (grown == NULL) {
        return config_fail(why, where, key, "more than %d headers", HEADERS_MAX);
    }
    destination->headers = grown;
    destination->n_headers = n + 1;
    grown[n] = (struct config_header){config_copy(name), config_copy(value)};
    return (grown[n].name != NULL && grown[n].value != NULL) ||
           config_fail(why, where, key, "out of memory");
}

static bool add_from_part(struct config *config, struct slice part, const char *where,
                          struct result *why)
{
    char shown[CONFIG_SHOWN_MAX];
    if (slice_eq_str(part, "fleet")) {
        return config_destination_add(config, CONFIG_DESTINATION_FLEET, where, why) != NULL;
    }
    if (part.len > 5 && memcmp(part.data, "otlp=", 5) == 0) {
        struct slice url = config_trim(slice_make(part.data + 5, part.len - 5));
        struct config_destination *added =
            config_destination_add(config, CONFIG_DESTINATION_OTLP, where, why);
        return added != NULL && config_destination_set(added, "url", url, where, why);
    }
    return config_fail(why, where, KEY,
                       "\"%s\" is not a destination; write a comma-separated list of fleet and "
                       "otlp=URL, such as fleet,otlp=http://collector:4318",
                       config_shown(part, shown));
}

bool config_destinations_from_text(struct config *config, struct slice text, const char *where,
                                   struct result *why)
{
    struct slice part;
    config_destinations_clear(config);
    while (config_next_part(&text, &part)) {
        if (!add_from_part(config, part, where, why)) {
            return false;
        }
    }
    return true;
}

bool config_destinations_add_url(struct config *config, struct slice url, const char *where,
                                 struct result *why)
{
    struct config_destination *added =
        config_destination_add(config, CONFIG_DESTINATION_OTLP, where, why);
    if (added == NULL || !config_destination_set(added, "url", config_trim(url), where, why)) {
        return false;
    }
    for (struct config_destination *d = config->export.destinations; d < added; d++) {
        if (slice_eq(slice_of(d->url), slice_of(added->url))) {
            destination_free(added);
            config->export.n_destinations--;
            break;
        }
    }
    return true;
}

static bool name_taken(const struct config *config, const char *name, size_t but)
{
    for (size_t i = 0; i < config->export.n_destinations; i++) {
        const char *other = config->export.destinations[i].name;
        if (i != but && other != NULL && strcmp(other, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool give_name(struct config *config, size_t at)
{
    struct config_destination *destination = &config->export.destinations[at];
    char name[NAME_MAX_LEN + 1];
    snprintf(name, sizeof(name), "%s", type_word(destination->type));
    for (unsigned i = 2; name_taken(config, name, at); i++) {
        snprintf(name, sizeof(name), "%s%u", type_word(destination->type), i);
    }
    destination->name = strdup(name);
    return destination->name != NULL;
}

bool config_destinations_finish(struct config *config, const char *where, struct result *why)
{
    size_t n = config->export.n_destinations;
    if (n == 0) {
        return config_fail(why, where, KEY,
                           "the list is empty; list at least one, such as { type = \"fleet\"; }");
    }
    for (size_t i = 0; i < n; i++) {
        const struct config_destination *destination = &config->export.destinations[i];
        if (destination->type == CONFIG_DESTINATION_OTLP && destination->url == NULL) {
            return config_fail(why, where, KEY,
                               "an otlp destination has no url; add url = "
                               "\"http://collector:4318\"");
        }
        if (destination->name != NULL && name_taken(config, destination->name, i)) {
            return config_fail(why, where, KEY,
                               "two destinations are named \"%s\"; give each its own name",
                               destination->name);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (config->export.destinations[i].name == NULL && !give_name(config, i)) {
            return config_fail(why, where, KEY, "out of memory");
        }
    }
    return true;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool destination_equal(const struct config_destination *a,
                              const struct config_destination *b)
{
    bool same = a->type == b->type && a->compression == b->compression &&
                a->signals == b->signals && same_text(a->name, b->name) &&
                same_text(a->url, b->url) && same_text(a->ca_file, b->ca_file) &&
                a->n_headers == b->n_headers;
    for (size_t i = 0; same && i < a->n_headers; i++) {
        same = same_text(a->headers[i].name, b->headers[i].name) &&
               same_text(a->headers[i].value, b->headers[i].value);
    }
    return same;
}

bool config_destinations_equal(const struct config *a, const struct config *b)
{
    bool same = a->export.n_destinations == b->export.n_destinations;
    for (size_t i = 0; same && i < a->export.n_destinations; i++) {
        same = destination_equal(&a->export.destinations[i], &b->export.destinations[i]);
    }
    return same;
}
