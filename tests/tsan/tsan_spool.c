/* Four producers (two of them with appenders), two readers at different pace, a third for one
 * signal, somebody asking for stats: for ThreadSanitizer, and a check that each record comes out of
 * each reader once, whole, in one order. A plain program: 0 is good. */
#include "../unit/otlp/spool/spool_fixture.h"

#include <stdatomic.h>

#define PRODUCERS 4
#define EACH UINT64_C(3000)
#define ALL ((uint64_t)PRODUCERS * EACH)

static struct fixture f;
static struct answers answers = ANSWERS_INIT;
static atomic_bool over;

static void take_tickets(void *arg, struct spool_ticket *tickets)
{
    while (tickets != NULL) {
        struct spool_ticket *ticket = tickets;
        tickets = ticket->next;
        answers_take(arg, ticket->outcome);
        free(ticket);
    }
}

/* Closes its appender as soon as all came back: the writer may be about to return from telling. */
static void produce_together(uint64_t me)
{
    struct answers mine = ANSWERS_INIT;
    struct spool_appender *appender = spool_appender_open(f.spool, take_tickets, &mine);
    for (uint64_t i = 0; i < EACH; i++) {
        struct spool_record record;
        char session[SPOOL_SESSION_MAX], payload[FIXTURE_PAYLOAD_MAX];
        uint64_t number = me * EACH + i + 1;
        record_make(number, record_len(number), &record, session, payload);
        spool_appender_add(appender, &record, malloc(sizeof(struct spool_ticket)));
        if (i % 13 == 0 || i + 1 == EACH) {
            spool_appender_flush(appender);
        }
    }
    answers_wait(&mine, EACH);
    spool_appender_close(appender);
    for (uint64_t i = 0; i < EACH; i++) {
        answers_take(&answers, i < mine.n[SPOOL_DURABLE] ? SPOOL_DURABLE : SPOOL_FULL);
    }
}

static void *produce(void *arg)
{
    uint64_t me = *(const uint64_t *)arg;
    if (me % 2 != 0) {
        produce_together(me);
        return NULL;
    }
    for (uint64_t i = 0; i < EACH; i++) {
        uint64_t number = me * EACH + i + 1;
        append_len(&f, &answers, number, record_len(number));
    }
    return NULL;
}

/* In each producer's order, without a hole. */
static void *consume(void *arg)
{
    const char *name = arg;
    struct spool_reader *reader = reader_open(&f, name);
    struct pollfd wake = {spool_reader_wake_fd(reader), POLLIN, 0};
    uint64_t next[PRODUCERS] = {0}, sequence, n = 0;
    while (n < ALL) {
        uint64_t number = read_one(reader, &sequence);
        if (sequence == 0) {
            if (poll(&wake, 1, 20000) != 1) {
                fprintf(stderr, "%s: woken by nobody after %llu\n", name, (unsigned long long)n);
                exit(1);
            }
            continue;
        }
        n++;
        uint64_t producer = (number - 1) / EACH;
        if (number == 0 || number > ALL || (number - 1) % EACH != next[producer]++ ||
            sequence != n) {
            fprintf(stderr, "%s: record %llu, sequence %llu at %llu\n", name,
                    (unsigned long long)number, (unsigned long long)sequence,
                    (unsigned long long)n);
            exit(1);
        }
        if (n % 100 == 0) {
            spool_reader_ack(reader, sequence);
        }
        if (n % 1000 == 0 && name[0] == 's') {
            usleep(2000);
            spool_reader_seek(reader, sequence + 1);
        }
    }
    spool_reader_ack(reader, sequence);
    spool_reader_close(reader);
    return NULL;
}

/* The traces, every fourth of a producer, and the cursor at the end behind all that is not. */
static void *consume_traces(void *arg)
{
    struct spool_reader *reader = arg;
    struct pollfd wake = {spool_reader_wake_fd(reader), POLLIN, 0};
    uint64_t next[PRODUCERS] = {0}, sequence, n = 0;
    while (n < ALL / SIGNAL_COUNT) {
        uint64_t number = read_one(reader, &sequence);
        if (sequence == 0) {
            if (poll(&wake, 1, 20000) != 1) {
                fprintf(stderr, "traces: woken by nobody after %llu\n", (unsigned long long)n);
                exit(1);
            }
            continue;
        }
        n++;
        uint64_t producer = (number - 1) / EACH;
        if (number % SIGNAL_COUNT != SIGNAL_TRACES || number <= next[producer]) {
            fprintf(stderr, "traces: record %llu\n", (unsigned long long)number);
            exit(1);
        }
        next[producer] = number;
        spool_reader_ack(reader, sequence);
    }
    while (spool_reader_position(reader) < ALL) {
        read_one(reader, &sequence); /* nothing more, but the end is seen */
        usleep(1000);
    }
    spool_reader_close(reader);
    return NULL;
}

static void *ask(void *arg)
{
    while (!over) {
        struct buf out = BUF_INIT;
        metrics_render(f.metrics, &out);
        buf_free(&out);
        usleep(1000);
    }
    return arg;
}

int main(void)
{
    fixture_start(&f);
    struct spool_options options = fixture_options(&f);
    options.segment_bytes = 256 << 10;
    options.max_bytes = 2 << 20; /* producers meet a full spool */
    options.wait_ns = 60 * NS_PER_SECOND;
    fixture_open(&f, &options);
    struct result why = RESULT_INIT;
    static char fast[] = "fast", slow[] = "slow";
    uint64_t numbers[PRODUCERS];
    pthread_t threads[PRODUCERS + 4];
    pthread_create(&threads[PRODUCERS], NULL, consume, fast);
    pthread_create(&threads[PRODUCERS + 1], NULL, consume, slow);
    pthread_create(&threads[PRODUCERS + 2], NULL, consume_traces,
                   spool_reader_open_for(f.spool, "t", SPOOL_SIGNAL(SIGNAL_TRACES), NULL, &why));
    pthread_create(&threads[PRODUCERS + 3], NULL, ask, NULL);
    for (uint64_t i = 0; i < PRODUCERS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, produce, &numbers[i]);
    }
    for (size_t i = 0; i < PRODUCERS + 3; i++) {
        pthread_join(threads[i], NULL);
    }
    over = true;
    pthread_join(threads[PRODUCERS + 3], NULL);
    answers_wait(&answers, ALL);
    bool good = answers.n[SPOOL_DURABLE] == ALL && wait_for_segments(&f, 2) <= 2;
    if (!good) {
        fprintf(stderr, "%u of %d durable\n", answers.n[SPOOL_DURABLE], (int)ALL);
    }
    fixture_end(&f);
    return good ? 0 : 1;
}
