/* test_dead_letter.c: written, read back, listed, bounded; damaged files. */
#include "otlp/export/dead_letter.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static char dir[96];
static struct dead_letter_box box;

#define BIG (UINT64_C(64) << 20)

static void setup(void)
{
    snprintf(root, sizeof(root), "/tmp/sigpost-dead-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
    snprintf(dir, sizeof(dir), "%s/dead", root);
    dead_letter_box_init(&box, dir, BIG);
}

static void empty_and_remove(const char *path)
{
    DIR *stream = opendir(path);
    for (struct dirent *e = stream ? readdir(stream) : NULL; e != NULL; e = readdir(stream)) {
        unlinkat(dirfd(stream), e->d_name, 0);
    }
    if (stream != NULL) {
        closedir(stream);
    }
    rmdir(path);
}

static void teardown(void)
{
    chmod(dir, 0700);
    char retry[DEAD_LETTER_PATH_MAX];
    dead_letter_retry_dir(dir, retry);
    empty_and_remove(retry);
    empty_and_remove(dir);
    empty_and_remove(root);
    dead_letter_box_destroy(&box);
}

TestSuite(dead_letter, .init = setup, .fini = teardown);

static struct dead_letter sample(uint64_t sequence)
{
    return (struct dead_letter){
        .reason = SLICE_LIT("refused"),
        .status = 400,
        .signal = SIGNAL_TRACES,
        .session = SLICE_LIT("session-123"),
        .key_id = SLICE_LIT("k1"),
        .arrived_ns = INT64_C(1769860800123456789),
        .sequence = sequence,
        .destination = SLICE_LIT("otlp"),
        .url = SLICE_LIT("http://127.0.0.1:4318/v1/traces"),
        .answer = SLICE_LIT("bad \"point\"\nline two\x01 \xff"),
        .payload = SLICE_LIT("\n\nbinary\0payload\nreason: no\n"),
    };
}

static enum dead_letter_outcome store(const struct dead_letter *letter, uint64_t max)
{
    struct result why = RESULT_INIT;
    box.max_bytes = max;
    enum dead_letter_outcome outcome = dead_letter_store(&box, letter, NULL, &why);
    cr_expect((outcome == DEAD_LETTER_STORED) == (why.text[0] == '\0'), "%s", why.text);
    return outcome;
}

static size_t count(void)
{
    char(*names)[DEAD_LETTER_NAME_MAX] = NULL;
    size_t n = 0;
    cr_assert(dead_letter_list(dir, &names, &n, NULL));
    free(names);
    return n;
}

Test(dead_letter, comes_back_as_it_was_set_aside)
{
    struct dead_letter letter = sample(42);
    cr_assert_eq(store(&letter, BIG), DEAD_LETTER_STORED);
    struct stat st;
    cr_assert_eq(stat(dir, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0700);

    char(*names)[DEAD_LETTER_NAME_MAX] = NULL;
    size_t n = 0;
    cr_assert(dead_letter_list(dir, &names, &n, NULL));
    cr_assert_eq(n, 1);
    cr_expect_str_eq(names[0], "188fcf05453f4d15-000000000000002a.otlp.dead");
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, names[0]);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);

    struct buf file = BUF_INIT;
    struct dead_letter back;
    struct result why = RESULT_INIT;
    cr_assert(dead_letter_read(dir, names[0], &file, &back, &why), "%s", why.text);
    cr_expect(slice_eq(back.reason, letter.reason));
    cr_expect_eq(back.status, 400);
    cr_expect_eq(back.signal, SIGNAL_TRACES);
    cr_expect(slice_eq(back.session, letter.session));
    cr_expect(slice_eq(back.key_id, letter.key_id));
    cr_expect_eq(back.arrived_ns, letter.arrived_ns);
    cr_expect_eq(back.sequence, 42);
    cr_expect(slice_eq(back.destination, letter.destination));
    cr_expect(slice_eq(back.url, letter.url));
    cr_expect(slice_eq_str(back.answer, "bad \\\"point\\\"\\nline two\\u0001 \xef\xbf\xbd"));
    cr_expect(slice_eq(back.payload, letter.payload));

    cr_assert(dead_letter_remove(dir, names[0], &why), "%s", why.text);
    cr_expect_eq(count(), 0);
    cr_expect_not(dead_letter_remove(dir, names[0], &why));
    cr_expect_not(dead_letter_read(dir, names[0], &file, &back, &why));
    buf_free(&file);
    free(names);
}

