/* fleet_sessions.c: what is known of each session: a hash table by id, a list by last arrival (so
 * that what falls silent is found at its end and nothing is ever scanned), and of each session its
 * streams, ordered by hash.
 */
#include "otlp/fleet/fleet_internal.h"

#include <stdlib.h>

#define BUCKETS_FIRST 64

static struct fleet_hash hash_of(const struct fleet *f, struct slice id)
{
    return fleet_hash(f->options.seed, id.data, id.len);
}

static struct fleet_session **bucket_of(const struct fleet *f, struct slice id)
{
    return &f->buckets[hash_of(f, id).low & (f->n_buckets - 1)];
}

static struct slice id_of(const struct fleet_session *session)
{
    return slice_make(session->id, session->id_len);
}

/* Doubles the buckets when there is one session in each. Failing is no harm but to speed; only the
 * first ones must be had. */
static bool grow_buckets(struct fleet *f)
{
    if (f->counts.sessions < f->n_buckets) {
        return true;
    }
    size_t n = f->n_buckets == 0 ? BUCKETS_FIRST : f->n_buckets * 2;
    struct fleet_session **buckets = calloc(n, sizeof(struct fleet_session *));
    if (buckets == NULL) {
        return f->n_buckets != 0;
    }
    free(f->buckets);
    f->buckets = buckets;
    f->n_buckets = n;
    for (struct fleet_session *s = f->newest; s != NULL; s = s->older) {
        struct fleet_session **bucket = bucket_of(f, id_of(s));
        s->chain = *bucket;
        *bucket = s;
    }
    return true;
}

static void unlink_order(struct fleet *f, struct fleet_session *session)
{
    *(session->newer != NULL ? &session->newer->older : &f->newest) = session->older;
    *(session->older != NULL ? &session->older->newer : &f->idlest) = session->newer;
}

static void link_newest(struct fleet *f, struct fleet_session *session)
{
    session->newer = NULL;
    session->older = f->newest;
    *(f->newest != NULL ? &f->newest->newer : &f->idlest) = session;
    f->newest = session;
}

static void free_session(struct fleet_session *session)
{
    for (size_t i = 0; i < session->n; i++) {
        free(session->streams[i]);
    }
    free(session->streams);
    free(session);
}

/* An up-down sum counts what is there now: a session that is gone takes its part away. */
static void take_back(struct fleet_session *session)
{
    for (size_t i = 0; i < session->n; i++) {
        struct fleet_stream *stream = session->streams[i];
        if (stream->series->family->kind == FLEET_UPDOWN) {
            fleet_total_add(&stream->series->total, -stream->last);
        }
    }
}

static void end_session(struct fleet *f, struct fleet_session *session)
{
    struct fleet_session **at = bucket_of(f, id_of(session));
    while (*at != session) {
        at = &(*at)->chain;
    }
    *at = session->chain;
    unlink_order(f, session);
    take_back(session);
    if (session->n > 0 || session->returned_ns != 0) { /* streams now, or when it ended before */
        fleet_departed_put(f, hash_of(f, id_of(session)),
                           session->n > 0 ? session->arrived_ns : session->returned_ns);
    }
    f->counts.sessions--;
    f->counts.bytes -= session->bytes;
    free_session(session);
}

static struct fleet_session *make_session(struct fleet *f, struct slice id)
{
    if (!grow_buckets(f)) {
        return NULL;
    }
    size_t bytes = sizeof(struct fleet_session) + id.len;
    struct fleet_session *session = calloc(1, bytes);
    if (session == NULL) {
        return NULL;
    }
    session->id_len = (uint8_t)id.len;
    if (id.len > 0) {
        memcpy(session->id, id.data, id.len);
    }
    session->bytes = bytes;
    session->returned_ns = fleet_departed_take(f, hash_of(f, id));
    struct fleet_session **bucket = bucket_of(f, id);
    session->chain = *bucket;
    *bucket = session;
    link_newest(f, session);
    f->counts.sessions++;
    f->counts.bytes += bytes;
    return session;
}

