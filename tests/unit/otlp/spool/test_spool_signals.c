/* Readers of some signals: what they are handed, where their cursors stand, what they hold back. */
#include "spool_fixture.h"

#include <criterion/criterion.h>

static struct fixture f;

static void start(void)
{
    fixture_start(&f);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(spool_signals, .init = start, .fini = end, .timeout = 60);

static struct spool_reader *open_for(const char *name, unsigned signals, const char *heir_of)
{
    struct result why = RESULT_INIT;
    struct spool_reader *reader = spool_reader_open_for(f.spool, name, signals, heir_of, &why);
    cr_assert_not_null(reader, "%s", why.text);
    return reader;
}

/* A record of this signal: the fixture gives number n the signal n % SIGNAL_COUNT. */
static void append_of(enum signal signal, unsigned n)
{
    static uint64_t round;
    for (unsigned i = 0; i < n; i++) {
        uint64_t number = ++round * SIGNAL_COUNT + (uint64_t)signal;
        cr_assert_eq(append_one(&f, number, 1000), SPOOL_DURABLE);
    }
}

/* The next one's sequence, 0 when there is none. */
static uint64_t next_of(struct spool_reader *reader, enum signal *signal)
{
    struct spool_frame frame;
    enum spool_read outcome;
    do {
        outcome = spool_reader_next(reader, &frame);
    } while (outcome == SPOOL_READ_AGAIN);
    cr_assert_neq(outcome, SPOOL_READ_ERROR);
    if (outcome == SPOOL_READ_OK) {
        cr_assert_neq(record_number(&frame), 0);
    }
    *signal = outcome == SPOOL_READ_OK ? frame.signal : SIGNAL_COUNT;
    return outcome == SPOOL_READ_OK ? frame.sequence : 0;
}

/* Readers are woken after the appends were answered. */
static bool is_woken(struct spool_reader *reader, int within_ms)
{
    struct pollfd fd = {.fd = spool_reader_wake_fd(reader), .events = POLLIN};
    return poll(&fd, 1, within_ms) == 1;
}

Test(spool_signals, a_reader_is_handed_its_own_and_nothing_else)
{
    enum signal signal;
    fixture_open(&f, NULL);
    for (unsigned i = 0; i < 200; i++) {
        append_of((enum signal)(i % SIGNAL_COUNT), 1);
    }
    for (unsigned s = 0; s < SIGNAL_COUNT; s++) {
        struct spool_reader *reader = open_for("r", SPOOL_SIGNAL(s), NULL);
        for (unsigned i = s; i < 200; i += SIGNAL_COUNT) {
            cr_assert_eq(next_of(reader, &signal), i + 1);
            cr_assert_eq(signal, s);
        }
        cr_assert_eq(next_of(reader, &signal), 0);
        spool_reader_close(reader);
        spool_forget_readers_except(f.spool, NULL, 0);
    }
}

Test(spool_signals, two_signals_of_four)
{
    enum signal signal;
    fixture_open(&f, NULL);
    for (unsigned i = 0; i < 100; i++) {
        append_of((enum signal)(i % SIGNAL_COUNT), 1);
    }
    struct spool_reader *reader =
        open_for("r", SPOOL_SIGNAL(SIGNAL_METRICS) | SPOOL_SIGNAL(SIGNAL_LOGS), NULL);
    for (unsigned i = 0; i < 100; i += 2) {
        cr_assert_eq(next_of(reader, &signal), i + 1);
    }
    cr_assert_eq(next_of(reader, &signal), 0);
    spool_reader_close(reader);
}

Test(spool_signals, an_idle_reader_goes_along_without_being_woken)
{
    enum signal signal;
    fixture_open(&f, NULL);
    struct spool_reader *logs = open_for("o.logs", SPOOL_SIGNAL(SIGNAL_LOGS), NULL);
    append_of(SIGNAL_METRICS, 1); /* makes the first segment */
    cr_assert_eq(next_of(logs, &signal), 0);
    append_of(SIGNAL_METRICS, 4);
    cr_assert_not(is_woken(logs, 0));
    cr_assert_eq(spool_reader_position(logs), 5);
    append_of(SIGNAL_LOGS, 1);
    cr_assert(is_woken(logs, 2000));
    cr_assert_eq(spool_reader_position(logs), 5);
    append_of(SIGNAL_METRICS, 2);
    cr_assert_eq(next_of(logs, &signal), 6);
    cr_assert_eq(next_of(logs, &signal), 0);
    append_of(SIGNAL_TRACES, 2);
    cr_assert_eq(spool_reader_position(logs), 5); /* the sixth is not acknowledged */
    spool_reader_ack(logs, 6);
    cr_assert_eq(spool_reader_position(logs), 10);
    append_of(SIGNAL_LOGS, 1);
    cr_assert_eq(next_of(logs, &signal), 11);
    spool_reader_close(logs);
}

Test(spool_signals, a_held_signal_holds_its_segments_and_the_others_go_on)
{
    enum signal signal;
    fixture_open(&f, NULL);
    struct spool_reader *metrics = open_for("o.metrics", SPOOL_SIGNAL(SIGNAL_METRICS), NULL);
    struct spool_reader *traces = open_for("o.traces", SPOOL_SIGNAL(SIGNAL_TRACES), NULL);
    append_of(SIGNAL_METRICS, 70); /* more than a segment */
    append_of(SIGNAL_TRACES, 1);
    append_of(SIGNAL_METRICS, 200);
    uint64_t last = 0, sequence;
    while ((sequence = next_of(metrics, &signal)) != 0) {
        last = sequence;
        spool_reader_ack(metrics, sequence);
    }
    cr_assert_eq(last, 271);
    cr_assert_eq(next_of(traces, &signal), 71);
    cr_assert_eq(next_of(traces, &signal), 0);
    cr_assert_eq(spool_reader_position(metrics), 271);
    cr_assert_lt(spool_reader_position(traces), 71);
    unsigned held = wait_for_segments(&f, 4);
    cr_assert_geq(held, 4);
    struct spool_stats stats;
    spool_get_stats(f.spool, &stats);
    cr_assert_geq(stats.pending_records, 201);
    spool_reader_ack(traces, 71);
    cr_assert_eq(spool_reader_position(traces), 271);
    cr_assert_eq(wait_for_segments(&f, 1), 1);
    spool_get_stats(f.spool, &stats);
    cr_assert_eq(stats.pending_records, 0);
    spool_reader_close(metrics);
    spool_reader_close(traces);
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

/* An idle reader must not keep the space of deleted segments. */
Test(spool_signals, an_idle_reader_lets_go_of_deleted_segments)
{
    enum signal signal;
    fixture_open(&f, NULL);
    struct spool_reader *metrics = open_for("o.metrics", SPOOL_SIGNAL(SIGNAL_METRICS), NULL);
    struct spool_reader *logs = open_for("o.logs", SPOOL_SIGNAL(SIGNAL_LOGS), NULL);
    append_of(SIGNAL_LOGS, 1);
    cr_assert_eq(next_of(logs, &signal), 1);
    spool_reader_ack(logs, 1);
    cr_assert_eq(next_of(logs, &signal), 0);
    unsigned before = open_descriptors();
    bool woken = false;
    for (unsigned i = 0; i < 200 && !woken; i++) {
        append_of(SIGNAL_METRICS, 1);
        woken = is_woken(logs, 1);
    }
    cr_assert(woken, "a new segment wakes everybody");
    cr_assert_eq(next_of(logs, &signal), 0);
    cr_assert_leq(open_descriptors(), before);
    append_of(SIGNAL_LOGS, 1);
    cr_assert_neq(next_of(logs, &signal), 0);
    spool_reader_close(metrics);
    spool_reader_close(logs);
}

Test(spool_signals, an_heir_starts_where_the_old_cursor_stood)
{
    enum signal signal;
    fixture_open(&f, NULL);
    append_of(SIGNAL_METRICS, 10);
    append_of(SIGNAL_TRACES, 10);
    struct spool_reader *old = reader_open(&f, "otlp");
    spool_reader_ack(old, 15);
    spool_reader_close(old);
    fixture_close(&f);

    fixture_open(&f, NULL);
    struct spool_reader *metrics = open_for("otlp.metrics", SPOOL_SIGNAL(SIGNAL_METRICS), "otlp");
    cr_assert_eq(spool_reader_position(metrics), 15);
    spool_reader_close(metrics);
    fixture_close(&f); /* killed before the others were opened: the old cursor is still there */

    fixture_open(&f, NULL);
    metrics = open_for("otlp.metrics", SPOOL_SIGNAL(SIGNAL_METRICS), "otlp");
    struct spool_reader *traces = open_for("otlp.traces", SPOOL_SIGNAL(SIGNAL_TRACES), "otlp");
    spool_forget_readers_except(f.spool, NULL, 0);
    cr_assert_eq(count_files(&f, ".", "cursor.otlp", NULL), 0);
    cr_assert_eq(count_files(&f, ".", "cursor.otlp.traces", NULL), 1);
    cr_assert_eq(next_of(metrics, &signal), 0);
    cr_assert_eq(next_of(traces, &signal), 16);
    spool_reader_close(metrics);
    spool_reader_close(traces);
}

/* The cursor of a reader that was only carried along is written when it is of use: at the end. */
Test(spool_signals, a_carried_cursor_lasts)
{
    enum signal signal;
    fixture_open(&f, NULL);
    struct spool_reader *logs = open_for("o.logs", SPOOL_SIGNAL(SIGNAL_LOGS), NULL);
    append_of(SIGNAL_METRICS, 1);
    cr_assert_eq(next_of(logs, &signal), 0);
    append_of(SIGNAL_METRICS, 49);
    spool_reader_close(logs);
    fixture_close(&f);
    fixture_open(&f, NULL);
    logs = open_for("o.logs", SPOOL_SIGNAL(SIGNAL_LOGS), NULL);
    cr_assert_eq(spool_reader_position(logs), 50);
    spool_reader_close(logs);
}

Test(spool_signals, seeking_back_after_being_carried)
{
    enum signal signal;
    fixture_open(&f, NULL);
    struct spool_reader *logs = open_for("o.logs", SPOOL_SIGNAL(SIGNAL_LOGS), NULL);
    append_of(SIGNAL_LOGS, 2);
    cr_assert_eq(next_of(logs, &signal), 1);
    cr_assert_eq(next_of(logs, &signal), 2);
    cr_assert_eq(next_of(logs, &signal), 0);
    spool_reader_ack(logs, 2);
    append_of(SIGNAL_METRICS, 50);
    cr_assert_eq(spool_reader_position(logs), 52);
    spool_reader_seek(logs, 2);
    cr_assert_eq(next_of(logs, &signal), 2);
    cr_assert_eq(next_of(logs, &signal), 0);
    append_of(SIGNAL_LOGS, 1);
    cr_assert_eq(next_of(logs, &signal), 53);
    spool_reader_close(logs);
}

#define DAMAGE_FRAMES 6

/* The sequences that readers of these sets are handed, as a set of bits. */
static uint64_t handed_to(const unsigned *sets, size_t n)
{
    struct spool_reader *readers[SIGNAL_COUNT];
    uint64_t got = 0;
    enum signal signal;
    for (size_t i = 0; i < n; i++) {
        const char name[] = {'r', (char)('0' + i), '\0'};
        readers[i] = open_for(name, sets[i], NULL);
    }
    for (size_t i = 0; i < n; i++) {
        for (uint64_t sequence; (sequence = next_of(readers[i], &signal)) != 0;) {
            cr_assert_eq(got >> sequence & 1, 0, "twice");
            got |= UINT64_C(1) << sequence;
        }
    }
    for (size_t i = 0; i < n; i++) {
        spool_reader_close(readers[i]);
    }
    spool_forget_readers_except(f.spool, NULL, 0);
    return got;
}

/* Passing by the header alone must not lose a sound record: whatever bit is wrong, four readers of
 * one signal are handed what one reader of all is. */
Test(spool_signals, no_flipped_bit_makes_a_reader_pass_a_sound_record)
{
    static const unsigned all[] = {SPOOL_ALL_SIGNALS};
    static const unsigned each[] = {1, 2, 4, 8};
    fixture_empty(f.dir);
    fixture_start_in_memory(&f);
    fixture_open(&f, NULL);
    for (unsigned i = 1; i <= DAMAGE_FRAMES; i++) {
        cr_assert_eq(append_one(&f, i, 20), SPOOL_DURABLE);
    }
    fixture_close(&f);
    char path[512];
    path_in(&f, "0000000000000001.seg", path);
    size_t len;
    char *bytes = load_file(path, &len);
    for (size_t bit = 8 * (size_t)SEGMENT_HEADER_LEN; bit < 8 * len; bit++) {
        fixture_empty(f.dir);
        cr_assert_eq(mkdir(f.dir, 0700), 0);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        save_file(path, bytes, len);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        fixture_open(&f, NULL);
        append_of(SIGNAL_METRICS, 1); /* now the damaged one is not the newest */
        uint64_t whole = handed_to(all, 1);
        uint64_t parts = handed_to(each, 4);
        cr_assert_eq(parts, whole, "bit %zu: %llx instead of %llx", bit, (unsigned long long)parts,
                     (unsigned long long)whole);
        cr_assert_geq(__builtin_popcountll(whole), DAMAGE_FRAMES);
        fixture_close(&f);
    }
    free(bytes);
    fixture_open(&f, NULL);
}
