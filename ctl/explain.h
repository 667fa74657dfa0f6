/* explain.h: what the rooms of sigpostctl explain share: the rules of signing, one by one, and
 * guesses at what the client did instead.
 */
#ifndef SIGPOST_CTL_EXPLAIN_H
#define SIGPOST_CTL_EXPLAIN_H

#include "ctl/judgement.h"

enum rule_state { RULE_GOOD, RULE_NOTE, RULE_BROKEN, RULE_OPEN };

#define RULE_TEXT_MAX 400
#define RULES_MAX 10
#define HINTS_MAX 4

struct rule {
    const char *name;
    enum rule_state state; /* open: not to be told before the others are kept */
    char text[RULE_TEXT_MAX];
};

struct explanation {
    char canonical[SIGNATURE_MESSAGE_MAX(SIGNATURE_PATH_MAX) + 64]; /* NUL-terminated */
    struct rule rules[RULES_MAX];
    size_t n_rules;
    char hints[HINTS_MAX][RULE_TEXT_MAX];
    size_t n_hints;
};

/* Fills the rules and the canonical string. */
void explain_rules(const struct judgement *judgement, struct explanation *out);

/* For a signature in form that no accepted key made: which slip would have made it? Tries other
 * paths, sessions, methods, line ends and readings of the secret, and keys not yet valid. Reads the
 * keys anew, since a ring keeps no secrets. */
void explain_guess(const struct judgement *judgement, struct explanation *out);

/* Adds a sentence while there is room, once: different guesses may come to the same. */
void explain_hint(struct explanation *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
