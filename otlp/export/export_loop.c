/* export_loop.c: see export_loop.h. The engine (exporter.h) decides, libcurl (export_http.h) moves
 * the bytes, export_report.h tells. */
#include "otlp/export/export_loop.h"

#include "base/clock.h"
#include "base/log.h"
#include "otlp/export/dead_letter.h"
#include "otlp/export/export_answer.h"
#include "otlp/validate.h"

#include <stdio.h>
#include <sys/random.h>

#define READ_ROUND 64                          /* frames read before the wire gets its turn */
#define READ_AGAIN_NS NS_PER_SECOND            /* after a read error */
#define BURY_AGAIN_MAX_NS (10 * NS_PER_SECOND) /* between looks at a full dead letter directory */
#define WAIT_MAX_NS NS_PER_SECOND
#define STAGED_KEEP ((size_t)1 << 20) /* memory kept for the next frame */

/* --- spool to engine -------------------------------------------------------------------------- */

static void read_failed(struct destination_otlp *d, int64_t now)
{
    if (d->read_again == 0) {
        d->read_failed_since = now;
    }
    d->read_again = now + READ_AGAIN_NS;
    export_report_problem(&d->report, EXPORT_PROBLEM_SPOOL, 0, d->read_again,
                          "the spool cannot be read for destination %s", d->name);
}

/* Fills `staged`; false when there is no frame now. */
static bool stage(struct destination_otlp *d, int64_t now)
{
    if (d->staged.payload.cap > STAGED_KEEP) {
        buf_free(&d->staged.payload);
    }
    buf_clear(&d->staged.payload);
    switch (spool_reader_next(d->reader, &d->staged.frame, &d->staged.payload)) {
    case SPOOL_READ_OK:
        break;
    case SPOOL_READ_EMPTY:
        d->empty = true;
        return false;
    default:
        read_failed(d, now);
        return false;
    }
    if (d->read_again != 0) {
        d->read_again = 0;
        export_report_solved(&d->report, EXPORT_PROBLEM_SPOOL, now - d->read_failed_since);
    }
    /* Nobody looked into a record whose items are not known: laid end to end with others, a payload
     * that is not whole would take their bytes for its own. */
    d->staged.alone = d->staged.frame.items == 0;
    d->staged.full = true;
    return true;
}

/* True when it stopped only to let the wire have its turn. */
static bool pull(struct destination_otlp *d, int64_t now)
{
    d->empty = false;
    for (int i = 0; i < READ_ROUND; i++) {
        if (!d->staged.full &&
            (now < d->read_again || !exporter_wants_frames(d->exporter) || !stage(d, now))) {
            return false;
        }
        struct slice payload = slice_make(d->staged.payload.data + d->staged.frame.payload_offset,
                                          d->staged.frame.payload_len);
        if (!exporter_add(d->exporter, &d->staged.frame, payload, d->staged.frame.items,
                          d->staged.alone, now)) {
            return false;
        }
        d->staged.full = false;
    }
    return true;
}

static void acknowledge(struct destination_otlp *d)
{
    uint64_t through = exporter_done_through(d->exporter);
    if (through > d->acknowledged) {
        d->acknowledged = through;
        spool_reader_ack(d->reader, through);
    }
}

/* --- engine to wire --------------------------------------------------------------------------- */

static uint64_t random_bits(void)
{
    uint64_t bits = 0;
    if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) != (ssize_t)sizeof(bits)) {
        bits = (uint64_t)clock_mono_ns() * UINT64_C(0x9e3779b97f4a7c15);
    }
    return bits;
}

static void start_requests(struct destination_otlp *d, int64_t now)
{
    struct parcel *parcel;
    while ((parcel = exporter_next(d->exporter, now)) != NULL) {
        enum signal signal = batch_signal(parcel->batch);
        if (!export_http_send(d->http, signal, batch_body(parcel->batch), parcel)) {
            exporter_finish(d->exporter, parcel, RETRY_LATER, 0, now, random_bits(), NULL);
            export_report_problem(
                &d->report, EXPORT_PROBLEM_SEND, 0, exporter_retry(d->exporter)->until,
                "%s: out of memory for a request", export_http_url(d->http, signal));
        }
    }
}

/* What the operator reads about an answer that is no delivery. */
static void tell_failure(struct destination_otlp *d, const char *url,
                         const struct export_http_reply *reply, const struct export_answer *answer)
{
    int64_t until = exporter_retry(d->exporter)->until;
    const char *between = answer->message[0] != '\0' ? ": " : "";
    if (reply->status == 0) {
        export_report_problem(&d->report, EXPORT_PROBLEM_SEND, 0, until, "%s: %s", url,
                              reply->error);
    } else if (retry_classify(reply->status) == RETRY_DELIVERED) {
        export_report_problem(&d->report, EXPORT_PROBLEM_SEND, reply->status, until,
                              "%s: status %d with an HTML page, this is no OTLP receiver", url,
                              reply->status);
    } else {
        export_report_problem(&d->report, EXPORT_PROBLEM_SEND, reply->status, until,
                              "%s: status %d%s%.100s", url, reply->status, between,
                              answer->message);
    }
}

static void tell_delivery(struct destination_otlp *d, const char *url, uint64_t items,
                          const struct export_answer *answer)
{
    export_report_delivered(&d->report, items, answer->rejected, url, answer->message);
    if (answer->unclear) {
        LOG_WARN("destination took the items, its answer is not OTLP protobuf",
                 LOG_STR("destination", d->name), LOG_STR("url", url));
    }
}

