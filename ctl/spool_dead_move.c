/* spool_dead_move.c: sigpostctl spool dead retry and drop. Moving a letter is a rename and dropping
 * it a removal, both safe beside a running gateway: what it sends is in its memory by then. */
#include "ctl/spool_letters.h"

#include <errno.h>
#include <string.h>

#define OPERANDS_MAX 4096

/* Does the configuration still send this letter's signal to its destination? Nobody would pick the
 * letter up otherwise. */
static bool has_taker(const struct config *config, const char *dir, const char *name,
                      struct result *why)
{
    struct buf file = BUF_INIT;
    struct dead_letter letter;
    bool taken = false;
    if (!dead_letter_read(dir, name, &file, &letter, why)) {
        buf_free(&file);
        return false;
    }
    for (size_t i = 0; i < config->export.n_destinations && !taken; i++) {
        const struct config_destination *d = &config->export.destinations[i];
        taken = d->type == CONFIG_DESTINATION_OTLP && slice_eq_str(letter.destination, d->name) &&
                (d->signals & SPOOL_SIGNAL(letter.signal)) != 0;
    }
    if (!taken) {
        result_fail(why,
                    "it is for the destination \"%.*s\", which is not configured, or takes no %s; "
                    "nobody would send it",
                    letter.destination.len < 64 ? (int)letter.destination.len : 64,
                    letter.destination.data != NULL ? letter.destination.data : "",
                    signal_info(letter.signal)->name);
    }
    buf_free(&file);
    return taken;
}

static bool put_back(const struct config *config, const char *dir,
                     const struct spool_letter *letter, struct result *why)
{
    if (config != NULL && !has_taker(config, dir, letter->name, why)) {
        return false;
    }
    return letter->put_back || dead_letter_put_back(dir, letter->name, why);
}

/* A letter that is gone meanwhile needs nothing done to it. */
static bool do_one(struct ctl *ctl, const struct config *config,
                   const struct spool_letters *letters, const struct spool_letter *letter,
                   bool retry)
{
    struct result why = RESULT_INIT;
    const char *dir = spool_letter_dir(letters, letter);
    const char *word = letter->put_back ? "already put back" : "put back";
    errno = 0;
    bool done =
        retry ? put_back(config, dir, letter, &why) : dead_letter_remove(dir, letter->name, &why);
    if (!done) {
        bool gone = errno == ENOENT;
        ctl_warn(ctl, "%s%s %s", letter->name, gone ? "" : ":",
                 gone ? spool_letter_gone_text(letter) : why.text);
        return gone;
    }
    fprintf(ctl->out, "%s ", retry ? word : "dropped");
    ctl_put_text(ctl->out, slice_of(letter->name));
    fputc('\n', ctl->out);
    return true;
}

static int judge(struct ctl *ctl, size_t done, size_t n, bool retry)
{
    if (done == n) {
        return CTL_DONE;
    }
    return done != 0 ? CTL_FAILED
                     : ctl_fail(ctl, "no letter was %s", retry ? "put back" : "dropped");
}

/* Each name is looked up before anything is done: a mistyped one changes nothing. */
static int do_named(struct ctl *ctl, const struct config *config,
                    const struct spool_letters *letters, const char **wanted, size_t n, bool retry)
{
    static const struct spool_letter *found[OPERANDS_MAX];
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        found[i] = spool_letter_find(ctl, letters, wanted[i]);
        if (found[i] == NULL) {
            return CTL_FAILED;
        }
    }
    for (size_t i = 0; i < n; i++) {
        done += do_one(ctl, config, letters, found[i], retry);
    }
    return judge(ctl, done, n, retry);
}

/* For a retry those that were put back need nothing; for a drop they are letters like the others,
 * and count towards the same limit. */
static int do_all(struct ctl *ctl, const struct config *config, const struct spool_letters *letters,
                  bool retry)
{
    size_t done = 0, n = 0;
    for (size_t i = 0; i < letters->n; i++) {
        if (!retry || !letters->all[i].put_back) {
            n++;
            done += do_one(ctl, config, letters, &letters->all[i], retry);
        }
    }
    return judge(ctl, done, n, retry);
}

int spool_dead_move(struct ctl *ctl, int argc, char **argv, bool retry)
{
    static const char *wanted[OPERANDS_MAX];
    bool all = false;
    const char *dir = NULL;
    size_t n = 0;
    struct spool_letters letters;
    struct config *config = NULL;
    const struct ctl_option options[] = {{"--all", &all, NULL}, {"--dir", NULL, &dir}};
    int status = ctl_options(ctl, "spool dead", SPOOL_DEAD_HELP, argc, argv, options, 2, wanted,
                             OPERANDS_MAX, &n);
    if (status >= 0) {
        return status;
    }
    if ((n != 0) == all) {
        return ctl_wrong_use(ctl, "spool dead", "%s takes names of letters, or --all", argv[0]);
    }
    status = spool_letters_open(ctl, dir, &letters);
    if (status == CTL_DONE && retry && dir == NULL) {
        config = ctl_config(ctl);
        status = config != NULL ? CTL_DONE : CTL_FAILED;
    }
    if (status == CTL_DONE) {
        status = all ? do_all(ctl, config, &letters, retry)
                     : do_named(ctl, config, &letters, wanted, n, retry);
    }
    config_free(config);
    spool_letters_close(&letters);
    return status;
}
