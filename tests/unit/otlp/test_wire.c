/* test_wire.c: the cursor's edges: what fits, what is one too many, and that faults stick. */
#include "otlp/wire.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define OVER(literal) wire_over((literal), sizeof(literal) - 1)

static uint64_t varint_of(const void *bytes, size_t len, enum wire_fault fault)
{
    struct wire w = wire_over(bytes, len);
    uint64_t value = wire_varint(&w);
    cr_assert_eq(w.fault, fault, "fault %d, not %d", w.fault, fault);
    if (fault == WIRE_OK) {
        cr_assert_not(wire_more(&w));
    } else {
        cr_assert_eq(w.at, (const uint8_t *)bytes, "the cursor stays at the fault");
    }
    return value;
}

#define VARINT(literal, fault) varint_of((literal), sizeof(literal) - 1, (fault))

Test(wire, varints)
{
    cr_assert_eq(VARINT("\x00", WIRE_OK), 0);
    cr_assert_eq(VARINT("\x7f", WIRE_OK), 127);
    cr_assert_eq(VARINT("\x80\x01", WIRE_OK), 128);
    cr_assert_eq(VARINT("\x8f\x84\x80\x00", WIRE_OK), 527);
    cr_assert_eq(VARINT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", WIRE_OK), 0);
    cr_assert_eq(VARINT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", WIRE_OK), UINT64_MAX);
}

Test(wire, varints_that_are_none)
{
    VARINT("", WIRE_CUT);
    VARINT("\x80", WIRE_CUT);
    VARINT("\xff\xff\xff\xff\xff\xff\xff\xff\xff", WIRE_CUT);
    VARINT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", WIRE_VARINT_LONG);
    VARINT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", WIRE_VARINT_LONG);
    VARINT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", WIRE_VARINT_LONG);
}

static enum wire_fault tag_of(const void *bytes, size_t len, struct wire_tag *tag)
{
    struct wire w = wire_over(bytes, len);
    *tag = wire_tag(&w);
    return w.fault;
}

#define TAG(literal) tag_of((literal), sizeof(literal) - 1, &tag)

Test(wire, tags)
{
    struct wire_tag tag;
    cr_assert_eq(TAG("\x08"), WIRE_OK);
    cr_assert(tag.number == 1 && tag.type == WIRE_VARINT);
    cr_assert_eq(TAG("\x79"), WIRE_OK);
    cr_assert(tag.number == 15 && tag.type == WIRE_FIXED64);
    cr_assert_eq(TAG("\x82\x01"), WIRE_OK);
    cr_assert(tag.number == 16 && tag.type == WIRE_BYTES);
    cr_assert_eq(TAG("\x8d\x00"), WIRE_OK, "padded");
    cr_assert(tag.number == 1 && tag.type == WIRE_FIXED32);
    cr_assert_eq(TAG("\xfd\xff\xff\xff\x0f"), WIRE_OK);
    cr_assert(tag.number == (1U << 29) - 1 && tag.type == WIRE_FIXED32);
}

Test(wire, tags_that_are_none)
{
    struct wire_tag tag;
    cr_assert_eq(TAG(""), WIRE_CUT);
    cr_assert_eq(TAG("\x80"), WIRE_CUT);
    cr_assert_eq(TAG("\x00"), WIRE_FIELD_NUMBER);
    cr_assert_eq(TAG("\x05"), WIRE_FIELD_NUMBER);
    cr_assert_eq(TAG("\x80\x00"), WIRE_FIELD_NUMBER);
    cr_assert_eq(TAG("\x80\x80\x80\x80\x10"), WIRE_FIELD_NUMBER, "2^29");
    cr_assert_eq(TAG("\x88\x80\x80\x80\x80\x00"), WIRE_FIELD_NUMBER, "six bytes");
    for (unsigned type = 0; type < 8; type++) {
        uint8_t one = (uint8_t)(1 << 3 | type);
        uint8_t two[] = {(uint8_t)(0x80 | type), 1};
        bool taken = type <= 2 || type == 5;
        cr_assert_eq(tag_of(&one, 1, &tag), taken ? WIRE_OK : WIRE_TYPE);
        cr_assert_eq(tag_of(two, 2, &tag), taken ? WIRE_OK : WIRE_TYPE);
        cr_assert_eq(tag.number, taken ? 16 : 0);
    }
}

static enum wire_fault bytes_of(const void *bytes, size_t len, struct slice *content)
{
    struct wire w = wire_over(bytes, len);
    *content = wire_bytes(&w);
    return w.fault;
}

#define BYTES(literal) bytes_of((literal), sizeof(literal) - 1, &content)

Test(wire, lengths)
{
    struct slice content;
    cr_assert_eq(BYTES("\x00"), WIRE_OK);
    cr_assert(content.len == 0 && content.data != NULL);
    cr_assert_eq(BYTES("\x03"
                       "abc"),
                 WIRE_OK);
    cr_assert(slice_eq_str(content, "abc"));
    cr_assert_eq(BYTES("\x83\x80\x80\x80\x00"
                       "abc"),
                 WIRE_OK);
    cr_assert(slice_eq_str(content, "abc"));
}

Test(wire, lengths_that_do_not_hold)
{
    struct slice content;
    cr_assert_eq(BYTES(""), WIRE_CUT);
    cr_assert_eq(BYTES("\x80\x80"), WIRE_CUT);
    cr_assert_eq(BYTES("\x04"
                       "abc"),
                 WIRE_PAST_END);
    cr_assert_null(content.data);
    cr_assert_eq(BYTES("\x84\x00"
                       "abc"),
                 WIRE_PAST_END);
    cr_assert_eq(BYTES("\xff\xff\xff\xff\x07"), WIRE_PAST_END, "2^31 - 1 is a length");
    cr_assert_eq(BYTES("\x80\x80\x80\x80\x08"), WIRE_LENGTH_LONG, "2^31 is not");
    cr_assert_eq(BYTES("\x83\x80\x80\x80\x80\x00"
                       "abc"),
                 WIRE_LENGTH_LONG, "six bytes");
}

Test(wire, fixed_values_are_little_endian)
{
    struct wire w = OVER("\x01\x02\x03\x04\x05\x06\x07\x88\x0a\x0b\x0c\x8d");
    cr_assert_eq(wire_fixed64(&w), UINT64_C(0x8807060504030201));
    cr_assert_eq(wire_fixed32(&w), 0x8d0c0b0aU);
    cr_assert_eq(w.fault, WIRE_OK);
    cr_assert_eq(wire_fixed32(&w), 0);
    cr_assert_eq(w.fault, WIRE_CUT);
    w = OVER("\x01\x02\x03\x04\x05\x06\x07");
    cr_assert_eq(wire_fixed64(&w), 0);
    cr_assert_eq(w.left, 7);
}

Test(wire, the_first_fault_sticks)
{
    struct wire w = OVER("\x04"
                         "abc");
    wire_bytes(&w);
    cr_assert_eq(w.fault, WIRE_PAST_END);
    cr_assert_eq(w.claimed, 4);
    cr_assert_eq(w.left, 3);
    cr_assert_not(wire_more(&w));
    cr_assert_eq(wire_varint(&w), 0);
    cr_assert_eq(wire_tag(&w).number, 0);
    cr_assert_eq(wire_fixed64(&w), 0);
    cr_assert_null(wire_bytes(&w).data);
    cr_assert_null(wire_take(&w, 1));
    const uint8_t *outer = wire_enter(&w);
    wire_leave(&w, outer + 3);
    cr_assert_not(wire_more(&w));
    cr_assert_eq(w.fault, WIRE_PAST_END);
    cr_assert_eq(w.claimed, 4);
    cr_assert_eq(w.left, 3);
}

Test(wire, entering_and_leaving)
{
    struct wire w = OVER("\x02\x05\x06\x07");
    const uint8_t *outer = wire_enter(&w);
    cr_assert_eq(wire_varint(&w), 5);
    cr_assert_eq(wire_varint(&w), 6);
    cr_assert_not(wire_more(&w));
    wire_leave(&w, outer);
    cr_assert_eq(wire_varint(&w), 7);
    cr_assert_eq(w.fault, WIRE_OK);
}

Test(wire, skipping_every_type)
{
    struct wire w = OVER("\xff\x01"
                         "12345678"
                         "\x03"
                         "abc"
                         "1234"
                         "\x2a");
    wire_skip(&w, WIRE_VARINT);
    wire_skip(&w, WIRE_FIXED64);
    wire_skip(&w, WIRE_BYTES);
    wire_skip(&w, WIRE_FIXED32);
    cr_assert_eq(wire_varint(&w), 42);
    cr_assert_eq(w.fault, WIRE_OK);
}

Test(wire, nothing_to_read)
{
    struct wire w = wire_over(NULL, 0);
    cr_assert_not(wire_more(&w));
    char text[WIRE_EXPLAIN_MAX];
    wire_explain(&w, text);
    cr_assert_str_empty(text);
    wire_varint(&w);
    cr_assert_eq(w.fault, WIRE_CUT);
}

/* A length of this width with so many bytes after it, in a heap block that ends where they do. The
 * common road must come where the thorough one comes; true when all is there. */
static bool check_length(size_t len, size_t width, size_t total)
{
    uint8_t *bytes = calloc(1, total + 1); /* so that there is a block when total is 0 */
    cr_assert_not_null(bytes);
    for (size_t k = 0; k < width && k < total; k++) {
        bytes[k + 1] = (uint8_t)((len >> 7 * k & 0x7f) | (k + 1 < width ? 0x80 : 0));
    }
    for (size_t k = width; k < total && k < width + 4; k++) {
        bytes[k + 1] = k % 2 == 0 ? 0x80 : 0; /* content that could be taken for a wider length */
    }
    struct wire w = wire_over(bytes + 1, total);
    struct wire thorough = w;
    size_t found = wire_length(&w);
    cr_assert_eq(found, wire_length_long(&thorough), "%zu in %zu bytes", len, width);
    cr_assert(w.at == thorough.at && w.end == thorough.end);
    cr_assert(w.fault == thorough.fault && w.claimed == thorough.claimed);
    cr_assert_eq(w.left, thorough.left);
    free(bytes);
    cr_assert_eq(found, w.fault == WIRE_OK ? len : 0);
    return w.fault == WIRE_OK;
}

Test(wire, lengths_of_every_width)
{
    static const size_t lens[] = {0,   1,     2,     3,       4,       126,      127,           128,
                                  300, 16383, 16384, 2097151, 2097152, 1U << 27, (1U << 28) - 1};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        for (size_t width = wire_varint_size(lens[i]); width <= 6; width++) {
            for (size_t cut = 0; cut < width; cut++) {
                cr_assert_not(check_length(lens[i], width, cut));
            }
            cr_assert_eq(check_length(lens[i], width, width), lens[i] == 0 && width < 6);
            cr_assert_eq(check_length(lens[i], width, width + lens[i]), width < 6);
            cr_assert_eq(check_length(lens[i], width, width + lens[i] + 5), width < 6);
            if (lens[i] != 0) {
                cr_assert_not(check_length(lens[i], width, width + lens[i] - 1));
            }
        }
    }
    cr_assert_not(check_length((1U << 28) - 1, 4, 4));
    cr_assert_not(check_length(1U << 28, 5, 5));
}

Test(wire, explanations)
{
    char text[WIRE_EXPLAIN_MAX];
    struct wire w = OVER("\xac\x02"
                         "twelve bytes");
    wire_bytes(&w);
    wire_explain(&w, text);
    cr_assert_str_eq(text, "length 300 runs past the end (12 bytes left)");
    w = OVER("\x0b");
    wire_tag(&w);
    wire_explain(&w, text);
    cr_assert_str_eq(text, "wire type 3 is not taken (groups are long obsolete)");
    w = OVER("\x0f");
    wire_tag(&w);
    wire_explain(&w, text);
    cr_assert_str_eq(text, "wire type 7 is not taken");
    w = OVER("\x80");
    wire_varint(&w);
    wire_explain(&w, text);
    cr_assert_str_eq(text, "ends inside a tag or value (1 byte left)");
}

Test(wire, what_is_written_is_read_back)
{
    static const uint64_t values[] = {0,          1,         127,        128,      16383,    16384,
                                      UINT32_MAX, INT64_MAX, UINT64_MAX, 1U << 21, 1U << 28, 300};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct buf out = BUF_INIT;
        wire_put_varint(&out, values[i]);
        cr_assert_eq(out.len, wire_varint_size(values[i]));
        cr_assert_eq(varint_of(out.data, out.len, WIRE_OK), values[i]);
        buf_free(&out);
    }
    struct buf out = BUF_INIT;
    wire_put_tag(&out, (1U << 29) - 1, WIRE_FIXED32);
    wire_put_bytes(&out, 16, SLICE_LIT("text"));
    struct wire w = wire_over(out.data, out.len);
    struct wire_tag tag = wire_tag(&w);
    cr_assert(tag.number == (1U << 29) - 1 && tag.type == WIRE_FIXED32);
    tag = wire_tag(&w);
    cr_assert(tag.number == 16 && tag.type == WIRE_BYTES);
    cr_assert(slice_eq_str(wire_bytes(&w), "text"));
    cr_assert(!wire_more(&w) && w.fault == WIRE_OK);
    buf_free(&out);
}