Test(dead_letter, again_replaces_and_others_stand_in_order)
{
    static const uint64_t sequences[] = {9, 300, 10, 2};
    for (size_t i = 0; i < 4; i++) {
        struct dead_letter letter = sample(sequences[i]);
        cr_assert_eq(store(&letter, BIG), DEAD_LETTER_STORED);
        cr_assert_eq(store(&letter, BIG), DEAD_LETTER_STORED);
    }
    struct dead_letter late = sample(1);
    late.arrived_ns++;
    store(&late, BIG);
    char(*names)[DEAD_LETTER_NAME_MAX] = NULL;
    size_t n = 0;
    cr_assert(dead_letter_list(dir, &names, &n, NULL));
    cr_assert_eq(n, 5);
    static const char *const order[] = {"-0000000000000002.", "-0000000000000009.",
                                        "-000000000000000a.", "-000000000000012c.",
                                        "-0000000000000001."};
    for (size_t i = 0; i < 5; i++) {
        cr_expect_not_null(strstr(names[i], order[i]), "%s", names[i]);
    }
    free(names);
}

Test(dead_letter, a_missing_directory_has_none)
{
    cr_expect_eq(count(), 0);
}

Test(dead_letter, the_directory_is_bounded_and_says_so)
{
    struct dead_letter letter = sample(1);
    cr_assert_eq(store(&letter, BIG), DEAD_LETTER_STORED);
    struct stat st;
    char path[256];
    snprintf(path, sizeof(path), "%s/188fcf05453f4d15-0000000000000001.otlp.dead", dir);
    cr_assert_eq(stat(path, &st), 0);
    uint64_t size = (uint64_t)st.st_size;

    letter = sample(2); /* as long as the first */
    struct result why = RESULT_INIT;
    box.max_bytes = 2 * size - 1;
    cr_expect_eq(dead_letter_store(&box, &letter, NULL, &why), DEAD_LETTER_FULL);
    cr_expect_not_null(strstr(why.text, "is full"));
    cr_expect_not_null(strstr(why.text, dir));
    cr_expect_eq(count(), 1);
    cr_expect_eq(store(&letter, 2 * size), DEAD_LETTER_STORED, "exactly full is fine");
    cr_expect_eq(store(&letter, 2 * size), DEAD_LETTER_STORED, "replacing needs no more room");
    cr_expect_eq(store(&letter, 0), DEAD_LETTER_FULL);
    letter = sample(3);
    cr_expect_eq(store(&letter, 2 * size), DEAD_LETTER_FULL);
    unlink(path);
    cr_expect_eq(store(&letter, 2 * size), DEAD_LETTER_STORED, "room again");
}

static void remove_name(const char *name)
{
    struct result why = RESULT_INIT;
    cr_assert(dead_letter_remove(dir, name, &why), "%s", why.text);
}

static void expect_count(uint64_t letters, uint64_t bytes)
{
    uint64_t n, size;
    cr_assert(dead_letter_count(&box, &n, &size));
    cr_assert_eq(n, letters, "%llu letters", (unsigned long long)n);
    cr_assert_eq(size, bytes, "%llu bytes", (unsigned long long)size);
}

/* The time of a directory moves in steps of a few milliseconds. */
static void until_the_clock_ticks(void)
{
    usleep(20000);
}

Test(dead_letter, letters_and_bytes_are_counted_exactly)
{
    expect_count(0, 0);
    struct dead_letter letter = sample(1);
    store(&letter, BIG);
    uint64_t n, size;
    dead_letter_count(&box, &n, &size);
    for (uint64_t i = 2; i <= 9; i++) {
        letter = sample(i);
        store(&letter, BIG);
        expect_count(i, i * size);
    }
    store(&letter, BIG);
    expect_count(9, 9 * size);
    letter.payload = SLICE_LIT("");
    store(&letter, BIG);
    cr_assert(dead_letter_count(&box, &n, &size));
    cr_expect_eq(n, 9);
    until_the_clock_ticks();
    remove_name("188fcf05453f4d15-0000000000000009.otlp.dead");
    letter = sample(1);
    until_the_clock_ticks();
    remove_name("188fcf05453f4d15-0000000000000001.otlp.dead");
    struct dead_letter_box anew;
    dead_letter_box_init(&anew, dir, BIG);
    cr_assert(dead_letter_count(&anew, &n, &size));
    dead_letter_box_destroy(&anew);
    cr_expect_eq(n, 7);
    expect_count(7, size);
}

