/* secret_end.c: sigpostctl secret retire and revoke: an end for a key, with a look at who would be
 * hurt by it. */
#include "ctl/secret.h"

#include "base/clock.h"
#include "ctl/when.h"

#include <string.h>

struct ending {
    struct ctl *ctl;
    const struct config *config;
    struct key_usage_report report;
    const char *id;
    bool revoke;
    bool force;
    int64_t now_s;
    int64_t at_s;
};

/* Will a key be accepted when this one has ended? */
static bool check_rest(const struct ending *ending, const struct key_list *list,
                       const struct key_entry *entry, struct result *why)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct key_entry *other = &list->entries[i];
        if (other != entry && key_entry_stage(other, ending->now_s) == KEY_STAGE_ACCEPTED &&
            key_entry_stage(other, ending->at_s + 1) == KEY_STAGE_ACCEPTED) {
            return true;
        }
    }
    return secret_single(ending->config) != NULL ||
           result_fail(why,
                       "no other key would be accepted after it, and every request refused; make "
                       "one first (sigpostctl secret rotate), or use --force");
}

/* A key that is not accepted anyway may end without a question. */
static bool check_end(const struct ending *ending, const struct key_list *list,
                      const struct key_entry *entry, struct result *why)
{
    if (key_entry_stage(entry, ending->now_s) != KEY_STAGE_ACCEPTED) {
        return true;
    }
    if (!secret_check_use(ending->ctl, &ending->report, entry->id,
                          ending->revoke ? "revoking" : "retiring", ending->force, why)) {
        return false;
    }
    return ending->force || check_rest(ending, list, entry, why);
}

static bool revoke(const struct ending *ending, struct key_entry *entry)
{
    entry->state = KEY_REVOKED;
    /* The day is for people; the state alone ends the key, whatever the clock says. */
    if ((entry->not_after == KEY_TIME_NONE || entry->not_after > ending->now_s) &&
        (entry->not_before == KEY_TIME_NONE || entry->not_before < ending->now_s)) {
        entry->not_after = ending->now_s;
    }
    return true;
}

/* What retiring would bring back to life is refused. */
static bool retire(const struct ending *ending, struct key_entry *entry, struct result *why)
{
    if (entry->state == KEY_REVOKED) {
        return result_fail(why, "key %s is revoked: it has ended already", entry->id);
    }
    if (key_entry_stage(entry, ending->now_s) == KEY_STAGE_ENDED) {
        char end[KEY_TIME_TEXT_MAX];
        key_time_format(entry->not_after, end);
        return result_fail(why,
                           "key %s ended at %s already; to bring it back: sigpostctl secret "
                           "promote %s",
                           entry->id, end, entry->id);
    }
    if (key_entry_stage(entry, ending->now_s) == KEY_STAGE_PENDING) {
        return result_fail(why,
                           "key %s is pending: nobody can use it yet; drop it (sigpostctl secret "
                           "revoke %s) or promote it first",
                           entry->id, entry->id);
    }
    entry->state = KEY_RETIRING;
    /* Both ends of a key's days count: one that ends now has had its last second. */
    entry->not_after = ending->at_s <= ending->now_s ? ending->now_s - 1 : ending->at_s;
    if (entry->not_before >= entry->not_after) {
        entry->not_before = KEY_TIME_NONE; /* it is past; a key needs some time between the two */
    }
    return true;
}

static bool end_key(struct key_list *list, bool missing, void *arg, struct result *why)
{
    const struct ending *ending = arg;
    (void)missing;
    struct key_entry *entry = secret_find(list, ending->id, why);
    if (entry == NULL) {
        return false;
    }
    if (!ending->revoke && !ending->force && !secret_check_clock(list, ending->now_s, why)) {
        return false;
    }
    if (!check_end(ending, list, entry, why)) {
        return false;
    }
    return ending->revoke ? revoke(ending, entry) : retire(ending, entry, why);
}

static void say(const struct ending *ending)
{
    FILE *out = ending->ctl->out;
    char until[KEY_TIME_TEXT_MAX];
    char left[WHEN_TEXT_MAX];
    const char *ring = ending->config->secrets.keyring;
    if (ending->revoke) {
        fprintf(out, "key %s is revoked in %s\n", ending->id, ring);
    } else if (ending->at_s <= ending->now_s) {
        fprintf(out, "key %s has ended in %s\n", ending->id, ring);
    } else {
        key_time_format(ending->at_s, until);
        fprintf(out, "key %s is retiring in %s: it is accepted until %s (%s)\n", ending->id, ring,
                until, when_text(ending->at_s - ending->now_s, left));
    }
}

static int run(struct ending *ending)
{
    struct config *config = ctl_config(ending->ctl);
    if (config == NULL) {
        return CTL_FAILED;
    }
    ending->config = config;
    secret_read_use(ending->ctl, config, &ending->report);
    int status = secret_edit(ending->ctl, config, end_key, ending);
    if (status == CTL_DONE) {
        say(ending);
        status = secret_await_and_say(ending->ctl, config);
    }
    key_usage_report_free(&ending->report);
    config_free(config);
    return status;
}

int secret_retire(struct ctl *ctl, int argc, char **argv)
{
    const char *at = NULL;
    struct result why = RESULT_INIT;
    struct ending ending = {.ctl = ctl, .now_s = clock_wall_s()};
    const struct ctl_option options[] = {{"--at", NULL, &at}, {"--force", &ending.force, NULL}};
    int status = secret_options_id(ctl, argc, argv, options, 2, &ending.id);
    if (status >= 0) {
        return status;
    }
    if (!when_point("--at", at != NULL ? at : "now", ending.now_s, &ending.at_s, &why)) {
        return ctl_wrong_use(ctl, "secret", "%s", why.text);
    }
    return run(&ending);
}

int secret_revoke(struct ctl *ctl, int argc, char **argv)
{
    struct ending ending = {.ctl = ctl, .revoke = true, .now_s = clock_wall_s()};
    const struct ctl_option options[] = {{"--force", &ending.force, NULL}};
    int status = secret_options_id(ctl, argc, argv, options, 1, &ending.id);
    ending.at_s = ending.now_s;
    return status >= 0 ? status : run(&ending);
}
