/* test_fleet_snapshot.c: a restart at any point gives what no restart would have given; a file that
 * is not whole is never taken for one that is.
 */
#include "otlp/fleet/fleet_snapshot.h"
#include "otlp/spool/segment.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static const char *const drops[] = {"hash"};
static const char *const resources[] = {"platform"};
static char directory[256];
static char path[300];

static void set_up(void)
{
    /* Hundreds of files are written and synced: in memory, where that can be had. */
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    const char *parent = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : memory;
    snprintf(directory, sizeof(directory), "%s/sigpost-fleet-XXXXXX", parent);
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/fleet.snapshot", directory);
}

static void tear_down(void)
{
    char file[600];
    DIR *dir = opendir(directory);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        snprintf(file, sizeof(file), "%s/%s", directory, entry->d_name);
        unlink(file);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    cr_expect_eq(rmdir(directory), 0, "%s", strerror(errno));
}

TestSuite(fleet_snapshot, .init = set_up, .fini = tear_down);

static struct fleet_options options_of(void)
{
    struct fleet_options options = {
        .max_series = 4,
        .max_sessions = 5,
        .max_streams = 8,
        .max_bytes = 9000,
        .session_idle_ns = 20 * SECOND,
        .rules = {resources, 1, drops, 1},
        .seed = "sixteen bytes!!",
    };
    return options;
}

static struct fleet *make(void)
{
    struct fleet_options options = options_of();
    struct fleet *f = fleet_create(&options);
    cr_assert_not_null(f);
    return f;
}

static uint32_t dice_state;

static uint32_t dice(uint32_t sides)
{
    dice_state = dice_state * 1664525 + 1013904223;
    return (dice_state >> 16) % sides;
}

/* Frame number n, always the same for one n: some session, some metrics, growing, falling back,
 * late. Caps, idleness and resets are all met on the way. */
static void frame(struct fleet *f, uint64_t n)
{
    static const struct fleet_attribute resource[] = {{{"platform", 8}, {"Unix", 4}, 's'}};
    static const double bounds[] = {1, 2.5};
    char session[16];
    char value[16];
    dice_state = (uint32_t)n * 2654435761U + 7;
    dice_state = (dice_state ^ dice_state >> 15) * 739982445U;
    dice_state ^= dice_state >> 12;
    snprintf(session, sizeof(session), "s%u", dice(9));
    fleet_resource(f, slice_of(session), (int64_t)n * 3 * SECOND,
                   (struct fleet_attributes){resource, 1});
    for (uint32_t i = 0; i < 4; i++) {
        static const char *const names[] = {"count", "open", "took", "delta"};
        static const enum fleet_kind kinds[] = {FLEET_COUNTER, FLEET_UPDOWN, FLEET_HISTOGRAM,
                                                FLEET_COUNTER};
        struct fleet_metric metric = {.name = slice_of(names[i]),
                                      .description = slice_of(i == 0 ? "" : "Help."),
                                      .kind = kinds[i],
                                      .is_delta = i == 3};
        fleet_metric(f, &metric);
        snprintf(value, sizeof(value), "v%u", dice(7));
        struct fleet_attribute attribute = {slice_of(dice(2) ? "kept" : "hash"), slice_of(value),
                                            's'};
        uint64_t cells[] = {n * dice(2), dice(5), n};
        struct fleet_point point = {.attributes = {&attribute, 1},
                                    .start_ns = 1 + dice(10) / 9,
                                    .time_ns = 100 + n - dice(10) / 7,
                                    .value = (double)n * 0.1 + dice(3)};
        if (kinds[i] == FLEET_HISTOGRAM) {
            point.cells = cells;
            point.n_cells = 3;
            point.bounds = bounds;
            point.n_bounds = 2;
            point.count = cells[0] + cells[1] + cells[2];
        }
        fleet_point(f, &point);
    }
}

static struct fleet *restart(struct fleet *f, uint64_t sequence)
{
    struct fleet_options options = options_of();
    struct result why = RESULT_INIT;
    struct fleet_position position = {0, 0};
    struct fleet *again = NULL;
    memset(options.seed, 'x', sizeof(options.seed)); /* the file's is taken */
    cr_assert(fleet_snapshot_write(f, (struct fleet_position){sequence, 9}, path, &why), "%s",
              why.text);
    fleet_destroy(f);
    cr_assert_eq(fleet_snapshot_read(path, &options, &again, &position, &why), FLEET_SNAPSHOT_READ,
                 "%s", why.text);
    cr_assert_eq(position.sequence, sequence);
    cr_assert_eq(position.arrived_ns, 9);
    return again;
}

