/* secret_add.c: sigpostctl secret init and add: a key by itself. */
#include "ctl/secret.h"

#include <string.h>

struct addition {
    struct secret_wish wish;
    struct key_usage_report report;
    bool only_new; /* init: there must be no ring yet */
    bool force;
};

static bool add_key(struct key_list *list, bool missing, void *arg, struct result *why)
{
    struct addition *addition = arg;
    if (addition->only_new && !missing) {
        return result_fail(why,
                           "there is a ring already, with %zu keys; add one with: sigpostctl "
                           "secret add",
                           list->n);
    }
    if (missing && !addition->only_new && !addition->force &&
        !secret_check_lost(addition->wish.config->secrets.keyring, &addition->report,
                           SECRET_OR_FORCE, why)) {
        return false;
    }
    return secret_wish_add(&addition->wish, list, why) != NULL;
}

static int run(struct ctl *ctl, struct addition *addition, bool from_stdin)
{
    struct result why = RESULT_INIT;
    struct secret_wish *wish = &addition->wish;
    struct config *config = ctl_config(ctl);
    if (config == NULL) {
        return CTL_FAILED;
    }
    wish->config = config;
    bool ok = from_stdin ? secret_wish_read(wish, ctl->in, "standard input", &why)
                         : secret_wish_random(wish, &why);
    if (!addition->only_new) {
        secret_read_use(ctl, config, &addition->report);
    }
    int status = ok ? secret_edit(ctl, config, add_key, addition) : ctl_fail(ctl, "%s", why.text);
    if (status == CTL_DONE) {
        secret_wish_say(ctl, wish);
        status = secret_await_and_say(ctl, config);
    }
    key_usage_report_free(&addition->report);
    secret_wish_free(wish);
    config_free(config);
    return status;
}

int secret_init(struct ctl *ctl, int argc, char **argv)
{
    struct addition addition = {.only_new = true, .wish = {.state = KEY_ACTIVE}};
    struct secret_wish *wish = &addition.wish;
    const struct ctl_option options[] = {{"--id", NULL, &wish->id},
                                         {"--label", NULL, &wish->label},
                                         {"--note", NULL, &wish->note},
                                         {"--reveal", &wish->reveal, NULL}};
    int status = secret_options(ctl, argc, argv, options, 4, NULL);
    if (status < 0) {
        status = secret_wish_check(ctl, wish, NULL);
        status = status == CTL_DONE ? run(ctl, &addition, false) : status;
    }
    return status;
}

int secret_add(struct ctl *ctl, int argc, char **argv)
{
    bool from_stdin = false;
    const char *state = NULL;
    struct addition addition = {.wish = {.state = KEY_ACTIVE}};
    struct secret_wish *wish = &addition.wish;
    const struct ctl_option options[] = {
        {"--id", NULL, &wish->id},         {"--label", NULL, &wish->label},
        {"--note", NULL, &wish->note},     {"--reveal", &wish->reveal, NULL},
        {"--state", NULL, &state},         {"--stdin", &from_stdin, NULL},
        {"--force", &addition.force, NULL}};
    int status = secret_options(ctl, argc, argv, options, 7, NULL);
    if (status >= 0) {
        return status;
    }
    if (from_stdin && wish->reveal) {
        return ctl_wrong_use(ctl, "secret",
                             "--reveal shows a new random secret; --stdin gives one");
    }
    status = secret_wish_check(ctl, wish, state);
    return status == CTL_DONE ? run(ctl, &addition, from_stdin) : status;
}
