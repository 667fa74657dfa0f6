/* spool_driver.c: a program with nothing but a spool, to be killed anywhere.
 *
 *     spool_driver append DIR FIRST COUNT   appends records FIRST…; a destination reads and
 *                                           acknowledges them. Standard output, a line each, at
 *                                           once: "durable N" when N was answered, "done N" before
 *                                           N is acknowledged.
 *     spool_driver read DIR                 "record N" for all that the destination has not
 *                                           acknowledged, "quarantined N" at last. Exit 3: a record
 *                                           that was never appended, or out of order.
 */
#include "../unit/otlp/spool/spool_fixture.h"

#define GROUP 7 /* records appended at once */

static struct fixture f;

static void say(const char *what, uint64_t number)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "%s %llu\n", what, (unsigned long long)number);
    if (write(STDOUT_FILENO, line, (size_t)len) != len) {
        _exit(4);
    }
}

struct record {
    struct answers *answers;
    uint64_t number;
};

static void on_answer(void *arg, enum spool_outcome outcome)
{
    struct record *record = arg;
    if (outcome == SPOOL_DURABLE) {
        say("durable", record->number);
    }
    answers_take(record->answers, outcome);
}

static void append_group(uint64_t first, uint64_t n)
{
    struct answers answers = ANSWERS_INIT;
    struct record records[GROUP];
    for (uint64_t i = 0; i < n; i++) {
        struct spool_record record;
        char session[SPOOL_SESSION_MAX], payload[FIXTURE_PAYLOAD_MAX];
        records[i] = (struct record){&answers, first + i};
        record_make(first + i, record_len(first + i), &record, session, payload);
        spool_append(f.spool, &record, on_answer, &records[i]);
    }
    answers_wait(&answers, (unsigned)n);
}

static void open_spool(const char *dir)
{
    static char under[sizeof(f.dir)];
    snprintf(under, sizeof(under), "%s", dir);
    memcpy(f.dir, under, sizeof(f.dir));
    struct spool_options options = fixture_options(&f);
    options.segment_bytes = 12 << 10;
    options.max_bytes = 96 << 10;
    fixture_open(&f, &options);
}

static int append(uint64_t first, uint64_t count)
{
    struct spool_reader *reader = reader_open(&f, "otlp");
    for (uint64_t n = 0; n < count; n += GROUP) {
        append_group(first + n, count - n < GROUP ? count - n : GROUP);
        uint64_t sequence, number, last = 0, last_number = 0;
        while ((number = read_one(reader, &sequence)) != 0) {
            last = sequence;
            last_number = number;
        }
        if (last != 0 && n / GROUP % 3 == 0) { /* what waits between is read again by the next */
            say("done", last_number);
            spool_reader_ack(reader, last);
        }
    }
    spool_reader_close(reader);
    fixture_close(&f);
    return 0;
}

static int read_all(void)
{
    struct spool_reader *reader = reader_open(&f, "otlp");
    uint64_t sequence, number, before = 0;
    int result = 0;
    while ((number = read_one(reader, &sequence)) != 0 || sequence != 0) {
        result = number <= before ? 3 : result;
        before = number;
        say("record", number);
    }
    say("quarantined", stats_of(&f).quarantined);
    spool_reader_close(reader);
    fixture_close(&f);
    return result;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "append") == 0) {
        open_spool(argv[2]);
        return append(strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
    }
    if (argc == 3 && strcmp(argv[1], "read") == 0) {
        open_spool(argv[2]);
        return read_all();
    }
    fprintf(stderr, "usage: spool_driver append DIR FIRST COUNT | read DIR\n");
    return 2;
}
