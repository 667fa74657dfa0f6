/* The spool when there is no room, when writes come back short, and when the disk fails. */
#include "spool_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>

static struct fixture f;

static void setup(void)
{
    fixture_start(&f);
}

static bool mounted;

static void teardown(void)
{
    fixture_close(&f);
    if (mounted) {
        umount2(f.dir, MNT_DETACH);
    }
    fixture_empty(f.dir);
}

TestSuite(trouble, .init = setup, .fini = teardown, .timeout = 60);

static uint64_t segment_file_bytes(void)
{
    uint64_t total = 0;
    DIR *dir = opendir(f.dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat st;
        if (strstr(entry->d_name, ".seg") != NULL &&
            fstatat(dirfd(dir), entry->d_name, &st, 0) == 0) {
            total += (uint64_t)st.st_size;
        }
    }
    closedir(dir);
    return total;
}

/* Appends 4000-byte records until one is not taken; how many were. */
static uint64_t fill(uint64_t from, enum spool_outcome *last)
{
    uint64_t n = 0;
    while ((*last = append_one(&f, from + n, 4000)) == SPOOL_DURABLE) {
        n++;
    }
    return n;
}

static struct spool_options small(int64_t wait_ns)
{
    struct spool_options options = fixture_options(&f);
    options.max_bytes = 4 * options.segment_bytes;
    options.wait_ns = wait_ns;
    return options;
}

/* How many are answered, once that is n or ten seconds have passed. */
static unsigned answered_at_least(struct answers *answers, unsigned n)
{
    unsigned all = 0;
    for (int i = 0; i < 10000 && all < n; i++) {
        usleep(1000);
        pthread_mutex_lock(&answers->lock);
        all = answers->all;
        pthread_mutex_unlock(&answers->lock);
    }
    return all;
}

Test(trouble, full_refuses_after_the_wait_and_stays_within_max_bytes)
{
    struct spool_options options = small(80 * NS_PER_MS);
    fixture_open(&f, &options);
    enum spool_outcome outcome;
    uint64_t n = fill(1, &outcome);
    cr_assert_eq(outcome, SPOOL_FULL);
    cr_assert(n >= 60 && n <= 64, "%llu", (unsigned long long)n);
    int64_t began = clock_mono_ns();
    cr_assert_eq(append_one(&f, 1000, 4000), SPOOL_FULL);
    int64_t took = clock_mono_ns() - began;
    cr_assert(took >= 80 * NS_PER_MS && took < 5 * NS_PER_SECOND);
    struct spool_stats stats = stats_of(&f);
    cr_assert(stats.full && !stats.failed);
    cr_assert_eq(stats.retry_after_s, 300, "nothing was freed lately");
    cr_assert_leq(segment_file_bytes(), options.max_bytes);
    cr_assert_eq(metric_value(f.spool->refused_full), 2);

    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, n));
    spool_reader_ack(reader, n);
    cr_assert_eq(wait_for_segments(&f, 1), 1);
    cr_assert_eq(append_one(&f, n + 1, 4000), SPOOL_DURABLE);
    stats = stats_of(&f);
    cr_assert(!stats.full);
    cr_assert_eq(stats.retry_after_s, 1);
    cr_assert(reads_range(reader, n + 1, n + 1));
    spool_reader_close(reader);
}

Test(trouble, a_waiting_record_is_taken_when_a_reader_makes_room)
{
    struct spool_options options = small(20 * NS_PER_SECOND);
    fixture_open(&f, &options);
    struct answers answers = ANSWERS_INIT;
    for (uint64_t number = 1; number <= 100; number++) {
        append_len(&f, &answers, number, 4000);
    }
    unsigned before = answered_at_least(&answers, 60);
    cr_assert(before >= 60 && before <= 64, "%u", before);
    struct spool_reader *reader = reader_open(&f, "otlp");
    uint64_t sequence;
    for (uint64_t number = 1; number <= 100; number++) {
        uint64_t got;
        while ((got = read_one(reader, &sequence)) == 0) {
            usleep(1000);
        }
        cr_assert_eq(got, number, "order of arrival is kept");
        spool_reader_ack(reader, sequence);
    }
    answers_wait(&answers, 100);
    cr_assert_eq(answers.n[SPOOL_DURABLE], 100);
    cr_assert_eq(metric_value(f.spool->refused_full), 0);
    spool_reader_close(reader);
}

