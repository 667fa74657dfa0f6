/* config_table.c: every key of the configuration, in the order of the reference. Read by the file,
 * the environment, the defaults, the comparison on reload and docs/configuration.md alike. */
#include "base/config_internal.h"

#include "base/clock.h"

#include <stddef.h>

#define AT(member) .offset = offsetof(struct config, member)
#define RANGE(least, most) .min = (least), .max = (most)
#define MS NS_PER_MS
#define S NS_PER_SECOND
#define M (60 * S)
#define H (60 * M)
#define D (24 * H)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

static const char *const sync_words[] = {"always", "interval", "never", NULL};
static const char *const format_words[] = {"text", "json", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};

const struct config_group config_groups[] = {
    {"server", "The listener and its limits."},
    {"auth", "Which requests are accepted."},
    {"secrets", "Where the signing secrets are. The content of the key ring is picked up while "
                "running; its place is not."},
    {"state", "What must last across a restart."},
    {"spool", "The queue on disk between clients and destinations."},
    {"export", "Where telemetry goes."},
    {"stamp",
     "What sigpost writes into each payload's resources beside what the signature proved."},
    {"fleet", "The series that the `fleet` destination sums over all clients."},
    {"rate", "How often one address, and one session, may ask."},
    {"session", "Telemetry sessions, and the lobby with its slots for browsers."},
    {"templates", "The pages of the lobby."},
    {"health", "What is told to an uptime monitor that waits for a sign of life: "
               "[uptime-kuma.md](uptime-kuma.md)."},
    {"log", "What is written to standard error."},
};
const size_t config_n_groups = sizeof(config_groups) / sizeof(config_groups[0]);

