/* forward_auth.c: see forward_auth.h. The steps are those of ingest, up to the body. */
#include "gateway/forward_auth.h"

#include "base/clock.h"
#include "gateway/forwarded.h"
#include "gateway/http.h"
#include "gateway/peer.h"
#include "gateway/reply.h"
#include "gateway/verify.h"

#include <stdio.h>

struct inquiry {
    struct worker *worker;
    h2o_req_t *req;
    int64_t started_ns; /* monotonic */
    struct ip_addr client;
    struct slice path; /* the forwarded one */
    struct verification proof;
    enum reason verdict;
    unsigned retry_after_s;
    char detail[160];
};

static bool refuse(struct inquiry *in, enum reason reason, const char *detail)
{
    in->verdict = reason;
    snprintf(in->detail, sizeof(in->detail), "%s", detail);
    return false;
}

static bool take_address_token(struct inquiry *in)
{
    in->client = peer_client(in->worker, in->req);
    return rate_limit_take(in->worker->gateway->rate_limit, &in->client, in->started_ns,
                           &in->retry_after_s) ||
           refuse(in, REASON_RATE_LIMITED, RATE_LIMIT_OF_ADDRESS);
}

static bool check_peer(struct inquiry *in)
{
    return peer_is_proxy(in->worker, in->req) || refuse(in, REASON_UNTRUSTED_PROXY, "");
}

/* Names are compared as they are: X_Forwarded_Uri, X.Forwarded.Uri, Forwarded and
 * X-Forwarded-Prefix say nothing here. */
static bool read_forwarded(struct inquiry *in)
{
    bool method_twice;
    bool uri_twice;
    struct slice method = http_header(in->req, SLICE_LIT("x-forwarded-method"), &method_twice);
    struct slice uri = http_header(in->req, SLICE_LIT("x-forwarded-uri"), &uri_twice);
    if (method_twice || uri_twice) {
        return refuse(in, REASON_INVALID_FORWARDED,
                      method_twice ? "X-Forwarded-Method came twice"
                                   : "X-Forwarded-Uri came twice");
    }
    const char *wrong = forwarded_path(method, uri, &in->path);
    if (wrong != NULL) {
        return refuse(in, REASON_INVALID_FORWARDED, wrong);
    }
    if (in->path.len == 1 && !gateway_config(in->worker->gateway)->auth.root_path) {
        return refuse(in, REASON_INVALID_FORWARDED,
                      "X-Forwarded-Uri is / and auth.root_path is off");
    }
    return true;
}

static bool verify(struct inquiry *in)
{
    if (verify_request(in->worker, in->req, in->path, clock_wall_ns(), in->started_ns,
                       &in->proof)) {
        in->verdict = in->proof.verdict;
        return true;
    }
    in->retry_after_s = in->proof.retry_after_s;
    return refuse(in, in->proof.verdict, in->proof.detail);
}

static bool admit(struct inquiry *in)
{
    struct slice session = in->proof.claim.session;
    if (session.len == 0) {
        return true;
    }
    const struct registry_request request = {
        .session = session, .key_id = in->proof.key.key_id, .version = in->proof.headers.version};
    registry_touch(in->worker->gateway->registry, &request, in->started_ns);
    return rate_limit_take_session(in->worker->gateway->session_rate, session, in->started_ns,
                                   &in->retry_after_s) ||
           refuse(in, REASON_RATE_LIMITED, RATE_LIMIT_OF_SESSION);
}

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~') {
            return false;
        }
    }
    return true;
}

/* The value is copied: the key's is good until the worker's next request only. */
static void say(h2o_req_t *req, struct slice name, struct slice value)
{
    if (value.len == 0 || !is_printable(value)) {
        return;
    }
    h2o_iovec_t copy = h2o_strdup(&req->pool, value.data, value.len);
    h2o_add_header_by_str(&req->pool, &req->res.headers, name.data, name.len, 0, name.data,
                          copy.base, copy.len);
}

static void answer_passed(struct inquiry *in)
{
    const char *status = in->proof.claim.timestamp_text.len != 0 ? "valid" : "unsigned";
    say(in->req, SLICE_LIT("X-Auth-Status"), slice_of(status));
    say(in->req, SLICE_LIT("X-Auth-Session"), in->proof.claim.session);
    say(in->req, SLICE_LIT("X-Auth-Key-Id"), in->proof.key.key_id);
    say(in->req, SLICE_LIT("X-Auth-Environment"), in->proof.key.label);
    reply_json_word(in->req, 200, "status", status);
}

void forward_auth_handle(struct worker *worker, h2o_req_t *req)
{
    struct inquiry in = {.worker = worker, .req = req, .started_ns = clock_mono_ns()};
    bool good = take_address_token(&in) && check_peer(&in) && read_forwarded(&in) && verify(&in) &&
                admit(&in);
    counters_verdict(&worker->gateway->counters, in.verdict, in.started_ns);
    verify_log(&in.proof, in.verdict, &in.client, in.detail);
    if (good) {
        answer_passed(&in);
    } else {
        reply_verdict(req, in.verdict, in.detail, in.retry_after_s);
    }
}
