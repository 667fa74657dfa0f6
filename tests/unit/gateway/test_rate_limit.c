/* The rate limiter: exact to the nanosecond, bounded in memory, one bucket a client. */
#include "base/clock.h"
#include "gateway/rate_limit.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* 10.a.b.c */
static struct ip_addr ipv4(uint32_t n)
{
    return (struct ip_addr){{[10] = 0xff,
                             [11] = 0xff,
                             [12] = 10,
                             [13] = (uint8_t)(n >> 16),
                             [14] = (uint8_t)(n >> 8),
                             [15] = (uint8_t)n}};
}

/* 2001:db8:net:net:host:: */
static struct ip_addr ipv6(uint32_t network, uint32_t host)
{
    return (struct ip_addr){{0x20, 0x01, 0x0d, 0xb8, (uint8_t)(network >> 24),
                             (uint8_t)(network >> 16), (uint8_t)(network >> 8), (uint8_t)network,
                             (uint8_t)(host >> 24), (uint8_t)(host >> 16), (uint8_t)(host >> 8),
                             (uint8_t)host}};
}

static bool take(struct rate_limit *limit, struct ip_addr address, int64_t now_ns)
{
    unsigned retry_after_s = 99;
    bool granted = rate_limit_take(limit, &address, now_ns, &retry_after_s);
    cr_assert_eq(retry_after_s, granted ? 0 : 1);
    return granted;
}

/* How many of `n` requests at one time pass. */
static unsigned passing(struct rate_limit *limit, struct ip_addr address, int64_t now_ns,
                        unsigned n)
{
    unsigned granted = 0;
    for (unsigned i = 0; i < n; i++) {
        granted += take(limit, address, now_ns);
    }
    return granted;
}

Test(rate_limit, a_burst_and_then_the_rate)
{
    struct rate_limit *limit = rate_limit_create(10, 20);
    cr_expect_eq(passing(limit, ipv4(1), 5, 30), 20);
    cr_expect(!take(limit, ipv4(1), 5 + NS_PER_SECOND / 10 - 1), "a nanosecond early");
    cr_expect(take(limit, ipv4(1), 5 + NS_PER_SECOND / 10));
    cr_expect(!take(limit, ipv4(1), 5 + NS_PER_SECOND / 10));
    cr_expect_eq(passing(limit, ipv4(1), 5 + 10 * NS_PER_SECOND, 30), 20, "no more than a burst");
    cr_expect_eq(passing(limit, ipv4(1), 5 + 11 * NS_PER_SECOND, 30), 10);
    rate_limit_destroy(limit);
    rate_limit_destroy(NULL);
}

Test(rate_limit, each_address_has_its_own)
{
    struct rate_limit *limit = rate_limit_create(1, 1);
    cr_expect(take(limit, ipv4(1), 0));
    cr_expect(take(limit, ipv4(2), 0));
    cr_expect(!take(limit, ipv4(1), 0));
    cr_expect(!take(limit, ipv4(2), 0));
    rate_limit_destroy(limit);
}

Test(rate_limit, ipv6_counts_by_its_first_64_bits)
{
    struct rate_limit *limit = rate_limit_create(1, 2);
    cr_expect(take(limit, ipv6(7, 1), 0));
    cr_expect(take(limit, ipv6(7, 2), 0));
    cr_expect(!take(limit, ipv6(7, UINT32_MAX), 0));
    cr_expect(take(limit, ipv6(8, 1), 0));
    struct ip_addr unspecified = {{0}};
    struct ip_addr loopback = {{[15] = 1}};
    cr_expect(take(limit, unspecified, 0));
    cr_expect(take(limit, loopback, 0), "the same network as ::");
    cr_expect(!take(limit, loopback, 0));
    struct ip_addr zero_ipv4 = {{[10] = 0xff, [11] = 0xff}};
    cr_expect(take(limit, zero_ipv4, 0), "0.0.0.0 is not ::");
    rate_limit_destroy(limit);
}

Test(rate_limit, zero_is_off)
{
    struct rate_limit *limit = rate_limit_create(0, 1);
    cr_expect_eq(passing(limit, ipv4(1), 0, 1000), 1000);
    rate_limit_set(limit, 1, 1);
    cr_expect_eq(passing(limit, ipv4(1), 0, 1000), 1);
    rate_limit_set(limit, 0, 0);
    cr_expect_eq(passing(limit, ipv4(1), 0, 1000), 1000);
    rate_limit_destroy(limit);
}

