/* listener.c: see listener.h. */
#include "gateway/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4096
#define USER_TIMEOUT_MS 30000 /* a reader that takes nothing for so long is gone */

bool listener_parse(const char *text, struct listen_address *out, struct result *why)
{
    char host[128];
    const char *colon = strrchr(text, ':');
    size_t host_len = colon != NULL ? (size_t)(colon - text) : 0;
    if (colon == NULL || host_len >= sizeof(host)) {
        return result_fail(why, "server.listen: \"%s\" is not ADDRESS:PORT", text);
    }
    bool bracketed = host_len >= 2 && text[0] == '[' && text[host_len - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? host_len - 2 : host_len),
             bracketed ? text + 1 : text);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(host[0] != '\0' ? host : "0.0.0.0", colon + 1, &hints, &found);
    if (error != 0 || found->ai_addrlen > sizeof(out->storage)) {
        return result_fail(why, "server.listen: \"%s\" is not a numeric ADDRESS:PORT: %s", text,
                           gai_strerror(error));
    }
    memset(out, 0, sizeof(*out));
    memcpy(&out->storage, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

/* Whose fault it mostly is, and what to do. */
static bool cannot_listen(const struct listen_address *address, int error, struct result *why)
{
    char host[NI_MAXHOST] = "";
    const char *remedy = "";
    getnameinfo((const struct sockaddr *)&address->storage, address->len, host, sizeof(host), NULL,
                0, NI_NUMERICHOST);
    if (error == EADDRINUSE) {
        remedy = "; end the program that has it (ss -ltnp shows it), or take another port";
    } else if (error == EADDRNOTAVAIL) {
        remedy = "; this machine has no such address";
    } else if (error == EACCES) {
        remedy = "; ports below 1024 want a privilege (CAP_NET_BIND_SERVICE), or take another";
    }
    char text[128];
    return result_fail(why, "server.listen: cannot listen on %s port %u: %s%s", host,
                       listener_port(address), strerror_r(error, text, sizeof(text)), remedy);
}

unsigned listener_port(const struct listen_address *address)
{
    if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &address->storage, sizeof(v6));
        return ntohs(v6.sin6_port);
    }
    struct sockaddr_in v4;
    memcpy(&v4, &address->storage, sizeof(v4));
    return ntohs(v4.sin_port);
}

bool listener_is_free(const struct listen_address *address, struct result *why)
{
    const struct sockaddr *sa = (const struct sockaddr *)&address->storage;
    int on = 1;
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool bound = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                 bind(fd, sa, address->len) == 0;
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    return bound || cannot_listen(address, error, why);
}

static bool set_options(int fd)
{
    int on = 1;
    unsigned timeout_ms = USER_TIMEOUT_MS;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms)) == 0;
}

int listener_open(struct listen_address *address, struct result *why)
{
    struct sockaddr *sa = (struct sockaddr *)&address->storage;
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        result_fail_errno(why, errno, "server.listen: cannot make a socket");
        return -1;
    }
    socklen_t len = address->len;
    if (!set_options(fd) || bind(fd, sa, address->len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, sa, &len) != 0) {
        cannot_listen(address, errno, why);
        close(fd);
        return -1;
    }
    return fd;
}
