/* canary_payload.c: what the canary carries, by what it is known, and where to: see canary.h. */
#include "gateway/canary.h"

#include "gateway/listener.h"
#include "otlp/wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/random.h>

bool canary_make_token(char token[CANARY_TOKEN_LEN + 1])
{
    uint8_t random[CANARY_TOKEN_LEN / 2];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(random); i++) {
        snprintf(token + 2 * i, 3, "%02x", (unsigned)random[i]);
    }
    return true;
}

static void put_fixed64(struct buf *out, uint32_t number, uint64_t value)
{
    wire_put_tag(out, number, WIRE_FIXED64);
    for (unsigned shift = 0; shift < 64; shift += 8) {
        buf_append_char(out, (char)(value >> shift & 0xff));
    }
}

static void put_varint(struct buf *out, uint32_t number, uint64_t value)
{
    wire_put_tag(out, number, WIRE_VARINT);
    wire_put_varint(out, value);
}

/* KeyValue of the resource, field 1 there. */
static void put_attribute(struct buf *resource, const char *key, const char *value)
{
    struct buf any = BUF_INIT;
    struct buf pair = BUF_INIT;
    wire_put_bytes(&any, 1, slice_of(value));
    wire_put_bytes(&pair, 1, slice_of(key));
    wire_put_bytes(&pair, 2, buf_slice(&any));
    wire_put_bytes(resource, 1, buf_slice(&pair));
    buf_free(&any);
    buf_free(&pair);
}

/* Wraps what is in `content` as field `number` of a message of its own. */
static void wrap(struct buf *content, uint32_t number)
{
    struct buf outer = BUF_INIT;
    wire_put_bytes(&outer, number, buf_slice(content));
    buf_free(content);
    *content = outer;
}

/* opentelemetry/proto/metrics/v1: ScopeMetrics.metrics of one Metric with one NumberDataPoint. */
static void put_metric(struct buf *out, uint64_t value, int64_t start_ns, int64_t now_ns)
{
    struct buf sum = BUF_INIT;
    put_fixed64(&sum, 2, (uint64_t)start_ns);
    put_fixed64(&sum, 3, (uint64_t)now_ns);
    put_fixed64(&sum, 6, value);
    wrap(&sum, 1);          /* Sum.data_points */
    put_varint(&sum, 2, 2); /* cumulative */
    put_varint(&sum, 3, 1); /* monotonic */
    wire_put_bytes(out, 1, SLICE_LIT("sigpost.canary"));
    wire_put_bytes(out, 2, SLICE_LIT("Canaries that sigpost sent through itself."));
    wire_put_bytes(out, 3, SLICE_LIT("1"));
    wire_put_bytes(out, 7, buf_slice(&sum));
    wrap(out, 2);
    buf_free(&sum);
}

void canary_payload(struct buf *out, const char *instance, uint64_t value, int64_t start_ns,
                    int64_t now_ns)
{
    struct buf resource = BUF_INIT;
    struct buf scope = BUF_INIT;
    struct buf block = BUF_INIT;
    put_attribute(&resource, "service.name", "sigpost-canary");
    put_attribute(&resource, "service.version", SIGPOST_VERSION);
    put_attribute(&resource, "service.instance.id", instance);
    put_metric(&scope, value, start_ns, now_ns);
    wire_put_bytes(&block, 1, buf_slice(&resource));
    wire_put_bytes(&block, 2, buf_slice(&scope));
    out->failed = out->failed || resource.failed || scope.failed || block.failed;
    wire_put_bytes(out, 1, buf_slice(&block));
    buf_free(&resource);
    buf_free(&scope);
    buf_free(&block);
}

/* The address one connects to for one that is listened on. */
static bool format_host(const struct listen_address *address, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &address->storage, sizeof(v6));
        const struct in6_addr *to =
            IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr) ? &in6addr_loopback : &v6.sin6_addr;
        return inet_ntop(AF_INET6, to, text, sizeof(text)) != NULL &&
               snprintf(out, size, "[%s]", text) < (int)size;
    }
    struct sockaddr_in v4;
    memcpy(&v4, &address->storage, sizeof(v4));
    if (v4.sin_addr.s_addr == htonl(INADDR_ANY)) {
        v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    return inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text)) != NULL &&
           snprintf(out, size, "%s", text) < (int)size;
}

bool canary_url(const char *listen, unsigned port, char *out, size_t size, struct result *why)
{
    struct listen_address address;
    char host[INET6_ADDRSTRLEN + 2];
    if (!listener_parse(listen, &address, why)) {
        return false;
    }
    if (!format_host(&address, host, sizeof(host)) ||
        snprintf(out, size, "http://%s:%u", host, port) >= (int)size) {
        return result_fail(why, "the canary cannot tell the address of %s", listen);
    }
    return true;
}