Test(trouble, closing_answers_what_could_not_be_written)
{
    struct spool_options options = small(20 * NS_PER_SECOND);
    fixture_open(&f, &options);
    struct answers answers = ANSWERS_INIT;
    for (uint64_t number = 1; number <= 100; number++) {
        append_len(&f, &answers, number, 4000);
    }
    fixture_close(&f);
    cr_assert_eq(answers.all, 100);
    cr_assert_eq(answers.n[SPOOL_DURABLE] + answers.n[SPOOL_CLOSED], 100);
    cr_assert(answers.n[SPOOL_DURABLE] >= 60 && answers.n[SPOOL_CLOSED] >= 36);
    unsigned durable = answers.n[SPOOL_DURABLE];
    fixture_open(&f, &options);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, durable));
    spool_reader_close(reader);
}

Test(trouble, a_backlog_larger_than_max_bytes_is_read_and_then_there_is_room)
{
    fixture_open(&f, NULL);
    append_range(&f, 1, 1000);
    fixture_close(&f);
    struct spool_options options = fixture_options(&f);
    options.max_bytes = 2 * options.segment_bytes;
    fixture_open(&f, &options);
    cr_assert_eq(append_one(&f, 1001, 10), SPOOL_FULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 1000));
    spool_reader_ack(reader, 1000);
    cr_assert_eq(wait_for_segments(&f, 1), 1);
    cr_assert_eq(append_one(&f, 1001, 10), SPOOL_DURABLE);
    cr_assert(reads_range(reader, 1001, 1001));
    spool_reader_close(reader);
}

/* --- a disk that does as told ------------------------------------------------------------------
 */

static struct {
    atomic_int syncs, writes;
    atomic_int sync_fails_at, write_fails_at; /* count of the call that fails; 0: none */
    atomic_int write_error;
    atomic_bool hold;       /* syncs wait */
    atomic_bool stutter;    /* writes are short and interrupted */
    atomic_long write_room; /* bytes until ENOSPC; < 0: endless */
} disk;

static int told_fdatasync(int fd)
{
    int n = ++disk.syncs;
    while (disk.hold) {
        usleep(1000);
    }
    if (n == disk.sync_fails_at) {
        errno = EIO;
        return -1;
    }
    return fdatasync(fd);
}

