/* health.c: see health.h. */
#include "gateway/health.h"

#include "base/clock.h"
#include "base/exposition.h"
#include "gateway/reply.h"

#include <inttypes.h>

#define JSON_TYPE SLICE_LIT("application/json")
#define VERSIONS_SHOWN 20 /* "other" is one of them */

struct health {
    struct spool_stats spool;
    struct keyring_counts keys;
    int64_t spool_oldest_s;
    uint64_t dead_letters;
    bool collector_ok;
    char problem[DESTINATION_PROBLEM_MAX]; /* of the first destination that has one */
};

static void look(struct gateway *gateway, struct health *out)
{
    int64_t now_ns = clock_wall_ns();
    *out = (struct health){.collector_ok = true};
    spool_get_stats(gateway->spool, &out->spool);
    keyring_counts(gateway->keyring, now_ns / NS_PER_SECOND, &out->keys);
    if (out->spool.oldest_ns != 0 && out->spool.oldest_ns < now_ns) {
        out->spool_oldest_s = (now_ns - out->spool.oldest_ns) / NS_PER_SECOND;
    }
    uint64_t dead_bytes;
    dead_letter_count(&gateway->dead, &out->dead_letters, &dead_bytes);
    for (size_t i = 0; i < gateway->n_destinations; i++) {
        struct destination_status status;
        gateway->destinations[i]->ops->status(gateway->destinations[i], &status);
        if (!status.ok && out->collector_ok) {
            out->collector_ok = false;
            memcpy(out->problem, status.problem, sizeof(out->problem));
        }
    }
}

void health_look(struct gateway *gateway, struct pipeline *out)
{
    struct health health;
    look(gateway, &health);
    *out = (struct pipeline){
        .collector_ok = health.collector_ok,
        .spool_ok = !health.spool.failed && !health.spool.full,
        .oldest_s = health.spool_oldest_s,
        .n_waiting = health.spool.pending_records,
    };
}

/* Why a readiness probe should say no; empty when it should not. The worst comes first. */
static const char *find_reason(struct gateway *gateway, const struct health *health)
{
    if (health->spool.failed) {
        return "the disk failed: the spool takes no data until a restart";
    }
    if (health->spool.disk_full) {
        return "the disk is full: data is being refused";
    }
    if (health->spool.full) {
        return "the spool is full: data is being refused";
    }
    if (health->keys.problem[0] != '\0') {
        return health->keys.problem;
    }
    if (health->keys.active == 0 && gateway_config(gateway)->auth.required) {
        return "no key is active: every request is refused";
    }
    if (!health->collector_ok) {
        return health->problem;
    }
    if (lobby_keeper_failed(gateway->lobby)) {
        return "lobby_store: the lobby's state cannot be written";
    }
    return page_store_fallback(gateway->pages) ? "template_fallback: a page template is faulty"
                                               : "";
}

static void append_string(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ", \"%s\": \"", name);
    buf_append_json(out, slice_of(text));
    buf_append_char(out, '"');
}

static void append_fields(struct gateway *gateway, const struct health *health, struct buf *out)
{
    buf_printf(out,
               ", \"version\": \"%s\", \"spool_bytes\": %" PRIu64 ", \"spool_records\": %" PRIu64
               ", \"spool_oldest_seconds\": %" PRId64 ", \"spool_quarantined\": %" PRIu64
               ", \"collector_ok\": %s, \"dead_letters\": %" PRIu64
               ", \"keys_active\": %zu, \"sessions_active\": %zu",
               SIGPOST_VERSION, health->spool.bytes, health->spool.pending_records,
               health->spool_oldest_s, health->spool.quarantined,
               health->collector_ok ? "true" : "false", health->dead_letters, health->keys.active,
               registry_count(gateway->registry));
    if (!gateway_config(gateway)->auth.required) {
        append_string(out, "warning", "auth.required is false: unsigned requests are let in");
    }
}

static void reply_health(struct worker *worker, h2o_req_t *req, bool readiness)
{
    struct health health;
    look(worker->gateway, &health);
    const char *reason = readiness ? find_reason(worker->gateway, &health) : "";
    bool degraded = reason[0] != '\0';
    struct buf body = BUF_INIT;
    buf_printf(&body, "{\"status\": \"%s\"", degraded ? "degraded" : "healthy");
    append_fields(worker->gateway, &health, &body);
    if (degraded) {
        append_string(&body, "reason", reason);
    }
    buf_append_str(&body, "}\n");
    reply_body(req, degraded ? 503 : 200, JSON_TYPE, buf_slice(&body));
    buf_free(&body);
}

void health_get(struct worker *worker, h2o_req_t *req)
{
    reply_health(worker, req, false);
}

void health_get_ready(struct worker *worker, h2o_req_t *req)
{
    reply_health(worker, req, true);
}

void health_get_live(struct worker *worker, h2o_req_t *req)
{
    (void)worker;
    reply_json_word(req, 200, "status", "healthy");
}

