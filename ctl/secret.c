/* secret.c: sigpostctl secret: the table of verbs, and what those that change the ring share; see
 * secret.h. */
#include "ctl/secret.h"

#include "base/clock.h"
#include "ctl/when.h"
#include "secrets/keyring_receipt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "sigpostctl secret init [--id NAME] [--label TEXT] [--note TEXT] [--reveal]\n"
    "      makes the ring file with one active key: 32 random bytes in hex\n"
    "sigpostctl secret list [--json] [--ids]\n"
    "      all keys, those of the environment and of the secret file as well, and who uses them\n"
    "sigpostctl secret show ID [--reveal] [--json]\n"
    "      one key; its secret only with --reveal\n"
    "sigpostctl secret add [--id NAME] [--label TEXT] [--note TEXT] [--stdin] [--reveal]\n"
    "                      [--state pending|active|revoked] [--force]\n"
    "      one more key, random or read from standard input\n"
    "sigpostctl secret rotate [--grace LENGTH] [--id NAME] [--label TEXT] [--note TEXT] [--force]\n"
    "                         [--reveal] [--json]\n"
    "      makes a new active key and gives the newest active one of the same label an end;\n"
    "      refused while another key of that label is in its grace period, and without --label\n"
    "      where active keys have several\n"
    "sigpostctl secret promote ID\n"
    "      makes a pending or retiring key active from now on\n"
    "sigpostctl secret retire ID [--at WHEN] [--force]\n"
    "      gives a key an end: now, or later\n"
    "sigpostctl secret revoke ID [--force]\n"
    "      ends a key now and for good\n"
    "sigpostctl secret import FILE [--id NAME] [--label TEXT] [--note TEXT]\n"
    "                         [--state pending|active|revoked]\n"
    "      adds the secret that a file holds: alone, or in a line "
    "KOTORMODSYNC_SIGNING_SECRET=value;\n"
    "      - is standard input\n"
    "sigpostctl secret export ID --format raw|dotenv|docker|github [--reveal]\n"
    "      writes a key's secret for other programs; to a terminal only with --reveal\n"
    "\n"
    "  --id NAME        the new key's id: 1 to 64 of A-Z a-z 0-9 . _ - (today's date)\n"
    "  --label TEXT     becomes deployment.environment on what the key's clients send\n"
    "  --note TEXT      for people\n"
    "  --state STATE    of the new key (active)\n"
    "  --grace LENGTH   how long the old key is still accepted: 30d, 12h, 90s (30d)\n"
    "  --at WHEN        a day, 2026-12-31, which is its first second (00:00:00Z); a time,\n"
    "                   2026-12-31T12:00:00Z; a length from now on, 30d; or now\n"
    "  --format FORMAT  raw (the secret and a line break), dotenv "
    "(KOTORMODSYNC_SIGNING_SECRET=...),\n"
    "                   docker (no line break: for docker secret create NAME -),\n"
    "                   github (secret and key id: for gh secret set --env-file -)\n"
    "  --stdin          read the secret from standard input\n"
    "  --reveal         print the secret\n"
    "  --ids            only the ids, one a line\n"
    "  --json           for scripts: an array of objects (list), or one object\n"
    "  --force          do it although a grace period is open, more than 1 % of the week's "
    "requests\n"
    "                   use the key, no accepted key would be left, or the ring file is missing\n"
    "\n"
    "The ring file is secrets.keyring of the configuration. A verb that changes it returns when "
    "the\n"
    "running gateway has the new ring in force: from then on requests are verified with it.\n";

static const struct verb {
    const char *name;
    int (*run)(struct ctl *ctl, int argc, char **argv);
} verbs[] = {{"init", secret_init},     {"list", secret_list},     {"show", secret_show},
             {"add", secret_add},       {"rotate", secret_rotate}, {"promote", secret_promote},
             {"retire", secret_retire}, {"revoke", secret_revoke}, {"import", secret_import},
             {"export", secret_export}};
#define VERB_NAMES "init, list, show, add, rotate, promote, retire, revoke, import, export"

/* A daemon under load and sanitizers takes a ring in well under a second. */
#define AWAIT_MS 5000

#define CLOCK_SLACK_S 300
#define OPERANDS_READ 16

int ctl_secret(struct ctl *ctl, int argc, char **argv)
{
    if (argc < 2) {
        return ctl_wrong_use(ctl, "secret", "a verb is missing: " VERB_NAMES);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, ctl->out);
        return CTL_DONE;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            return verbs[i].run(ctl, argc - 1, argv + 1);
        }
    }
    return ctl_wrong_use(ctl, "secret", "unknown verb \"%s\"; there are: " VERB_NAMES, argv[1]);
}

int secret_options(struct ctl *ctl, int argc, char **argv, const struct ctl_option *options,
                   size_t n_options, const char **operand)
{
    const char *rest[OPERANDS_READ] = {NULL};
    size_t n_rest;
    size_t wanted = operand != NULL ? 1 : 0;
    int status = ctl_options(ctl, "secret", help, argc, argv, options, n_options, rest,
                             OPERANDS_READ, &n_rest);
    if (operand != NULL) {
        *operand = rest[0];
    }
    /* What is too many may be a secret: it is not said again. */
    return status < 0 && n_rest > wanted
               ? ctl_wrong_use(ctl, "secret",
                               "%zu operand%s too many; secrets are read from standard input or "
                               "files only",
                               n_rest - wanted, n_rest - wanted == 1 ? " is" : "s are")
               : status;
}

