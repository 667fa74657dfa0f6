/* canary.h: one signed metric sent the whole way, to see that the way is open and how long it
 * takes.
 *
 *     sign ─▶ our own listener, as a client would ─▶ spool ─▶ every destination
 *
 * The payload is the monotonic sum `sigpost.canary` of the service `sigpost-canary`: a series of
 * its own, `sigpost_canary_total`, beside those of the clients. It carries no session: it is none
 * in the registry, and takes no slot of the lobby. It is counted by the gateway's own metrics as
 * any other request is.
 *
 * It has arrived at a destination when everything in the spool up to it has: under load the time is
 * that of the newest record, canary or not.
 */
#ifndef SIGPOST_GATEWAY_CANARY_H
#define SIGPOST_GATEWAY_CANARY_H

#include "gateway/gateway.h"

struct canary;

/* By this header our own workers know a canary: no client's use of a key is it. Its value is this
 * process's own, random, and never leaves the machine. */
#define CANARY_HEADER "x-sigpost-canary"

/* Makes the value. Before the workers start. False without randomness. */
bool canary_make_token(char token[CANARY_TOKEN_LEN + 1]);

#define CANARY_HOP_MAX 33 /* "key", "listener", "gateway", "spool", or a destination's name */
#define CANARY_PROBLEM_MAX 320

struct canary_outcome {
    bool arrived;
    int64_t took_ns;                  /* from before it was signed until every destination had it */
    char hop[CANARY_HOP_MAX];         /* where it got stuck; empty when it arrived */
    char problem[CANARY_PROBLEM_MAX]; /* why; the same */
};

/* `port` is the listener's. Belongs to one thread. NULL and a sentence on failure. */
struct canary *canary_create(struct gateway *gateway, unsigned port, struct result *why);
void canary_destroy(struct canary *canary); /* NULL is fine */

/* Sends one and waits until it is everywhere, for at most wait_ns, or about a second once *stopping
 * is set. While the server and the destinations run. */
void canary_send(struct canary *canary, int64_t wait_ns, const atomic_bool *stopping,
                 struct canary_outcome *out);

/* Appends the payload: an ExportMetricsServiceRequest with one point. `value` counts the canaries
 * since start_ns; times are wall time. */
void canary_payload(struct buf *out, const char *instance, uint64_t value, int64_t start_ns,
                    int64_t now_ns);

/* Writes the base URL of the listener as it is reached from this machine: a wildcard address
 * becomes loopback. False and a sentence when `listen` cannot be read. */
bool canary_url(const char *listen, unsigned port, char *out, size_t size, struct result *why);

#endif
