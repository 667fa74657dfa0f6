/* dead_letter.h: requests that a receiver refused for good, set aside one file each.
 *
 * {dir} (0700): <arrived, 16 hex digits>-<sequence, 16 hex digits>.<destination>.dead (0600). The
 * name follows from the letter, so that setting one aside again after a crash replaces it.
 * {dir}/retry: <signal>-<name as above>: letters that somebody put back to be sent again; the
 * exporter of that destination and signal takes them from there, one at a time, and removes each
 * when it was delivered. A letter is always a whole file in one of the two.
 *
 *     sigpost-dead-letter 1
 *     reason: refused
 *     status: 400
 *     signal: metrics
 *     session: 6f1c…                    empty when the client named none
 *     key-id: k1
 *     arrived: 2026-01-31T12:00:00.000Z
 *     arrived-ns: 1769860800000000000   wall time, the exact value
 *     sequence: 42
 *     destination: otlp
 *     url: http://127.0.0.1:4318/v1/metrics
 *     answer: what the receiver said    as the inside of a JSON string, cut
 *     items: 12                         data points, spans or records; 0: not known
 *     payload-bytes: 1234
 *                                       (empty line)
 *     <payload: the Export…ServiceRequest, to the end of the file>
 *
 * Each head line ends in one '\n'; lines of names unknown to a reader are passed over. Files that
 * begin with '.' are half-written and no letters.
 */
#ifndef SIGPOST_OTLP_DEAD_LETTER_H
#define SIGPOST_OTLP_DEAD_LETTER_H

#include "base/buf.h"
#include "base/result.h"
#include "otlp/signal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define DEAD_LETTER_ANSWER_MAX 256 /* bytes of `answer` that are kept */
#define DEAD_LETTER_TEXT_MAX 2048  /* bytes of each other text that are kept */
#define DEAD_LETTER_NAME_MAX 128
#define DEAD_LETTER_FILE_MAX ((size_t)128 << 20) /* a longer file is no letter of ours */

struct dead_letter {
    struct slice reason; /* "refused" or "too_large": also the metric label */
    int status;          /* HTTP */
    enum signal signal;
    struct slice session, key_id;
    int64_t arrived_ns;
    uint64_t sequence;
    uint64_t items;
    struct slice destination;
    struct slice url;
    struct slice answer; /* given raw, read back escaped */
    struct slice payload;
};

/* The word for a status that refuses for good. */
const char *dead_letter_reason(int status);

/* The directory as its writers see it: one for all of them, in the process that holds the state
 * directory. Each function may be called from any thread. */
struct dead_letter_box {
    const char *dir;    /* borrowed */
    uint64_t max_bytes; /* of all letters together, those that wait to be sent again included */
    pthread_mutex_t lock;
    bool counted; /* the rest holds as long as the directories' times are those */
    _Atomic uint64_t letters, bytes;
    struct timespec changed[2];
};

void dead_letter_box_init(struct dead_letter_box *box, const char *dir, uint64_t max_bytes);
void dead_letter_box_destroy(struct dead_letter_box *box);

enum dead_letter_outcome {
    DEAD_LETTER_STORED, /* durable: synced, renamed, directory synced */
    DEAD_LETTER_FULL,   /* it would take the directory past max_bytes */
    DEAD_LETTER_FAILED  /* the disk refused */
};

/* Makes the directory when it is missing (not its parents) and writes the letter. `returned` is the
 * name in retry/ of a letter that was sent again in vain and is replaced by this one, or NULL. What
 * is not STORED may be stored again; it is written anew. why: what is wrong and what to do. */
enum dead_letter_outcome dead_letter_store(struct dead_letter_box *box,
                                           const struct dead_letter *letter, const char *returned,
                                           struct result *why);

/* Letters and bytes that are there now. False, and what was known last, when they cannot be
 * counted. Costs two stats when nobody else changed the directories; does not wait for a letter
 * that is being written: what was known before is told then. */
bool dead_letter_count(struct dead_letter_box *box, uint64_t *letters, uint64_t *bytes);

/* Takes a file's content apart; *out borrows from it. False and a sentence when it is no letter. */
bool dead_letter_parse(struct slice file, struct dead_letter *out, struct result *why);

/* The letter of that name (as dead_letter_list gives it): its file is read into `file`, from which
 * *out borrows. False and a sentence; errno is ENOENT when it is not there. */
bool dead_letter_read(const char *dir, const char *name, struct buf *file, struct dead_letter *out,
                      struct result *why);

/* The names of all letters, oldest arrival first. *names is one block for the caller to free (NULL
 * when there are none). A missing directory has none. False and a sentence on failure. */
bool dead_letter_list(const char *dir, char (**names)[DEAD_LETTER_NAME_MAX], size_t *n,
                      struct result *why);

/* Removes one, durably. False and a sentence; errno is ENOENT when it is not there. */
bool dead_letter_remove(const char *dir, const char *name, struct result *why);

/* "{dir}/retry"; a directory like any other for the functions above. */
#define DEAD_LETTER_PATH_MAX 4096
void dead_letter_retry_dir(const char *dir, char out[DEAD_LETTER_PATH_MAX]);

/* Moves one to retry/, durably: it is sent again. False and a sentence when it is not there (errno
 * is ENOENT) or no letter. */
bool dead_letter_put_back(const char *dir, const char *name, struct result *why);

/* The names in retry/ of letters to this destination with this signal that come behind `after`, by
 * name, the first `max` of them; how many. 0 also when the directory cannot be read. */
size_t dead_letter_waiting(const char *dir, enum signal signal, const char *destination,
                           const char *after, char (*names)[DEAD_LETTER_NAME_MAX], size_t max);

#endif
