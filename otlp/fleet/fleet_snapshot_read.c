/* fleet_snapshot_read.c: see fleet_snapshot.h. The file is mapped, its checksum proved, and then
 * read with a cursor that stops for good at the first thing that cannot be: a checksum says that
 * the bytes are what was written, not that a program without faults wrote them.
 */
#include "otlp/fleet/fleet_internal.h"
#include "otlp/fleet/fleet_snapshot.h"
#include "otlp/spool/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES (8 + 4 + 8 + 8 + FLEET_SEED_BYTES + 4 * 4)
#define CRC_BYTES 4

struct cursor {
    const unsigned char *at, *end;
    bool failed;    /* damage; reads give zero from there */
    bool no_memory; /* not the file's fault */
};

static const unsigned char *take(struct cursor *c, size_t len)
{
    if (c->failed || (size_t)(c->end - c->at) < len) {
        c->failed = true;
        return NULL;
    }
    const unsigned char *taken = c->at;
    c->at += len;
    return taken;
}

static uint64_t take_number(struct cursor *c, unsigned bytes)
{
    const unsigned char *from = take(c, bytes);
    uint64_t value = 0;
    for (unsigned i = 0; from != NULL && i < bytes; i++) {
        value |= (uint64_t)from[i] << 8 * i;
    }
    return value;
}

/* Fails on what is not finite: no number of ours is. */
static double take_double(struct cursor *c)
{
    uint64_t bits = take_number(c, 8);
    double value;
    memcpy(&value, &bits, sizeof(value));
    c->failed = c->failed || !isfinite(value);
    return c->failed ? 0 : value;
}

static struct slice take_text(struct cursor *c, unsigned length_bytes)
{
    size_t len = (size_t)take_number(c, length_bytes);
    const unsigned char *text = take(c, len);
    return text != NULL ? slice_make(text, len) : SLICE_LIT("");
}

static void expect(struct cursor *c, bool holds)
{
    c->failed = c->failed || !holds;
}

static void have_memory(struct cursor *c, bool had)
{
    if (!had) {
        c->failed = true;
        c->no_memory = true;
    }
}

/* Returns how many there are; fails unless they are finite and ascend. */
static size_t take_bounds(struct cursor *c, double bounds[FLEET_BOUNDS_MAX])
{
    size_t n = (size_t)take_number(c, 2);
    expect(c, n <= FLEET_BOUNDS_MAX);
    for (size_t i = 0; i < n && !c->failed; i++) {
        bounds[i] = take_double(c);
        expect(c, i == 0 || bounds[i] > bounds[i - 1]);
    }
    return n;
}

static void take_cells(struct cursor *c, uint64_t *cells, size_t n, uint64_t *sum)
{
    *sum = 0;
    for (size_t i = 0; i < n && !c->failed; i++) {
        cells[i] = take_number(c, 8);
        expect(c, !__builtin_add_overflow(*sum, cells[i], sum));
    }
}

/* by_id: the series by the ids of the file. */
static void read_series(struct cursor *c, struct fleet *f, struct fleet_family *family,
                        struct fleet_series **by_id, size_t n_series)
{
    static const size_t most = FLEET_LABEL_COUNT_MAX;
    struct exposition_label split[FLEET_LABEL_COUNT_MAX];
    double bounds[FLEET_BOUNDS_MAX];
    size_t n_bounds = 0;
    size_t id = (size_t)take_number(c, 4);
    struct slice labels = take_text(c, 2);
    struct fleet_total total;
    total.sum = take_double(c);
    total.lost = take_double(c);
    if (family->kind == FLEET_HISTOGRAM) {
        n_bounds = take_bounds(c, bounds);
    }
    expect(c, id < n_series && by_id[id] == NULL && labels.len <= FLEET_LABELS_MAX &&
                  fleet_labels_split(labels, split, most) != SIZE_MAX);
    expect(c, family->n == 0 ||
                  fleet_labels_compare(slice_make(family->series[family->n - 1]->labels,
                                                  family->series[family->n - 1]->labels_len),
                                       labels) < 0 ||
                  (slice_eq(labels, fleet_labels_overflow()) && family->overflow == NULL));
    if (c->failed) {
        return;
    }
    struct fleet_series *series = fleet_series_add(f, family, labels, bounds, n_bounds);
    have_memory(c, series != NULL);
    if (series != NULL) {
        by_id[id] = series;
        series->total = total;
        if (series->cells != NULL) {
            take_cells(c, series->cells, n_bounds + 1, &series->count);
        }
    }
}

