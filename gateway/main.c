/* main.c: the sigpost daemon: command line, start, life, ordered stop.
 *
 * Exit 0 clean stop, 1 failure at run, 2 bad configuration or command line.
 */
#include "base/clock.h"
#include "base/manual.h"
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
enum action {
    ACTION_RUN,
    ACTION_CHECK,
    ACTION_VERSION,
    ACTION_HELP,
    ACTION_REFERENCE,
    ACTION_MANUAL
};

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
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check", no_argument, NULL, 'k'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"print-reference", no_argument, NULL, 'r'},
                                            {"print-manual", no_argument, NULL, 'm'},
                                            {0}};
    static const struct {
        int letter;
        enum action action;
    } actions[] = {{'k', ACTION_CHECK},
                   {'v', ACTION_VERSION},
                   {'h', ACTION_HELP},
                   {'r', ACTION_REFERENCE},
                   {'m', ACTION_MANUAL}};
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

/* What the build makes files of: sigpost(8), docs/configuration.md. */
static int print(void (*append)(struct buf *out))
{
    struct buf text = BUF_INIT;
    append(&text);
    bool ok =
        !text.failed && fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    buf_free(&text);
    return ok ? EXIT_CLEAN : EXIT_RUN;
}

static void append_manual(struct buf *out)
{
    manual_head(out, "sigpost", 8, "takes signed OTLP telemetry, stores it and carries it on");
    manual_section(out, "SYNOPSIS");
    manual_help(out, usage, "sigpost", HELP_SYNOPSIS);
    manual_section(out, "DESCRIPTION");
    manual_help(out, usage, "sigpost", HELP_TEXT);
    manual_section(out, "OPTIONS");
    manual_help(out, usage, "sigpost", HELP_ITEM);
    manual_section(out, "SIGNALS");
    manual_item(out, SLICE_LIT("SIGHUP"),
                SLICE_LIT("reads configuration and keys again; what needs "
                          "a restart is named in the log."));
    manual_item(out, SLICE_LIT("SIGTERM, SIGINT"),
                SLICE_LIT("stop in order, within server.drain_timeout; a second one ends at once. "
                          "What was answered 200 is on disk."));
    manual_section(out, "FILES");
    manual_item(out, SLICE_LIT(CONFIG_DEFAULT_FILE),
                SLICE_LIT("the configuration, if it is there; see `sigpost.cfg`(5)."));
    manual_item(out, SLICE_LIT("/var/lib/sigpost"),
                SLICE_LIT("`state.dir`: keys, spool, and what else must last."));
    manual_see_also(out, "`sigpostctl`(1), `sigpost.cfg`(5)");
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
             LOG_INT("buffers_max_bytes", config->server.max_connections *
                                              (config->server.max_body + SERVER_HEADERS_MAX)));
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
    housekeeper_block_signals(); /* a reload that is asked for this early waits, and ends nothing */
    struct config *config = config_load(arguments->config_path, environ, &why);
    if (config == NULL) {
        fprintf(stderr, "sigpost: %s\n", why.text);
        return EXIT_CONFIG;
    }
    log_setup(config->log.format, config->log.level);
    bool bad_config = false;
    struct gateway *gateway = gateway_open(config, &bad_config, &why);
    if (gateway == NULL) {
        fprintf(stderr, "sigpost: %s\n", why.text);
        return bad_config ? EXIT_CONFIG : EXIT_RUN;
    }
    gateway_say_warnings(config, environ);
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
    bool good = config != NULL && gateway_check(config, &why);
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
    process_keep_memory();
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
        return print(config_print_reference);
    case ACTION_MANUAL:
        return print(append_manual);
    case ACTION_CHECK:
        return check(&arguments);
    case ACTION_RUN:
        break;
    }
    return run(&arguments);
}
