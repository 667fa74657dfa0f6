/* keyed_hash.h: SipHash-1-3 with a random key, for tables whose keys strangers choose: without the
 * key nobody can aim many of them at one bucket. About 10 ns for a 36-byte id. Pure but for
 * keyed_hash_init.
 */
#ifndef SIGPOST_SESSION_KEYED_HASH_H
#define SIGPOST_SESSION_KEYED_HASH_H

#include "base/slice.h"

#include <stdint.h>

struct keyed_hash {
    uint64_t key[2];
};

/* A fresh key from the kernel's random numbers. */
void keyed_hash_init(struct keyed_hash *hash);

uint64_t keyed_hash_bytes(const struct keyed_hash *hash, struct slice bytes);

/* 128 bits, in the time of 64: for ids that nobody compares the bytes for. Not an extension of the
 * shorter hash. */
void keyed_hash_wide(const struct keyed_hash *hash, struct slice bytes, uint64_t out[2]);

#endif
