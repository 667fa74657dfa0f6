/* keyring.h: the keys that sigpost believes, and which of them made a signature.
 *
 * A ring is built from up to three sources: the ring file ({state}/keyring.cfg, see
 * keyring_file.h), the environment's single secret (key id "env") and the single-secret file (key
 * id "file"). A single secret that also stands in the ring file is the ring file's: its states and
 * days hold. A new ring replaces the old one whole while requests are being verified; a broken file
 * leaves the old ring in place.
 *
 *     struct keyring_reader *reader = keyring_reader_create(ring);     // one a thread
 *     reason = keyring_match(reader, &claim, paths, 3, hint, now_s, &match);
 *
 * Newest first means: by `created`, a key without it being the oldest; then by the place in the
 * file, the last one being the newest; "env" and "file" come after those.
 *
 * While they are read, secrets live in OpenSSL's secure heap; they are wiped when freed.
 */
#ifndef SIGPOST_SECRETS_KEYRING_H
#define SIGPOST_SECRETS_KEYRING_H

#include "base/metrics.h"
#include "base/reason.h"
#include "base/result.h"
#include "secrets/signature.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyring;
struct keyring_reader;

struct keyring_sources {
    const char *ring_file;   /* may be missing on disk unless ring_file_required */
    const char *secret_file; /* may be missing on disk unless secret_file_required; NULL: none */
    bool secret_file_required;
    const char *signing_secret; /* the environment's; NULL or blank: none */
    bool ring_file_required;    /* a missing ring file is a broken one */
};

struct key_list;

/* Reads the sources into one list, as a ring is built from them: the ring file's entries in its
 * order, then the single secrets that it does not hold. For tools; free with key_list_free. False
 * and a sentence, and *list empty, when a source is broken. */
bool keyring_read_sources(const struct keyring_sources *sources, struct key_list *list,
                          struct result *why);

/* Makes OpenSSL's secure heap. True with an empty sentence, or true with a warning when memory
 * could not be locked, false when there is no secure heap at all. Once per process, before any key.
 */
bool keyring_init_memory(struct result *why);

/* Builds the first ring and starts the watch. sources is copied. metrics (may be NULL) gets
 * sigpost_auth_key_uses_total{key_id} and sigpost_key_not_after_seconds{key_id}. NULL and a
 * sentence when a source is broken: unreadable, permissions of the ring file too wide (names the
 * chmod), a secret under 16 bytes, bad dates, an id or a secret twice, a ring file's key "env" or
 * "file" whose secret differs from the single one. A secret under 32 bytes is warned about in the
 * log at each load. A ring without any key is not an error here: see keyring_counts. */
struct keyring *keyring_open(const struct keyring_sources *sources, struct metrics *metrics,
                             struct result *why);

/* After all its readers are destroyed. */
void keyring_close(struct keyring *ring);

/* Reads the sources again and swaps the ring when they are good. False and a sentence when they are
 * broken: the old ring stays. So it does when the ring file is gone that was there at the last good
 * load: a slip of the hand must not refuse every client, and revoking rewrites the file. Any one
 * thread at a time. Idempotent. */
bool keyring_reload(struct keyring *ring, struct result *why);

/* A file descriptor (inotify, non-blocking) that becomes readable when a source may have changed,
 * also through a symlink swap of its directory (Docker, Kubernetes). -1 where inotify is not to be
 * had: ask keyring_drain_watch on a timer then. Borrowed. */
int keyring_watch_fd(struct keyring *ring);

/* Empties the descriptor, renews the watches, and says whether a source is another file, or has
 * other content, than at the last load, or that load failed some seconds ago: call keyring_reload
 * then. The directory of the ring file
 * may be busy with other files; those give false. On the thread that reloads. */
bool keyring_drain_watch(struct keyring *ring);

struct keyring_counts {
    size_t active;                 /* accepted at now_s */
    size_t pending;                /* known, not yet valid */
    size_t ended;                  /* retired or revoked */
    int64_t next_end_s;            /* the nearest not_after among the accepted, or INT64_MAX */
    char problem[RESULT_TEXT_MAX]; /* why the last reload failed; empty when it did not */
};
void keyring_counts(struct keyring *ring, int64_t now_s, struct keyring_counts *out);

/* A thread's view of the ring, with one prepared HMAC context a key. NULL when out of memory. */
struct keyring_reader *keyring_reader_create(struct keyring *ring);
void keyring_reader_destroy(struct keyring_reader *reader);

#define KEYRING_PATHS_MAX 8

struct keyring_match {
    size_t path;         /* index into paths of the one that verified */
    struct slice key_id; /* borrowed from the ring: valid until this reader's next match */
    struct slice label;  /* deployment.environment of the key's payloads; may be empty */
};

/* Finds the key and the path that made claim->mac: the claimed key id first, then `hint` (the
 * session's last key; absent for none), then the rest newest first. REASON_OK and *match, or *match
 * zeroed and REASON_INVALID_SIGNATURE (also for no path, more than KEYRING_PATHS_MAX, or one over
 * SIGNATURE_PATH_MAX); REASON_RETIRED_KEY (it verifies with a key past its day or revoked; *match
 * names it); REASON_KEY_NOT_READY (the claimed id is known but not yet valid). Comparisons are in
 * constant time, and every path of a key is computed whatever the result. Counts the key's use when
 * the result is REASON_OK. Only on the reader's thread; never blocks on a file. */
enum reason keyring_match(struct keyring_reader *reader, const struct signature_claim *claim,
                          const struct slice *paths, size_t n_paths, struct slice hint,
                          int64_t now_s, struct keyring_match *match);

/* Signs with the key named by key_id (active or retiring, and within its days), or, when that is
 * absent, with the newest active one; for sigpostctl sign and the canary. used_id gets its id.
 * False and a sentence when there is none. */
bool keyring_sign(struct keyring_reader *reader, struct slice message, struct slice key_id,
                  int64_t now_s, char signature[2 * SIGNATURE_BYTES + 1],
                  char used_id[SIGNATURE_KEY_ID_MAX + 1], struct result *why);

#endif
