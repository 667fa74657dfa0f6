/* process.h: what a process settles for all of itself before it starts its work. */
#ifndef SIGPOST_BASE_PROCESS_H
#define SIGPOST_BASE_PROCESS_H

/* No core file is ever written of this process, and no other of the same user may read its memory,
 * its environment or its descriptors (ptrace, /proc). At the start of main; root may still look. */
void process_forbid_dumps(void);

/* Freed memory stays with the process, up to 4 MiB a thread: a busy gateway frees and takes some
 * hundred KiB many times a second, and new pages from the kernel cost more than the work done in
 * them. Before the first thread is started. */
void process_keep_memory(void);

#endif
