/* Room that is there although it does not look so: nothing that is delivered may keep the spool
 * from taking more, and room that comes back is noticed though nobody asks for it. */
#include "spool_fixture.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdatomic.h>

static struct fixture f;
static _Atomic uint64_t longest; /* what the file system lets a file be made of */

static int limited_fallocate(int fd, int mode, off_t at, off_t len)
{
    if ((uint64_t)len > longest) {
        errno = EDQUOT;
        return -1;
    }
    return fallocate(fd, mode, at, len);
}

static void setup(void)
{
    fixture_start(&f);
    longest = UINT64_MAX;
    spool_system.fallocate = limited_fallocate;
}

static void teardown(void)
{
    spool_system.fallocate = fallocate;
    fixture_end(&f);
}

TestSuite(room, .init = setup, .fini = teardown, .timeout = 60);

static void append_and_deliver(struct spool_reader *reader, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) {
        cr_assert_eq(append_one(&f, i, 4000), SPOOL_DURABLE, "record %" PRIu64, i);
        cr_assert(reads_range(reader, i, i));
        spool_reader_ack(reader, i);
    }
}

Test(room, a_lower_max_bytes_is_no_reason_to_refuse_when_all_is_delivered)
{
    struct spool_options options = fixture_options(&f);
    options.segment_bytes = 256 << 10;
    options.max_bytes = 1 << 20;
    fixture_open(&f, &options);
    struct spool_reader *reader = reader_open(&f, "otlp");
    append_and_deliver(reader, 1, 60);
    spool_reader_close(reader);
    fixture_close(&f);

    options.segment_bytes = 64 << 10;
    options.max_bytes = 256 << 10;
    options.wait_ns = 10 * NS_PER_SECOND;
    fixture_open(&f, &options);
    reader = reader_open(&f, "otlp");
    uint64_t sequence;
    cr_assert_eq(read_one(reader, &sequence), 0);
    append_and_deliver(reader, 61, 200);
    cr_assert_not(stats_of(&f).full);
    cr_assert_leq(stats_of(&f).bytes, options.max_bytes);
    spool_reader_close(reader);
}

Test(room, a_longer_file_of_before_that_waits_is_still_a_reason)
{
    struct spool_options options = fixture_options(&f);
    options.segment_bytes = 256 << 10;
    options.max_bytes = 1 << 20;
    fixture_open(&f, &options);
    struct spool_reader *reader = reader_open(&f, "otlp");
    for (uint64_t i = 1; i <= 60; i++) {
        cr_assert_eq(append_one(&f, i, 4000), SPOOL_DURABLE);
    }
    spool_reader_close(reader);
    fixture_close(&f);

    options.segment_bytes = 64 << 10;
    options.max_bytes = 256 << 10;
    options.wait_ns = NS_PER_SECOND / 10;
    fixture_open(&f, &options);
    reader = reader_open(&f, "otlp");
    cr_assert_eq(append_one(&f, 61, 100), SPOOL_FULL);
    cr_assert_not(stats_of(&f).disk_full);
    cr_assert(reads_range(reader, 1, 60));
    spool_reader_close(reader);
}

Test(room, a_quota_below_two_segments_shortens_them)
{
    struct spool_options options = fixture_options(&f);
    options.wait_ns = NS_PER_SECOND / 10;
    fixture_open(&f, &options);
    struct spool_reader *reader = reader_open(&f, "otlp");
    append_and_deliver(reader, 1, 1);
    longest = UINT64_C(2) * options.max_payload;
    append_and_deliver(reader, 2, 60); /* several segments */
    spool_reader_close(reader);
}

Test(room, a_record_longer_than_the_memory_for_all_goes_alone)
{
    struct spool_options options = fixture_options(&f);
    options.max_queued = 2000;
    fixture_open(&f, &options);
    cr_assert_eq(append_one(&f, 1, 4000), SPOOL_DURABLE);
    cr_assert_not(stats_of(&f).full);
}

static bool becomes_ready(void)
{
    for (int i = 0; i < 500 && stats_of(&f).full; i++) {
        usleep(10000);
    }
    return !stats_of(&f).full;
}

Test(room, room_that_comes_back_is_noticed_though_nobody_asks)
{
    struct spool_options options = fixture_options(&f);
    options.wait_ns = NS_PER_SECOND / 10;
    longest = 0;
    fixture_open(&f, &options);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert_eq(append_one(&f, 1, 1000), SPOOL_FULL);
    cr_assert(stats_of(&f).full && stats_of(&f).disk_full);
    longest = UINT64_MAX;
    cr_assert(becomes_ready());
    cr_assert_not(stats_of(&f).disk_full);
    cr_assert_eq(append_one(&f, 2, 1000), SPOOL_DURABLE);
    spool_reader_close(reader);
}
