/* What a start makes of the end of the newest segment when its file is a reused one. There zeros
 * are the end mark, or a hole in records that were promised; and a disk that does not read now may
 * read later. Linked with -Wl,--wrap for reads. */
#include "reuse_fixture.h"

#include <criterion/criterion.h>
#include <stdatomic.h>

#define RECORDS 10 /* in the newest segment */

TestSuite(end, .init = setup, .fini = teardown, .timeout = 60);

/* --- a disk that does not read ---------------------------------------------------------------- */

static struct {
    _Atomic ino_t inode; /* 0: all is read */
    _Atomic off_t from;
} unreadable;

static bool is_unreadable(int fd, size_t len, off_t offset)
{
    struct stat st;
    return unreadable.inode != 0 && fstat(fd, &st) == 0 && st.st_ino == unreadable.inode &&
           offset + (off_t)len > unreadable.from && st.st_size > unreadable.from;
}

ssize_t __real_pread(int fd, void *to, size_t len, off_t offset);
ssize_t __wrap_pread(int fd, void *to, size_t len, off_t offset);
ssize_t __wrap___pread_chk(int fd, void *to, size_t len, off_t offset, size_t room);

ssize_t __wrap_pread(int fd, void *to, size_t len, off_t offset)
{
    if (is_unreadable(fd, len, offset)) {
        errno = EIO;
        return -1;
    }
    return __real_pread(fd, to, len, offset);
}

/* What pread is called where the compiler knows the length of `to`. */
ssize_t __wrap___pread_chk(int fd, void *to, size_t len, off_t offset, size_t room)
{
    cr_assert_leq(len, room);
    return __wrap_pread(fd, to, len, offset);
}

/* --- the file --------------------------------------------------------------------------------- */

/* A newest segment as a crash leaves it, its file reused: records [first, first + n), the last
 * ending at at[n], and remains behind. */
static struct {
    char name[256];
    char *bytes;
    size_t len;
    uint64_t first;
    unsigned n;
    size_t at[RECORDS + 2];
} crashed;

static void crash(void)
{
    uint64_t last;
    char path[512];
    struct spool_reader *reader = reused(crashed.name, &crashed.first, &last);
    append_all(last + 1, crashed.first + RECORDS - 1);
    take_image();
    path_in(&image, crashed.name, path);
    crashed.bytes = load_file(path, &crashed.len);
    spool_reader_close(reader);
    fixture_close(&f);
    uint64_t id = header_of(crashed.bytes).id;
    struct segment_frame frame;
    crashed.at[0] = SEGMENT_HEADER_LEN;
    while (crashed.n <= RECORDS &&
           segment_frame_decode((const uint8_t *)crashed.bytes + crashed.at[crashed.n], &frame) &&
           frame.segment_id == id) {
        crashed.at[crashed.n + 1] = crashed.at[crashed.n] + frame.total;
        crashed.n++;
    }
    cr_assert_eq(crashed.n, RECORDS);
    cr_assert_lt(crashed.at[crashed.n] + SEGMENT_END_LEN, crashed.len, "no remains");
}

/* Plants the file with zeros in [from, to); which records they hit. */
static uint64_t plant_hole(size_t from, size_t to)
{
    uint64_t hit = 0;
    char *holed = malloc(crashed.len);
    memcpy(holed, crashed.bytes, crashed.len);
    memset(holed + from, 0, to - from);
    for (unsigned i = 0; i < crashed.n; i++) {
        size_t len = crashed.at[i + 1] - crashed.at[i];
        bool same = memcmp(holed + crashed.at[i], crashed.bytes + crashed.at[i], len) == 0;
        hit |= same ? 0 : UINT64_C(1) << i;
    }
    plant(crashed.name, holed, crashed.len);
    free(holed);
    return hit;
}

static void make_unreadable(off_t from)
{
    unreadable.from = from;
    unreadable.inode = inode_of(&image, crashed.name, NULL);
    cr_assert_neq(unreadable.inode, 0);
}

/* A new destination gets the records that were not hit, each with its own sequence. */
static struct spool_reader *expect_records(const char *reader_name, uint64_t hit, size_t hole)
{
    struct spool_reader *reader = reader_open(&image, reader_name);
    for (unsigned i = 0; i < crashed.n; i++) {
        uint64_t sequence;
        if ((hit >> i & 1) == 0) {
            cr_assert_eq(read_one(reader, &sequence), crashed.first + i, "hole at %zu", hole);
            cr_assert_eq(sequence, crashed.first + i, "hole at %zu", hole);
        }
    }
    return reader;
}

/* A record that is appended now comes next, under a sequence that was not used before. */
static void expect_append(struct spool_reader *reader, uint64_t number)
{
    uint64_t sequence;
    cr_assert_eq(append_one(&image, number, 100), SPOOL_DURABLE);
    cr_assert_eq(read_one(reader, &sequence), number);
    cr_assert_geq(sequence, crashed.first + crashed.n);
    cr_assert_eq(read_one(reader, &sequence), 0);
    cr_assert_eq(sequence, 0);
}