Test(rate_limit, a_burst_of_zero_is_one)
{
    struct rate_limit *limit = rate_limit_create(5, 0);
    cr_expect_eq(passing(limit, ipv4(1), 0, 10), 1);
    cr_expect_eq(passing(limit, ipv4(1), NS_PER_SECOND, 10), 1);
    rate_limit_destroy(limit);
}

Test(rate_limit, new_limits_hold_for_all_buckets)
{
    struct rate_limit *limit = rate_limit_create(1, 100);
    cr_expect(take(limit, ipv4(1), 0));
    rate_limit_set(limit, 10, 5);
    cr_expect_eq(passing(limit, ipv4(1), 0, 200), 5, "99 tokens are cut to the new burst");
    cr_expect_eq(passing(limit, ipv4(1), NS_PER_SECOND / 2, 200), 5);
    rate_limit_set(limit, 10, 50);
    cr_expect_eq(passing(limit, ipv4(1), NS_PER_SECOND / 2, 200), 0, "room, not tokens");
    cr_expect_eq(passing(limit, ipv4(1), 100 * NS_PER_SECOND, 200), 50);
    rate_limit_destroy(limit);
}

Test(rate_limit, time_may_stand_or_step_back)
{
    struct rate_limit *limit = rate_limit_create(10, 1);
    cr_expect(take(limit, ipv4(1), 5 * NS_PER_SECOND));
    cr_expect(!take(limit, ipv4(1), 5 * NS_PER_SECOND));
    cr_expect(!take(limit, ipv4(1), 0));
    cr_expect(!take(limit, ipv4(1), 5 * NS_PER_SECOND + 99 * NS_PER_MS));
    cr_expect(take(limit, ipv4(1), 5 * NS_PER_SECOND + 100 * NS_PER_MS));
    rate_limit_destroy(limit);
}

Test(rate_limit, the_largest_numbers_do_not_overflow)
{
    struct rate_limit *limit = rate_limit_create(UINT_MAX, UINT_MAX);
    cr_expect_eq(passing(limit, ipv4(1), 0, 1000), 1000);
    cr_expect(take(limit, ipv4(1), INT64_MAX));
    rate_limit_set(limit, UINT_MAX, 1);
    cr_expect_eq(passing(limit, ipv4(2), 0, 10), 1);
    cr_expect_eq(passing(limit, ipv4(2), 1, 10), 1, "4.29 tokens came, one is kept");
    rate_limit_set(limit, 1, UINT_MAX);
    cr_expect(take(limit, ipv4(3), 0));
    cr_expect(take(limit, ipv4(3), INT64_MAX));
    rate_limit_destroy(limit);
}

/* The limiter as it is defined, with time in 128 bits and nothing clever. */
struct model {
    __int128 units; /* 1e-9 token */
    int64_t at;
    bool known;
};

static bool model_take(struct model *model, int64_t now, unsigned rate, unsigned burst)
{
    __int128 full = (__int128)burst * NS_PER_SECOND;
    if (!model->known) {
        *model = (struct model){full, now, true};
    }
    if (now > model->at) {
        model->units += (__int128)(now - model->at) * rate;
        model->at = now;
    }
    model->units = model->units > full ? full : model->units;
    if (model->units < NS_PER_SECOND) {
        return false;
    }
    model->units -= NS_PER_SECOND;
    return true;
}

static uint64_t state = 0x2545f491;

