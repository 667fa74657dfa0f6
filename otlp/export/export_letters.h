/* export_letters.h: a lane's dead letters: setting aside what was refused, and sending again what
 * somebody put back. Internal to destination_otlp; all on the lane's thread.
 *
 * A letter that was put back (dead_letter_put_back) lies in retry/ until it was delivered, or
 * refused once more and set aside anew; the file is removed after that. A crash in between sends it
 * twice, never not at all. They go one at a time in turns, beside the lane's batches and while
 * those flow, with a backoff of their own.
 */
#ifndef SIGPOST_OTLP_EXPORT_LETTERS_H
#define SIGPOST_OTLP_EXPORT_LETTERS_H

#include "otlp/export/dead_letter.h"
#include "otlp/export/export_answer.h"
#include "otlp/export/export_http.h"
#include "otlp/export/retry.h"

#define EXPORT_LETTERS_LISTED 32 /* names remembered from one look into retry/ */

struct export_lane;

struct export_letters {
    int64_t bury_again; /* not before; 0: the last letter was set aside */
    int64_t bury_failed_since;
    char waiting[EXPORT_LETTERS_LISTED][DEAD_LETTER_NAME_MAX];
    size_t n_waiting, next_waiting;
    char after[DEAD_LETTER_NAME_MAX]; /* the last of the look before: those behind it are next */
    int64_t look_at;                  /* monotonic: not before */
    bool sending;                     /* waiting[next_waiting] */
    struct buf file;                  /* which letter borrows from */
    struct dead_letter letter;
    struct retry retry; /* of letters put back */
};

void export_letters_init(struct export_letters *letters, const struct retry_policy *policy);
void export_letters_free(struct export_letters *letters);

/* Sets aside what the engine has refused. Where that cannot be, it is held, and with it the cursor:
 * nothing is dropped in silence. */
void export_letters_bury(struct export_lane *lane, int64_t now);

/* Sends the next letter that was put back, when there is one and it is time. */
void export_letters_send(struct export_lane *lane, int64_t now);

/* The reply to it: its arg is &lane->letters. answer may be empty. */
void export_letters_take(struct export_lane *lane, const struct export_http_reply *reply,
                         enum retry_verdict verdict, const struct export_answer *answer,
                         int64_t retry_after, int64_t now);

/* When there may be something to do here; in the past when now. */
int64_t export_letters_due_at(const struct export_lane *lane);

#endif
