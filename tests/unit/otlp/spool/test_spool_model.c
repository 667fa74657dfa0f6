/* The spool against a model, on a disk that forgets (model_disk.h): appends, reads,
 * acknowledgements, seeks, clean closings in random order; the disk freezes at a random change,
 * also during recovery; the next life begins with what survived. However it went:
 *   - a reader gets every record that was answered "durable" and that it has not acknowledged,
 *     whole, in the order in which they were appended;
 *   - nothing that was refused, and nothing that was never appended, is read;
 *   - a sequence that was read once stands for the same record for ever;
 *   - after a clean closing a reader goes on exactly behind what it acknowledged, and nothing is
 *     taken for damaged;
 *   - a sector that became zeros takes the records with it that lay there, and no other.
 * Files must have been used again often enough for that to say something.
 * Each disk that pretends to sync, and a spool that answers before its sync, must be found out: a
 * model that finds nothing there proves nothing.
 */
#include "spool_fixture.h"

#include "model_disk.h"
#include "model_hole.h"

#include <criterion/criterion.h>
#include <stdarg.h>

#define RECORDS UINT64_C(4096)
#define SEQUENCES (RECORDS * 4)
#define READERS 4
#define LIVES 5
#define STEPS 24
#define FREEZE_WITHIN UINT64_C(120)
#define FREEZE_SOON 10
#define PAYLOAD_MAX 3000

enum fate { FATE_NONE, FATE_SENT, FATE_DURABLE, FATE_REFUSED };

struct model_record {
    struct spool_ticket ticket; /* first */
    struct model *model;
    uint64_t number;
    size_t len;
    _Atomic(enum fate) fate;
};

struct model_reader {
    struct spool_reader *reader;
    unsigned signals;
    uint64_t number, sequence; /* the last one read */
    uint64_t acked;            /* number of the last record ever acknowledged */
    uint64_t cursor;           /* sequence that the spool's cursor has at least reached */
    uint64_t next; /* after a clean closing: the sequence before which nothing may come */
};

struct model {
    struct fixture f;
    struct spool_appender *appender;
    uint64_t random;
    enum spool_sync sync;
    bool power_cuts; /* else only the process is killed */
    bool holes;      /* between lives a sector of the newest segment becomes zeros */
    uint64_t last;   /* number of the last record appended */
    struct model_record records[RECORDS + 1];
    struct model_reader readers[READERS];
    uint64_t number_of[SEQUENCES]; /* by sequence; 0: was never read */
    struct answers answers;
    unsigned sent;
    unsigned reused; /* segments found at a start whose file had held another */
    unsigned holed;  /* records that lay where a hole was made */
    bool clean;      /* the life before ended in order: this one finds no damage */
    char wrong[256]; /* the first thing that was */
};

/* Two for all signals, two for some. */
static const struct {
    const char *name;
    unsigned signals;
} places[READERS] = {{"one", SPOOL_ALL_SIGNALS},
                     {"two", SPOOL_ALL_SIGNALS},
                     {"three.metrics", SPOOL_SIGNAL(SIGNAL_METRICS)},
                     {"three.rest", SPOOL_ALL_SIGNALS & ~SPOOL_SIGNAL(SIGNAL_METRICS)}};

__attribute__((format(printf, 2, 3))) static void wrong(struct model *m, const char *format, ...)
{
    if (m->wrong[0] == '\0') {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(m->wrong, sizeof(m->wrong), format, arguments);
        va_end(arguments);
    }
}

static uint64_t below(struct model *m, uint64_t n)
{
    return disk_below(&m->random, n);
}

/* --- one life -----------------------------------------------------------------------------------
 */

static void on_answer(void *arg, enum spool_outcome outcome)
{
    struct model_record *record = arg;
    bool alive = false;
    disk_set_if_alive(&alive);
    if (alive && outcome == SPOOL_DURABLE) {
        record->fate = FATE_DURABLE;
    } else if (alive && outcome != SPOOL_FAILED) {
        record->fate = FATE_REFUSED;
    }
    answers_take(&record->model->answers, outcome);
}

static void on_settled(void *arg, struct spool_ticket *tickets)
{
    (void)arg;
    for (struct spool_ticket *next, *ticket = tickets; ticket != NULL; ticket = next) {
        next = ticket->next;
        on_answer(ticket, ticket->outcome);
    }
}

