/* What a start does with what it finds: torn tails, flipped bits, left-overs, a killed process. */
#include "spool_fixture.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <sys/wait.h>

static struct fixture f;

static void setup(void)
{
    fixture_start_in_memory(&f);
}

static void teardown(void)
{
    fixture_end(&f);
}

TestSuite(recover, .init = setup, .fini = teardown);

static void flip(char *bytes, size_t bit)
{
    bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
}

/* Reads all there is; numbers[] gets what came. */
static unsigned read_all(struct fixture *from, const char *name, uint64_t *numbers, unsigned most)
{
    struct spool_reader *reader = reader_open(from, name);
    unsigned n = 0;
    uint64_t sequence, before = 0;
    while (n < most) {
        uint64_t number = read_one(reader, &sequence);
        if (sequence == 0) {
            break;
        }
        cr_assert_gt(sequence, before);
        cr_assert_neq(number, 0, "bytes that were never appended");
        before = sequence;
        numbers[n++] = number;
    }
    spool_reader_close(reader);
    return n;
}

/* A directory with one segment of records [1, n], as a process leaves it that was killed. */
static char *one_segment(uint64_t n, size_t *len, char name[256], uint64_t offsets[])
{
    fixture_open(&f, NULL);
    uint64_t at = SEGMENT_HEADER_LEN;
    for (uint64_t number = 1; number <= n; number++) {
        size_t payload = 2 + (size_t)number;
        cr_assert_eq(append_one(&f, number, payload), SPOOL_DURABLE);
        char session[32];
        offsets[number - 1] = at;
        at += SEGMENT_FRAME_LEN + payload + (number % 2 != 0 ? 3 : 0) +
              (uint64_t)snprintf(session, sizeof(session), "session-%d", (int)number);
    }
    offsets[n] = at;
    fixture_close(&f);
    char path[512];
    count_files(&f, ".", ".seg", name);
    path_in(&f, name, path);
    char *bytes = load_file(path, len);
    cr_assert_eq(*len, at);
    return bytes;
}

static void plant(const char *name, const char *bytes, size_t len)
{
    char path[512];
    fixture_empty(f.dir);
    cr_assert_eq(mkdir(f.dir, 0700), 0);
    path_in(&f, name, path);
    save_file(path, bytes, len);
}

/* An exact prefix is left at every length, and the tail is counted unless the cut is between two
 * frames; new records go on behind it. */
Test(recover, every_truncation_leaves_an_exact_prefix, .timeout = 60)
{
    char name[256];
    size_t len;
    uint64_t offsets[6], numbers[16];
    char *bytes = one_segment(5, &len, name, offsets);
    for (size_t cut = 0; cut <= len; cut++) {
        unsigned whole = 0;
        while (whole < 5 && offsets[whole + 1] <= cut) {
            whole++;
        }
        bool between = cut >= SEGMENT_HEADER_LEN && offsets[whole] == cut;
        plant(name, bytes, cut);
        fixture_open(&f, NULL);
        cr_assert_eq(stats_of(&f).quarantined, between ? 0 : 1, "cut at %zu", cut);
        cr_assert_eq(count_files(&f, "quarantine", ".bad", NULL) +
                         count_files(&f, "quarantine", ".seg", NULL),
                     between ? 0 : 1);
        cr_assert_eq(append_one(&f, 100, 30), SPOOL_DURABLE);
        unsigned n = read_all(&f, "otlp", numbers, 16);
        cr_assert_eq(n, whole + 1, "cut at %zu: %u", cut, n);
        for (unsigned i = 0; i < whole; i++) {
            cr_assert_eq(numbers[i], i + 1);
        }
        cr_assert_eq(numbers[whole], 100);
        fixture_close(&f);
        fixture_open(&f, NULL);
        cr_assert_eq(stats_of(&f).quarantined, 0, "what was cut is not met again");
        fixture_close(&f);
    }
    free(bytes);
}

/* Every record but those hit comes back, and the hit is counted, once, by whoever meets it first.
 * `newest`: it is the newest segment, read at start; otherwise readers meet the damage. */
