/* secret_use.c: who still uses a key, as the gateway counted it; see secret.h. */
#include "ctl/secret.h"

#include "base/clock.h"
#include "ctl/when.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* More than one request in so many still uses the key: ask for --force. */
#define FORCE_ONE_IN 100

void secret_read_use(struct ctl *ctl, const struct config *config, struct key_usage_report *report)
{
    struct result why = RESULT_INIT;
    char path[PATH_MAX];
    *report = (struct key_usage_report){.since_s = KEY_TIME_NONE};
    if (snprintf(path, sizeof(path), "%s/" KEY_USAGE_FILE_NAME, config->state.dir) >=
        (int)sizeof(path)) {
        return; /* nothing can be there */
    }
    if (!key_usage_read(path, clock_wall_s(), report, &why)) {
        ctl_warn(ctl, "who uses the keys is not known: %s%s", why.text, ctl_remedy(&why));
    }
}

const char *secret_share(uint64_t part, uint64_t whole, char out[SECRET_SHARE_MAX])
{
    double percent = whole != 0 ? 100.0 * (double)part / (double)whole : 0;
    if (whole == 0) {
        snprintf(out, SECRET_SHARE_MAX, "-");
    } else if (part == 0 || part == whole) {
        snprintf(out, SECRET_SHARE_MAX, part == 0 ? "0 %%" : "100 %%");
    } else if (percent < 0.1) {
        snprintf(out, SECRET_SHARE_MAX, "< 0.1 %%");
    } else {
        snprintf(out, SECRET_SHARE_MAX, "%.1f %%", percent > 99.9 ? 99.9 : percent);
    }
    return out;
}

bool secret_check_lost(const char *ring_file, const struct key_usage_report *report,
                       const char *more, struct result *why)
{
    for (size_t i = 0; i < report->n; i++) {
        const char *id = report->keys[i].id;
        if (strcmp(id, "env") != 0 && strcmp(id, "file") != 0) {
            return result_fail(
                why,
                "the ring file %.250s is missing, though requests were verified with "
                "its key %s: restore it from the backup first (docs/rotation.md)%s",
                ring_file, id, more);
        }
    }
    return true;
}

bool secret_check_use(struct ctl *ctl, const struct key_usage_report *report, const char *id,
                      const char *act, bool force, struct result *why)
{
    char share[SECRET_SHARE_MAX];
    char ago[WHEN_TEXT_MAX];
    const struct key_usage_key *use = key_usage_find(report, slice_of(id));
    if (use == NULL || use->week == 0) {
        return true;
    }
    int64_t since_s = clock_wall_s() - use->last_used_s;
    secret_share(use->week, report->week, share);
    when_text(since_s > 0 ? since_s : 0, ago);
    /* part / whole > 1 / FORCE_ONE_IN, without a product that could wrap. */
    bool many = use->week > report->week / FORCE_ONE_IN;
    if (many && !force) {
        return result_fail(why,
                           "%s of the week's requests (%" PRIu64 ") used key %s, the last one %s "
                           "ago; see who: sigpostctl secret show %s; %s it anyway takes --force",
                           share, use->week, id, ago, id, act);
    }
    ctl_warn(ctl,
             "%s of the week's requests (%" PRIu64 ") used key %s, the last one %s ago: such "
             "clients are refused once it has ended",
             share, use->week, id, ago);
    return true;
}
