/* test_config_env.c: the environment: names, unknown ones, what Kubernetes sets. */
#include "config_fixture.h"

#include "base/config_internal.h"

TestSuite(config_env, .fini = fixture_no_leaks);

Test(config_env, names)
{
    char name[CONFIG_ENV_MAX];
    config_key_env(config_key_find(SLICE_LIT("server.trusted_proxies")), name);
    cr_assert_str_eq(name, "SIGPOST_SERVER_TRUSTED_PROXIES");
    cr_assert_null(config_key_find(SLICE_LIT("server.trusted_proxie")));
    cr_assert_null(config_key_find((struct slice){0}));
}

Test(config_env, ill_values)
{
    fixture_bad_env("SIGPOST_AUTH_WINDOW=soon",
                    "environment SIGPOST_AUTH_WINDOW: auth.window: \"soon\" is not a duration; "
                    "write a whole number of seconds, or one with ms, s, m, h or d, such as 30s");
    fixture_bad_env("MAX_SESSIONS=many",
                    "environment MAX_SESSIONS: session.max: \"many\" is not a whole number");
    fixture_bad_env("MAX_SESSIONS=0",
                    "environment MAX_SESSIONS: session.max: 0 is out of range; use 1 to 100000");
    fixture_bad_env("REQUIRE_AUTH=maybe", "environment REQUIRE_AUTH: auth.required: \"maybe\" is "
                                          "neither true nor false; write true or false");
    fixture_bad_env("SIGPOST_LOG_FORMAT=xml\x1b[2J",
                    "environment SIGPOST_LOG_FORMAT: log.format: \"xml?[2J\" is not known; use one "
                    "of: text, json");
    char variable[400] = "SIGPOST_LOG_LEVEL=";
    memset(variable + strlen(variable), 'x', 300);
    fixture_bad_env(variable, "environment SIGPOST_LOG_LEVEL: log.level: \"xxxxxxxxxxxxxxxxxxxxxxxx"
                              "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\" is not known; use one "
                              "of: debug, info, warn, error");
}

Test(config_env, unknown_names_of_a_known_group)
{
    fixture_bad_env("SIGPOST_AUTH_WINDOWS=3", "environment SIGPOST_AUTH_WINDOWS: unknown key; did "
                                              "you mean SIGPOST_AUTH_WINDOW?");
    fixture_bad_env("SIGPOST_LOG_LEVL=", "environment SIGPOST_LOG_LEVL: unknown key; did you mean "
                                         "SIGPOST_LOG_LEVEL?");
    fixture_bad_env("SIGPOST_RATE_COMPLETELY_DIFFERENT=3",
                    "environment SIGPOST_RATE_COMPLETELY_DIFFERENT: unknown key; "
                    "docs/configuration.md lists those there are");
}

Test(config_env, names_that_are_not_ours)
{
    static char *const names[] = {"SIGPOST_SERVICE_HOST=10.0.0.1",
                                  "SIGPOST_SERVICE_PORT=80",
                                  "SIGPOST_PORT=tcp://10.0.0.1:80",
                                  "SIGPOST_PORT_80_TCP_ADDR=10.0.0.1",
                                  "SIGPOST_SERVER_SERVICE_HOST=10.0.0.1",
                                  "SIGPOST_SERVER_PORT=tcp://10.0.0.1:80",
                                  "SIGPOST_SERVER_SERVICE_PORT_HTTP=80",
                                  "SIGPOST_SERVER_PORT_80_TCP=tcp://10.0.0.1:80",
                                  "SIGPOST_SERVERX=1",
                                  "SIGPOST_SERVER=1",
                                  "sigpost_auth_windows=1",
                                  "SIGPOST_AUTHWINDOW=1",
                                  "SIGPOST=1",
                                  "NO_EQUALS_SIGN",
                                  "SIGPOST_NO_EQUALS_SIGN",
                                  "=",
                                  "",
                                  NULL};
    config_free(fixture_good("", names));
}

Test(config_env, values_are_trimmed)
{
    struct config *c = fixture_good("", ENV("SIGPOST_STATE_DIR= /x \n", "MAX_SESSIONS=\t7 "));
    cr_assert_str_eq(c->state.dir, "/x");
    cr_assert_eq(c->session.max, 7);
    config_free(c);
}

Test(config_env, a_name_is_matched_whole)
{
    struct config *c = fixture_good("", ENV("MAX_SESSIONS_X=7", "XMAX_SESSIONS=8"));
    cr_assert_eq(c->session.max, 5);
    config_free(c);
}

Test(config_env, systemd_credentials)
{
    struct config *config = fixture_good("", ENV("CREDENTIALS_DIRECTORY=/run/c"));
    cr_assert_str_eq(config->secrets.secret_file, "/run/c/sigpost_secret");
    cr_assert_not(config->secrets.secret_file_set, "a credential may be missing");
    config_free(config);

    config =
        fixture_good("", ENV("CREDENTIALS_DIRECTORY=/run/c", "SIGPOST_SECRETS_SECRET_FILE=/said"));
    cr_assert_str_eq(config->secrets.secret_file, "/said");
    config_free(config);

    config = fixture_good("", ENV("CREDENTIALS_DIRECTORY=relative"));
    cr_assert_str_eq(config->secrets.secret_file, "/run/secrets/kotormodsync_signing_secret");
    config_free(config);
}
