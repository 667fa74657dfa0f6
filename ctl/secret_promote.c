/* secret_promote.c: sigpostctl secret promote: a key that waited, or was on its way out, becomes
 * active. */
#include "ctl/secret.h"

#include "base/clock.h"

#include <string.h>

struct promotion {
    const char *id;
    bool was_active;
    char other_id[SIGNATURE_KEY_ID_MAX + 1]; /* another active key of the label; empty: none */
};

static void find_other(struct promotion *promotion, const struct key_list *list,
                       const struct key_entry *entry, int64_t now_s)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct key_entry *other = &list->entries[i];
        if (other != entry && other->state == KEY_ACTIVE &&
            key_entry_stage(other, now_s) == KEY_STAGE_ACCEPTED &&
            strcmp(other->label, entry->label) == 0) {
            memcpy(promotion->other_id, other->id, sizeof(promotion->other_id));
        }
    }
}

/* A retiring key's end was given by retire or rotate, and goes with that state; an active or
 * pending key's was planned, and stays. */
static bool promote(struct key_list *list, bool missing, void *arg, struct result *why)
{
    struct promotion *promotion = arg;
    int64_t now_s = clock_wall_s();
    (void)missing;
    struct key_entry *entry = secret_find(list, promotion->id, why);
    if (entry == NULL) {
        return false;
    }
    if (entry->state == KEY_REVOKED) {
        return result_fail(why,
                           "key %s is revoked, and stays so; make another: sigpostctl secret "
                           "rotate",
                           entry->id);
    }
    if (entry->state != KEY_RETIRING && entry->not_after != KEY_TIME_NONE &&
        entry->not_after < now_s) {
        char end[KEY_TIME_TEXT_MAX];
        key_time_format(entry->not_after, end);
        return result_fail(why, "key %s ended at %s; make another: sigpostctl secret rotate",
                           entry->id, end);
    }
    promotion->was_active =
        entry->state == KEY_ACTIVE && key_entry_stage(entry, now_s) == KEY_STAGE_ACCEPTED;
    if (entry->state == KEY_RETIRING) {
        entry->not_after = KEY_TIME_NONE;
    }
    if (entry->not_before != KEY_TIME_NONE && entry->not_before > now_s) {
        entry->not_before = KEY_TIME_NONE;
    }
    entry->state = KEY_ACTIVE;
    find_other(promotion, list, entry, now_s);
    return true;
}

int secret_promote(struct ctl *ctl, int argc, char **argv)
{
    struct promotion promotion = {.id = NULL};
    int status = secret_options_id(ctl, argc, argv, NULL, 0, &promotion.id);
    if (status >= 0) {
        return status;
    }
    struct config *config = ctl_config(ctl);
    status = config != NULL ? secret_edit(ctl, config, promote, &promotion) : CTL_FAILED;
    if (status == CTL_DONE) {
        fprintf(ctl->out, "key %s %s active in %s\n", promotion.id,
                promotion.was_active ? "was" : "is", config->secrets.keyring);
        if (promotion.other_id[0] != '\0') {
            fprintf(ctl->out,
                    "key %s is active, too; give it an end: sigpostctl secret retire %s --at 30d\n",
                    promotion.other_id, promotion.other_id);
        }
        status = secret_await_and_say(ctl, config);
    }
    config_free(config);
    return status;
}