static uint64_t below(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

Test(rate_limit, agrees_with_a_model_at_random_times)
{
    for (unsigned run = 0; run < 200; run++) {
        /* Eight clients at most: they fit in one set wherever they fall. */
        struct model models[8] = {{0}};
        unsigned rate = (unsigned)below(run % 3 == 0 ? 2000000000 : 20) + 1;
        unsigned burst = (unsigned)below(30) + 1;
        struct rate_limit *limit = rate_limit_create(rate, burst);
        int64_t now = (int64_t)below(UINT64_C(1) << 62);
        for (unsigned step = 0; step < 2000; step++) {
            static const uint64_t spans[] = {2, 1000, 100000000, 3000000000, 1000000000000};
            now += (int64_t)below(spans[below(5)]);
            int64_t seen = now - (int64_t)below(4) * 1000;
            unsigned who = (unsigned)below(8);
            cr_assert_eq(take(limit, ipv4(who), seen), model_take(&models[who], seen, rate, burst),
                         "run %u step %u rate %u burst %u", run, step, rate, burst);
            if (below(500) == 0) {
                rate = (unsigned)below(50) + 1;
                burst = (unsigned)below(50) + 1;
                rate_limit_set(limit, rate, burst);
            }
        }
        rate_limit_destroy(limit);
    }
}

static size_t heap(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Kilobytes of this process in memory: the second number of statm, in pages. */
static long resident_kb(void)
{
    char line[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert_not_null(file);
    cr_assert_not_null(fgets(line, sizeof(line), file));
    fclose(file);
    const char *space = strchr(line, ' ');
    cr_assert_not_null(space);
    return strtol(space, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}

Test(rate_limit, a_flood_of_addresses_costs_no_memory)
{
    long before = resident_kb();
    struct rate_limit *limit = rate_limit_create(10, 20);
    long idle = resident_kb();
    cr_expect_lt(idle - before, 256, "an idle table takes %ld KB", idle - before);
    size_t heap_before = heap();
    for (uint32_t n = 0; n < 1000000; n++) {
        cr_assert(take(limit, ipv4(n), n), "a newcomer has a full burst");
    }
    for (uint32_t n = 0; n < 200000; n++) {
        cr_assert(take(limit, ipv6(n, n), n + 1000000));
    }
    cr_expect_eq(heap(), heap_before);
    cr_expect_lt(resident_kb() - before, 3000);
    rate_limit_destroy(limit);
}

/* Who comes again and again is not forgotten while others pass through. */
Test(rate_limit, a_flood_gives_nobody_his_burst_back)
{
    struct rate_limit *limit = rate_limit_create(1, 5);
    cr_expect_eq(passing(limit, ipv4(0), 0, 10), 5);
    for (uint32_t n = 1; n < 200000; n++) {
        take(limit, ipv4(n), n);
        cr_assert(n % 100 != 0 || !take(limit, ipv4(0), n));
    }
    rate_limit_destroy(limit);
}

/* Nor is there one to be had by staying away until others have taken the place: it is bought with
 * as many of their requests as there are buckets. */
Test(rate_limit, who_was_displaced_has_one_token_and_no_new_burst)
{
    struct rate_limit *limit = rate_limit_create(1, 20);
    uint32_t others = 0; /* and the time: a millisecond in all */
    cr_expect_eq(passing(limit, ipv4(0), 0, 100), 20);
    for (unsigned round = 1; round <= 3; round++) {
        while (others < round * 300000) {
            others++;
            cr_assert(take(limit, ipv4(others), others), "nobody new is refused");
            passing(limit, ipv4(others), others, 20);
        }
        cr_expect_eq(passing(limit, ipv4(0), others, 100), 1);
    }
    rate_limit_destroy(limit);
}

/* What is idle long enough to be full again is taken over full. */
Test(rate_limit, a_newcomer_in_a_full_but_quiet_table_has_a_burst)
{
    struct rate_limit *limit = rate_limit_create(1, 20);
    for (uint32_t n = 0; n < 400000; n++) {
        passing(limit, ipv4(n), 0, 20);
    }
    cr_expect_eq(passing(limit, ipv4(400000), 20 * NS_PER_SECOND, 100), 20);
    rate_limit_destroy(limit);
}

static bool take_session(struct rate_limit *limit, const char *session, int64_t now_ns)
{
    unsigned retry_after_s = 99;
    bool granted = rate_limit_take_session(limit, slice_of(session), now_ns, &retry_after_s);
    cr_assert_eq(retry_after_s, granted ? 0 : 1);
    return granted;
}

Test(rate_limit, each_session_has_its_own)
{
    struct rate_limit *limit = rate_limit_create(2, 2);
    cr_expect(take_session(limit, "a", 0));
    cr_expect(take_session(limit, "a", 0));
    cr_expect(!take_session(limit, "a", 0));
    cr_expect(take_session(limit, "b", 0));
    cr_expect(take_session(limit, "aa", 0));
    cr_expect(!take_session(limit, "a", NS_PER_SECOND / 2 - 1));
    cr_expect(take_session(limit, "a", NS_PER_SECOND / 2));
    rate_limit_set(limit, 0, 2);
    cr_expect(take_session(limit, "a", NS_PER_SECOND / 2), "off");
    rate_limit_destroy(limit);
}

struct crowd {
    struct rate_limit *limit;
    atomic_uint granted;
};

static void *ask(void *argument)
{
    struct crowd *crowd = argument;
    for (unsigned i = 0; i < 20000; i++) {
        struct ip_addr address = ipv4(i % 4);
        unsigned retry_after_s;
        if (rate_limit_take(crowd->limit, &address, 0, &retry_after_s)) {
            atomic_fetch_add(&crowd->granted, 1);
        }
    }
    return NULL;
}

Test(rate_limit, threads_share_a_bucket_exactly)
{
    struct crowd crowd = {.limit = rate_limit_create(1, 3000)};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, ask, &crowd);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    cr_expect_eq(atomic_load(&crowd.granted), 4 * 3000);
    rate_limit_destroy(crowd.limit);
}