static void append_some(struct model *m)
{
    bool together = below(m, 2) == 0;
    for (uint64_t n = 1 + below(m, 12); n > 0 && m->last < RECORDS; n--) {
        struct spool_record made;
        char session[SPOOL_SESSION_MAX], payload[PAYLOAD_MAX];
        struct model_record *record = &m->records[++m->last];
        record->model = m;
        record->number = m->last;
        record->len = 1 + below(m, below(m, 8) == 0 ? PAYLOAD_MAX : 300);
        record->fate = FATE_SENT;
        record_make(record->number, record->len, &made, session, payload);
        m->sent++;
        if (together) {
            spool_appender_add(m->appender, &made, &record->ticket);
        } else {
            spool_append(m->f.spool, &made, on_answer, record);
        }
    }
    spool_appender_flush(m->appender);
    if (below(m, 2) == 0) {
        answers_wait(&m->answers, m->sent);
    }
}

static bool is_owed(const struct model *m, const struct model_reader *r, uint64_t number)
{
    unsigned signal = (unsigned)(number % SIGNAL_COUNT);
    return m->records[number].fate == FATE_DURABLE && (SPOOL_SIGNAL(signal) & r->signals) != 0;
}

/* False: nothing was there, or the disk froze and what was read counts for nothing. */
static bool read_next(struct model *m, struct model_reader *r)
{
    struct spool_frame frame;
    enum spool_read outcome;
    do {
        outcome = spool_reader_next(r->reader, &frame);
    } while (outcome == SPOOL_READ_AGAIN);
    uint64_t number = outcome == SPOOL_READ_OK ? record_number(&frame) : 0;
    if (outcome != SPOOL_READ_OK || disk_is_frozen()) {
        if (outcome == SPOOL_READ_ERROR && !disk_is_frozen()) {
            wrong(m, "an error while reading");
        }
        return false;
    }
    if (number == 0 || number > m->last || m->records[number].len != frame.payload.len) {
        wrong(m, "sequence %llu is no record of ours", (unsigned long long)frame.sequence);
        return false;
    }
    if (m->records[number].fate == FATE_REFUSED) {
        wrong(m, "record %llu was refused, and read", (unsigned long long)number);
    }
    if (frame.sequence <= r->sequence || number <= r->number || frame.sequence < r->next) {
        wrong(m,
              "record %llu, sequence %llu came after record %llu, sequence %llu, wanted from %llu",
              (unsigned long long)number, (unsigned long long)frame.sequence,
              (unsigned long long)r->number, (unsigned long long)r->sequence,
              (unsigned long long)r->next);
    }
    if (frame.sequence >= SEQUENCES) {
        wrong(m, "sequence %llu is out of all bounds", (unsigned long long)frame.sequence);
        return false;
    }
    uint64_t *meant = &m->number_of[frame.sequence];
    if (*meant != 0 && *meant != number) {
        wrong(m, "sequence %llu was record %llu and is record %llu now",
              (unsigned long long)frame.sequence, (unsigned long long)*meant,
              (unsigned long long)number);
    }
    *meant = number;
    /* What was answered must not be missing in between. */
    for (uint64_t skipped = (r->number > r->acked ? r->number : r->acked) + 1; skipped < number;
         skipped++) {
        if (is_owed(m, r, skipped)) {
            wrong(m, "record %llu was answered and is not there; record %llu came",
                  (unsigned long long)skipped, (unsigned long long)number);
        }
    }
    r->number = number;
    r->sequence = frame.sequence;
    return true;
}

/* All records answered before now must come. */
static void read_all(struct model *m, struct model_reader *r)
{
    uint64_t last = 0;
    for (uint64_t number = 1; number <= m->last; number++) {
        last = is_owed(m, r, number) ? number : last;
    }
    while (read_next(m, r)) {
        /* on */
    }
    uint64_t reached = r->number > r->acked ? r->number : r->acked;
    if (!disk_is_frozen() && last > reached) {
        wrong(m, "record %llu was answered and is not there; the last is %llu",
              (unsigned long long)last, (unsigned long long)reached);
    }
}

static void ack(struct model *m, struct model_reader *r)
{
    (void)m;
    if (!disk_is_frozen() && r->number > r->acked) {
        r->acked = r->number;
    }
    if (r->sequence > r->cursor) {
        r->cursor = r->sequence;
    }
    spool_reader_ack(r->reader, r->sequence);
}

static void open_reader(struct model *m, size_t i)
{
    struct result why = RESULT_INIT;
    struct model_reader *r = &m->readers[i];
    r->reader = spool_reader_open_for(m->f.spool, places[i].name, places[i].signals, NULL, &why);
    if (r->reader == NULL && !disk_is_frozen()) {
        wrong(m, "%s", why.text);
    }
    r->signals = places[i].signals;
    r->number = r->sequence = 0;
}

