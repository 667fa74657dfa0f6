/* spool.h: what the verbs of "spool" share. Internal to ctl/.
 *
 *   spool.c           the table of verbs
 *   spool_place.c     where the files are
 *   spool_view.c      what waits for whom
 *   spool_files.c     the segments and cursors of a spool, read without a lock
 *   spool_letters.c   the dead letters
 *   spool_VERB.c      as they say
 *
 * All of them only read the spool, while the gateway runs or not, and take no lock: the gateway's
 * start is not disturbed. What they read may be deleted under them, and may come from a bad disk.
 */
#ifndef SIGPOST_CTL_SPOOL_H
#define SIGPOST_CTL_SPOOL_H

#include "ctl/ctl.h"
#include "ctl/spool_files.h"

#include <jansson.h>

/* Of `spool dead`, for its own help and for that of the noun. */
#define SPOOL_DEAD_SYNOPSES                                                                        \
    "sigpostctl spool dead list [--json] [--names] [--dir DIR]\n"                                  \
    "      one line a letter, oldest first, then those put back; --names: only the names\n"        \
    "sigpostctl spool dead show LETTER [--json] [--raw] [--dir DIR]\n"                             \
    "      why it was refused, and the request as OTLP/JSON; --raw: its bytes as they were sent\n" \
    "sigpostctl spool dead retry LETTER... | --all [--dir DIR]\n"                                  \
    "      puts letters back: the gateway sends each again to the destination that refused it;\n"  \
    "      one that is refused again is a dead letter again\n"                                     \
    "sigpostctl spool dead drop LETTER... | --all [--dir DIR]\n"                                   \
    "      throws letters away, those that were put back as well; one that is being sent may\n"    \
    "      still arrive\n"

#define SPOOL_PLACE_MAX 4096

/* Of a spool whose dead letters are not known. */
#define SPOOL_NO_LETTERS \
    "not looked at: this is a spool's own directory, they lie in dead/ beside it"

/* The verbs. argv[0] is the verb. */
int spool_status(struct ctl *ctl, int argc, char **argv);
int spool_ls(struct ctl *ctl, int argc, char **argv);
int spool_dump(struct ctl *ctl, int argc, char **argv);
int spool_verify(struct ctl *ctl, int argc, char **argv);
int spool_dead(struct ctl *ctl, int argc, char **argv);

struct spool_place {
    char spool[SPOOL_PLACE_MAX]; /* the directory of segments and cursors; "": not known */
    char dead[SPOOL_PLACE_MAX];  /* the directory of dead letters; "": not known */
};

/* The directories of the configuration or, with dir, of a state directory or a copy of one; dir may
 * also be the spool's or the dead letters' directory itself, and then the other is not known. A dir
 * that is none of these is refused: an empty answer would read as a sound spool. CTL_DONE, or
 * CTL_FAILED after a line on err. */
int spool_find_place(struct ctl *ctl, const char *dir, struct spool_place *out);

/* As above, and opens the spool in it. */
int spool_open_files(struct ctl *ctl, const char *dir, struct spool_place *place,
                     struct spool_files *files);

/* What is behind a cursor of its own signals; zeros when nothing is. */
struct spool_waiting {
    uint64_t records, bytes;
    uint64_t first;    /* sequence of the oldest */
    int64_t oldest_ns; /* its arrival */
};

/* A spool with what waits in it. */
struct spool_view {
    struct spool_files files;
    struct spool_waiting *waiting; /* one for each of files.cursors */
    uint64_t bytes;                /* of the segments, without what the newest has still free */
    uint64_t last;                 /* sequence of the last record */
};

/* As spool_open_files, and walks over the headers of what waits: a cursor's file alone does not
 * tell, because it is not written for records of other signals. spool_close_view in both cases. */
int spool_open_view(struct ctl *ctl, const char *dir, struct spool_place *place,
                    struct spool_view *view);
void spool_close_view(struct spool_view *view);

/* "2026-01-31T12:00:00.000Z", or "-" for 0. */
#define SPOOL_TIME_MAX 40
const char *spool_time(int64_t wall_ns, char out[SPOOL_TIME_MAX]);

/* Writes and frees it. CTL_DONE, or CTL_FAILED after a line on err. */
int spool_put_json(struct ctl *ctl, json_t *json);

/* "unreadable", "damaged" and the like, as words and as sentences. */
const char *spool_fault_word(enum spool_fault fault);
void spool_fault_explain(enum spool_fault fault, uint64_t from, uint64_t to, int error,
                         struct result *out);

/* A number of an option; false after a line on err. *value is left alone when text is NULL. */
bool spool_number(struct ctl *ctl, const char *verb, const char *option, const char *text,
                  uint64_t *value);

/* The signal of that name in *signals as a set of one; all when text is NULL. False after a line on
 * err. */
bool spool_signals(struct ctl *ctl, const char *verb, const char *text, unsigned *signals);

#endif
