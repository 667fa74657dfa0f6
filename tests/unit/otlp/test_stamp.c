/* test_stamp.c: stamping, byte by byte: where the stamps stand, what goes, what stays as it was,
 * how lengths are written, and what is refused.
 */
#include "otlp_build.h"
#include "otlp_stamp.h"

#define CAPTURES SIGPOST_TEST_DATA "/captures"

/* Two stamps and one name that is only removed; the stamps take ten bytes each. */
static const struct stamp_attribute stamps[] = {
    {{"k", 1}, {"v", 1}},
    {{"gone", 4}, {NULL, 0}},
    {{"l", 1}, {"w", 1}},
};

#define STAMPS "\x0a\x08\x0a\x01k\x12\x03\x0a\x01v\x0a\x08\x0a\x01l\x12\x03\x0a\x01w"
#define STAMPS_LEN (sizeof(STAMPS) - 1)

/* Stamps `before` with all three and expects `after`, and that once more changes nothing. */
static void expect(struct slice before, struct slice after)
{
    struct validation judged;
    cr_assert(check(SIGNAL_LOGS, before, &judged), "%s", judged.fault);
    struct buf out = BUF_INIT;
    cr_assert(stamp_request(SIGNAL_LOGS, before, stamps, 3, &out));
    for (size_t i = 0; i < out.len && i < after.len; i++) {
        cr_assert_eq(out.data[i], after.data[i], "byte %zu is %02x, must be %02x", i,
                     (uint8_t)out.data[i], (uint8_t)after.data[i]);
    }
    cr_assert_eq(out.len, after.len, "%zu bytes, must be %zu", out.len, after.len);
    buf_free(&out);
    const char *wrong =
        stamp_disagreement(SIGNAL_LOGS, (const uint8_t *)before.data, before.len, stamps, 3);
    cr_assert_null(wrong, "%s", wrong);
}

#define EXPECT(before, after) expect(SLICE_LIT(before), SLICE_LIT(after))

Test(stamp, an_empty_request_stays_empty)
{
    EXPECT("", "");
    expect(slice_make(NULL, 0), SLICE_LIT(""));
}

Test(stamp, an_envelope_without_a_resource_gets_one_first)
{
    EXPECT("\x0a\x00", "\x0a\x16\x0a\x14" STAMPS);
    EXPECT("\x0a\x02\x12\x00", "\x0a\x18\x0a\x14" STAMPS "\x12\x00");
    EXPECT("\x0a\x00\x0a\x00", "\x0a\x16\x0a\x14" STAMPS "\x0a\x16\x0a\x14" STAMPS);
}

Test(stamp, an_empty_resource_gets_the_stamps)
{
    EXPECT("\x0a\x02\x0a\x00", "\x0a\x16\x0a\x14" STAMPS);
}

Test(stamp, fields_of_the_resource_stay_before_the_stamps)
{
    /* dropped_attributes_count, an attribute {"x"}, entity_refs { id_keys "k" } */
    EXPECT("\x0a\x0e\x0a\x0c\x10\x07\x0a\x03\x0a\x01x\x1a\x03\x1a\x01k",
           "\x0a\x22\x0a\x20\x10\x07\x0a\x03\x0a\x01x\x1a\x03\x1a\x01k" STAMPS);
}

Test(stamp, claims_go)
{
    /* k, then x, then gone, then l */
    EXPECT("\x0a\x19\x0a\x17\x0a\x08\x0a\x01k\x12\x03\x0a\x01?\x0a\x03\x0a\x01x"
           "\x0a\x06\x0a\x04gone",
           "\x0a\x1b\x0a\x19\x0a\x03\x0a\x01x" STAMPS);
}

Test(stamp, the_last_key_of_a_pair_decides)
{
    /* {key x, value, key k} is a claim; {key k, key x} is none, nor is {key k, key ""} */
    EXPECT("\x0a\x0f\x0a\x0d\x0a\x0b\x0a\x01x\x12\x03\x0a\x01?\x0a\x01k",
           "\x0a\x16\x0a\x14" STAMPS);
    EXPECT("\x0a\x0a\x0a\x08\x0a\x06\x0a\x01k\x0a\x01x",
           "\x0a\x1e\x0a\x1c\x0a\x06\x0a\x01k\x0a\x01x" STAMPS);
    EXPECT("\x0a\x09\x0a\x07\x0a\x05\x0a\x01k\x0a\x00",
           "\x0a\x1d\x0a\x1b\x0a\x05\x0a\x01k\x0a\x00" STAMPS);
}