static ssize_t told_writev(int fd, const struct iovec *iov, int n)
{
    int call = ++disk.writes;
    if (call == disk.write_fails_at) {
        errno = disk.write_error;
        return -1;
    }
    if (!disk.stutter && disk.write_room < 0) {
        return writev(fd, iov, n);
    }
    if (disk.stutter && call % 3 == 0) {
        errno = EINTR;
        return -1;
    }
    size_t most = disk.stutter ? 1 + (size_t)call * 37 % 5000 : SIZE_MAX;
    if (disk.write_room >= 0 && (size_t)disk.write_room < most) {
        most = (size_t)disk.write_room;
    }
    size_t len = iov[0].iov_len < most ? iov[0].iov_len : most;
    if (len == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (disk.write_room >= 0) {
        disk.write_room -= (long)len;
    }
    return write(fd, iov[0].iov_base, len);
}

static int no_fallocate(int fd, int mode, off_t offset, off_t len)
{
    (void)fd;
    (void)mode;
    (void)offset;
    (void)len;
    errno = EOPNOTSUPP;
    return -1;
}

static void take_over_the_disk(void)
{
    disk.write_room = -1;
    spool_system = (struct spool_system){told_fdatasync, no_fallocate, told_writev};
}

static void give_the_disk_back(void)
{
    spool_system = (struct spool_system){fdatasync, fallocate, writev};
}

Test(trouble, short_and_interrupted_writes_are_gone_on_with)
{
    take_over_the_disk();
    disk.stutter = true;
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert_eq(append_range(&f, 1, 800), 800);
    cr_assert(reads_range(reader, 1, 800));
    spool_reader_close(reader);
    fixture_close(&f);
    fixture_open(&f, NULL);
    cr_assert_eq(stats_of(&f).quarantined, 0);
}

Test(trouble, a_failed_sync_is_final)
{
    take_over_the_disk();
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert_eq(append_range(&f, 1, 10), 10);
    disk.sync_fails_at = disk.syncs + 1;
    cr_assert_eq(append_one(&f, 11, 10), SPOOL_FAILED);
    int syncs = disk.syncs, writes = disk.writes;
    struct answers answers = ANSWERS_INIT;
    append_len(&f, &answers, 12, 10);
    cr_assert_eq(answers.n[SPOOL_FAILED], 1, "refused at once, on the caller's thread");
    cr_assert(stats_of(&f).failed);
    cr_assert(reads_range(reader, 1, 10), "only what is durable is read");
    spool_reader_ack(reader, 4);
    spool_reader_close(reader);
    cr_assert_eq(metric_value(f.spool->refused_failed), 2);
    fixture_close(&f);
    cr_assert_eq(disk.syncs, syncs, "no sync is tried again, not even at close");
    cr_assert_eq(disk.writes, writes);
    give_the_disk_back();
    fixture_open(&f, NULL);
    reader = reader_open(&f, "otlp");
    uint64_t sequence;
    for (uint64_t number = 5; number <= 10; number++) {
        cr_assert_eq(read_one(reader, &sequence), number);
    }
    spool_reader_close(reader);
}

Test(trouble, a_failed_sync_fails_all_that_came_with_it_and_after_it)
{
    take_over_the_disk();
    fixture_open(&f, NULL);
    struct answers answers = ANSWERS_INIT;
    cr_assert_eq(append_one(&f, 1, 10), SPOOL_DURABLE);
    disk.hold = true;
    disk.sync_fails_at = disk.syncs + 1;
    for (uint64_t number = 2; number <= 40; number++) {
        append_len(&f, &answers, number, 100);
    }
    usleep(30000);
    cr_assert_eq(answers.all, 0, "nothing is answered before the sync is over");
    disk.hold = false;
    answers_wait(&answers, 39);
    cr_assert_eq(answers.n[SPOOL_FAILED], 39);
}

Test(trouble, a_failed_write_is_final_unless_it_is_for_room)
{
    take_over_the_disk();
    fixture_open(&f, NULL);
    cr_assert_eq(append_one(&f, 1, 10), SPOOL_DURABLE);
    disk.write_error = EIO;
    disk.write_fails_at = disk.writes + 1;
    cr_assert_eq(append_one(&f, 2, 10), SPOOL_FAILED);
    cr_assert(stats_of(&f).failed);
    cr_assert_eq(append_one(&f, 3, 10), SPOOL_FAILED);
}

static int64_t writer_cpu_ns(void)
{
    clockid_t clock;
    struct timespec used = {0};
    cr_assert_eq(pthread_getcpuclockid(f.spool->writer, &clock), 0);
    cr_assert_eq(clock_gettime(clock, &used), 0);
    return used.tv_sec * NS_PER_SECOND + used.tv_nsec;
}

static void forget(void *arg, struct spool_ticket *tickets)
{
    (void)arg;
    (void)tickets;
}

/* Hands over [from, to] at once, so that the writer takes them in one turn. */
static struct spool_appender *append_at_once(uint64_t from, uint64_t to)
{
    static struct spool_ticket tickets[64];
    struct spool_appender *appender = spool_appender_open(f.spool, forget, NULL);
    for (uint64_t number = from; number <= to; number++) {
        struct spool_record record;
        char session[SPOOL_SESSION_MAX], payload[4000];
        record_make(number, sizeof(payload), &record, session, payload);
        spool_appender_add(appender, &record, &tickets[number - from]);
    }
    spool_appender_flush(appender);
    return appender;
}

/* The first segment is committed, then the disk fails: within one turn of the writer. */
Test(trouble, after_a_failure_readers_are_woken_and_the_writer_sleeps)
{
    take_over_the_disk();
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    uint64_t sequence;
    cr_assert_eq(append_one(&f, 1, 10), SPOOL_DURABLE);
    cr_assert(reads_range(reader, 1, 1));
    disk.sync_fails_at = disk.syncs + 2;
    struct spool_appender *appender = append_at_once(2, 30);
    for (int i = 0; i < 5000 && !is_readable(spool_reader_wake_fd(reader)); i++) {
        usleep(1000);
    }
    cr_assert(is_readable(spool_reader_wake_fd(reader)), "2 is durable");
    cr_assert_eq(read_one(reader, &sequence), 2);
    cr_assert(stats_of(&f).failed);
    int64_t before = writer_cpu_ns();
    usleep(300000);
    cr_assert_lt(writer_cpu_ns() - before, 20 * NS_PER_MS, "the writer never rests");
    spool_reader_close(reader);
    fixture_close(&f);
    spool_appender_close(appender);
}

Test(trouble, failing_to_make_a_segment_is_final)
{
    take_over_the_disk();
    disk.sync_fails_at = 1;
    fixture_open(&f, NULL);
    cr_assert_eq(append_one(&f, 1, 10), SPOOL_FAILED);
    cr_assert(stats_of(&f).failed);
}

Test(trouble, more_in_memory_than_allowed_is_refused_at_once)
{
    take_over_the_disk();
    struct spool_options options = fixture_options(&f);
    options.max_queued = 50000;
    fixture_open(&f, &options);
    cr_assert_eq(append_one(&f, 1, 10), SPOOL_DURABLE);
    disk.hold = true;
    struct answers answers = ANSWERS_INIT;
    for (uint64_t number = 2; number <= 20; number++) {
        append_len(&f, &answers, number, 4900);
    }
    cr_assert_eq(answers.n[SPOOL_FULL], 19 - 10);
    cr_assert(stats_of(&f).full);
    cr_assert_eq(stats_of(&f).retry_after_s, 1, "the disk has room");
    disk.hold = false;
    answers_wait(&answers, 19);
    cr_assert_eq(answers.n[SPOOL_DURABLE], 10);
    cr_assert_not(stats_of(&f).full);
    cr_assert_eq(append_one(&f, 21, 4900), SPOOL_DURABLE);
}

Test(trouble, a_batch_longer_than_one_writev_takes)
{
    take_over_the_disk();
    struct spool_options options = fixture_options(&f);
    options.segment_bytes = 1 << 20;
    fixture_open(&f, &options);
    cr_assert_eq(append_one(&f, 1, 10), SPOOL_DURABLE);
    disk.hold = true;
    struct answers answers = ANSWERS_INIT;
    for (uint64_t number = 2; number <= 2 * SPOOL_IOV + 50; number++) {
        append_len(&f, &answers, number, 20);
    }
    int syncs = disk.syncs;
    disk.hold = false;
    answers_wait(&answers, 2 * SPOOL_IOV + 49);
    cr_assert_eq(answers.n[SPOOL_DURABLE], 2 * SPOOL_IOV + 49);
    cr_assert_leq(disk.syncs - syncs, 2, "one sync for all that came while the last one ran");
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 2 * SPOOL_IOV + 50));
    spool_reader_close(reader);
}

