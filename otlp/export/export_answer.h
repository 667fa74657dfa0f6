/* export_answer.h: what an OTLP receiver said in the body of its answer. Pure.
 *
 * A success holds an Export…ServiceResponse, whose partial_success tells how many items it threw
 * away; an error holds a google.rpc.Status or, from proxies in between, any text.
 */
#ifndef SIGPOST_OTLP_EXPORT_ANSWER_H
#define SIGPOST_OTLP_EXPORT_ANSWER_H

#include "base/slice.h"
#include "otlp/signal.h"

#include <stdbool.h>
#include <stdint.h>

#define EXPORT_ANSWER_MESSAGE_MAX 256

struct export_answer {
    uint64_t rejected; /* items that the receiver threw away though it said 200 */
    char message[EXPORT_ANSWER_MESSAGE_MAX]; /* its words: one printable line, cut; may be empty */
    bool foreign; /* an HTML page: whoever answered is no OTLP receiver */
    bool unclear; /* a success whose body cannot be read; `rejected` is not known */
};

/* status: 100 to 599. content_type may be absent (an empty or protobuf body is expected then). */
void export_answer_read(enum signal signal, int status, struct slice content_type,
                        struct slice body, struct export_answer *out);

#endif
