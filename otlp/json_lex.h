/* json_lex.h: a cursor over JSON text (RFC 8259) whose first fault sticks.
 *
 *     for (bool first = true; json_next(&lex, first, '}'); first = false) {
 *         json_name(&lex, &name);
 *         json_skip(&lex);
 *     }
 *     if (lex.fault != NULL) ...   // checked once, at the end
 *
 * Nothing is allocated, nothing is read past `end`. After a fault at == end: json_next is false,
 * json_peek gives JSON_NONE, and the first fault stays. Internal to otlp/json. Thread: any; pure.
 */
#ifndef SIGPOST_OTLP_JSON_LEX_H
#define SIGPOST_OTLP_JSON_LEX_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

enum json_kind {
    JSON_NONE, /* no value begins here */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL
};

struct json_lex {
    const char *begin, *at, *end; /* borrowed */
    const char *fault;            /* NULL, or half a sentence; static */
    const char *fault_at;
};

/* What stands between two quotes; well-formed, and no more than json_unescape is needed. */
struct json_string {
    struct slice raw; /* borrowed from the text */
    bool escaped;     /* raw is not yet what it means */
};

struct json_lex json_lex_over(struct slice text);

/* The kind of the value that begins after white space, where the cursor then stands. */
enum json_kind json_peek(struct json_lex *lex);

/* Steps into the object or array that json_peek has found. */
void json_enter(struct json_lex *lex);

/* Inside an object or array that ends with `close`, `first` before its first element: true when an
 * element or member follows; false when it is over (the cursor is behind it) or at fault. */
bool json_next(struct json_lex *lex, bool first, char close);

/* Each reads one thing and returns whether it is well-formed. */
bool json_name(struct json_lex *lex, struct json_string *name); /* and the colon behind it */
bool json_read_string(struct json_lex *lex, struct json_string *string);
bool json_number(struct json_lex *lex, struct slice *number);
bool json_literal(struct json_lex *lex, enum json_kind kind); /* true, false or null */
bool json_skip(struct json_lex *lex);                         /* any value */

/* Is there nothing but white space left? */
bool json_end(struct json_lex *lex);

/* Writes what the string means, at most raw.len bytes, and returns how many. */
size_t json_unescape(const struct json_string *string, char *to);

#endif
