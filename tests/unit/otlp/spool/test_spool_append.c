/* Appenders: records handed over together, tickets that come back together. */
#include "spool_fixture.h"

#include <criterion/criterion.h>

#define MANY 2000

static struct fixture f;

static void setup(void)
{
    fixture_start(&f);
}

static void teardown(void)
{
    fixture_end(&f);
}

TestSuite(append, .init = setup, .fini = teardown, .timeout = 60);

struct item {
    struct spool_ticket ticket; /* first */
    uint64_t number;
    bool back;
};

/* What came back to one appender. */
struct box {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned calls, all;
    unsigned n[SPOOL_CLOSED + 1];
    uint64_t last; /* number of the last one back */
    bool in_order;
};

static void box_init(struct box *box)
{
    *box = (struct box){.in_order = true};
    pthread_mutex_init(&box->lock, NULL);
    pthread_cond_init(&box->changed, NULL);
}

static void take(void *arg, struct spool_ticket *tickets)
{
    struct box *box = arg;
    pthread_mutex_lock(&box->lock);
    box->calls++;
    for (struct spool_ticket *ticket = tickets; ticket != NULL;) {
        struct item *item = (struct item *)(void *)ticket;
        ticket = ticket->next; /* it is ours now, and may go */
        if (item->back) {
            abort(); /* once each */
        }
        item->back = true;
        box->in_order = box->in_order && item->number > box->last;
        box->last = item->number;
        box->n[item->ticket.outcome]++;
        box->all++;
    }
    pthread_cond_signal(&box->changed);
    pthread_mutex_unlock(&box->lock);
}

static void wait_for(struct box *box, unsigned all)
{
    pthread_mutex_lock(&box->lock);
    while (box->all < all) {
        pthread_cond_wait(&box->changed, &box->lock);
    }
    pthread_mutex_unlock(&box->lock);
}

static void add(struct spool_appender *appender, struct item *item, uint64_t number, size_t len)
{
    struct spool_record record;
    char session[SPOOL_SESSION_MAX];
    char *payload = malloc(len);
    record_make(number, len, &record, session, payload);
    *item = (struct item){.number = number};
    spool_appender_add(appender, &record, &item->ticket);
    free(payload);
}

static struct item *items_new(void)
{
    return calloc(MANY + 1, sizeof(struct item));
}

Test(append, turns_of_any_size_come_back_in_order_and_are_read)
{
    struct box box;
    struct item *items = items_new();
    box_init(&box);
    fixture_open(&f, NULL);
    struct spool_appender *appender = spool_appender_open(f.spool, take, &box);
    for (uint64_t number = 1; number <= MANY; number++) {
        add(appender, &items[number], number, record_len(number));
        if (number % 17 == 0 || number % 400 > 380) {
            spool_appender_flush(appender);
        }
    }
    spool_appender_flush(appender);
    spool_appender_flush(appender); /* of nothing */
    wait_for(&box, MANY);
    cr_assert_eq(box.n[SPOOL_DURABLE], MANY);
    cr_assert(box.in_order);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, MANY));
    spool_reader_close(reader);
    spool_appender_close(appender);
    free(items);
}

Test(append, nobody_sees_a_record_before_the_flush)
{
    struct box box;
    struct item item;
    box_init(&box);
    fixture_open(&f, NULL);
    struct spool_appender *appender = spool_appender_open(f.spool, take, &box);
    add(appender, &item, 2, 100);
    cr_assert_eq(append_one(&f, 1, 10), SPOOL_DURABLE);
    cr_assert_eq(box.all, 0);
    spool_appender_flush(appender);
    wait_for(&box, 1);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 2));
    spool_reader_close(reader);
    spool_appender_close(appender);
}

