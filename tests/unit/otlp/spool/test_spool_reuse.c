/* Segments made of files that held another before: the remains are never taken for records. */
#include "reuse_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

TestSuite(reuse, .init = setup, .fini = teardown, .timeout = 60);

Test(reuse, remains_are_neither_read_nor_counted)
{
    char name[256];
    uint64_t first, last, quarantined;
    size_t len;
    struct spool_reader *reader = reused(name, &first, &last);
    cr_assert(reads_range(reader, 21, last));
    take_image();
    char path[512];
    path_in(&image, name, path);
    char *bytes = load_file(path, &len);
    cr_assert(header_of(bytes).reused);
    plant(name, bytes, len);
    cr_assert_eq(records_of_image(first, &quarantined), last - first + 1);
    cr_assert_eq(quarantined, 0, "an ordinary crash is no damage");
    free(bytes);
    spool_reader_close(reader);
    fixture_close(&f);
}

Test(reuse, a_flipped_bit_in_the_last_frame_or_the_end_mark_is_counted)
{
    char name[256], path[512];
    uint64_t first, last, quarantined;
    size_t len;
    struct spool_reader *reader = reused(name, &first, &last);
    take_image();
    path_in(&image, name, path);
    char *bytes = load_file(path, &len);
    size_t frame = SEGMENT_FRAME_LEN + sizeof("session-33") - 1 + sizeof("key") - 1 + LONG;
    size_t end = SEGMENT_HEADER_LEN;
    while (memcmp(bytes + end, segment_frame_magic, SEGMENT_MAGIC_LEN) == 0) {
        struct segment_frame found;
        if (!segment_frame_decode((const uint8_t *)bytes + end, &found) ||
            found.segment_id != header_of(bytes).id) {
            break;
        }
        end += found.total;
    }
    for (size_t at = end - frame; at < end + SEGMENT_END_LEN;
         at += at >= end || at < end - frame + SEGMENT_FRAME_LEN ? 1 : 131) {
        bytes[at] = (char)(bytes[at] ^ 1 << at % 8);
        plant(name, bytes, len);
        unsigned n = records_of_image(first, &quarantined);
        cr_assert_eq(n, at < end ? last - first : last - first + 1, "byte %zu", at - (end - frame));
        cr_assert_eq(quarantined, 1, "byte %zu", at - (end - frame));
        bytes[at] = (char)(bytes[at] ^ 1 << at % 8);
    }
    free(bytes);
    spool_reader_close(reader);
    fixture_close(&f);
}

/* An earlier segment's frame where the next of this one would be: sound, but of another id and
 * below this segment's sequences. */
Test(reuse, a_frame_of_an_earlier_segment_is_never_believed)
{
    char name[256], path[512];
    uint64_t first, last, quarantined;
    size_t len, old_len;
    fixture_open(&f, NULL);
    append_all(1, 3);
    char old_name[256];
    count_files(&f, ".", ".seg", old_name);
    path_in(&f, old_name, path);
    char *old = load_file(path, &old_len);
    fixture_close(&f);
    fixture_empty(f.dir);
    cr_assert_eq(mkdir(f.dir, 0700), 0);

    struct spool_reader *reader = reused(name, &first, &last);
    take_image();
    path_in(&image, name, path);
    char *bytes = load_file(path, &len);
    for (size_t frames = 0; frames < 2; frames++) {
        struct segment_frame found;
        size_t at = SEGMENT_HEADER_LEN;
        for (size_t i = 0; i < frames; i++) {
            cr_assert(segment_frame_decode((const uint8_t *)bytes + at, &found));
            at += found.total;
        }
        size_t part =
            len - at < old_len - SEGMENT_HEADER_LEN ? len - at : old_len - SEGMENT_HEADER_LEN;
        memcpy(bytes + at, old + SEGMENT_HEADER_LEN, part);
        for (size_t rest = at + part; rest < len; rest++) {
            bytes[rest] = 0;
        }
        plant(name, bytes, at + part);
        cr_assert_eq(records_of_image(first, &quarantined), frames);
        cr_assert_eq(quarantined, 1);
        path_in(&f, name, path);
        free(bytes);
        bytes = load_file(path, &len);
    }
    free(bytes);
    free(old);
    spool_reader_close(reader);
    fixture_close(&f);
}