static void read_family(struct cursor *c, struct fleet *f, struct fleet_series **by_id,
                        size_t n_series)
{
    struct fleet_family *family = NULL;
    struct slice name = take_text(c, 2);
    struct slice help = take_text(c, 2);
    unsigned kind = (unsigned)take_number(c, 1);
    size_t n = (size_t)take_number(c, 4);
    size_t before = f->counts.metrics;
    expect(c, name.len > 0 && memchr(name.data, '\0', name.len) == NULL && kind < FLEET_KIND_COUNT);
    if (c->failed) {
        return;
    }
    enum fleet_refusal refused = fleet_family_open(f, name, help, (enum fleet_kind)kind, &family);
    have_memory(c, refused != FLEET_MEMORY);
    expect(c, refused == FLEET_ACCEPTED && f->counts.metrics == before + 1);
    for (size_t i = 0; i < n && !c->failed; i++) {
        read_series(c, f, family, by_id, n_series);
    }
}

static void read_stream(struct cursor *c, struct fleet *f, struct fleet_session *session,
                        struct fleet_series *const *by_id, size_t n_series)
{
    uint64_t ignored;
    struct fleet_hash hash;
    hash.low = take_number(c, 8);
    hash.high = take_number(c, 8);
    size_t id = (size_t)take_number(c, 4);
    expect(c, id < n_series && by_id[id] != NULL && fleet_stream_find(session, hash) == NULL);
    if (c->failed) {
        return;
    }
    struct fleet_stream *stream = fleet_stream_add(f, session, hash, by_id[id]);
    have_memory(c, stream != NULL);
    if (stream != NULL) {
        stream->start_ns = take_number(c, 8);
        stream->time_ns = take_number(c, 8);
        stream->last = take_double(c);
        if (stream->series->cells != NULL) {
            take_cells(c, stream->cells, (size_t)stream->series->n_bounds + 1, &ignored);
        }
    }
}

static void read_session(struct cursor *c, struct fleet *f, struct fleet_series *const *by_id,
                         size_t n_series)
{
    struct slice id = take_text(c, 1);
    int64_t arrived_ns = (int64_t)take_number(c, 8);
    int64_t returned_ns = (int64_t)take_number(c, 8);
    size_t n = (size_t)take_number(c, 4);
    if (c->failed) {
        return;
    }
    struct fleet_session *session = fleet_session_touch(f, id, arrived_ns);
    have_memory(c, session != NULL);
    expect(c, session != NULL && session->n == 0);
    if (session != NULL) {
        session->returned_ns = returned_ns;
    }
    for (size_t i = 0; i < n && !c->failed; i++) {
        read_stream(c, f, session, by_id, n_series);
    }
    if (!c->failed) {
        fleet_sessions_trim(f, session); /* limits may be lower than they were */
    }
}