Test(append, a_turn_comes_back_in_one_call)
{
    struct box box;
    struct item *items = items_new();
    box_init(&box);
    fixture_open(&f, NULL);
    struct spool_appender *appender = spool_appender_open(f.spool, take, &box);
    for (uint64_t number = 1; number <= 50; number++) {
        add(appender, &items[number], number, 300);
    }
    spool_appender_flush(appender);
    wait_for(&box, 50);
    cr_assert_eq(box.calls, 1, "they fit into one segment, so one commit had them all");
    spool_appender_close(appender);
    free(items);
}

Test(append, what_is_refused_comes_back_in_the_flush)
{
    struct box box;
    struct item items[4];
    box_init(&box);
    struct spool_options options = fixture_options(&f);
    options.max_queued = 5000;
    fixture_open(&f, &options);
    struct spool_appender *appender = spool_appender_open(f.spool, take, &box);
    add(appender, &items[0], 1, FIXTURE_PAYLOAD_MAX + 1);
    add(appender, &items[1], 2, 4000);
    add(appender, &items[2], 3, 4000);
    add(appender, &items[3], 4, 10);
    cr_assert_eq(box.all, 0);
    spool_appender_flush(appender);
    wait_for(&box, 4);
    cr_assert_eq(items[0].ticket.outcome, SPOOL_FAILED);
    cr_assert_eq(items[1].ticket.outcome, SPOOL_DURABLE);
    cr_assert_eq(items[2].ticket.outcome, SPOOL_FULL);
    cr_assert_eq(items[3].ticket.outcome, SPOOL_FULL, "order is kept");
    spool_appender_close(appender);
}

Test(append, long_records_have_memory_of_their_own)
{
    struct box box;
    struct item items[3];
    box_init(&box);
    struct spool_options options = fixture_options(&f);
    options.max_payload = 1 << 20;
    options.segment_bytes = 3 << 20;
    fixture_open(&f, &options);
    struct spool_appender *appender = spool_appender_open(f.spool, take, &box);
    add(appender, &items[0], 1, 100);
    add(appender, &items[1], 2, 1 << 20);
    add(appender, &items[2], 3, 65535);
    spool_appender_flush(appender);
    wait_for(&box, 3);
    struct spool_reader *reader = reader_open(&f, "otlp");
    cr_assert(reads_range(reader, 1, 3));
    spool_reader_close(reader);
    spool_appender_close(appender);
}

Test(append, an_appender_outlives_its_spool)
{
    struct box box;
    struct item items[2];
    box_init(&box);
    fixture_open(&f, NULL);
    struct spool_appender *appender = spool_appender_open(f.spool, take, &box);
    add(appender, &items[0], 1, 100);
    spool_appender_flush(appender);
    fixture_close(&f); /* writes and answers what was handed over */
    cr_assert_eq(box.n[SPOOL_DURABLE], 1);
    spool_appender_close(appender);
    fixture_open(&f, NULL);
}

static void *append_own(void *arg)
{
    static atomic_uint next;
    unsigned me = atomic_fetch_add(&next, 1);
    struct box box;
    struct item *items = items_new();
    box_init(&box);
    struct spool_appender *appender = spool_appender_open(f.spool, take, &box);
    for (uint64_t i = 1; i <= MANY / 2; i++) {
        add(appender, &items[i], (uint64_t)me * MANY + i, record_len(i));
        if (i % (7 + me) == 0) {
            spool_appender_flush(appender);
        }
    }
    spool_appender_flush(appender);
    wait_for(&box, MANY / 2);
    *(bool *)arg = box.in_order && box.n[SPOOL_DURABLE] == MANY / 2;
    spool_appender_close(appender); /* at once: the writer has let go of it */
    free(items);
    return NULL;
}

Test(append, threads_have_appenders_of_their_own)
{
    pthread_t threads[4];
    bool good[4] = {false};
    fixture_open(&f, NULL);
    for (unsigned i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, append_own, &good[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        cr_assert(good[i], "thread %u", i);
    }
    cr_assert_eq(stats_of(&f).pending_records, 4 * MANY / 2);
}
