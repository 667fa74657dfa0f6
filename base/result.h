/* result.h: how a function that can fail says why, in one sentence for a person.
 *
 *     bool keyring_open(..., struct result *why);
 *     ...
 *     return result_fail(why, "%s: mode %04o lets others read it; run: chmod 600 %s", ...);
 *
 * The text says what is wrong, where, and what would be right. It never holds a secret.
 */
#ifndef SIGPOST_BASE_RESULT_H
#define SIGPOST_BASE_RESULT_H

#include <stdbool.h>

#define RESULT_TEXT_MAX 512

struct result {
    char text[RESULT_TEXT_MAX]; /* NUL-terminated; empty when nothing failed */
    int error;                  /* errno, where a system call failed and the text ends with it */
};

#define RESULT_INIT ((struct result){.error = 0})

/* Writes the sentence (cut at RESULT_TEXT_MAX - 1) and returns false, so that a function may end
 * with `return result_fail(...)`. why may be NULL. */
bool result_fail(struct result *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As result_fail, with ": " and the text of errno value `error` behind the sentence. errno is
 * `error` when it returns. */
bool result_fail_errno(struct result *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Hands on what another result says, and returns false. why may be NULL. */
bool result_pass(struct result *why, const struct result *said);

#endif
