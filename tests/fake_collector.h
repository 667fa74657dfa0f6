/* fake_collector.h: an OTLP/HTTP receiver for tests: a thread a connection, answers from a script,
 * and a memory of what came. Header-only, so that a test program stays one file.
 *
 *     struct fake_collector *c = fake_collector_start(0, answer, arg);
 *     ... c->port ...
 *     fake_collector_stop(c);
 *
 * The script is called for each request, on its connection's thread, one call at a time.
 */
#ifndef SIGPOST_TESTS_FAKE_COLLECTOR_H
#define SIGPOST_TESTS_FAKE_COLLECTOR_H

#include "base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_request {
    unsigned number;     /* from 0, over all connections */
    unsigned connection; /* from 0 */
    int64_t came_ns;     /* monotonic, when it was whole */
    int status;          /* what it was answered */
    char path[64];
    char *head; /* request line and headers, NUL-terminated */
    char *body;
    size_t body_len;
};

struct fake_answer {
    int status;
    const char *headers; /* whole lines with \r\n, or NULL */
    const void *body;
    size_t body_len;
    int delay_ms;
    enum { FAKE_WHOLE, FAKE_SILENT_CLOSE, FAKE_CUT, FAKE_GARBAGE, FAKE_TRICKLE } how;
};

typedef struct fake_answer (*fake_script)(void *arg, const struct fake_request *request);

#define FAKE_CONNECTIONS_MAX 256

struct fake_collector {
    uint16_t port;
    int listener;
    fake_script script;
    void *arg;
    pthread_t acceptor;
    pthread_mutex_t lock; /* guards what follows */
    struct fake_request *requests;
    size_t n_requests;
    unsigned busy, most_busy; /* requests between "whole" and "answered" */
    unsigned n_connections;
    int sockets[FAKE_CONNECTIONS_MAX];
    pthread_t threads[FAKE_CONNECTIONS_MAX];
    bool stopping;
};

struct fake_connection {
    struct fake_collector *collector;
    unsigned number;
    int fd;
};