static void close_reader(struct model *m, struct model_reader *r)
{
    (void)m;
    if (r->reader != NULL) {
        spool_reader_close(r->reader);
        r->reader = NULL;
    }
}

/* All are done with all: files come free, and the next segments are made of them. */
static void pass_all(struct model *m)
{
    answers_wait(&m->answers, m->sent);
    for (size_t i = 0; i < READERS; i++) {
        while (read_next(m, &m->readers[i])) {
            /* on */
        }
        ack(m, &m->readers[i]);
    }
    append_some(m);
}

static void step(struct model *m)
{
    struct model_reader *r = &m->readers[below(m, READERS)];
    switch (below(m, 11)) {
    case 0:
    case 1:
    case 2:
        append_some(m);
        break;
    case 3:
        for (uint64_t n = below(m, 20); n > 0 && read_next(m, r); n--) {
            /* on */
        }
        break;
    case 4:
    case 5:
        ack(m, r);
        break;
    case 6:
        spool_reader_seek(r->reader, 0);
        r->number = r->sequence = r->next = 0;
        break;
    case 7:
    case 8:
    case 9:
        pass_all(m);
        break;
    default:
        close_reader(m, r);
        r->next = r->cursor + 1;
        open_reader(m, (size_t)(r - m->readers));
        break;
    }
}

static void look_at_files(struct model *m)
{
    struct spool *spool = m->f.spool;
    pthread_mutex_lock(&spool->lock);
    for (size_t i = 0; i < spool->n_segments; i++) {
        m->reused += spool->segments[i].reused ? 1 : 0;
    }
    pthread_mutex_unlock(&spool->lock);
}

/* What was closed in order is never taken for damaged. */
static void expect_no_damage(struct model *m)
{
    struct spool_stats stats;
    spool_get_stats(m->f.spool, &stats);
    if (m->clean && !m->holes && stats.quarantined != 0 && !disk_is_frozen()) {
        wrong(m, "damage was found where there is none");
    }
}

/* False when the disk froze during recovery. */
static bool begin_life(struct model *m)
{
    char dir[sizeof(m->f.dir)];
    snprintf(dir, sizeof(dir), "%s/spool", disk_root());
    memcpy(m->f.dir, dir, sizeof(dir));
    struct spool_options options = fixture_options(&m->f);
    options.max_payload = PAYLOAD_MAX;
    options.segment_bytes = 8192;
    options.max_bytes = 128 << 10;
    options.wait_ns = 5 * NS_PER_MS;
    options.sync = m->sync;
    struct result why;
    if (fixture_try(&m->f, &options, &why) == NULL) {
        if (!disk_is_frozen()) {
            wrong(m, "%s", why.text);
        }
        return false;
    }
    look_at_files(m);
    m->appender = spool_appender_open(m->f.spool, on_settled, m);
    for (size_t i = 0; i < READERS; i++) {
        open_reader(m, i);
    }
    for (size_t i = 0; i < READERS; i++) {
        if (m->readers[i].reader == NULL) {
            return false;
        }
    }
    return m->wrong[0] == '\0';
}

static void end_life(struct model *m)
{
    if (m->f.spool != NULL) {
        expect_no_damage(m);
    }
    for (size_t i = 0; i < READERS; i++) {
        close_reader(m, &m->readers[i]);
    }
    if (m->f.spool != NULL) {
        fixture_close(&m->f);
        spool_appender_close(m->appender);
    }
    m->clean = !disk_is_frozen();
    for (size_t i = 0; i < READERS; i++) {
        m->readers[i].cursor = m->clean ? m->readers[i].cursor : 0;
        m->readers[i].next = m->readers[i].cursor + 1;
    }
    uint64_t how = disk_below(&m->random, DISK_CUTS + 1);
    if (how == DISK_CUTS || !m->power_cuts) {
        disk_kill();
    } else {
        disk_power_cut((enum disk_cut)how, &m->random);
    }
}

/* The records that are hit are owed no more; all others are. */
static void make_hole(struct model *m)
{
    char dir[sizeof(m->f.dir)];
    uint64_t lost[HOLE_LOST_MAX];
    snprintf(dir, sizeof(dir), "%s/spool", disk_root());
    size_t n = model_hole(dir, &m->random, lost);
    for (size_t i = 0; i < n; i++) {
        m->records[lost[i]].fate = FATE_SENT;
    }
    m->holed += (unsigned)n;
}

