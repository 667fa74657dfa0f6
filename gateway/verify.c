/* verify.c: see verify.h. Nothing here looks at the body. */
#include "gateway/verify.h"

#include "base/clock.h"
#include "gateway/canary.h"
#include "gateway/http.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>

#define NOT_READY_RETRY_S 60

struct judge {
    struct worker *worker;
    h2o_req_t *req;
    struct slice path;
    const struct config *config;
    int64_t wall_ns;
    int64_t mono_ns;
    bool late; /* signed before the window: only a lease lets it pass */
    struct verification *out;
};

static bool refuse(struct judge *in, enum reason reason)
{
    in->out->verdict = reason;
    return false;
}

/* Count and grammar of the signing headers. */
static bool read_claim(struct judge *in)
{
    for (size_t i = 0; i < in->req->headers.size; i++) {
        const h2o_header_t *header = &in->req->headers.entries[i];
        signature_headers_add(&in->out->headers, http_slice(*header->name),
                              http_slice(header->value));
    }
    enum reason reason = signature_parse(&in->out->headers, &in->out->claim);
    return reason == REASON_OK || refuse(in, reason);
}

static bool check_window(struct judge *in)
{
    int64_t skew_s;
    int64_t now_s = in->wall_ns / NS_PER_SECOND;
    enum reason reason = signature_check_window(&in->out->claim, now_s,
                                                in->config->auth.window / NS_PER_SECOND, &skew_s);
    if (reason != REASON_OK) {
        snprintf(in->out->detail, sizeof(in->out->detail),
                 "the timestamp is %" PRId64 " s %s the server's time %" PRId64
                 ", allowed are %" PRId64 " s",
                 skew_s < 0 ? -skew_s : skew_s, skew_s < 0 ? "ahead of" : "behind", now_s,
                 in->config->auth.window / NS_PER_SECOND);
    }
    in->late = reason != REASON_OK && skew_s > 0 && in->config->auth.session_lease != 0;
    return reason == REASON_OK || in->late || refuse(in, reason);
}

/* A late one goes on if its session has a lease on this very signature; one in time begins one. */
static bool check_lease(struct judge *in)
{
    int64_t length_ns = in->config->auth.session_lease;
    struct lease *lease = in->worker->gateway->lease;
    if (!in->late) {
        if (length_ns != 0) {
            lease_grant(lease, in->out->claim.session, in->out->claim.mac, in->mono_ns);
        }
        return true;
    }
    if (!lease_use(lease, in->out->claim.session, in->out->claim.mac, in->mono_ns, length_ns)) {
        return refuse(in, REASON_TIMESTAMP_DRIFT);
    }
    in->out->verdict = REASON_LEASED;
    in->out->detail[0] = '\0';
    return true;
}

static bool is_root(struct slice path)
{
    return slice_eq(path, SLICE_LIT("/"));
}

/* The paths that may have been signed, and what each says about the signal. */
struct candidates {
    struct slice paths[SIGNAL_COUNT];
    enum signal signals[SIGNAL_COUNT];
    size_t n;
};

static void add_candidate(struct candidates *list, struct slice path, enum signal signal)
{
    list->paths[list->n] = path;
    list->signals[list->n++] = signal;
}

/* The request's own path. Instead, for `POST /`: the path of any signal; beside it, for gRPC: that
 * of the call's signal. */
static void find_candidates(struct slice path, struct candidates *list)
{
    list->n = 0;
    if (is_root(path)) {
        for (unsigned i = 0; i < SIGNAL_PROFILES; i++) {
            add_candidate(list, signal_info((enum signal)i)->path, (enum signal)i);
        }
        return;
    }
    enum signal called = signal_of_rpc_path(path);
    add_candidate(list, path, called != SIGNAL_COUNT ? called : signal_of_path(path));
    if (called != SIGNAL_COUNT) {
        add_candidate(list, signal_info(called)->path, called);
    }
}

