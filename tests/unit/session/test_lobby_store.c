/* The lobby as bytes and as a file: back as it was, with the time away counted; every truncation
 * and every flipped bit is told, and nothing of it is kept. */
#include "lobby_fixture.h"
#include "session/lobby_store.h"
#include "session/presence.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALL (INT64_C(1700000000) * S)

static char dir[64];
static char path[96];
static char aside[128];

static void setup(void)
{
    strcpy(dir, "/tmp/sigpost-lobby-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/lobby", dir);
    snprintf(aside, sizeof(aside), "%s.damaged", path);
}

static void teardown(void)
{
    unlink(path);
    unlink(aside);
    rmdir(dir);
}

TestSuite(lobby_store, .init = setup, .fini = teardown);

/* Two slots, of which one has a name, and three in line, of which one has. */
static struct lobby *busy(int64_t now)
{
    struct lobby *lobby = open_lobby(2);
    struct lobby_view view;
    const struct lobby_key named = key(2);
    const struct lobby_key waiting = key(4);
    enter(lobby, 9, now - 60 * S);
    lobby_release(lobby, id(9), now - 50 * S);
    enter(lobby, 1, now - 40 * S);
    presence_start(lobby, SLICE_LIT("Vera"), SLICE_LIT("M 31"), &named, now - 30 * S, &view);
    enter(lobby, 3, now - 20 * S);
    presence_start(lobby, SLICE_LIT("Nancy"), SLICE_LIT(""), &waiting, now - 10 * S, &view);
    enter(lobby, 5, now);
    return lobby;
}

static struct buf encode(const struct lobby *lobby, int64_t mono)
{
    struct buf bytes = BUF_INIT;
    lobby_encode(lobby, mono, WALL, &bytes);
    cr_assert_not(bytes.failed);
    return bytes;
}

static struct lobby *decode(struct slice bytes, int64_t mono, int64_t wall)
{
    struct lobby *lobby = open_lobby(2);
    struct result why = RESULT_INIT;
    cr_assert(lobby_decode(lobby, bytes, mono, wall, &why), "%s", why.text);
    return lobby;
}

/* A clock that was decades behind when they came, and is right now. */
Test(lobby_store, ages_past_all_bounds_are_written_so_that_they_can_be_read)
{
    struct lobby *before = open_lobby(1);
    enter(before, 1, 0);
    enter(before, 2, 0);
    struct buf bytes = encode(before, INT64_MAX / 4);
    lobby_destroy(decode(buf_slice(&bytes), 7 * S, WALL));
    buf_free(&bytes);
    lobby_destroy(before);
}

Test(lobby_store, brings_everything_back)
{
    struct lobby *before = busy(100 * S);
    struct buf bytes = encode(before, 100 * S);
    struct lobby *after = decode(buf_slice(&bytes), 7 * S, WALL + 10 * S);
    struct presence list[2];
    cr_expect_eq(look(after, 3, 7 * S).position, 1);
    cr_expect_eq(look(after, 5, 7 * S).position, 3);
    cr_expect(touch(after, 1, 7 * S));
    cr_assert_eq(presence_list(after, 7 * S, list, 2), 1);
    cr_expect(slice_eq_str(list[0].user, "Vera"));
    cr_expect(slice_eq_str(list[0].target, "M 31"));
    cr_expect_eq(list[0].since_ns, 7 * S - 10 * S - 30 * S);
    cr_expect_eq(look(after, 3, 7 * S).wait_ns, 5 * S, "past slots are remembered");
    char slot[2][LOBBY_SLOT_LEN + 1];
    const struct lobby_key old = key(1);
    lobby_format_slot(&old, slot[0]);
    const struct lobby_view view = look(after, 1, 7 * S);
    lobby_format_slot(&view.key, slot[1]);
    cr_expect_str_eq(slot[0], slot[1]);
    buf_free(&bytes);
    lobby_destroy(before);
    lobby_destroy(after);
}

Test(lobby_store, counts_the_time_away_for_slots_and_not_for_the_line)
{
    struct lobby *before = busy(100 * S);
    struct buf bytes = encode(before, 100 * S);
    struct lobby *after = decode(buf_slice(&bytes), 0, WALL + IDLE - 40 * S - 1);
    cr_expect(touch(after, 1, 0));
    cr_expect_eq(presence_list(after, 0, NULL, 0), 0, "Vera is over");
    cr_expect(look(after, 3, 0).available);
    lobby_destroy(after);
    after = decode(buf_slice(&bytes), 0, WALL + IDLE - 40 * S);
    cr_expect(!touch(after, 1, 0));
    cr_expect(look(after, 3, 0).available);
    cr_expect_eq(look(after, 5, 0).place, LOBBY_IN_LINE);
    lobby_destroy(after);
    after = decode(buf_slice(&bytes), 0, WALL - 1000 * IDLE);
    cr_expect(touch(after, 1, 0), "a clock that was set back counts nothing");
    lobby_destroy(after);
    after = decode(buf_slice(&bytes), 0, INT64_MAX);
    cr_expect(!touch(after, 1, 0));
    lobby_destroy(after);
    buf_free(&bytes);
    lobby_destroy(before);
}