static void flip_everything(bool newest)
{
    char name[256], later[512];
    size_t len;
    uint64_t offsets[4], numbers[8];
    char *bytes = one_segment(3, &len, name, offsets);
    struct segment_header header = {.id = 77, .first_sequence = 1000};
    uint8_t empty[SEGMENT_HEADER_LEN];
    segment_header_encode(&header, empty);
    path_in(&f, "00000000000003e8.seg", later);
    for (size_t bit = 0; bit < len * 8; bit++) {
        flip(bytes, bit);
        plant(name, bytes, len);
        if (!newest) {
            save_file(later, (const char *)empty, sizeof(empty));
        }
        fixture_open(&f, NULL);
        unsigned n = read_all(&f, "a", numbers, 8);
        unsigned hit = bit / 8 < SEGMENT_HEADER_LEN ? 0 : 1;
        while (hit != 0 && offsets[hit] <= bit / 8) {
            hit++;
        }
        cr_assert_eq(n, hit == 0 ? 3 : 2, "bit %zu: %u records", bit, n);
        for (unsigned i = 0, number = 1; i < n; i++, number++) {
            number += number == hit;
            cr_assert_eq(numbers[i], number);
        }
        cr_assert_eq(read_all(&f, "b", numbers, 8), n);
        cr_assert_eq(stats_of(&f).quarantined, 1, "bit %zu", bit);
        cr_assert_eq(count_files(&f, "quarantine", ".bad", NULL), 1);
        fixture_close(&f);
        flip(bytes, bit);
    }
    free(bytes);
}

Test(recover, every_flipped_bit_in_the_newest_segment_is_counted, .timeout = 60)
{
    flip_everything(true);
}

Test(recover, every_flipped_bit_in_an_older_segment_is_counted, .timeout = 60)
{
    flip_everything(false);
}

/* The records are of the signals 1, 2 and 3, and the second says 0 then: nobody takes that. */
Test(recover, a_record_whose_signal_became_one_that_nobody_takes_is_counted)
{
    char name[256], later[512];
    size_t len;
    uint64_t offsets[4];
    char *bytes = one_segment(3, &len, name, offsets);
    struct segment_header header = {.id = 77, .first_sequence = 1000};
    uint8_t empty[SEGMENT_HEADER_LEN];
    segment_header_encode(&header, empty);
    bytes[offsets[1] + 40] ^= 2;
    plant(name, bytes, len);
    path_in(&f, "00000000000003e8.seg", later);
    save_file(later, (const char *)empty, sizeof(empty));
    fixture_open(&f, NULL);
    struct result why = RESULT_INIT;
    struct spool_reader *reader =
        spool_reader_open_for(f.spool, "fleet", SPOOL_ALL_SIGNALS & ~SPOOL_SIGNAL(0), NULL, &why);
    cr_assert_not_null(reader, "%s", why.text);
    uint64_t numbers[3] = {0}, number;
    for (unsigned n = 0; n < 3; n++) {
        enum spool_read outcome;
        do {
            struct spool_frame frame;
            outcome = spool_reader_next(reader, &frame);
            number = outcome == SPOOL_READ_OK ? frame.sequence : 0;
        } while (outcome == SPOOL_READ_AGAIN);
        numbers[n] = number;
    }
    cr_expect_eq(numbers[0], 1);
    cr_expect_eq(numbers[1], 3);
    cr_expect_eq(numbers[2], 0);
    cr_expect_eq(stats_of(&f).quarantined, 1);
    spool_reader_close(reader);
    free(bytes);
}