static inline bool fake_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len != 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads one request; false at the end of the connection. */
static inline bool fake_read(int fd, struct fake_request *r)
{
    size_t cap = 1 << 16;
    size_t have = 0;
    char *head = malloc(cap);
    char *end = NULL;
    while (head != NULL && end == NULL && have < cap - 1) {
        ssize_t n = recv(fd, head + have, cap - 1 - have, 0);
        if (n <= 0) {
            free(head);
            return false;
        }
        have += (size_t)n;
        head[have] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    if (end == NULL) {
        free(head);
        return false;
    }
    end[2] = '\0';
    const char *length = strcasestr(head, "\r\nContent-Length:");
    r->body_len = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
    r->body = malloc(r->body_len + 1);
    size_t got = have - (size_t)(end + 4 - head);
    memcpy(r->body, end + 4, got);
    while (got < r->body_len) {
        ssize_t n = recv(fd, r->body + got, r->body_len - got, 0);
        if (n <= 0) {
            free(head);
            free(r->body);
            return false;
        }
        got += (size_t)n;
    }
    r->body[r->body_len] = '\0';
    r->head = head;
    const char *path = strchr(head, ' ');
    size_t path_len = path != NULL ? strcspn(path + 1, " ") : 0;
    path_len = path_len < sizeof(r->path) ? path_len : sizeof(r->path) - 1;
    memcpy(r->path, path != NULL ? path + 1 : "", path_len);
    r->path[path_len] = '\0';
    return true;
}

static inline void fake_pause(struct fake_collector *c, int ms)
{
    for (int waited = 0; waited < ms; waited += 5) {
        pthread_mutex_lock(&c->lock);
        bool stopping = c->stopping;
        pthread_mutex_unlock(&c->lock);
        if (stopping) {
            return;
        }
        usleep(5000);
    }
}

static inline bool fake_reply(int fd, const struct fake_answer *a)
{
    char head[1024];
    if (a->how == FAKE_SILENT_CLOSE) {
        return false;
    }
    if (a->how == FAKE_GARBAGE) {
        fake_send(fd, "\x16\x03\x01 this is not HTTP\r\n\r\n", 24);
        return false;
    }
    int len = snprintf(head, sizeof(head), "HTTP/1.1 %d Scripted\r\nContent-Length: %zu\r\n%s\r\n",
                       a->status, a->body_len, a->headers != NULL ? a->headers : "");
    if (a->how == FAKE_CUT) {
        fake_send(fd, head, (size_t)len / 2);
        return false;
    }
    if (a->how == FAKE_TRICKLE) { /* a byte now and then, for as long as somebody listens */
        bool going = true;
        for (int i = 0; i < len && going; i++) {
            going = fake_send(fd, head + i, 1);
            usleep(10000);
        }
        return false;
    }
    return fake_send(fd, head, (size_t)len) && fake_send(fd, a->body, a->body_len);
}

static inline void *fake_serve(void *arg)
{
    struct fake_connection *connection = arg;
    struct fake_collector *c = connection->collector;
    struct fake_request r = {0};
    bool going = true;
    while (going && fake_read(connection->fd, &r)) {
        pthread_mutex_lock(&c->lock);
        c->busy++;
        c->most_busy = c->busy > c->most_busy ? c->busy : c->most_busy;
        r.number = (unsigned)c->n_requests;
        r.connection = connection->number;
        r.came_ns = clock_mono_ns();
        struct fake_answer answer = c->script(c->arg, &r);
        r.status = answer.how == FAKE_WHOLE ? answer.status : 0;
        c->requests = realloc(c->requests, (c->n_requests + 1) * sizeof(r));
        c->requests[c->n_requests++] = r;
        pthread_mutex_unlock(&c->lock);
        fake_pause(c, answer.delay_ms);
        pthread_mutex_lock(&c->lock);
        c->busy--;
        pthread_mutex_unlock(&c->lock);
        going = fake_reply(connection->fd, &answer);
    }
    shutdown(connection->fd, SHUT_RDWR);
    free(connection);
    return NULL;
}

static inline void *fake_accept(void *arg)
{
    struct fake_collector *c = arg;
    for (;;) {
        int fd = accept(c->listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        struct fake_connection *connection = malloc(sizeof(*connection));
        pthread_mutex_lock(&c->lock);
        if (c->stopping || c->n_connections == FAKE_CONNECTIONS_MAX) {
            pthread_mutex_unlock(&c->lock);
            free(connection);
            close(fd);
            continue;
        }
        *connection = (struct fake_connection){c, c->n_connections, fd};
        c->sockets[c->n_connections] = fd;
        pthread_create(&c->threads[c->n_connections], NULL, fake_serve, connection);
        c->n_connections++;
        pthread_mutex_unlock(&c->lock);
    }
}

/* port 0: any free one. NULL when it cannot listen. */
static inline struct fake_collector *fake_collector_start(uint16_t port, fake_script script,
                                                          void *arg)
{
    struct fake_collector *c = calloc(1, sizeof(*c));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(address);
    int on = 1;
    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(c->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(c->listener, (struct sockaddr *)&address, len) != 0 || listen(c->listener, 64) != 0) {
        close(c->listener);
        free(c);
        return NULL;
    }
    getsockname(c->listener, (struct sockaddr *)&address, &len);
    c->port = ntohs(address.sin_port);
    c->script = script;
    c->arg = arg;
    pthread_mutex_init(&c->lock, NULL);
    pthread_create(&c->acceptor, NULL, fake_accept, c);
    return c;
}

/* Closes everything; the requests stay readable until fake_collector_free. */
static inline void fake_collector_stop(struct fake_collector *c)
{
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    for (unsigned i = 0; i < c->n_connections; i++) {
        shutdown(c->sockets[i], SHUT_RDWR);
    }
    pthread_mutex_unlock(&c->lock);
    shutdown(c->listener, SHUT_RDWR);
    pthread_join(c->acceptor, NULL);
    close(c->listener);
    for (unsigned i = 0; i < c->n_connections; i++) {
        pthread_join(c->threads[i], NULL);
        close(c->sockets[i]);
    }
}

static inline void fake_collector_free(struct fake_collector *c)
{
    for (size_t i = 0; i < c->n_requests; i++) {
        free(c->requests[i].head);
        free(c->requests[i].body);
    }
    free(c->requests);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

#endif
