/* ingest.c: the way of one signed request, step by step, from the socket to the spool.
 *
 * Each step either lets the request go on or sets the verdict; the first that refuses ends it.
 * Nothing of the body is looked at before the signature holds. What waits for the disk is in
 * append_wait.c.
 */
#include "gateway/ingest.h"

#include "base/clock.h"
#include "gateway/append_wait.h"
#include "gateway/client_addr.h"
#include "gateway/cors.h"
#include "gateway/http.h"
#include "gateway/reply.h"

#include <inttypes.h>
#include <stdio.h>

#define FORWARDED_FOR_MAX H2O_MAX_HEADERS /* all: the last one is the nearest proxy's */
#define NOT_READY_RETRY_S 60

struct ingest {
    struct worker *worker;
    h2o_req_t *req;
    const struct config *config;
    int64_t started_ns; /* monotonic */
    int64_t now_ns;     /* wall */
    struct ip_addr client;
    struct signature_headers headers;
    struct signature_claim claim;
    struct keyring_match key;
    enum signal signal;
    bool late; /* signed before the window: only a lease lets it pass */
    struct body body;
    enum reason verdict;
    unsigned retry_after_s;
    char detail[sizeof(((struct body *)0)->fault)]; /* behind the verdict's own words */
};

static bool refuse(struct ingest *in, enum reason reason)
{
    in->verdict = reason;
    return false;
}

static bool find_client(struct ingest *in)
{
    struct slice hops[FORWARDED_FOR_MAX];
    struct ip_addr peer = http_peer(in->req);
    size_t n = http_header_all(in->req, SLICE_LIT("x-forwarded-for"), hops, FORWARDED_FOR_MAX);
    in->client = client_addr_find(in->config->server.trusted_proxies,
                                  in->config->server.n_trusted_proxies, &peer, hops, n);
    return true;
}

static bool take_rate_token(struct ingest *in)
{
    if (rate_limit_take(in->worker->gateway->rate_limit, &in->client, in->started_ns,
                        &in->retry_after_s)) {
        return true;
    }
    return refuse(in, REASON_RATE_LIMITED);
}

/* Count and grammar of the signing headers. */
static bool read_claim(struct ingest *in)
{
    for (size_t i = 0; i < in->req->headers.size; i++) {
        const h2o_header_t *header = &in->req->headers.entries[i];
        signature_headers_add(&in->headers, http_slice(*header->name), http_slice(header->value));
    }
    enum reason reason = signature_parse(&in->headers, &in->claim);
    return reason == REASON_OK || refuse(in, reason);
}

static bool check_window(struct ingest *in)
{
    int64_t skew_s;
    int64_t now_s = in->now_ns / NS_PER_SECOND;
    enum reason reason =
        signature_check_window(&in->claim, now_s, in->config->auth.window / NS_PER_SECOND, &skew_s);
    if (reason != REASON_OK) {
        snprintf(in->detail, sizeof(in->detail),
                 "the timestamp is %" PRId64 " s %s the server's time %" PRId64
                 ", allowed are %" PRId64 " s",
                 skew_s < 0 ? -skew_s : skew_s, skew_s < 0 ? "ahead of" : "behind", now_s,
                 in->config->auth.window / NS_PER_SECOND);
    }
    in->late = reason != REASON_OK && skew_s > 0 && in->config->auth.session_lease != 0;
    return reason == REASON_OK || in->late || refuse(in, reason);
}

/* A late one goes on if its session has a lease on this very signature; one in time begins one. */
static bool check_lease(struct ingest *in)
{
    int64_t length_ns = in->config->auth.session_lease;
    struct lease *lease = in->worker->gateway->lease;
    if (!in->late) {
        if (length_ns != 0) {
            lease_grant(lease, in->claim.session, in->claim.mac, in->started_ns);
        }
        return true;
    }
    if (!lease_use(lease, in->claim.session, in->claim.mac, in->started_ns, length_ns)) {
        return refuse(in, REASON_TIMESTAMP_DRIFT);
    }
    in->verdict = REASON_LEASED;
    in->detail[0] = '\0';
    return true;
}

