/* watchdog.h: the end of a stop that does not end.
 *
 * An orderly stop waits for the disk: for the answers that it owes and for the last sync. A disk
 * that hangs would hold it up for ever, and with it the restart. What was answered 200 is on disk
 * before the answer, so that a process may be ended at any moment without losing any of it.
 */
#ifndef SIGPOST_GATEWAY_WATCHDOG_H
#define SIGPOST_GATEWAY_WATCHDOG_H

#include "base/clock.h"

#include <stdint.h>

/* What closing connections, cursors and the last sync may take behind the drain's deadline. */
#define WATCHDOG_GRACE_NS (3 * NS_PER_SECOND)

/* Ends the process with exit status 1 and a line in the log WATCHDOG_GRACE_NS after the monotonic
 * deadline, unless it has ended by then. Once. */
void watchdog_start(int64_t deadline_mono_ns);

#endif