Test(lobby_store, comes_back_over_smaller_limits)
{
    struct lobby *before = busy(100 * S);
    struct buf bytes = encode(before, 100 * S);
    struct lobby_limits l = limits(1);
    struct lobby *after = lobby_create(&l);
    l.max_waiting = 1;
    cr_assert(lobby_decode(after, buf_slice(&bytes), 0, WALL, NULL));
    cr_expect_eq(stranger(after, 0).current, 2);
    cr_expect_eq(stranger(after, 0).waiting, 3);
    cr_expect(!look(after, 3, 0).available);
    buf_free(&bytes);
    lobby_destroy(before);
    lobby_destroy(after);
}

Test(lobby_store, tells_every_truncation_and_every_flipped_bit)
{
    struct lobby *before = busy(100 * S);
    struct buf bytes = encode(before, 100 * S);
    struct lobby *after = open_lobby(2);
    struct result why;
    cr_assert_gt(bytes.len, 200);
    for (size_t len = 0; len < bytes.len; len++) {
        char *copy = malloc(len + 1); /* so that reading past the end is seen */
        memcpy(copy, bytes.data, len);
        why = RESULT_INIT;
        cr_assert(!lobby_decode(after, slice_make(copy, len), 0, WALL, &why), "length %zu", len);
        cr_assert_neq(why.text[0], '\0');
        free(copy);
    }
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        char kept = bytes.data[bit / 8];
        bytes.data[bit / 8] = (char)(kept ^ 1 << bit % 8);
        cr_assert(!lobby_decode(after, buf_slice(&bytes), 0, WALL, &why), "bit %zu", bit);
        bytes.data[bit / 8] = kept;
    }
    cr_expect_eq(stranger(after, 0).current + stranger(after, 0).waiting, 0);
    cr_expect(lobby_decode(after, buf_slice(&bytes), 0, WALL, &why));
    buf_free(&bytes);
    lobby_destroy(before);
    lobby_destroy(after);
}

/* CRC32C, bit by bit: what is damaged here has a checksum that fits. */
static void seal(struct buf *bytes)
{
    uint32_t crc = ~0U;
    for (size_t i = 0; i + 4 < bytes->len; i++) {
        crc ^= (unsigned char)bytes->data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
        }
    }
    crc = ~crc;
    memcpy(bytes->data + bytes->len - 4, &crc, 4);
}

Test(lobby_store, survives_any_byte_with_a_good_checksum)
{
    struct lobby *before = busy(100 * S);
    struct buf bytes = encode(before, 100 * S);
    unsigned refused = 0;
    for (size_t at = 0; at < bytes.len - 4; at++) {
        static const unsigned char values[] = {0x00, 0x01, 0x7f, 0xff};
        char kept = bytes.data[at];
        for (size_t v = 0; v < sizeof(values); v++) {
            struct lobby *after = open_lobby(2);
            bytes.data[at] = (char)values[v];
            seal(&bytes);
            if (lobby_decode(after, buf_slice(&bytes), 0, WALL, NULL)) {
                stranger(after, 0);
                stranger(after, INT64_MAX / 4);
            } else {
                refused++;
                cr_assert_eq(stranger(after, 0).current + stranger(after, 0).waiting, 0);
            }
            lobby_destroy(after);
        }
        bytes.data[at] = kept;
    }
    cr_assert_gt(refused, 100);
    seal(&bytes);
    lobby_destroy(decode(buf_slice(&bytes), 0, WALL));
    buf_free(&bytes);
    lobby_destroy(before);
}

static void write_file(struct slice bytes)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fwrite(bytes.data, 1, bytes.len, file);
    fclose(file);
}

Test(lobby_store, a_missing_file_is_an_empty_lobby)
{
    struct lobby *lobby = open_lobby(2);
    struct result why = RESULT_INIT;
    cr_expect(lobby_store_read(lobby, path, 0, WALL, &why));
    cr_expect_str_empty(why.text);
    lobby_destroy(lobby);
}

Test(lobby_store, sets_a_damaged_file_aside)
{
    struct lobby *before = busy(100 * S);
    struct lobby *lobby = open_lobby(2);
    struct buf bytes = encode(before, 100 * S);
    struct result why = RESULT_INIT;
    write_file(buf_slice(&bytes));
    cr_expect(lobby_store_read(lobby, path, 0, WALL, &why));
    cr_expect_eq(stranger(lobby, 0).current, 2);
    lobby_destroy(lobby);
    lobby = open_lobby(2);
    write_file(SLICE_LIT("{\"user\": \"Vera\"}"));
    cr_expect(!lobby_store_read(lobby, path, 0, WALL, &why));
    cr_expect_not_null(strstr(why.text, path));
    cr_expect_not_null(strstr(why.text, "not a file of sigpost's lobby"), "%s", why.text);
    cr_expect_eq(access(path, F_OK), -1);
    cr_expect_eq(access(aside, F_OK), 0);
    why = RESULT_INIT;
    cr_expect(lobby_store_read(lobby, path, 0, WALL, &why), "the next start finds nothing");
    buf_free(&bytes);
    lobby_destroy(lobby);
    lobby_destroy(before);
}

Test(lobby_store, a_directory_in_its_place_is_told)
{
    struct lobby *lobby = open_lobby(2);
    struct result why = RESULT_INIT;
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_expect(!lobby_store_read(lobby, path, 0, WALL, &why));
    cr_expect_not_null(strstr(why.text, "not a regular file"), "%s", why.text);
    rmdir(aside);
    lobby_destroy(lobby);
}
