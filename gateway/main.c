/* main.c: the sigpost daemon: command line, start, life, ordered stop.
 *
 * Exit 0 clean stop, 1 failure at run, 2 bad configuration or command line.
 */
#include "base/clock.h"
#include "base/process.h"
#include "gateway/gateway.h"
#include "gateway/health_push.h"
#include "gateway/housekeeper.h"
#include "gateway/notify.h"
#include "gateway/server.h"
#include "gateway/watchdog.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_CLEAN = 0, EXIT_RUN = 1, EXIT_CONFIG = 2 };
enum action { ACTION_RUN, ACTION_CHECK, ACTION_VERSION, ACTION_HELP, ACTION_REFERENCE };

struct arguments {
    const char *config_path; /* NULL: the default file, if it is there */
    enum action action;
};

static const char usage[] =
    "usage: sigpost [-c FILE] [--check] [--version] [--help]\n"
    "\n"
    "Takes signed OTLP telemetry, stores it durably and carries it on.\n"
    "\n"
    "  -c, --config FILE  configuration (default " CONFIG_DEFAULT_FILE ", if it is there)\n"
    "      --check        read configuration and keys, say what is wrong, and stop\n"
    "      --version      print the version\n"
    "      --help         print this\n"
    "\n"
    "Exit: 0 clean stop, 1 failure at run, 2 bad configuration or command line.\n";

static bool read_arguments(int argc, char **argv, struct arguments *out)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},    {"check", no_argument, NULL, 'k'},
        {"version", no_argument, NULL, 'v'},         {"help", no_argument, NULL, 'h'},
        {"print-reference", no_argument, NULL, 'r'}, {0}};
    static const struct {
        int letter;
        enum action action;
    } actions[] = {
        {'k', ACTION_CHECK}, {'v', ACTION_VERSION}, {'h', ACTION_HELP}, {'r', ACTION_REFERENCE}};
    *out = (struct arguments){NULL, ACTION_RUN};
    for (int letter; (letter = getopt_long(argc, argv, "c:", options, NULL)) != -1;) {
        if (letter == '?') {
            return false;
        }
        if (letter == 'c') {
            out->config_path = optarg;
        }
        for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
            out->action = letter == actions[i].letter ? actions[i].action : out->action;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "sigpost: unexpected argument \"%s\"; see sigpost --help\n", argv[optind]);
        return false;
    }
    return true;
}

static void print_reference(void)
{
    struct buf text = BUF_INIT;
    config_print_reference(&text);
    fwrite(text.data, 1, text.len, stdout);
    buf_free(&text);
}

static void say_started(struct gateway *gateway, const struct server *server)
{
    const struct config *config = gateway_config(gateway);
    struct keyring_counts keys;
    keyring_counts(gateway->keyring, clock_wall_s(), &keys);
    LOG_INFO("listening", LOG_STR("version", SIGPOST_VERSION),
             LOG_STR("address", config->server.listen), LOG_INT("port", server_port(server)),
             LOG_INT("workers", config->server.workers), LOG_INT("keys", keys.active),
             LOG_INT("destinations", gateway->n_destinations),
             LOG_INT("connections_max", config->server.max_connections),
             LOG_INT("bodies_max_bytes", config->server.max_connections * config->server.max_body));
    notify_ready("taking requests");
}

static int serve(struct gateway *gateway, const char *config_path)
{
    struct result why = RESULT_INIT;
    struct server *server = server_start(gateway, &why);
    if (server == NULL) {
        LOG_ERROR("cannot start", LOG_STR("why", why.text));
        return EXIT_RUN;
    }
    say_started(gateway, server);
    struct health_push *push = health_push_start(gateway, server_port(server), &why);
    if (push == NULL) {
        LOG_ERROR("no beats for the uptime monitor", LOG_STR("why", why.text));
    }
    int result = housekeeper_run(gateway, config_path);
    notify_stopping();
    housekeeper_end_on_second_signal();
    health_push_stop(push);
    int64_t deadline = clock_mono_ns() + gateway_config(gateway)->server.drain_timeout;
    watchdog_start(deadline);
    server_drain(server, deadline);
    bool failed = result != 0 || gateway_spool_failed(gateway);
    gateway_stop(gateway, deadline);
    server_destroy(server);
    return failed ? EXIT_RUN : EXIT_CLEAN;
}

static int run(const struct arguments *arguments)
{
    struct result why = RESULT_INIT;
    struct config *config = config_load(arguments->config_path, environ, &why);
    if (config == NULL) {
        fprintf(stderr, "sigpost: %s\n", why.text);
        return EXIT_CONFIG;
    }
    log_setup(config->log.format, config->log.level);
    gateway_say_warnings(config, environ);
    housekeeper_block_signals();
    bool bad_config = false;
    struct gateway *gateway = gateway_open(config, &bad_config, &why);
    if (gateway == NULL) {
        fprintf(stderr, "sigpost: %s\n", why.text);
        return bad_config ? EXIT_CONFIG : EXIT_RUN;
    }
    int result = serve(gateway, arguments->config_path);
    if (result == EXIT_CLEAN) {
        LOG_INFO("stopped");
    }
    log_flush(true);
    gateway_stop(gateway, clock_mono_ns());
    gateway_close(gateway);
    return result;
}

/* Reads configuration and keys as a start would, and touches nothing. */
static int check(const struct arguments *arguments)
{
    struct result why = RESULT_INIT;
    struct config *config = config_load(arguments->config_path, environ, &why);
    bool good = config != NULL && gateway_check_keys(config, &why);
    if (good) {
        gateway_say_warnings(config, environ);
        printf("sigpost: configuration and keys are good\n");
    } else {
        fprintf(stderr, "sigpost: %s\n", why.text);
    }
    config_free(config);
    return good ? EXIT_CLEAN : EXIT_CONFIG;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    process_forbid_dumps();
    if (!read_arguments(argc, argv, &arguments)) {
        return EXIT_CONFIG;
    }
    switch (arguments.action) {
    case ACTION_HELP:
        fputs(usage, stdout);
        return EXIT_CLEAN;
    case ACTION_VERSION:
        printf("sigpost %s\n", SIGPOST_VERSION);
        return EXIT_CLEAN;
    case ACTION_REFERENCE:
        print_reference();
        return EXIT_CLEAN;
    case ACTION_CHECK:
        return check(&arguments);
    case ACTION_RUN:
        break;
    }
    return run(&arguments);
}