Test(recover, a_damaged_record_does_not_hold_its_segment_back)
{
    char name[256], later[512];
    size_t len;
    uint64_t offsets[4], sequence;
    char *bytes = one_segment(3, &len, name, offsets);
    struct segment_header header = {.id = 77, .first_sequence = 1000};
    uint8_t empty[SEGMENT_HEADER_LEN];
    segment_header_encode(&header, empty);
    bytes[len - 1] ^= 1;
    plant(name, bytes, len);
    path_in(&f, "00000000000003e8.seg", later);
    save_file(later, (const char *)empty, sizeof(empty));
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert_eq(read_one(reader, &sequence), 1);
    cr_assert_eq(read_one(reader, &sequence), 2);
    spool_reader_ack(reader, 2);
    cr_assert_eq(read_one(reader, &sequence), 0);
    cr_assert_eq(wait_for_segments(&f, 1), 1);
    cr_assert_eq(stats_of(&f).pending_records, 0);
    spool_reader_close(reader);
    free(bytes);
}

Test(recover, zeros_are_the_end_and_no_damage)
{
    char name[256];
    size_t len;
    uint64_t offsets[4], numbers[8];
    char *bytes = one_segment(3, &len, name, offsets);
    bytes = realloc(bytes, len + 100000);
    memset(bytes + len, 0, 100000);
    plant(name, bytes, len + 100000);
    fixture_open(&f, NULL);
    cr_assert_eq(stats_of(&f).quarantined, 0);
    cr_assert_eq(stats_of(&f).bytes, len);
    cr_assert_eq(read_all(&f, "otlp", numbers, 8), 3);
    struct stat st;
    char path[512];
    path_in(&f, name, path);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_size, (off_t)len);
    free(bytes);
}

/* Records that were durable but cannot be read any more were perhaps given out: their sequences
 * are not used again. */
Test(recover, sequences_that_were_cut_off_are_not_used_again)
{
    char name[256];
    size_t len;
    uint64_t offsets[9], sequence;
    char *bytes = one_segment(8, &len, name, offsets);
    memset(bytes + offsets[5], 0x55, len - offsets[5]);
    plant(name, bytes, len);
    fixture_open(&f, NULL);
    cr_assert_eq(append_one(&f, 100, 10), SPOOL_DURABLE);
    struct spool_reader *reader = reader_open(&f, "otlp");
    for (uint64_t number = 1; number <= 5; number++) {
        cr_assert_eq(read_one(reader, &sequence), number);
    }
    cr_assert_eq(read_one(reader, &sequence), 100);
    cr_assert_gt(sequence, 8);
    spool_reader_ack(reader, sequence);
    cr_assert_eq(stats_of(&f).pending_records, 0);
    spool_reader_close(reader);
    free(bytes);
}

/* A bad block at the beginning of a segment costs what was in it, not the segment. */
Test(recover, a_damaged_first_block_costs_no_more_than_its_records)
{
    for (int newest = 0; newest <= 1; newest++) {
        fixture_open(&f, NULL);
        cr_assert_eq(append_range(&f, 1, newest ? 60 : 500), newest ? 60 : 500);
        fixture_close(&f);
        char path[512];
        path_in(&f, "0000000000000001.seg", path);
        size_t len;
        char *bytes = load_file(path, &len);
        memset(bytes, 0, 4096);
        save_file(path, bytes, len);
        fixture_open(&f, NULL);
        struct spool_reader *reader = reader_open(&f, "otlp");
        uint64_t sequence, first = read_one(reader, &sequence);
        cr_assert(first > 1 && first < 20, "%llu", (unsigned long long)first);
        cr_assert_eq(sequence, first);
        cr_assert(reads_range(reader, first + 1, newest ? 60 : 500));
        cr_assert_eq(stats_of(&f).quarantined, 2, "the header, and what was behind it");
        cr_assert_eq(count_files(&f, "quarantine", ".bad", NULL), 2);
        spool_reader_close(reader);
        fixture_close(&f);
        free(bytes);
        fixture_empty(f.dir);
        fixture_start(&f);
    }
    fixture_open(&f, NULL);
}