/* A monitor must not hear that there are none because the process has no descriptor left. */
Test(dead_letter, what_cannot_be_counted_is_told_as_it_was)
{
    struct rlimit files;
    uint64_t n, size;
    uint64_t known;
    for (uint64_t i = 1; i <= 3; i++) {
        struct dead_letter letter = sample(i);
        store(&letter, BIG);
    }
    cr_assert(dead_letter_count(&box, &n, &known));
    until_the_clock_ticks();
    remove_name("188fcf05453f4d15-0000000000000003.otlp.dead");
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    const struct rlimit none = {0, files.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool counted = dead_letter_count(&box, &n, &size);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
    cr_assert_not(counted);
    cr_assert_eq(n, 3, "%llu letters", (unsigned long long)n);
    cr_assert_eq(size, known);
    expect_count(2, known / 3 * 2);
}

static void *store_many(void *arg)
{
    uint64_t first = *(const uint64_t *)arg;
    for (uint64_t i = 0; i < 50; i++) {
        struct dead_letter letter = sample(first + i);
        dead_letter_store(&box, &letter, NULL, NULL);
    }
    return NULL;
}

Test(dead_letter, several_writers_together_keep_the_bound_exactly)
{
    struct dead_letter letter = sample(100);
    store(&letter, BIG);
    uint64_t n, size;
    dead_letter_count(&box, &n, &size);
    box.max_bytes = 40 * size;
    uint64_t firsts[] = {200, 300, 400, 500};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, store_many, &firsts[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_expect_eq(count(), 40);
    expect_count(40, 40 * size);
}

Test(dead_letter, put_back_waits_for_its_destination_and_signal)
{
    struct result why = RESULT_INIT;
    char names[4][DEAD_LETTER_NAME_MAX];
    struct dead_letter letter = sample(1);
    store(&letter, BIG);
    letter.signal = SIGNAL_LOGS;
    letter.sequence = 2;
    store(&letter, BIG);
    uint64_t n, size;
    dead_letter_count(&box, &n, &size);
    cr_expect_eq(dead_letter_waiting(dir, SIGNAL_TRACES, "otlp", "", names, 4), 0,
                 "no directory yet");
    until_the_clock_ticks();
    static const char *const both[] = {"188fcf05453f4d15-0000000000000001.otlp.dead",
                                       "188fcf05453f4d15-0000000000000002.otlp.dead"};
    for (int i = 0; i < 2; i++) {
        cr_assert(dead_letter_put_back(dir, both[i], &why), "%s", why.text);
        cr_expect_not(dead_letter_put_back(dir, both[i], &why), "it is gone");
    }
    cr_expect_eq(count(), 0);
    expect_count(2, size); /* what waits takes room, too */
    cr_assert_eq(dead_letter_waiting(dir, SIGNAL_TRACES, "otlp", "", names, 4), 1);
    cr_expect_str_eq(names[0], "traces-188fcf05453f4d15-0000000000000001.otlp.dead");
    cr_expect_eq(dead_letter_waiting(dir, SIGNAL_TRACES, "otlp2", "", names, 4), 0);
    cr_expect_eq(dead_letter_waiting(dir, SIGNAL_METRICS, "otlp", "", names, 4), 0);
    cr_expect_eq(dead_letter_waiting(dir, SIGNAL_TRACES, "tlp", "", names, 4), 0);
    cr_assert_eq(dead_letter_waiting(dir, SIGNAL_LOGS, "otlp", "", names, 4), 1);

    /* Refused again: it replaces the one that waits, also where there is no room for two. */
    letter = sample(1);
    box.max_bytes = size;
    cr_assert_eq(dead_letter_waiting(dir, SIGNAL_TRACES, "otlp", "", names, 4), 1);
    cr_assert_eq(dead_letter_store(&box, &letter, names[0], &why), DEAD_LETTER_STORED, "%s",
                 why.text);
    cr_expect_eq(dead_letter_waiting(dir, SIGNAL_TRACES, "otlp", "", names, 4), 0);
    expect_count(2, size);
    cr_expect_eq(count(), 1);
}

Test(dead_letter, at_most_so_many_waiting_are_listed)
{
    struct result why = RESULT_INIT;
    char names[3][DEAD_LETTER_NAME_MAX];
    for (uint64_t i = 1; i <= 5; i++) {
        char name[DEAD_LETTER_NAME_MAX];
        struct dead_letter letter = sample(i);
        store(&letter, BIG);
        snprintf(name, sizeof(name), "188fcf05453f4d15-%016llx.otlp.dead", (unsigned long long)i);
        cr_assert(dead_letter_put_back(dir, name, &why), "%s", why.text);
    }
    cr_expect_eq(dead_letter_waiting(dir, SIGNAL_TRACES, "otlp", "", names, 3), 3);
    cr_expect_eq(dead_letter_waiting(dir, SIGNAL_TRACES, "otlp", "", names, 0), 0);
}

Test(dead_letter, what_is_no_letter_is_not_put_back)
{
    struct result why = RESULT_INIT;
    struct dead_letter letter = sample(1);
    store(&letter, BIG);
    char path[256];
    snprintf(path, sizeof(path), "%s/junk.dead", dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    cr_expect_not(dead_letter_put_back(dir, "junk.dead", &why));
    cr_expect_not_null(strstr(why.text, "not a dead letter"), "%s", why.text);
    cr_expect_not(dead_letter_put_back(dir, "../x.dead", &why));
    cr_expect_not(dead_letter_put_back(dir, "none.dead", &why));
    cr_expect_eq(count(), 2);
}

Test(dead_letter, what_cannot_be_written_is_said_with_the_path)
{
    struct result why = RESULT_INIT;
    struct dead_letter letter = sample(1);
    int fd = open(dir, O_CREAT | O_WRONLY, 0600); /* a file where the directory should be */
    close(fd);
    cr_expect_eq(dead_letter_store(&box, &letter, NULL, &why), DEAD_LETTER_FAILED);
    cr_expect_not_null(strstr(why.text, dir), "%s", why.text);
    unlink(dir);
    char nowhere[128];
    snprintf(nowhere, sizeof(nowhere), "%s/none/dead", root);
    box.dir = nowhere;
    cr_expect_eq(dead_letter_store(&box, &letter, NULL, &why), DEAD_LETTER_FAILED);
    cr_expect_not_null(strstr(why.text, nowhere), "%s", why.text);
}

Test(dead_letter, half_written_and_foreign_files_are_no_letters)
{
    struct dead_letter letter = sample(1);
    store(&letter, BIG);
    static const char *const others[] = {".0-1.otlp.dead", "notes.txt", ".dead"};
    for (size_t i = 0; i < 3; i++) {
        char path[256];
        snprintf(path, sizeof(path), "%s/%s", dir, others[i]);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    cr_expect_eq(count(), 1);
    struct buf file = BUF_INIT;
    struct dead_letter back;
    struct result why = RESULT_INIT;
    static const char *const names[] = {"../x.dead", ".0-1.otlp.dead", "notes.txt", "", "a/b.dead"};
    for (size_t i = 0; i < 5; i++) {
        cr_expect_not(dead_letter_read(dir, names[i], &file, &back, &why), "%s", names[i]);
        cr_expect_not(dead_letter_remove(dir, names[i], &why), "%s", names[i]);
        cr_expect_not_null(strstr(why.text, "not the name of a dead letter"), "%s", why.text);
    }
    char path[256];
    snprintf(path, sizeof(path), "%s/link.dead", dir);
    cr_assert_eq(symlink("/etc/passwd", path), 0);
    cr_expect_not(dead_letter_read(dir, "link.dead", &file, &back, &why), "no link is followed");
    buf_free(&file);
}

Test(dead_letter, long_texts_are_cut_and_stay_on_their_line)
{
    struct dead_letter letter = sample(1);
    char answer[5000];
    memset(answer, '\n', sizeof(answer));
    letter.answer = slice_make(answer, sizeof(answer));
    letter.session = (struct slice){0};
    letter.url = SLICE_LIT("a\n\nb");
    cr_assert_eq(store(&letter, BIG), DEAD_LETTER_STORED);
    struct buf file = BUF_INIT;
    struct dead_letter back;
    cr_assert(
        dead_letter_read(dir, "188fcf05453f4d15-0000000000000001.otlp.dead", &file, &back, NULL));
    cr_expect_eq(back.answer.len, (size_t)2 * DEAD_LETTER_ANSWER_MAX);
    cr_expect_eq(back.session.len, 0);
    cr_expect(slice_eq(back.payload, letter.payload));
    buf_free(&file);
}

static bool parses(const char *bytes, size_t len)
{
    char *exact = malloc(len != 0 ? len : 1); /* ASan watches its ends */
    memcpy(exact, bytes, len);
    struct dead_letter out;
    struct result why = RESULT_INIT;
    bool parsed = dead_letter_parse(slice_make(exact, len), &out, &why);
    cr_expect(parsed == (why.text[0] == '\0'), "a refusal has its sentence");
    free(exact);
    return parsed;
}

Test(dead_letter, every_cut_file_is_refused)
{
    struct dead_letter letter = sample(7);
    store(&letter, BIG);
    struct buf file = BUF_INIT;
    struct dead_letter back;
    cr_assert(
        dead_letter_read(dir, "188fcf05453f4d15-0000000000000007.otlp.dead", &file, &back, NULL));
    cr_expect(parses(file.data, file.len));
    for (size_t len = 0; len < file.len; len++) {
        cr_expect_not(parses(file.data, len), "%zu", len);
    }
    for (size_t at = 0; at < file.len; at++) {
        for (int bit = 0; bit < 8; bit++) { /* no crash, whatever it says */
            file.data[at] = (char)(file.data[at] ^ (1 << bit));
            parses(file.data, file.len);
            file.data[at] = (char)(file.data[at] ^ (1 << bit));
        }
    }
    buf_append_char(&file, 'x');
    cr_expect_not(parses(file.data, file.len), "longer than it says");
    buf_free(&file);
}

Test(dead_letter, heads_that_do_not_hold_what_they_must_are_refused)
{
#define HEAD "sigpost-dead-letter 1\n"
#define REST "signal: logs\nsequence: 1\narrived-ns: 1\npayload-bytes: 1\n"
    static const char *const bad[] = {
        HEAD "\nx",
        HEAD "signal: logs\nsequence: 1\narrived-ns: 1\n\nx",
        HEAD "signal: logs\nsequence: 1\npayload-bytes: 1\n\nx",
        HEAD "signal: dreams\nsequence: 1\narrived-ns: 1\npayload-bytes: 1\n\nx",
        HEAD "signal: logs\nsequence: -1\narrived-ns: 1\npayload-bytes: 1\n\nx",
        HEAD "signal: logs\nsequence: 18446744073709551616\narrived-ns: 1\npayload-bytes: 1\n\nx",
        HEAD "signal: logs\nsequence: 1\narrived-ns: 9223372036854775808\npayload-bytes: 1\n\nx",
        HEAD REST "status: 1000\n\nx",
        HEAD REST "status:\n\nx",
        HEAD REST "nonsense\n\nx",
        HEAD REST "a:b\n\nx",
        HEAD REST ":\n\nx",
        "sigpost-dead-letter 2\n" REST "\nx",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_not(parses(bad[i], strlen(bad[i])), "%s", bad[i]);
    }
    static const char good[] = HEAD REST "later-field: fine\n: odd name\n\nx";
    cr_expect(parses(good, sizeof(good) - 1));
}

Test(dead_letter, reasons_follow_from_the_status)
{
    cr_expect_str_eq(dead_letter_reason(400), "refused");
    cr_expect_str_eq(dead_letter_reason(413), "too_large");
    cr_expect_str_eq(dead_letter_reason(409), "refused");
    cr_expect_str_eq(dead_letter_reason(422), "refused");
}
