/* fleet_hash.c: see fleet_hash.h. Words are read as little-endian whatever the machine. */
#include "otlp/fleet/fleet_hash.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static uint64_t load(const uint8_t *p, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        word |= (uint64_t)p[i] << (8 * i);
    }
    return word;
}

static void rounds(struct sip *s, unsigned n)
{
    while (n-- > 0) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

static void compress(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    rounds(s, 2);
    s->v0 ^= word;
}

struct fleet_hash fleet_hash(const uint8_t seed[FLEET_SEED_BYTES], const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint64_t k0 = load(seed, 8);
    uint64_t k1 = load(seed + 8, 8);
    struct sip s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
                    k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    size_t whole = len / 8 * 8;
    for (size_t at = 0; at < whole; at += 8) {
        compress(&s, load(p + at, 8));
    }
    uint64_t tail = len > whole ? load(p + whole, len - whole) : 0;
    compress(&s, tail | (uint64_t)(len & 0xff) << 56);
    s.v2 ^= 0xee;
    rounds(&s, 4);
    struct fleet_hash out = {s.v0 ^ s.v1 ^ s.v2 ^ s.v3, 0};
    s.v1 ^= 0xdd;
    rounds(&s, 4);
    out.high = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
    return out;
}