Test(recover, a_segment_without_a_sound_frame_is_set_aside_whole)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 500);
    fixture_close(&f);
    char path[512];
    path_in(&f, "0000000000000001.seg", path);
    size_t len;
    char *bytes = load_file(path, &len);
    memset(bytes, 0xaa, len);
    save_file(path, bytes, len);
    path_in(&f, "0000000000009999.seg", path);
    save_file(path, "no segment at all", 17);
    fixture_open(&f, NULL);
    cr_assert_eq(stats_of(&f).quarantined, 2);
    cr_assert_eq(count_files(&f, "quarantine", ".seg", NULL), 2);
    struct spool_reader *reader = reader_open(&f, "otlp");
    uint64_t sequence, first = read_one(reader, &sequence);
    cr_assert_gt(first, 1);
    cr_assert(reads_range(reader, first + 1, 500));
    append_range(&f, 501, 501);
    cr_assert_eq(read_one(reader, &sequence), 501);
    cr_assert_gt(sequence, 0x9999, "the name was seen");
    spool_reader_close(reader);
    free(bytes);
}

Test(recover, what_is_not_ours_is_left_alone_and_left_overs_are_removed)
{
    static const char *const theirs[] = {"README", "x.seg",           "000000000000001.seg",
                                         "a.tmp",  "cursor.Bad Name", "lost+found"};
    static const char *const ours[] = {"new.seg.tmp", "cursor.otlp.tmp"};
    char path[512];
    for (size_t i = 0; i < 6; i++) {
        path_in(&f, theirs[i], path);
        save_file(path, "x", 1);
    }
    for (size_t i = 0; i < 2; i++) {
        path_in(&f, ours[i], path);
        save_file(path, "x", 1);
    }
    path_in(&f, "0000000000000007.seg", path);
    cr_assert_eq(symlink("/etc/passwd", path), 0);
    fixture_open(&f, NULL);
    cr_assert_eq(append_range(&f, 1, 10), 10);
    for (size_t i = 0; i < 6; i++) {
        path_in(&f, theirs[i], path);
        cr_assert_eq(access(path, F_OK), 0, "%s", path);
    }
    for (size_t i = 0; i < 2; i++) {
        path_in(&f, ours[i], path);
        cr_assert_neq(access(path, F_OK), 0, "%s", path);
    }
    cr_assert_eq(stats_of(&f).quarantined, 0);
}

Test(recover, a_cursor_file_that_makes_no_sense_starts_at_the_oldest)
{
    static const char *const texts[] = {
        "", "sigpost cursor 1\n", "sigpost cursor 1\nsequence 50\ncrc32c 00000000\n",
        "sigpost cursor 1\nsequence 99999999999999999999999\n", "sigpost cursor 2\nsequence 50\n"};
    fixture_open(&f, NULL);
    append_range(&f, 1, 60);
    struct spool_reader *reader = reader_open(&f, "otlp");
    spool_reader_ack(reader, 50);
    spool_reader_close(reader);
    fixture_close(&f);
    char path[512];
    size_t len;
    path_in(&f, "cursor.otlp", path);
    char *good = load_file(path, &len);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) + len * 8; i++) {
        size_t bit = i - sizeof(texts) / sizeof(texts[0]);
        if (i < sizeof(texts) / sizeof(texts[0])) {
            save_file(path, texts[i], strlen(texts[i]));
        } else {
            flip(good, bit);
            save_file(path, good, len);
            flip(good, bit);
        }
        fixture_open(&f, NULL);
        reader = reader_open(&f, "otlp");
        uint64_t sequence;
        cr_assert_eq(read_one(reader, &sequence), 1, "%zu", i);
        spool_reader_close(reader);
        fixture_close(&f);
    }
    save_file(path, good, len);
    free(good);
    fixture_open(&f, NULL);
    reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 51, 60));
    spool_reader_close(reader);
}

