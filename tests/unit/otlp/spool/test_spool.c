/* Ordinary life of a spool: append, read, acknowledge, reopen, delete. */
#include "spool_fixture.h"

#include <criterion/criterion.h>
#include <sys/wait.h>

static struct fixture f;

static void setup(void)
{
    fixture_start(&f);
}

static void teardown(void)
{
    fixture_end(&f);
}

TestSuite(spool, .init = setup, .fini = teardown);

Test(spool, gives_back_thousands_of_records_of_mixed_sizes)
{
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert_eq(append_range(&f, 1, 4000), 4000);
    cr_assert_gt(count_files(&f, ".", ".seg", NULL), 10);
    cr_assert(reads_range(reader, 1, 4000));
    spool_reader_close(reader);
}

Test(spool, counts_sequences_from_one_and_goes_on_after_reopening)
{
    uint64_t sequence;
    for (uint64_t round = 0; round < 4; round++) {
        fixture_open(&f, NULL);
        cr_assert_eq(append_range(&f, round * 10 + 1, round * 10 + 10), 10);
        struct spool_reader *reader = reader_open(&f, "otlp");
        for (uint64_t number = 1; number <= round * 10 + 10; number++) {
            cr_assert_eq(read_one(reader, &sequence), number);
            cr_assert_eq(sequence, number);
        }
        spool_reader_close(reader);
        fixture_close(&f);
    }
}

Test(spool, makes_its_files_for_nobody_else)
{
    rmdir(f.dir);
    fixture_open(&f, NULL);
    append_range(&f, 1, 1);
    spool_reader_close(reader_open(&f, "otlp"));
    struct stat st;
    char path[512], name[256];
    cr_assert_eq(stat(f.dir, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0700);
    count_files(&f, ".", ".seg", name);
    const char *names[] = {"lock", "cursor.otlp", name};
    for (size_t i = 0; i < 3; i++) {
        path_in(&f, names[i], path);
        cr_assert_eq(stat(path, &st), 0, "%s", path);
        cr_assert_eq(st.st_mode & 07777, 0600, "%s", path);
    }
}

Test(spool, a_cursor_lasts)
{
    fixture_open(&f, NULL);
    cr_assert_eq(spool_last_sequence(f.spool), 0);
    append_range(&f, 1, 100);
    cr_assert_eq(spool_last_sequence(f.spool), 100);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert_eq(spool_reader_position(reader), 0);
    uint64_t sequence;
    for (int i = 0; i < 60; i++) {
        read_one(reader, &sequence);
    }
    cr_assert_eq(spool_reader_drained(reader), 0);
    spool_reader_ack(reader, 40);
    spool_reader_close(reader);
    fixture_close(&f);

    fixture_open(&f, NULL);
    reader = reader_open(&f, "otlp");
    cr_assert_eq(spool_reader_position(reader), 40);
    cr_assert(reads_range(reader, 41, 100), "what was read but not acknowledged comes again");
    spool_reader_ack(reader, 30); /* backwards: nothing */
    cr_assert_eq(spool_reader_position(reader), 40);
    spool_reader_ack(reader, 5000); /* not there yet: all that is */
    cr_assert_eq(spool_reader_position(reader), 100);
    spool_reader_close(reader);
    append_range(&f, 101, 101);
    reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 101, 101));
    cr_assert_not(read_one(reader, &sequence));
    cr_assert_eq(spool_reader_drained(reader), 101);
    append_range(&f, 102, 102);
    cr_assert_eq(spool_reader_drained(reader), 0);
    spool_reader_close(reader);
}

Test(spool, the_cursor_file_follows_within_a_second_or_so)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 10);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 10));
    spool_reader_ack(reader, 3);
    usleep(20000);
    spool_reader_ack(reader, 7);
    char path[512];
    size_t len;
    path_in(&f, "cursor.otlp", path);
    bool there = false;
    for (int i = 0; i < 250 && !there; i++) {
        usleep(10000);
        char *text = load_file(path, &len);
        text[len] = '\0';
        there = strstr(text, "\nsequence 7\n") != NULL;
        free(text);
    }
    cr_assert(there);
    spool_reader_close(reader);
}

