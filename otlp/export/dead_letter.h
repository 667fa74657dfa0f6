/* dead_letter.h: requests that a receiver refused for good, set aside one file each.
 *
 * {dir} (0700): <arrived, 16 hex digits>-<sequence, 16 hex digits>.<destination>.dead (0600). The
 * name follows from the letter, so that setting one aside again after a crash replaces it.
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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEAD_LETTER_DIR_MAX (UINT64_C(64) << 20) /* bytes of all letters together */
#define DEAD_LETTER_ANSWER_MAX 256               /* bytes of `answer` that are kept */
#define DEAD_LETTER_TEXT_MAX 2048                /* bytes of each other text that are kept */
#define DEAD_LETTER_NAME_MAX 128
#define DEAD_LETTER_FILE_MAX ((size_t)128 << 20) /* a longer file is no letter of ours */

struct dead_letter {
    struct slice reason; /* "refused", "too_large", "unsupported": also the metric label */
    int status;          /* HTTP */
    enum signal signal;
    struct slice session, key_id;
    int64_t arrived_ns;
    uint64_t sequence;
    struct slice destination;
    struct slice url;
    struct slice answer; /* given raw, read back escaped */
    struct slice payload;
};

/* The word for a status that refuses for good. */
const char *dead_letter_reason(int status);

enum dead_letter_outcome {
    DEAD_LETTER_STORED, /* durable: synced, renamed, directory synced */
    DEAD_LETTER_FULL,   /* it would take the directory past max_bytes */
    DEAD_LETTER_FAILED  /* the disk refused */
};

/* What a writer remembers of the directory between letters, so that it need not add up all sizes
 * each time; zeroed: nothing yet. Looked up again every DEAD_LETTER_TRUST letters (others may write
 * and remove too) and before FULL is said. */
#define DEAD_LETTER_TRUST 64
struct dead_letter_room {
    uint64_t used;
    unsigned trusted; /* letters for which `used` still counts */
};

/* Makes the directory when it is missing (not its parents) and writes the letter. What is
 * not STORED may be stored again; it is written anew. why: what is wrong and what to do about it.
 */
enum dead_letter_outcome dead_letter_store(const char *dir, const struct dead_letter *letter,
                                           uint64_t max_bytes, struct dead_letter_room *room,
                                           struct result *why);

/* Takes a file's content apart; *out borrows from it. False and a sentence when it is no letter. */
bool dead_letter_parse(struct slice file, struct dead_letter *out, struct result *why);

/* The letter of that name (as dead_letter_list gives it): its file is read into `file`, from which
 * *out borrows. */
bool dead_letter_read(const char *dir, const char *name, struct buf *file, struct dead_letter *out,
                      struct result *why);

/* The names of all letters, oldest arrival first. *names is one block for the caller to free (NULL
 * when there are none). A missing directory has none. False and a sentence on failure. */
bool dead_letter_list(const char *dir, char (**names)[DEAD_LETTER_NAME_MAX], size_t *n,
                      struct result *why);

/* Removes one, durably. */
bool dead_letter_remove(const char *dir, const char *name, struct result *why);

#endif
