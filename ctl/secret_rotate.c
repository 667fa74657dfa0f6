/* secret_rotate.c: sigpostctl secret rotate: a new active key, and an end for the one before it.
 *
 * Both are one change of the ring file, and the new key is accepted when the tool returns: there is
 * no moment at which a client that holds either key is refused.
 */
#include "ctl/secret.h"

#include "base/clock.h"
#include "ctl/when.h"

#include <jansson.h>
#include <string.h>

#define GRACE_DEFAULT "30d"

struct rotation {
    struct secret_wish wish;
    struct key_usage_report report;
    int64_t grace_s;
    int64_t now_s;
    bool force;
    bool json;
    char label[KEY_LABEL_MAX + 1];
    char old_id[SIGNATURE_KEY_ID_MAX + 1]; /* empty: there was no active key */
    int64_t old_end_s;
};

/* The newest active key that is accepted now, of that label unless it is NULL. */
static const struct key_entry *find_old(const struct key_list *list, const char *label,
                                        int64_t now_s)
{
    const struct key_entry *old = NULL;
    for (size_t i = 0; i < list->n; i++) {
        const struct key_entry *entry = &list->entries[i];
        if (entry->state == KEY_ACTIVE && key_entry_stage(entry, now_s) == KEY_STAGE_ACCEPTED &&
            (label == NULL || strcmp(entry->label, label) == 0) &&
            (old == NULL || entry->created >= old->created)) {
            old = entry;
        }
    }
    return old;
}

/* Without --label, which key is meant must be plain. */
static bool check_label(const struct key_list *list, const struct key_entry *old, int64_t now_s,
                        struct result *why)
{
    for (size_t i = 0; old != NULL && i < list->n; i++) {
        const struct key_entry *entry = &list->entries[i];
        if (entry->state == KEY_ACTIVE && key_entry_stage(entry, now_s) == KEY_STAGE_ACCEPTED &&
            strcmp(entry->label, old->label) != 0) {
            return result_fail(why,
                               "there are active keys labelled \"%s\" and \"%s\"; say which with "
                               "--label",
                               entry->label, old->label);
        }
    }
    return true;
}

static bool check_grace(const struct key_list *list, const char *label, int64_t now_s,
                        struct result *why)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct key_entry *entry = &list->entries[i];
        char until[KEY_TIME_TEXT_MAX];
        char left[WHEN_TEXT_MAX];
        if (entry->state != KEY_RETIRING || key_entry_stage(entry, now_s) != KEY_STAGE_ACCEPTED ||
            strcmp(entry->label, label) != 0) {
            continue;
        }
        if (entry->not_after == KEY_TIME_NONE) {
            return result_fail(why,
                               "key %s is retiring and has no end yet; give it one (sigpostctl "
                               "secret retire %s --at 30d), or use --force",
                               entry->id, entry->id);
        }
        key_time_format(entry->not_after, until);
        return result_fail(why,
                           "key %s is in its grace period until %s, %s from now: clients that hold "
                           "it may not have the present key yet; wait, or use --force",
                           entry->id, until, when_text(entry->not_after - now_s, left));
    }
    return true;
}

/* A key outside the ring cannot be given an end. */
static bool check_single(const struct config *config, struct result *why)
{
    const char *single = secret_single(config);
    if (single != NULL && strcmp(single, "env") == 0) {
        return result_fail(why,
                           "the key in force is the environment's, which has no end; bring it into "
                           "the ring first: printenv KOTORMODSYNC_SIGNING_SECRET | sigpostctl "
                           "secret import -");
    }
    return single == NULL || result_fail(why,
                                         "the key in force is that of %.200s, which has no end; "
                                         "bring it into the ring first: sigpostctl secret import "
                                         "%.200s",
                                         config->secrets.secret_file, config->secrets.secret_file);
}

/* An earlier end that was set before stays: rotating does not make a key live longer. */
static void retire_old(struct rotation *rotation, struct key_entry *old)
{
    int64_t end = rotation->now_s + rotation->grace_s;
    old->state = KEY_RETIRING;
    old->not_after = old->not_after != KEY_TIME_NONE && old->not_after < end ? old->not_after : end;
    if (old->not_before >= old->not_after) {
        old->not_before = KEY_TIME_NONE; /* it is past; a key needs some time between the two */
    }
    rotation->old_end_s = old->not_after;
}

static bool rotate(struct key_list *list, bool missing, void *arg, struct result *why)
{
    struct rotation *rotation = arg;
    struct secret_wish *wish = &rotation->wish;
    if (missing && !rotation->force &&
        !secret_check_lost(wish->config->secrets.keyring, &rotation->report, SECRET_OR_FORCE,
                           why)) {
        return false;
    }
    const struct key_entry *old = find_old(list, wish->label, rotation->now_s);
    if (wish->label == NULL && !check_label(list, old, rotation->now_s, why)) {
        return false;
    }
    if (wish->label != NULL || old != NULL) {
        snprintf(rotation->label, sizeof(rotation->label), "%s",
                 wish->label != NULL ? wish->label : old->label);
    }
    if (!rotation->force &&
        (!secret_check_clock(list, rotation->now_s, why) ||
         !check_grace(list, rotation->label, rotation->now_s, why) ||
         (old == NULL && wish->label == NULL && !check_single(wish->config, why)))) {
        return false;
    }
    if (old != NULL) {
        memcpy(rotation->old_id, old->id, sizeof(rotation->old_id));
    }
    wish->label = rotation->label;
    if (secret_wish_add(wish, list, why) == NULL) {
        return false;
    }
    if (rotation->old_id[0] != '\0') {
        retire_old(rotation, key_list_find(list, slice_of(rotation->old_id)));
    }
    return true;
}

