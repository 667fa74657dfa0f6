/* SipHash-1-3 against values computed apart from this code, and what the tables need of it. */
#include "session/keyed_hash.h"

#include <criterion/criterion.h>

/* Key 00 01 … 0f; message 00 01 … of the length. */
static const struct {
    size_t len;
    uint64_t hash;
} vectors[] = {
    {0, UINT64_C(0xabac0158050fc4dc)},  {1, UINT64_C(0xc9f49bf37d57ca93)},
    {7, UINT64_C(0xd3927d989bb11140)},  {8, UINT64_C(0x369095118d299a8e)},
    {9, UINT64_C(0x25a48eb36c063de4)},  {15, UINT64_C(0xd320d86d2a519956)},
    {16, UINT64_C(0xcc4fdd1a7d908b66)}, {36, UINT64_C(0x2cf508d3ada26206)},
    {64, UINT64_C(0xf17997ec4b4a6065)}, {128, UINT64_C(0xe17a5d57cbfa3a8f)},
};

Test(keyed_hash, known_values)
{
    struct keyed_hash hash = {{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    char message[128];
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (char)i;
    }
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        cr_expect_eq(keyed_hash_bytes(&hash, slice_make(message, vectors[i].len)), vectors[i].hash,
                     "length %zu", vectors[i].len);
    }
}

static const struct {
    size_t len;
    uint64_t words[2];
} wide_vectors[] = {
    {0, {UINT64_C(0xbea58827b2bc7ee7), UINT64_C(0x013030dd6adb62fd)}},
    {1, {UINT64_C(0xa8edd36004376ffc), UINT64_C(0x63f02f2bcc73055e)}},
    {7, {UINT64_C(0xc3e0aaf223b98410), UINT64_C(0x77ab4808c82e2fa6)}},
    {8, {UINT64_C(0xb4dae3d5e1fe12aa), UINT64_C(0x99c7f935ab164f72)}},
    {9, {UINT64_C(0x9439f32c04b8dd81), UINT64_C(0x427c1394000e72f4)}},
    {15, {UINT64_C(0x6c52bdb205557ec1), UINT64_C(0x09017e1eeccd2129)}},
    {16, {UINT64_C(0xeb8e511557d9a8d0), UINT64_C(0x93179e3df8b013b5)}},
    {36, {UINT64_C(0xda8e7102f010a137), UINT64_C(0x40f153e49e3f4bd2)}},
    {64, {UINT64_C(0x36a54a4bf2de5312), UINT64_C(0xc2666aba59a7c84e)}},
    {128, {UINT64_C(0x2fd6c34f5d08f70a), UINT64_C(0x9f8eecb8f6cea375)}},
};

Test(keyed_hash, known_wide_values)
{
    struct keyed_hash hash = {{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    char message[128];
    for (size_t i = 0; i < sizeof(message); i++) {
        message[i] = (char)i;
    }
    for (size_t i = 0; i < sizeof(wide_vectors) / sizeof(wide_vectors[0]); i++) {
        uint64_t words[2];
        keyed_hash_wide(&hash, slice_make(message, wide_vectors[i].len), words);
        cr_expect_arr_eq(words, wide_vectors[i].words, sizeof(words), "length %zu",
                         wide_vectors[i].len);
    }
}

Test(keyed_hash, every_table_has_its_own)
{
    struct keyed_hash a;
    struct keyed_hash b;
    keyed_hash_init(&a);
    keyed_hash_init(&b);
    cr_expect_neq(keyed_hash_bytes(&a, SLICE_LIT("x")), keyed_hash_bytes(&b, SLICE_LIT("x")));
    cr_expect_eq(keyed_hash_bytes(&a, SLICE_LIT("x")), keyed_hash_bytes(&a, SLICE_LIT("x")));
    cr_expect_neq(keyed_hash_bytes(&a, SLICE_LIT("")), keyed_hash_bytes(&a, SLICE_LIT("\0")));
}