static void live(struct model *m)
{
    if (m->holes) {
        make_hole(m);
    }
    disk_freeze_after(1 + below(m, below(m, 3) == 0 ? FREEZE_SOON : FREEZE_WITHIN));
    disk_trouble(below(m, 4) == 0 ? disk_random(&m->random) : 0);
    bool runs = begin_life(m);
    for (size_t i = 0; i < READERS && runs; i++) {
        read_all(m, &m->readers[i]);
    }
    if (below(m, 4) == 0) { /* a life that may end in order */
        disk_freeze_after(FREEZE_WITHIN * 100);
    }
    for (uint64_t n = below(m, STEPS); n > 0 && runs && !disk_is_frozen(); n--) {
        step(m);
    }
    end_life(m);
}

/* The last life: nothing freezes, all is read. */
static void take_stock(struct model *m)
{
    disk_trouble(0);
    if (begin_life(m)) {
        for (size_t i = 0; i < READERS; i++) {
            read_all(m, &m->readers[i]);
        }
    }
    end_life(m);
}

/* --- the tests
 * ------------------------------------------------------------------------------------ */

/* Empty when nothing was wrong. The caller frees it. */
static struct model *run_seed(uint64_t seed, enum disk_bug bug, enum spool_sync sync,
                              bool power_cuts, bool holes)
{
    struct model *m = calloc(1, sizeof(*m));
    cr_assert_not_null(m);
    struct answers answers = ANSWERS_INIT;
    m->answers = answers;
    m->random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    m->sync = sync;
    m->power_cuts = power_cuts;
    m->holes = holes;
    disk_start(access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp", bug);
    for (int life = 0; life < LIVES && m->wrong[0] == '\0'; life++) {
        live(m);
    }
    if (m->wrong[0] == '\0') {
        take_stock(m);
    }
    disk_end();
    return m;
}

static void silence(void)
{
    log_redirect(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static uint64_t seeds(void)
{
    return getenv("SIGPOST_LONG") != NULL ? 20000 : 2000;
}

TestSuite(model, .init = silence, .timeout = 600);

static void expect_nothing_lost(uint64_t n, enum spool_sync sync, bool power_cuts)
{
    uint64_t reused = 0;
    for (uint64_t seed = 0; seed < n; seed++) {
        struct model *m = run_seed(seed, DISK_HONEST, sync, power_cuts, false);
        cr_assert_str_empty(m->wrong, "seed %llu: %s", (unsigned long long)seed, m->wrong);
        reused += m->reused;
        free(m);
    }
    cr_assert_gt(reused, n, "files are hardly used again: the model says nothing about it");
}

Test(model, nothing_promised_is_lost)
{
    expect_nothing_lost(seeds(), SPOOL_SYNC_ALWAYS, true);
}

Test(model, no_way_of_syncing_loses_by_a_kill)
{
    expect_nothing_lost(seeds() / 10, SPOOL_SYNC_INTERVAL, false);
    expect_nothing_lost(seeds() / 10, SPOOL_SYNC_NEVER, false);
}

Test(model, a_lost_sector_costs_its_records_and_no_other)
{
    uint64_t n = seeds() / 2, holed = 0;
    for (uint64_t seed = 0; seed < n; seed++) {
        struct model *m = run_seed(seed, DISK_HONEST, SPOOL_SYNC_ALWAYS, true, true);
        cr_assert_str_empty(m->wrong, "seed %llu: %s", (unsigned long long)seed, m->wrong);
        holed += m->holed;
        free(m);
    }
    cr_assert_gt(holed, n, "hardly a record was hit: the model says nothing about it");
}

static void expect_found_out(enum disk_bug bug, enum spool_sync sync)
{
    bool found = false;
    for (uint64_t seed = 0; seed < 500 && !found; seed++) {
        struct model *m = run_seed(seed, bug, sync, true, false);
        found = m->wrong[0] != '\0';
        free(m);
    }
    cr_assert(found);
}

Test(model, finds_a_missing_fdatasync)
{
    expect_found_out(DISK_NO_FDATASYNC, SPOOL_SYNC_ALWAYS);
}

Test(model, finds_a_missing_sync_of_the_directory)
{
    expect_found_out(DISK_NO_DIRECTORY_FSYNC, SPOOL_SYNC_ALWAYS);
}

Test(model, finds_a_missing_sync_of_cursor_files)
{
    expect_found_out(DISK_NO_FILE_FSYNC, SPOOL_SYNC_ALWAYS);
}

Test(model, finds_an_answer_before_the_sync)
{
    expect_found_out(DISK_HONEST, SPOOL_SYNC_NEVER);
}