/* Nothing is damaged for good: garbage of any kind is survived and the spool works. */
Test(recover, random_damage_is_survived, .timeout = 60)
{
    unsigned seed = 12345;
    for (int round = 0; round < 40; round++) {
        fixture_empty(f.dir);
        fixture_open(&f, NULL);
        append_range(&f, 1, 300);
        fixture_close(&f);
        char name[256], path[512];
        unsigned n = count_files(&f, ".", ".seg", name);
        cr_assert_gt(n, 1);
        path_in(&f, round % 2 != 0 ? "0000000000000001.seg" : name, path);
        size_t len;
        char *bytes = load_file(path, &len);
        for (int i = 0; i < 1 + round % 7; i++) {
            size_t at = (size_t)rand_r(&seed) % len, run = 1 + (size_t)rand_r(&seed) % 3000;
            for (size_t j = at; j < at + run && j < len; j++) {
                bytes[j] = (char)rand_r(&seed);
            }
        }
        save_file(path, bytes, len);
        free(bytes);
        fixture_open(&f, NULL);
        cr_assert_eq(append_range(&f, 301, 310), 10);
        uint64_t numbers[512];
        unsigned got = read_all(&f, "otlp", numbers, 512);
        cr_assert_geq(got, 10);
        cr_assert_gt(stats_of(&f).quarantined, 0);
        for (unsigned i = 1; i < got; i++) {
            cr_assert_gt(numbers[i], numbers[i - 1]);
        }
        cr_assert_eq(numbers[got - 1], 310);
        fixture_close(&f);
    }
}

Test(recover, the_quarantine_is_bounded)
{
    struct spool_options options = fixture_options(&f);
    options.max_bytes = 16 << 20;
    for (uint64_t round = 0; round < 30; round++) {
        fixture_open(&f, &options);
        append_one(&f, round + 1, 10);
        fixture_close(&f);
        char name[256], path[512];
        count_files(&f, ".", ".seg", name);
        path_in(&f, name, path);
        int fd = open(path, O_WRONLY | O_APPEND);
        char *junk = malloc(300000);
        memset(junk, 'x', 300000);
        cr_assert_eq(write(fd, junk, 300000), 300000);
        free(junk);
        close(fd);
        fixture_open(&f, &options);
        cr_assert_eq(stats_of(&f).quarantined, 1);
        fixture_close(&f);
    }
    cr_assert_eq(count_files(&f, "quarantine", ".bad", NULL), (4 << 20) / 300000);
    fixture_open(&f, &options);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 30));
    spool_reader_close(reader);
}

/* --- killed ------------------------------------------------------------------------------------
 */

struct shared {
    _Atomic uint64_t durable;
};

static struct shared *shared;

static void note_durable(void *arg, enum spool_outcome outcome)
{
    if (outcome == SPOOL_DURABLE) {
        shared->durable = *(uint64_t *)arg; /* in order: one writer, one producer */
    }
}

static void append_until_killed(uint64_t from)
{
    struct spool_record record;
    char session[SPOOL_SESSION_MAX], payload[FIXTURE_PAYLOAD_MAX];
    static uint64_t numbers[100000];
    fixture_open(&f, NULL);
    for (uint64_t number = from;; number++) {
        uint64_t *mine = &numbers[number % 100000];
        *mine = number;
        record_make(number, record_len(number), &record, session, payload);
        spool_append(f.spool, &record, note_durable, mine);
        if (number % 50 == 0) {
            usleep(500);
        }
    }
}

Test(recover, a_killed_process_loses_nothing_it_promised, .timeout = 60)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    uint64_t from = 1;
    for (int round = 0; round < 12; round++) {
        pid_t child = fork();
        if (child == 0) {
            append_until_killed(from);
        }
        while (shared->durable < from + 20 + (uint64_t)round * 7) {
            usleep(500);
        }
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        uint64_t promised = shared->durable, sequence, number;
        fixture_open(&f, NULL);
        struct spool_reader *reader = reader_open(&f, "otlp");
        spool_reader_seek(reader, 0);
        for (uint64_t want = from; want <= promised; want++) {
            cr_assert_eq(read_one(reader, &sequence), want, "round %d", round);
        }
        while ((number = read_one(reader, &sequence)) != 0) {
            promised = number;
        }
        spool_reader_ack(reader, UINT64_MAX);
        spool_reader_close(reader);
        fixture_close(&f);
        /* the next round starts with an empty directory */
        fixture_empty(f.dir);
        from = promised + 1;
        shared->durable = promised;
    }
    munmap(shared, sizeof(*shared));
}