static void take_reply(struct destination_otlp *d, const struct export_http_reply *reply)
{
    struct parcel *parcel = reply->arg;
    enum signal signal = batch_signal(parcel->batch);
    uint64_t items = batch_items(parcel->batch);
    const char *url = export_http_url(d->http, signal);
    int64_t now = clock_mono_ns();
    int64_t failing_since = exporter_retry(d->exporter)->since;
    int64_t retry_after = 0;
    struct export_answer answer = {0};
    if (reply->status != 0) {
        export_answer_read(signal, reply->status, reply->content_type, reply->body, &answer);
        retry_after_parse(reply->retry_after, clock_wall_s(), &retry_after);
    }
    enum retry_verdict verdict = retry_classify(reply->status);
    if (verdict == RETRY_DELIVERED && answer.foreign) {
        verdict = RETRY_OPERATOR;
    }
    parcel->status = reply->status;
    snprintf(parcel->answer, sizeof(parcel->answer), "%s", answer.message);
    export_report_request(&d->report, reply->status);

    bool recovered = false;
    enum exporter_step step =
        exporter_finish(d->exporter, parcel, verdict, retry_after, now, random_bits(), &recovered);
    if (recovered) {
        export_report_solved(&d->report, EXPORT_PROBLEM_SEND, now - failing_since);
    }
    if (step == EXPORTER_DONE) {
        tell_delivery(d, url, items, &answer);
    } else if (step == EXPORTER_HELD) {
        tell_failure(d, url, reply, &answer);
    }
}

static bool take_replies(struct destination_otlp *d)
{
    struct export_http_reply reply;
    bool any = false;
    while (export_http_next_reply(d->http, &reply)) {
        take_reply(d, &reply);
        any = true;
    }
    return any;
}

/* --- dead letters ----------------------------------------------------------------------------- */

static bool bury_one(struct destination_otlp *d, struct parcel *parcel, int64_t now)
{
    enum signal signal = batch_signal(parcel->batch);
    struct batch_frame frame = batch_frame(parcel->batch, 0);
    struct dead_letter letter = {
        .reason = slice_of(dead_letter_reason(parcel->status)),
        .status = parcel->status,
        .signal = signal,
        .session = frame.session,
        .key_id = frame.key_id,
        .arrived_ns = frame.arrived_ns,
        .sequence = frame.sequence,
        .destination = slice_of(d->name),
        .url = slice_of(export_http_url(d->http, signal)),
        .answer = slice_of(parcel->answer),
        .payload = frame.payload,
    };
    struct result why = RESULT_INIT;
    enum dead_letter_outcome outcome =
        dead_letter_store(d->dead_dir, &letter, DEAD_LETTER_DIR_MAX, &d->dead_room, &why);
    if (outcome == DEAD_LETTER_STORED) {
        export_report_dead(&d->report, &letter);
        exporter_buried(d->exporter, parcel);
        return true;
    }
    int64_t pause = d->retry_max_ns < BURY_AGAIN_MAX_NS ? d->retry_max_ns : BURY_AGAIN_MAX_NS;
    d->bury_failed_since = d->bury_again == 0 ? now : d->bury_failed_since;
    d->bury_again = now + pause;
    export_report_problem(&d->report, EXPORT_PROBLEM_LETTERS, (int)outcome, d->bury_again, "%s",
                          why.text);
    return false;
}

/* Where a letter cannot be set aside, its frame is held, and with it the cursor: nothing is dropped
 * in silence. */
static void bury(struct destination_otlp *d, int64_t now)
{
    struct parcel *parcel = NULL;
    if (now < d->bury_again) {
        return;
    }
    while ((parcel = exporter_dead(d->exporter)) != NULL) {
        if (!bury_one(d, parcel, now)) {
            return;
        }
        if (d->bury_again != 0) {
            d->bury_again = 0;
            export_report_solved(&d->report, EXPORT_PROBLEM_LETTERS, now - d->bury_failed_since);
        }
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void wait_for_work(struct destination_otlp *d, int64_t stop_at)
{
    int64_t now = clock_mono_ns();
    int64_t due = earlier(now + WAIT_MAX_NS, earlier(exporter_due_at(d->exporter), stop_at));
    if (d->read_again > now) {
        due = earlier(due, d->read_again);
    }
    if (d->bury_again > now) {
        due = earlier(due, d->bury_again);
    }
    int64_t left = due > now ? due - now : 0;
    bool stopping = stop_at != EXPORT_GO_ON;
    const int fds[EXPORT_HTTP_WAIT_FDS] = {
        d->empty && !stopping ? spool_reader_wake_fd(d->reader) : -1,
        stopping ? -1 : d->stop_fd,
    };
    export_http_wait(d->http, fds, (int)((left + NS_PER_MS - 1) / NS_PER_MS));
}

static bool may_end(const struct destination_otlp *d, int64_t now, int64_t stop_at)
{
    bool can_send =
        exporter_has_ready(d->exporter) && exporter_retry(d->exporter)->phase == RETRY_FLOWING;
    return now >= stop_at || (exporter_sending(d->exporter) == 0 && !can_send);
}

void *export_loop(void *arg)
{
    struct destination_otlp *d = arg;
    for (;;) {
        int64_t stop_at = atomic_load(&d->stop_at);
        int64_t now = clock_mono_ns();
        bool more = false;
        if (stop_at == EXPORT_GO_ON) {
            more = pull(d, now);
        } else {
            exporter_flush(d->exporter); /* what was read goes out; the rest stays in the spool */
        }
        start_requests(d, now);
        more = take_replies(d) || more;
        bury(d, now);
        acknowledge(d);
        if (stop_at != EXPORT_GO_ON && may_end(d, now, stop_at)) {
            return NULL;
        }
        if (!more) {
            wait_for_work(d, stop_at);
        }
    }
}
