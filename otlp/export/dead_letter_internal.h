/* dead_letter_internal.h: what the files of the dead letter directory share. */
#ifndef SIGPOST_OTLP_DEAD_LETTER_INTERNAL_H
#define SIGPOST_OTLP_DEAD_LETTER_INTERNAL_H

#include "otlp/export/dead_letter.h"

#define DEAD_LETTER_SUFFIX ".dead"

bool dead_letter_is_name(const char *name);

/* Makes the directory when it is missing; its descriptor, or -1 and a sentence. */
int dead_letter_open_dir(const char *dir, struct result *why);

/* Calls visit for each letter of the open directory, until it says false. False and errno when it
 * did, or when the directory cannot be read. */
bool dead_letter_each(int dir_fd, bool (*visit)(void *arg, int dir_fd, const char *name),
                      void *arg);

/* Bytes of that letter; 0 when it is not there. */
uint64_t dead_letter_size(int dir_fd, const char *name);

#endif
