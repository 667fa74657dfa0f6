/* test_config.c: defaults, every key from the file and from the environment, precedence, what needs
 * a restart, warnings. */
#include "config_fixture.h"

#include "base/clock.h"
#include "base/config_internal.h"

TestSuite(config, .fini = fixture_no_leaks);

#define S NS_PER_SECOND

Test(config, defaults)
{
    struct config *c = fixture_good("", NO_ENV);
    cr_assert_str_eq(c->server.listen, "0.0.0.0:8080");
    cr_assert_geq(c->server.workers, 1);
    cr_assert_eq(c->server.max_connections, 1024);
    cr_assert_eq(c->server.max_body, 4 << 20);
    cr_assert_eq(c->server.n_trusted_proxies, 6);
    cr_assert_eq(c->server.request_timeout, 30 * S);
    cr_assert_eq(c->server.drain_timeout, 10 * S);
    cr_assert(c->auth.required);
    cr_assert_eq(c->auth.window, 300 * S);
    cr_assert_eq(c->auth.session_lease, 0);
    cr_assert(c->auth.root_path);
    cr_assert_str_eq(c->secrets.keyring, "/var/lib/sigpost/keyring.cfg");
    cr_assert_str_eq(c->secrets.secret_file, "/run/secrets/kotormodsync_signing_secret");
    cr_assert_not(c->secrets.secret_file_set);
    cr_assert_null(c->secrets.signing_secret);
    cr_assert_str_eq(c->state.dir, "/var/lib/sigpost");
    cr_assert_eq(c->spool.max_bytes, 1 << 30);
    cr_assert_eq(c->spool.wait, 3 * S);
    cr_assert_eq(c->spool.sync, CONFIG_SYNC_ALWAYS);
    cr_assert_eq(c->export.n_destinations, 1);
    cr_assert_eq(c->export.destinations[0].type, CONFIG_DESTINATION_FLEET);
    cr_assert_str_eq(c->export.destinations[0].name, "fleet");
    cr_assert_eq(c->export.retry_initial, 1 * S);
    cr_assert_eq(c->export.retry_max, 60 * S);
    cr_assert_eq(c->export.batch_bytes, 1 << 20);
    cr_assert_eq(c->export.batch_requests, 512);
    cr_assert_eq(c->export.batch_age, 200 * NS_PER_MS);
    cr_assert_eq(c->export.in_flight, 4);
    cr_assert_eq(c->export.timeout, 10 * S);
    cr_assert_eq(c->export.dead_letters_max, 64 << 20);
    cr_assert_eq(c->fleet.max_series, 1000);
    cr_assert_eq(c->fleet.max_sessions, 100000);
    cr_assert_eq(c->fleet.resource_labels.n, 5);
    cr_assert_str_eq(c->fleet.resource_labels.items[4], "deployment.environment");
    cr_assert_eq(c->fleet.drop_labels.n, 5);
    cr_assert_str_eq(c->fleet.drop_labels.items[2], "service.instance.id");
    cr_assert_eq(c->rate.per_address, 10);
    cr_assert_eq(c->rate.burst, 20);
    cr_assert_eq(c->rate.per_session, 0);
    cr_assert_eq(c->session.max, 5);
    cr_assert_eq(c->session.idle_timeout, 3600 * S);
    cr_assert_eq(c->session.max_tracked, 1000000);
    cr_assert_str_eq(c->session.redirect, "/");
    cr_assert_str_eq(c->session.lobby_url, "/");
    cr_assert_eq(c->session.max_waiting, 1000);
    cr_assert_eq(c->session.hold, 15 * S);
    cr_assert_eq(c->session.patience, 150 * S);
    cr_assert_str_eq(c->session.state_file, "/var/lib/sigpost/lobby");
    cr_assert_null(c->presence.token);
    cr_assert_str_eq(c->presence.token_file, "");
    cr_assert_eq(c->presence.heartbeat_timeout, 90 * S);
    cr_assert_str_eq(c->server.base_path, "");
    cr_assert_str_eq(c->templates.dir, "/tmp/templates");
    cr_assert_eq(c->log.format, LOG_FORMAT_TEXT);
    cr_assert_eq(c->log.level, LOG_LEVEL_INFO);
    config_free(c);
    config_free(NULL);
}

