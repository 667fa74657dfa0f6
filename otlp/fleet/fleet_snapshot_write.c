/* fleet_snapshot_write.c: see fleet_snapshot.h. Streamed through one buffer: however large the
 * state is, writing takes 64 KiB.
 */
#include "base/directory.h"
#include "otlp/fleet/fleet_internal.h"
#include "otlp/fleet/fleet_snapshot.h"
#include "otlp/spool/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)64 * 1024)

struct writer {
    int fd;
    int error; /* sticky errno, 0 while all is well */
    uint32_t crc;
    size_t used;
    unsigned char *buffer;
};

static void flush(struct writer *w)
{
    w->crc = segment_crc32c(w->crc, w->buffer, w->used);
    for (size_t at = 0; at < w->used && w->error == 0;) {
        ssize_t n = write(w->fd, w->buffer + at, w->used - at);
        if (n >= 0) {
            at += (size_t)n;
        } else if (errno != EINTR) {
            w->error = errno;
        }
    }
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
    for (size_t i = 0; i < f->n_departed && w->error == 0; i++) {
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
    for (size_t i = 0; i < f->counts.metrics && w->error == 0; i++) {
        put_family(w, f->families[i]);
    }
    for (const struct fleet_session *s = f->idlest; s != NULL && w->error == 0; s = s->newer) {
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
    bool done = false;
    struct writer w = {.fd = -1, .buffer = malloc(BUFFER_BYTES)};
    char *temporary = NULL;
    if (w.buffer == NULL || asprintf(&temporary, "%s.tmp", path) < 0) {
        free(w.buffer);
        return result_fail(why, "%s: no memory to write the snapshot", path);
    }
    w.fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (w.fd < 0) {
        result_fail_errno(why, errno, "cannot create the fleet snapshot %s", temporary);
        goto cleanup;
    }
    put_all(&w, f, position);
    if (w.error == 0 && fsync(w.fd) != 0) {
        w.error = errno;
    }
    if (close(w.fd) != 0 && w.error == 0) {
        w.error = errno;
    }
    if (w.error != 0) {
        unlink(temporary);
        result_fail_errno(why, w.error, "cannot write the fleet snapshot %s", temporary);
        goto cleanup;
    }
    if (rename(temporary, path) != 0 || !directory_sync_parent(path)) {
        result_fail_errno(why, errno, "cannot put the fleet snapshot in place as %s", path);
        goto cleanup;
    }
    done = true;
cleanup:
    free(temporary);
    free(w.buffer);
    return done;
}
