/* key_usage.h: which keys are still in use, and by which client versions: hourly counts that
 * survive a restart, in one small file ({state}/key_usage).
 *
 *     struct key_usage *usage = key_usage_open(path, &why);              // the daemon
 *     struct key_usage_counter *counter = key_usage_counter_create(usage);   // one a thread
 *     key_usage_count(counter, key_id, version, now_s);                  // hot
 *
 *     key_usage_read(path, now_s, &report, &why);                        // a tool
 *
 * Counting costs one hash, one uncontended mutex and no allocation. A thread of this room collects
 * the counters every second and writes the file soon after the first use, then once a minute while
 * there are any, and at the end: a crash loses a minute at most. It is a thread of its own because
 * a slow disk must not hold up the housekeeper, who has revoked keys to take notice of.
 *
 * What is kept is bounded, and the file with it: 192 keys, 256 client versions, 169 hours (the
 * running one and the week before it). Versions past that are counted as "other", as are those that
 * are not 1 to 32 of A-Z a-z 0-9 . _ + -; a request without a version counts as "none". Of a key
 * past the 192, the one unused for longest makes room. The version is the client's own word: the
 * signature does not cover it.
 *
 * The clock is believed when a request has verified by it, not otherwise: a start at a wrong time
 * forgets nothing.
 */
#ifndef SIGPOST_SECRETS_KEY_USAGE_H
#define SIGPOST_SECRETS_KEY_USAGE_H

#include "base/client_version.h"
#include "base/result.h"
#include "base/slice.h"
#include "secrets/keyring_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_USAGE_FILE_NAME "key_usage" /* in state.dir */
#define KEY_USAGE_FILE_MAX ((size_t)1000000)
#define KEY_USAGE_VERSION_MAX CLIENT_VERSION_MAX

struct key_usage;
struct key_usage_counter;

/* Reads what the file at path holds and starts the thread. A file that is damaged, too large or
 * unreadable is moved to {path}.damaged, said in the log, and counting begins anew. path is copied.
 * NULL and a sentence only without memory or threads. */
struct key_usage *key_usage_open(const char *path, struct result *why);

/* Stops the thread and writes what was counted. After all counters are destroyed. NULL is fine. */
void key_usage_close(struct key_usage *usage);

/* Collects all counters and writes the file now if anything was counted since the last time. False
 * and a sentence when it cannot be written; the counts are kept and go into the next one. Any
 * thread. */
bool key_usage_save(struct key_usage *usage, int64_t now_s, struct result *why);

/* A thread's own counts. NULL when out of memory. What it still holds is collected when it is
 * destroyed. */
struct key_usage_counter *key_usage_counter_create(struct key_usage *usage);
void key_usage_counter_destroy(struct key_usage_counter *counter); /* NULL is fine */

/* Counts a request that verified with this key. version may be absent. Only on the counter's
 * thread. */
void key_usage_count(struct key_usage_counter *counter, struct slice key_id, struct slice version,
                     int64_t now_s);

/* --- for tools --- */

/* Counts of "the last day" hold the running hour and the 24 before it; of "the last week", the 168
 * before it. */
struct key_usage_version {
    char name[KEY_USAGE_VERSION_MAX + 1]; /* "other", "none", or what the client said */
    int64_t last_hour_s;                  /* when the last hour with a use began */
    uint64_t day, week;
};

struct key_usage_key {
    char id[SIGNATURE_KEY_ID_MAX + 1];
    int64_t last_used_s; /* also when that is longer ago than a week */
    uint64_t day, week;
    struct key_usage_version *versions; /* of the week, the most used first */
    size_t n_versions;
};

struct key_usage_report {
    int64_t since_s; /* when counting began; KEY_TIME_NONE: it never did */
    int64_t saved_s; /* when the file was written */
    uint64_t day, week;
    struct key_usage_key *keys; /* the last used first; keys never used are not there */
    size_t n;
};

/* Reads the file. A missing one gives an empty report. False and a sentence, and *report empty,
 * when it is damaged or unreadable. Free with key_usage_report_free. */
bool key_usage_read(const char *path, int64_t now_s, struct key_usage_report *report,
                    struct result *why);
void key_usage_report_free(struct key_usage_report *report);

/* The key's use; NULL when it was never used. Borrowed from the report. */
const struct key_usage_key *key_usage_find(const struct key_usage_report *report, struct slice id);

#endif
