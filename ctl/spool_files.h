/* spool_files.h: the files of a spool directory as somebody else sees them: a list of segments and
 * cursors, and a walk over the records. Nothing is locked, changed or believed.
 */
#ifndef SIGPOST_CTL_SPOOL_FILES_H
#define SIGPOST_CTL_SPOOL_FILES_H

#include "base/result.h"
#include "otlp/spool/segment.h"
#include "otlp/spool/spool.h"

#define SPOOL_CURSOR_NAME_MAX 96

struct spool_file {
    uint64_t first; /* sequence, from the name */
    uint64_t bytes; /* of the file */
    bool newest;    /* the gateway may be writing it */
    char name[SEGMENT_NAME_LEN + 1];
};

struct spool_cursor_file {
    char name[SPOOL_CURSOR_NAME_MAX]; /* "otlp.metrics" */
    uint64_t sequence;                /* 0 when it makes no sense */
    bool sound;
    unsigned signals; /* of its name; all for a name without one */
};

struct spool_files {
    int fd;
    struct spool_file *segments; /* rising */
    size_t n_segments;
    struct spool_cursor_file *cursors; /* by name */
    size_t n_cursors;
    uint64_t quarantine_files, quarantine_bytes;
    bool has_lock; /* the file is there: a gateway was started with this directory */
    bool running;  /* somebody holds the lock (told by /proc/locks) */
};

/* False and a sentence when the directory cannot be read. spool_files_close in both cases. */
bool spool_files_open(const char *dir, struct spool_files *files, struct result *why);
void spool_files_close(struct spool_files *files);

enum spool_fault {
    SPOOL_FAULT_HEADER,     /* of the segment */
    SPOOL_FAULT_FRAMES,     /* sound ones, or the end of the segment, behind it */
    SPOOL_FAULT_UNFINISHED, /* the end of the newest segment: a write that a crash tore, or one that
                               is under way */
    SPOOL_FAULT_UNREADABLE  /* the system says so: `error` */
};

struct spool_walk {
    uint64_t from;    /* sequence: records before are passed over, whole segments where possible */
    uint64_t until;   /* sequence of the last record; UINT64_MAX for all */
    unsigned signals; /* bits SPOOL_SIGNAL(signal) */
    bool whole; /* every record's checksum is checked, those passed over included; else headers
                   are believed, and bytes is NULL */
    /* A record at `offset`; bytes: frame->total of them, header first, for the time of the call.
     * False ends the walk. */
    bool (*record)(void *arg, const struct spool_file *file, const struct segment_frame *frame,
                   uint64_t offset, const uint8_t *bytes);
    /* Bytes [from, to) of the file are not what was written. May be NULL. */
    void (*fault)(void *arg, const struct spool_file *file, enum spool_fault fault, uint64_t from,
                  uint64_t to, int error);
    void *arg;
};

/* Walks over the segments in order. Files that were deleted meanwhile are passed over. */
void spool_files_walk(const struct spool_files *files, const struct spool_walk *walk);

/* When the segment was made, wall time; 0 when its header cannot be read. */
int64_t spool_file_made(const struct spool_files *files, const struct spool_file *file);

#endif
