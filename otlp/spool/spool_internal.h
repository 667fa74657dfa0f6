/* spool_internal.h: what the files of the spool share. Nobody else includes it, but for its tests.
 *
 *     spool.c            open, close
 *     spool_append.c     records in memory, on their way to the writer, and their answers
 *     spool_writer.c     the writer thread: room, group commit, replies
 *     spool_write.c      writing and syncing frames into the current segment
 *     spool_segments.c   the list of segments: making, finishing, finding, deleting, room
 *     spool_recover.c    what is done at start
 *     spool_quarantine.c keeping a copy of what is damaged
 *     spool_cursor.c     cursor files
 *     spool_keeper.c     the keeper thread: cursor files once a second, deleting segments
 *     spool_reader.c     readers: opening, closing, acknowledging
 *     spool_read.c       readers: reading
 *     spool_stats.c      what is told to the outside
 *
 * Threads and locks: `lock` guards everything under "locked" and is never held over disk I/O (one
 * eventfd write excepted). The writer owns `w` and is the only one that makes or writes segments;
 * the keeper is the only one that deletes them. `cursor_files` orders writes of cursor files,
 * `damage` the handling of damage, `peek` the look for the oldest record; each may be held while
 * `lock` is taken, never the other way round.
 */
#ifndef SIGPOST_OTLP_SPOOL_INTERNAL_H
#define SIGPOST_OTLP_SPOOL_INTERNAL_H

#include "otlp/spool/segment.h"
#include "otlp/spool/segment_scan.h"
#include "otlp/spool/spool.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#define SPOOL_NAME_PART_MAX 32
#define SPOOL_NAME_MAX (2 * SPOOL_NAME_PART_MAX + 1) /* of a reader */
#define SPOOL_IOV 1024                               /* IOV_MAX of Linux */
#define SPOOL_RECENT 1024 /* commits whose arrival times are remembered */
#define SPOOL_SEGMENT_MAX ((uint64_t)16 << 20)
#define SPOOL_SEGMENT_SLACK ((uint64_t)1 << 20)
#define SPOOL_FILE_PATH_MAX 96           /* of a file of ours, relative to the directory */
#define SPOOL_NEW_NAME "new.seg.tmp"     /* a segment that is being made */
#define SPOOL_SPARE_NAME "spare.seg.tmp" /* the file of one that all have passed */

/* The system calls that decide about durability: tests put failing ones here. */
struct spool_system {
    int (*fdatasync)(int fd);
    int (*fallocate)(int fd, int mode, off_t offset, off_t len);
    ssize_t (*writev)(int fd, const struct iovec *iov, int n);
};
extern struct spool_system spool_system;

/* Memory of jobs, filled from the front. Freed, or kept by its appender for another time, when it
 * has no user left. */
struct spool_block {
    struct spool_block *next;        /* of the kept ones */
    struct spool_appender *appender; /* NULL: it is one job's */
    atomic_uint users;               /* jobs in it, and the appender while it fills it */
    size_t used, cap;
    _Alignas(max_align_t) uint8_t bytes[];
};

/* A record on its way: the frame's header is filled in by the writer. */
struct spool_job {
    struct spool_job *next;
    struct spool_block *block;
    struct spool_ticket *ticket; /* or NULL: done(arg) */
    spool_done done;
    void *arg;
    int64_t deadline_ns; /* monotonic: refused when there was no room until then */
    struct segment_frame frame;
    uint32_t body_crc;
    uint8_t bytes[]; /* frame.total of them */
};

struct spool_jobs {
    struct spool_job *head, *tail;
};

/* A damaged place of a segment that was dealt with: readers go on at `resume`. */
struct spool_damage {
    uint64_t at, resume;
};

struct spool_segment {
    uint64_t first; /* sequence of its first record, also its name */
    uint64_t last;  /* no record in it is above; the current one: the last durable record */
    uint64_t id;    /* 0: the file could not be opened at start; its readers try again */
    uint64_t used;  /* readers may read up to here: what is durable */
    int64_t made_ns;
    bool closed; /* nothing will be added */
    bool reused; /* of one found at start: its file held another before */
    bool uncut;  /* behind its frames may be the unused part of the file: no start cut it off */
    struct spool_damage *damage;
    size_t n_damage;
};

struct spool_cursor {
    char name[SPOOL_NAME_MAX + 1];
    uint64_t acked;              /* records of other signals behind the last one included */
    uint64_t due;                /* as acknowledged: the file is to say so, or more, in a second */
    uint64_t durable;            /* in the file */
    int64_t retry_at_ns;         /* monotonic: the file is not written before */
    bool on_disk;                /* there is a file */
    struct spool_reader *reader; /* or NULL: known from its file */
};

