/* registry_names.h: texts that many sessions share (key ids, client versions): each kept once, with
 * the number of sessions that use it. Internal to the registry.
 *
 * At most NAMES_MAX texts: a place is free when nobody uses its text. Who finds none gets
 * NAMES_NONE, which counts too: strangers can choose versions, and must not make the table grow.
 * Taking costs a walk under one lock, at most 1 us; giving back, one atomic subtraction; reading
 * the text of a place that one holds, nothing.
 */
#ifndef SIGPOST_SESSION_REGISTRY_NAMES_H
#define SIGPOST_SESSION_REGISTRY_NAMES_H

#include "base/slice.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define NAMES_MAX 255
#define NAMES_TEXT_MAX 64
#define NAMES_NONE NAMES_MAX /* of who has no text, or found no place */

struct name {
    atomic_size_t users;
    uint8_t len;
    char text[NAMES_TEXT_MAX];
};

struct names {
    pthread_mutex_t lock; /* taking, and reading what one does not hold */
    size_t n;             /* places from here on never were used */
    struct name places[NAMES_MAX + 1];
};

/* Of zeroed memory. */
void names_init(struct names *names);
void names_destroy(struct names *names);

/* A use of the text: its place, or NAMES_NONE when it is absent, empty, too long, or there is no
 * place. Any thread. */
uint8_t names_take(struct names *names, struct slice text);

/* Gives a use back. Any thread. */
void names_drop(struct names *names, uint8_t at);

/* The use at `at` becomes one of this text; returns its place. Costs one comparison when it was of
 * this text before. */
uint8_t names_change(struct names *names, uint8_t at, struct slice text);

/* The text of a place that the caller holds a use of; empty for NAMES_NONE. */
struct slice names_text(const struct names *names, uint8_t at);

/* Copies the text at `at`, below NAMES_MAX, into out (NUL-terminated) and returns how many use it;
 * 0 when nobody does. Any thread. */
size_t names_look(struct names *names, uint8_t at, char out[NAMES_TEXT_MAX + 1]);

/* How many hold NAMES_NONE. */
size_t names_nameless(const struct names *names);

#endif
