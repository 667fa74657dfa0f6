/* server.c: see server.h.
 *
 * The connection cap is one number for all workers. A worker that finds it reached stops reading
 * its listener, so that further connections wait in the kernel's backlog; the worker that closes a
 * connection wakes those that paused.
 *
 * The buffers of libh2o's sockets come from an allocator of the thread that made the socket and go
 * back to it, without a lock. A worker therefore makes and frees everything of its loop on its own
 * thread: it says when it is ready and when it has drained (`step`), and waits to be let go on
 * (`go`), to serve and, when nobody wakes it any more, to its end.
 */
#include "gateway/server.h"

#include "base/clock.h"
#include "gateway/append_queue.h"
#include "gateway/append_wait.h"
#include "gateway/drain.h"
#include "gateway/listener.h"
#include "gateway/lobby_wait.h"
#include "gateway/routes.h"
#include "gateway/timers.h"

#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 16
#define FILES_KEPT_FREE 128 /* for the spool, destinations, logs, event loops */
#define LOOP_WAIT_MS 1000   /* longest sleep of a loop: bounds the drain's reaction */
#define REPLY_GRACE_MS 5000 /* for the disk, behind spool.wait */
#define WORKER_STACK ((size_t)2 * 1024 * 1024)

struct server {
    struct gateway *gateway;
    h2o_globalconf_t h2o;
    struct listen_address address;
    struct worker *workers;
    unsigned n_workers;
    unsigned n_started;
    unsigned max_connections; /* fits the limit on open files: not what a reload may say */
    sem_t step;               /* a worker is ready, or has drained */
    atomic_bool draining;
    _Atomic int64_t drain_deadline; /* monotonic ns */
};

/* What a worker's thread is given. */
struct start {
    struct server *server;
    struct worker *worker;
};

/* The server of a worker: found through the configuration that all contexts share. */
static struct server *server_of(struct worker *worker)
{
    return H2O_STRUCT_FROM_MEMBER(struct server, h2o, worker->ctx.globalconf);
}

/* --- connections ------------------------------------------------------------------------------ */

/* Takes a place for one more connection; false when all are taken. */
static bool take_place(struct worker *worker)
{
    if (atomic_fetch_add(&worker->gateway->connections, 1) < server_of(worker)->max_connections) {
        return true;
    }
    atomic_fetch_sub(&worker->gateway->connections, 1);
    return false;
}

/* Gives a place back. At the cap, workers that stopped accepting are woken: the wake waits in a
 * worker's queue even when it comes before the worker has gone to sleep, so none is missed. */
static void give_place(void *data)
{
    struct worker *worker = data;
    struct server *server = server_of(worker);
    unsigned before = atomic_fetch_sub(&worker->gateway->connections, 1);
    if (before < server->max_connections) {
        return;
    }
    for (unsigned i = 0; i < server->n_workers; i++) {
        h2o_multithread_send_message(&server->workers[i].settled, NULL);
    }
}

/* Asks for the peer's address while the kernel has it: that of a connection that was reset is gone,
 * while a request that came before the reset is still read. libh2o keeps the answer. */
static bool peer_is_known(h2o_socket_t *sock)
{
    struct sockaddr_storage peer;
    return h2o_socket_getpeername(sock, (struct sockaddr *)&peer) != 0;
}

/* True when more may be waiting. */
static bool accept_some(struct worker *worker)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!take_place(worker)) {
            h2o_socket_read_stop(worker->listener);
            worker->paused = true;
            return false;
        }
        h2o_socket_t *sock = h2o_evloop_socket_accept(worker->listener);
        if (sock == NULL) {
            give_place(worker);
            return false;
        }
        sock->on_close.cb = give_place;
        sock->on_close.data = worker;
        if (peer_is_known(sock)) {
            h2o_accept(&worker->accept, sock);
        } else {
            h2o_socket_close(sock);
        }
    }
    return true;
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    if (error == NULL) {
        accept_some(listener->data);
    }
}

/* After every turn of the loop: reading again makes on_accept look for a place. */
static void resume_if_room(struct worker *worker)
{
    if (worker->paused &&
        atomic_load(&worker->gateway->connections) < server_of(worker)->max_connections) {
        worker->paused = false;
        h2o_socket_read_start(worker->listener, on_accept);
    }
}

/* --- the loop --------------------------------------------------------------------------------- */