/* Owned by the writer thread. */
struct spool_write {
    int fd; /* of the current segment, or -1 */
    uint64_t id;
    uint64_t first;
    uint64_t end;      /* offset behind the last whole frame */
    uint64_t size;     /* preallocated for it */
    uint64_t limit;    /* frames end at or before: size, or less after a write that failed */
    uint64_t last;     /* sequence of the last frame written */
    uint64_t next;     /* sequence of the next frame */
    size_t group;      /* records of the last commit */
    bool reused;       /* an end mark goes behind what is written */
    unsigned signals;  /* of the frames written since the last publishing */
    bool refused;      /* for lack of room, and none was found since */
    bool disk_full;    /* it was the disk that had no room last, not max_bytes */
    bool unsynced;     /* written frames wait for a sync (interval) */
    int64_t synced_ns; /* monotonic: the last sync */
    bool wake_due;     /* readers are to be told of what was published */
    int64_t woken_ns;  /* monotonic: they were told last */
    struct spool_jobs waiting;   /* taken from the queue, not yet written */
    struct iovec iov[SPOOL_IOV]; /* the last is for the end mark */
};

struct spool_recent {
    uint64_t first;
    int64_t arrived_ns;
};

struct spool {
    char *dir; /* for messages */
    int dir_fd;
    int lock_fd;
    struct spool_options options; /* dir is not valid in it */
    uint64_t segment_bytes;
    pthread_t writer, keeper;
    bool writer_runs, keeper_runs;

    struct metric *sync_seconds, *records, *quarantined_total, *refused_full, *refused_failed;
    struct metric *bytes_gauge, *oldest_gauge;
    struct spool *next_open; /* list of open spools, for scrapes */

    struct spool_write w;
    atomic_uint taken; /* signals of all readers that are open */

    pthread_mutex_t lock;
    pthread_cond_t work;   /* for the writer */
    pthread_cond_t chores; /* for the keeper */
    /* locked */
    struct spool_jobs queue;
    uint64_t queued_bytes; /* of all jobs not yet answered */
    bool gathering;        /* the writer wakes by itself, soon */
    bool stopping, keeper_stopping, failed, room_freed, keeper_due;
    bool full;                      /* records were refused and nothing was taken since */
    bool no_room;                   /* records wait, or were refused, for lack of room on disk */
    bool disk_full;                 /* that room is the disk's, not max_bytes */
    struct spool_segment *segments; /* by rising `first` */
    size_t n_segments, cap_segments;
    uint64_t allocated; /* bytes that segment files may take: closed ones and the whole current */
    uint64_t spare;     /* bytes of the spare file, among the allocated; 0: there is none */
    uint64_t durable;   /* sequence of the last record that readers may read */
    struct spool_cursor *cursors;
    size_t n_cursors;
    struct spool_recent recent[SPOOL_RECENT];
    size_t n_recent; /* ever put in; the newest SPOOL_RECENT are there */
    uint64_t quarantined;
    uint64_t freed[2]; /* bytes, in this half minute and the one before */
    int64_t freed_since_ns;
    /* end of locked */

    pthread_mutex_t cursor_files;
    pthread_mutex_t damage;
    pthread_mutex_t peek;
    struct segment_scan peek_scan; /* peek; fd -1 when nothing is open */
    uint64_t peek_first;
};

/* --- spool_segments.c --- */

/* Index of the first segment whose `last` is >= sequence, or n_segments. Locked. */
size_t spool_segment_find(const struct spool *spool, uint64_t sequence);
/* The segment whose `first` it is, or NULL. Locked; the pointer is valid as long as the lock. */
struct spool_segment *spool_segment_of(struct spool *spool, uint64_t first);
bool spool_segment_add(struct spool *spool, const struct spool_segment *segment);
/* Takes the oldest out of the list. Locked. */
void spool_segment_drop_first(struct spool *spool);
/* Opens for reading, -1 and errno on failure. */
int spool_segment_open(const struct spool *spool, uint64_t first, int flags);
uint64_t spool_frame_max(uint32_t max_payload);

enum spool_room { SPOOL_ROOM, SPOOL_NO_ROOM, SPOOL_BROKEN };
/* Writer: finishes the current segment, if there is one, and makes the next. NO_ROOM: as before. */
enum spool_room spool_segment_roll(struct spool *spool);
/* Writer: makes the next when the current one may be too short for the longest record. */
enum spool_room spool_segment_make_room(struct spool *spool);
/* Writer: cuts the current segment to its frames, syncs and closes it. False: the disk failed. */
bool spool_segment_finish(struct spool *spool);

/* --- spool_write.c --- */

/* Writes waiting jobs that fit into the current segment, makes them durable and answers them.
 * NO_ROOM when the disk took none of them. BROKEN: the disk failed, the spool has been told. */
