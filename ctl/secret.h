/* secret.h: the verbs of "secret" that show keys. Internal to ctl/. */
#ifndef SIGPOST_CTL_SECRET_H
#define SIGPOST_CTL_SECRET_H

#include "ctl/ctl.h"
#include "secrets/keyring_file.h"

/* Each prints to ctl->out and returns the exit status. */
int secret_print_list(struct ctl *ctl, bool json);
int secret_print_key(struct ctl *ctl, const char *id, bool reveal);

#endif
