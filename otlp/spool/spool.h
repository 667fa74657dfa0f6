/* spool.h: the durable queue between "200" and the destinations.
 *
 * Append: spool_append copies a record and hands it to the one writer thread, which gathers all
 * that arrived while the last sync ran, writes them with one writev, makes them durable with one
 * fdatasync, and only then calls each record's `done`. Read: each destination has its own reader
 * with its own durable cursor; a segment file is deleted when every cursor has passed it.
 *
 * On disk ({dir}, 0700, locked): <first sequence as 16 hex digits>.seg, segments of frames (see
 * segment.h); cursor.<name>; quarantine/ for what recovery moved aside. A torn tail is cut at
 * start, damage is moved aside and counted, and nothing in the files is a reason not to start.
 * A failed sync is never retried: the spool stops taking data (spool_stats.failed) and the process
 * is to restart.
 */
#ifndef SIGPOST_OTLP_SPOOL_H
#define SIGPOST_OTLP_SPOOL_H

#include "base/buf.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/slice.h"
#include "otlp/signal.h"

#include <stdbool.h>
#include <stdint.h>

#define SPOOL_SESSION_MAX 128
#define SPOOL_KEY_ID_MAX 64

enum spool_sync { SPOOL_SYNC_ALWAYS, SPOOL_SYNC_INTERVAL, SPOOL_SYNC_NEVER };

struct spool;
struct spool_reader;

struct spool_options {
    const char *dir;
    uint64_t max_bytes;     /* of all segment files together */
    uint64_t segment_bytes; /* 0: chosen from max_bytes and max_payload */
    uint32_t max_payload;   /* the longest payload that will be appended */
    uint64_t max_queued;    /* bytes in memory waiting for the writer, past it SPOOL_FULL at once
                               (but a record that waits alone may be longer); 0: 64 MiB */
    int64_t wait_ns;        /* how long a record may wait for room on disk before SPOOL_FULL */
    enum spool_sync sync;   /* interval: a sync a second, done called after the write */
};

/* Do the sizes go together? Touches nothing. False and a sentence otherwise. */
bool spool_check_sizes(const struct spool_options *options, struct result *why);

/* Opens or makes the spool, recovers what is there and starts the writer. NULL and a sentence when
 * the directory cannot be used (missing rights, locked by another process, not enough room for one
 * segment). metrics (not NULL) gets sigpost_spool_*. */
struct spool *spool_open(const struct spool_options *options, struct metrics *metrics,
                         struct result *why);

/* A descriptor that holds the spool's lock on its directory also when the spool is closed, until it
 * is closed itself: for who has more files beside the spool. -1 when there is none. */
int spool_keep_lock(const struct spool *spool);

/* Writes and syncs what is queued, stops the writer, frees. Readers must be closed before. */
void spool_close(struct spool *spool);

struct spool_record {
    enum signal signal;
    int64_t arrived_ns;   /* wall time */
    struct slice session; /* up to SPOOL_SESSION_MAX */
    struct slice key_id;  /* up to SPOOL_KEY_ID_MAX */
    struct slice payload; /* 1 to max_payload bytes: one serialised Export…ServiceRequest */
    uint32_t items;       /* its data points, spans or log records; 0 when they were not counted */
};

enum spool_outcome {
    SPOOL_DURABLE,
    SPOOL_FULL,   /* no room within wait_ns, or too much waiting in memory */
    SPOOL_FAILED, /* the disk refused; nothing was promised */
    SPOOL_CLOSED  /* spool_close began before it was written */
};

/* Called once for each append, on the writer's thread (or on the caller's, before spool_append
 * returns, when refused at once). Must be short and must not call the spool. */
typedef void (*spool_done)(void *arg, enum spool_outcome outcome);

/* Copies the record (the caller's bytes may go at once). Any thread; never blocks on the disk. */
void spool_append(struct spool *spool, const struct spool_record *record, spool_done done,
                  void *arg);

/* A thread that appends often has an appender: what it added since the last flush goes to the
 * writer together, and what one commit settled comes back together, so that a record costs neither
 * a lock nor a wake-up of its own. */
struct spool_appender;

/* One added record's outcome. The caller's; the spool's from spool_appender_add until it is given
 * to `settled`. */
struct spool_ticket {
    struct spool_ticket *next;
    enum spool_outcome outcome;
};

/* Called with tickets, linked in the order of adding, whose outcome is known: on the writer's
 * thread, or in spool_appender_flush for those refused at once. Must be short and must not call the
 * spool; the appender may be closed from then on. */
typedef void (*spool_settled)(void *arg, struct spool_ticket *tickets);