/* Which signal is this? By its path; for `POST /`, by the signal's path that the client signed. */
static bool match_key(struct ingest *in)
{
    struct slice paths[SIGNAL_COUNT];
    size_t n = 0;
    in->signal = signal_of_path(http_path(in->req));
    if (in->signal != SIGNAL_COUNT) {
        paths[n++] = signal_info(in->signal)->path;
    } else {
        for (; n < SIGNAL_PROFILES; n++) {
            paths[n] = signal_info((enum signal)n)->path;
        }
    }
    char last_key[SIGNATURE_KEY_ID_MAX + 1];
    struct slice hint = {0};
    if (in->claim.session.len != 0 && in->claim.key_id.data == NULL) {
        size_t len = registry_last_key(in->worker->gateway->registry, in->claim.session, last_key);
        hint = len != 0 ? slice_make(last_key, len) : hint;
    }
    enum reason reason = keyring_match(in->worker->keys, &in->claim, paths, n, hint,
                                       in->now_ns / NS_PER_SECOND, &in->key);
    if (reason != REASON_OK) {
        in->retry_after_s = reason == REASON_KEY_NOT_READY ? NOT_READY_RETRY_S : 0;
        return refuse(in, reason);
    }
    if (in->signal == SIGNAL_COUNT) {
        in->signal = (enum signal)in->key.path;
    }
    return true;
}

/* With auth.required = false an unsigned request passes, unless only its signature could tell what
 * it carries. */
static bool pass_unsigned(struct ingest *in)
{
    in->signal = signal_of_path(http_path(in->req));
    if (in->signal == SIGNAL_COUNT) {
        return false;
    }
    in->claim = (struct signature_claim){0};
    in->key = (struct keyring_match){0};
    in->verdict = REASON_OK;
    in->retry_after_s = 0;
    in->detail[0] = '\0';
    return true;
}

static bool verify(struct ingest *in)
{
    if (read_claim(in) && check_window(in) && match_key(in) && check_lease(in)) {
        return true;
    }
    return !in->config->auth.required && pass_unsigned(in);
}

static bool admit(struct ingest *in)
{
    if (in->claim.session.len != 0) {
        registry_touch(in->worker->gateway->registry, in->claim.session, in->key.key_id,
                       in->started_ns);
    }
    return true;
}

static bool take_step(struct ingest *in, enum reason reason)
{
    if (reason != REASON_OK) {
        memcpy(in->detail, in->body.fault, sizeof(in->detail));
        return refuse(in, reason);
    }
    return true;
}

static bool check_media_type(struct ingest *in)
{
    enum reason reason = body_open(in->req, &in->body);
    bool opaque_json = in->body.json && signal_info(in->signal)->opaque;
    return take_step(in, opaque_json ? REASON_UNSUPPORTED_MEDIA_TYPE : reason);
}

static bool inflate(struct ingest *in)
{
    return take_step(in,
                     body_inflate(&in->body, in->config->server.max_body, &in->worker->scratch));
}

static bool validate(struct ingest *in)
{
    return take_step(in, body_validate(&in->body, in->signal, &in->worker->scratch));
}

/* What the gateway proved goes into every resource; an empty value takes a claim out. */
static bool stamp(struct ingest *in)
{
    if (signal_info(in->signal)->opaque) {
        return true;
    }
    const struct stamp_attribute attributes[] = {
        {SLICE_LIT("sigpost.session.id"), in->claim.session},
        {SLICE_LIT("sigpost.key.id"), in->key.key_id},
        {SLICE_LIT("deployment.environment"), in->key.label},
        {SLICE_LIT("service.namespace"), slice_of(in->config->stamp.service_namespace)},
    };
    return take_step(in, body_stamp(&in->body, in->signal, attributes,
                                    sizeof(attributes) / sizeof(attributes[0]),
                                    in->config->server.max_body + BODY_STAMP_ROOM,
                                    &in->worker->scratch));
}

