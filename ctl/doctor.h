/* doctor.h: what the rooms of sigpostctl doctor share: a list of checks, each good, to be mended,
 * or left out.
 */
#ifndef SIGPOST_CTL_DOCTOR_H
#define SIGPOST_CTL_DOCTOR_H

#include "ctl/ctl.h"

enum doctor_state { DOCTOR_GOOD, DOCTOR_FIX, DOCTOR_SKIPPED };

#define DOCTOR_CHECKS_MAX 16
#define DOCTOR_TEXT_MAX 700

struct doctor_check {
    const char *name;
    enum doctor_state state;
    char text[DOCTOR_TEXT_MAX]; /* what was found; and, to be mended, what to do */
};

struct doctor {
    const struct config *config;
    const char *base;    /* the gateway's URL without a slash at its end */
    const char *key_id;  /* the key to sign with; NULL: the newest */
    const char *ca_file; /* NULL: the system's */
    struct ctl_keys keys;
    struct doctor_check checks[DOCTOR_CHECKS_MAX];
    size_t n;
};

/* Appends a check's outcome. */
void doctor_add(struct doctor *doctor, const char *name, enum doctor_state state,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* keyring, state, spool: what lies on this machine. Opens the keys. */
void doctor_look_here(struct doctor *doctor);

/* reach, clock, export, ready, auth, collector: what the gateway answers. */
void doctor_ask_gateway(struct doctor *doctor);

#endif