/* NULL when out of memory. An appender belongs to one thread. */
struct spool_appender *spool_appender_open(struct spool *spool, spool_settled settled, void *arg);
/* Every ticket must have come back. The spool may be closed already. */
void spool_appender_close(struct spool_appender *appender);

/* Copies the record; nothing is known of its outcome, and nobody sees it, before the flush. */
void spool_appender_add(struct spool_appender *appender, const struct spool_record *record,
                        struct spool_ticket *ticket);
/* Hands what was added to the writer. Never blocks on the disk. */
void spool_appender_flush(struct spool_appender *appender);

struct spool_stats {
    uint64_t bytes;           /* of segment files, used parts */
    uint64_t pending_records; /* behind the slowest cursor */
    int64_t oldest_ns;        /* arrival of the oldest record behind the slowest cursor, or 0 */
    uint64_t quarantined;     /* damaged places moved aside since start, recovery included */
    unsigned retry_after_s;   /* when a refused client may hope for room: 1 to 300 */
    bool failed;              /* a write or sync failed for good: restart */
    bool full;                /* records are being refused for lack of room */
    bool disk_full;           /* and the room is the disk's: others may have filled it */
};
void spool_get_stats(struct spool *spool, struct spool_stats *out);

/* The sequence of the last durable record, 0 before the first: what a record has at most whose
 * append was answered SPOOL_DURABLE before. Any thread. */
uint64_t spool_last_sequence(struct spool *spool);

/* --- reading ---------------------------------------------------------------------------------- */

/* Sequence numbers count records from 1 for the life of the spool; 0 is before all. */

struct spool_frame {
    uint64_t sequence;
    enum signal signal;
    int64_t arrived_ns;
    char session[SPOOL_SESSION_MAX + 1];
    char key_id[SPOOL_KEY_ID_MAX + 1];
    uint32_t items;       /* as appended */
    struct slice payload; /* borrowed from the reader until it reads, seeks or is closed */
};

/* Opens the reader `name` ([a-z0-9_-]{1,32}, or two of those with a dot between) at its durable
 * cursor; a new name starts at the oldest record that is still there. NULL and a sentence on
 * failure. A reader belongs to one thread, but for what says otherwise. */
struct spool_reader *spool_reader_open(struct spool *spool, const char *name, struct result *why);

/* As above, for records of some signals (bits SPOOL_SIGNAL(signal)) only. Others are passed over by
 * their header, without a look at their checksum, and hold the cursor back never: while nothing of
 * its own is waiting, the cursor goes along with what is appended. A new name starts where the
 * cursor `heir_of` stands, if there is one (NULL: none is asked for). */
#define SPOOL_SIGNAL(signal) (1U << (signal))
#define SPOOL_ALL_SIGNALS (SPOOL_SIGNAL(SIGNAL_COUNT) - 1)
struct spool_reader *spool_reader_open_for(struct spool *spool, const char *name, unsigned signals,
                                           const char *heir_of, struct result *why);
/* Makes the last acknowledged position durable and frees the reader. */
void spool_reader_close(struct spool_reader *reader);

/* Drops cursors that have no open reader and are not in `names` (destinations taken out of the
 * configuration), so that they hold no segment back. */
void spool_forget_readers_except(struct spool *spool, const char *const *names, size_t n);

enum spool_read { SPOOL_READ_OK, SPOOL_READ_EMPTY, SPOOL_READ_AGAIN, SPOOL_READ_ERROR };

/* Reads the next durable record into *frame, which is untouched otherwise. EMPTY: none yet. AGAIN:
 * a segment ended without one, call again when it suits; only readers that are not for all signals
 * say so. Damage met on the way is skipped and counted. ERROR: out of memory or the file cannot be
 * read now; call again later. */
enum spool_read spool_reader_next(struct spool_reader *reader, struct spool_frame *frame);

/* Goes back: the next record read is the first with a sequence >= `sequence` that is still there.
 */
void spool_reader_seek(struct spool_reader *reader, uint64_t sequence);

/* Everything up to and including `sequence` is done with. The cursor file follows at most a second
 * later, and at close; after a crash some records may be read again, never less. */
void spool_reader_ack(struct spool_reader *reader, uint64_t sequence);

/* The highest sequence that is done with: of this reader's signals nothing up to it is waiting. Any
 * thread, while the reader is open. */
uint64_t spool_reader_position(struct spool_reader *reader);

/* The last durable sequence while the reader has read everything of its signals and knows it
 * (EMPTY), else 0: how far it has read, where the cursor follows later. Any thread, while the
 * reader is open. */
uint64_t spool_reader_drained(struct spool_reader *reader);

/* An eventfd that becomes readable when records for it became durable since the last
 * spool_reader_next that said EMPTY (which clears it), and now and then without. Owned by the
 * reader. */
int spool_reader_wake_fd(struct spool_reader *reader);

#endif