/* The keeper's file may be longer than the segment made of it, when segment_bytes was lowered. */
Test(reuse, a_spare_that_is_too_long_is_cut)
{
    char name[256];
    char path[512];
    off_t size, made = 0;
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    append_all(1, 20);
    pass(reader, 1, 20);
    ino_t spare = wait_for_spare(&size);
    path_in(&f, "spare.seg.tmp", path);
    cr_assert_eq(truncate(path, size + 65536), 0);
    append_all(21, 33);
    count_files(&f, ".", ".seg", name);
    cr_expect_eq(inode_of(&f, name, &made), spare, "it was not used");
    cr_expect_eq(made, 65536, "%jd bytes", (intmax_t)made); /* the segment_bytes of the fixture */
    spool_reader_close(reader);
    fixture_close(&f);
}

/* A broken header is not made anew from a frame that the file held before. */
Test(reuse, a_broken_header_before_remains_sets_the_file_aside)
{
    char name[256], path[512];
    uint64_t first, last, quarantined;
    size_t len;
    struct spool_reader *reader = reused(name, &first, &last);
    spool_reader_close(reader);
    fixture_close(&f);
    path_in(&f, name, path);
    char *bytes = load_file(path, &len);
    bytes[20] = (char)(bytes[20] ^ 1);
    char later[SEGMENT_NAME_LEN + 1];
    segment_name(first + 1000, later); /* as if this were the file of a segment not begun */
    plant(later, bytes, len);
    cr_assert_eq(records_of_image(0, &quarantined), 0);
    cr_assert_eq(quarantined, 1);
    free(bytes);
}

Test(reuse, files_together_stay_within_max_bytes_and_are_used_again_and_again)
{
    struct spool_options options = fixture_options(&f);
    options.max_bytes = 3 * options.segment_bytes;
    fixture_open(&f, &options);
    struct spool_reader *reader = reader_open(&f, "otlp");
    uint64_t number = 1;
    for (unsigned round = 0; round < 40; round++) {
        append_all(number, number + 9);
        pass(reader, number, number + 9);
        number += 10;
        uint64_t total = 0;
        DIR *dir = opendir(f.dir);
        for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
            off_t size = 0;
            if (strstr(entry->d_name, ".seg") != NULL && inode_of(&f, entry->d_name, &size) != 0) {
                total += (uint64_t)size;
            }
        }
        closedir(dir);
        cr_assert_leq(total, options.max_bytes);
    }
    spool_reader_close(reader);
    fixture_close(&f);
    cr_assert_eq(inode_of(&f, "spare.seg.tmp", NULL), 0, "a clean stop leaves no spare");
}

static struct shared {
    _Atomic uint64_t durable;
} * shared;

static void run_until_killed(uint64_t from)
{
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    for (uint64_t number = from;; number++) {
        uint64_t sequence;
        if (append_one(&f, number, record_len(number)) == SPOOL_DURABLE) {
            shared->durable = number;
        }
        if (number % 64 == 0) {
            while (read_one(reader, &sequence) != 0) {
                spool_reader_ack(reader, sequence);
            }
        }
    }
}

/* The process is killed while files go round; what it promised and had not passed is there. */
Test(reuse, a_killed_process_loses_nothing_it_promised)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(shared, MAP_FAILED);
    uint64_t from = 1;
    unsigned reused_files = 0;
    for (unsigned round = 0; round < 12; round++) {
        pid_t child = fork();
        if (child == 0) {
            run_until_killed(from);
        }
        while (shared->durable < from + 1500 + (uint64_t)round * 37) {
            usleep(200);
        }
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        char name[256], path[512];
        size_t len;
        count_files(&f, ".", ".seg", name);
        path_in(&f, name, path);
        char *bytes = load_file(path, &len);
        reused_files += header_of(bytes).reused ? 1 : 0;
        free(bytes);

        fixture_open(&f, NULL);
        struct spool_reader *reader = reader_open(&f, "otlp");
        uint64_t sequence, number, before = 0;
        while ((number = read_one(reader, &sequence)) != 0) {
            cr_assert(before == 0 || number == before + 1, "%llu behind %llu in round %u",
                      (unsigned long long)number, (unsigned long long)before, round);
            before = number;
        }
        if (before == 0) { /* killed when all was passed, and the cursor's file said so */
            cr_assert_eq(spool_reader_position(reader), spool_last_sequence(f.spool));
            before = shared->durable;
        }
        cr_assert_eq(sequence, 0);
        cr_assert_geq(before, shared->durable, "round %u", round);
        cr_assert_leq(stats_of(&f).quarantined, 1);
        spool_reader_ack(reader, UINT64_MAX);
        spool_reader_close(reader);
        fixture_close(&f);
        from = before + 1;
        shared->durable = before;
    }
    cr_assert_gt(reused_files, 6, "the test is about files that are used again");
    munmap(shared, sizeof(*shared));
}
