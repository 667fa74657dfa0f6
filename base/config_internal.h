/* config_internal.h: what the files of base/config share; nobody else includes it.
 *
 * config_table.c   the keys
 * config_value.c   text to a typed value
 * config_check.c   the grammar of addresses, URLs and paths
 * config_file.c    the libconfig file
 * config_scan.c    what libconfig would misread in silence
 * config_env.c     the environment
 * config_destinations.c, config_reference.c, config_suggest.c   as they say
 * config.c         all of it in order, what follows from several keys, comparing and freeing
 *
 * Every sentence has the shape "where: key: what is wrong; what would be right", where `where` is
 * "file:line" or "environment NAME".
 */
#ifndef SIGPOST_BASE_CONFIG_INTERNAL_H
#define SIGPOST_BASE_CONFIG_INTERNAL_H

#include "base/config.h"

enum key_type {
    KEY_STRING,
    KEY_SECRET, /* a string, trimmed and wiped; never shown */
    KEY_SIZE,
    KEY_DURATION,
    KEY_INTEGER,
    KEY_BOOLEAN,
    KEY_ENUM,
    KEY_CIDRS,
    KEY_STRINGS,
    KEY_DESTINATIONS,
};

/* May rewrite the text in place to its normal form (never longer). False: `why` says what is wrong
 * and what would be right, without where and key. */
typedef bool (*check_fn)(char *text, struct result *why);

struct config_key {
    const char *name; /* "group.name" */
    enum key_type type;
    size_t offset;            /* of the value in struct config */
    size_t offset_n;          /* KEY_CIDRS: of its count */
    int64_t min, max;         /* KEY_SIZE, KEY_DURATION, KEY_INTEGER */
    const char *const *words; /* KEY_ENUM: in the order of the enum, ended by NULL */
    check_fn check;           /* KEY_STRING, each of KEY_STRINGS: its grammar, or NULL */
    const char *fallback;     /* the default in the syntax of the environment; NULL: unset */
    const char *help;         /* one or two sentences */
    const char *older[2];     /* environment names of the services that sigpost replaces */
    bool older_is_port;       /* their values are the port of an address */
    bool reloadable;
    bool environment_only;
};

struct config_group {
    const char *name;
    const char *help;
};

/* A key of one destination in the list export.destinations. */
struct config_destination_key {
    const char *name;
    const char *fallback; /* for the reference */
    const char *help;
};

enum { CONFIG_KEYS_MAX = 96 };

extern const struct config_key config_keys[];
extern const size_t config_n_keys;
extern const struct config_group config_groups[];
extern const size_t config_n_groups;
extern const struct config_destination_key config_destination_keys[];
extern const size_t config_n_destination_keys;

/* One configuration being read: where each key's value comes from, for sentences about several. */
struct config_load {
    struct config *config;
    char *where[CONFIG_KEYS_MAX]; /* owned; NULL: the default */
};

const struct config_key *config_key_find(struct slice name);

/* "SIGPOST_AUTH_WINDOW" of auth.window; NUL-terminated. */
#define CONFIG_ENV_MAX 64
void config_key_env(const struct config_key *key, char out[CONFIG_ENV_MAX]);

/* result_fail with "where: key: " in front; key may be NULL. */
bool config_fail(struct result *why, const char *where, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The text as it may be shown in a sentence: control bytes replaced, cut at 60 bytes. */
#define CONFIG_SHOWN_MAX 72
const char *config_shown(struct slice text, char out[CONFIG_SHOWN_MAX]);

struct slice config_trim(struct slice text);

/* The next part of a comma-separated text, trimmed; `rest` moves behind it. False at the end. */
bool config_next_part(struct slice *rest, struct slice *part);

/* A NUL-terminated copy; NULL when out of memory. */
char *config_copy(struct slice text);

/* Sets one key from text, as in the environment, and remembers where it came from. */
bool config_set(struct config_load *load, const struct config_key *key, struct slice text,
                const char *where, struct result *why);

/* Sets a KEY_CIDRS or KEY_STRINGS from its parts. */
bool config_set_parts(struct config_load *load, const struct config_key *key,
                      const struct slice *parts, size_t n, const char *where, struct result *why);

/* Remembers where the key's value came from. False when out of memory. */
bool config_remember(struct config_load *load, const struct config_key *key, const char *where,
                     struct result *why);

/* A value of the type with the largest unit that divides it: "4MiB", "30s", "5". */
#define CONFIG_NUMBER_MAX 32
void config_format_number(enum key_type type, int64_t value, char out[CONFIG_NUMBER_MAX]);

/* Frees the value and leaves an empty one. */
void config_clear(struct config *config, const struct config_key *key);
bool config_equal(const struct config *a, const struct config *b, const struct config_key *key);

/* The grammars, as check_fn. */
bool config_check_listen(char *text, struct result *why);
bool config_check_url(char *text, struct result *why);       /* cuts trailing slashes */
bool config_check_push_url(char *text, struct result *why);  /* empty or http(s); never shown */
bool config_check_location(char *text, struct result *why);  /* a path or an http(s) URL */
bool config_check_origin(char *text, struct result *why);    /* a web origin, or * */
bool config_check_text(char *text, struct result *why);      /* any UTF-8 without control bytes */
bool config_check_base_path(char *text, struct result *why); /* cuts trailing slashes */
bool config_check_path(char *text, struct result *why);
bool config_check_optional_path(char *text, struct result *why); /* or empty */
bool config_check_directory(char *text, struct result *why);     /* cuts trailing slashes */
bool config_check_port(struct slice text);

/* Copies the file's text to `out` with what libconfig 1.5 would misread mended (numbers past 32
 * bits get their L) or refused. */
bool config_scan(const char *path, struct slice text, struct buf *out, struct result *why);

/* Reads the file. A missing one is an error only when `required`. */
bool config_read_path(struct config_load *load, const char *path, bool required,
                      struct result *why);

bool config_read_environment(struct config_load *load, char *const *env, struct result *why);
void config_environment_warnings(char *const *env, struct buf *out);

/* Destinations. The list is replaced by config_destinations_from_text. */
bool config_destinations_from_text(struct config *config, struct slice text, const char *where,
                                   struct result *why);
struct config_destination *config_destination_add(struct config *config,
                                                  enum config_destination_type type,
                                                  const char *where, struct result *why);
bool config_destination_set(struct config_destination *destination, const char *name,
                            struct slice value, const char *where, struct result *why);
bool config_destination_header(struct config_destination *destination, struct slice name,
                               struct slice value, const char *where, struct result *why);
/* Adds one to the destination's set. */
bool config_destination_signal(struct config_destination *destination, struct slice name,
                               const char *where, struct result *why);
/* "metrics, traces and logs" */
void config_signals_print(unsigned signals, struct buf *out);
/* SIGPOST_COLLECTOR_URL: an otlp destination more, unless one has this URL already. */
bool config_destinations_add_url(struct config *config, struct slice url, const char *where,
                                 struct result *why);
/* Gives names to those without, and refuses what does not go together. */
bool config_destinations_finish(struct config *config, const char *where, struct result *why);
void config_destinations_clear(struct config *config);
bool config_destinations_equal(const struct config *a, const struct config *b);

/* What was probably meant, or NULL. */
const char *config_suggest_key(const char *group, const char *name);
const char *config_suggest_group(const char *name);
const char *config_suggest_destination_key(const char *name);
bool config_suggest_env(const char *name, char out[CONFIG_ENV_MAX]);

#endif