Test(config, default_proxies_are_loopback_and_private_ranges)
{
    static const struct {
        const char *addr;
        bool trusted;
    } cases[] = {{"127.0.0.1", true},   {"::1", true},         {"10.9.9.9", true},
                 {"172.16.0.1", true},  {"172.32.0.1", false}, {"192.168.1.1", true},
                 {"fd12::1", true},     {"8.8.8.8", false},    {"2001:db8::1", false},
                 {"169.254.1.1", false}};
    struct config *c = fixture_good("", NO_ENV);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ip_addr addr;
        bool trusted = false;
        cr_assert(ip_parse(slice_of(cases[i].addr), &addr));
        for (size_t j = 0; j < c->server.n_trusted_proxies; j++) {
            trusted = trusted || cidr_contains(&c->server.trusted_proxies[j], &addr);
        }
        cr_assert_eq(trusted, cases[i].trusted, "%s", cases[i].addr);
    }
    config_free(c);
}

/* A value other than the default for each key, as the environment writes it. */
static const char *const others[][2] = {
    {"server.listen", "[::1]:9000"},
    {"server.workers", "7"},
    {"server.max_connections", "99"},
    {"server.max_body", "1MiB"},
    {"server.trusted_proxies", "10.1.0.0/16"},
    {"server.cors_origins", "https://app.example.org, http://localhost:3000"},
    {"server.request_timeout", "5s"},
    {"server.drain_timeout", "1s"},
    {"server.base_path", "/ost_status"},
    {"auth.required", "false"},
    {"auth.window", "60"},
    {"auth.session_lease", "24h"},
    {"auth.root_path", "no"},
    {"secrets.keyring", "/k"},
    {"secrets.secret_file", "/s"},
    {"state.dir", "/st"},
    {"spool.max_bytes", "2GiB"},
    {"spool.wait", "1s"},
    {"spool.sync", "never"},
    {"export.destinations", "otlp=http://h:4318"},
    {"export.retry_initial", "2s"},
    {"export.retry_max", "90s"},
    {"export.batch_bytes", "2MiB"},
    {"export.batch_requests", "5"},
    {"export.batch_age", "1s"},
    {"export.in_flight", "2"},
    {"export.timeout", "1s"},
    {"export.dead_letters_max", "1MiB"},
    {"fleet.max_series", "10"},
    {"fleet.max_sessions", "10"},
    {"fleet.session_idle", "2h"},
    {"fleet.resource_labels", "a, b"},
    {"fleet.drop_labels", "c"},
    {"stamp.service_namespace", "kotormodsync"},
    {"rate.per_address", "0"},
    {"rate.burst", "5"},
    {"rate.per_session", "3"},
    {"session.max", "9"},
    {"session.idle_timeout", "10m"},
    {"session.max_tracked", "50"},
    {"session.max_waiting", "7"},
    {"session.hold", "20s"},
    {"session.patience", "1m"},
    {"session.redirect", "https://app.example/s/{id}/"},
    {"session.lobby_url", "/lobby"},
    {"session.state_file", "/l"},
    {"presence.token", "a token"},
    {"presence.token_file", "/t"},
    {"presence.heartbeat_timeout", "2m"},
    {"templates.dir", "/t"},
    {"health.push_url", "http://kuma:3001/api/push/t"},
    {"health.push_interval", "20s"},
    {"log.format", "json"},
    {"log.level", "debug"},
    {"secrets.signing_secret", "another secret"},
};
#define N_OTHERS (sizeof(others) / sizeof(others[0]))

static bool differs(const struct config *a, const struct config *b, const struct config_key *key)
{
    return !config_equal(a, b, key);
}

