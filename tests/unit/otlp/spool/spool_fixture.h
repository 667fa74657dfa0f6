/* spool_fixture.h: what the spool's tests share: a temporary directory, records whose bytes follow
 * from their number, appends that wait for their answer, and a look at files. */
#ifndef SIGPOST_TESTS_SPOOL_FIXTURE_H
#define SIGPOST_TESTS_SPOOL_FIXTURE_H

#include "base/clock.h"
#include "base/log.h"
#include "otlp/spool/spool_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE_PAYLOAD_MAX 8192
#define FIXTURE_UNUSED __attribute__((unused))

struct fixture {
    char dir[256];
    struct metrics *metrics;
    struct spool *spool;
};

static int fixture_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static FIXTURE_UNUSED void fixture_empty(const char *dir)
{
    nftw(dir, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static FIXTURE_UNUSED struct spool_options fixture_options(const struct fixture *f)
{
    return (struct spool_options){.dir = f->dir,
                                  .max_bytes = (uint64_t)8 << 20,
                                  .segment_bytes = (uint64_t)64 << 10,
                                  .max_payload = FIXTURE_PAYLOAD_MAX,
                                  .wait_ns = 50 * NS_PER_MS,
                                  .sync = SPOOL_SYNC_ALWAYS};
}

/* The log goes nowhere: damage is made on purpose here. */
static FIXTURE_UNUSED void fixture_start_under(struct fixture *f, const char *parent)
{
    static int silence = -1;
    if (silence < 0) {
        silence = open("/dev/null", O_WRONLY | O_CLOEXEC);
        log_redirect(silence);
    }
    *f = (struct fixture){0};
    snprintf(f->dir, sizeof(f->dir), "%s/spool.XXXXXX", parent);
    if (mkdtemp(f->dir) == NULL) {
        perror("mkdtemp");
        abort();
    }
}

static FIXTURE_UNUSED void fixture_start(struct fixture *f)
{
    const char *tmp = getenv("TMPDIR");
    fixture_start_under(f, tmp != NULL ? tmp : "/tmp");
}

/* For tests that start thousands of times: in memory, if there is such a place, as a sync of a
 * disk takes milliseconds. */
static FIXTURE_UNUSED void fixture_start_in_memory(struct fixture *f)
{
    if (access("/dev/shm", W_OK | X_OK) == 0) {
        fixture_start_under(f, "/dev/shm");
    } else {
        fixture_start(f);
    }
}

/* Each opening has its own registry, as each run of the daemon has. NULL: see *why. */
static FIXTURE_UNUSED struct spool *
fixture_try(struct fixture *f, const struct spool_options *options, struct result *why)
{
    struct spool_options plain = fixture_options(f);
    *why = RESULT_INIT;
    f->metrics = metrics_create();
    f->spool = spool_open(options != NULL ? options : &plain, f->metrics, why);
    if (f->spool == NULL) {
        metrics_destroy(f->metrics);
        f->metrics = NULL;
    }
    return f->spool;
}

static FIXTURE_UNUSED struct spool *fixture_open(struct fixture *f,
                                                 const struct spool_options *options)
{
    struct result why;
    if (fixture_try(f, options, &why) == NULL) {
        fprintf(stderr, "spool_open: %s\n", why.text);
        abort();
    }
    return f->spool;
}

static FIXTURE_UNUSED void fixture_close(struct fixture *f)
{
    spool_close(f->spool);
    metrics_destroy(f->metrics);
    f->spool = NULL;
    f->metrics = NULL;
}

static FIXTURE_UNUSED void fixture_end(struct fixture *f)
{
    fixture_close(f);
    fixture_empty(f->dir);
}

/* --- appends ---------------------------------------------------------------------------------- */

struct answers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned n[SPOOL_CLOSED + 1];
    unsigned all;
};

#define ANSWERS_INIT                                                \
    {                                                               \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}, 0 \
    }

