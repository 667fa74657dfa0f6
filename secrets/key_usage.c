/* key_usage.c: counting on the hot path and the thread that collects it; see key_usage.h.
 *
 * A counter has two tables of cells. Its thread counts in one, under the counter's own mutex; the
 * collector takes the mutex only to swap the two, once a second, and reads the other one at
 * leisure. Cells are found by open addressing; a table is emptied after each collection, so that it
 * has to hold what one thread sees in a second: 384 pairs of key and version, and for what comes
 * past that, a cell for each of 128 keys.
 */
#include "secrets/key_usage.h"

#include "base/clock.h"
#include "base/durable_file.h"
#include "base/log.h"
#include "secrets/key_usage_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CELLS 512 /* a power of two */
#define CELLS_TOLD 384
#define SAVE_SECONDS 60

struct cell {
    uint64_t count; /* 0: free */
    int64_t last_s;
    uint8_t key_len, version_len;
    char key[SIGNATURE_KEY_ID_MAX];
    char version[KEY_USAGE_VERSION_MAX];
};

struct cells {
    size_t used;
    struct cell items[CELLS];
};

struct key_usage_counter {
    struct key_usage *usage;
    struct key_usage_counter *next; /* under usage->lock */
    pthread_mutex_t lock;           /* `current` and the cells it points to */
    struct cells *current;
    struct cells *spare; /* empty between two collections; under usage->lock */
};

struct key_usage {
    char *path;
    pthread_mutex_t lock; /* all below, and the list of counters */
    pthread_cond_t stop_asked;
    bool stop;
    bool changed; /* since the last time the table was written */
    struct usage_table table;
    struct key_usage_counter *counters;
    pthread_mutex_t file; /* held over the writing; taken before `lock` */
    pthread_t thread;
};

/* --- counting --------------------------------------------------------------------------------- */

/* FNV-1a. Versions are strangers' text, but a table that is full of collisions is 512 short
 * comparisons long. */
static size_t hash(struct slice key, struct slice version)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < key.len; i++) {
        h = (h ^ (unsigned char)key.data[i]) * 16777619U;
    }
    h = (h ^ '/') * 16777619U;
    for (size_t i = 0; i < version.len; i++) {
        h = (h ^ (unsigned char)version.data[i]) * 16777619U;
    }
    return h ^ h >> 16;
}

/* The pair's cell, or a free one for it; NULL when it has none and no more than `max` are to be in
 * use. */
static struct cell *find_cell(struct cells *cells, struct slice key, struct slice version,
                              size_t max)
{
    for (size_t at = hash(key, version);; at++) {
        struct cell *cell = &cells->items[at % CELLS];
        if (cell->count == 0) {
            return cells->used < max ? cell : NULL;
        }
        if (slice_eq(key, slice_make(cell->key, cell->key_len)) &&
            slice_eq(version, slice_make(cell->version, cell->version_len))) {
            return cell;
        }
    }
}

/* One place stays free, so that every search ends. */
static void count_use(struct cells *cells, struct slice key, struct slice version, int64_t now_s)
{
    struct cell *cell = find_cell(cells, key, version, CELLS_TOLD);
    if (cell == NULL) {
        version = SLICE_LIT("other");
        cell = find_cell(cells, key, version, CELLS - 1);
    }
    if (cell == NULL) {
        return;
    }
    if (cell->count == 0) {
        cells->used++;
        cell->key_len = (uint8_t)key.len;
        cell->version_len = (uint8_t)version.len;
        memcpy(cell->key, key.data, key.len);
        memcpy(cell->version, version.data, version.len);
    }
    cell->count++;
    cell->last_s = now_s;
}

void key_usage_count(struct key_usage_counter *counter, struct slice key_id, struct slice version,
                     int64_t now_s)
{
    if (key_id.len == 0 || key_id.len > SIGNATURE_KEY_ID_MAX) {
        return;
    }
    version = client_version_name(version);
    pthread_mutex_lock(&counter->lock);
    count_use(counter->current, key_id, version, now_s);
    pthread_mutex_unlock(&counter->lock);
}

/* --- collecting, under usage->lock ------------------------------------------------------------ */

static void add_cell(struct key_usage *usage, const struct cell *cell)
{
    if (usage_table_add(&usage->table, slice_make(cell->key, cell->key_len),
                        slice_make(cell->version, cell->version_len), cell->count, cell->last_s)) {
        usage->changed = true;
    } else {
        LOG_ERROR("uses of a key are not counted: no memory, or no sane clock",
                  LOG_SLICE("key", slice_make(cell->key, cell->key_len)));
    }
}

static void collect(struct key_usage *usage, struct key_usage_counter *counter)
{
    pthread_mutex_lock(&counter->lock);
    struct cells *full = counter->current;
    counter->current = counter->spare;
    pthread_mutex_unlock(&counter->lock);
    counter->spare = full;
    for (size_t i = 0; full->used != 0 && i < CELLS; i++) {
        const struct cell *cell = &full->items[i];
        if (cell->count != 0) {
            add_cell(usage, cell);
        }
    }
    if (full->used != 0) {
        memset(full, 0, sizeof(*full));
    }
}

static void collect_all(struct key_usage *usage)
{
    for (struct key_usage_counter *c = usage->counters; c != NULL; c = c->next) {
        collect(usage, c);
    }
}

