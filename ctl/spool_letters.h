/* spool_letters.h: the dead letters of a gateway as the verbs of "spool dead" see them: those in
 * dead/ and those in dead/retry/, which somebody put back, as one list. Internal to ctl/.
 *
 * A running gateway works on them meanwhile: a letter that was put back goes when it was delivered
 * and comes back to dead/ when it was refused again. What the list names may be gone.
 */
#ifndef SIGPOST_CTL_SPOOL_LETTERS_H
#define SIGPOST_CTL_SPOOL_LETTERS_H

#include "ctl/spool.h"
#include "otlp/export/dead_letter.h"

#define SPOOL_DEAD_HELP \
    SPOOL_DEAD_SYNOPSES \
    "\n"                \
    "LETTER is the name that list shows first, or the beginning of it that no other has.\n"

struct spool_letter {
    bool put_back;
    char name[DEAD_LETTER_NAME_MAX];
};

struct spool_letters {
    char dead[DEAD_LETTER_PATH_MAX];
    char retry[DEAD_LETTER_PATH_MAX];
    struct spool_letter *all; /* first those of dead/, then those of dead/retry/, each by name */
    size_t n;
};

/* The letters of the configuration's gateway or, with dir, of that directory (see
 * spool_find_place). CTL_DONE, or CTL_FAILED after a line on err; what could be listed is there all
 * the same. spool_letters_close in both cases. */
int spool_letters_open(struct ctl *ctl, const char *dir, struct spool_letters *letters);
void spool_letters_close(struct spool_letters *letters);

/* The directory that it lies in; of `letters`. */
const char *spool_letter_dir(const struct spool_letters *letters,
                             const struct spool_letter *letter);

/* The letter that is called so, or alone begins so; one that was put back also answers to the name
 * that it had before, where no other name fits. NULL after a line on err. */
const struct spool_letter *spool_letter_find(struct ctl *ctl, const struct spool_letters *letters,
                                             const char *wanted);

enum spool_letter_read { SPOOL_LETTER_READ, SPOOL_LETTER_GONE, SPOOL_LETTER_BROKEN };

/* As dead_letter_read; GONE: there is no such file (any more). */
enum spool_letter_read spool_letter_read(const char *dir, const char *name, struct buf *file,
                                         struct dead_letter *out, struct result *why);

/* Why it may have gone since it was listed: the end of a sentence. */
const char *spool_letter_gone_text(const struct spool_letter *letter);

/* sigpostctl spool dead retry and drop. argv[0] is the verb. */
int spool_dead_move(struct ctl *ctl, int argc, char **argv, bool retry);

#endif