enum spool_room spool_write_group(struct spool *spool);
/* fdatasync of the current segment, timed; false: the disk failed, the spool has been told. */
bool spool_write_sync(struct spool *spool);
/* Lets readers see what was written; they are woken when the writer's round ends. */
void spool_write_publish(struct spool *spool);
/* A write or sync failed for good: one log line, `failed` is set. */
void spool_write_failed(struct spool *spool, const char *what, int error);

/* --- spool_writer.c --- */

void *spool_writer_main(void *spool);

/* --- spool_append.c --- */

void spool_jobs_push(struct spool_jobs *jobs, struct spool_job *job);
struct spool_job *spool_jobs_pop(struct spool_jobs *jobs);
/* Moves all of `from` behind those of `to`. */
void spool_jobs_move(struct spool_jobs *to, struct spool_jobs *from);
/* Writer: tells all of them, counts, frees; `jobs` is empty then. */
void spool_jobs_answer(struct spool *spool, struct spool_jobs *jobs, enum spool_outcome outcome);

/* --- spool_recover.c --- */

/* Reads the directory: fills segments and cursors, sets w.next. False only when out of memory or
 * the directory cannot be read. */
bool spool_recover(struct spool *spool, struct result *why);

/* --- spool_quarantine.c --- */

/* Copies bytes [from, to) of fd into the quarantine, counts and logs. False when no copy could be
 * kept (already logged). */
bool spool_quarantine_range(struct spool *spool, int fd, uint64_t first, uint64_t from, uint64_t to,
                            const char *what);
/* Moves a whole segment file there. False when it could not be moved. */
bool spool_quarantine_file(struct spool *spool, const char *name, const char *what);

/* --- spool_cursor.c --- */

bool spool_name_valid(const char *name);
/* Reads cursor.<name>. False: no memory. A file that makes no sense is a cursor at 0. */
bool spool_cursor_load(struct spool *spool, const char *name);
/* Writes the cursor's file as the cursor is now, and notes that. False and errno on failure. Takes
 * cursor_files, then lock. */
bool spool_cursor_store(struct spool *spool, const char *name);
bool spool_cursor_remove(struct spool *spool, const char *name);
/* Locked. */
struct spool_cursor *spool_cursor_find(struct spool *spool, const char *name);
struct spool_cursor *spool_cursor_add(struct spool *spool, const char *name, uint64_t acked);
/* The slowest; false when there is none. Locked. */
bool spool_cursor_slowest(const struct spool *spool, uint64_t *acked);

/* --- spool_keeper.c --- */

void *spool_keeper_main(void *spool);
/* Is there a segment that no cursor needs? Locked. */
bool spool_keeper_may_delete(const struct spool *spool);
/* Wakes the keeper if there is. Locked. */
void spool_keeper_look(struct spool *spool);

/* --- spool_reader.c, spool_read.c --- */

#define SPOOL_MARKS 64

struct spool_mark {
    uint64_t pos, previous;
};

/* A reader that is asleep and has nothing unacknowledged is carried along by the writer: its cursor
 * moves with every commit that holds nothing for it, and `resume` is where it goes on when woken.
 * It is woken for records of its own, and at each new segment, so that it does not keep the file of
 * a deleted one open. */

struct spool_reader {
    struct spool *spool;
    char name[SPOOL_NAME_MAX + 1];
    int wake_fd;
    unsigned signals;
    bool asleep;     /* said EMPTY: the writer is to wake it. Locked */
    bool due;        /* the writer is about to. Locked */
    uint64_t handed; /* the last record handed out; locked while asleep */
    struct {         /* where to go on; first 0: where the scan is. Locked */
        uint64_t first, pos, previous;
    } resume;
    uint64_t want;  /* the next record has this sequence or a higher one */
    uint64_t first; /* of the open segment, as is all below; scan.fd is -1 when there is none */
    struct segment_scan scan;
    struct spool_mark marks[SPOOL_MARKS];
    size_t n_marks;
};

void spool_reader_leave_segment(struct spool_reader *reader);

/* Where a sleeping reader with nothing unacknowledged stands, up to what is durable. Locked. */
void spool_reader_carry(struct spool_reader *reader, struct spool_cursor *cursor);
/* Records of these signals became durable: marks the readers that are to be woken for them, carries
 * the others along. Locked. */
void spool_readers_tell(struct spool *spool, unsigned signals);
/* Makes the descriptors of marked readers readable. */
void spool_readers_wake(struct spool *spool);

/* --- spool_stats.c --- */

void spool_stats_register(struct spool *spool, struct metrics *metrics);
void spool_stats_unregister(struct spool *spool);
/* Keeps no deleted segment open: its room would not come free. Takes peek. */
void spool_stats_forget_segment(struct spool *spool, uint64_t first);

#endif
