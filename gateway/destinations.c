/* destinations.c: see destinations.h. */
#include "gateway/destinations.h"

#include "otlp/export/destination_otlp.h"
#include "otlp/fleet/destination_fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define PATH_LEN 4096

static struct destination *start_fleet(struct gateway *gateway,
                                       const struct config_destination *wanted, struct result *why)
{
    const struct config *config = gateway_config(gateway);
    char snapshot[PATH_LEN];
    snprintf(snapshot, sizeof(snapshot), "%s/%s.snapshot", config->state.dir, wanted->name);
    const struct destination_fleet_options options = {
        .name = wanted->name,
        .snapshot_path = snapshot,
        .max_series = config->fleet.max_series,
        .max_sessions = config->fleet.max_sessions,
        .session_idle_ns = config->fleet.session_idle,
        .resource_labels = (const char *const *)config->fleet.resource_labels.items,
        .n_resource_labels = config->fleet.resource_labels.n,
        .drop_labels = (const char *const *)config->fleet.drop_labels.items,
        .n_drop_labels = config->fleet.drop_labels.n,
    };
    return destination_fleet_start(&options, gateway->spool, gateway->metrics, why);
}

/* "Name: value" lines of the configured headers. The caller frees each and the array. */
static char **make_header_lines(const struct config_destination *wanted)
{
    char **lines = calloc(wanted->n_headers + 1, sizeof(*lines));
    for (size_t i = 0; lines != NULL && i < wanted->n_headers; i++) {
        if (asprintf(&lines[i], "%s: %s", wanted->headers[i].name, wanted->headers[i].value) < 0) {
            lines[i] = NULL;
        }
    }
    return lines;
}

static void free_header_lines(char **lines, size_t n)
{
    for (size_t i = 0; lines != NULL && i < n; i++) {
        free(lines[i]);
    }
    free(lines);
}

static enum export_zip zip_of(enum config_compression compression)
{
    switch (compression) {
    case CONFIG_COMPRESSION_GZIP:
        return EXPORT_ZIP_GZIP;
    case CONFIG_COMPRESSION_ZSTD:
        return EXPORT_ZIP_ZSTD;
    default:
        return EXPORT_ZIP_NONE;
    }
}

_Static_assert(CONFIG_SIGNAL_METRICS == SPOOL_SIGNAL(SIGNAL_METRICS) &&
                   CONFIG_SIGNAL_TRACES == SPOOL_SIGNAL(SIGNAL_TRACES) &&
                   CONFIG_SIGNAL_LOGS == SPOOL_SIGNAL(SIGNAL_LOGS) &&
                   CONFIG_SIGNAL_PROFILES == SPOOL_SIGNAL(SIGNAL_PROFILES) &&
                   CONFIG_SIGNALS_ALL == SPOOL_ALL_SIGNALS,
               "a set of signals is handed on as it is");

/* Everything but the box for dead letters; `lines` is borrowed. */
static struct destination_otlp_options
otlp_options(const struct config *config, const struct config_destination *wanted, char **lines)
{
    return (struct destination_otlp_options){
        .name = wanted->name,
        .url = wanted->url,
        .headers = (const char *const *)lines,
        .n_headers = lines != NULL ? wanted->n_headers : 0,
        .ca_file = wanted->ca_file,
        .zip = zip_of(wanted->compression),
        .signals = wanted->signals,
        .batch_bytes = config->export.batch_bytes,
        .batch_requests = config->export.batch_requests,
        .batch_age_ns = config->export.batch_age,
        .in_flight = config->export.in_flight,
        .timeout_ns = config->export.timeout,
        .retry_initial_ns = config->export.retry_initial,
        .retry_max_ns = config->export.retry_max,
    };
}

static struct destination *start_otlp(struct gateway *gateway,
                                      const struct config_destination *wanted, struct result *why)
{
    char **lines = make_header_lines(wanted);
    struct destination_otlp_options options = otlp_options(gateway_config(gateway), wanted, lines);
    options.dead = &gateway->dead;
    struct destination *started =
        destination_otlp_start(&options, gateway->spool, gateway->metrics, why);
    free_header_lines(lines, wanted->n_headers);
    return started;
}

bool destinations_check(const struct config *config, struct result *why)
{
    bool good = config->export.n_destinations <= GATEWAY_DESTINATIONS_MAX ||
                result_fail(why, "export.destinations: %zu are too many; at most %d",
                            config->export.n_destinations, GATEWAY_DESTINATIONS_MAX);
    for (size_t i = 0; good && i < config->export.n_destinations; i++) {
        const struct config_destination *wanted = &config->export.destinations[i];
        if (wanted->type == CONFIG_DESTINATION_OTLP) {
            char **lines = make_header_lines(wanted);
            struct destination_otlp_options options = otlp_options(config, wanted, lines);
            good = destination_otlp_check(&options, why);
            free_header_lines(lines, wanted->n_headers);
        }
    }
    return good;
}

static bool open_dead_letters(struct gateway *gateway, struct result *why)
{
    const struct config *config = gateway_config(gateway);
    if (asprintf(&gateway->dead_dir, "%s/dead", config->state.dir) < 0) {
        gateway->dead_dir = NULL;
        return result_fail(why, "out of memory");
    }
    dead_letter_box_init(&gateway->dead, gateway->dead_dir, config->export.dead_letters_max);
    return true;
}

bool destinations_start(struct gateway *gateway, struct result *why)
{
    const struct config *config = gateway_config(gateway);
    if (!open_dead_letters(gateway, why)) {
        return false;
    }
    for (size_t i = 0; i < config->export.n_destinations; i++) {
        const struct config_destination *wanted = &config->export.destinations[i];
        struct destination *started = wanted->type == CONFIG_DESTINATION_FLEET
                                          ? start_fleet(gateway, wanted, why)
                                          : start_otlp(gateway, wanted, why);
        if (started == NULL) {
            return false;
        }
        gateway->destinations[gateway->n_destinations++] = started;
    }
    /* Only now: a cursor without a reader may have been where a new one began. */
    spool_forget_readers_except(gateway->spool, NULL, 0);
    return true;
}

void destinations_stop(struct gateway *gateway, int64_t deadline_mono_ns)
{
    for (size_t i = 0; i < gateway->n_destinations; i++) {
        gateway->destinations[i]->ops->begin_stop(gateway->destinations[i], deadline_mono_ns);
    }
    for (size_t i = 0; i < gateway->n_destinations; i++) {
        gateway->destinations[i]->ops->stop(gateway->destinations[i], deadline_mono_ns);
    }
    gateway->n_destinations = 0;
    if (gateway->dead_dir != NULL) {
        dead_letter_box_destroy(&gateway->dead);
        free(gateway->dead_dir);
        gateway->dead_dir = NULL;
    }
}
