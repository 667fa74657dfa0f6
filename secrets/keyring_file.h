/* keyring_file.h: the ring file: libconfig text, one group a key.
 *
 *     keys = (
 *       { id = "2026-11"; secret = "…64 hex digits…"; state = "active";
 *         created = "2026-11-21T00:00:00Z"; not_before = "…"; not_after = "…";
 *         label = "production"; note = "first key"; }
 *     );
 *
 * id, secret and state are required; times are ISO 8601 UTC. Mode 0600 or stricter, or it is
 * refused with the chmod that mends it. Written by temporary file, fsync, rename and fsync of the
 * directory, under a lock file beside it.
 */
#ifndef SIGPOST_SECRETS_KEYRING_FILE_H
#define SIGPOST_SECRETS_KEYRING_FILE_H

#include "base/result.h"
#include "base/slice.h"
#include "secrets/signature.h"

#include <stddef.h>
#include <stdint.h>

enum key_state { KEY_PENDING, KEY_ACTIVE, KEY_RETIRING, KEY_REVOKED };

#define KEY_SECRET_MIN 16
#define KEY_SECRET_ADVISED 32
#define KEY_SECRET_MAX 1024
#define KEY_LABEL_MAX 63
#define KEY_NOTE_MAX 255
#define KEY_TIME_NONE INT64_MIN

struct key_entry {
    char id[SIGNATURE_KEY_ID_MAX + 1];
    char *secret; /* secure heap, trimmed, NUL-terminated; owned */
    size_t secret_len;
    enum key_state state;
    int64_t created, not_before, not_after; /* Unix seconds; KEY_TIME_NONE when not given */
    char label[KEY_LABEL_MAX + 1];
    char note[KEY_NOTE_MAX + 1];
};

struct key_list {
    struct key_entry *entries; /* in the order of the file */
    size_t n;
};

/* Reads a ring file. A missing file gives an empty list and *missing = true. False and a sentence
 * with file and line otherwise; *list is empty then. Free with key_list_free (wipes). */
bool keyring_file_read(const char *path, struct key_list *list, bool *missing, struct result *why);

/* Writes it whole, mode 0600. False and a sentence; the old file is in place then. */
bool keyring_file_write(const char *path, const struct key_list *list, struct result *why);

/* Reads a file that holds one secret and nothing else (white space around it is cut). */
bool secret_file_read(const char *path, struct key_entry *entry, bool *missing, struct result *why);

/* Appends an entry with a copy of the secret; everything else zero or KEY_TIME_NONE, KEY_ACTIVE.
 * NULL and a sentence when id or secret is unfit or the id is there already. */
struct key_entry *key_list_add(struct key_list *list, struct slice id, struct slice secret,
                               struct result *why);
void key_list_free(struct key_list *list);

const char *key_state_word(enum key_state state);

/* "2026-11-21T00:00:00Z" to Unix seconds; a bare date is its midnight UTC. */
bool key_time_parse(struct slice text, int64_t *out);

#endif