static char *rendering(const struct fleet *f)
{
    struct buf out = BUF_INIT;
    fleet_render(f, &out);
    char *text = strdup(buf_cstr(&out));
    buf_free(&out);
    return text;
}

#define FRAMES 120

Test(fleet_snapshot, a_restart_at_any_point_changes_nothing)
{
    struct fleet *whole = make();
    for (uint64_t n = 1; n <= FRAMES; n++) {
        frame(whole, n);
    }
    const struct fleet_counts *expected = fleet_get_counts(whole);
    char *text = rendering(whole);
    cr_assert_gt(expected->ended_idle, 0);
    cr_assert_gt(expected->ended_full, 0);
    cr_assert_gt(expected->late, 0);
    cr_assert_gt(expected->resumed, 0);
    cr_assert_gt(expected->overflowed, 0);
    cr_assert_not_null(strstr(text, "otel_metric_overflow"));
    for (uint64_t cut = 0; cut <= FRAMES; cut++) {
        struct fleet *f = make();
        for (uint64_t n = 1; n <= cut; n++) {
            frame(f, n);
        }
        f = restart(f, cut);
        for (uint64_t n = cut + 1; n <= FRAMES; n++) {
            frame(f, n);
        }
        char *again = rendering(f);
        cr_expect_str_eq(again, text, "cut at %u", (unsigned)cut);
        cr_expect_eq(fleet_get_counts(f)->sessions, expected->sessions);
        cr_expect_eq(fleet_get_counts(f)->series, expected->series);
        free(again);
        fleet_destroy(f);
    }
    free(text);
    fleet_destroy(whole);
}

Test(fleet_snapshot, a_restart_after_every_frame_changes_nothing)
{
    struct fleet *whole = make();
    struct fleet *f = make();
    for (uint64_t n = 1; n <= FRAMES; n++) {
        frame(whole, n);
        frame(f, n);
        f = restart(f, n);
    }
    char *text = rendering(whole);
    char *again = rendering(f);
    cr_expect_str_eq(again, text);
    free(text);
    free(again);
    fleet_destroy(whole);
    fleet_destroy(f);
}

Test(fleet_snapshot, lower_limits_hold_after_a_restart)
{
    struct fleet_options options = options_of();
    struct result why = RESULT_INIT;
    struct fleet *again = NULL;
    struct fleet_position position = {0, 0};
    struct fleet *f = make();
    for (uint64_t n = 1; n <= FRAMES; n++) {
        frame(f, n);
    }
    cr_assert(fleet_snapshot_write(f, (struct fleet_position){7, 0}, path, &why));
    options.max_sessions = 2;
    options.max_series = 1;
    cr_assert_eq(fleet_snapshot_read(path, &options, &again, &position, &why), FLEET_SNAPSHOT_READ);
    cr_expect_eq(fleet_get_counts(again)->sessions, 2);
    cr_expect_eq(fleet_get_counts(again)->series, fleet_get_counts(f)->series);
    fleet_destroy(again);
    fleet_destroy(f);
}

/* --- files that are not whole ----------------------------------------------------------------- */

static size_t slurp(unsigned char **bytes)
{
    FILE *file = fopen(path, "rb");
    struct stat st;
    cr_assert_not_null(file);
    cr_assert_eq(fstat(fileno(file), &st), 0);
    *bytes = malloc((size_t)st.st_size);
    cr_assert_eq(fread(*bytes, 1, (size_t)st.st_size, file), (size_t)st.st_size);
    fclose(file);
    return (size_t)st.st_size;
}