static bool match_key(struct judge *in)
{
    struct candidates candidates;
    find_candidates(in->path, &candidates);
    char last_key[SIGNATURE_KEY_ID_MAX + 1];
    struct slice hint = {0};
    if (in->out->claim.session.len != 0 && in->out->claim.key_id.data == NULL) {
        size_t len =
            registry_last_key(in->worker->gateway->registry, in->out->claim.session, last_key);
        hint = len != 0 ? slice_make(last_key, len) : hint;
    }
    enum reason reason =
        keyring_match(in->worker->keys, &in->out->claim, candidates.paths, candidates.n, hint,
                      in->wall_ns / NS_PER_SECOND, &in->out->key);
    if (reason != REASON_OK) {
        in->out->retry_after_s = reason == REASON_KEY_NOT_READY ? NOT_READY_RETRY_S : 0;
        in->out->detail[0] = '\0'; /* of a late one: not what it is refused for */
        return refuse(in, reason);
    }
    in->out->signal = candidates.signals[in->out->key.path];
    return true;
}

static bool is_canary(const struct judge *in)
{
    bool repeated;
    struct slice token = http_header(in->req, SLICE_LIT(CANARY_HEADER), &repeated);
    return token.len == CANARY_TOKEN_LEN &&
           CRYPTO_memcmp(token.data, in->worker->gateway->canary_token, CANARY_TOKEN_LEN) == 0;
}

/* Our own canary is left out: a key that only it uses is in nobody's hands. */
static bool count_use(struct judge *in)
{
    in->out->canary = is_canary(in);
    if (in->out->canary) {
        return true;
    }
    key_usage_count(in->worker->key_uses, in->out->key.key_id, in->out->headers.version,
                    in->wall_ns / NS_PER_SECOND);
    return true;
}

/* With auth.required = false an unsigned request passes, unless only its signature could tell what
 * it carries. */
static bool pass_unsigned(struct judge *in)
{
    if (is_root(in->path)) {
        return false;
    }
    in->out->signal = signal_of_path(in->path);
    in->out->claim = (struct signature_claim){0};
    in->out->key = (struct keyring_match){0};
    in->out->verdict = REASON_OK;
    in->out->retry_after_s = 0;
    in->out->detail[0] = '\0';
    return true;
}

bool verify_request(struct worker *worker, h2o_req_t *req, struct slice path, int64_t wall_ns,
                    int64_t mono_ns, struct verification *out)
{
    struct judge in = {.worker = worker,
                       .req = req,
                       .path = path,
                       .config = gateway_config(worker->gateway),
                       .wall_ns = wall_ns,
                       .mono_ns = mono_ns,
                       .out = out};
    *out = (struct verification){.verdict = REASON_OK, .signal = SIGNAL_COUNT};
    if (read_claim(&in) && check_window(&in) && match_key(&in) && check_lease(&in)) {
        return count_use(&in);
    }
    return !in.config->auth.required && pass_unsigned(&in);
}

void verify_log(const struct verification *proof, enum reason verdict, const struct ip_addr *client,
                const char *detail)
{
    char ip[IP_TEXT_MAX];
    struct slice session = proof->headers.session;
    struct slice version = proof->headers.version;
    if (reason_info(verdict)->http_status == 200) {
        LOG_INFO("[AUTH_SUCCESS]", LOG_SLICE("version", version), LOG_SLICE("session", session),
                 LOG_STR("ip", ip_format(client, ip)), LOG_SLICE("key", proof->key.key_id));
    } else {
        LOG_WARN("[AUTH_FAILED]", LOG_STR("reason", reason_info(verdict)->word),
                 LOG_SLICE("version", version), LOG_SLICE("session", session),
                 LOG_STR("ip", ip_format(client, ip)), LOG_SLICE("key", proof->key.key_id),
                 LOG_STR("detail", detail[0] != '\0' ? detail : NULL));
    }
}