const struct config_key config_keys[] = {
    {.name = "server.listen",
     .type = KEY_STRING,
     AT(server.listen),
     .check = config_check_listen,
     .fallback = "0.0.0.0:8080",
     .older = {"SESSION_MANAGER_PORT", "AUTH_SERVICE_PORT"},
     .older_is_port = true,
     .help = "Address and port: `address:port`, `[v6]:port` or `:port`. The older names give the "
             "port alone; with both set, AUTH_SERVICE_PORT counts."},
    {.name = "server.workers",
     .type = KEY_INTEGER,
     AT(server.workers),
     RANGE(0, 256),
     .fallback = "0",
     .help = "Threads that serve requests; 0 is one for each core."},
    {.name = "server.max_connections",
     .type = KEY_INTEGER,
     AT(server.max_connections),
     RANGE(1, 1000000),
     .fallback = "1024",
     .help = "Past it, new connections wait. Times `server.max_body` it is the memory that "
             "strangers can take."},
    {.name = "server.max_body",
     .type = KEY_SIZE,
     AT(server.max_body),
     RANGE(KIB, 64 * MIB),
     .fallback = "4MiB",
     .help = "The longest request body, on the wire and inflated."},
    {.name = "server.trusted_proxies",
     .type = KEY_CIDRS,
     AT(server.trusted_proxies),
     .offset_n = offsetof(struct config, server.n_trusted_proxies),
     .fallback = "127.0.0.0/8, ::1/128, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7",
     .reloadable = true,
     .help = "Peers whose `X-Forwarded-*` headers count, and who may ask `/auth`."},
    {.name = "server.cors_origins",
     .type = KEY_STRINGS,
     AT(server.cors_origins),
     .check = config_check_origin,
     .fallback = "",
     .reloadable = true,
     .help = "Origins of web pages whose browsers may send telemetry here, or `*`."},
    {.name = "server.request_timeout",
     .type = KEY_DURATION,
     AT(server.request_timeout),
     RANGE(S, H),
     .fallback = "30s",
     .help = "Time for a request's headers and body together, and for an idle connection."},
    {.name = "server.drain_timeout",
     .type = KEY_DURATION,
     AT(server.drain_timeout),
     RANGE(0, H),
     .fallback = "10s",
     .help = "How long a stop waits for requests under way and for destinations. A disk that hangs "
             "is waited for 3 s longer, then the process ends as it is; nothing answered is lost."},

    {.name = "auth.required",
     .type = KEY_BOOLEAN,
     AT(auth.required),
     .fallback = "true",
     .older = {"REQUIRE_AUTH"},
     .reloadable = true,
     .help = "Off, everyone who reaches the port may write telemetry. On, there is no start "
             "without a secret."},
    {.name = "auth.window",
     .type = KEY_DURATION,
     AT(auth.window),
     RANGE(S, D),
     .fallback = "5m",
     .older = {"MAX_TIMESTAMP_DRIFT"},
     .reloadable = true,
     .help = "How far a signature's timestamp may be from the server's clock, either way."},
    {.name = "auth.session_lease",
     .type = KEY_DURATION,
     AT(auth.session_lease),
     RANGE(0, 30 * D),
     .fallback = "0",
     .reloadable = true,
     .help = "How long a session that showed a fresh signature may go on with that very one past "
             "`auth.window`; for clients that sign once a run. 0 is off; else at least 5m. What it "
             "gives away: [session-lease.md](session-lease.md)."},
    {.name = "auth.root_path",
     .type = KEY_BOOLEAN,
     AT(auth.root_path),
     .fallback = "true",
     .reloadable = true,
     .help = "Accept `POST /`, as published clients send it; the signature tells the signal."},

    {.name = "secrets.keyring",
     .type = KEY_STRING,
     AT(secrets.keyring),
     .check = config_check_path,
     .fallback = "{state}/keyring.cfg",
     .help = "The key ring, written by `sigpostctl secret`. `{state}` stands for `state.dir`."},
    {.name = "secrets.secret_file",
     .type = KEY_STRING,
     AT(secrets.secret_file),
     .check = config_check_path,
     .fallback = "/run/secrets/kotormodsync_signing_secret",
     .older = {"KOTORMODSYNC_SECRET_FILE"},
     .help = "A file that holds one secret. It may be missing when the key is left at its "
             "default. Under systemd the default is the credential `sigpost_secret`."},
    {.name = "secrets.signing_secret",
     .type = KEY_SECRET,
     AT(secrets.signing_secret),
     .older = {"KOTORMODSYNC_SIGNING_SECRET"},
     .environment_only = true,
     .help = "One secret, from the environment only: a configuration file is no place for it."},

    {.name = "state.dir",
     .type = KEY_STRING,
     AT(state.dir),
     .check = config_check_directory,
     .fallback = "/var/lib/sigpost",
     .help = "Directory of the spool, the key ring and the lobby."},

    {.name = "spool.max_bytes",
     .type = KEY_SIZE,
     AT(spool.max_bytes),
     RANGE(64 * KIB, 16 * TIB),
     .fallback = "1GiB",
     .help = "Room on disk, at least four times `server.max_body`. Full, requests are answered "
             "503 and clients keep their data."},
    {.name = "spool.wait",
     .type = KEY_DURATION,
     AT(spool.wait),
     RANGE(0, M),
     .fallback = "3s",
     .help = "How long a request may wait for room before it is refused."},
    {.name = "spool.sync",
     .type = KEY_ENUM,
     AT(spool.sync),
     .words = sync_words,
     .fallback = "always",
     .help = "When data is forced to disk. With `always`, 200 means durable; `interval` and "
             "`never` can lose what a power cut catches in memory."},

    {.name = "export.destinations",
     .type = KEY_DESTINATIONS,
     AT(export.destinations),
     .fallback = "fleet",
     .help = "One to eight destinations, see below. In the environment a list of `fleet` and "
             "`otlp=URL`."},
    {.name = "export.retry_initial",
     .type = KEY_DURATION,
     AT(export.retry_initial),
     RANGE(10 * MS, H),
     .fallback = "1s",
     .help = "Wait after a first failure; it doubles with each further one."},
    {.name = "export.retry_max",
     .type = KEY_DURATION,
     AT(export.retry_max),
     RANGE(10 * MS, D),
     .fallback = "60s",
     .help = "The longest wait between tries; not below `export.retry_initial`."},
    {.name = "export.batch_bytes",
     .type = KEY_SIZE,
     AT(export.batch_bytes),
     RANGE(KIB, 64 * MIB),
     .fallback = "1MiB",
     .help = "A batch goes out when it has this many bytes."},
    {.name = "export.batch_requests",
     .type = KEY_INTEGER,
     AT(export.batch_requests),
     RANGE(1, 65536),
     .fallback = "512",
     .help = "A batch goes out when it has this many client requests."},
    {.name = "export.batch_age",
     .type = KEY_DURATION,
     AT(export.batch_age),
     RANGE(0, M),
     .fallback = "200ms",
     .help = "A batch goes out when its first request is this old."},
    {.name = "export.in_flight",
     .type = KEY_INTEGER,
     AT(export.in_flight),
     RANGE(1, 64),
     .fallback = "4",
     .help = "Requests under way at once to one destination for traces, for logs and for profiles; "
             "for metrics it is one."},
    {.name = "export.timeout",
     .type = KEY_DURATION,
     AT(export.timeout),
     RANGE(100 * MS, 10 * M),
     .fallback = "10s",
     .help = "Time for one request to a destination."},
    {.name = "export.dead_letters_max",
     .type = KEY_SIZE,
     AT(export.dead_letters_max),
     RANGE(KIB, 16 * TIB),
     .fallback = "64MiB",
     .help = "Room on disk for requests that a destination refused for good. Full, nothing is "
             "dropped: that destination's signal waits."},

    {.name = "fleet.max_series",
     .type = KEY_INTEGER,
     AT(fleet.max_series),
     RANGE(1, 1000000),
     .fallback = "1000",
     .help = "Series of one metric; past it, values go to one series with "
             "`otel_metric_overflow=\"true\"`."},
    {.name = "fleet.max_sessions",
     .type = KEY_INTEGER,
     AT(fleet.max_sessions),
     RANGE(1, 10000000),
     .fallback = "100000",
     .help = "Sessions whose last values are kept; past it the idlest makes room."},
    {.name = "fleet.session_idle",
     .type = KEY_DURATION,
     AT(fleet.session_idle),
     RANGE(M, 90 * D),
     .fallback = "1d",
     .help = "A session silent for so long is over: its last values are freed."},
    {.name = "fleet.resource_labels",
     .type = KEY_STRINGS,
     AT(fleet.resource_labels),
     .fallback = "service.name, service.version, platform, environment, deployment.environment",
     .help = "Resource attributes that become labels."},
    {.name = "fleet.drop_labels",
     .type = KEY_STRINGS,
     AT(fleet.drop_labels),
     .fallback = "session.id, user.id, service.instance.id, session_id, user_id",
     .help = "Attributes that are folded away, wherever they are: identities."},

    {.name = "stamp.service_namespace",
     .type = KEY_STRING,
     AT(stamp.service_namespace),
     .check = config_check_text,
     .fallback = "",
     .reloadable = true,
     .help =
         "`service.namespace` of every payload's resources, in the place of what clients claim. "
         "Empty: none."},

    {.name = "rate.per_address",
     .type = KEY_INTEGER,
     AT(rate.per_address),
     RANGE(0, 1000000),
     .fallback = "10",
     .reloadable = true,
     .help = "Requests a second from one address; 0 is no limit."},
    {.name = "rate.burst",
     .type = KEY_INTEGER,
     AT(rate.burst),
     RANGE(1, 1000000),
     .fallback = "20",
     .reloadable = true,
     .help = "Requests that may come at once before the rate counts, of an address or a session."},
    {.name = "rate.per_session",
     .type = KEY_INTEGER,
     AT(rate.per_session),
     RANGE(0, 1000000),
     .fallback = "0",
     .reloadable = true,
     .help = "Requests a second of one session, beside its address's; 0 is no limit."},

    {.name = "session.max",
     .type = KEY_INTEGER,
     AT(session.max),
     RANGE(1, 100000),
     .fallback = "5",
     .older = {"MAX_SESSIONS"},
     .reloadable = true,
     .help = "Slots of the lobby."},
    {.name = "session.idle_timeout",
     .type = KEY_DURATION,
     AT(session.idle_timeout),
     RANGE(S, 30 * D),
     .fallback = "1h",
     .older = {"INACTIVITY_TIMEOUT"},
     .reloadable = true,
     .help = "A slot or a session without a sign of life for this long ends."},
    {.name = "session.max_tracked",
     .type = KEY_INTEGER,
     AT(session.max_tracked),
     RANGE(1, 100000000),
     .fallback = "1000000",
     .help = "Telemetry sessions that are remembered, at most 200 bytes each; past it the idlest "
             "makes room."},
    {.name = "session.redirect",
     .type = KEY_STRING,
     AT(session.redirect),
     .check = config_check_location,
     .fallback = "/",
     .reloadable = true,
     .help = "Where a browser that was given a slot is sent."},
    {.name = "session.lobby_url",
     .type = KEY_STRING,
     AT(session.lobby_url),
     .check = config_check_location,
     .fallback = "/",
     .reloadable = true,
     .help = "Where a browser that was refused a slot is sent."},

    {.name = "templates.dir",
     .type = KEY_STRING,
     AT(templates.dir),
     .check = config_check_directory,
     .fallback = "/tmp/templates",
     .reloadable = true,
     .help = "`index.html` and `waiting.html`; built-in pages stand in for missing ones."},

    {.name = "health.push_url",
     .type = KEY_STRING,
     AT(health.push_url),
     .check = config_check_push_url,
     .fallback = "",
     .reloadable = true,
     .help = "Uptime Kuma's push URL, `https://kuma.example.org/api/push/TOKEN`: called with the "
             "outcome of a signed canary. Empty: off. Whoever knows it can report in our name: it "
             "is never logged in full."},
    {.name = "health.push_interval",
     .type = KEY_DURATION,
     AT(health.push_interval),
     RANGE(S, H),
     .fallback = "60s",
     .reloadable = true,
     .help = "How often a canary is sent and its outcome pushed."},

    {.name = "log.format",
     .type = KEY_ENUM,
     AT(log.format),
     .words = format_words,
     .fallback = "text",
     .reloadable = true,
     .help = "Form of the lines."},
    {.name = "log.level",
     .type = KEY_ENUM,
     AT(log.level),
     .words = level_words,
     .fallback = "info",
     .reloadable = true,
     .help = "The least important line that is written."},
};
const size_t config_n_keys = sizeof(config_keys) / sizeof(config_keys[0]);
_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX,
               "struct config_load has no room for all keys");

