/* registry.h: the telemetry sessions: the runs of signed clients that are there now.
 *
 * A session is made by its first verified request, touched by each, and ends after idle_ns of
 * silence. Sharded by hash; a shard's lock is held for one look-up. Within a shard the sessions are
 * a list from last touched to idlest, so that expiry takes from its end and never scans; past the
 * cap the idlest makes room: of the newcomer's shard, or of the next one when that is empty. About
 * 110 bytes a session with an id of 36 bytes, at most 200 with one of 128. Thread-safe.
 */
#ifndef SIGPOST_SESSION_REGISTRY_H
#define SIGPOST_SESSION_REGISTRY_H

#include "base/client_version.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

struct registry;

/* NULL when out of memory. max_sessions at least 1. */
struct registry *registry_create(size_t max_sessions, int64_t idle_ns);
void registry_destroy(struct registry *registry);

/* What a verified request says of its session. */
struct registry_request {
    struct slice session; /* 1 to 128 bytes */
    struct slice key_id;  /* up to 64 bytes */
    struct slice version; /* the client's own word, any bytes; may be absent */
};

/* A verified request at monotonic now_ns. Returns whether the session is new; without memory for
 * it, true each time. */
bool registry_touch(struct registry *registry, const struct registry_request *request,
                    int64_t now_ns);

/* Copies the key id of the session's last request into out (NUL-terminated, up to 64 bytes) and
 * returns its length; 0 for an unknown session. */
size_t registry_last_key(struct registry *registry, struct slice session, char out[65]);

/* Frees sessions that fell silent; returns how many. */
size_t registry_expire(struct registry *registry, int64_t now_ns);

size_t registry_count(struct registry *registry);

struct registry_version {
    char name[CLIENT_VERSION_MAX + 1];
    size_t sessions;
};

/* Fills out[0..max) with the client versions of the sessions that are there, by their last request,
 * most used first, and returns how many. "none" did not say its version. "other", if there, comes
 * last: what is no version, what is past `max`, and what came while 256 versions were in use. The
 * sessions add up to registry_count, but for those that come and go meanwhile. */
size_t registry_versions(struct registry *registry, struct registry_version *out, size_t max);

/* Takes effect at the next expiry (reload). */
void registry_set_idle(struct registry *registry, int64_t idle_ns);

#endif