static void say(struct ctl *ctl, const struct rotation *rotation)
{
    char until[KEY_TIME_TEXT_MAX];
    char left[WHEN_TEXT_MAX];
    secret_wish_say(ctl, &rotation->wish);
    if (rotation->old_id[0] == '\0') {
        fputs("no key was active before it\n", ctl->out);
        return;
    }
    key_time_format(rotation->old_end_s, until);
    fprintf(ctl->out, "key %s is retiring: it is accepted until %s (%s)\n", rotation->old_id, until,
            when_text(rotation->old_end_s - rotation->now_s, left));
}

static int print_json(struct ctl *ctl, const struct rotation *rotation, const char *gateway)
{
    char created[KEY_TIME_TEXT_MAX];
    char end[KEY_TIME_TEXT_MAX];
    key_time_format(rotation->now_s, created);
    json_t *previous = json_null();
    if (rotation->old_id[0] != '\0') {
        key_time_format(rotation->old_end_s, end);
        previous = json_pack("{s:s, s:s, s:s}", "id", rotation->old_id, "state", "retiring",
                             "not_after", end);
    }
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:o, s:s}", "id", rotation->wish.made_id, "state", "active",
                  "created", created, "previous", previous, "gateway", gateway);
    bool ok = object != NULL;
    if (ok && rotation->wish.reveal) {
        ok = json_object_set_new(object, "secret",
                                 json_stringn(rotation->wish.secret, rotation->wish.secret_len)) ==
             0;
    }
    ok = ok && json_dumpf(object, ctl->out, JSON_INDENT(2)) == 0 && fputc('\n', ctl->out) != EOF;
    json_decref(object);
    return ok ? CTL_DONE : ctl_fail(ctl, "cannot write the answer");
}

/* As JSON, the answer is printed also when the gateway failed us: the ring is changed. */
static int finish(struct ctl *ctl, const struct rotation *rotation)
{
    const char *gateway;
    if (!rotation->json) {
        say(ctl, rotation);
        return secret_await_and_say(ctl, rotation->wish.config);
    }
    int status = secret_await(ctl, rotation->wish.config, &gateway);
    int printed = print_json(ctl, rotation, gateway);
    return status != CTL_DONE ? status : printed;
}

static int run(struct ctl *ctl, struct rotation *rotation)
{
    struct result why = RESULT_INIT;
    struct config *config = ctl_config(ctl);
    if (config == NULL) {
        return CTL_FAILED;
    }
    rotation->wish.config = config;
    rotation->now_s = clock_wall_s();
    secret_read_use(ctl, config, &rotation->report);
    int status = secret_wish_random(&rotation->wish, &why)
                     ? secret_edit(ctl, config, rotate, rotation)
                     : ctl_fail(ctl, "%s", why.text);
    if (status == CTL_DONE) {
        status = finish(ctl, rotation);
    }
    key_usage_report_free(&rotation->report);
    secret_wish_free(&rotation->wish);
    config_free(config);
    return status;
}

/* A bare number would be seconds; who types 30 means days. */
static bool take_grace(const char *text, int64_t *seconds, struct result *why)
{
    if (!when_length("--grace", text, seconds, why)) {
        return false;
    }
    return *seconds == 0 || text[strspn(text, "0123456789 ")] != '\0' ||
           result_fail(why, "--grace %.40s has no unit: 30d are days, 12h hours, 90s seconds",
                       text);
}

int secret_rotate(struct ctl *ctl, int argc, char **argv)
{
    const char *grace = NULL;
    struct result why = RESULT_INIT;
    struct rotation rotation = {.wish = {.state = KEY_ACTIVE}};
    struct secret_wish *wish = &rotation.wish;
    const struct ctl_option options[] = {
        {"--grace", NULL, &grace},          {"--id", NULL, &wish->id},
        {"--label", NULL, &wish->label},    {"--note", NULL, &wish->note},
        {"--force", &rotation.force, NULL}, {"--reveal", &wish->reveal, NULL},
        {"--json", &rotation.json, NULL}};
    int status = secret_options(ctl, argc, argv, options, 7, NULL);
    if (status >= 0) {
        return status;
    }
    if (!take_grace(grace != NULL ? grace : GRACE_DEFAULT, &rotation.grace_s, &why)) {
        return ctl_wrong_use(ctl, "secret", "%s", why.text);
    }
    status = secret_wish_check(ctl, wish, NULL);
    return status == CTL_DONE ? run(ctl, &rotation) : status;
}
