/* bare_h2o.c: the floor of the comparison: libh2o with a handler that answers 200 to everything,
 * and nothing else. Also the sink behind HAProxy and behind sigpost's exporter, which counts what
 * comes: GET /count answers with the number of resources in all bodies.
 *
 *     bare_h2o PORT WORKERS          ends on SIGTERM
 */
#include <h2o.h>
#include <h2o/http1.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct loop {
    h2o_context_t ctx;
    h2o_accept_ctx_t accept;
};

static _Atomic unsigned long resources;

/* Fields of the outermost message, all of them length-delimited in an export; 0 for what is none.
 * The bench's exports have one each. */
static unsigned long count_resources(h2o_iovec_t body)
{
    unsigned long n = 0;
    for (size_t at = 0; at < body.len; n++) {
        size_t len = 0;
        unsigned shift = 0;
        if ((body.base[at++] & 7) != 2) {
            return 0;
        }
        while (at < body.len && (body.base[at] & 0x80) != 0 && shift < 28) {
            len |= (size_t)(body.base[at++] & 0x7f) << shift;
            shift += 7;
        }
        if (at == body.len || shift == 28) {
            return 0;
        }
        len |= (size_t)(body.base[at++] & 0x7f) << shift;
        if (len > body.len - at) {
            return 0;
        }
        at += len;
    }
    return n;
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    (void)self;
    char text[24] = "";
    if (h2o_memis(req->path.base, req->path.len, H2O_STRLIT("/count"))) {
        snprintf(text, sizeof(text), "%lu", atomic_load(&resources));
    }
    req->res.status = 200;
    req->res.reason = "OK";
    req->res.content_length = strlen(text);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_CONTENT_TYPE, NULL,
                   H2O_STRLIT("application/x-protobuf"));
    h2o_send_inline(req, text, strlen(text));
    return 0;
}

/* A sink has one thread and looks at bodies; the floor does not. */
static int on_request_counted(h2o_handler_t *self, h2o_req_t *req)
{
    atomic_fetch_add(&resources, count_resources(req->entity));
    return on_request(self, req);
}

static void on_accept(h2o_socket_t *listener, const char *error)
{
    struct loop *loop = listener->data;
    h2o_socket_t *sock;
    while (error == NULL && (sock = h2o_evloop_socket_accept(listener)) != NULL) {
        h2o_accept(&loop->accept, sock);
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 4096) != 0) {
        perror("bare_h2o: listen");
        exit(1);
    }
    return fd;
}

static void *run(void *arg)
{
    struct loop *loop = arg;
    for (;;) {
        h2o_evloop_run(loop->ctx.loop, INT32_MAX);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bare_h2o PORT WORKERS\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    static h2o_globalconf_t config;
    h2o_config_init(&config);
    config.http1.upgrade_to_http2 = 0;
    h2o_hostconf_t *host =
        h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    h2o_handler_t *handler =
        h2o_create_handler(h2o_config_register_path(host, "/", 0), sizeof(*handler));
    handler->on_req = atoi(argv[2]) == 1 ? on_request_counted : on_request;
    pthread_t thread;
    for (int i = 0; i < atoi(argv[2]); i++) {
        struct loop *loop = calloc(1, sizeof(*loop));
        h2o_context_init(&loop->ctx, h2o_evloop_create(), &config);
        loop->accept.ctx = &loop->ctx;
        loop->accept.hosts = config.hosts;
        h2o_socket_t *listener = h2o_evloop_socket_create(
            loop->ctx.loop, listen_on((uint16_t)atoi(argv[1])), H2O_SOCKET_FLAG_DONT_READ);
        listener->data = loop;
        h2o_socket_read_start(listener, on_accept);
        pthread_create(&thread, NULL, run, loop);
    }
    pause();
    return 0;
}