void health_get_client_metrics(struct worker *worker, h2o_req_t *req)
{
    struct buf body = BUF_INIT;
    for (size_t i = 0; i < worker->gateway->n_destinations; i++) {
        struct destination *destination = worker->gateway->destinations[i];
        if (destination->ops->render != NULL) {
            destination->ops->render(destination, &body);
        }
    }
    reply_body(req, 200, SLICE_LIT(EXPOSITION_CONTENT_TYPE), buf_slice(&body));
    buf_free(&body);
}

/* --- gauges ----------------------------------------------------------------------------------- */

static void set_key_gauges(struct gateway *gateway)
{
    struct keyring_counts counts;
    keyring_counts(gateway->keyring, clock_wall_s(), &counts);
    const struct {
        const char *state;
        size_t n;
    } rows[] = {{"accepted", counts.active}, {"pending", counts.pending}, {"ended", counts.ended}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        metric_set(metrics_gauge(gateway->metrics, "sigpost_keys", "Keys of the ring, by state.",
                                 METRIC_LABELS("state", rows[i].state)),
                   (double)rows[i].n);
    }
}

static void set_dead_letters(struct gateway *gateway)
{
    uint64_t letters, bytes;
    dead_letter_count(&gateway->dead, &letters, &bytes);
    metric_set(metrics_gauge(gateway->metrics, "sigpost_dead_letter_files",
                             "Dead letters that are there, those put back included.",
                             METRIC_NO_LABELS),
               (double)letters);
    metric_set(metrics_gauge(gateway->metrics, "sigpost_dead_letter_bytes",
                             "Bytes of the dead letters; the limit is export.dead_letters_max.",
                             METRIC_NO_LABELS),
               (double)bytes);
}

static void set_lobby_gauges(struct gateway *gateway)
{
    struct metrics *m = gateway->metrics;
    struct lobby_view view;
    lobby_look(lobby_keeper_lock(gateway->lobby), (struct slice){0}, clock_mono_ns(), &view);
    lobby_keeper_unlock(gateway->lobby);
    unsigned used = view.current + view.held;

    const char *help = "Places for people: taken, held for the first in line, free.";
    metric_set(metrics_gauge(m, "sigpost_lobby_slots", help, METRIC_LABELS("state", "taken")),
               view.current);
    metric_set(metrics_gauge(m, "sigpost_lobby_slots", help, METRIC_LABELS("state", "held")),
               view.held);
    metric_set(metrics_gauge(m, "sigpost_lobby_slots", help, METRIC_LABELS("state", "free")),
               view.max > used ? view.max - used : 0);
    metric_set(
        metrics_gauge(m, "sigpost_lobby_waiting", "People in line for a slot.", METRIC_NO_LABELS),
        view.waiting);
}

/* Written as they are, not kept as series of the registry: versions are the clients' own words, and
 * one that nobody uses any more is no series any more. */
static void append_versions(struct gateway *gateway, struct buf *out)
{
    struct registry_version rows[VERSIONS_SHOWN];
    struct slice name = SLICE_LIT("sigpost_sessions_by_version");
    size_t n = registry_versions(gateway->registry, rows, VERSIONS_SHOWN);
    exposition_family(out, name,
                      SLICE_LIT("Telemetry sessions, by the client version they said last: the "
                                "most used, and the others as one."),
                      "gauge");
    for (size_t i = 0; i < n; i++) {
        const struct exposition_label label = {SLICE_LIT("version"), slice_of(rows[i].name)};
        exposition_sample(out, name, "", &label, 1, (double)rows[i].sessions);
    }
}

void health_get_metrics(struct worker *worker, h2o_req_t *req)
{
    struct buf body = BUF_INIT;
    metrics_render(worker->gateway->metrics, &body);
    append_versions(worker->gateway, &body);
    reply_body(req, 200, SLICE_LIT(EXPOSITION_CONTENT_TYPE), buf_slice(&body));
    buf_free(&body);
}

static void set_gauges(void *arg)
{
    struct gateway *gateway = arg;
    struct metrics *m = gateway->metrics;
    set_lobby_gauges(gateway);
    metric_set(metrics_gauge(m, "sigpost_sessions_active",
                             "Telemetry sessions seen within session.idle_timeout.",
                             METRIC_NO_LABELS),
               (double)registry_count(gateway->registry));
    metric_set(metrics_gauge(m, "sigpost_template_fallback",
                             "1 while a built-in page stands in for a faulty template, else 0.",
                             METRIC_NO_LABELS),
               page_store_fallback(gateway->pages) ? 1 : 0);
    set_key_gauges(gateway);
    metric_set(
        metrics_gauge(m, "sigpost_connections", "Open client connections.", METRIC_NO_LABELS),
        atomic_load(&gateway->connections));
    set_dead_letters(gateway);
}

void health_register_metrics(struct gateway *gateway)
{
    metric_set(metrics_gauge(gateway->metrics, "sigpost_build_info", "Always 1; the version.",
                             METRIC_LABELS("version", SIGPOST_VERSION)),
               1);
    metrics_on_scrape(gateway->metrics, set_gauges, gateway);
}