int secret_options_id(struct ctl *ctl, int argc, char **argv, const struct ctl_option *options,
                      size_t n_options, const char **id)
{
    int status = secret_options(ctl, argc, argv, options, n_options, id);
    return status < 0 && *id == NULL ? ctl_wrong_use(ctl, "secret", "the id of the key is missing")
                                     : status;
}

/* Makes the state directory, not its parents: a wrong path should be noticed. */
static bool make_directory(const char *path, struct result *why)
{
    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST ||
               result_fail_errno(why, errno, "%s: cannot make the directory", path);
    }
    char parent[PATH_MAX];
    if (snprintf(parent, sizeof(parent), "%s/..", path) < (int)sizeof(parent)) {
        int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            (void)fsync(fd); /* the ring file's own sync follows; a lost directory is made again */
            close(fd);
        }
    }
    return true;
}

/* An edit under way, and what stood in the ring file before it. */
struct editing {
    const char *path;
    secret_edit_fn *edit;
    void *arg;
    bool refused; /* by `edit`, whose sentence is enough: it changes nothing */
    bool accepted;
    struct stat before; /* if accepted */
};

/* What tells one ring file from the next; zeros where there is none. */
static void look_at_ring(const char *path, struct stat *out)
{
    if (stat(path, out) != 0) {
        *out = (struct stat){.st_ino = 0};
    }
}

static bool edit_and_note(struct key_list *list, bool missing, void *arg, struct result *why)
{
    struct editing *editing = arg;
    look_at_ring(editing->path, &editing->before);
    editing->accepted = editing->edit(list, missing, editing->arg, why);
    editing->refused = !editing->accepted;
    return editing->accepted;
}

/* Only the last step, the sync of the directory, can fail behind the change. */
static bool is_changed(const struct editing *editing)
{
    struct stat now;
    look_at_ring(editing->path, &now);
    return editing->accepted && now.st_ino != editing->before.st_ino;
}

int secret_edit(struct ctl *ctl, const struct config *config, secret_edit_fn *edit, void *arg)
{
    struct result why = RESULT_INIT;
    struct editing editing = {.path = config->secrets.keyring, .edit = edit, .arg = arg};
    if (make_directory(config->state.dir, &why) &&
        keyring_file_edit(config->secrets.keyring, edit_and_note, &editing, &why)) {
        return CTL_DONE;
    }
    return ctl_fail(ctl, "%s%s%s", why.text, ctl_remedy(&why),
                    editing.refused        ? ""
                    : is_changed(&editing) ? "; the ring is changed, but a power cut may undo it"
                                           : "; the ring is not changed");
}

int secret_await(struct ctl *ctl, const struct config *config, const char **word)
{
    struct result why = RESULT_INIT;
    *word = "silent";
    switch (keyring_receipt_wait(config->state.dir, config->secrets.keyring, AWAIT_MS, &why)) {
    case KEYRING_TAKEN:
        *word = "taken";
        return CTL_DONE;
    case KEYRING_NOBODY:
        *word = "none";
        return CTL_DONE;
    case KEYRING_REFUSED:
        *word = "refused";
        return ctl_fail(ctl,
                        "the ring is changed, but the running gateway keeps its old keys: %.400s",
                        why.text);
    case KEYRING_WAITING:
        break;
    }
    return ctl_fail(ctl,
                    "the ring is changed, but the running gateway has not taken it within %d s; "
                    "look at its log, and send it SIGHUP",
                    AWAIT_MS / 1000);
}

int secret_await_and_say(struct ctl *ctl, const struct config *config)
{
    const char *word;
    fflush(ctl->out);
    int status = secret_await(ctl, config, &word);
    if (status == CTL_DONE && strcmp(word, "taken") == 0) {
        fputs("the running gateway has taken it\n", ctl->out);
    } else if (status == CTL_DONE) {
        fprintf(ctl->out, "no gateway runs on %s; it takes the ring when it starts\n",
                config->state.dir);
    }
    return status;
}

struct key_entry *secret_find(const struct key_list *list, const char *id, struct result *why)
{
    struct key_entry *entry = key_list_find(list, slice_of(id));
    if (entry == NULL && strcmp(id, "env") == 0) {
        result_fail(why, "the key \"env\" is the environment's and not in the ring; bring it in: "
                         "printenv KOTORMODSYNC_SIGNING_SECRET | sigpostctl secret import -");
    } else if (entry == NULL && strcmp(id, "file") == 0) {
        result_fail(why, "the key \"file\" is the secret file's and not in the ring; bring it in: "
                         "sigpostctl secret import FILE");
    } else if (entry == NULL) {
        result_fail(why, "there is no key \"%s\" in the ring; see: sigpostctl secret list", id);
    }
    return entry;
}

const char *secret_single(const struct config *config)
{
    struct result unused;
    struct key_entry single = {.secret = NULL};
    bool missing = false;
    if (config->secrets.signing_secret != NULL) {
        return "env";
    }
    bool read = secret_file_read(config->secrets.secret_file, &single, &missing, &unused);
    if (!read || missing) {
        return NULL;
    }
    key_entry_free(&single);
    return "file";
}

bool secret_check_clock(const struct key_list *list, int64_t now_s, struct result *why)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct key_entry *entry = &list->entries[i];
        if (entry->created != KEY_TIME_NONE && entry->created > now_s + CLOCK_SLACK_S) {
            char now[KEY_TIME_TEXT_MAX];
            char made[KEY_TIME_TEXT_MAX];
            key_time_format(now_s, now);
            key_time_format(entry->created, made);
            return result_fail(why,
                               "the clock says %s, but key %s was made at %s; set the clock, or "
                               "use --force",
                               now, entry->id, made);
        }
    }
    return true;
}