Test(stamp, names_are_compared_whole)
{
    EXPECT("\x0a\x15\x0a\x13\x0a\x04\x0a\x02kk\x0a\x02\x0a\x00\x0a\x07\x0a\x05gone!",
           "\x0a\x29\x0a\x27\x0a\x04\x0a\x02kk\x0a\x02\x0a\x00\x0a\x07\x0a\x05gone!" STAMPS);
}

Test(stamp, a_resource_in_pieces)
{
    /* Two pieces, both with a claim, around scope_logs: the claims go, the last has the stamps. */
    EXPECT("\x0a\x15\x0a\x05\x0a\x03\x0a\x01k\x12\x00\x0a\x0a\x0a\x03\x0a\x01l\x0a\x03\x0a\x01x",
           "\x0a\x1f\x0a\x00\x12\x00\x0a\x19\x0a\x03\x0a\x01x" STAMPS);
}

Test(stamp, unknown_fields_stay)
{
    /* 16 at the top, 5 in the envelope, 9 in the resource, 7 in an attribute that is no claim */
    EXPECT("\x80\x01\x05\x0a\x15\x2a\x01!\x0a\x10\x49\x12\x34\x56\x78\x9a\xbc\xde\xf0"
           "\x0a\x05\x0a\x01x\x38\x01",
           "\x80\x01\x05\x0a\x29\x2a\x01!\x0a\x24\x49\x12\x34\x56\x78\x9a\xbc\xde\xf0"
           "\x0a\x05\x0a\x01x\x38\x01" STAMPS);
}

Test(stamp, only_resource_attributes_are_claims)
{
    /* an attribute with key_strindex alone; scope { attributes "k" }; log_records { attributes "k"
     * }
     */
    EXPECT("\x0a\x16\x0a\x04\x0a\x02\x18\x05\x12\x0e\x0a\x05\x1a\x03\x0a\x01k"
           "\x12\x05\x32\x03\x0a\x01k",
           "\x0a\x2a\x0a\x18\x0a\x02\x18\x05" STAMPS "\x12\x0e\x0a\x05\x1a\x03\x0a\x01k"
           "\x12\x05\x32\x03\x0a\x01k");
}

Test(stamp, padded_lengths_keep_their_width)
{
    EXPECT("\x0a\x85\x80\x80\x00\x0a\x80\x80\x80\x00",
           "\x0a\x99\x80\x80\x00\x0a\x94\x80\x80\x00" STAMPS);
    EXPECT("\x0a\x83\x00\x0a\x80\x00", "\x0a\x97\x00\x0a\x94\x00" STAMPS);
    EXPECT("\x0a\x86\x80\x80\x80\x00\x0a\x80\x80\x80\x80\x00",
           "\x0a\x9a\x80\x80\x80\x00\x0a\x94\x80\x80\x80\x00" STAMPS);
}

Test(stamp, padded_tags_stay)
{
    EXPECT("\x8a\x80\x80\x80\x00\x07\x8a\x00\x04\x8a\x80\x00\x00",
           "\x8a\x80\x80\x80\x00\x1b\x8a\x00\x18\x8a\x80\x00\x00" STAMPS);
    /* a claim whose tags and lengths are padded */
    EXPECT("\x0a\x0c\x0a\x0a\x8a\x00\x86\x00\x8a\x80\x00\x81\x00k", "\x0a\x16\x0a\x14" STAMPS);
}

/* Appends what takes n bytes in the resource and is no claim: dropped_attributes_count, again and
 * again. n is even. */
static void put_filler(struct buf *b, size_t n)
{
    for (; n >= 2; n -= 2) {
        put_varint(b, 2, 1);
    }
}

/* A request of one envelope of one resource with so much in it, lengths of this width (0: the
 * shortest). */