Test(config, each_key_from_the_environment_and_from_the_file)
{
    struct config *plain = fixture_good("", NO_ENV);
    for (size_t i = 0; i < N_OTHERS; i++) {
        const struct config_key *key = config_key_find(slice_of(others[i][0]));
        cr_assert_not_null(key, "%s", others[i][0]);
        char name[CONFIG_ENV_MAX];
        char variable[256];
        config_key_env(key, name);
        snprintf(variable, sizeof(variable), "%s=%s", name, others[i][1]);
        struct config *c = fixture_good("", ENV(variable));
        for (size_t k = 0; k < config_n_keys; k++) {
            bool follows = strcmp(key->name, "state.dir") == 0 &&
                           (strcmp(config_keys[k].name, "secrets.keyring") == 0 ||
                            strcmp(config_keys[k].name, "session.state_file") == 0);
            cr_assert_eq(differs(plain, c, &config_keys[k]), key == &config_keys[k] || follows,
                         "%s changes %s", key->name, config_keys[k].name);
        }
        if (key->type != KEY_DESTINATIONS && !key->environment_only) {
            char text[256];
            const char *dot = strchr(key->name, '.');
            snprintf(text, sizeof(text), "%.*s = { %s = \"%s\"; };", (int)(dot - key->name),
                     key->name, dot + 1, others[i][1]);
            struct config *from_file = fixture_good(text, NO_ENV);
            cr_assert_not(differs(c, from_file, key), "%s", text);
            config_free(from_file);
        }
        config_free(c);
    }
    config_free(plain);
}

Test(config, the_cases_above_leave_no_key_out)
{
    for (size_t k = 0; k < config_n_keys; k++) {
        bool found = false;
        for (size_t i = 0; i < N_OTHERS; i++) {
            found = found || strcmp(others[i][0], config_keys[k].name) == 0;
        }
        cr_assert(found, "%s", config_keys[k].name);
    }
}

Test(config, needs_restart_by_the_table)
{
    static const char *const reloadable[] = {"auth.",
                                             "rate.",
                                             "session.max",
                                             "session.max_waiting",
                                             "session.hold",
                                             "session.patience",
                                             "session.idle_timeout",
                                             "session.redirect",
                                             "presence.heartbeat_timeout",
                                             "server.base_path",
                                             "server.drain_timeout",
                                             "session.lobby_url",
                                             "templates.dir",
                                             "health.",
                                             "log.",
                                             "server.trusted_proxies",
                                             "server.cors_origins",
                                             "stamp.service_namespace"};
    struct config *plain = fixture_good("", NO_ENV);
    for (size_t i = 0; i < N_OTHERS; i++) {
        const struct config_key *key = config_key_find(slice_of(others[i][0]));
        bool may = false;
        for (size_t r = 0; r < sizeof(reloadable) / sizeof(reloadable[0]); r++) {
            size_t len = strlen(reloadable[r]);
            may =
                may || (reloadable[r][len - 1] == '.' ? strncmp(key->name, reloadable[r], len) == 0
                                                      : strcmp(key->name, reloadable[r]) == 0);
        }
        char name[CONFIG_ENV_MAX];
        char variable[256];
        config_key_env(key, name);
        snprintf(variable, sizeof(variable), "%s=%s", name, others[i][1]);
        struct config *c = fixture_good("", ENV(variable));
        struct buf out = BUF_INIT;
        config_needs_restart(plain, c, &out);
        if (may) {
            cr_assert_str_eq(buf_cstr(&out), "");
        } else if (strcmp(key->name, "state.dir") == 0) {
            cr_assert_str_eq(buf_cstr(&out), "secrets.keyring, state.dir, session.state_file");
        } else {
            cr_assert_str_eq(buf_cstr(&out), key->name);
        }
        buf_free(&out);
        config_free(c);
    }
    config_free(plain);
}