static FIXTURE_UNUSED void answers_take(void *arg, enum spool_outcome outcome)
{
    struct answers *answers = arg;
    pthread_mutex_lock(&answers->lock);
    answers->n[outcome]++;
    answers->all++;
    pthread_cond_signal(&answers->changed);
    pthread_mutex_unlock(&answers->lock);
}

static FIXTURE_UNUSED void answers_wait(struct answers *answers, unsigned all)
{
    pthread_mutex_lock(&answers->lock);
    while (answers->all < all) {
        pthread_cond_wait(&answers->changed, &answers->lock);
    }
    pthread_mutex_unlock(&answers->lock);
}

/* Record `number`: everything in it follows from the number. */
static FIXTURE_UNUSED size_t record_make(uint64_t number, size_t len, struct spool_record *record,
                                         char *session, char *payload)
{
    int session_len =
        snprintf(session, SPOOL_SESSION_MAX, "session-%llu", (unsigned long long)number);
    for (size_t i = 0; i < len; i++) {
        payload[i] = (char)(number * 31 + i * 7 + (i >> 8));
    }
    *record = (struct spool_record){.signal = (enum signal)(number % SIGNAL_COUNT),
                                    .arrived_ns = (int64_t)number * 1000,
                                    .session = slice_make(session, (size_t)session_len),
                                    .key_id = slice_of(number % 2 != 0 ? "key" : NULL),
                                    .payload = slice_make(payload, len),
                                    .items = (uint32_t)(number % 1000)};
    return len;
}

static FIXTURE_UNUSED void append_len(struct fixture *f, struct answers *answers, uint64_t number,
                                      size_t len)
{
    struct spool_record record;
    char session[SPOOL_SESSION_MAX];
    char *payload = malloc(len);
    record_make(number, len, &record, session, payload);
    spool_append(f->spool, &record, answers_take, answers);
    free(payload);
}

/* Mixed sizes, from one byte to a little under the longest. */
static FIXTURE_UNUSED size_t record_len(uint64_t number)
{
    return 1 + (size_t)(number * 2654435761U % (number % 16 == 0 ? FIXTURE_PAYLOAD_MAX : 700));
}

/* Appends records [from, to] and waits until all are answered; how many are durable. */
static FIXTURE_UNUSED unsigned append_range(struct fixture *f, uint64_t from, uint64_t to)
{
    struct answers answers = ANSWERS_INIT;
    unsigned sent = 0;
    for (uint64_t number = from; number <= to; number++) {
        append_len(f, &answers, number, record_len(number));
        sent++;
    }
    answers_wait(&answers, sent);
    return answers.n[SPOOL_DURABLE];
}

static FIXTURE_UNUSED enum spool_outcome append_one(struct fixture *f, uint64_t number, size_t len)
{
    struct answers answers = ANSWERS_INIT;
    append_len(f, &answers, number, len);
    answers_wait(&answers, 1);
    for (unsigned i = 0; i <= SPOOL_CLOSED; i++) {
        if (answers.n[i] != 0) {
            return (enum spool_outcome)i;
        }
    }
    abort();
}

/* --- reads ------------------------------------------------------------------------------------ */

static FIXTURE_UNUSED struct spool_reader *reader_open(struct fixture *f, const char *name)
{
    struct result why = RESULT_INIT;
    struct spool_reader *reader = spool_reader_open(f->spool, name, &why);
    if (reader == NULL) {
        fprintf(stderr, "spool_reader_open: %s\n", why.text);
        abort();
    }
    return reader;
}

