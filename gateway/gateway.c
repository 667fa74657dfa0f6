/* gateway.c: the parts of the gateway, put together and taken apart in order. */
#include "gateway/gateway.h"

#include "base/clock.h"
#include "base/directory.h"
#include "gateway/bearer.h"
#include "gateway/canary.h"
#include "gateway/destinations.h"
#include "gateway/health.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void gateway_say_warnings(const struct config *config, char *const *environment)
{
    struct buf warnings = BUF_INIT;
    config_warnings(config, environment, &warnings);
    struct slice rest = buf_slice(&warnings);
    while (rest.len != 0) {
        const char *newline = memchr(rest.data, '\n', rest.len);
        size_t len = newline != NULL ? (size_t)(newline - rest.data) : rest.len;
        LOG_WARN("configuration", LOG_SLICE("what", slice_make(rest.data, len)));
        size_t skip = newline != NULL ? len + 1 : len;
        rest = slice_make(rest.data + skip, rest.len - skip);
    }
    buf_free(&warnings);
}

/* The ring of the configured sources; NULL and a sentence when they are broken, or when there is no
 * key and one is needed. */
static struct keyring *open_keyring(const struct config *config, struct metrics *metrics,
                                    struct result *why)
{
    const struct keyring_sources sources = {
        .ring_file = config->secrets.keyring,
        .secret_file = config->secrets.secret_file,
        .secret_file_required = config->secrets.secret_file_set,
        .signing_secret = config->secrets.signing_secret,
    };
    struct keyring *keyring = keyring_open(&sources, metrics, why);
    if (keyring == NULL) {
        return NULL;
    }
    struct keyring_counts counts;
    keyring_counts(keyring, clock_wall_s(), &counts);
    if (config->auth.required && counts.active + counts.pending == 0) {
        result_fail(why,
                    "no signing key: neither %s nor %s has one and KOTORMODSYNC_SIGNING_SECRET is "
                    "not set; run `sigpostctl secret init`, or set REQUIRE_AUTH=false to let "
                    "unsigned requests in",
                    config->secrets.keyring, config->secrets.secret_file);
        keyring_close(keyring);
        return NULL;
    }
    return keyring;
}

/* Requests whose repeats are known: at most 64 bytes each. The same signature over the same bytes
 * is never new data, however late it comes: the window is longer than any auth.window and lease
 * that matter, and the number bounds the memory. */
#define REPEATS_KEPT 65536
#define REPEATS_WINDOW_NS (NS_PER_SECOND * 3600 * 48)

static bool init_secure_memory(struct result *why)
{
    struct result said = RESULT_INIT;
    if (!keyring_init_memory(&said)) {
        return result_fail(why, "%s", said.text);
    }
    if (said.text[0] != '\0') {
        LOG_WARN("secrets may reach the swap", LOG_STR("why", said.text));
    }
    return true;
}

static bool open_rooms(struct gateway *gateway, struct result *why)
{
    const struct config *config = gateway_config(gateway);
    gateway->registry = registry_create(config->session.max_tracked, config->session.idle_timeout);
    gateway->rate_limit = rate_limit_create(config->rate.per_address, config->rate.burst);
    gateway->session_rate = rate_limit_create(config->rate.per_session, config->rate.burst);
    gateway->pages = page_store_create(config->templates.dir);
    gateway->history = history_create(clock_mono_ns());
    gateway->lease = lease_create(config->session.max_tracked);
    gateway->repeats = repeats_create(REPEATS_KEPT, REPEATS_WINDOW_NS);
    if (gateway->registry == NULL || gateway->lease == NULL || gateway->repeats == NULL ||
        gateway->rate_limit == NULL || gateway->session_rate == NULL || gateway->pages == NULL ||
        gateway->history == NULL) {
        return result_fail(why, "out of memory");
    }
    return true;
}

static enum spool_sync spool_sync_of(enum config_sync sync)
{
    switch (sync) {
    case CONFIG_SYNC_INTERVAL:
        return SPOOL_SYNC_INTERVAL;
    case CONFIG_SYNC_NEVER:
        return SPOOL_SYNC_NEVER;
    case CONFIG_SYNC_ALWAYS:
        break;
    }
    return SPOOL_SYNC_ALWAYS;
}

static struct spool_options spool_options(const struct config *config, const char *dir)
{
    return (struct spool_options){
        .dir = dir,
        .max_bytes = config->spool.max_bytes,
        .max_payload = (uint32_t)(config->server.max_body + BODY_STAMP_ROOM),
        .wait_ns = config->spool.wait,
        .sync = spool_sync_of(config->spool.sync),
    };
}

static bool open_spool(struct gateway *gateway, struct result *why)
{
    const struct config *config = gateway_config(gateway);
    char dir[4096];
    snprintf(dir, sizeof(dir), "%s/spool", config->state.dir);
    const struct spool_options options = spool_options(config, dir);
    if (!directory_make("state.dir:", config->state.dir, why)) {
        return false;
    }
    gateway->spool = spool_open(&options, gateway->metrics, why);
    if (gateway->spool != NULL) {
        gateway->state_lock = spool_keep_lock(gateway->spool);
    }
    return gateway->spool != NULL;
}

/* Behind the spool, whose lock keeps a second daemon out of the state directory. */
static bool open_key_usage(struct gateway *gateway, struct result *why)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/" KEY_USAGE_FILE_NAME, gateway_config(gateway)->state.dir);
    gateway->key_usage = key_usage_open(path, why);
    return gateway->key_usage != NULL;
}