Test(spool, deletes_a_segment_when_every_cursor_has_passed_it)
{
    fixture_open(&f, NULL);
    struct spool_reader *fast = reader_open(&f, "fast"), *slow = reader_open(&f, "slow");
    append_range(&f, 1, 2000);
    unsigned all = count_files(&f, ".", ".seg", NULL);
    cr_assert_gt(all, 5);
    cr_assert(reads_range(fast, 1, 2000));
    spool_reader_ack(fast, 2000);
    usleep(50000);
    cr_assert_eq(count_files(&f, ".", ".seg", NULL), all, "slow has read nothing");
    uint64_t sequence;
    for (int i = 0; i < 1000; i++) {
        read_one(slow, &sequence);
    }
    spool_reader_ack(slow, 1000);
    unsigned half = wait_for_segments(&f, all - 2);
    cr_assert(half > 1 && half <= all - 2, "%u of %u", half, all);
    cr_assert(reads_range(slow, 1001, 2000));
    spool_reader_ack(slow, 2000);
    cr_assert_eq(wait_for_segments(&f, 1), 1, "the newest stays");
    struct spool_stats stats = stats_of(&f);
    cr_assert_eq(stats.pending_records, 0);
    cr_assert_lt(stats.bytes, 64 << 10);
    spool_reader_close(fast);
    spool_reader_close(slow);
}

Test(spool, a_reader_that_is_not_open_holds_segments_until_it_is_forgotten)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 1000);
    spool_reader_close(reader_open(&f, "away"));
    fixture_close(&f);

    fixture_open(&f, NULL);
    unsigned all = count_files(&f, ".", ".seg", NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 1000));
    spool_reader_ack(reader, 1000);
    usleep(50000);
    cr_assert_eq(count_files(&f, ".", ".seg", NULL), all);
    spool_reader_close(reader);
    spool_forget_readers_except(f.spool, (const char *const[]){"otlp", "new"}, 2);
    cr_assert_eq(wait_for_segments(&f, 1), 1);
    cr_assert_eq(count_files(&f, ".", "cursor.away", NULL), 0);
    cr_assert_eq(count_files(&f, ".", "cursor.otlp", NULL), 1);
}

Test(spool, nothing_is_deleted_while_there_is_no_reader)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 1000);
    fixture_close(&f);
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "first");
    cr_assert(reads_range(reader, 1, 1000));
    spool_reader_close(reader);
}

Test(spool, the_sequence_never_goes_back_though_all_is_read_and_deleted)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 500);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 500));
    spool_reader_ack(reader, 500);
    spool_reader_close(reader);
    spool_forget_readers_except(f.spool, NULL, 0);
    for (int round = 0; round < 3; round++) {
        fixture_close(&f);
        fixture_open(&f, NULL);
    }
    append_range(&f, 501, 501);
    reader = reader_open(&f, "otlp");
    uint64_t sequence, number;
    do {
        number = read_one(reader, &sequence);
    } while (number != 0 && number != 501);
    cr_assert_eq(number, 501);
    cr_assert_eq(sequence, 501);
    spool_reader_close(reader);
}

Test(spool, a_cursor_ahead_of_all_segments_sets_the_next_sequence)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 50);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 50));
    spool_reader_ack(reader, 50);
    spool_reader_close(reader);
    fixture_close(&f);
    char name[256], path[512];
    count_files(&f, ".", ".seg", name);
    path_in(&f, name, path);
    cr_assert_eq(unlink(path), 0);
    fixture_open(&f, NULL);
    append_range(&f, 51, 51);
    reader = reader_open(&f, "otlp");
    uint64_t sequence;
    cr_assert_eq(read_one(reader, &sequence), 51);
    cr_assert_eq(sequence, 51);
    spool_reader_close(reader);
}

Test(spool, seeks_backwards_and_forwards)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 1500);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 1500));
    uint64_t sequence;
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t to = 1 + i * 6364136223846793005U % 1500;
        spool_reader_seek(reader, to);
        for (uint64_t number = to; number < to + 3 && number <= 1500; number++) {
            cr_assert_eq(read_one(reader, &sequence), number);
            cr_assert_eq(sequence, number);
        }
    }
    spool_reader_seek(reader, 1501);
    cr_assert_eq(read_one(reader, &sequence), 0);
    spool_reader_seek(reader, 0);
    cr_assert(reads_range(reader, 1, 1500));
    spool_reader_close(reader);
}

