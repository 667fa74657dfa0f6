/* housekeeper.h: the main thread's life after the start: signals, reloads, expiry. */
#ifndef SIGPOST_GATEWAY_HOUSEKEEPER_H
#define SIGPOST_GATEWAY_HOUSEKEEPER_H

#include "gateway/gateway.h"

/* Blocks the signals that the housekeeper takes (SIGTERM, SIGINT, SIGHUP), for this thread and
 * those it will start, and ignores SIGPIPE and SIGXFSZ. Before any thread is started. */
void housekeeper_block_signals(void);

/* Reloads keys when their files change and the configuration on SIGHUP, expires sessions and slots,
 * looks at the templates. Returns 0 when SIGTERM or SIGINT asked for a stop, 1 when the spool
 * failed and the process must restart. config_path: as given to config_load. */
int housekeeper_run(struct gateway *gateway, const char *config_path);

/* From now on a further SIGTERM or SIGINT ends the process at once: what was answered 200 is on
 * disk. */
void housekeeper_end_on_second_signal(void);

#endif
