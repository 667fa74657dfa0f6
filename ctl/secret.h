/* secret.h: what the verbs of "secret" share. Internal to ctl/.
 *
 *   secret.c           the table of verbs; changing the ring, and waiting until the gateway has it
 *   secret_new.c       a key to be made: its id, its secret, room for it
 *   secret_use.c       who still uses a key
 *   secret_VERB.c      as they say; init is in secret_add.c, retire and revoke in secret_end.c,
 *                      list and show in secret_show.c
 */
#ifndef SIGPOST_CTL_SECRET_H
#define SIGPOST_CTL_SECRET_H

#include "ctl/ctl.h"
#include "secrets/key_usage.h"
#include "secrets/keyring_file.h"

/* The verbs. argv[0] is the verb. */
int secret_init(struct ctl *ctl, int argc, char **argv);
int secret_add(struct ctl *ctl, int argc, char **argv);
int secret_import(struct ctl *ctl, int argc, char **argv);
int secret_export(struct ctl *ctl, int argc, char **argv);
int secret_rotate(struct ctl *ctl, int argc, char **argv);
int secret_promote(struct ctl *ctl, int argc, char **argv);
int secret_retire(struct ctl *ctl, int argc, char **argv);
int secret_revoke(struct ctl *ctl, int argc, char **argv);
int secret_list(struct ctl *ctl, int argc, char **argv);
int secret_show(struct ctl *ctl, int argc, char **argv);

/* ctl_options for verbs with at most one operand; *operand is NULL without one. */
int secret_options(struct ctl *ctl, int argc, char **argv, const struct ctl_option *options,
                   size_t n_options, const char **operand);
/* The same where the operand is the id of a key, and must be there. */
int secret_options_id(struct ctl *ctl, int argc, char **argv, const struct ctl_option *options,
                      size_t n_options, const char **id);

typedef bool secret_edit_fn(struct key_list *list, bool missing, void *arg, struct result *why);

/* Changes the ring file; the state directory is made where it is missing. CTL_DONE, or CTL_FAILED
 * after a line on err: the ring is as it was, or the line says that it is not. */
int secret_edit(struct ctl *ctl, const struct config *config, secret_edit_fn *edit, void *arg);

/* Waits until the running gateway has the ring that secret_edit wrote. CTL_DONE when it has, or
 * when none is running; *word gets "taken" or "none". CTL_FAILED after a line on err otherwise. */
int secret_await(struct ctl *ctl, const struct config *config, const char **word);

/* secret_await, and a line on out that tells it. */
int secret_await_and_say(struct ctl *ctl, const struct config *config);

/* The entry of the ring with that id; NULL and a sentence that tells keys of the environment and of
 * the secret file from unknown ones. */
struct key_entry *secret_find(const struct key_list *list, const char *id, struct result *why);

/* The id under which a secret outside the ring is accepted: "env", "file", or NULL for none. */
const char *secret_single(const struct config *config);

/* False and a sentence when the clock is behind a key's day of making: dates that count from now
 * would be wrong. */
bool secret_check_clock(const struct key_list *list, int64_t now_s, struct result *why);

/* --- a key to be made (secret_new.c) --- */

#define SECRET_SINGLES_MAX 2 /* of the environment, of the secret file */

struct secret_wish {
    const char *id; /* NULL: today's date */
    const char *label;
    const char *note;
    enum key_state state;
    bool reveal;
    const struct config *config;
    char *secret; /* secure heap; owned */
    size_t secret_len;
    size_t made_len;                        /* of the trimmed secret, after secret_wish_add */
    char made_id[SIGNATURE_KEY_ID_MAX + 1]; /* after secret_wish_add */
    /* Keys that had to make room: one, or one more for each single secret that came since. */
    char dropped[SECRET_SINGLES_MAX + 1][SIGNATURE_KEY_ID_MAX + 1];
    size_t n_dropped;
};

/* What was given, before anything is done. state may be NULL. CTL_DONE or CTL_WRONG_USE. */
int secret_wish_check(struct ctl *ctl, struct secret_wish *wish, const char *state);

#define SECRET_INPUT_MAX (2 * (size_t)KEY_SECRET_MAX) /* room for white space around it */

/* Fills in the secret: random, or all of a stream (`name` for sentences), at most SECRET_INPUT_MAX
 * bytes. False and a sentence. */
bool secret_wish_random(struct secret_wish *wish, struct result *why);
bool secret_wish_read(struct secret_wish *wish, FILE *in, const char *name, struct result *why);

/* Appends the key, made now; the oldest of those that have ended makes room in a full ring. A
 * single secret that the ring does not hold takes a place, too: with one too many the gateway would
 * not start. NULL and a sentence. */
struct key_entry *secret_wish_add(struct secret_wish *wish, struct key_list *list,
                                  struct result *why);

/* "key ID is STATE in FILE", and with reveal its secret. */
void secret_wish_say(struct ctl *ctl, const struct secret_wish *wish);
void secret_wish_free(struct secret_wish *wish);

/* --- who still uses a key (secret_use.c) --- */

/* Reads what the gateway counted. An empty report, and a warning on err, when that is damaged: it
 * must not stand between an operator and a key to be revoked. Free with key_usage_report_free. */
void secret_read_use(struct ctl *ctl, const struct config *config, struct key_usage_report *report);

/* False and a sentence when more than 1 % of the week's requests used the key. A warning on err
 * when it is more than none. `act` is what is about to be done: "revoking". */
bool secret_check_use(struct ctl *ctl, const struct key_usage_report *report, const char *id,
                      const char *act, bool force, struct result *why);

/* For a ring file that is not there. False and a sentence, with `more` behind it, when requests
 * were verified with keys of one: it was lost, and a new ring would refuse the clients of the old.
 */
#define SECRET_OR_FORCE "; to begin a new ring instead, use --force"
bool secret_check_lost(const char *ring_file, const struct key_usage_report *report,
                       const char *more, struct result *why);

/* "12.3 %", "< 0.1 %", "0 %"; "-" of nothing. */
#define SECRET_SHARE_MAX 16
const char *secret_share(uint64_t part, uint64_t whole, char out[SECRET_SHARE_MAX]);

#endif