Test(spool, seeking_to_what_is_deleted_gives_the_oldest_there)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 1000);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 1000));
    unsigned all = count_files(&f, ".", ".seg", NULL);
    spool_reader_ack(reader, 500);
    cr_assert_lt(wait_for_segments(&f, all - 1), all);
    usleep(20000);
    spool_reader_seek(reader, 1);
    uint64_t sequence, first = read_one(reader, &sequence);
    cr_assert(first > 1 && first <= 501, "%llu", (unsigned long long)first);
    cr_assert(reads_range(reader, first + 1, 1000));
    spool_reader_close(reader);
}

Test(spool, a_payload_stays_until_the_next_read)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 2);
    struct spool_reader *reader = reader_open(&f, "otlp");
    struct spool_frame one, two;
    cr_assert_eq(spool_reader_next(reader, &one), SPOOL_READ_OK);
    append_range(&f, 3, 3);
    spool_reader_ack(reader, one.sequence);
    cr_assert_eq(record_number(&one), 1);
    cr_assert_eq(spool_reader_next(reader, &one), SPOOL_READ_OK);
    cr_assert_eq(spool_reader_next(reader, &two), SPOOL_READ_OK);
    cr_assert_eq(record_number(&two), 3);
    cr_assert_eq(spool_reader_next(reader, &one), SPOOL_READ_EMPTY);
    spool_reader_close(reader);
}

Test(spool, long_payloads)
{
    static const size_t lens[] = {1,       200000,  262144 - 60, 262144, 262144 + 60,
                                  1000000, 4194304, 3,           4194303};
    struct spool_options options = fixture_options(&f);
    options.segment_bytes = 0;
    options.max_bytes = 64 << 20;
    options.max_payload = 4 << 20;
    options.max_queued = 256 << 20;
    for (int round = 0; round < 2; round++) {
        fixture_open(&f, &options);
        struct answers answers = ANSWERS_INIT;
        for (uint64_t number = 1; round == 0 && number <= 18; number++) {
            append_len(&f, &answers, number, lens[number % 9]);
        }
        answers_wait(&answers, round == 0 ? 18 : 0);
        cr_assert_eq(answers.n[SPOOL_DURABLE], round == 0 ? 18 : 0);
        struct spool_reader *reader = reader_open(&f, "otlp");
        cr_assert(reads_range(reader, 1, 18));
        spool_reader_seek(reader, 7);
        cr_assert(reads_range(reader, 7, 18));
        spool_reader_close(reader);
        fixture_close(&f);
    }
}

Test(spool, a_segment_that_somebody_deleted_is_counted_and_passed)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 1000);
    char path[512];
    path_in(&f, "0000000000000001.seg", path);
    cr_assert_eq(unlink(path), 0);
    struct spool_reader *a = reader_open(&f, "a"), *b = reader_open(&f, "b");
    uint64_t sequence, first = read_one(a, &sequence);
    cr_assert_gt(first, 1);
    cr_assert(reads_range(a, first + 1, 1000));
    cr_assert(reads_range(b, first, 1000));
    cr_assert_eq(stats_of(&f).quarantined, 1);
    spool_reader_ack(a, 1000);
    spool_reader_ack(b, 1000);
    cr_assert_eq(wait_for_segments(&f, 1), 1);
    cr_assert_lt(stats_of(&f).bytes, 64 << 10);
    spool_reader_close(a);
    spool_reader_close(b);
}

/* Sequences jump where a torn tail was cut off; the segment behind the jump is the one that goes.
 */