/* --- holes ------------------------------------------------------------------------------------ */

/* What is counted for a hole: the damage that has sound records behind it, a torn tail, and nothing
 * when the last record's first bytes are zeros: that is what an end looks like. */
static unsigned counted(uint64_t hit, size_t from, size_t to)
{
    unsigned first = 0;
    while (first < crashed.n && (hit >> first & 1) == 0) {
        first++;
    }
    bool to_the_last = (hit >> (crashed.n - 1) & 1) != 0;
    bool as_an_end = from <= crashed.at[first] && to >= crashed.at[first] + SEGMENT_END_LEN;
    return hit != 0 && !(to_the_last && as_an_end) ? 1 : 0;
}

static void start_with_hole(size_t from, size_t to)
{
    uint64_t hit = plant_hole(from, to);
    fixture_open(&image, NULL);
    cr_assert_eq(stats_of(&image).quarantined, counted(hit, from, to), "hole at %zu", from);
    struct spool_reader *reader = expect_records("a", hit, from);
    if ((hit >> (crashed.n - 1) & 1) == 0) {
        expect_append(reader, 1000);
    }
    spool_reader_close(reader);
    fixture_close(&image);
    fixture_open(&image, NULL);
    spool_reader_close(expect_records("b", hit, from));
    cr_assert_eq(stats_of(&image).quarantined, 0, "what was set aside is not met again");
    fixture_close(&image);
}

Test(end, zeros_are_no_end_while_a_sound_record_is_behind)
{
    crash();
    for (unsigned i = 0; i < crashed.n; i++) {
        start_with_hole(crashed.at[i], crashed.at[i] + SEGMENT_FRAME_LEN);
    }
    for (size_t sector = 512; sector <= 16384; sector *= 8) {
        for (size_t at = sector; at < crashed.at[crashed.n]; at += sector) {
            size_t to = at + sector < crashed.len ? at + sector : crashed.len;
            start_with_hole(at, to);
        }
    }
    free(crashed.bytes);
}

/* With the header, and with records behind it, in the block. */
Test(end, a_lost_first_block_costs_no_more_than_its_records)
{
    static const size_t blocks[] = {SEGMENT_HEADER_LEN, 512, 4096, 16384};
    crash();
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        uint64_t hit = plant_hole(0, blocks[i]);
        fixture_open(&image, NULL);
        struct spool_reader *reader = expect_records("a", hit, 0);
        expect_append(reader, 1000);
        cr_assert_eq(stats_of(&image).quarantined, hit != 0 ? 2 : 1, "the header, and records");
        spool_reader_close(reader);
        fixture_close(&image);
    }
    free(crashed.bytes);
}

/* A segment that was finished ends with its last record: zeros there are damage. */
Test(end, zeros_over_the_last_record_of_a_finished_segment_are_counted)
{
    crash();
    crashed.len = crashed.at[crashed.n];
    uint64_t hit = plant_hole(crashed.at[crashed.n - 1], crashed.len);
    char path[512];
    uint8_t empty[SEGMENT_HEADER_LEN];
    segment_header_encode(&(struct segment_header){.id = 77, .first_sequence = 1000}, empty);
    path_in(&image, "00000000000003e8.seg", path);
    save_file(path, (const char *)empty, sizeof(empty));
    fixture_open(&image, NULL);
    struct spool_reader *reader = expect_records("a", hit, 0);
    expect_append(reader, 1000);
    cr_assert_eq(stats_of(&image).quarantined, 1);
    spool_reader_close(reader);
    fixture_close(&image);
    free(crashed.bytes);
}

Test(end, each_hole_is_counted_and_stepped_over)
{
    crash();
    uint64_t hit = 0;
    for (unsigned i = 0; i + 1 < crashed.n; i += 2) {
        memset(crashed.bytes + crashed.at[i], 0, SEGMENT_FRAME_LEN);
        hit |= UINT64_C(1) << i;
    }
    plant(crashed.name, crashed.bytes, crashed.len);
    fixture_open(&image, NULL);
    cr_assert_eq(stats_of(&image).quarantined, crashed.n / 2);
    cr_assert_eq(count_files(&image, "quarantine", ".bad", NULL), crashed.n / 2);
    struct spool_reader *reader = expect_records("a", hit, 0);
    expect_append(reader, 1000);
    spool_reader_close(reader);
    fixture_close(&image);
    free(crashed.bytes);
}

/* --- a segment that is not read at start ------------------------------------------------------ */

/* Starts while nothing from `from` on is read; then all is, and `damaged` places are counted. The
 * segment comes free as any other. */