struct key_usage_counter *key_usage_counter_create(struct key_usage *usage)
{
    struct key_usage_counter *counter = calloc(1, sizeof(*counter));
    struct cells *current = calloc(1, sizeof(*current));
    struct cells *spare = calloc(1, sizeof(*spare));
    if (counter == NULL || current == NULL || spare == NULL) {
        free(counter);
        free(current);
        free(spare);
        return NULL;
    }
    counter->usage = usage;
    counter->current = current;
    counter->spare = spare;
    pthread_mutex_init(&counter->lock, NULL);
    pthread_mutex_lock(&usage->lock);
    counter->next = usage->counters;
    usage->counters = counter;
    pthread_mutex_unlock(&usage->lock);
    return counter;
}

void key_usage_counter_destroy(struct key_usage_counter *counter)
{
    if (counter == NULL) {
        return;
    }
    struct key_usage *usage = counter->usage;
    pthread_mutex_lock(&usage->lock);
    collect(usage, counter);
    struct key_usage_counter **at = &usage->counters;
    while (*at != counter) {
        at = &(*at)->next;
    }
    *at = counter->next;
    pthread_mutex_unlock(&usage->lock);
    pthread_mutex_destroy(&counter->lock);
    free(counter->current);
    free(counter->spare);
    free(counter);
}

/* --- the file and the thread ------------------------------------------------------------------ */

bool key_usage_save(struct key_usage *usage, int64_t now_s, struct result *why)
{
    struct buf bytes = BUF_INIT;
    bool ok = true;
    pthread_mutex_lock(&usage->file);
    pthread_mutex_lock(&usage->lock);
    collect_all(usage);
    bool changed = usage->changed;
    if (changed) {
        usage->changed = false;
        usage->table.saved_s = now_s;
        usage_table_encode(&usage->table, &bytes);
    }
    pthread_mutex_unlock(&usage->lock);
    if (changed) {
        ok = !bytes.failed ? durable_file_write(usage->path, bytes.data, bytes.len, why)
                           : result_fail(why, "%.400s: out of memory", usage->path);
    }
    if (!ok) {
        pthread_mutex_lock(&usage->lock);
        usage->changed = true;
        pthread_mutex_unlock(&usage->lock);
    }
    pthread_mutex_unlock(&usage->file);
    buf_free(&bytes);
    return ok;
}

static void save_and_say(struct key_usage *usage)
{
    struct result why = RESULT_INIT;
    if (!key_usage_save(usage, clock_wall_s(), &why)) {
        LOG_WARN("the use of keys is not saved, trying again in a minute",
                 LOG_STR("why", why.text));
    }
}

/* Waits for a second; true when the thread is to end. */
static bool wait_a_second(struct key_usage *usage)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec++;
    int error = 0;
    while (!usage->stop && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&usage->stop_asked, &usage->lock, &until);
    }
    return usage->stop;
}

static void *keep(void *arg)
{
    struct key_usage *usage = arg;
    unsigned since_save = SAVE_SECONDS; /* the first use is written at once */
    pthread_mutex_lock(&usage->lock);
    while (!wait_a_second(usage)) {
        collect_all(usage);
        since_save++;
        if (usage->changed && since_save >= SAVE_SECONDS) {
            since_save = 0;
            pthread_mutex_unlock(&usage->lock);
            save_and_say(usage);
            pthread_mutex_lock(&usage->lock);
        }
    }
    pthread_mutex_unlock(&usage->lock);
    return NULL;
}

/* Counts that cannot be read are put aside: they must not stop the one who would add to them. */
static void load(struct key_usage *usage)
{
    struct result why = RESULT_INIT;
    bool missing = false;
    if (usage_table_read(usage->path, &usage->table, &missing, &why)) {
        return;
    }
    bool moved = durable_file_set_aside(usage->path);
    LOG_WARN("the use of keys so far cannot be read; counting begins anew",
             LOG_STR("why", why.text),
             LOG_STR("file", moved ? "set aside as .damaged beside it" : "still in its place"));
}

static void free_usage(struct key_usage *usage)
{
    usage_table_free(&usage->table);
    pthread_cond_destroy(&usage->stop_asked);
    pthread_mutex_destroy(&usage->file);
    pthread_mutex_destroy(&usage->lock);
    free(usage->path);
    free(usage);
}

struct key_usage *key_usage_open(const char *path, struct result *why)
{
    pthread_condattr_t attr;
    struct key_usage *usage = calloc(1, sizeof(*usage));
    char *copy = strdup(path);
    if (usage == NULL || copy == NULL) {
        free(usage);
        free(copy);
        result_fail(why, "out of memory");
        return NULL;
    }
    usage->path = copy;
    pthread_mutex_init(&usage->lock, NULL);
    pthread_mutex_init(&usage->file, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&usage->stop_asked, &attr);
    pthread_condattr_destroy(&attr);
    load(usage);
    int error = pthread_create(&usage->thread, NULL, keep, usage);
    if (error != 0) {
        result_fail_errno(why, error, "cannot start the thread that keeps the use of keys");
        free_usage(usage);
        return NULL;
    }
    return usage;
}

void key_usage_close(struct key_usage *usage)
{
    if (usage == NULL) {
        return;
    }
    pthread_mutex_lock(&usage->lock);
    usage->stop = true;
    pthread_cond_signal(&usage->stop_asked);
    pthread_mutex_unlock(&usage->lock);
    pthread_join(usage->thread, NULL);
    save_and_say(usage);
    free_usage(usage);
}