Test(spool, a_deleted_segment_behind_a_gap_holds_no_reader, .timeout = 20)
{
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert_eq(append_range(&f, 1, 3), 3);
    cr_assert(reads_range(reader, 1, 3));
    spool_reader_ack(reader, 3);
    spool_reader_close(reader);
    fixture_close(&f);
    char name[256], path[512];
    count_files(&f, ".", ".seg", name);
    path_in(&f, name, path);
    FILE *file = fopen(path, "ae");
    cr_assert_not_null(file);
    for (int i = 0; i < 500; i++) {
        fputs("torn", file);
    }
    fclose(file);
    fixture_open(&f, NULL);
    cr_assert_eq(append_one(&f, 4, 4000), SPOOL_DURABLE);
    uint64_t behind = spool_last_sequence(f.spool);
    cr_assert_gt(behind, 5, "no gap");
    uint64_t number = 5;
    while (f.spool->segments[f.spool->n_segments - 1].first <= behind) {
        cr_assert_eq(append_one(&f, number++, 4000), SPOOL_DURABLE);
    }
    segment_name(behind, name);
    path_in(&f, name, path);
    cr_assert_eq(unlink(path), 0);
    uint64_t sequence;
    uint64_t before = stats_of(&f).quarantined;
    struct spool_reader *all = reader_open(&f, "otlp"), *more = reader_open(&f, "more");
    cr_assert_eq(read_one(all, &sequence), number - 1);
    cr_assert_eq(read_one(all, &sequence), 0);
    cr_assert_eq(read_one(more, &sequence), number - 1);
    cr_assert_eq(stats_of(&f).quarantined, before + 1, "it is counted once");
    spool_reader_close(all);
    spool_reader_close(more);
}

Test(spool, the_wake_descriptor_tells_of_new_records)
{
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    int fd = spool_reader_wake_fd(reader);
    uint64_t sequence;
    cr_assert(is_readable(fd), "at first, there may be something");
    cr_assert_eq(read_one(reader, &sequence), 0);
    cr_assert_not(is_readable(fd));
    append_range(&f, 1, 3);
    struct pollfd poll_fd = {fd, POLLIN, 0};
    cr_assert_eq(poll(&poll_fd, 1, 5000), 1);
    cr_assert(reads_range(reader, 1, 3));
    cr_assert_not(is_readable(fd));
    spool_reader_close(reader);
}

Test(spool, a_reader_with_nothing_to_read_keeps_no_memory_of_a_long_record)
{
    const size_t len = 3 << 20;
    struct spool_options options = fixture_options(&f);
    options.segment_bytes = 8 << 20;
    options.max_bytes = 64 << 20;
    options.max_payload = len;
    fixture_open(&f, &options);
    struct spool_reader *reader = reader_open(&f, "otlp");
    uint64_t sequence;
    cr_assert_eq(append_one(&f, 1, len), SPOOL_DURABLE);
    cr_assert_eq(read_one(reader, &sequence), 1);
    cr_assert_geq(reader->scan.cap, len, "the record is still the caller's to look at");
    cr_assert_eq(read_one(reader, &sequence), 0);
    cr_assert_lt(reader->scan.cap, 1 << 20);
    cr_assert_eq(append_range(&f, 2, 200), 199);
    cr_assert(reads_range(reader, 2, 200));
    spool_reader_seek(reader, 1);
    cr_assert_eq(read_one(reader, &sequence), 1);
    cr_assert(reads_range(reader, 2, 200));
    spool_reader_close(reader);
}

Test(spool, records_outside_the_limits_are_refused_at_once)
{
    fixture_open(&f, NULL);
    static char bytes[FIXTURE_PAYLOAD_MAX + 1];
    struct spool_record good = {.signal = SIGNAL_LOGS,
                                .session = slice_make(bytes, SPOOL_SESSION_MAX),
                                .key_id = slice_make(bytes, SPOOL_KEY_ID_MAX),
                                .payload = slice_make(bytes, FIXTURE_PAYLOAD_MAX)};
    struct spool_record bad[5] = {good, good, good, good, good};
    bad[0].payload.len++;
    bad[1].payload.len = 0;
    bad[2].session.len++;
    bad[3].key_id.len++;
    bad[4].signal = SIGNAL_COUNT;
    struct answers answers = ANSWERS_INIT;
    for (size_t i = 0; i < 5; i++) {
        spool_append(f.spool, &bad[i], answers_take, &answers);
        cr_assert_eq(answers.n[SPOOL_FAILED], i + 1);
    }
    spool_append(f.spool, &good, answers_take, &answers);
    answers_wait(&answers, 6);
    cr_assert_eq(answers.n[SPOOL_DURABLE], 1, "the longest of everything fits");
    cr_assert_not(stats_of(&f).failed);
}