static void on_settled(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)messages; /* the queue knows its own */
    append_queue_look(H2O_STRUCT_FROM_MEMBER(struct worker, settled, receiver)->appends);
}

static void on_kept(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    lobby_wait_settle(messages);
}

/* Connections that the kernel has accepted for us already are ours to answer. The flag ends
 * keep-alive; h2o_context_request_shutdown would set it too, but also starts a timer of HTTP/2 that
 * nothing stops. */
static void stop_listening(struct worker *worker)
{
    while (!worker->paused && accept_some(worker)) {
        /* until the backlog is empty */
    }
    h2o_socket_read_stop(worker->listener);
    h2o_socket_close(worker->listener);
    worker->listener = NULL;
    worker->ctx.shutdown_requested = 1;
}

static void drain(struct worker *worker)
{
    stop_listening(worker);
    drain_requests(worker, atomic_load(&server_of(worker)->drain_deadline));
}

/* On the worker's thread. */
static void open_loop(struct server *server, struct worker *worker)
{
    const struct config *config = gateway_config(server->gateway);
    h2o_context_init(&worker->ctx, h2o_evloop_create(), &server->h2o);
    worker->accept.ctx = &worker->ctx;
    worker->accept.hosts = server->h2o.hosts;
    h2o_multithread_register_receiver(worker->ctx.queue, &worker->settled, on_settled);
    h2o_multithread_register_receiver(worker->ctx.queue, &worker->kept, on_kept);
    h2o_timeout_init(worker->ctx.loop, &worker->reply_deadline,
                     (uint64_t)(config->spool.wait / NS_PER_MS) + REPLY_GRACE_MS);
    worker->listener =
        h2o_evloop_socket_create(worker->ctx.loop, worker->listen_fd, H2O_SOCKET_FLAG_DONT_READ);
    worker->listen_fd = -1;
    worker->listener->data = worker;
}

static void close_loop(struct worker *worker)
{
    h2o_loop_t *loop = worker->ctx.loop;
    if (worker->listener != NULL) {
        h2o_socket_close(worker->listener);
    }
    append_queue_stop(worker->appends);
    h2o_timeout_dispose(loop, &worker->reply_deadline);
    h2o_multithread_unregister_receiver(worker->ctx.queue, &worker->settled);
    h2o_multithread_unregister_receiver(worker->ctx.queue, &worker->kept);
    h2o_context_dispose(&worker->ctx);
    h2o_evloop_destroy(loop);
}

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0 && errno == EINTR) {
        /* a signal: go on waiting */
    }
}

static void *run_worker(void *arg)
{
    struct start *start = arg;
    struct worker *worker = start->worker;
    struct server *server = start->server;
    open_loop(server, worker);
    sem_post(&server->step);
    wait_for(&worker->go);
    if (!atomic_load(&server->draining)) {
        h2o_socket_read_start(worker->listener, on_accept);
        while (!atomic_load(&server->draining)) {
            timers_turn(worker->ctx.loop, LOOP_WAIT_MS);
            resume_if_room(worker);
        }
        drain(worker);
    }
    sem_post(&server->step);
    wait_for(&worker->go);
    close_loop(worker);
    return NULL;
}

/* --- start and end ---------------------------------------------------------------------------- */

static bool check_file_limit(const struct config *config, struct result *why)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)config->server.max_connections + FILES_KEPT_FREE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return result_fail_errno(why, errno, "cannot read the limit on open files");
    }
    if (limit.rlim_cur < needed) {
        limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < needed) {
        return result_fail(
            why,
            "server.max_connections: %u needs %" PRIu64 " open files, the limit is %" PRIu64
            "; raise it (ulimit -n, LimitNOFILE=) or lower the key",
            config->server.max_connections, (uint64_t)needed, (uint64_t)limit.rlim_cur);
    }
    return true;
}

static void configure_h2o(struct server *server, const struct config *config)
{
    h2o_config_init(&server->h2o);
    server->h2o.server_name =
        h2o_iovec_init(NULL, 0); /* no Server header: a stranger need not know */
    server->h2o.max_request_entity_size = config->server.max_body;
    server->h2o.http1.req_timeout = (uint64_t)(config->server.request_timeout / NS_PER_MS);
    server->h2o.http1.upgrade_to_http2 = 0; /* HTTP/2 of this libh2o has unfixed flaws */
    /* Bodies stay in memory: past 32 MiB libh2o would map files of /tmp, for strangers too. */
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
    routes_register(
        h2o_config_register_host(&server->h2o, h2o_iovec_init(H2O_STRLIT("default")), 65535));
}