static void log_verdict(struct ingest *in)
{
    char ip[IP_TEXT_MAX];
    ip_format(&in->client, ip);
    struct slice session = in->headers.session;
    struct slice version = in->headers.version;
    if (reason_info(in->verdict)->http_status == 200) {
        LOG_INFO("[AUTH_SUCCESS]", LOG_SLICE("version", version), LOG_SLICE("session", session),
                 LOG_STR("ip", ip), LOG_SLICE("key", in->key.key_id));
    } else {
        LOG_WARN("[AUTH_FAILED]", LOG_STR("reason", reason_info(in->verdict)->word),
                 LOG_SLICE("version", version), LOG_SLICE("session", session), LOG_STR("ip", ip),
                 LOG_SLICE("key", in->key.key_id),
                 LOG_STR("detail", in->detail[0] != '\0' ? in->detail : NULL));
    }
}

static void answer_refusal(struct ingest *in)
{
    counters_verdict(&in->worker->gateway->counters, in->verdict, in->started_ns);
    log_verdict(in);
    reply_verdict(in->req, in->verdict, in->detail, in->retry_after_s);
}

/* Session, path, timestamp and body, as they came: the same four again are a client that missed our
 * answer. Nothing tells an unsigned one from another's. */
static struct repeat_id repeat_of(const struct ingest *in)
{
    const struct slice parts[] = {in->claim.session, signal_info(in->signal)->path,
                                  in->claim.timestamp_text, http_slice(in->req->entity)};
    return repeats_hash(in->worker->gateway->repeats, parts, sizeof(parts) / sizeof(parts[0]));
}

/* Hands the payload to the spool; the answer follows when it is durable. An export of nothing
 * succeeds without being stored. */
static void append(struct ingest *in)
{
    struct repeat_id repeat = repeat_of(in);
    const struct append append = {
        .record = {in->signal, in->now_ns, in->claim.session, in->key.key_id, in->body.bytes,
                   (uint32_t)in->body.items},
        .repeat = in->claim.timestamp_text.len != 0 ? &repeat : NULL,
        .verdict = in->verdict,
        .started_ns = in->started_ns,
    };
    log_verdict(in);
    counters_payload(&in->worker->gateway->counters, in->signal, in->body.encoding, in->body.items,
                     in->req->entity.len);
    bool opaque = signal_info(in->signal)->opaque;
    if (opaque ? in->body.bytes.len == 0 : in->body.items == 0) {
        append_wait_skip(in->worker, in->req, &append);
    } else {
        append_wait_start(in->worker, in->req, &append);
    }
}

void ingest_handle(struct worker *worker, h2o_req_t *req)
{
    struct ingest in = {.worker = worker,
                        .req = req,
                        .config = gateway_config(worker->gateway),
                        .started_ns = clock_mono_ns(),
                        .now_ns = clock_wall_ns(),
                        .signal = SIGNAL_COUNT,
                        .verdict = REASON_OK};
    cors_add_origin(worker, req);
    bool good = find_client(&in) && take_rate_token(&in) && verify(&in) && admit(&in) &&
                check_media_type(&in) && inflate(&in) && validate(&in) && stamp(&in);
    if (good) {
        append(&in);
    } else {
        answer_refusal(&in);
    }
    body_scratch_trim(&worker->scratch);
}

void ingest_on_refused_by_http(h2o_req_t *req, int status)
{
    struct ingest in = {.worker = worker_of(req),
                        .req = req,
                        .config = gateway_config(worker_of(req)->gateway),
                        .started_ns = clock_mono_ns(),
                        .verdict =
                            status == 413 ? REASON_BODY_TOO_LARGE : REASON_MALFORMED_PAYLOAD};
    find_client(&in);
    counters_verdict(&in.worker->gateway->counters, in.verdict, in.started_ns);
    log_verdict(&in);
}
