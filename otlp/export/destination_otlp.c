/* destination_otlp.c: start and stop of the exporter to a Collector, see destination_otlp.h. Its
 * threads are export_loop.c's. */
#include "otlp/export/destination_otlp.h"

#include "otlp/export/export_loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)1 << 20) /* libcurl and TLS take well under a tenth of it */

static void close_lane(struct export_lane *lane)
{
    export_http_destroy(lane->http); /* before the rest: it borrows the bodies */
    exporter_destroy(lane->exporter);
    export_letters_free(&lane->letters);
    if (lane->reader != NULL) {
        spool_reader_close(lane->reader);
    }
    if (lane->stop_fd >= 0) {
        close(lane->stop_fd);
    }
}

static void begin_stop(struct destination *self, int64_t deadline_mono_ns)
{
    struct destination_otlp *d = (struct destination_otlp *)self;
    atomic_store(&d->stop_at,
                 deadline_mono_ns < EXPORT_GO_ON ? deadline_mono_ns : EXPORT_GO_ON - 1);
    for (size_t i = 0; i < d->n_lanes; i++) {
        eventfd_write(d->lanes[i].stop_fd, 1);
    }
}

static void stop(struct destination *self, int64_t deadline_mono_ns)
{
    struct destination_otlp *d = (struct destination_otlp *)self;
    begin_stop(self, deadline_mono_ns);
    for (size_t i = 0; i < d->n_lanes; i++) {
        if (d->lanes[i].runs) {
            pthread_join(d->lanes[i].thread, NULL);
        }
    }
    for (size_t i = 0; i < d->n_lanes; i++) {
        close_lane(&d->lanes[i]);
    }
    export_report_destroy(&d->report);
    free(d->name);
    free(d);
}

static void status(struct destination *self, struct destination_status *out)
{
    export_report_status(&((struct destination_otlp *)self)->report, out);
}

static uint64_t arrived(struct destination *self, enum signal signal)
{
    struct destination_otlp *d = (struct destination_otlp *)self;
    for (size_t i = 0; i < d->n_lanes; i++) {
        if (d->lanes[i].signal == signal) {
            return spool_reader_position(d->lanes[i].reader);
        }
    }
    return UINT64_MAX;
}

static bool refused(struct destination *self, enum signal signal, uint64_t after, uint64_t last)
{
    return export_report_refused(&((struct destination_otlp *)self)->report, signal, after, last);
}

static const char *name(const struct destination *self)
{
    return ((const struct destination_otlp *)self)->name;
}

static const struct destination_ops ops = {.begin_stop = begin_stop,
                                           .stop = stop,
                                           .status = status,
                                           .arrived = arrived,
                                           .refused = refused,
                                           .name = name};

