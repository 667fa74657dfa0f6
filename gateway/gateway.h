/* gateway.h: what the rooms of the gateway share: one struct gateway for the process, one struct
 * worker for each event loop. main.c builds the gateway; server.c the workers.
 */
#ifndef SIGPOST_GATEWAY_GATEWAY_H
#define SIGPOST_GATEWAY_GATEWAY_H

#include "base/config.h"
#include "base/metrics.h"
#include "base/reason.h"
#include "gateway/body.h"
#include "gateway/counters.h"
#include "gateway/history.h"
#include "gateway/lobby_keeper.h"
#include "gateway/page_store.h"
#include "gateway/rate_limit.h"
#include "otlp/export/dead_letter.h"
#include "otlp/export/destination.h"
#include "otlp/signal.h"
#include "otlp/spool/spool.h"
#include "secrets/key_usage.h"
#include "secrets/keyring.h"
#include "secrets/keyring_receipt.h"
#include "session/lease.h"
#include "session/registry.h"
#include "session/repeats.h"

#include <h2o.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define GATEWAY_DESTINATIONS_MAX 8
#define CANARY_TOKEN_LEN 32

struct gateway {
    const struct config *_Atomic config;
    struct config **configs; /* every one there was: a worker may still be reading an old one */
    size_t n_configs;
    struct metrics *metrics;
    struct counters counters;
    struct keyring *keyring;
    struct key_usage *key_usage;
    struct keyring_receipt *receipt; /* of the loaded keys, for sigpostctl */
    bool receipt_failed;             /* the housekeeper's */
    struct registry *registry;
    struct lease *lease;
    struct repeats *repeats;
    struct rate_limit *rate_limit;   /* of addresses */
    struct rate_limit *session_rate; /* of sessions */
    struct page_store *pages;
    struct history *history;
    struct spool *spool;
    int state_lock; /* on the state directory, until its last file is written; -1: none */
    struct destination *destinations[GATEWAY_DESTINATIONS_MAX];
    size_t n_destinations;
    char *dead_dir; /* owned; NULL before and after the destinations */
    struct dead_letter_box dead;
    struct lobby_keeper *lobby;
    struct bearer *bearer;
    atomic_uint connections;
    char canary_token[CANARY_TOKEN_LEN + 1]; /* canary.h; set once, at the start */
};

struct append_queue;
struct append_wait;

struct worker {
    struct gateway *gateway;
    h2o_context_t ctx;
    h2o_accept_ctx_t accept;
    int listen_fd;                      /* -1 once the listener has it */
    h2o_socket_t *listener;             /* NULL once draining */
    h2o_multithread_receiver_t settled; /* called for appends whose outcome is known */
    struct append_queue *appends;       /* to the spool and back */
    struct append_wait *spare_waits;    /* memory for further requests */
    unsigned n_spare_waits;
    h2o_multithread_receiver_t kept; /* changes of the lobby that are on disk */
    h2o_timeout_t reply_deadline;    /* of requests that wait for the disk */
    struct body_scratch scratch;
    unsigned waiting; /* requests that wait for the disk */
    unsigned n_lobby_waits;
    struct keyring_reader *keys;
    struct key_usage_counter *key_uses;
    bool paused; /* at the connection cap: the listener is not read */
    pthread_t thread;
    sem_t go; /* server.c: the next step of its life may begin */
};

/* The worker on whose loop a request runs. */
static inline struct worker *worker_of(h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(struct worker, ctx, req->conn->ctx);
}

/* The configuration in force. Good until the process ends. */
static inline const struct config *gateway_config(struct gateway *gateway)
{
    return atomic_load_explicit(&gateway->config, memory_order_acquire);
}

/* Builds everything behind the server, in the order in which each part needs the others: memory for
 * secrets, keys, sessions, pages, spool, destinations. Owns config from now on, also when it fails.
 * NULL and a sentence; *bad_config tells whether it is the configuration (exit 2) or the machine
 * (exit 1) that must be mended. */
struct gateway *gateway_open(struct config *config, bool *bad_config, struct result *why);

/* Logs what config_warnings has to say of this configuration, a line each. */
void gateway_say_warnings(const struct config *config, char *const *environment);

/* Is the configuration fit for a start, with the keys, tokens and certificates that it names?
 * Touches nothing. False and a sentence otherwise. */
bool gateway_check(const struct config *config, struct result *why);

/* Tells waiting tools which keys are in force. After each load, on the thread that loads, and now
 * and then: what cannot be written is said in the log once and tried again. */
void gateway_write_receipt(struct gateway *gateway);

/* Has a write or sync of the spool failed for good? Before gateway_stop. */
bool gateway_spool_failed(struct gateway *gateway);

/* Stops the destinations (until the monotonic deadline), then the spool and the lobby. Before
 * gateway_close, and before the server is freed: their threads may still be waking a worker. */
void gateway_stop(struct gateway *gateway, int64_t deadline_mono_ns);

/* Frees everything. No thread may use the gateway any more. */
void gateway_close(struct gateway *gateway);

/* Puts another configuration in force; owns it. */
void gateway_replace_config(struct gateway *gateway, struct config *config);

#endif