static void spit(const unsigned char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static enum fleet_snapshot_outcome read_it(struct fleet **f)
{
    struct fleet_options options = options_of();
    struct result why = RESULT_INIT;
    struct fleet_position position = {1, 1};
    enum fleet_snapshot_outcome outcome = fleet_snapshot_read(path, &options, f, &position, &why);
    cr_assert_eq(*f == NULL, outcome != FLEET_SNAPSHOT_READ);
    cr_assert_eq(why.text[0] == '\0', outcome == FLEET_SNAPSHOT_READ);
    return outcome;
}

static size_t small_snapshot(unsigned char **bytes)
{
    struct result why = RESULT_INIT;
    struct fleet *f = make();
    for (uint64_t n = 1; n <= 8; n++) {
        frame(f, n);
    }
    cr_assert(fleet_snapshot_write(f, (struct fleet_position){3, 0}, path, &why));
    fleet_destroy(f);
    return slurp(bytes);
}

Test(fleet_snapshot, every_truncation_is_damage)
{
    struct fleet *f = NULL;
    unsigned char *bytes = NULL;
    size_t len = small_snapshot(&bytes);
    for (size_t cut = 0; cut < len; cut++) {
        cr_assert_eq(truncate(path, (off_t)(len - 1 - cut)), 0);
        cr_expect_eq(read_it(&f), FLEET_SNAPSHOT_DAMAGED, "%zu bytes", len - 1 - cut);
    }
    free(bytes);
}

Test(fleet_snapshot, every_flipped_bit_is_damage)
{
    struct fleet *f = NULL;
    unsigned char *bytes = NULL;
    size_t len = small_snapshot(&bytes);
    for (size_t at = 0; at < len; at++) {
        bytes[at] ^= (unsigned char)(1 << at % 8);
        spit(bytes, len);
        cr_expect_eq(read_it(&f), FLEET_SNAPSHOT_DAMAGED, "byte %zu", at);
        bytes[at] ^= (unsigned char)(1 << at % 8);
    }
    free(bytes);
}

/* What a program with faults might have written: each byte changed in turn, the checksum right. */
Test(fleet_snapshot, nonsense_with_a_right_checksum_does_no_harm)
{
    static const unsigned char others[] = {0x00, 0xff, 0x7f, 0x01};
    unsigned char *bytes = NULL;
    size_t len = small_snapshot(&bytes);
    unsigned taken = 0;
    unsigned refused = 0;
    for (size_t i = 0; i < (len - 4) * 4; i++) {
        struct fleet *f = NULL;
        unsigned char before = bytes[i / 4];
        bytes[i / 4] = others[i % 4];
        uint32_t crc = segment_crc32c(0, bytes, len - 4);
        for (unsigned b = 0; b < 4; b++) {
            bytes[len - 4 + b] = (unsigned char)(crc >> 8 * b);
        }
        spit(bytes, len);
        if (read_it(&f) == FLEET_SNAPSHOT_READ) {
            taken++;
            frame(f, 21);
            char *text = rendering(f);
            free(text);
            fleet_destroy(f);
        } else {
            refused++;
        }
        bytes[i / 4] = before;
    }
    cr_expect_gt(taken, 0);
    cr_expect_gt(refused, 0);
    free(bytes);
}

Test(fleet_snapshot, what_is_not_there_or_cannot_be_read)
{
    struct fleet *f = NULL;
    struct result why = RESULT_INIT;
    char deeper[400];
    cr_expect_eq(read_it(&f), FLEET_SNAPSHOT_MISSING);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_expect_eq(read_it(&f), FLEET_SNAPSHOT_DAMAGED);
    f = make();
    cr_expect_not(fleet_snapshot_write(f, (struct fleet_position){1, 0}, path,
                                       &why)); /* a directory is in its place */
    cr_expect(strstr(why.text, path) != NULL, "%s", why.text);
    rmdir(path);
    snprintf(deeper, sizeof(deeper), "%s/none/x", directory);
    cr_expect_not(fleet_snapshot_write(f, (struct fleet_position){1, 0}, deeper, &why));
    fleet_destroy(f);
    f = NULL;
    cr_assert_eq(symlink("elsewhere", path), 0);
    cr_expect_eq(read_it(&f), FLEET_SNAPSHOT_FAILED);
}

Test(fleet_snapshot, only_its_owner_may_read_it)
{
    struct stat st;
    struct result why = RESULT_INIT;
    struct fleet *f = make();
    cr_assert(fleet_snapshot_write(f, (struct fleet_position){1, 0}, path, &why));
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    fleet_destroy(f);
}

Test(fleet_snapshot, a_failed_write_leaves_the_old_one)
{
    struct result why = RESULT_INIT;
    struct fleet *f = make();
    frame(f, 1);
    f = restart(f, 1);
    char temporary[400];
    snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    cr_assert_eq(mkdir(temporary, 0700), 0);
    frame(f, 2);
    cr_expect_not(fleet_snapshot_write(f, (struct fleet_position){2, 0}, path, &why));
    cr_expect(strstr(why.text, temporary) != NULL, "%s", why.text);
    fleet_destroy(f);
    cr_expect_eq(read_it(&f), FLEET_SNAPSHOT_READ);
    fleet_destroy(f);
    rmdir(temporary);
}

Test(fleet_snapshot, nothing_is_written_through_a_planted_link)
{
    struct result why = RESULT_INIT;
    struct stat st;
    struct fleet *f = make();
    char temporary[400], target[400];
    snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    snprintf(target, sizeof(target), "%s.target", path);
    cr_assert_eq(symlink(target, temporary), 0);
    cr_assert(fleet_snapshot_write(f, (struct fleet_position){1, 0}, path, &why));
    cr_expect_neq(stat(target, &st), 0);
    cr_assert_eq(lstat(path, &st), 0);
    cr_expect(S_ISREG(st.st_mode));
    fleet_destroy(f);
}