/* The number of the record in the frame, or 0 when it is not what that number gives. */
static FIXTURE_UNUSED uint64_t record_number(const struct spool_frame *frame)
{
    char session[SPOOL_SESSION_MAX];
    struct spool_record want;
    if (strncmp(frame->session, "session-", 8) != 0) {
        return 0;
    }
    uint64_t number = strtoull(frame->session + 8, NULL, 10);
    char *payload = malloc(frame->payload.len + 1);
    record_make(number, frame->payload.len, &want, session, payload);
    bool same = memcmp(payload, frame->payload.data, frame->payload.len) == 0 &&
                slice_eq_str(want.session, frame->session) &&
                slice_eq_str(want.key_id, frame->key_id) && frame->signal == want.signal &&
                frame->arrived_ns == want.arrived_ns && frame->items == want.items;
    free(payload);
    return same ? number : 0;
}

/* The next record's number, its sequence in *sequence; 0: nothing there, or something wrong. */
static FIXTURE_UNUSED uint64_t read_one(struct spool_reader *reader, uint64_t *sequence)
{
    struct spool_frame frame;
    uint64_t number = 0;
    *sequence = 0;
    enum spool_read outcome;
    do {
        outcome = spool_reader_next(reader, &frame);
    } while (outcome == SPOOL_READ_AGAIN);
    if (outcome == SPOOL_READ_OK) {
        number = record_number(&frame);
        *sequence = frame.sequence;
    }
    return number;
}

/* Reads until EMPTY; true when those were exactly the numbers [from, to] in order. */
static FIXTURE_UNUSED bool reads_range(struct spool_reader *reader, uint64_t from, uint64_t to)
{
    uint64_t sequence, before = 0;
    for (uint64_t number = from; number <= to; number++) {
        uint64_t got = read_one(reader, &sequence);
        if (got != number || sequence <= before) {
            fprintf(stderr, "wanted record %llu, got %llu (sequence %llu)\n",
                    (unsigned long long)number, (unsigned long long)got,
                    (unsigned long long)sequence);
            return false;
        }
        before = sequence;
    }
    return read_one(reader, &sequence) == 0 && sequence == 0;
}

static FIXTURE_UNUSED bool is_readable(int fd)
{
    struct pollfd poll_fd = {fd, POLLIN, 0};
    return poll(&poll_fd, 1, 0) == 1;
}

static FIXTURE_UNUSED struct spool_stats stats_of(struct fixture *f)
{
    struct spool_stats stats;
    spool_get_stats(f->spool, &stats);
    return stats;
}

/* --- files ------------------------------------------------------------------------------------ */

static FIXTURE_UNUSED void path_in(const struct fixture *f, const char *name, char out[512])
{
    snprintf(out, 512, "%s/%s", f->dir, name);
}

/* Number of entries whose name ends so; the last one's name (by order) in `last` unless NULL. */
static FIXTURE_UNUSED unsigned count_files(const struct fixture *f, const char *sub,
                                           const char *end, char last[256])
{
    char path[512];
    unsigned n = 0;
    path_in(f, sub, path);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        size_t len = strlen(entry->d_name), end_len = strlen(end);
        if (len < end_len || strcmp(entry->d_name + len - end_len, end) != 0) {
            continue;
        }
        if (last != NULL && (n == 0 || strcmp(entry->d_name, last) > 0)) {
            snprintf(last, 256, "%s", entry->d_name);
        }
        n++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return n;
}

static FIXTURE_UNUSED unsigned wait_for_segments(const struct fixture *f, unsigned most)
{
    unsigned n = 0;
    for (int i = 0; i < 300; i++) {
        n = count_files(f, ".", ".seg", NULL);
        if (n <= most) {
            break;
        }
        usleep(10000);
    }
    return n;
}

static FIXTURE_UNUSED char *load_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    *len = 0;
    if (file == NULL) {
        abort();
    }
    fseek(file, 0, SEEK_END);
    *len = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*len + 1);
    if (fread(bytes, 1, *len, file) != *len) {
        abort();
    }
    fclose(file);
    return bytes;
}

static FIXTURE_UNUSED void save_file(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, len, file) != len || fclose(file) != 0) {
        abort();
    }
}

#endif
