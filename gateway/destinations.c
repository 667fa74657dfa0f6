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

static struct destination *start_otlp(struct gateway *gateway,
                                      const struct config_destination *wanted, struct result *why)
{
    const struct config *config = gateway_config(gateway);
    char dead_dir[PATH_LEN];
    snprintf(dead_dir, sizeof(dead_dir), "%s/dead", config->state.dir);
    char **lines = make_header_lines(wanted);
    const struct destination_otlp_options options = {
        .name = wanted->name,
        .url = wanted->url,
        .headers = (const char *const *)lines,
        .n_headers = lines != NULL ? wanted->n_headers : 0,
        .ca_file = wanted->ca_file,
        .gzip = wanted->compression == CONFIG_COMPRESSION_GZIP,
        .batch_bytes = config->export.batch_bytes,
        .batch_requests = config->export.batch_requests,
        .batch_age_ns = config->export.batch_age,
        .in_flight = config->export.in_flight,
        .timeout_ns = config->export.timeout,
        .retry_initial_ns = config->export.retry_initial,
        .retry_max_ns = config->export.retry_max,
        .dead_dir = dead_dir,
    };
    struct destination *started =
        destination_otlp_start(&options, gateway->spool, gateway->metrics, why);
    free_header_lines(lines, wanted->n_headers);
    return started;
}

static void forget_others(struct gateway *gateway, const struct config *config)
{
    const char *names[GATEWAY_DESTINATIONS_MAX];
    for (size_t i = 0; i < config->export.n_destinations; i++) {
        names[i] = config->export.destinations[i].name;
    }
    spool_forget_readers_except(gateway->spool, names, config->export.n_destinations);
}

bool destinations_start(struct gateway *gateway, struct result *why)
{
    const struct config *config = gateway_config(gateway);
    if (config->export.n_destinations > GATEWAY_DESTINATIONS_MAX) {
        return result_fail(why, "export.destinations: %zu are too many; at most %d",
                           config->export.n_destinations, GATEWAY_DESTINATIONS_MAX);
    }
    forget_others(gateway, config);
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
    return true;
}

void destinations_stop(struct gateway *gateway, int64_t deadline_mono_ns)
{
    for (size_t i = 0; i < gateway->n_destinations; i++) {
        gateway->destinations[i]->ops->stop(gateway->destinations[i], deadline_mono_ns);
    }
    gateway->n_destinations = 0;
}