static struct fleet *read_all(struct cursor *c, const struct fleet_options *options,
                              struct fleet_position *position)
{
    struct fleet_options with_seed = *options;
    take(c, 8 + 4);
    position->sequence = take_number(c, 8);
    position->arrived_ns = (int64_t)take_number(c, 8);
    const unsigned char *seed = take(c, FLEET_SEED_BYTES);
    size_t n_families = (size_t)take_number(c, 4);
    size_t n_series = (size_t)take_number(c, 4);
    size_t n_sessions = (size_t)take_number(c, 4);
    size_t n_departed = (size_t)take_number(c, 4);
    if (seed == NULL || n_series > (size_t)(c->end - c->at)) { /* each takes more than a byte */
        c->failed = true;
        return NULL;
    }
    memcpy(with_seed.seed, seed, FLEET_SEED_BYTES);
    struct fleet_series **by_id = calloc(n_series + 1, sizeof(struct fleet_series *));
    struct fleet *f = fleet_create(&with_seed);
    have_memory(c, f != NULL && by_id != NULL);
    for (size_t i = 0; i < n_families && !c->failed; i++) {
        read_family(c, f, by_id, n_series);
    }
    for (size_t i = 0; i < n_sessions && !c->failed; i++) {
        read_session(c, f, by_id, n_series);
    }
    for (size_t i = 0; i < n_departed && !c->failed; i++) {
        struct fleet_hash id;
        id.low = take_number(c, 8);
        id.high = take_number(c, 8);
        fleet_departed_put(f, id, (int64_t)take_number(c, 8));
    }
    expect(c, c->at == c->end);
    free(by_id);
    return f;
}

static enum fleet_snapshot_outcome read_mapped(const char *path, const unsigned char *bytes,
                                               size_t len, const struct fleet_options *options,
                                               struct fleet **out, struct fleet_position *position,
                                               struct result *why)
{
    struct cursor c = {bytes + 8, bytes + len, false, false};
    uint32_t version = (uint32_t)take_number(&c, 4);
    c.at = bytes + len - CRC_BYTES;
    uint32_t crc = (uint32_t)take_number(&c, 4);
    if (memcmp(bytes, FLEET_SNAPSHOT_MAGIC, 8) != 0) {
        result_fail(why, "%s is not a fleet snapshot", path);
        return FLEET_SNAPSHOT_DAMAGED;
    }
    if (segment_crc32c(0, bytes, len - CRC_BYTES) != crc) {
        result_fail(why, "%s: its checksum does not hold", path);
        return FLEET_SNAPSHOT_DAMAGED;
    }
    if (version != FLEET_SNAPSHOT_VERSION) {
        result_fail(why, "%s is of version %u, this program reads version %d", path, version,
                    FLEET_SNAPSHOT_VERSION);
        return FLEET_SNAPSHOT_DAMAGED;
    }
    c = (struct cursor){bytes, bytes + len - CRC_BYTES, false, false};
    struct fleet *f = read_all(&c, options, position);
    if (c.failed) {
        fleet_destroy(f);
        *position = (struct fleet_position){0, 0};
        if (c.no_memory) {
            result_fail(why, "%s: no memory to read the snapshot", path);
            return FLEET_SNAPSHOT_FAILED;
        }
        result_fail(why, "%s: what it says at byte %zu cannot be", path, (size_t)(c.at - bytes));
        return FLEET_SNAPSHOT_DAMAGED;
    }
    *out = f;
    return FLEET_SNAPSHOT_READ;
}

enum fleet_snapshot_outcome fleet_snapshot_read(const char *path,
                                                const struct fleet_options *options,
                                                struct fleet **out, struct fleet_position *position,
                                                struct result *why)
{
    struct stat st;
    *out = NULL;
    *position = (struct fleet_position){0, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        result_fail(why, "%s: there is no such file", path);
        return FLEET_SNAPSHOT_MISSING;
    }
    if (fd < 0 || fstat(fd, &st) != 0) {
        result_fail_errno(why, errno, "cannot open the fleet snapshot %s", path);
        if (fd >= 0) {
            close(fd);
        }
        return FLEET_SNAPSHOT_FAILED;
    }
    size_t len = S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
    if (len < HEAD_BYTES + CRC_BYTES) {
        close(fd);
        result_fail(why, "%s is not a fleet snapshot: it has %zu bytes", path, len);
        return FLEET_SNAPSHOT_DAMAGED;
    }
    void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    int error = errno;
    close(fd);
    if (bytes == MAP_FAILED) {
        result_fail_errno(why, error, "cannot read the fleet snapshot %s", path);
        return FLEET_SNAPSHOT_FAILED;
    }
    enum fleet_snapshot_outcome outcome =
        read_mapped(path, bytes, len, options, out, position, why);
    munmap(bytes, len);
    return outcome;
}
