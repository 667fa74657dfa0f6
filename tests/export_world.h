/* export_world.h: a spool in a temporary directory, payloads with an identity, a fake Collector and
 * a destination between them. Header-only; the program includes it once.
 *
 * Each payload holds one item whose name is "id:<6 digits>;", so that what arrived can be read from
 * the bytes of a body.
 */
#ifndef SIGPOST_TESTS_EXPORT_WORLD_H
#define SIGPOST_TESTS_EXPORT_WORLD_H

#include "base/buf.h"
#include "base/log.h"
#include "otlp/export/destination_otlp.h"
#include "tests/fake_collector.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define WORLD_IDS 4096
#define WORLD_MS INT64_C(1000000)

#define WORLD_CHECK(what)                                                      \
    do {                                                                       \
        if (!(what)) {                                                         \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #what); \
            abort();                                                           \
        }                                                                      \
    } while (0)

struct world {
    char root[64];
    char spool_dir[96], dead_dir[96], log_path[96];
    int log_fd;
    struct spool *spool;
    struct metrics *metrics;
    struct fake_collector *collector;
    struct destination *destination;
    struct destination_otlp_options options;
    struct dead_letter_box dead;
    char url[64];
};

/* A field of wire type 2 around `inner`, which must be under 128 bytes. */
static inline void world_wrap(struct buf *out, unsigned field, struct slice inner)
{
    WORLD_CHECK(inner.len < 128);
    buf_append_char(out, (char)(field << 3 | 2));
    buf_append_char(out, (char)inner.len);
    buf_append_slice(out, inner);
}

/* One item named "id:<id>;" in its envelopes. */
static inline void world_payload(struct buf *out, enum signal signal, unsigned id)
{
    struct buf item = BUF_INIT;
    struct buf scope = BUF_INIT;
    struct buf resource = BUF_INIT;
    char name[32];
    snprintf(name, sizeof(name), "id:%06u;", id);
    world_wrap(&item,
               signal == SIGNAL_METRICS  ? 1
               : signal == SIGNAL_TRACES ? 5
                                         : 3,
               slice_of(name));
    if (signal == SIGNAL_METRICS) {
        world_wrap(&item, 5, SLICE_LIT("\x0a\x09\x19\x01\x02\x03\x04\x05\x06\x07\x08"));
    }
    world_wrap(&scope, 2, buf_slice(&item));
    world_wrap(&resource, 2, buf_slice(&scope));
    world_wrap(out, 1, buf_slice(&resource));
    buf_free(&item);
    buf_free(&scope);
    buf_free(&resource);
}

static inline void world_open_spool(struct world *w)
{
    struct result why = RESULT_INIT;
    const struct spool_options options = {
        .dir = w->spool_dir,
        .max_bytes = 64 << 20,
        .max_payload = 4 << 20,
        .wait_ns = 1000 * WORLD_MS,
        .sync = SPOOL_SYNC_NEVER,
    };
    w->spool = spool_open(&options, w->metrics, &why);
    if (w->spool == NULL) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
}

static inline void world_open(struct world *w)
{
    *w = (struct world){.log_fd = -1};
    const char *tmp = getenv("TMPDIR");
    snprintf(w->root, sizeof(w->root), "%s/sigpost-export-XXXXXX", tmp != NULL ? tmp : "/tmp");
    WORLD_CHECK(mkdtemp(w->root) != NULL);
    snprintf(w->spool_dir, sizeof(w->spool_dir), "%s/spool", w->root);
    snprintf(w->dead_dir, sizeof(w->dead_dir), "%s/dead", w->root);
    snprintf(w->log_path, sizeof(w->log_path), "%s/log", w->root);
    w->log_fd = open(w->log_path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    WORLD_CHECK(w->log_fd >= 0);
    log_redirect(w->log_fd);
    w->metrics = metrics_create();
    WORLD_CHECK(w->metrics != NULL);
    world_open_spool(w);
    w->options = (struct destination_otlp_options){
        .name = "otlp",
        .url = w->url,
        .batch_bytes = 1 << 20,
        .batch_requests = 16,
        .batch_age_ns = 5 * WORLD_MS,
        .in_flight = 4,
        .timeout_ns = 5000 * WORLD_MS,
        .retry_initial_ns = 5 * WORLD_MS,
        .retry_max_ns = 50 * WORLD_MS,
        .signals = SPOOL_ALL_SIGNALS,
        .dead = &w->dead,
    };
    dead_letter_box_init(&w->dead, w->dead_dir, (uint64_t)64 << 20);
}

static inline void world_listen(struct world *w, uint16_t port, fake_script script, void *arg)
{
    w->collector = fake_collector_start(port, script, arg);
    WORLD_CHECK(w->collector != NULL);
    snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u", w->collector->port);
}

static inline void world_start(struct world *w)
{
    struct result why = RESULT_INIT;
    w->destination = destination_otlp_start(&w->options, w->spool, w->metrics, &why);
    if (w->destination == NULL) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
}

static inline void world_stop(struct world *w, int64_t within_ms)
{
    w->destination->ops->stop(w->destination, clock_mono_ns() + within_ms * WORLD_MS);
    w->destination = NULL;
}

static inline void world_remove(const char *path)
{
    DIR *stream = opendir(path);
    for (struct dirent *e = stream ? readdir(stream) : NULL; e != NULL; e = readdir(stream)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            char *below = NULL;
            WORLD_CHECK(asprintf(&below, "%s/%s", path, e->d_name) > 0);
            if (unlink(below) != 0) {
                world_remove(below);
            }
            free(below);
        }
    }
    if (stream != NULL) {
        closedir(stream);
    }
    rmdir(path);
}