/* What is whole on the disk is promised, what is cut off is not, and once there is room the spool
 * goes on behind the last whole frame. */
Test(trouble, a_disk_that_fills_at_any_byte_is_cut_back)
{
    take_over_the_disk();
    struct spool_options options = fixture_options(&f);
    options.wait_ns = 5 * NS_PER_MS;
    for (long room = 100; room <= 700; room += 23) {
        fixture_empty(f.dir);
        disk.write_room = -1;
        fixture_open(&f, &options);
        struct spool_reader *reader = reader_open(&f, "otlp");
        cr_assert_eq(append_one(&f, 1, 100), SPOOL_DURABLE);
        disk.write_room = room;
        disk.hold = true;
        struct answers answers = ANSWERS_INIT;
        for (uint64_t number = 2; number <= 7; number++) {
            append_len(&f, &answers, number, 50);
        }
        disk.hold = false;
        answers_wait(&answers, 6);
        cr_assert_eq(answers.n[SPOOL_DURABLE] + answers.n[SPOOL_FULL], 6);
        unsigned durable = answers.n[SPOOL_DURABLE];
        cr_assert(durable >= (unsigned)room / 130 && durable <= (unsigned)room / 103, "%ld: %u",
                  room, durable);
        cr_assert_not(stats_of(&f).failed);
        char path[512], name[256];
        struct stat st;
        count_files(&f, ".", ".seg", name);
        path_in(&f, name, path);
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_eq((uint64_t)st.st_size, stats_of(&f).bytes, "no half frame is left");
        disk.write_room = -1;
        cr_assert_eq(append_one(&f, durable + 2, 60), SPOOL_DURABLE);
        cr_assert(reads_range(reader, 1, durable + 2));
        spool_reader_close(reader);
        fixture_close(&f);
        fixture_open(&f, &options);
        cr_assert_eq(stats_of(&f).quarantined, 0);
        fixture_close(&f);
    }
}

