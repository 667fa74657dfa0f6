/* process.h: what a process that holds secrets does before it reads the first one. */
#ifndef SIGPOST_BASE_PROCESS_H
#define SIGPOST_BASE_PROCESS_H

/* No core file is ever written of this process, and no other of the same user may read its memory,
 * its environment or its descriptors (ptrace, /proc). At the start of main; root may still look. */
void process_forbid_dumps(void);

#endif
