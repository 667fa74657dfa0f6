/* The bytes of a segment: what is written is read back, and nothing else is taken for it. */
#include "spool_fixture.h"

#include <criterion/criterion.h>
#include <sys/mman.h>

#define ID UINT64_C(0x1122334455667788)

static const char body[] = "session-1keyPAYLOAD";

static size_t make_frame(uint64_t sequence, uint8_t *out)
{
    struct segment_frame frame = {.sequence = sequence,
                                  .segment_id = ID,
                                  .arrived_ns = 1700000000000000001,
                                  .total = SEGMENT_FRAME_LEN + sizeof(body) - 1,
                                  .payload_len = 7,
                                  .items = 5,
                                  .signal = SIGNAL_LOGS,
                                  .session_len = 9,
                                  .key_id_len = 3};
    memcpy(out + SEGMENT_FRAME_LEN, body, sizeof(body) - 1);
    segment_frame_encode(&frame, segment_crc32c(0, body, sizeof(body) - 1), out);
    return frame.total;
}

Test(segment, crc_is_crc32c)
{
    cr_assert_eq(segment_crc32c(0, "123456789", 9), 0xe3069283);
    cr_assert_eq(segment_crc32c(segment_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
    cr_assert_eq(segment_crc32c(0, "", 0), 0);
    char zeros[32] = {0};
    cr_assert_eq(segment_crc32c(0, zeros, 32), 0x8a9136aa, "RFC 3720, B.4");
}

Test(segment, a_header_comes_back_and_no_flipped_bit_passes)
{
    struct segment_header header = {.id = ID, .first_sequence = 42, .made_ns = 1700000000123456789};
    struct segment_header out;
    uint8_t bytes[SEGMENT_HEADER_LEN];
    segment_header_encode(&header, bytes);
    cr_assert_arr_eq(bytes, "SIGPSEG\n\x01\0\0\0\x30\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11\x2a",
                     25);
    cr_assert(segment_header_decode(bytes, &out));
    cr_assert(out.id == ID && out.first_sequence == 42 && out.made_ns == header.made_ns);
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_not(segment_header_decode(bytes, &out), "bit %zu", bit);
        cr_assert_eq(out.id, 0);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

Test(segment, a_frame_comes_back_and_no_flipped_bit_passes)
{
    uint8_t bytes[128];
    struct segment_frame out;
    size_t len = make_frame(7, bytes);
    cr_assert(segment_frame_decode(bytes, &out));
    cr_assert(segment_frame_intact(&out, bytes));
    cr_assert(out.sequence == 7 && out.segment_id == ID && out.total == len);
    cr_assert(out.arrived_ns == 1700000000000000001 && out.payload_len == 7);
    cr_assert_eq(out.items, 5);
    cr_assert(out.signal == SIGNAL_LOGS && out.session_len == 9 && out.key_id_len == 3);
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
        bool passes = segment_frame_decode(bytes, &out) && out.total == len &&
                      segment_frame_intact(&out, bytes);
        cr_assert_not(passes, "bit %zu", bit);
        bytes[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
}

static void put_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

Test(segment, lengths_that_do_not_add_up_are_refused)
{
    uint8_t good[128], bytes[128];
    struct segment_frame out;
    size_t len = make_frame(7, good);
    static const struct {
        uint32_t total, payload;
        uint8_t session, key_id;
    } bad[] = {{0, 7, 9, 3},
               {67, 0, 9, 3},
               {60, 0, 9, 3},
               {UINT32_MAX, UINT32_MAX, 9, 3},
               {59, UINT32_MAX, 9, 3},
               {68, 7, 9, 3},
               {SEGMENT_FRAME_LEN + 12 + SEGMENT_PAYLOAD_MAX + 1, SEGMENT_PAYLOAD_MAX + 1, 9, 3},
               {SEGMENT_FRAME_LEN + 129 + 3 + 7, 7, 129, 3},
               {SEGMENT_FRAME_LEN + 9 + 65 + 7, 7, 9, 65}};
    cr_assert_eq(len, 67);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memcpy(bytes, good, sizeof(bytes));
        put_u32(bytes + 4, bad[i].total);
        put_u32(bytes + 32, bad[i].payload);
        bytes[41] = bad[i].session;
        bytes[42] = bad[i].key_id;
        cr_assert_not(segment_frame_decode(bytes, &out), "%zu", i);
    }
}

Test(segment, names)
{
    char name[SEGMENT_NAME_LEN + 1];
    uint64_t first;
    segment_name(0x1f, name);
    cr_assert_str_eq(name, "000000000000001f.seg");
    cr_assert(segment_name_parse(name, &first));
    cr_assert_eq(first, 0x1f);
    static const char *const bad[] = {"",
                                      ".seg",
                                      "000000000000001f",
                                      "000000000000001F.seg",
                                      "00000000000001f.seg",
                                      "0000000000000001f.seg",
                                      "000000000000001f.seg.tmp",
                                      "ffffffffffffffff.seg",
                                      "cursor.otlp"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_not(segment_name_parse(bad[i], &first), "%s", bad[i]);
    }
}

/* --- walking ---------------------------------------------------------------------------------- */

static int temp_file(const uint8_t *bytes, size_t len)
{
    int fd = memfd_create("segment", 0);
    cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
    return fd;
}

static enum segment_step step_of(const uint8_t *bytes, size_t len, uint64_t limit,
                                 uint64_t previous, uint64_t *next)
{
    struct segment_scan scan = {0};
    struct segment_frame frame;
    const uint8_t *found;
    int fd = temp_file(bytes, len);
    segment_scan_start(&scan, fd, ID, 0, limit, previous);
    enum segment_step step = segment_scan_next(&scan, &frame, &found);
    *next = scan.pos;
    if (step == SEGMENT_BAD && segment_scan_resync(&scan, next) == SEGMENT_END) {
        *next = UINT64_MAX;
    }
    segment_scan_free(&scan);
    close(fd);
    return step;
}

Test(segment, a_walk_knows_frames_zeros_the_end_and_damage)
{
    uint8_t bytes[300] = {0};
    size_t one = make_frame(7, bytes), both = one + make_frame(8, bytes + one);
    uint64_t next;
    cr_assert_eq(step_of(bytes, 300, 300, 6, &next), SEGMENT_FRAME);
    cr_assert_eq(next, one);
    cr_assert_eq(step_of(bytes, 300, 0, 6, &next), SEGMENT_END);
    cr_assert_eq(step_of(bytes + both, 300 - both, 300 - both, 6, &next), SEGMENT_END);
    cr_assert_eq(step_of(bytes + both, 0, 300, 6, &next), SEGMENT_END, "the file is shorter");
    cr_assert_eq(step_of(bytes, 300, 300, 7, &next), SEGMENT_BAD, "a sequence seen before");
    cr_assert_eq(next, one);
    cr_assert_eq(step_of(bytes, 300, one - 1, 6, &next), SEGMENT_BAD, "past the limit");
    cr_assert_eq(next, UINT64_MAX);
    cr_assert_eq(step_of(bytes, one - 1, 300, 6, &next), SEGMENT_BAD, "cut off");
    bytes[50] ^= 1;
    cr_assert_eq(step_of(bytes, 300, 300, 6, &next), SEGMENT_BAD);
    cr_assert_eq(next, one);
    memset(bytes, 0, one);
    cr_assert_eq(step_of(bytes, 300, 300, 6, &next), SEGMENT_BAD, "zeros, but not to the end");
    cr_assert_eq(next, one);
}

Test(segment, a_frame_of_another_segment_is_no_frame)
{
    uint8_t bytes[128] = {0};
    struct segment_frame frame;
    const uint8_t *found;
    size_t len = make_frame(7, bytes);
    struct segment_scan scan = {0};
    int fd = temp_file(bytes, len);
    segment_scan_start(&scan, fd, ID + 1, 0, len, 6);
    cr_assert_eq(segment_scan_next(&scan, &frame, &found), SEGMENT_BAD);
    segment_scan_free(&scan);
    close(fd);
}

/* The frame behind the damage is found wherever it lies to the read-ahead's edges. */
Test(segment, resync_finds_a_frame_at_any_place)
{
    size_t room = (size_t)300 << 10;
    uint8_t *bytes = malloc(room), frame[128];
    uint64_t next;
    size_t len = make_frame(9, frame);
    for (size_t around = 128 << 10; around <= 256 << 10; around += 128 << 10) {
        for (size_t at = around - 70; at < around + 10; at++) {
            memset(bytes, 0xf5, room);
            memcpy(bytes + at, frame, len);
            cr_assert_eq(step_of(bytes, room, room, 0, &next), SEGMENT_BAD);
            cr_assert_eq(next, at);
        }
    }
    free(bytes);
}

Test(segment, a_file_that_cannot_be_read_is_an_error_not_damage)
{
    struct segment_scan scan = {0};
    struct segment_frame frame;
    const uint8_t *found;
    segment_scan_start(&scan, -1, ID, 0, 1000, 0);
    cr_assert_eq(segment_scan_next(&scan, &frame, &found), SEGMENT_ERROR);
    cr_assert_eq(scan.error, EBADF);
    segment_scan_free(&scan);
}
