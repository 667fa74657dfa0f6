/* shell_words.h: cuts a pasted command into words, as a shell does with what was typed.
 *
 * Known: blanks, backslashes, backslash-newline (also before CR LF; ^ in cmd's place of it), '...',
 * "...", $'...', comments and redirections (both left out); the command ends at a line's end, |, &
 * or ;. What only the shell that ran it could fill in ($NAME, $(...), `...`) is refused. Pure.
 */
#ifndef SIGPOST_CTL_SHELL_WORDS_H
#define SIGPOST_CTL_SHELL_WORDS_H

#include "base/result.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct shell_words {
    char **items; /* each NUL-terminated; owned */
    size_t n;
};

/* The words of the first command in text, which holds no NUL. False and a sentence with the line,
 * and *words empty, when a quote is not closed or something is to be filled in. */
bool shell_words_split(struct slice text, struct shell_words *words, struct result *why);

/* The same for the command that begins at *at, which moves behind it. It may have no words. */
bool shell_words_next(struct slice text, size_t *at, struct shell_words *words, struct result *why);
void shell_words_free(struct shell_words *words);

/* Whether the word is one of `list`, where each stands between blanks, the first and last too. */
bool shell_word_is_in(const char *word, const char *list);

#endif
