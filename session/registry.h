/* registry.h: the telemetry sessions: the runs of signed clients that are there now.
 *
 * A session is made by its first verified request, touched by each, and ends after idle_ns of
 * silence. Past the cap about the idlest makes room: one that was silent for as long as any, give
 * or take a sixty-fourth of the idle time.
 *
 * Sharded; a shard's lock is held for one look-up. A session is one cache line, found by 128 bits
 * of its id's SipHash under a random key (nobody can aim at a bucket, or at somebody else's
 * session), and a touch writes to nothing else: it does not move the session in any list. A timing
 * wheel a shard (registry_wheel.h) finds those that fell silent, a few steps at a time.
 *
 * 64 bytes a session and 6 to 12 of the hash table, whatever its id. Thread-safe.
 */
#ifndef SIGPOST_SESSION_REGISTRY_H
#define SIGPOST_SESSION_REGISTRY_H

#include "base/client_version.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGISTRY_SESSION_MAX 128 /* bytes of a session id */
#define REGISTRY_KEY_ID_MAX 64

struct registry;

/* max_sessions 1 to 2^31, outside of that the nearest. NULL when out of memory. */
struct registry *registry_create(size_t max_sessions, int64_t idle_ns);
void registry_destroy(struct registry *registry);

/* What a verified request says of its session. */
struct registry_request {
    struct slice session; /* 1 to REGISTRY_SESSION_MAX bytes; others are no session */
    struct slice key_id;  /* up to REGISTRY_KEY_ID_MAX bytes */
    struct slice version; /* the client's own word, any bytes; may be absent */
    uint64_t items;       /* 0 for a request that was refused after all */
    uint64_t bytes;
};

/* A verified request at monotonic now_ns. Returns whether the session is new; without memory for
 * it, true each time. */
bool registry_touch(struct registry *registry, const struct registry_request *request,
                    int64_t now_ns);

/* Copies the key id of the session's last request into out (NUL-terminated) and returns its length;
 * 0 for an unknown session. */
size_t registry_last_key(struct registry *registry, struct slice session,
                         char out[REGISTRY_KEY_ID_MAX + 1]);

struct registry_session {
    int64_t first_s, last_ns; /* monotonic */
    uint32_t requests;        /* stays at its maximum */
    uint64_t items, bytes;
    char key_id[REGISTRY_KEY_ID_MAX + 1];
    char version[CLIENT_VERSION_MAX + 1]; /* a name, as of client_version_name */
};

/* What is known of the session. False, and *out zeroed, for an unknown one. */
bool registry_look(struct registry *registry, struct slice session, struct registry_session *out);

/* Ends sessions that fell silent, each a sixty-fourth of the idle time late at most; returns how
 * many. No lock is held for longer than 16 sessions take. */
size_t registry_expire(struct registry *registry, int64_t now_ns);

size_t registry_count(struct registry *registry);

struct registry_version {
    char name[CLIENT_VERSION_MAX + 1];
    size_t sessions;
};

/* Fills out[0..max) with the client versions of the sessions that are there, by their last request,
 * most used first, and returns how many. "none" did not say its version. "other", if there, comes
 * last: what is no version, what is past `max`, and what came while 255 versions were in use. The
 * sessions add up to registry_count, but for those that come and go meanwhile. */
size_t registry_versions(struct registry *registry, struct registry_version *out, size_t max);

/* Takes effect at the next expiry (reload). */
void registry_set_idle(struct registry *registry, int64_t idle_ns);

#endif
