/* export_loop.c: see export_loop.h. The engine (exporter.h) decides, libcurl (export_http.h) moves
 * the bytes, export_report.h tells. */
#include "otlp/export/export_loop.h"

#include "base/clock.h"
#include "base/log.h"
#include "otlp/export/export_answer.h"

#include <stdio.h>
#include <sys/random.h>

#define READ_ROUND 64               /* frames read before the wire gets its turn */
#define READ_AGAIN_NS NS_PER_SECOND /* after a read error */
#define WAIT_MAX_NS NS_PER_SECOND

/* --- spool to engine -------------------------------------------------------------------------- */

static void read_failed(struct export_lane *lane, int64_t now)
{
    if (lane->read_again == 0) {
        lane->read_failed_since = now;
    }
    lane->read_again = now + READ_AGAIN_NS;
    export_report_problem(&lane->destination->report, lane->signal, EXPORT_PROBLEM_SPOOL, 0,
                          lane->read_again, "the spool cannot be read for destination %s",
                          lane->destination->name);
}

/* Fills `staged`; false when there is no frame now. *again: there may be one at the next call. */
static bool stage(struct export_lane *lane, int64_t now, bool *again)
{
    enum spool_read outcome = spool_reader_next(lane->reader, &lane->staged.frame);
    lane->empty = outcome == SPOOL_READ_EMPTY;
    *again = outcome == SPOOL_READ_AGAIN;
    if (outcome == SPOOL_READ_ERROR) {
        read_failed(lane, now);
        return false;
    }
    if (lane->read_again != 0) {
        lane->read_again = 0;
        export_report_solved(&lane->destination->report, lane->signal, EXPORT_PROBLEM_SPOOL,
                             now - lane->read_failed_since);
    }
    /* Nobody looked into a record whose items are not known: laid end to end with others, a payload
     * that is not whole would take their bytes for its own. */
    lane->staged.alone = lane->staged.frame.items == 0;
    lane->staged.full = outcome == SPOOL_READ_OK;
    return lane->staged.full;
}

/* True when it stopped only to let the wire have its turn. */
static bool pull(struct export_lane *lane, int64_t now)
{
    const struct spool_frame *frame = &lane->staged.frame;
    bool again = true;
    lane->empty = false;
    for (int i = 0; i < READ_ROUND; i++) {
        if (!lane->staged.full &&
            (now < lane->read_again || !exporter_wants_frames(lane->exporter))) {
            return false;
        }
        if (!lane->staged.full && !stage(lane, now, &again)) {
            return again;
        }
        if (!exporter_add(lane->exporter, frame, lane->staged.alone, now)) {
            return false;
        }
        lane->staged.full = false;
    }
    return true;
}

static void acknowledge(struct export_lane *lane)
{
    uint64_t through = exporter_done_through(lane->exporter);
    if (through > lane->acknowledged) {
        lane->acknowledged = through;
        spool_reader_ack(lane->reader, through);
    }
}

/* --- engine to wire --------------------------------------------------------------------------- */

uint64_t export_lane_random(void)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits)) {
        bits = (uint64_t)clock_mono_ns() * UINT64_C(0x9e3779b97f4a7c15);
    }
    return bits;
}

static void start_requests(struct export_lane *lane, int64_t now)
{
    struct parcel *parcel;
    while ((parcel = exporter_next(lane->exporter, now)) != NULL) {
        enum signal signal = batch_signal(parcel->batch);
        if (!export_http_send(lane->http, signal, batch_body(parcel->batch), parcel)) {
            exporter_finish(lane->exporter, parcel, RETRY_LATER, 0, now, export_lane_random(),
                            NULL);
            export_report_problem(&lane->destination->report, lane->signal, EXPORT_PROBLEM_SEND, 0,
                                  exporter_retry(lane->exporter)->until,
                                  "%s: out of memory for a request",
                                  export_http_url(lane->http, signal));
        }
    }
}

void export_lane_explain(const struct export_http_reply *reply, const struct export_answer *answer,
                         char out[EXPORT_EXPLAIN_MAX])
{
    if (reply->status == 0) {
        snprintf(out, EXPORT_EXPLAIN_MAX, "%.*s", EXPORT_EXPLAIN_MAX - 1, reply->error);
    } else if (retry_classify(reply->status) == RETRY_DELIVERED) {
        snprintf(out, EXPORT_EXPLAIN_MAX, "status %d with an HTML page, this is no OTLP receiver",
                 reply->status);
    } else {
        snprintf(out, EXPORT_EXPLAIN_MAX, "status %d%s%.100s", reply->status,
                 answer->message[0] != '\0' ? ": " : "", answer->message);
    }
}

static void tell_failure(struct export_lane *lane, const char *url,
                         const struct export_http_reply *reply, const struct export_answer *answer)
{
    char text[EXPORT_EXPLAIN_MAX];
    export_lane_explain(reply, answer, text);
    export_report_problem(&lane->destination->report, lane->signal, EXPORT_PROBLEM_SEND,
                          reply->status, exporter_retry(lane->exporter)->until, "%s: %s", url,
                          text);
}

