/* destination_otlp.c: start and stop of the exporter to a Collector, see destination_otlp.h. Its
 * thread is export_loop.c's. */
#include "otlp/export/destination_otlp.h"

#include "otlp/export/export_loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void destroy(struct destination_otlp *d)
{
    export_http_destroy(d->http); /* before the exporter: it borrows the bodies */
    exporter_destroy(d->exporter);
    if (d->reader != NULL) {
        spool_reader_close(d->reader);
    }
    if (d->stop_fd >= 0) {
        close(d->stop_fd);
    }
    buf_free(&d->staged.payload);
    export_report_destroy(&d->report);
    free(d->name);
    free(d->dead_dir);
    free(d);
}

static void stop(struct destination *self, int64_t deadline_mono_ns)
{
    struct destination_otlp *d = (struct destination_otlp *)self;
    atomic_store(&d->stop_at,
                 deadline_mono_ns < EXPORT_GO_ON ? deadline_mono_ns : EXPORT_GO_ON - 1);
    eventfd_write(d->stop_fd, 1);
    pthread_join(d->thread, NULL);
    destroy(d);
}

static void status(struct destination *self, struct destination_status *out)
{
    export_report_status(&((struct destination_otlp *)self)->report, out);
}

static uint64_t arrived(struct destination *self)
{
    return spool_reader_position(((struct destination_otlp *)self)->reader);
}

static const char *name(const struct destination *self)
{
    return ((const struct destination_otlp *)self)->name;
}

static const struct destination_ops ops = {
    .stop = stop, .status = status, .arrived = arrived, .name = name};

static bool check(const struct destination_otlp_options *o, struct result *why)
{
    if (o->name == NULL || o->name[0] == '\0' || strlen(o->name) > 32 ||
        o->name[strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0') {
        return result_fail(why, "the destination's name is to be 1 to 32 of a-z 0-9 _ -");
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

static bool make_parts(struct destination_otlp *d, const struct destination_otlp_options *o,
                       struct spool *spool, struct result *why)
{
    const struct exporter_options engine = {
        .batch = {o->batch_bytes, o->batch_requests, o->batch_age_ns},
        .in_flight = o->in_flight,
        .retry = {o->retry_initial_ns, o->retry_max_ns},
    };
    const struct export_http_options wire = {
        .url = o->url,
        .headers = o->headers,
        .n_headers = o->n_headers,
        .ca_file = o->ca_file,
        .gzip = o->gzip,
        .timeout_ns = o->timeout_ns,
        .slots = o->in_flight,
    };
    d->name = strdup(o->name);
    d->dead_dir = strdup(o->dead_dir);
    d->retry_max_ns = o->retry_max_ns;
    d->exporter = exporter_create(&engine);
    if (d->name == NULL || d->dead_dir == NULL || d->exporter == NULL) {
        return result_fail(why, "destination %s: out of memory", o->name);
    }
    struct result cause = RESULT_INIT;
    d->http = export_http_create(&wire, &cause);
    if (d->http == NULL) {
        return result_fail(why, "destination %s: %.400s", o->name, cause.text);
    }
    d->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->stop_fd < 0) {
        return result_fail_errno(why, errno, "destination %s: eventfd", o->name);
    }
    d->reader = spool_reader_open(spool, o->name, why);
    return d->reader != NULL;
}

/* Signals are the main thread's; this also keeps SIGPIPE away from TLS writes. */
static int start_thread(struct destination_otlp *d)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&d->thread, NULL, export_loop, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
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
    d->stop_fd = -1;
    d->staged.payload = BUF_INIT;
    atomic_init(&d->stop_at, EXPORT_GO_ON);
    bool made = make_parts(d, options, spool, why);
    export_report_init(&d->report, d->name != NULL ? d->name : "", metrics);
    int error = made ? start_thread(d) : 0;
    if (!made || error != 0) {
        if (error != 0) {
            result_fail_errno(why, error, "destination %s: cannot start its thread", options->name);
        }
        destroy(d);
        return NULL;
    }
    char thread_name[16];
    snprintf(thread_name, sizeof(thread_name), "export-%.8s", d->name);
    pthread_setname_np(d->thread, thread_name);
    return &d->base;
}