Test(spool, a_second_process_is_told_that_the_directory_is_in_use)
{
    fixture_open(&f, NULL);
    struct fixture other = f;
    struct result why;
    cr_assert_null(fixture_try(&other, NULL, &why));
    cr_assert_not_null(strstr(why.text, "another process holds"), "%s", why.text);
}

Test(spool, sizes_that_cannot_be_are_explained)
{
    struct result why;
    struct spool_options options = fixture_options(&f);
    options.segment_bytes = 4096;
    cr_assert_null(fixture_try(&f, &options, &why));
    cr_assert_not_null(strstr(why.text, "at least 8480"), "%s", why.text);
    options = fixture_options(&f);
    options.max_bytes = options.segment_bytes * 2 - 1;
    cr_assert_null(fixture_try(&f, &options, &why));
    cr_assert_not_null(strstr(why.text, "at least 128KiB"), "%s", why.text);
    options.max_bytes = 1 << 20;
    options.segment_bytes = 0;
    cr_assert_null(fixture_try(&f, &options, &why));
    cr_assert_not_null(strstr(why.text, "spool.max_bytes: 1024KiB are too few"), "%s", why.text);
    options.dir = "/nowhere/at/all";
    options.max_bytes = 1 << 24;
    cr_assert_null(fixture_try(&f, &options, &why));
    cr_assert_not_null(strstr(why.text, "/nowhere/at/all"), "%s", why.text);
    cr_assert_not_null(fixture_open(&f, NULL));
}

Test(spool, names_of_readers_are_checked)
{
    fixture_open(&f, NULL);
    struct result why = RESULT_INIT;
    static const char *const bad[] = {"",      "../x", "A",
                                      "x.tmp", "a b",  "123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_null(spool_reader_open(f.spool, bad[i], &why), "%s", bad[i]);
    }
    struct spool_reader *reader = reader_open(&f, "12345678901234567890123456789012");
    cr_assert_null(spool_reader_open(f.spool, "12345678901234567890123456789012", &why));
    cr_assert_not_null(strstr(why.text, "open already"), "%s", why.text);
    spool_reader_close(reader);
}

Test(spool, tells_how_much_waits_and_since_when)
{
    fixture_open(&f, NULL);
    cr_assert_eq(stats_of(&f).oldest_ns, 0);
    for (uint64_t number = 1; number <= 30; number++) {
        cr_assert_eq(append_one(&f, number, 5000), SPOOL_DURABLE);
    }
    struct spool_reader *reader = reader_open(&f, "otlp");
    struct spool_stats stats = stats_of(&f);
    cr_assert_eq(stats.pending_records, 30);
    cr_assert_eq(stats.oldest_ns, 1000);
    cr_assert_gt(stats.bytes, 150000);
    cr_assert_eq(stats.retry_after_s, 1);
    cr_assert(reads_range(reader, 1, 30));
    spool_reader_ack(reader, 17);
    stats = stats_of(&f);
    cr_assert_eq(stats.pending_records, 13);
    cr_assert_eq(stats.oldest_ns, 18000);
    spool_reader_close(reader);
    fixture_close(&f);

    fixture_open(&f, NULL); /* now nothing is remembered: the segments are looked into */
    for (int i = 0; i < 2; i++) {
        stats = stats_of(&f);
        cr_assert_eq(stats.pending_records, 13);
        cr_assert_eq(stats.oldest_ns, 18000);
    }
    reader = reader_open(&f, "otlp");
    for (uint64_t acked = 18; acked < 30; acked++) {
        spool_reader_ack(reader, acked);
        stats = stats_of(&f);
        cr_assert_eq(stats.pending_records, 30 - acked);
        cr_assert_eq(stats.oldest_ns, (int64_t)acked * 1000 + 1000);
    }
    spool_reader_ack(reader, 30);
    stats = stats_of(&f);
    cr_assert_eq(stats.pending_records, 0);
    cr_assert_eq(stats.oldest_ns, 0);
    spool_reader_close(reader);
}