static bool init_worker(struct server *server, struct worker *worker, struct result *why)
{
    worker->gateway = server->gateway;
    worker->keys = keyring_reader_create(server->gateway->keyring);
    worker->key_uses = key_usage_counter_create(server->gateway->key_usage);
    worker->appends =
        append_queue_create(server->gateway->spool, &worker->settled, append_wait_settle);
    if (worker->keys == NULL || worker->key_uses == NULL || worker->appends == NULL) {
        return result_fail(why, "out of memory");
    }
    worker->listen_fd = listener_open(&server->address, why);
    return worker->listen_fd >= 0;
}

/* Returns when the worker is ready to be let go. */
static bool start_thread(struct server *server, struct worker *worker, struct result *why)
{
    struct start start = {server, worker};
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WORKER_STACK);
    int error = pthread_create(&worker->thread, &attr, run_worker, &start);
    pthread_attr_destroy(&attr);
    if (error != 0) {
        return result_fail_errno(why, error, "cannot start a worker thread");
    }
    server->n_started++;
    wait_for(&server->step);
    return true;
}

static void let_workers_go(struct server *server)
{
    for (unsigned i = 0; i < server->n_started; i++) {
        sem_post(&server->workers[i].go);
    }
}

static void wait_for_workers(struct server *server)
{
    for (unsigned i = 0; i < server->n_started; i++) {
        wait_for(&server->step);
    }
}

void server_destroy(struct server *server)
{
    let_workers_go(server);
    for (unsigned i = 0; i < server->n_started; i++) {
        pthread_join(server->workers[i].thread, NULL);
    }
    for (unsigned i = 0; i < server->n_workers; i++) {
        if (server->workers[i].listen_fd >= 0) {
            close(server->workers[i].listen_fd);
        }
        keyring_reader_destroy(server->workers[i].keys);
        key_usage_counter_destroy(server->workers[i].key_uses);
        append_queue_destroy(server->workers[i].appends);
        append_wait_free_spare(&server->workers[i]);
        body_scratch_free(&server->workers[i].scratch);
        sem_destroy(&server->workers[i].go);
    }
    sem_destroy(&server->step);
    h2o_config_dispose(&server->h2o);
    free(server->workers);
    free(server);
}

static bool start_workers(struct server *server, struct result *why)
{
    const struct config *config = gateway_config(server->gateway);
    if (!check_file_limit(config, why) ||
        !listener_parse(config->server.listen, &server->address, why) ||
        !listener_is_free(&server->address, why)) {
        return false;
    }
    for (unsigned i = 0; i < server->n_workers; i++) {
        if (!init_worker(server, &server->workers[i], why)) {
            return false;
        }
    }
    for (unsigned i = 0; i < server->n_workers; i++) {
        if (!start_thread(server, &server->workers[i], why)) {
            return false;
        }
    }
    return true;
}

static void init_steps(struct server *server)
{
    sem_init(&server->step, 0, 0);
    for (unsigned i = 0; i < server->n_workers; i++) {
        sem_init(&server->workers[i].go, 0, 0);
        server->workers[i].listen_fd = -1;
    }
}

struct server *server_start(struct gateway *gateway, struct result *why)
{
    const struct config *config = gateway_config(gateway);
    struct server *server = calloc(1, sizeof(*server));
    struct worker *workers = calloc(config->server.workers, sizeof(*workers));
    if (server == NULL || workers == NULL) {
        free(server);
        free(workers);
        result_fail(why, "out of memory");
        return NULL;
    }
    server->gateway = gateway;
    server->workers = workers;
    server->n_workers = config->server.workers;
    server->max_connections = config->server.max_connections;
    init_steps(server);
    configure_h2o(server, config);
    bool started = start_workers(server, why);
    atomic_store(&server->draining, !started);
    let_workers_go(server);
    if (!started) {
        wait_for_workers(server);
        server_destroy(server);
        return NULL;
    }
    return server;
}

unsigned server_port(const struct server *server)
{
    return listener_port(&server->address);
}

void server_drain(struct server *server, int64_t deadline_mono_ns)
{
    atomic_store(&server->drain_deadline, deadline_mono_ns);
    atomic_store(&server->draining, true);
    for (unsigned i = 0; i < server->n_started; i++) {
        h2o_multithread_send_message(&server->workers[i].settled, NULL);
    }
    wait_for_workers(server);
}