static struct buf with_widths(const void *inside, size_t len, size_t width)
{
    struct buf b = BUF_INIT;
    size_t widths[2] = {width, width};
    size_t inner = wire_varint_size(len);
    widths[1] = inner > width ? inner : width;
    size_t envelope = 1 + widths[1] + len;
    widths[0] = wire_varint_size(envelope) > width ? wire_varint_size(envelope) : width;
    size_t lengths[2] = {envelope, len};
    for (int level = 0; level < 2; level++) {
        buf_append_char(&b, 0x0a);
        size_t value = lengths[level];
        for (size_t i = 1; i < widths[level]; i++, value >>= 7) {
            buf_append_char(&b, (char)(value | 0x80));
        }
        buf_append_char(&b, (char)value);
    }
    buf_append(&b, inside, len);
    return b;
}

/* Lengths that pass from one width to the next, or do not, from every width that was there. */
Test(stamp, lengths_that_grow)
{
    static const size_t sizes[] = {80, 104, 106, 108, 126, 16340, 16362, 16364, 2097110, 2097150};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf inside = BUF_INIT;
        put_filler(&inside, sizes[i]);
        struct buf stamped = BUF_INIT;
        buf_append_slice(&stamped, buf_slice(&inside));
        buf_append(&stamped, STAMPS, STAMPS_LEN);
        for (size_t width = 0; width <= 5; width++) {
            struct buf before = with_widths(inside.data, inside.len, width);
            /* What was the shortest form before is so afterwards. */
            bool outer_padded = width > wire_varint_size(before.len - 1 - width);
            bool padded = width > wire_varint_size(inside.len);
            struct buf after =
                with_widths(stamped.data, stamped.len, padded && outer_padded ? width : 0);
            if (padded == outer_padded) {
                expect(buf_slice(&before), buf_slice(&after));
            }
            buf_free(&before);
            buf_free(&after);
        }
        buf_free(&inside);
        buf_free(&stamped);
    }
}

/* Claims that are longer than the stamps: shortest lengths get shorter, padded ones stay. */
Test(stamp, lengths_that_shrink)
{
    static const size_t sizes[] = {60, 128, 300, 16384, 20000, 2097152};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buf claim = BUF_INIT;
        put_filler(&claim, sizes[i]);
        wrap(&claim, 9);
        buf_append(&claim, "\x0a\x01k", 3);
        wrap(&claim, 1);
        for (size_t width = 0; width <= 5; width += 5) {
            struct buf before = with_widths(claim.data, claim.len, width);
            struct buf after = with_widths(STAMPS, STAMPS_LEN, width);
            expect(buf_slice(&before), buf_slice(&after));
            buf_free(&before);
            buf_free(&after);
        }
        buf_free(&claim);
    }
}

Test(stamp, nothing_to_stamp_is_a_copy)
{
    uint8_t body[SAMPLE_MAX];
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        size_t len = sample_read(CAPTURES, samples[i].file, body);
        cr_assert_eq(len, samples[i].len);
        struct slice request = slice_make(body, len);
        struct buf out = BUF_INIT;
        cr_assert(stamp_request(samples[i].signal, request, NULL, 0, &out));
        cr_assert(slice_eq(buf_slice(&out), request));
        /* Names that are only removed, and were not there. */
        cr_assert(stamp_request(samples[i].signal, request, &stamps[1], 1, &out));
        cr_assert_eq(out.len, 2 * len);
        cr_assert_eq(memcmp(out.data + len, body, len), 0);
        cr_assert_eq(stamp_size_max(request, &stamps[1], 1), len);
        buf_free(&out);
    }
}

Test(stamp, names_that_are_only_removed)
{
    static const struct stamp_attribute names[] = {{{"x", 1}, {NULL, 0}}, {{"y", 1}, {"", 0}}};
    struct slice before = SLICE_LIT("\x0a\x0c\x0a\x0a\x0a\x03\x0a\x01x\x0a\x03\x0a\x01y\x0a\x00");
    cr_assert_eq(before.len, 16); /* the last is an empty resource after the envelope's */
    struct slice request = slice_make(before.data, 14);
    struct buf out = BUF_INIT;
    cr_assert(stamp_request(SIGNAL_TRACES, request, names, 2, &out));
    cr_assert(slice_eq(buf_slice(&out), SLICE_LIT("\x0a\x02\x0a\x00")));
    buf_free(&out);
    cr_assert(stamp_request(SIGNAL_TRACES, before, names, 2, &out));
    cr_assert(slice_eq(buf_slice(&out), SLICE_LIT("\x0a\x02\x0a\x00\x0a\x00")));
    buf_free(&out);
}