static void start_unread(off_t from, uint64_t hit, unsigned damaged)
{
    uint64_t sequence;
    make_unreadable(from);
    fixture_open(&image, NULL);
    struct spool_frame frame;
    struct spool_reader *reader = reader_open(&image, "a");
    enum spool_read outcome;
    do {
        outcome = spool_reader_next(reader, &frame);
    } while (outcome == SPOOL_READ_OK);
    cr_assert_eq(outcome, SPOOL_READ_ERROR, "it is waited for");
    cr_assert_eq(stats_of(&image).quarantined, 0);
    spool_reader_close(reader);
    unreadable.inode = 0;
    reader = expect_records("a", hit, 0);
    cr_assert_eq(read_one(reader, &sequence), 0);
    cr_assert_eq(sequence, 0);
    expect_append(reader, 1000);
    spool_reader_close(expect_records("b", hit, 0));
    cr_assert_eq(stats_of(&image).quarantined, damaged, "from %jd", (intmax_t)from);
    cr_assert_eq(count_files(&image, "quarantine", ".bad", NULL), damaged);
    struct spool_reader *other = reader_open(&image, "b");
    spool_reader_ack(reader, UINT64_MAX);
    spool_reader_ack(other, UINT64_MAX);
    cr_assert_eq(wait_for_segments(&image, 1), 1);
    cr_assert_eq(stats_of(&image).pending_records, 0);
    spool_reader_close(other);
    spool_reader_close(reader);
    fixture_close(&image);
}

static const off_t unread_from[] = {0, SEGMENT_HEADER_LEN};

/* It is mended (say, its rights) and the daemon started again: by then it is not the newest. */
static void start_again_unread(off_t from, uint64_t hit, unsigned damaged)
{
    uint64_t sequence;
    make_unreadable(from);
    fixture_open(&image, NULL);
    cr_assert_eq(append_one(&image, 1000, 100), SPOOL_DURABLE);
    fixture_close(&image);
    unreadable.inode = 0;
    cr_assert_eq(count_files(&image, ".", ".seg", NULL), 2);
    fixture_open(&image, NULL);
    struct spool_reader *reader = expect_records("a", hit, 0);
    cr_assert_eq(read_one(reader, &sequence), 1000);
    cr_assert_geq(sequence, crashed.first + crashed.n);
    cr_assert_eq(read_one(reader, &sequence), 0);
    cr_assert_eq(stats_of(&image).quarantined, damaged, "from %jd", (intmax_t)from);
    spool_reader_close(reader);
    fixture_close(&image);
}

Test(end, remains_that_no_start_could_cut_off_are_not_counted)
{
    crash();
    for (size_t i = 0; i < 2; i++) {
        plant(crashed.name, crashed.bytes, crashed.len);
        start_unread(unread_from[i], 0, 0);
        plant(crashed.name, crashed.bytes, crashed.len);
        start_again_unread(unread_from[i], 0, 0);
    }
    free(crashed.bytes);
}

Test(end, nor_are_the_zeros_of_a_file_that_was_not_used_before)
{
    crash();
    struct segment_header header = header_of(crashed.bytes);
    header.reused = false;
    segment_header_encode(&header, (uint8_t *)crashed.bytes);
    memset(crashed.bytes + crashed.at[crashed.n], 0, crashed.len - crashed.at[crashed.n]);
    for (size_t i = 0; i < 2; i++) {
        plant(crashed.name, crashed.bytes, crashed.len);
        start_unread(unread_from[i], 0, 0);
        plant(crashed.name, crashed.bytes, crashed.len);
        start_again_unread(unread_from[i], 0, 0);
    }
    /* Here zeros end nothing when other bytes are behind them. */
    crashed.bytes[crashed.len - 1] = 1;
    plant(crashed.name, crashed.bytes, crashed.len);
    start_unread(0, 0, 1);
    free(crashed.bytes);
}

Test(end, damage_in_a_segment_that_was_not_read_at_start_is_counted)
{
    crash();
    for (size_t i = 0; i < 2; i++) {
        uint64_t hit = plant_hole(crashed.at[2], crashed.at[2] + SEGMENT_FRAME_LEN);
        start_unread(unread_from[i], hit, 1);
        plant_hole(crashed.at[2], crashed.at[2] + SEGMENT_FRAME_LEN);
        start_again_unread(unread_from[i], hit, 1);
        size_t torn = crashed.at[crashed.n] - 100;
        hit = plant_hole(torn, torn + 10);
        start_unread(unread_from[i], hit, 1);
    }
    free(crashed.bytes);
}

/* The zeros are a hole, and the record that would tell it cannot be read now: nothing is cut. The
 * hole is longer than what is read at once. */
Test(end, nothing_is_cut_while_the_rest_cannot_be_read)
{
    crash();
    size_t hole = 600 << 10, from = crashed.at[2], last = crashed.at[crashed.n - 1];
    size_t last_len = crashed.at[crashed.n] - last;
    char *bytes = malloc(from + hole + last_len);
    memcpy(bytes, crashed.bytes, from);
    memset(bytes + from, 0x55, hole);
    memset(bytes + from, 0, SEGMENT_END_LEN);
    memcpy(bytes + from + hole, crashed.bytes + last, last_len);
    uint64_t hit = ((UINT64_C(1) << (crashed.n - 1)) - 1) & ~UINT64_C(3);
    plant(crashed.name, bytes, from + hole + last_len);
    start_unread((off_t)(from + hole - 100), hit, 1);
    free(bytes);
    free(crashed.bytes);
}
