/* keyring_file.h: the ring file: libconfig text, one group a key.
 *
 *     keys = (
 *       { id = "2026-11"; secret = "…64 hex digits…"; state = "active";
 *         created = "2026-11-21T00:00:00Z"; not_before = "…"; not_after = "…";
 *         label = "production"; note = "first key"; }
 *     );
 *
 * id, secret and state are required; times are ISO 8601 UTC. A file that its group or others may
 * read or write is refused with the chmod that mends it. Written by temporary file ({path}.tmp),
 * fsync, rename and fsync of the directory, under a lock file beside it ({path}.lock). A path that
 * is a symlink is followed, on reading and on writing.
 *
 * An entry verifies from not_before to not_after, both included, while its state is active or
 * retiring.
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
#define KEY_TIME_TEXT_MAX 24 /* "2026-11-21T00:00:00Z" and a NUL */
#define KEY_LIST_MAX 128     /* keys in one ring */
#define KEYRING_FILE_MAX ((size_t)256 * 1024 - 1)

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

/* Writes it whole, mode 0600. False and a sentence; the old file is in place then. Run by root, the
 * file keeps its owner, and a new one gets the directory's: the daemon has to read it. */
bool keyring_file_write(const char *path, const struct key_list *list, struct result *why);

/* Reads, lets `edit` change the list, and writes it back, all under one lock, so that two editors
 * cannot undo each other. Nothing is written when edit returns false (with its sentence). */
bool keyring_file_edit(const char *path,
                       bool (*edit)(struct key_list *list, bool missing, void *arg,
                                    struct result *why),
                       void *arg, struct result *why);

/* Reads a file that holds one secret and nothing else (white space around it is cut) into *entry,
 * which is an active key without an id. Its mode is not looked at: Docker mounts secrets as 0444.
 * Wipe it with key_entry_free. */
bool secret_file_read(const char *path, struct key_entry *entry, bool *missing, struct result *why);

/* Appends an entry with a trimmed copy of the secret; everything else zero or KEY_TIME_NONE,
 * KEY_ACTIVE. The pointer holds until the next append. NULL and a sentence when id or secret is
 * unfit, or when the id or the secret is there already. */
struct key_entry *key_list_add(struct key_list *list, struct slice id, struct slice secret,
                               struct result *why);
void key_list_free(struct key_list *list);
void key_entry_free(struct key_entry *entry);

/* Takes an entry of the list out and wipes it; those behind it move up. */
void key_list_remove(struct key_list *list, struct key_entry *entry);

/* The entry of that id, or NULL. */
struct key_entry *key_list_find(const struct key_list *list, struct slice id);

/* Sets a label or a note: UTF-8 without control characters, up to KEY_LABEL_MAX or KEY_NOTE_MAX
 * bytes. False and a sentence otherwise. */
bool key_entry_set_label(struct key_entry *entry, struct slice label, struct result *why);
bool key_entry_set_note(struct key_entry *entry, struct slice note, struct result *why);

/* Sets the secret to a trimmed copy: KEY_SECRET_MIN to KEY_SECRET_MAX bytes without control
 * characters. False and a sentence (which never quotes it) otherwise. */
bool key_entry_set_secret(struct key_entry *entry, struct slice secret, struct result *why);

/* Whether two secrets are the same, in constant time but for their lengths. */
bool key_entry_same_secret(const struct key_entry *a, const struct key_entry *b);

/* Where a key stands at a time: not yet, believed, or no longer (past its day, or revoked). */
enum key_stage { KEY_STAGE_PENDING, KEY_STAGE_ACCEPTED, KEY_STAGE_ENDED };
enum key_stage key_entry_stage(const struct key_entry *entry, int64_t now_s);

const char *key_state_word(enum key_state state);
bool key_state_parse(struct slice word, enum key_state *out);
#define KEY_STATE_WORDS "pending, active, retiring, revoked"

/* "2026-11-21T00:00:00Z" to Unix seconds; a bare date is its midnight UTC. Years 1970 to 9999; what
 * is no date of the calendar is refused. */
bool key_time_parse(struct slice text, int64_t *out);

/* The way back, NUL-terminated; an empty text for KEY_TIME_NONE. */
void key_time_format(int64_t seconds, char out[KEY_TIME_TEXT_MAX]);

#endif