Test(config, restart_looks_into_destinations_and_lists)
{
    static const char *const variants[] = {
        "type=\"otlp\"; url=\"http://a\";",
        "type=\"otlp\"; url=\"http://b\";",
        "type=\"otlp\"; url=\"http://a\"; compression=\"gzip\";",
        "type=\"otlp\"; url=\"http://a\"; name=\"x\";",
        "type=\"otlp\"; url=\"http://a\"; ca_file=\"/x\";",
        "type=\"otlp\"; url=\"http://a\"; headers=[\"A: b\"];",
        "type=\"otlp\"; url=\"http://a\"; headers=[\"A: c\"];",
        "type=\"otlp\"; url=\"http://a\"; headers=[\"A: b\", \"C: d\"];",
        "type=\"fleet\";",
    };
    enum { N = sizeof(variants) / sizeof(variants[0]) };
    struct config *loaded[N];
    for (size_t i = 0; i < N; i++) {
        char text[256];
        snprintf(text, sizeof(text), "export = { destinations = ( { %s } ); };", variants[i]);
        loaded[i] = fixture_good(text, NO_ENV);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < N; j++) {
            struct buf out = BUF_INIT;
            config_needs_restart(loaded[i], loaded[j], &out);
            cr_assert_str_eq(buf_cstr(&out), i == j ? "" : "export.destinations");
            buf_free(&out);
        }
    }
    for (size_t i = 0; i < N; i++) {
        config_free(loaded[i]);
    }
}

Test(config, file_beats_default_older_names_beat_the_file_and_sigpost_names_beat_all)
{
    const char *file = "session = { max = 2; };";
    struct config *c = fixture_good(file, NO_ENV);
    cr_assert_eq(c->session.max, 2);
    config_free(c);
    c = fixture_good(file, ENV("MAX_SESSIONS=3"));
    cr_assert_eq(c->session.max, 3);
    config_free(c);
    c = fixture_good(file, ENV("SIGPOST_SESSION_MAX=4", "MAX_SESSIONS=3"));
    cr_assert_eq(c->session.max, 4);
    config_free(c);
    c = fixture_good(file, ENV("SIGPOST_SESSION_MAX=", "MAX_SESSIONS= "));
    cr_assert_eq(c->session.max, 2, "empty counts as unset");
    config_free(c);
    c = fixture_good("", (char *const *)NULL);
    cr_assert_eq(c->session.max, 5);
    config_free(c);
}

Test(config, older_names)
{
    struct config *c = fixture_good(
        "server = { listen = \"[::1]:1\"; };",
        ENV("REQUIRE_AUTH=no", "MAX_TIMESTAMP_DRIFT=120", "AUTH_SERVICE_PORT=9090",
            "INACTIVITY_TIMEOUT=60", "KOTORMODSYNC_SECRET_FILE=/x/y",
            "KOTORMODSYNC_SIGNING_SECRET= \tthe secret \r\n", "HEARTBEAT_TIMEOUT=120",
            "BASE_PATH=/ost_status/", "SECRET_TOKEN= the token\n", "DATA_FILE=/srv/presence"));
    cr_assert_eq(c->presence.heartbeat_timeout, 120 * S);
    cr_assert_str_eq(c->server.base_path, "/ost_status");
    cr_assert_str_eq(c->presence.token, "the token");
    cr_assert_str_eq(c->session.state_file, "/srv/presence");
    cr_assert_not(c->auth.required);
    cr_assert_eq(c->auth.window, 120 * S);
    cr_assert_str_eq(c->server.listen, "[::1]:9090");
    cr_assert_eq(c->session.idle_timeout, 60 * S);
    cr_assert_str_eq(c->secrets.secret_file, "/x/y");
    cr_assert(c->secrets.secret_file_set);
    cr_assert_str_eq(c->secrets.signing_secret, "the secret");
    config_free(c);
    static const char *const words[] = {"true", "false", "1",  "0",  "yes",
                                        "no",   "TRUE",  "No", "on", "off"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char variable[32];
        snprintf(variable, sizeof(variable), "REQUIRE_AUTH=%s", words[i]);
        c = fixture_good("", ENV(variable));
        cr_assert_eq(c->auth.required, strchr("t1yT", words[i][0]) != NULL || i == 8, "%s",
                     words[i]);
        config_free(c);
    }
}

