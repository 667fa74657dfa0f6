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
 * Secrets live in OpenSSL's secure heap and are wiped when freed.
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
    const char *ring_file;   /* may be missing on disk */
    const char *secret_file; /* may be missing on disk unless secret_file_required; NULL: none */
    bool secret_file_required;
    const char *signing_secret; /* the environment's, or NULL */
};

/* Makes OpenSSL's secure heap. True with an empty sentence, or true with a warning when memory
 * could not be locked, false when there is no secure heap at all. Once per process, before any key.
 */
bool keyring_init_memory(struct result *why);

/* Builds the first ring. sources is copied. metrics (may be NULL) gets
 * sigpost_auth_key_uses_total{key_id}. NULL and a sentence when a source is broken: unreadable,
 * permissions of the ring file too wide (names the chmod), a secret under 16 bytes, bad dates, an
 * id twice. A ring without any key is not an error here: see keyring_counts. */
struct keyring *keyring_open(const struct keyring_sources *sources, struct metrics *metrics,
                             struct result *why);
void keyring_close(struct keyring *ring);

/* Reads the sources again and swaps the ring when they are good. False and a sentence when they are
 * broken: the old ring stays. Any one thread at a time. Idempotent. */
bool keyring_reload(struct keyring *ring, struct result *why);

/* A file descriptor (inotify, non-blocking) that becomes readable when a source may have changed,
 * also through a symlink swap of its directory (Docker, Kubernetes); keyring_drain_watch empties it
 * and renews watches. -1 where inotify is not to be had: reload on a timer then. */
int keyring_watch_fd(struct keyring *ring);
void keyring_drain_watch(struct keyring *ring);

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

struct keyring_match {
    size_t path;         /* index into paths of the one that verified */
    struct slice key_id; /* borrowed from the ring: valid until this reader's next match */
    struct slice label;  /* deployment.environment of the key's payloads; may be empty */
};

/* Finds the key and the path that made claim->mac: the claimed key id first, then `hint` (the
 * session's last key; absent for none), then the rest newest first. REASON_OK and *match, or
 * REASON_INVALID_SIGNATURE; REASON_RETIRED_KEY (it verifies with a key past its day or revoked;
 * *match names it); REASON_KEY_NOT_READY (the claimed id is known but not yet valid). Comparisons
 * are in constant time, and every path of a key is computed whatever the result. Counts the key's
 * use. Only on the reader's thread; never blocks on a file. */
enum reason keyring_match(struct keyring_reader *reader, const struct signature_claim *claim,
                          const struct slice *paths, size_t n_paths, struct slice hint,
                          int64_t now_s, struct keyring_match *match);

/* Signs with the active key (or the one named by key_id; absent: the newest active one), for
 * sigpostctl sign and the canary. used_id gets its id. False and a sentence when there is none. */
bool keyring_sign(struct keyring_reader *reader, struct slice message, struct slice key_id,
                  int64_t now_s, char signature[2 * SIGNATURE_BYTES + 1],
                  char used_id[SIGNATURE_KEY_ID_MAX + 1], struct result *why);

#endif
