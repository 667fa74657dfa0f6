/* export_letters.c: see export_letters.h. */
#include "otlp/export/export_letters.h"

#include "base/clock.h"
#include "base/log.h"
#include "otlp/export/export_loop.h"

#include <errno.h>

#define BURY_AGAIN_MAX_NS (10 * NS_PER_SECOND) /* between looks at a full directory */
#define LOOK_NS NS_PER_SECOND                  /* between looks for letters put back */

void export_letters_init(struct export_letters *letters, const struct retry_policy *policy)
{
    *letters = (struct export_letters){.file = BUF_INIT};
    retry_init(&letters->retry, policy);
}

void export_letters_free(struct export_letters *letters)
{
    buf_free(&letters->file);
}

/* --- setting aside ---------------------------------------------------------------------------- */

static void buried(struct export_lane *lane, int64_t now)
{
    struct export_letters *letters = &lane->letters;
    if (letters->bury_again != 0) {
        letters->bury_again = 0;
        export_report_solved(&lane->destination->report, lane->signal, EXPORT_PROBLEM_LETTERS,
                             now - letters->bury_failed_since);
    }
}

/* Stores it, or says why not and when it is tried again. */
static bool store(struct export_lane *lane, const struct dead_letter *letter, const char *returned,
                  int64_t now)
{
    struct destination_otlp *d = lane->destination;
    struct export_letters *letters = &lane->letters;
    struct result why = RESULT_INIT;
    enum dead_letter_outcome outcome = dead_letter_store(d->dead, letter, returned, &why);
    if (outcome == DEAD_LETTER_STORED) {
        export_report_dead(&d->report, letter);
        buried(lane, now);
        return true;
    }
    int64_t pause = d->retry.max_ns < BURY_AGAIN_MAX_NS ? d->retry.max_ns : BURY_AGAIN_MAX_NS;
    letters->bury_failed_since = letters->bury_again == 0 ? now : letters->bury_failed_since;
    letters->bury_again = now + pause;
    export_report_problem(&d->report, lane->signal, EXPORT_PROBLEM_LETTERS, (int)outcome,
                          letters->bury_again, "%s", why.text);
    return false;
}

void export_letters_bury(struct export_lane *lane, int64_t now)
{
    struct parcel *parcel = NULL;
    if (now < lane->letters.bury_again) {
        return;
    }
    while ((parcel = exporter_dead(lane->exporter)) != NULL) {
        struct batch_frame frame = batch_frame(parcel->batch, 0);
        const struct dead_letter letter = {
            .reason = slice_of(dead_letter_reason(parcel->status)),
            .status = parcel->status,
            .signal = lane->signal,
            .session = frame.session,
            .key_id = frame.key_id,
            .arrived_ns = frame.arrived_ns,
            .sequence = frame.sequence,
            .items = frame.items,
            .destination = slice_of(lane->destination->name),
            .url = slice_of(export_http_url(lane->http, lane->signal)),
            .answer = slice_of(parcel->answer),
            .payload = frame.payload,
        };
        if (!store(lane, &letter, NULL, now)) {
            return;
        }
        exporter_buried(lane->exporter, parcel);
    }
}

/* --- sending again ---------------------------------------------------------------------------- */

static void retry_dir(const struct export_lane *lane, char out[DEAD_LETTER_PATH_MAX])
{
    dead_letter_retry_dir(lane->destination->dead->dir, out);
}

/* Reads waiting[next_waiting]; a file that is no letter is passed over, until the next look, and
 * one that somebody dropped. */
static bool open_next(struct export_lane *lane)
{
    struct export_letters *letters = &lane->letters;
    char dir[DEAD_LETTER_PATH_MAX];
    retry_dir(lane, dir);
    while (letters->next_waiting < letters->n_waiting) {
        const char *name = letters->waiting[letters->next_waiting];
        struct result why = RESULT_INIT;
        bool read = dead_letter_read(dir, name, &letters->file, &letters->letter, &why);
        bool dropped = !read && errno == ENOENT;
        if (read && letters->letter.signal == lane->signal) {
            return true;
        }
        if (!dropped) {
            LOG_WARN("dead letter: what was put back cannot be sent again", LOG_STR("file", name),
                     LOG_STR("problem", read ? "it is of another signal" : why.text));
        }
        letters->next_waiting++;
    }
    return false;
}

static size_t list_behind(struct export_lane *lane, const char *after)
{
    struct export_letters *letters = &lane->letters;
    const struct destination_otlp *d = lane->destination;
    return dead_letter_waiting(d->dead->dir, lane->signal, d->name, after, letters->waiting,
                               EXPORT_LETTERS_LISTED);
}

/* The next ones, from the first again behind the last. False when there is none at all. */
static bool list_waiting(struct export_lane *lane)
{
    struct export_letters *letters = &lane->letters;
    letters->next_waiting = 0;
    letters->n_waiting = list_behind(lane, letters->after);
    if (letters->n_waiting == 0 && letters->after[0] != '\0') {
        letters->n_waiting = list_behind(lane, "");
    }
    letters->after[0] = '\0';
    if (letters->n_waiting != 0) {
        memcpy(letters->after, letters->waiting[letters->n_waiting - 1], sizeof(letters->after));
    }
    return letters->n_waiting != 0;
}

