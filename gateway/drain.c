/* drain.c: see drain.h. Idle keep-alive connections would hold up the drain until their timeout:
 * they are shut down when no request has begun on them.
 */
#include "gateway/drain.h"

#include "base/clock.h"
#include "gateway/timers.h"

#include <h2o/http1.h>

#define DRAIN_WAIT_MS 20

static int count_begun(h2o_req_t *req, void *count)
{
    if (req->timestamps.request_begin_at.tv_sec != 0) {
        ++*(unsigned *)count;
    }
    return 0;
}

static int shut_down(h2o_req_t *req, void *only_idle)
{
    if (only_idle == NULL || req->timestamps.request_begin_at.tv_sec == 0) {
        h2o_socket_t *sock = req->conn->callbacks->get_socket(req->conn);
        shutdown(h2o_socket_get_fd(sock), SHUT_RDWR);
    }
    return 0;
}

static unsigned requests_begun(struct worker *worker)
{
    unsigned count = 0;
    worker->ctx.globalconf->http1.callbacks.foreach_request(&worker->ctx, count_begun, &count);
    return count;
}

static void close_connections(struct worker *worker, bool only_idle)
{
    worker->ctx.globalconf->http1.callbacks.foreach_request(&worker->ctx, shut_down,
                                                            only_idle ? worker : NULL);
}

static bool has_connections(struct worker *worker)
{
    return !h2o_linklist_is_empty(&worker->ctx.http1._conns);
}

void drain_requests(struct worker *worker, int64_t deadline_mono_ns)
{
    timers_turn(worker->ctx.loop, 0);
    while ((requests_begun(worker) != 0 || worker->waiting != 0) &&
           clock_mono_ns() < deadline_mono_ns) {
        timers_turn(worker->ctx.loop, DRAIN_WAIT_MS);
    }
    close_connections(worker, true);
    timers_turn(worker->ctx.loop, 0);
    close_connections(worker, false);
    /* What the spool still holds of ours must come back before the loop may end. */
    int64_t last = clock_mono_ns() + NS_PER_SECOND;
    while (worker->waiting != 0 || (has_connections(worker) && clock_mono_ns() < last)) {
        timers_turn(worker->ctx.loop, DRAIN_WAIT_MS);
    }
}
