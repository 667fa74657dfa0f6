/* config_env.c: the environment: older names first, then SIGPOST_GROUP_NAME, each beating what came
 * before. An empty value counts as unset. What Kubernetes sets for a service called sigpost
 * (SIGPOST_SERVICE_HOST, SIGPOST_PORT_8080_TCP ...) is only worth a warning. */
#include "base/config_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "SIGPOST_"
#define COLLECTOR_URL "SIGPOST_COLLECTOR_URL"
#define CREDENTIAL "sigpost_secret" /* LoadCredential=sigpost:DIR gives DIR/secret this name */
#define WHERE_MAX 128

void config_key_env(const struct config_key *key, char out[CONFIG_ENV_MAX])
{
    int len = snprintf(out, CONFIG_ENV_MAX, PREFIX "%s", key->name);
    for (int i = 0; i < len && i < CONFIG_ENV_MAX - 1; i++) {
        char c = out[i];
        out[i] = (char)(c == '.' ? '_' : toupper((unsigned char)c));
    }
}

/* The value of `name`, trimmed; absent when it is unset or empty. */
static struct slice look_up(char *const *env, const char *name)
{
    size_t len = strlen(name);
    for (; env != NULL && *env != NULL; env++) {
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=') {
            struct slice value = config_trim(slice_of(*env + len + 1));
            return value.len != 0 ? value : (struct slice){0};
        }
    }
    return (struct slice){0};
}

static const char *where_of(const char *name, char out[WHERE_MAX])
{
    char shown[CONFIG_SHOWN_MAX];
    snprintf(out, WHERE_MAX, "environment %s", config_shown(slice_of(name), shown));
    return out;
}

/* Keeps the address of server.listen and replaces its port. */
static bool set_port(struct config_load *load, const struct config_key *key, struct slice port,
                     const char *where, struct result *why)
{
    const char *listen = load->config->server.listen;
    const char *colon = strrchr(listen, ':');
    char shown[CONFIG_SHOWN_MAX];
    if (!config_check_port(port)) {
        return config_fail(why, where, key->name, "\"%s\" is not a port; write 0 to 65535",
                           config_shown(port, shown));
    }
    struct buf text = BUF_INIT;
    buf_append(&text, listen, (size_t)(colon - listen) + 1);
    buf_append_slice(&text, port);
    bool ok = text.failed ? config_fail(why, where, key->name, "out of memory")
                          : config_set(load, key, buf_slice(&text), where, why);
    buf_free(&text);
    return ok;
}

static bool read_older(struct config_load *load, const struct config_key *key, char *const *env,
                       struct result *why)
{
    for (size_t i = 0; i < sizeof(key->older) / sizeof(key->older[0]); i++) {
        char where[WHERE_MAX];
        struct slice value = {0};
        if (key->older[i] != NULL) {
            value = look_up(env, key->older[i]);
        }
        if (value.data == NULL) {
            continue;
        }
        where_of(key->older[i], where);
        if (!(key->older_is_port ? set_port(load, key, value, where, why)
                                 : config_set(load, key, value, where, why))) {
            return false;
        }
    }
    return true;
}

static bool is_ours(struct slice name)
{
    for (size_t i = 0; i < config_n_keys; i++) {
        char known[CONFIG_ENV_MAX];
        config_key_env(&config_keys[i], known);
        if (slice_eq_str(name, known)) {
            return true;
        }
    }
    return slice_eq_str(name, COLLECTOR_URL);
}

static bool ends_with(struct slice text, const char *end)
{
    size_t len = strlen(end);
    return text.len >= len && memcmp(text.data + text.len - len, end, len) == 0;
}

/* What Kubernetes sets for each service of the namespace; also for one called sigpost-server. */
static bool is_kubernetes(struct slice name)
{
    return ends_with(name, "_SERVICE_HOST") || ends_with(name, "_PORT") ||
           memmem(name.data, name.len, "_SERVICE_PORT_", 14) != NULL ||
           memmem(name.data, name.len, "_TCP", 4) != NULL ||
           memmem(name.data, name.len, "_UDP", 4) != NULL;
}