static void tell_delivery(struct export_lane *lane, const char *url, uint64_t items,
                          const struct export_answer *answer)
{
    export_report_delivered(&lane->destination->report, items, answer->rejected, url,
                            answer->message);
    if (answer->unclear) {
        LOG_WARN("destination took the items, its answer is not OTLP protobuf",
                 LOG_STR("destination", lane->destination->name), LOG_STR("url", url));
    }
}

static enum retry_verdict judge(const struct export_lane *lane,
                                const struct export_http_reply *reply, struct export_answer *answer,
                                int64_t *retry_after)
{
    *retry_after = 0;
    *answer = (struct export_answer){0};
    if (reply->status != 0) {
        export_answer_read(lane->signal, reply->status, reply->content_type, reply->body, answer);
        retry_after_parse(reply->retry_after, clock_wall_s(), retry_after);
    }
    enum retry_verdict verdict = retry_classify(reply->status);
    return verdict == RETRY_DELIVERED && answer->foreign ? RETRY_OPERATOR : verdict;
}

static void take_parcel(struct export_lane *lane, const struct export_http_reply *reply,
                        enum retry_verdict verdict, const struct export_answer *answer,
                        int64_t retry_after, int64_t now)
{
    struct parcel *parcel = reply->arg;
    uint64_t items = batch_items(parcel->batch);
    const char *url = export_http_url(lane->http, lane->signal);
    int64_t failing_since = exporter_retry(lane->exporter)->since;
    parcel->status = reply->status;
    snprintf(parcel->answer, sizeof(parcel->answer), "%s", answer->message);

    bool recovered = false;
    enum exporter_step step = exporter_finish(lane->exporter, parcel, verdict, retry_after, now,
                                              export_lane_random(), &recovered);
    if (recovered) {
        export_report_solved(&lane->destination->report, lane->signal, EXPORT_PROBLEM_SEND,
                             now - failing_since);
    }
    if (step == EXPORTER_DONE) {
        tell_delivery(lane, url, items, answer);
    } else if (step == EXPORTER_HELD) {
        tell_failure(lane, url, reply, answer);
    }
}

static void take_reply(struct export_lane *lane, const struct export_http_reply *reply)
{
    int64_t now = clock_mono_ns();
    int64_t retry_after;
    struct export_answer answer;
    enum retry_verdict verdict = judge(lane, reply, &answer, &retry_after);
    export_report_request(&lane->destination->report, reply->status);
    if (reply->arg == &lane->letters) {
        export_letters_take(lane, reply, verdict, &answer, retry_after, now);
    } else {
        take_parcel(lane, reply, verdict, &answer, retry_after, now);
    }
}

static bool take_replies(struct export_lane *lane)
{
    struct export_http_reply reply;
    bool any = false;
    while (export_http_next_reply(lane->http, &reply)) {
        take_reply(lane, &reply);
        any = true;
    }
    return any;
}

/* --- the thread ------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void wait_for_work(struct export_lane *lane, int64_t stop_at)
{
    int64_t now = clock_mono_ns();
    int64_t due = earlier(now + WAIT_MAX_NS, earlier(exporter_due_at(lane->exporter), stop_at));
    if (lane->read_again > now) {
        due = earlier(due, lane->read_again);
    }
    int64_t letters = export_letters_due_at(lane);
    if (letters > now) {
        due = earlier(due, letters);
    }
    int64_t left = due > now ? due - now : 0;
    bool stopping = stop_at != EXPORT_GO_ON;
    const int fds[EXPORT_HTTP_WAIT_FDS] = {
        lane->empty && !stopping ? spool_reader_wake_fd(lane->reader) : -1,
        stopping ? -1 : lane->stop_fd,
    };
    export_http_wait(lane->http, fds, (int)((left + NS_PER_MS - 1) / NS_PER_MS));
}

static bool may_end(const struct export_lane *lane, int64_t now, int64_t stop_at)
{
    bool can_send = exporter_has_ready(lane->exporter) &&
                    exporter_retry(lane->exporter)->phase == RETRY_FLOWING;
    return now >= stop_at ||
           (exporter_sending(lane->exporter) == 0 && !can_send && !lane->letters.sending);
}

void *export_loop(void *arg)
{
    struct export_lane *lane = arg;
    for (;;) {
        int64_t stop_at = atomic_load(&lane->destination->stop_at);
        int64_t now = clock_mono_ns();
        bool more = false;
        if (stop_at == EXPORT_GO_ON) {
            more = pull(lane, now);
            export_letters_send(lane, now);
        } else {
            exporter_flush(
                lane->exporter); /* what was read goes out; the rest stays in the spool */
        }
        start_requests(lane, now);
        more = take_replies(lane) || more;
        export_letters_bury(lane, now);
        acknowledge(lane);
        if (stop_at != EXPORT_GO_ON && may_end(lane, now, stop_at)) {
            return NULL;
        }
        if (!more) {
            wait_for_work(lane, stop_at);
        }
    }
}
