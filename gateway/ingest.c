/* ingest.c: the way of one signed request, step by step, from the socket to the spool.
 *
 * Each step either lets the request go on or sets the verdict; the first that refuses ends it.
 * Nothing of the body is looked at before the signature holds. What waits for the disk is in
 * append_wait.c.
 */
#include "gateway/ingest.h"

#include "base/clock.h"
#include "gateway/append_wait.h"
#include "gateway/cors.h"
#include "gateway/http.h"
#include "gateway/peer.h"
#include "gateway/reply.h"
#include "gateway/verify.h"

#include <stdio.h>

#define NO_MEMORY_RETRY_S 1

struct ingest {
    struct worker *worker;
    h2o_req_t *req;
    const struct config *config;
    int64_t started_ns; /* monotonic */
    int64_t now_ns;     /* wall */
    struct ip_addr client;
    struct verification proof;
    struct slice session; /* of a request that verified; absent before, and when it has none */
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
    in->client = peer_client(in->worker, in->req);
    return true;
}

static bool refuse_rate(struct ingest *in, const char *whose)
{
    snprintf(in->detail, sizeof(in->detail), "%s", whose);
    return refuse(in, REASON_RATE_LIMITED);
}

static bool take_rate_token(struct ingest *in)
{
    if (rate_limit_take(in->worker->gateway->rate_limit, &in->client, in->started_ns,
                        &in->retry_after_s)) {
        return true;
    }
    return refuse_rate(in, RATE_LIMIT_OF_ADDRESS);
}

static bool verify(struct ingest *in)
{
    if (verify_request(in->worker, in->req, http_path(in->req), in->now_ns, in->started_ns,
                       &in->proof)) {
        in->verdict = in->proof.verdict;
        if (in->verdict == REASON_OK && in->proof.claim.timestamp_text.len != 0 &&
            !in->proof.canary) {
            counters_signature_age(&in->worker->gateway->counters,
                                   in->now_ns / NS_PER_SECOND - in->proof.claim.timestamp);
        }
        return true;
    }
    in->retry_after_s = in->proof.retry_after_s;
    snprintf(in->detail, sizeof(in->detail), "%s", in->proof.detail);
    return refuse(in, in->proof.verdict);
}

static bool admit(struct ingest *in)
{
    struct slice session = in->proof.claim.session;
    if (session.len == 0) {
        return true;
    }
    in->session = session;
    if (rate_limit_take_session(in->worker->gateway->session_rate, session, in->started_ns,
                                &in->retry_after_s)) {
        return true;
    }
    return refuse_rate(in, RATE_LIMIT_OF_SESSION);
}

static bool take_step(struct ingest *in, enum reason reason)
{
    if (reason != REASON_OK) {
        memcpy(in->detail, in->body.fault, sizeof(in->detail));
        in->retry_after_s = reason == REASON_SPOOL_UNAVAILABLE ? NO_MEMORY_RETRY_S : 0;
        return refuse(in, reason);
    }
    return true;
}

static bool check_media_type(struct ingest *in)
{
    enum reason reason = body_open(in->req, &in->body);
    bool opaque_json = in->body.json && signal_info(in->proof.signal)->opaque;
    return take_step(in, opaque_json ? REASON_UNSUPPORTED_MEDIA_TYPE : reason);
}

/* The limit that the listener and the spool were made with: a reload does not change it. */
static size_t max_body(const struct ingest *in)
{
    return in->worker->ctx.globalconf->max_request_entity_size;
}

static bool inflate(struct ingest *in)
{
    return take_step(in, body_inflate(&in->body, max_body(in), &in->worker->scratch));
}

static bool validate(struct ingest *in)
{
    return take_step(in, body_validate(&in->body, in->proof.signal, &in->worker->scratch));
}

/* What the gateway proved goes into every resource; an empty value takes a claim out. */
static bool stamp(struct ingest *in)
{
    if (signal_info(in->proof.signal)->opaque) {
        return true;
    }
    const struct stamp_attribute attributes[] = {
        {SLICE_LIT("sigpost.session.id"), in->proof.claim.session},
        {SLICE_LIT("sigpost.key.id"), in->proof.key.key_id},
        {SLICE_LIT("deployment.environment"), in->proof.key.label},
        {SLICE_LIT("service.namespace"), slice_of(in->config->stamp.service_namespace)},
    };
    return take_step(in, body_stamp(&in->body, in->proof.signal, attributes,
                                    sizeof(attributes) / sizeof(attributes[0]),
                                    max_body(in) + BODY_STAMP_ROOM, &in->worker->scratch));
}

static void log_verdict(struct ingest *in)
{
    verify_log(&in->proof, in->verdict, &in->client, in->detail);
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
    const struct slice parts[] = {in->proof.claim.session, signal_info(in->proof.signal)->path,
                                  in->proof.claim.timestamp_text, http_slice(in->req->entity)};
    return repeats_hash(in->worker->gateway->repeats, parts, sizeof(parts) / sizeof(parts[0]));
}

/* Hands the payload to the spool; the answer follows when it is durable. An export of nothing
 * succeeds without being stored. */
static void append(struct ingest *in)
{
    bool opaque = signal_info(in->proof.signal)->opaque;
    bool empty = opaque ? in->body.bytes.len == 0 : in->body.items == 0;
    struct repeat_id repeat;
    struct append append = {
        .record = {in->proof.signal, in->now_ns, in->proof.claim.session, in->proof.key.key_id,
                   in->body.bytes, (uint32_t)in->body.items},
        .verdict = in->verdict,
        .encoding = in->body.encoding,
        .wire_bytes = in->req->entity.len,
        .started_ns = in->started_ns,
    };
    if (!empty && in->proof.claim.timestamp_text.len != 0) {
        repeat = repeat_of(in);
        append.repeat = &repeat;
    }
    log_verdict(in);
    if (empty) {
        append_wait_skip(in->worker, in->req, &append);
        return;
    }
    append_wait_start(in->worker, in->req, &append);
}

/* Every verified request is a sign of life; its payload counts when it was good. */
static void touch_session(const struct ingest *in, bool good)
{
    const struct registry_request request = {.session = in->session,
                                             .key_id = in->proof.key.key_id,
                                             .version = in->proof.headers.version,
                                             .items = good ? in->body.items : 0,
                                             .bytes = good ? in->req->entity.len : 0};
    registry_touch(in->worker->gateway->registry, &request, in->started_ns);
}

void ingest_handle(struct worker *worker, h2o_req_t *req)
{
    struct ingest in = {.worker = worker,
                        .req = req,
                        .config = gateway_config(worker->gateway),
                        .started_ns = clock_mono_ns(),
                        .now_ns = clock_wall_ns(),
                        .verdict = REASON_OK};
    cors_add_origin(worker, req);
    bool good = find_client(&in) && take_rate_token(&in) && verify(&in) && admit(&in) &&
                check_media_type(&in) && inflate(&in) && validate(&in) && stamp(&in);
    touch_session(&in, good);
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
    cors_add_origin(in.worker, req);
    find_client(&in);
    counters_verdict(&in.worker->gateway->counters, in.verdict, in.started_ns);
    log_verdict(&in);
}
