/* model_hole.h: a sector of the newest segment that became zeros. */
#ifndef SIGPOST_TESTS_MODEL_HOLE_H
#define SIGPOST_TESTS_MODEL_HOLE_H

#include <stddef.h>
#include <stdint.h>

#define HOLE_LOST_MAX 16

/* Writes zeros over one of the sectors of 512 bytes of the newest segment in `dir` that lie before
 * its last sound record; that one is left whole, as nothing else would tell the hole from the end.
 * Between lives, on a disk that is not frozen; the zeros are durable. Puts the numbers of the
 * records that were hit into lost[], and returns how many. */
size_t model_hole(const char *dir, uint64_t *random, uint64_t lost[HOLE_LOST_MAX]);

#endif