static inline void world_close(struct world *w)
{
    if (w->destination != NULL) {
        world_stop(w, 0);
    }
    if (w->collector != NULL) {
        fake_collector_stop(w->collector);
        fake_collector_free(w->collector);
    }
    spool_close(w->spool);
    metrics_destroy(w->metrics);
    dead_letter_box_destroy(&w->dead);
    log_redirect(STDERR_FILENO);
    close(w->log_fd);
    world_remove(w->root);
}

static inline void world_durable(void *arg, enum spool_outcome outcome)
{
    WORLD_CHECK(outcome == SPOOL_DURABLE);
    atomic_fetch_sub((atomic_uint *)arg, 1);
}

/* Appends items first … first + n - 1, the signal being `from` + id % signals, and waits until they
 * are durable. */
static inline void world_append_from(struct world *w, unsigned first, unsigned n, enum signal from,
                                     unsigned signals)
{
    atomic_uint left = n;
    for (unsigned id = first; id < first + n; id++) {
        struct buf payload = BUF_INIT;
        enum signal signal = (enum signal)(from + id % signals);
        world_payload(&payload, signal, id);
        const struct spool_record record = {
            signal,          clock_wall_ns(),     SLICE_LIT("session-1"),
            SLICE_LIT("k1"), buf_slice(&payload), 1};
        spool_append(w->spool, &record, world_durable, &left);
        buf_free(&payload);
    }
    while (atomic_load(&left) != 0) {
        usleep(1000);
    }
}

static inline void world_append(struct world *w, unsigned first, unsigned n, unsigned signals)
{
    world_append_from(w, first, n, SIGNAL_METRICS, signals);
}

/* Calls visit with each id in the body, in the order of the bytes. */
static inline void world_ids(const struct fake_request *r, void (*visit)(void *arg, unsigned id),
                             void *arg)
{
    for (const char *at = r->body;
         (at = memmem(at, r->body_len - (size_t)(at - r->body), "id:", 3)) != NULL; at += 3) {
        visit(arg, (unsigned)strtoul(at + 3, NULL, 10));
    }
}

static inline void world_count_id(void *arg, unsigned id)
{
    WORLD_CHECK(id < WORLD_IDS);
    ((unsigned *)arg)[id]++;
}

/* How often each id was taken with a 200. */
static inline void world_delivered(struct world *w, unsigned counts[WORLD_IDS])
{
    memset(counts, 0, WORLD_IDS * sizeof(*counts));
    pthread_mutex_lock(&w->collector->lock);
    for (size_t i = 0; i < w->collector->n_requests; i++) {
        if (w->collector->requests[i].status == 200) {
            world_ids(&w->collector->requests[i], world_count_id, counts);
        }
    }
    pthread_mutex_unlock(&w->collector->lock);
}

/* How many of the ids first … first + n - 1 were delivered at least once. */
static inline unsigned world_arrived(struct world *w, unsigned first, unsigned n)
{
    unsigned counts[WORLD_IDS];
    unsigned arrived = 0;
    world_delivered(w, counts);
    for (unsigned id = first; id < first + n; id++) {
        arrived += counts[id] != 0;
    }
    return arrived;
}

/* Waits until that many arrived; false after 10 s. */
static inline bool world_wait(struct world *w, unsigned first, unsigned n)
{
    for (int i = 0; i < 2000 && world_arrived(w, first, n) != n; i++) {
        usleep(5000);
    }
    return world_arrived(w, first, n) == n;
}

static inline struct destination_status world_status(struct world *w)
{
    struct destination_status status;
    w->destination->ops->status(w->destination, &status);
    return status;
}

/* Waits until the status is `ok`, and the problem holds `text` when it is not; false after 10 s. */
static inline bool world_wait_status(struct world *w, bool ok, const char *text)
{
    struct destination_status status = world_status(w);
    for (int i = 0; i < 2000; i++) {
        if (status.ok == ok && (ok || strstr(status.problem, text) != NULL)) {
            return true;
        }
        usleep(5000);
        status = world_status(w);
    }
    fprintf(stderr, "status: ok=%d %s\n", status.ok, status.problem);
    return false;
}

#endif