/* A stamp with a value that is long takes the lengths it needs. */
Test(stamp, long_values)
{
    static char text[20000];
    memset(text, 'v', sizeof(text));
    static const size_t sizes[] = {1, 112, 119, 120, 121, 127, 128, 16376, 16383, 16384, 20000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct stamp_attribute attribute = {SLICE_LIT("key"), slice_make(text, sizes[i])};
        const char *wrong =
            stamp_disagreement(SIGNAL_TRACES, (const uint8_t *)"\x0a\x00", 2, &attribute, 1);
        cr_assert_null(wrong, "%zu: %s", sizes[i], wrong);
    }
}

Test(stamp, the_size_is_bounded_beforehand)
{
    struct slice request = SLICE_LIT("\x0a\x00\x0a\x00\x12\x00\x0a\x00");
    size_t bound = stamp_size_max(request, stamps, 3);
    struct buf out = BUF_INIT;
    cr_assert(stamp_request(SIGNAL_LOGS, request, stamps, 3, &out));
    cr_assert(bound >= out.len && bound <= out.len + 48, "%zu for %zu", bound, out.len);
    buf_free(&out);
    cr_assert_eq(stamp_size_max(slice_make(NULL, 0), stamps, 3), 0);
}

/* Lengths that no message can have: refused before a byte is read or room is made. */
Test(stamp, what_passes_the_protobuf_limit_is_refused)
{
    const struct stamp_attribute long_value = {SLICE_LIT("k"), {"v", WIRE_LENGTH_MAX}};
    const struct stamp_attribute long_key = {{"k", (size_t)WIRE_LENGTH_MAX + 1}, SLICE_LIT("v")};
    const struct stamp_attribute half[] = {{SLICE_LIT("k"), {"v", WIRE_LENGTH_MAX / 2}},
                                           {SLICE_LIT("l"), {"v", WIRE_LENGTH_MAX / 2}}};
    struct slice one = SLICE_LIT("\x0a\x00");
    struct slice three = SLICE_LIT("\x0a\x00\x0a\x00\x0a\x00");
    struct buf out = BUF_INIT;
    buf_append_str(&out, "before");
    cr_assert_eq(stamp_size_max(one, &long_value, 1), SIZE_MAX);
    cr_assert_eq(stamp_size_max(one, &long_key, 1), SIZE_MAX);
    cr_assert_eq(stamp_size_max(one, half, 2), SIZE_MAX);
    cr_assert_gt(stamp_size_max(three, half, 1), WIRE_LENGTH_MAX);
    cr_assert_not(stamp_request(SIGNAL_LOGS, one, &long_value, 1, &out));
    cr_assert(out.failed && slice_eq_str(slice_make(out.data, out.len), "before"));
    out.failed = false;
    cr_assert_not(stamp_request(SIGNAL_LOGS, three, half, 1, &out));
    cr_assert(out.failed && slice_eq_str(slice_make(out.data, out.len), "before"));
    buf_free(&out);
}

Test(stamp, a_buffer_that_failed_stays_failed)
{
    struct buf out = BUF_INIT;
    buf_append_str(&out, "before");
    out.failed = true;
    cr_assert_not(stamp_request(SIGNAL_LOGS, SLICE_LIT("\x0a\x00"), stamps, 3, &out));
    cr_assert(out.failed && slice_eq_str(slice_make(out.data, out.len), "before"));
    buf_free(&out);
}

/* What no validation let through is refused where it is read, and nothing of it stays. */
Test(stamp, unsound_requests_are_refused)
{
    static const struct slice requests[] = {
        {"\x0a", 1},
        {"\x0a\x05\x0a\x00", 4},
        {"\x0a\x02\x0a\x05", 4},
        {"\x0a\x04\x0a\x02\x0a\x05", 6},
        {"\x0a\x00\x0b", 3},
        {"\x0a\x02\x0a\x80", 4},
        {"\x0a\x06\x0a\x80\x80\x80\x80\x80", 8},
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct buf out = BUF_INIT;
        buf_append_str(&out, "before");
        cr_assert_not(stamp_request(SIGNAL_LOGS, requests[i], stamps, 3, &out), "%zu", i);
        cr_assert(out.failed && slice_eq_str(slice_make(out.data, out.len), "before"), "%zu", i);
        buf_free(&out);
    }
}