Test(config, older_ports)
{
    struct config *c = fixture_good("", ENV("SESSION_MANAGER_PORT=81"));
    cr_assert_str_eq(c->server.listen, "0.0.0.0:81");
    config_free(c);
    c = fixture_good("", ENV("AUTH_SERVICE_PORT=82", "SESSION_MANAGER_PORT=81"));
    cr_assert_str_eq(c->server.listen, "0.0.0.0:82");
    config_free(c);
    c = fixture_good("", ENV("AUTH_SERVICE_PORT=82", "SIGPOST_SERVER_LISTEN=:83"));
    cr_assert_str_eq(c->server.listen, ":83");
    config_free(c);
    fixture_bad_env("AUTH_SERVICE_PORT=http", "environment AUTH_SERVICE_PORT: server.listen: "
                                              "\"http\" is not a port; write 0 to 65535");
    fixture_bad_env("SESSION_MANAGER_PORT=65536", "environment SESSION_MANAGER_PORT: "
                                                  "server.listen: \"65536\" is not a port; write "
                                                  "0 to 65535");
}

Test(config, the_secret_is_from_the_environment_only_and_never_told)
{
    struct config *c = fixture_good(
        "", ENV("KOTORMODSYNC_SIGNING_SECRET=old", "SIGPOST_SECRETS_SIGNING_SECRET=new"));
    cr_assert_str_eq(c->secrets.signing_secret, "new");
    config_free(c);
    c = fixture_good("", ENV("KOTORMODSYNC_SIGNING_SECRET= \n "));
    cr_assert_null(c->secrets.signing_secret);
    config_free(c);
    fixture_bad_file("secrets = {\n signing_secret = \"hush\"; };",
                     "2: secrets.signing_secret: a secret does not belong in this file; put it in "
                     "the environment or in a file named by secrets.secret_file");
    fixture_bad_file("presence = {\n token = \"hush\"; };",
                     "2: presence.token: a secret does not belong in this file; put it in the "
                     "environment or in a file named by presence.token_file");
}

Test(config, the_ring_lies_in_the_state_directory)
{
    struct config *c = fixture_good("state = { dir = \"/srv/x//\"; };", NO_ENV);
    cr_assert_str_eq(c->state.dir, "/srv/x");
    cr_assert_str_eq(c->secrets.keyring, "/srv/x/keyring.cfg");
    config_free(c);
    c = fixture_good("secrets = { keyring = \"{state}/a/{state}\"; };", ENV("SIGPOST_STATE_DIR=/"));
    cr_assert_str_eq(c->secrets.keyring, "//a/{state}");
    config_free(c);
    c = fixture_good("secrets = { keyring = \"/etc/ring\"; secret_file = \"f\"; };", NO_ENV);
    cr_assert_str_eq(c->secrets.keyring, "/etc/ring");
    cr_assert(c->secrets.secret_file_set);
    config_free(c);
}

Test(config, what_one_key_says_about_another)
{
    fixture_bad_file("auth = { session_lease = \"299s\"; };",
                     "1: auth.session_lease: 299s is too short to help anyone; use 0 (off), or 5m "
                     "to 30d");
    fixture_bad_env(
        "SIGPOST_AUTH_SESSION_LEASE=1",
        "environment SIGPOST_AUTH_SESSION_LEASE: auth.session_lease: 1s is too short to "
        "help anyone; use 0 (off), or 5m to 30d");
    fixture_bad_file("auth = { session_lease = \"31d\"; };",
                     "1: auth.session_lease: 31d is out of range; use 0 to 30d");
    config_free(fixture_good("auth = { session_lease = 0; };", NO_ENV));
    config_free(fixture_good("auth = { session_lease = \"5m\"; };", NO_ENV));
    config_free(fixture_good("auth = { session_lease = \"30d\"; };", NO_ENV));
    fixture_bad_file("export = {\n retry_initial = \"2m\"; };",
                     "2: export.retry_max: 1m is below export.retry_initial, 2m; use at least 2m");
    fixture_bad_file("export = {\n retry_max = \"10ms\"; };", "2: export.retry_max: 10ms is below "
                                                              "export.retry_initial, 1s; use at "
                                                              "least 1s");
    config_free(fixture_good("export = { retry_max = 1; };", NO_ENV));
    fixture_bad_file("spool = { max_bytes = \"15MiB\"; };",
                     "1: spool.max_bytes: 15MiB holds fewer than 4 bodies of server.max_body; use "
                     "at least 16MiB");
    config_free(fixture_good("spool = { max_bytes = \"16MiB\"; };", NO_ENV));
    config_free(
        fixture_good("spool={max_bytes=\"64KiB\";}; server={max_body=\"16KiB\";};", NO_ENV));
}