static bool has_known_group(struct slice name)
{
    struct slice rest = slice_make(name.data + strlen(PREFIX), name.len - strlen(PREFIX));
    for (size_t i = 0; i < config_n_groups; i++) {
        size_t len = strlen(config_groups[i].name);
        if (rest.len > len && rest.data[len] == '_' &&
            strncasecmp(rest.data, config_groups[i].name, len) == 0) {
            return true;
        }
    }
    return false;
}

/* The name of a variable that begins with SIGPOST_ and is no key; absent for all others. */
static struct slice unknown_name(const char *variable)
{
    struct slice name = slice_make(variable, strcspn(variable, "="));
    bool strange = name.len > strlen(PREFIX) && strncmp(variable, PREFIX, strlen(PREFIX)) == 0 &&
                   !is_ours(name);
    return strange ? name : (struct slice){0};
}

static bool refuse_unknown(char *const *env, struct result *why)
{
    for (; env != NULL && *env != NULL; env++) {
        struct slice name = unknown_name(*env);
        if (name.data == NULL || !has_known_group(name) || is_kubernetes(name)) {
            continue;
        }
        char shown[CONFIG_SHOWN_MAX];
        char where[WHERE_MAX];
        char meant[CONFIG_ENV_MAX];
        where_of(config_shown(name, shown), where);
        return config_suggest_env(shown, meant)
                   ? config_fail(why, where, NULL, "unknown key; did you mean %s?", meant)
                   : config_fail(why, where, NULL,
                                 "unknown key; docs/configuration.md lists those there are");
    }
    return true;
}

/* systemd hands a service its LoadCredential= files in a directory of its own; there the
 * single-secret file is looked for instead of at its default place. */
static bool look_in_credentials(struct config_load *load, char *const *env, struct result *why)
{
    const struct config_key *key = config_key_find(SLICE_LIT("secrets.secret_file"));
    struct slice dir = look_up(env, "CREDENTIALS_DIRECTORY");
    if (dir.data == NULL || dir.data[0] != '/' || load->where[key - config_keys] != NULL) {
        return true;
    }
    struct buf path = BUF_INIT;
    buf_append(&path, dir.data, dir.len);
    buf_append_str(&path, "/" CREDENTIAL);
    char *copy = path.failed ? NULL : config_copy(buf_slice(&path));
    buf_free(&path);
    if (copy == NULL) {
        return result_fail(why, "secrets.secret_file: out of memory");
    }
    free(load->config->secrets.secret_file);
    load->config->secrets.secret_file = copy;
    return true;
}

bool config_read_environment(struct config_load *load, char *const *env, struct result *why)
{
    char where[WHERE_MAX];
    if (!refuse_unknown(env, why)) {
        return false;
    }
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        char name[CONFIG_ENV_MAX];
        config_key_env(key, name);
        struct slice value = look_up(env, name);
        if (!read_older(load, key, env, why)) {
            return false;
        }
        if (value.data != NULL && !config_set(load, key, value, where_of(name, where), why)) {
            return false;
        }
    }
    if (!look_in_credentials(load, env, why)) {
        return false;
    }
    struct slice url = look_up(env, COLLECTOR_URL);
    return url.data == NULL ||
           config_destinations_add_url(load->config, url, where_of(COLLECTOR_URL, where), why);
}

void config_environment_warnings(char *const *env, struct buf *out)
{
    struct slice lobby = look_up(env, "SESSION_MANAGER_PORT");
    struct slice auth = look_up(env, "AUTH_SERVICE_PORT");
    struct slice listen = look_up(env, "SIGPOST_SERVER_LISTEN");
    if (lobby.data != NULL && auth.data != NULL && listen.data == NULL && !slice_eq(lobby, auth)) {
        char shown[2][CONFIG_SHOWN_MAX];
        buf_printf(out,
                   "SESSION_MANAGER_PORT=%s and AUTH_SERVICE_PORT=%s differ, and there is one port "
                   "now: %s is used; set SIGPOST_SERVER_LISTEN instead\n",
                   config_shown(lobby, shown[0]), config_shown(auth, shown[1]), shown[1]);
    }
    for (; env != NULL && *env != NULL; env++) {
        struct slice name = unknown_name(*env);
        char shown[CONFIG_SHOWN_MAX];
        if (name.data != NULL) {
            buf_printf(out, "environment %s: not a key of sigpost; it is ignored\n",
                       config_shown(name, shown));
        }
    }
}