static unsigned deleted_files_open(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char target[512];
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        target[len > 0 ? len : 0] = '\0';
        n += strstr(target, ".seg (deleted)") != NULL;
    }
    closedir(dir);
    return n;
}

/* The room of a file that is deleted and open is not free. */
Test(spool, keeps_no_deleted_segment_open)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 500);
    fixture_close(&f);
    fixture_open(&f, NULL);
    cr_assert_eq(stats_of(&f).oldest_ns, 1000, "asked of the first segment's file");
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 500));
    append_range(&f, 501, 501);
    cr_assert(reads_range(reader, 501, 501));
    spool_reader_ack(reader, UINT64_MAX);
    cr_assert_eq(wait_for_segments(&f, 1), 1);
    unsigned open_still = 1;
    for (int i = 0; i < 300 && open_still != 0; i++) {
        usleep(10000);
        open_still = deleted_files_open();
    }
    cr_assert_eq(open_still, 0);
    spool_reader_close(reader);
}

Test(spool, shows_itself_on_a_scrape_and_no_more_after_closing)
{
    struct metrics *metrics = metrics_create();
    struct spool_options options = fixture_options(&f);
    struct result why = RESULT_INIT;
    f.spool = spool_open(&options, metrics, &why);
    cr_assert_not_null(f.spool);
    cr_assert_eq(append_range(&f, 1, 5), 5);
    struct buf out = BUF_INIT;
    metrics_render(metrics, &out);
    const char *text = buf_cstr(&out);
    cr_assert_not_null(strstr(text, "sigpost_spool_records_total 5\n"), "%s", text);
    cr_assert_not_null(strstr(text, "sigpost_spool_sync_seconds_count "), "%s", text);
    cr_assert_not_null(strstr(text, "sigpost_spool_refused_total{reason=\"full\"} 0\n"), "%s",
                       text);
    cr_assert_null(strstr(text, "sigpost_spool_bytes 0\n"), "%s", text);
    cr_assert_null(strstr(text, "sigpost_spool_oldest_seconds 0\n"), "%s", text);
    spool_close(f.spool);
    f.spool = NULL;
    buf_clear(&out);
    metrics_render(metrics, &out);
    cr_assert_not_null(strstr(buf_cstr(&out), "sigpost_spool_records_total 5\n"));
    buf_free(&out);
    metrics_destroy(metrics);
}

Test(spool, the_other_ways_of_syncing_lose_nothing_on_a_clean_stop)
{
    static const enum spool_sync modes[] = {SPOOL_SYNC_INTERVAL, SPOOL_SYNC_NEVER};
    for (uint64_t i = 0; i < 2; i++) {
        struct spool_options options = fixture_options(&f);
        options.sync = modes[i];
        fixture_open(&f, &options);
        cr_assert_eq(append_range(&f, i * 500 + 1, i * 500 + 500), 500);
        fixture_close(&f);
        fixture_open(&f, &options);
        struct spool_reader *reader = reader_open(&f, "otlp");
        cr_assert(reads_range(reader, 1, i * 500 + 500));
        spool_reader_close(reader);
        fixture_close(&f);
    }
}

Test(spool, at_an_interval_readers_see_records_once_they_are_synced)
{
    struct spool_options options = fixture_options(&f);
    options.sync = SPOOL_SYNC_INTERVAL;
    fixture_open(&f, &options);
    struct spool_reader *reader = reader_open(&f, "otlp");
    append_range(&f, 1, 1); /* the first sync is due at once */
    uint64_t sequence;
    while (read_one(reader, &sequence) == 0) {
        usleep(5000);
    }
    int64_t began = clock_mono_ns();
    cr_assert_eq(append_one(&f, 2, 10), SPOOL_DURABLE);
    cr_assert_lt(clock_mono_ns() - began, 500 * NS_PER_MS, "the answer does not wait");
    cr_assert_eq(read_one(reader, &sequence), 0);
    struct pollfd poll_fd = {spool_reader_wake_fd(reader), POLLIN, 0};
    cr_assert_eq(poll(&poll_fd, 1, 5000), 1);
    cr_assert_eq(read_one(reader, &sequence), 2);
    spool_reader_close(reader);
}
