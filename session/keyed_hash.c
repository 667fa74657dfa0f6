/* keyed_hash.c: see keyed_hash.h. SipHash as in Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", with one compression and three finalisation rounds, the usual choice for hash
 * tables.
 */
#include "session/keyed_hash.h"

#include "base/clock.h"

#include <endian.h>
#include <stdint.h>
#include <unistd.h>

static inline uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/* Up to 8 bytes as a little-endian number. With a len that the compiler sees to be 8 this is one
 * instruction; were it gathered byte by byte, hashing would take three times as long. */
static inline uint64_t load(const char *bytes, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, bytes, len);
    return le64toh(word);
}

void keyed_hash_init(struct keyed_hash *hash)
{
    if (getentropy(hash->key, sizeof(hash->key)) != 0) {
        /* Only kernels before 3.17 and odd sandboxes come here: what an outsider cannot see well
         * is better than a constant. */
        hash->key[0] = (uint64_t)clock_mono_ns() ^ (uint64_t)(uintptr_t)hash;
        hash->key[1] =
            (uint64_t)clock_wall_ns() * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)getpid();
    }
}

/* The state after all bytes, before it is finished. `wide` tells the two lengths of hash apart. */
static inline void absorb(const struct keyed_hash *hash, struct slice bytes, uint64_t wide,
                          uint64_t v[4])
{
    v[0] = hash->key[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = hash->key[1] ^ UINT64_C(0x646f72616e646f6d) ^ wide;
    v[2] = hash->key[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = hash->key[1] ^ UINT64_C(0x7465646279746573);
    size_t whole = bytes.len / 8 * 8;
    for (size_t at = 0; at < whole; at += 8) {
        uint64_t word = load(bytes.data + at, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)bytes.len << 56;
    if (bytes.len > whole) {
        last |= load(bytes.data + whole, bytes.len - whole);
    }
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
}

static inline uint64_t squeeze(uint64_t v[4])
{
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t keyed_hash_bytes(const struct keyed_hash *hash, struct slice bytes)
{
    uint64_t v[4];
    absorb(hash, bytes, 0, v);
    v[2] ^= 0xff;
    return squeeze(v);
}

void keyed_hash_wide(const struct keyed_hash *hash, struct slice bytes, uint64_t out[2])
{
    uint64_t v[4];
    absorb(hash, bytes, 0xee, v);
    v[2] ^= 0xee;
    out[0] = squeeze(v);
    v[1] ^= 0xdd;
    out[1] = squeeze(v);
}