/* With a destination that takes all, where the file names none. */
static void expect_warnings(const char *file, char *const *env, const char *expected)
{
    static const char takes_all[] =
        "export = { destinations = ( { type = \"otlp\"; url = \"http://a\"; } ); };";
    char text[2048];
    snprintf(text, sizeof(text), "%s %s", strstr(file, "destinations") == NULL ? takes_all : "",
             file);
    struct config *c = fixture_good(text, env);
    struct buf out = BUF_INIT;
    config_warnings(c, env, &out);
    cr_assert_str_eq(buf_cstr(&out), expected);
    buf_free(&out);
    config_free(c);
}

Test(config, warnings)
{
    expect_warnings("", NO_ENV, "");
    expect_warnings("", ENV("REQUIRE_AUTH=false"),
                    "auth.required is off: everyone who reaches the port may write telemetry; set "
                    "it to true and give a secret\n");
    expect_warnings("",
                    ENV("SIGPOST_SERVICE_HOST=10.0.0.1", "SIGPOST_PORT=tcp://1:2", "PATH=/x",
                        "SIGPOST_=x", "XSIGPOST_A=b"),
                    "environment SIGPOST_SERVICE_HOST: not a key of sigpost; it is ignored\n"
                    "environment SIGPOST_PORT: not a key of sigpost; it is ignored\n");
    expect_warnings("spool = { sync = \"interval\"; };", NO_ENV,
                    "spool.sync is not \"always\": a power cut can lose what was answered with "
                    "200\n");
    expect_warnings("auth = { window = \"2h\"; };", NO_ENV,
                    "auth.window is over an hour: a captured signature works that long\n");
    static const char trusts_all[] = "server.trusted_proxies trusts every address: any client may "
                                     "forge X-Forwarded-For and ask /auth\n";
    expect_warnings("server = { trusted_proxies = [\"10.0.0.0/8\", \"::/0\"]; };", NO_ENV,
                    trusts_all);
    expect_warnings("server = { trusted_proxies = [\"::/0\", \"0.0.0.0/0\"]; };", NO_ENV,
                    trusts_all);
    expect_warnings("server = { trusted_proxies = [\"0.0.0.0/0\"]; };", NO_ENV, trusts_all);
    expect_warnings("", ENV("SESSION_MANAGER_PORT=1", "AUTH_SERVICE_PORT=2"),
                    "SESSION_MANAGER_PORT=1 and AUTH_SERVICE_PORT=2 differ, and there is one port "
                    "now: 2 is used; set SIGPOST_SERVER_LISTEN instead\n");
    expect_warnings("", ENV("SESSION_MANAGER_PORT=1", "AUTH_SERVICE_PORT=1"), "");
}

Test(config, headers_in_the_clear_are_worth_a_warning)
{
    static const char file[] =
        "export = { destinations = ("
        "{ type = \"otlp\"; url = \"http://far\"; headers = [\"A: b\"]; },"
        "{ type = \"otlp\"; url = \"https://far\"; headers = [\"A: b\"]; },"
        "{ type = \"otlp\"; url = \"http://far\"; name = \"bare\"; },"
        "{ type = \"otlp\"; url = \"http://127.0.0.1:1\"; headers = [\"A: b\"]; },"
        "{ type = \"otlp\"; url = \"http://localhost\"; headers = [\"A: b\"]; },"
        "{ type = \"otlp\"; url = \"http://localhost.evil\"; headers = [\"A: b\"]; },"
        "{ type = \"fleet\"; } ); };";
    expect_warnings(file, NO_ENV,
                    "export.destinations: the headers of \"otlp\" travel unencrypted; use "
                    "https://\n"
                    "export.destinations: the headers of \"otlp5\" travel unencrypted; use "
                    "https://\n");
}