const struct config_destination_key config_destination_keys[] = {
    {"type", "",
     "`fleet`: series for Prometheus at `/metrics/clients`. `otlp`: an OpenTelemetry "
     "Collector, or anything that takes OTLP/HTTP. Required."},
    {"name", "the type",
     "1 to 32 of `a-z 0-9 _ -`, unique: its label in metrics, and its place "
     "in the spool. Further ones of a type are called `otlp2`, `otlp3` …"},
    {"url", "",
     "Base URL with `http://` or `https://`; `/v1/metrics` and the like are added. "
     "Required for `otlp`."},
    {"signals", "all",
     "What it is sent: a list of `\"metrics\"`, `\"traces\"`, `\"logs\"`, `\"profiles\"`. A "
     "signal that no destination takes is thrown away. Only `otlp`; `fleet` takes metrics."},
    {"compression", "none", "`none`, `gzip` or `zstd`. Only `otlp`."},
    {"headers", "",
     "Sent with each request: a list of `\"Name: value\"`, or a group "
     "`{ Name = \"value\"; }`. Only `otlp`."},
    {"ca_file", "the system's", "PEM file of the authorities to trust. Only `otlp`."},
};
const size_t config_n_destination_keys =
    sizeof(config_destination_keys) / sizeof(config_destination_keys[0]);

const struct config_key *config_key_find(struct slice name)
{
    for (size_t i = 0; i < config_n_keys; i++) {
        if (slice_eq_str(name, config_keys[i].name)) {
            return &config_keys[i];
        }
    }
    return NULL;
}
