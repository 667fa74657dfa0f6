/* config.h: the configuration: one table of keys (config_table.c) to one immutable struct.
 *
 * Sources, the later beating the earlier: defaults, the libconfig file, the environment
 * (SIGPOST_GROUP_NAME for key group.name, and the older names of the services that sigpost
 * replaces). The daemon and sigpostctl read the same. docs/configuration.md is printed from the
 * table by config_print_reference.
 */
#ifndef SIGPOST_BASE_CONFIG_H
#define SIGPOST_BASE_CONFIG_H

#include "base/buf.h"
#include "base/cidr.h"
#include "base/log.h"
#include "base/result.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_DEFAULT_FILE "/etc/sigpost/sigpost.cfg"

enum config_sync { CONFIG_SYNC_ALWAYS, CONFIG_SYNC_INTERVAL, CONFIG_SYNC_NEVER };
enum config_destination_type { CONFIG_DESTINATION_FLEET, CONFIG_DESTINATION_OTLP };
enum config_compression {
    CONFIG_COMPRESSION_NONE,
    CONFIG_COMPRESSION_GZIP,
    CONFIG_COMPRESSION_ZSTD
};

/* A set of these says what a destination takes; the bits are 1 << enum signal of otlp. */
enum config_signal {
    CONFIG_SIGNAL_METRICS = 1,
    CONFIG_SIGNAL_TRACES = 2,
    CONFIG_SIGNAL_LOGS = 4,
    CONFIG_SIGNAL_PROFILES = 8,
    CONFIG_SIGNALS_ALL = 15
};

struct config_header {
    char *name;
    char *value;
};

struct config_destination {
    enum config_destination_type type;
    char *name; /* unique, [a-z0-9_-]{1,32}: labels and the cursor's file name; default: the type,
                   then "otlp2"… for further ones */
    char *url;  /* otlp: base URL without the signal's path, no trailing slash; else NULL */
    enum config_compression compression; /* otlp */
    unsigned signals;                    /* of enum config_signal; fleet: metrics */
    char *ca_file;                       /* otlp: PEM file or NULL for the system's */
    struct config_header *headers;       /* otlp: sent with each request */
    size_t n_headers;
};

struct config_strings {
    char **items;
    size_t n;
};

/* Durations are nanoseconds, sizes bytes. All strings are owned by the struct, NUL-terminated and
 * never NULL unless said. */
struct config {
    struct {
        char *listen;     /* "addr:port", "[v6]:port" or ":port" */
        unsigned workers; /* resolved: never 0 */
        unsigned max_connections;
        uint64_t max_body;
        struct cidr *trusted_proxies;
        size_t n_trusted_proxies;
        struct config_strings cors_origins;
        int64_t request_timeout; /* headers, body and keep-alive idleness */
        int64_t drain_timeout;
        char *base_path; /* "" or "/name…" without a slash at the end */
    } server;
    struct {
        bool required;
        int64_t window;
        int64_t session_lease;
        bool root_path;
    } auth;
    struct {
        char *keyring;        /* resolved: "{state}" replaced */
        char *secret_file;    /* single-secret file */
        bool secret_file_set; /* false: the default path, which may be missing */
        char *signing_secret; /* from the environment only, trimmed; NULL when unset */
    } secrets;
    struct {
        char *dir;
    } state;
    struct {
        uint64_t max_bytes;
        int64_t wait;
        enum config_sync sync;
    } spool;
    struct {
        struct config_destination *destinations;
        size_t n_destinations; /* 1 to 8 */
        int64_t retry_initial, retry_max;
        uint64_t batch_bytes;
        unsigned batch_requests;
        int64_t batch_age;
        unsigned in_flight;        /* requests under way at once per destination and signal */
        int64_t timeout;           /* of one request */
        uint64_t dead_letters_max; /* bytes of all dead letters together */
    } export;
    struct {
        unsigned max_series;   /* per metric */
        unsigned max_sessions; /* whose cumulative state is kept */
        int64_t session_idle;  /* after this silence it is freed */
        struct config_strings resource_labels;
        struct config_strings drop_labels; /* folded away: identities */
    } fleet;
    struct {
        char *service_namespace; /* may be empty */
    } stamp;
    struct {
        unsigned per_address; /* requests a second; 0 = off */
        unsigned burst;       /* of an address and of a session */
        unsigned per_session; /* requests a second; 0 = off */
    } rate;
    struct {
        unsigned max;
        int64_t idle_timeout;
        unsigned max_tracked;
        unsigned max_waiting; /* places in line */
        int64_t hold;         /* of a free slot, for the first in line */
        int64_t patience;     /* silence that ends a place in line */
        char *redirect;       /* may hold "{id}" */
        char *lobby_url;
        char *state_file; /* resolved: "{state}" replaced */
    } session;
    struct {
        char *token;      /* from the environment only, trimmed; NULL when unset */
        char *token_file; /* empty: none */
        int64_t heartbeat_timeout;
    } presence;
    struct {
        char *dir;
    } templates;
    struct {
        char *push_url; /* empty: none. Holds a token: never shown */
        int64_t push_interval;
    } health;
    struct {
        enum log_format format;
        enum log_level level;
    } log;
};

/* Reads defaults, file and environment. path NULL: CONFIG_DEFAULT_FILE if it is there. environ:
 * NAME=value strings ended by NULL. On failure returns NULL and one sentence with file, line, key,
 * what is wrong and what would be right. The caller frees it with config_free. */
struct config *config_load(const char *path, char *const *environ, struct result *why);
void config_free(struct config *config);

/* A duration as in the configuration ("30d", "100ms", a bare number of seconds) in nanoseconds.
 * False when it is none, is negative or does not fit. */
bool config_duration_parse(struct slice text, int64_t *out);

/* Appends what an operator should hear about this configuration though it works (auth off, unknown
 * SIGPOST_ variable of no group…): one sentence a line. */
void config_warnings(const struct config *config, char *const *environ, struct buf *out);

/* Appends the comma-separated names of the keys that differ between the two and cannot change while
 * running (on reload). */
void config_needs_restart(const struct config *running, const struct config *wanted,
                          struct buf *out);

/* Appends docs/configuration.md. */
void config_print_reference(struct buf *out);

/* Appends the manual page sigpost.cfg(5). */
void config_print_manual(struct buf *out);

#endif
