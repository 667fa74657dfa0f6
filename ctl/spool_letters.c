/* spool_letters.c: see spool_letters.h. */
#include "ctl/spool_letters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Adds the letters of one directory. */
static int add(struct ctl *ctl, struct spool_letters *letters, bool put_back)
{
    char(*names)[DEAD_LETTER_NAME_MAX] = NULL;
    size_t n = 0;
    struct result why = RESULT_INIT;
    if (!dead_letter_list(put_back ? letters->retry : letters->dead, &names, &n, &why)) {
        return ctl_fail_why(ctl, &why);
    }
    struct spool_letter *grown =
        reallocarray(letters->all, letters->n + n + 1, sizeof(*letters->all));
    if (grown == NULL) {
        free(names);
        return ctl_fail(ctl, "out of memory");
    }
    letters->all = grown;
    for (size_t i = 0; i < n; i++) {
        struct spool_letter *letter = &letters->all[letters->n++];
        letter->put_back = put_back;
        snprintf(letter->name, sizeof(letter->name), "%s", names[i]);
    }
    free(names);
    return CTL_DONE;
}

static int by_place(const void *a, const void *b)
{
    const struct spool_letter *left = a, *right = b;
    return left->put_back != right->put_back ? (int)left->put_back - (int)right->put_back
                                             : strcmp(left->name, right->name);
}

int spool_letters_open(struct ctl *ctl, const char *dir, struct spool_letters *letters)
{
    struct spool_place place;
    *letters = (struct spool_letters){.all = NULL};
    int status = spool_find_place(ctl, dir, &place);
    if (status != CTL_DONE) {
        return status;
    }
    if (place.dead[0] == '\0') {
        return ctl_fail(ctl,
                        "%s is a spool's own directory, without dead letters; they lie in dead/ "
                        "beside it: give the directory that holds both",
                        dir);
    }
    snprintf(letters->dead, sizeof(letters->dead), "%s", place.dead);
    dead_letter_retry_dir(place.dead, letters->retry);
    /* In this order: the gateway moves letters from retry/ to dead/, and none is missed. */
    status = add(ctl, letters, true);
    if (status == CTL_DONE) {
        status = add(ctl, letters, false);
    }
    if (letters->n != 0) {
        qsort(letters->all, letters->n, sizeof(*letters->all), by_place);
    }
    return status;
}

void spool_letters_close(struct spool_letters *letters)
{
    free(letters->all);
    *letters = (struct spool_letters){.all = NULL};
}

const char *spool_letter_dir(const struct spool_letters *letters, const struct spool_letter *letter)
{
    return letter->put_back ? letters->retry : letters->dead;
}

/* --- naming one ------------------------------------------------------------------------------- */

/* In dead/ it was called as in retry/, without the signal; "" for one that lies in dead/. */
static const char *former_name(const struct spool_letter *letter)
{
    for (unsigned i = 0; letter->put_back && i < SIGNAL_COUNT; i++) {
        const char *signal = signal_info((enum signal)i)->name;
        size_t len = strlen(signal);
        if (strncmp(letter->name, signal, len) == 0 && letter->name[len] == '-') {
            return letter->name + len + 1;
        }
    }
    return "";
}

/* False after a line on err: `wanted` is the beginning of several. */
static bool match(struct ctl *ctl, const struct spool_letters *letters, const char *wanted,
                  bool former, const struct spool_letter **found)
{
    size_t len = strlen(wanted);
    *found = NULL;
    for (size_t i = 0; i < letters->n; i++) {
        const struct spool_letter *letter = &letters->all[i];
        const char *name = former ? former_name(letter) : letter->name;
        if (strcmp(name, wanted) == 0 && len != 0) {
            *found = letter;
            return true;
        }
        if (len == 0 || strncmp(name, wanted, len) != 0) {
            continue;
        }
        if (*found != NULL) {
            ctl_fail(ctl, "\"%s\" is the beginning of several letters: %s, %s", wanted,
                     (*found)->name, letter->name);
            return false;
        }
        *found = letter;
    }
    return true;
}

const struct spool_letter *spool_letter_find(struct ctl *ctl, const struct spool_letters *letters,
                                             const char *wanted)
{
    const struct spool_letter *found = NULL;
    for (int former = 0; former < 2 && found == NULL; former++) {
        if (!match(ctl, letters, wanted, former != 0, &found)) {
            return NULL;
        }
    }
    if (found == NULL) {
        ctl_fail(ctl, "there is no dead letter \"%s\"; see: sigpostctl spool dead list", wanted);
    }
    return found;
}

enum spool_letter_read spool_letter_read(const char *dir, const char *name, struct buf *file,
                                         struct dead_letter *out, struct result *why)
{
    errno = 0;
    if (dead_letter_read(dir, name, file, out, why)) {
        return SPOOL_LETTER_READ;
    }
    return errno == ENOENT ? SPOOL_LETTER_GONE : SPOOL_LETTER_BROKEN;
}

const char *spool_letter_gone_text(const struct spool_letter *letter)
{
    return letter->put_back ? "is no longer there: it was delivered, dropped, or refused again and "
                              "then listed anew"
                            : "is no longer there: it was dropped or put back meanwhile";
}