struct fleet_session *fleet_session_touch(struct fleet *f, struct slice id, int64_t arrived_ns)
{
    id.len = id.len < FLEET_SESSION_ID_MAX ? id.len : FLEET_SESSION_ID_MAX;
    struct fleet_session *session = f->n_buckets != 0 ? *bucket_of(f, id) : NULL;
    while (session != NULL && !slice_eq(id_of(session), id)) {
        session = session->chain;
    }
    if (session != NULL) {
        unlink_order(f, session);
        link_newest(f, session);
    } else {
        session = make_session(f, id);
        if (session == NULL) {
            return NULL;
        }
        fleet_sessions_trim(f, session);
    }
    session->arrived_ns = arrived_ns;
    return session;
}

/* A clock that was ahead leaves arrivals in the future: their sessions would stay, and all behind
 * them in the list. Their silence begins now; once done, there are none for as long as it goes
 * forward. */
static void bring_to_now(struct fleet *f, int64_t now_ns)
{
    for (struct fleet_session *s = f->idlest; s != NULL && s->arrived_ns > now_ns; s = s->newer) {
        s->arrived_ns = now_ns;
    }
}

void fleet_sessions_expire(struct fleet *f, int64_t now_ns)
{
    bring_to_now(f, now_ns);
    while (f->idlest != NULL && now_ns - f->idlest->arrived_ns > f->options.session_idle_ns) {
        f->counts.ended_idle++;
        end_session(f, f->idlest);
        bring_to_now(f, now_ns);
    }
}

void fleet_sessions_trim(struct fleet *f, const struct fleet_session *keep)
{
    while (
        f->idlest != NULL && f->idlest != keep &&
        (f->counts.sessions > f->options.max_sessions || f->counts.bytes > f->options.max_bytes)) {
        f->counts.ended_full++;
        end_session(f, f->idlest);
    }
}

/* Where the stream is, or would be put. */
static size_t place_of(const struct fleet_session *session, struct fleet_hash hash)
{
    size_t low = 0;
    size_t high = session->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (fleet_hash_compare(session->streams[middle]->hash, hash) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct fleet_stream *fleet_stream_find(const struct fleet_session *session, struct fleet_hash hash)
{
    size_t at = place_of(session, hash);
    if (at == session->n || fleet_hash_compare(session->streams[at]->hash, hash) != 0) {
        return NULL;
    }
    return session->streams[at];
}

static bool grow_streams(struct fleet *f, struct fleet_session *session)
{
    if (session->n < session->cap) {
        return true;
    }
    uint32_t cap = session->cap == 0 ? 4 : session->cap + session->cap / 2;
    struct fleet_stream **grown = realloc(session->streams, cap * sizeof(struct fleet_stream *));
    if (grown == NULL) {
        return false;
    }
    size_t more = (cap - session->cap) * sizeof(struct fleet_stream *);
    session->streams = grown;
    session->cap = cap;
    session->bytes += more;
    f->counts.bytes += more;
    return true;
}

struct fleet_stream *fleet_stream_add(struct fleet *f, struct fleet_session *session,
                                      struct fleet_hash hash, struct fleet_series *series)
{
    size_t cells = series->cells != NULL ? (size_t)series->n_bounds + 1 : 0;
    size_t bytes = sizeof(struct fleet_stream) + cells * sizeof(uint64_t);
    if (!grow_streams(f, session)) {
        return NULL;
    }
    struct fleet_stream *stream = calloc(1, bytes);
    if (stream == NULL) {
        return NULL;
    }
    stream->hash = hash;
    stream->series = series;
    size_t at = place_of(session, hash);
    memmove(&session->streams[at + 1], &session->streams[at],
            (session->n - at) * sizeof(struct fleet_stream *));
    session->streams[at] = stream;
    session->n++;
    session->bytes += bytes;
    f->counts.bytes += bytes;
    return stream;
}

void fleet_sessions_free_all(struct fleet *f)
{
    for (struct fleet_session *session = f->newest; session != NULL;) {
        struct fleet_session *older = session->older;
        free_session(session);
        session = older;
    }
    free(f->buckets);
    free(f->departed);
}