Test(trouble, a_small_tmpfs_fills_and_drains)
{
    if (mount("none", f.dir, "tmpfs", 0, "size=1m,mode=700") != 0) {
        cr_skip_test("mounting is not permitted here");
    }
    mounted = true;
    struct spool_options options = fixture_options(&f);
    options.max_bytes = 1 << 30;
    options.segment_bytes = 200 << 10;
    for (int unsupported = 0; unsupported <= 1; unsupported++) {
        spool_system.fallocate = unsupported ? no_fallocate : fallocate;
        fixture_open(&f, &options);
        uint64_t base = unsupported ? 10000 : 0, n;
        enum spool_outcome outcome;
        n = fill(base + 1, &outcome);
        cr_assert_eq(outcome, SPOOL_FULL);
        cr_assert_gt(n, 100);
        struct spool_stats stats = stats_of(&f);
        cr_assert(stats.full && !stats.failed);
        struct spool_reader *reader = reader_open(&f, "otlp");
        cr_assert(reads_range(reader, base + 1, base + n));
        spool_reader_ack(reader, UINT64_MAX);
        cr_assert_eq(wait_for_segments(&f, 1), 1);
        cr_assert_eq(append_one(&f, base + n + 1, 4000), SPOOL_DURABLE);
        cr_assert(reads_range(reader, base + n + 1, base + n + 1));
        spool_reader_ack(reader, UINT64_MAX);
        spool_reader_close(reader);
        fixture_close(&f);
    }
}

/* A disk that has no room for two segments of the wished length must not be the end of the spool,
 * and what the reserve is for stays possible: the cursor is written on the full disk. */
Test(trouble, a_disk_shorter_than_two_segments_goes_on_and_on)
{
    if (mount("none", f.dir, "tmpfs", 0, "size=512k,mode=700") != 0) {
        cr_skip_test("mounting is not permitted here");
    }
    mounted = true;
    struct spool_options options = fixture_options(&f);
    options.max_bytes = 1 << 30;
    options.segment_bytes = 400 << 10;
    uint64_t next = 1;
    for (int round = 0; round < 12; round++) {
        spool_system.fallocate = round % 3 == 2 ? no_fallocate : fallocate;
        enum spool_outcome outcome;
        fixture_open(&f, &options);
        struct spool_reader *reader = reader_open(&f, "otlp");
        uint64_t n = fill(next, &outcome);
        cr_assert_eq(outcome, SPOOL_FULL);
        cr_assert_gt(n, 20, "round %d: only %llu", round, (unsigned long long)n);
        cr_assert(reads_range(reader, next, next + n - 1));
        next += n;
        spool_reader_ack(reader, UINT64_MAX);
        if (round % 2 == 0) { /* full and read, and only then closed */
            cr_assert_eq(append_one(&f, next, 4000), SPOOL_DURABLE);
            cr_assert(reads_range(reader, next, next));
            spool_reader_ack(reader, UINT64_MAX);
            next++;
        }
        spool_reader_close(reader);
        fixture_close(&f);
    }
}

/* ulimit -f: preallocation is refused, writes come back short, then with EFBIG; the next segment
 * has room again. */
Test(trouble, a_file_size_limit_shortens_segments)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {20000, 20000};
    fixture_open(&f, NULL);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(append_range(&f, 1, 300), 300);
    cr_assert_gt(count_files(&f, ".", ".seg", NULL), 5);
    cr_assert(reads_range(reader, 1, 300));
    spool_reader_close(reader);
    fixture_close(&f);
    fixture_open(&f, NULL);
    cr_assert_eq(stats_of(&f).quarantined, 0);
    reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 300));
    spool_reader_close(reader);
}

Test(trouble, a_file_size_limit_below_one_record_refuses_and_recovers)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {3000, RLIM_INFINITY};
    fixture_open(&f, NULL);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(append_one(&f, 1, 4000), SPOOL_FULL);
    cr_assert_eq(append_one(&f, 1, 1000), SPOOL_DURABLE);
    cr_assert_not(stats_of(&f).failed);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(append_one(&f, 2, 4000), SPOOL_DURABLE);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 2));
    spool_reader_close(reader);
}
