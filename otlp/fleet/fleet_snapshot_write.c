/* fleet_snapshot_write.c: see fleet_snapshot.h. Streamed through one buffer: however large the
 * state is, writing takes 64 KiB.
 */
#include "base/durable_file.h"
#include "otlp/fleet/fleet_internal.h"
#include "otlp/fleet/fleet_snapshot.h"
#include "otlp/spool/segment.h"

#include <stdlib.h>

#define BUFFER_BYTES ((size_t)64 * 1024)

struct writer {
    struct durable_file file;
    uint32_t crc;
    size_t used;
    unsigned char *buffer;
};

static void flush(struct writer *w)
{
    w->crc = segment_crc32c(w->crc, w->buffer, w->used);
    durable_file_put(&w->file, w->buffer, w->used);
    w->used = 0;
}

static void put(struct writer *w, const void *bytes, size_t len)
{
    const unsigned char *from = bytes;
    while (len > 0) {
        size_t room = BUFFER_BYTES - w->used;
        size_t n = len < room ? len : room;
        memcpy(w->buffer + w->used, from, n);
        w->used += n;
        from += n;
        len -= n;
        if (w->used == BUFFER_BYTES) {
            flush(w);
        }
    }
}

/* The lowest `bytes` bytes of value, the lowest first. */
static void put_number(struct writer *w, uint64_t value, unsigned bytes)
{
    unsigned char out[8];
    for (unsigned i = 0; i < bytes; i++) {
        out[i] = (unsigned char)(value >> 8 * i);
    }
    put(w, out, bytes);
}

static void put_double(struct writer *w, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_number(w, bits, 8);
}

static void put_text(struct writer *w, const char *text, size_t len, unsigned length_bytes)
{
    put_number(w, len, length_bytes);
    put(w, text, len);
}

static void put_cells(struct writer *w, const uint64_t *cells, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put_number(w, cells[i], 8);
    }
}

static void put_series(struct writer *w, const struct fleet_series *series)
{
    put_number(w, series->id, 4);
    put_text(w, series->labels, series->labels_len, 2);
    put_double(w, series->total.sum);
    put_double(w, series->total.lost);
    if (series->cells != NULL) {
        put_number(w, series->n_bounds, 2);
        for (size_t i = 0; i < series->n_bounds; i++) {
            put_double(w, series->bounds[i]);
        }
        put_cells(w, series->cells, (size_t)series->n_bounds + 1);
    }
}

static void put_family(struct writer *w, const struct fleet_family *family)
{
    put_text(w, family->name, strlen(family->name), 2);
    put_text(w, family->help, strlen(family->help), 2);
    put_number(w, family->kind, 1);
    put_number(w, family->n + (family->overflow != NULL), 4);
    for (size_t i = 0; i < family->n; i++) {
        put_series(w, family->series[i]);
    }
    if (family->overflow != NULL) {
        put_series(w, family->overflow);
    }
}

static void put_session(struct writer *w, const struct fleet_session *session)
{
    put_text(w, session->id, session->id_len, 1);
    put_number(w, (uint64_t)session->arrived_ns, 8);
    put_number(w, (uint64_t)session->returned_ns, 8);
    put_number(w, session->n, 4);
    for (size_t i = 0; i < session->n; i++) {
        const struct fleet_stream *stream = session->streams[i];
        put_number(w, stream->hash.low, 8);
        put_number(w, stream->hash.high, 8);
        put_number(w, stream->series->id, 4);
        put_number(w, stream->start_ns, 8);
        put_number(w, stream->time_ns, 8);
        put_double(w, stream->last);
        if (stream->series->cells != NULL) {
            put_cells(w, stream->cells, (size_t)stream->series->n_bounds + 1);
        }
    }
}

static bool is_place(const struct fleet_departed *place)
{
    return (place->id.low | place->id.high) != 0;
}

static size_t count_departed(const struct fleet *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_departed; i++) {
        n += is_place(&f->departed[i]);
    }
    return n;
}

static void put_departed(struct writer *w, const struct fleet *f)
{
    for (size_t i = 0; i < f->n_departed && w->file.error == 0; i++) {
        if (is_place(&f->departed[i])) {
            put_number(w, f->departed[i].id.low, 8);
            put_number(w, f->departed[i].id.high, 8);
            put_number(w, (uint64_t)f->departed[i].arrived_ns, 8);
        }
    }
}

static void put_all(struct writer *w, const struct fleet *f, struct fleet_position position)
{
    put(w, FLEET_SNAPSHOT_MAGIC, sizeof(FLEET_SNAPSHOT_MAGIC) - 1);
    put_number(w, FLEET_SNAPSHOT_VERSION, 4);
    put_number(w, position.sequence, 8);
    put_number(w, (uint64_t)position.arrived_ns, 8);
    put(w, f->options.seed, FLEET_SEED_BYTES);
    put_number(w, f->counts.metrics, 4);
    put_number(w, f->n_series, 4);
    put_number(w, f->counts.sessions, 4);
    put_number(w, count_departed(f), 4);
    for (size_t i = 0; i < f->counts.metrics && w->file.error == 0; i++) {
        put_family(w, f->families[i]);
    }
    for (const struct fleet_session *s = f->idlest; s != NULL && w->file.error == 0; s = s->newer) {
        put_session(w, s);
    }
    put_departed(w, f);
    flush(w);
    put_number(w, w->crc, 4);
    flush(w);
}

bool fleet_snapshot_write(const struct fleet *f, struct fleet_position position, const char *path,
                          struct result *why)
{
    struct writer w = {.buffer = malloc(BUFFER_BYTES)};
    if (w.buffer == NULL) {
        return result_fail(why, "%s: no memory to write the snapshot", path);
    }
    bool done = durable_file_begin(&w.file, path, why);
    if (done) {
        put_all(&w, f, position);
        done = durable_file_commit(&w.file, why);
    }
    free(w.buffer);
    return done;
}
