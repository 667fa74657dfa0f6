/* config.c: see config.h: the sources in their order, then what follows from several keys. */
#include "base/config_internal.h"

#include "base/clock.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_MARK "{state}"
#define MIN_BODIES_IN_SPOOL 4
#define LEASE_MIN (NS_PER_SECOND * 60 * 5)

bool config_fail(struct result *why, const char *where, const char *key, const char *format, ...)
{
    char text[RESULT_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return result_fail(why, "%s: %s%s%s", where, key != NULL ? key : "", key != NULL ? ": " : "",
                       text);
}

const char *config_shown(struct slice text, char out[CONFIG_SHOWN_MAX])
{
    enum { CUT = 60 };
    size_t len = text.len < CUT ? text.len : CUT;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        out[i] = (char)(c < 0x20 || c >= 0x7f ? '?' : c);
    }
    snprintf(out + len, CONFIG_SHOWN_MAX - len, "%s", text.len > CUT ? "..." : "");
    return out;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct slice config_trim(struct slice text)
{
    while (text.len > 0 && is_space(text.data[0])) {
        text = slice_make(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

bool config_next_part(struct slice *rest, struct slice *part)
{
    if (rest->data == NULL) {
        return false;
    }
    const char *comma = rest->len != 0 ? memchr(rest->data, ',', rest->len) : NULL;
    size_t len = comma != NULL ? (size_t)(comma - rest->data) : rest->len;
    *part = config_trim(slice_make(rest->data, len));
    *rest = comma != NULL ? slice_make(comma + 1, rest->len - len - 1) : (struct slice){0};
    return true;
}

char *config_copy(struct slice text)
{
    char *copy = malloc(text.len + 1);
    if (copy != NULL) {
        if (text.len != 0) {
            memcpy(copy, text.data, text.len);
        }
        copy[text.len] = '\0';
    }
    return copy;
}

bool config_remember(struct config_load *load, const struct config_key *key, const char *where,
                     struct result *why)
{
    char **slot = &load->where[key - config_keys];
    char *copy = strdup(where);
    if (copy == NULL) {
        return config_fail(why, where, key->name, "out of memory");
    }
    free(*slot);
    *slot = copy;
    return true;
}

static void forget_origins(struct config_load *load)
{
    for (size_t i = 0; i < CONFIG_KEYS_MAX; i++) {
        free(load->where[i]);
        load->where[i] = NULL;
    }
}

/* Where the key's value was written; "default" when nowhere. */
static const char *origin(const struct config_load *load, const char *name)
{
    const char *where = load->where[config_key_find(slice_of(name)) - config_keys];
    return where != NULL ? where : "default";
}

static bool set_defaults(struct config_load *load, struct result *why)
{
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->fallback != NULL &&
            !config_set(load, key, slice_of(key->fallback), "default", why)) {
            return false;
        }
    }
    forget_origins(load);
    return true;
}

/* The cores that this process may run on. */
static unsigned count_cores(void)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
    if (cores < 1) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        cores = online < 1 ? 1 : (int)online;
    }
    return cores > 256 ? 256 : (unsigned)cores;
}

/* Puts state.dir in the place of {state}. */
static bool place_in_state(const struct config *config, char **value, const char *key,
                           struct result *why)
{
    char *mark = strstr(*value, STATE_MARK);
    if (mark == NULL) {
        return true;
    }
    struct buf path = BUF_INIT;
    buf_append(&path, *value, (size_t)(mark - *value));
    buf_append_str(&path, config->state.dir);
    buf_append_str(&path, mark + strlen(STATE_MARK));
    char *placed = path.failed ? NULL : config_copy(buf_slice(&path));
    buf_free(&path);
    if (placed == NULL) {
        return result_fail(why, "%s: out of memory", key);
    }
    free(*value);
    *value = placed;
    return true;
}

/* What one key says about another. */
static bool check_together(const struct config_load *load, struct result *why)
{
    const struct config *config = load->config;
    char a[CONFIG_NUMBER_MAX];
    char b[CONFIG_NUMBER_MAX];
    if (config->auth.session_lease != 0 && config->auth.session_lease < LEASE_MIN) {
        config_format_number(KEY_DURATION, config->auth.session_lease, a);
        config_format_number(KEY_DURATION, LEASE_MIN, b);
        return config_fail(why, origin(load, "auth.session_lease"), "auth.session_lease",
                           "%s is too short to help anyone; use 0 (off), or %s to 30d", a, b);
    }
    if (config->export.retry_max < config->export.retry_initial) {
        const char *where = origin(load, "export.retry_max");
        config_format_number(KEY_DURATION, config->export.retry_max, a);
        config_format_number(KEY_DURATION, config->export.retry_initial, b);
        return config_fail(
            why, strcmp(where, "default") != 0 ? where : origin(load, "export.retry_initial"),
            "export.retry_max", "%s is below export.retry_initial, %s; use at least %s", a, b, b);
    }
    uint64_t least = config->server.max_body * MIN_BODIES_IN_SPOOL;
    if (config->spool.max_bytes < least) {
        const char *where = origin(load, "spool.max_bytes");
        config_format_number(KEY_SIZE, (int64_t)config->spool.max_bytes, a);
        config_format_number(KEY_SIZE, (int64_t)least, b);
        return config_fail(
            why, strcmp(where, "default") != 0 ? where : origin(load, "server.max_body"),
            "spool.max_bytes", "%s holds fewer than %d bodies of server.max_body; use at least %s",
            a, MIN_BODIES_IN_SPOOL, b);
    }
    return true;
}