/* Whoever was in trouble may have been dropped meanwhile. */
static void nothing_waits(struct export_lane *lane, int64_t now)
{
    struct export_letters *letters = &lane->letters;
    int64_t since = letters->retry.since;
    if (retry_answered(&letters->retry, true)) {
        export_report_solved(&lane->destination->report, lane->signal, EXPORT_PROBLEM_RETRIAL,
                             now - since);
    }
    if (exporter_dead(lane->exporter) == NULL) {
        buried(lane, now);
    }
}

void export_letters_send(struct export_lane *lane, int64_t now)
{
    struct export_letters *letters = &lane->letters;
    if (letters->sending || now < letters->look_at || !retry_may_send(&letters->retry, now) ||
        exporter_retry(lane->exporter)->phase != RETRY_FLOWING) {
        return;
    }
    if (letters->next_waiting == letters->n_waiting && !list_waiting(lane)) {
        nothing_waits(lane, now);
    }
    if (!open_next(lane)) {
        letters->look_at = now + LOOK_NS;
        return;
    }
    if (!export_http_send(lane->http, lane->signal, letters->letter.payload, letters)) {
        letters->look_at = now + LOOK_NS;
        return;
    }
    retry_sent(&letters->retry);
    letters->sending = true;
}

static void delivered(struct export_lane *lane, const struct export_answer *answer, int64_t now)
{
    struct export_letters *letters = &lane->letters;
    struct destination_otlp *d = lane->destination;
    const char *name = letters->waiting[letters->next_waiting];
    char dir[DEAD_LETTER_PATH_MAX];
    struct result why = RESULT_INIT;
    retry_dir(lane, dir);
    export_report_delivered(&d->report, letters->letter.items, answer->rejected,
                            export_http_url(lane->http, lane->signal), answer->message);
    LOG_INFO("destination took a dead letter that was sent again", LOG_STR("destination", d->name),
             LOG_STR("file", name));
    if (!dead_letter_remove(dir, name, &why) && errno != ENOENT) {
        LOG_WARN("dead letter: delivered, but it will be sent once more",
                 LOG_STR("problem", why.text));
    }
    letters->next_waiting++;
    if (exporter_dead(lane->exporter) == NULL) {
        buried(lane, now); /* it may have been refused before, without room for it */
    }
}

static void refused(struct export_lane *lane, int status, const struct export_answer *answer,
                    int64_t now)
{
    struct export_letters *letters = &lane->letters;
    struct dead_letter again = letters->letter;
    again.status = status;
    again.reason = slice_of(dead_letter_reason(status));
    again.url = slice_of(export_http_url(lane->http, lane->signal));
    again.answer = slice_of(answer->message);
    if (!store(lane, &again, letters->waiting[letters->next_waiting], now)) {
        letters->look_at = letters->bury_again;
        return;
    }
    letters->next_waiting++;
}

void export_letters_take(struct export_lane *lane, const struct export_http_reply *reply,
                         enum retry_verdict verdict, const struct export_answer *answer,
                         int64_t retry_after, int64_t now)
{
    struct export_letters *letters = &lane->letters;
    struct export_report *report = &lane->destination->report;
    bool probe = letters->retry.phase == RETRY_PROBING;
    char text[EXPORT_EXPLAIN_MAX];
    letters->sending = false;
    if (verdict == RETRY_LATER || verdict == RETRY_OPERATOR) {
        retry_failed(&letters->retry, verdict, retry_after, probe, now, export_lane_random());
        letters->look_at = letters->retry.until;
        letters->next_waiting++; /* the others are not to wait for it; its turn comes again */
        export_lane_explain(reply, answer, text);
        export_report_problem(report, lane->signal, EXPORT_PROBLEM_RETRIAL, reply->status,
                              letters->look_at, "%s: a dead letter that was put back: %s",
                              export_http_url(lane->http, lane->signal), text);
        return;
    }
    int64_t since = letters->retry.since;
    if (retry_answered(&letters->retry, probe)) {
        export_report_solved(report, lane->signal, EXPORT_PROBLEM_RETRIAL, now - since);
    }
    if (verdict == RETRY_DELIVERED) {
        delivered(lane, answer, now);
    } else {
        refused(lane, reply->status, answer, now);
    }
}

int64_t export_letters_due_at(const struct export_lane *lane)
{
    const struct export_letters *letters = &lane->letters;
    bool waits = letters->sending || exporter_retry(lane->exporter)->phase != RETRY_FLOWING;
    int64_t due = waits ? INT64_MAX : letters->look_at;
    if (letters->bury_again != 0 && letters->bury_again < due) {
        due = letters->bury_again;
    }
    return due;
}
