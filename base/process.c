/* process.c: see process.h. Against dumps there are two belts: the limit alone does not hold where
 * core_pattern names a program, and PR_SET_DUMPABLE alone is undone by an exec. */
#include "base/process.h"

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define KEEP_BYTES (4 << 20)

void process_forbid_dumps(void)
{
    const struct rlimit none = {0, 0};
    /* Neither fails for lowering one's own; without them, the secrets are no less in memory. */
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* To set one of the two ends glibc's own adapting of both. */
void process_keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
}