static bool check(const struct destination_otlp_options *o, struct result *why)
{
    if (o->name == NULL || o->name[0] == '\0' || strlen(o->name) > 32 ||
        o->name[strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0') {
        return result_fail(why, "the destination's name is to be 1 to 32 of a-z 0-9 _ -");
    }
    if ((o->signals & SPOOL_ALL_SIGNALS) == 0) {
        return result_fail(why, "destination %s: it is to take at least one signal", o->name);
    }
    if (o->batch_bytes == 0 || o->batch_requests == 0 || o->in_flight == 0 || o->timeout_ns <= 0 ||
        o->batch_age_ns < 0 || o->retry_initial_ns < 0 || o->retry_max_ns <= 0) {
        return result_fail(why,
                           "destination %s: batch_bytes, batch_requests, in_flight, timeout "
                           "and retry_max are to be more than 0",
                           o->name);
    }
    return true;
}

static struct export_http *make_wire(const struct destination_otlp_options *o, struct result *why)
{
    const struct export_http_options wire = {
        .url = o->url,
        .headers = o->headers,
        .n_headers = o->n_headers,
        .ca_file = o->ca_file,
        .zip = o->zip,
        .timeout_ns = o->timeout_ns,
        .slots = o->in_flight + 1, /* one for a dead letter that is sent again */
    };
    struct result cause = RESULT_INIT;
    struct export_http *http = export_http_create(&wire, &cause);
    if (http == NULL) {
        result_fail(why, "destination %s: %.400s", o->name, cause.text);
    }
    return http;
}

bool destination_otlp_check(const struct destination_otlp_options *options, struct result *why)
{
    struct export_http *http = check(options, why) ? make_wire(options, why) : NULL;
    export_http_destroy(http);
    return http != NULL;
}

static bool open_lane(struct export_lane *lane, const struct destination_otlp_options *o,
                      struct spool *spool, struct result *why)
{
    const struct exporter_options engine = {
        .batch = {o->batch_bytes, o->batch_requests, o->batch_age_ns},
        .in_flight = o->in_flight,
        .retry = {o->retry_initial_ns, o->retry_max_ns},
    };
    char reader[80];
    snprintf(reader, sizeof(reader), "%s.%s", o->name, signal_info(lane->signal)->name);
    export_letters_init(&lane->letters, &engine.retry);
    lane->exporter = exporter_create(&engine);
    if (lane->exporter == NULL) {
        return result_fail(why, "destination %s: out of memory", o->name);
    }
    lane->http = make_wire(o, why);
    if (lane->http == NULL) {
        return false;
    }
    lane->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lane->stop_fd < 0) {
        return result_fail_errno(why, errno, "destination %s: eventfd", o->name);
    }
    lane->reader = spool_reader_open_for(spool, reader, SPOOL_SIGNAL(lane->signal), o->name, why);
    return lane->reader != NULL;
}

static bool open_lanes(struct destination_otlp *d, const struct destination_otlp_options *o,
                       struct spool *spool, struct result *why)
{
    for (unsigned signal = 0; signal < SIGNAL_COUNT; signal++) {
        if ((o->signals & SPOOL_SIGNAL(signal)) != 0) {
            struct export_lane *lane = &d->lanes[d->n_lanes++];
            *lane = (struct export_lane){
                .destination = d, .signal = (enum signal)signal, .stop_fd = -1};
            if (!open_lane(lane, o, spool, why)) {
                return false;
            }
        }
    }
    return true;
}

/* Signals are the main thread's; this also keeps SIGPIPE away from TLS writes. */
static bool start_threads(struct destination_otlp *d, struct result *why)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attr;
    int error = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (size_t i = 0; i < d->n_lanes && error == 0; i++) {
        struct export_lane *lane = &d->lanes[i];
        error = pthread_create(&lane->thread, &attr, export_loop, lane);
        lane->runs = error == 0;
        if (lane->runs) {
            char name[16];
            snprintf(name, sizeof(name), "%.7s-%s", d->name, signal_info(lane->signal)->name);
            pthread_setname_np(lane->thread, name);
        }
    }
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error == 0 ||
           result_fail_errno(why, error, "destination %s: cannot start its thread", d->name);
}

struct destination *destination_otlp_start(const struct destination_otlp_options *options,
                                           struct spool *spool, struct metrics *metrics,
                                           struct result *why)
{
    if (!check(options, why)) {
        return NULL;
    }
    struct destination_otlp *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        result_fail(why, "destination %s: out of memory", options->name);
        return NULL;
    }
    d->base.ops = &ops;
    d->dead = options->dead;
    d->retry = (struct retry_policy){options->retry_initial_ns, options->retry_max_ns};
    d->name = strdup(options->name);
    atomic_init(&d->stop_at, EXPORT_GO_ON);
    export_report_init(&d->report, d->name != NULL ? d->name : "", metrics);
    bool made = d->name != NULL || result_fail(why, "destination %s: out of memory", options->name);
    if (!made || !open_lanes(d, options, spool, why) || !start_threads(d, why)) {
        stop(&d->base, 0);
        return NULL;
    }
    return &d->base;
}