void gateway_write_receipt(struct gateway *gateway)
{
    struct result why = RESULT_INIT;
    bool failed = !keyring_receipt_write(gateway->receipt, gateway->keyring, &why);
    if (failed && !gateway->receipt_failed) {
        LOG_WARN("sigpostctl cannot be told that the keys are loaded", LOG_STR("why", why.text));
    }
    gateway->receipt_failed = failed;
}

/* Once the spool is ours, so is the state directory. */
static bool open_receipt(struct gateway *gateway, struct result *why)
{
    gateway->receipt = keyring_receipt_open(gateway_config(gateway)->state.dir);
    if (gateway->receipt == NULL) {
        return result_fail(why, "out of memory");
    }
    gateway_write_receipt(gateway);
    return true;
}

/* After the spool, whose lock on the directory tells whether another sigpost has it. */
static bool open_lobby(struct gateway *gateway, struct result *why)
{
    gateway->lobby = lobby_keeper_open(gateway_config(gateway), why);
    return gateway->lobby != NULL;
}

/* What the rooms want of the configuration beyond what its own table says. */
static bool check_rooms(const struct config *config, struct result *why)
{
    const struct spool_options options = spool_options(config, "");
    return spool_check_sizes(&options, why) && destinations_check(config, why);
}

/* What fails here is the configuration's fault. What was opened is the caller's to close, also
 * then. */
static bool open_checked(const struct config *config, struct metrics *metrics,
                         struct keyring **keyring, struct bearer **bearer, struct result *why)
{
    *keyring = open_keyring(config, metrics, why);
    *bearer = *keyring != NULL ? bearer_open(config, why) : NULL;
    return *bearer != NULL && check_rooms(config, why);
}

bool gateway_check(const struct config *config, struct result *why)
{
    struct keyring *keyring = NULL;
    struct bearer *bearer = NULL;
    bool good = init_secure_memory(why) && open_checked(config, NULL, &keyring, &bearer, why);
    bearer_close(bearer);
    if (keyring != NULL) {
        keyring_close(keyring);
    }
    return good;
}

struct gateway *gateway_open(struct config *config, bool *bad_config, struct result *why)
{
    struct gateway *gateway = calloc(1, sizeof(*gateway));
    *bad_config = false;
    if (gateway == NULL) {
        config_free(config);
        result_fail(why, "out of memory");
        return NULL;
    }
    gateway->state_lock = -1;
    gateway_replace_config(gateway, config);
    gateway->metrics = metrics_create();
    if (gateway->metrics == NULL) {
        result_fail(why, "out of memory");
        goto failed;
    }
    counters_register(&gateway->counters, gateway->metrics);
    if (!canary_make_token(gateway->canary_token)) {
        result_fail(why, "the kernel gives no random bytes");
        goto failed;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        result_fail(why, "libcurl cannot be initialised");
        goto failed;
    }
    if (!init_secure_memory(why)) {
        goto failed;
    }
    if (!open_checked(config, gateway->metrics, &gateway->keyring, &gateway->bearer, why)) {
        *bad_config = true;
        goto failed;
    }
    if (!open_rooms(gateway, why) || !open_spool(gateway, why) || !open_key_usage(gateway, why) ||
        !open_receipt(gateway, why) || !open_lobby(gateway, why) ||
        !destinations_start(gateway, why)) {
        goto failed;
    }
    health_register_metrics(gateway);
    return gateway;

failed:
    gateway_stop(gateway, clock_mono_ns());
    gateway_close(gateway);
    return NULL;
}

bool gateway_spool_failed(struct gateway *gateway)
{
    struct spool_stats stats;
    spool_get_stats(gateway->spool, &stats);
    return stats.failed;
}

void gateway_stop(struct gateway *gateway, int64_t deadline_mono_ns)
{
    destinations_stop(gateway, deadline_mono_ns);
    if (gateway->spool != NULL) {
        spool_close(gateway->spool);
        gateway->spool = NULL;
    }
    lobby_keeper_close(gateway->lobby);
    gateway->lobby = NULL;
}

void gateway_close(struct gateway *gateway)
{
    bearer_close(gateway->bearer);
    page_store_destroy(gateway->pages);
    history_destroy(gateway->history);
    rate_limit_destroy(gateway->session_rate);
    rate_limit_destroy(gateway->rate_limit);
    if (gateway->repeats != NULL) {
        repeats_destroy(gateway->repeats);
    }
    if (gateway->lease != NULL) {
        lease_destroy(gateway->lease);
    }
    registry_destroy(gateway->registry);
    key_usage_close(gateway->key_usage);
    keyring_receipt_close(gateway->receipt);
    if (gateway->keyring != NULL) {
        keyring_close(gateway->keyring);
    }
    if (gateway->state_lock >= 0) { /* all files of the state directory are written */
        close(gateway->state_lock);
    }
    metrics_destroy(gateway->metrics);
    for (size_t i = 0; i < gateway->n_configs; i++) {
        config_free(gateway->configs[i]);
    }
    free(gateway->configs);
    free(gateway);
    curl_global_cleanup();
}

void gateway_replace_config(struct gateway *gateway, struct config *config)
{
    struct config **grown =
        realloc(gateway->configs, (gateway->n_configs + 1) * sizeof(*gateway->configs));
    if (grown == NULL) {
        LOG_ERROR("out of memory: the configuration cannot be replaced");
        abort();
    }
    gateway->configs = grown;
    gateway->configs[gateway->n_configs++] = config;
    atomic_store_explicit(&gateway->config, config, memory_order_release);
}
