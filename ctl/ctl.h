/* ctl.h: sigpostctl, one file a noun, and what the nouns share.
 *
 * A verb gets the streams in struct ctl, so that tests can drive it as a function, and returns the
 * exit status. One line on `err` says why it is not 0.
 */
#ifndef SIGPOST_CTL_CTL_H
#define SIGPOST_CTL_CTL_H

#include "base/config.h"
#include "base/result.h"
#include "base/slice.h"
#include "secrets/keyring.h"

#include <stdbool.h>
#include <stdio.h>

enum ctl_exit { CTL_DONE = 0, CTL_FAILED = 1, CTL_WRONG_USE = 2 };

struct ctl {
    FILE *in;
    FILE *out;
    FILE *err;
    char *const *environment; /* NAME=value, ended by NULL */
    const char *config_path;  /* -c; NULL: the default file, if it is there */
    bool list_options;        /* ctl_options prints the names of the options instead */
};

/* The whole program: options before the noun, then the noun's own. */
int ctl_run(struct ctl *ctl, int argc, char **argv);

/* The help of the program; the name of noun number i, NULL behind the last; its help, NULL when out
 * of memory, which the caller frees. */
const char *ctl_help(void);
const char *ctl_noun_name(size_t i);
char *ctl_noun_help(const struct ctl *ctl, size_t i);

/* The nouns. argv[0] is the noun (or the noun's verb). */
int ctl_sign(struct ctl *ctl, int argc, char **argv);
int ctl_verify(struct ctl *ctl, int argc, char **argv);
int ctl_explain(struct ctl *ctl, int argc, char **argv);
int ctl_doctor(struct ctl *ctl, int argc, char **argv);
int ctl_health(struct ctl *ctl, int argc, char **argv);
int ctl_spool(struct ctl *ctl, int argc, char **argv);
int ctl_secret(struct ctl *ctl, int argc, char **argv);

/* Write "sigpostctl: sentence" and return CTL_FAILED, or CTL_WRONG_USE with where to find help. */
int ctl_fail(struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ctl_wrong_use(struct ctl *ctl, const char *help_of, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What the user can do where the system did not let this one at a file: text to put behind the
 * sentence; empty where the failure was another. */
const char *ctl_remedy(const struct result *why);

/* ctl_fail with the sentence of a lower room and its remedy. */
int ctl_fail_why(struct ctl *ctl, const struct result *why);

/* Writes "sigpostctl: warning: sentence" to err. */
void ctl_warn(struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes text that came from outside with the bytes of control characters, and those that are no
 * UTF-8, as "\xNN": a terminal obeys none. */
void ctl_put_text(FILE *out, struct slice text);

/* One option of a verb: a flag, or one with a value. */
struct ctl_option {
    const char *name;   /* "--session" */
    bool *flag;         /* set when there; or */
    const char **value; /* the text behind it, "--name value" or "--name=value" */
};

/* Reads options in any place and collects the rest in order; "--" ends the options. At most
 * max_rest operands. "--help" or "-h" prints `help` to out. Returns -1 to go on, else the exit
 * status. `verb` names it in sentences: "sign". */
int ctl_options(struct ctl *ctl, const char *verb, const char *help, int argc, char **argv,
                const struct ctl_option *options, size_t n_options, const char **rest,
                size_t max_rest, size_t *n_rest);

/* The configuration that the daemon would read; NULL after a line on err. Free with config_free. */
struct config *ctl_config(struct ctl *ctl);

/* The sources that the daemon would read; borrows from config. */
struct keyring_sources ctl_sources(const struct config *config);

/* The ring and a reader of it. */
struct ctl_keys {
    struct keyring *ring;
    struct keyring_reader *reader;
};
/* CTL_DONE, or the exit status after a line on err; free with ctl_keys_close in both cases. */
int ctl_keys_open(struct ctl *ctl, const struct config *config, struct ctl_keys *keys);
void ctl_keys_close(struct ctl_keys *keys);

#endif
