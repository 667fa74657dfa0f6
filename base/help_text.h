/* help_text.h: the help of a program, read back: from it manual pages and completions are made, so
 * that neither says something else than the program.
 *
 * The form of a help text:
 *
 *     prog noun OPERAND [--option VALUE]   what it does         a synopsis: at the left margin,
 *                       [--more]                                begins with the program's name (or
 *           what it does                                        "usage: "); goes on indented
 *
 *       --option VALUE   what it means                          an item: a term at two blanks or
 *                        more of it                             more, then its text
 *
 *     Anything else is text; an empty line ends it.
 *
 * Two or more blanks stand between a term and its text. A placeholder in capitals stands for a
 * value; "a|b|c" for one of these words.
 */
#ifndef SIGPOST_BASE_HELP_TEXT_H
#define SIGPOST_BASE_HELP_TEXT_H

#include "base/buf.h"
#include "base/slice.h"

enum help_kind { HELP_SYNOPSIS, HELP_ITEM, HELP_TEXT };

struct help_part {
    enum help_kind kind;
    struct buf term; /* of a synopsis or an item: one line, single blanks */
    struct buf text; /* the same; may be empty */
};

/* Takes the next part from the front of *rest; false at the end. `program` is the name that begins
 * a synopsis. *part must be zeroed before the first call, and is given to help_part_free after the
 * last. Out of memory, the texts' `failed` is set. */
bool help_next(struct slice *rest, const char *program, struct help_part *part);
void help_part_free(struct help_part *part);

/* The next word of a term, without brackets and "..."; false at the end. */
bool help_word(struct slice *rest, struct slice *word);

/* Whether a word is a placeholder: capitals, digits, "-" and "_" only, a capital first. */
bool help_is_placeholder(struct slice word);

#endif
