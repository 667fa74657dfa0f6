/* manual.h: what the build makes of sigpostctl's own help: its manual pages and its completion for
 * bash. Internal to ctl/. */
#ifndef SIGPOST_CTL_MANUAL_H
#define SIGPOST_CTL_MANUAL_H

#include "ctl/ctl.h"

/* sigpostctl(1), sigpost.cfg(5), and the completion, to ctl->out. The exit status. */
int ctl_print_manual(struct ctl *ctl);
int ctl_print_config_manual(struct ctl *ctl);
int ctl_print_completion(struct ctl *ctl);

#endif