static bool finish(struct config_load *load, struct result *why)
{
    struct config *config = load->config;
    size_t secret_file = (size_t)(config_key_find(SLICE_LIT("secrets.secret_file")) - config_keys);
    config->secrets.secret_file_set = load->where[secret_file] != NULL;
    if (config->server.workers == 0) {
        config->server.workers = count_cores();
    }
    return config_destinations_finish(config, origin(load, "export.destinations"), why) &&
           check_together(load, why) &&
           place_in_state(config, &config->secrets.keyring, "secrets.keyring", why) &&
           place_in_state(config, &config->session.state_file, "session.state_file", why);
}

struct config *config_load(const char *path, char *const *env, struct result *why)
{
    struct config_load load = {.config = calloc(1, sizeof(struct config))};
    if (load.config == NULL) {
        result_fail(why, "configuration: out of memory");
        return NULL;
    }
    bool ok =
        set_defaults(&load, why) &&
        config_read_path(&load, path != NULL ? path : CONFIG_DEFAULT_FILE, path != NULL, why) &&
        config_read_environment(&load, env, why) && finish(&load, why);
    forget_origins(&load);
    if (!ok) {
        config_free(load.config);
        return NULL;
    }
    return load.config;
}

void config_free(struct config *config)
{
    if (config != NULL) {
        for (size_t i = 0; i < config_n_keys; i++) {
            config_clear(config, &config_keys[i]);
        }
        free(config);
    }
}

void config_needs_restart(const struct config *running, const struct config *wanted,
                          struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        if (!key->reloadable && !config_equal(running, wanted, key)) {
            buf_printf(out, "%s%s", first ? "" : ", ", key->name);
            first = false;
        }
    }
}

/* Is it an http:// URL (as config_check_url leaves it) to another machine? */
static bool leaves_in_the_clear(const char *url)
{
    struct ip_addr addr;
    struct cidr v4;
    struct cidr v6;
    if (strncasecmp(url, "http://", 7) != 0) {
        return false;
    }
    const char *host = url + 7;
    size_t len = *host == '[' ? strcspn(++host, "]") : strcspn(host, ":/");
    if (len == 9 && strncasecmp(host, "localhost", len) == 0) {
        return false;
    }
    bool loopback = ip_parse(slice_make(host, len), &addr) &&
                    cidr_parse(SLICE_LIT("127.0.0.0/8"), &v4) &&
                    cidr_parse(SLICE_LIT("::1"), &v6) &&
                    (cidr_contains(&v4, &addr) || cidr_contains(&v6, &addr));
    return !loopback;
}

/* Signals that have nowhere to go. Profiles are in development: nobody misses them. */
static void warn_of_orphans(const struct config *config, struct buf *out)
{
    unsigned orphans = CONFIG_SIGNALS_ALL & ~(unsigned)CONFIG_SIGNAL_PROFILES;
    for (size_t i = 0; i < config->export.n_destinations; i++) {
        orphans &= ~config->export.destinations[i].signals;
    }
    if (orphans != 0) {
        buf_append_str(out, "export.destinations: none takes ");
        config_signals_print(orphans, out);
        buf_append_str(out, "; what clients send of that is answered 200 and thrown away\n");
    }
}

void config_warnings(const struct config *config, char *const *env, struct buf *out)
{
    if (!config->auth.required) {
        buf_append_str(out, "auth.required is off: everyone who reaches the port may write "
                            "telemetry; set it to true and give a secret\n");
    }
    if (config->auth.window > 3600 * NS_PER_SECOND) {
        buf_append_str(out, "auth.window is over an hour: a captured signature works that long\n");
    }
    if (config->spool.sync != CONFIG_SYNC_ALWAYS) {
        buf_append_str(out, "spool.sync is not \"always\": a power cut can lose what was answered "
                            "with 200\n");
    }
    for (size_t i = 0; i < config->server.n_trusted_proxies; i++) {
        unsigned bits = config->server.trusted_proxies[i].bits;
        if (bits == 0 || bits == 96) {
            buf_append_str(out, "server.trusted_proxies trusts every address: any client may forge "
                                "X-Forwarded-For and ask /auth\n");
            break;
        }
    }
    for (size_t i = 0; i < config->export.n_destinations; i++) {
        const struct config_destination *d = &config->export.destinations[i];
        if (d->n_headers != 0 && leaves_in_the_clear(d->url)) {
            buf_printf(out,
                       "export.destinations: the headers of \"%s\" travel unencrypted; use "
                       "https://\n",
                       d->name);
        }
    }
    warn_of_orphans(config, out);
    config_environment_warnings(env, out);
}
