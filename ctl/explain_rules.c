/* explain_rules.c: the rules of signing, each judged by itself; see explain.h. */
#include "ctl/explain.h"

#include <stdarg.h>
#include <stdlib.h>

__attribute__((format(printf, 4, 5))) static void
add(struct explanation *out, const char *name, enum rule_state state, const char *format, ...)
{
    struct rule *rule = &out->rules[out->n_rules++];
    va_list args;
    rule->name = name;
    rule->state = state;
    va_start(args, format);
    vsnprintf(rule->text, sizeof(rule->text), format, args);
    va_end(args);
}

/* For "%.*s": a stranger's text, cut. */
#define SHOWN_MAX 140
#define SHOWN(slice)                                          \
    (int)((slice).len < SHOWN_MAX ? (slice).len : SHOWN_MAX), \
        (slice).data != NULL ? (slice).data : ""

static void check_method(const struct judgement *in, struct explanation *out)
{
    struct slice method = in->request.method;
    if (method.data == NULL) {
        add(out, "method", RULE_GOOD, "not told; POST is taken for granted");
    } else if (slice_eq_str(method, "POST")) {
        add(out, "method", RULE_GOOD, "POST");
    } else {
        add(out, "method", RULE_BROKEN,
            "%.*s is answered 405; send signed exports by POST. The word in front of the canonical "
            "string is always POST",
            SHOWN(method));
    }
}

static bool is_signal_path(struct slice path)
{
    static const char *const paths[] = {"/v1/metrics", "/v1/traces", "/v1/logs",
                                        "/v1development/profiles"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (slice_eq_str(path, paths[i])) {
            return true;
        }
    }
    return false;
}

static void check_path(const struct judgement *in, struct explanation *out)
{
    struct slice path = in->one_path;
    if (path.len > SIGNATURE_PATH_MAX) {
        add(out, "path", RULE_BROKEN, "it has %zu bytes; at most %d can be signed", path.len,
            SIGNATURE_PATH_MAX);
    } else if (slice_eq_str(path, "/")) {
        bool on = in->config->auth.root_path;
        add(out, "path", on ? RULE_GOOD : RULE_BROKEN, "%s",
            on ? "/: the signature is tried as one over /v1/metrics, /v1/traces and /v1/logs"
               : "/ is answered 404 while auth.root_path is false; post to the path of the signal");
    } else if (!is_signal_path(path)) {
        add(out, "path", RULE_NOTE,
            "%.*s takes no telemetry (404); as a forwarded path it is judged at /auth. Those that "
            "take some: /v1/metrics, /v1/traces, /v1/logs",
            SHOWN(path));
    } else if (in->request.query.data != NULL) {
        add(out, "path", RULE_GOOD, "%.*s; the query ?%.*s is not signed", SHOWN(path),
            SHOWN(in->request.query));
    } else {
        add(out, "path", RULE_GOOD, "%.*s", SHOWN(path));
    }
}

static void check_headers(const struct judgement *in, struct explanation *out)
{
    bool signature = in->headers.signature.len != 0;
    bool timestamp = in->headers.timestamp.len != 0;
    if (!signature || !timestamp) {
        add(out, "headers", RULE_BROKEN, "%s%s%s missing: send X-KMS-Signature and X-KMS-Timestamp",
            signature ? "" : "X-KMS-Signature", signature || timestamp ? "" : " and ",
            timestamp   ? " is"
            : signature ? "X-KMS-Timestamp is"
                        : "X-KMS-Timestamp are");
    } else if (in->headers.repeated) {
        add(out, "headers", RULE_BROKEN,
            "%.*s came twice, or with another value than under its other name; send each once",
            SHOWN(in->headers.repeated_name));
    } else {
        add(out, "headers", RULE_GOOD, "X-KMS-Signature and X-KMS-Timestamp are there, each once");
    }
}

static void check_timestamp(const struct judgement *in, struct explanation *out)
{
    int64_t seconds;
    struct slice text = in->headers.timestamp;
    if (text.len == 0) {
        add(out, "timestamp", RULE_OPEN, "there is none");
    } else if (!signature_timestamp_parse(text, &seconds)) {
        bool millis =
            text.len == 13 && signature_timestamp_parse(slice_make(text.data, 10), &seconds);
        add(out, "timestamp", RULE_BROKEN, "\"%.*s\" is not 1 to %d digits%s", SHOWN(text),
            SIGNATURE_TIMESTAMP_MAX,
            millis ? ": milliseconds? Send seconds" : ": send Unix seconds in decimal digits");
    } else {
        add(out, "timestamp", RULE_GOOD, "%.*s, Unix seconds", SHOWN(text));
    }
}

static void check_window(const struct judgement *in, struct explanation *out)
{
    int64_t seconds;
    if (!signature_timestamp_parse(in->headers.timestamp, &seconds)) {
        add(out, "window", RULE_OPEN, "no timestamp to judge");
        return;
    }
    int64_t skew = in->now - seconds;
    bool within = llabs(skew) <= in->window;
    const char *lease = !within && skew > 0 && in->config->auth.session_lease != 0
                            ? ". A session with a lease on this very signature still passes"
                            : "";
    const char *remedy = within     ? ""
                         : skew > 0 ? ": sign each request anew, and check the client's clock"
                                    : ": check the client's clock";
    add(out, "window", within ? RULE_GOOD : RULE_BROKEN,
        "%lld s %s the clock (%lld); up to %lld s pass%s%s", (long long)llabs(skew),
        skew >= 0 ? "behind" : "ahead of", (long long)in->now, (long long)in->window, remedy,
        lease);
}

static void check_session(const struct judgement *in, struct explanation *out)
{
    struct slice session = in->headers.session;
    if (session.len == 0) {
        add(out, "session", RULE_GOOD, "none: the canonical string ends with |");
    } else if (!signature_session_valid(session)) {
        add(out, "session", RULE_BROKEN, "\"%.*s\" is not up to %d of A-Z a-z 0-9 . _ : -",
            SHOWN(session), SIGNATURE_SESSION_MAX);
    } else {
        add(out, "session", RULE_GOOD, "%.*s", SHOWN(session));
    }
}

static void check_key_id(const struct judgement *in, struct explanation *out)
{
    struct slice id = in->headers.key_id;
    if (id.data == NULL) {
        add(out, "key id", RULE_GOOD, "none: all keys are tried, the newest first");
    } else if (!signature_key_id_valid(id)) {
        add(out, "key id", RULE_BROKEN, "\"%.*s\" is not 1 to %d of A-Z a-z 0-9 . _ -", SHOWN(id),
            SIGNATURE_KEY_ID_MAX);
    } else if (in->key == REASON_OK && !slice_eq(id, in->match.key_id)) {
        add(out, "key id", RULE_NOTE, "%.*s did not sign this; key %s did, and it was found",
            SHOWN(id), in->match.key_id.data);
    } else {
        add(out, "key id", RULE_GOOD, "%.*s", SHOWN(id));
    }
}

static void check_form(const struct judgement *in, struct explanation *out)
{
    struct slice text = in->headers.signature;
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        digits += (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
    }
    if (text.len == 0) {
        add(out, "form", RULE_OPEN, "there is no signature");
    } else if (text.len != 2 * (size_t)SIGNATURE_BYTES || digits != text.len) {
        add(out, "form", RULE_BROKEN,
            "the signature has %zu characters, %zu of them hex digits; it must be 64 hex digits%s",
            text.len, digits,
            text.len == 44 && text.data[43] == '=' ? ": this looks like base64" : "");
    } else {
        add(out, "form", RULE_GOOD, "the signature is 64 hex digits");
    }
}

static void check_key(const struct judgement *in, struct explanation *out)
{
    switch (in->key) {
    case REASON_OK:
        add(out, "signature", RULE_GOOD, "made with key %s%s%s", in->match.key_id.data,
            in->n_paths > 1 ? " over " : "", in->n_paths > 1 ? in->paths[in->match.path].data : "");
        break;
    case REASON_RETIRED_KEY:
        add(out, "signature", RULE_BROKEN,
            "made with key %s, which is past its day or revoked: update the client to a release "
            "with a current secret",
            in->match.key_id.data);
        break;
    case REASON_KEY_NOT_READY:
        add(out, "signature", RULE_BROKEN,
            "key %.*s is known but not valid yet (answered 503): see sigpostctl secret show",
            SHOWN(in->claim.key_id));
        break;
    case REASON_COUNT:
        add(out, "signature", RULE_OPEN, "not looked at before the headers are in form");
        break;
    default:
        add(out, "signature", RULE_BROKEN,
            "no key made it over the canonical string: another secret, or another string");
        break;
    }
}

/* With several paths, the one that verified, else the first. */
static void write_canonical(const struct judgement *in, struct explanation *out)
{
    struct slice path = in->paths[in->key == REASON_OK ? in->match.path : 0];
    snprintf(out->canonical, sizeof(out->canonical), "POST|%.*s|%.*s|%.*s", (int)path.len,
             path.data, SHOWN(in->headers.timestamp), SHOWN(in->headers.session));
}

void explain_rules(const struct judgement *in, struct explanation *out)
{
    *out = (struct explanation){.n_rules = 0};
    write_canonical(in, out);
    check_method(in, out);
    check_path(in, out);
    check_headers(in, out);
    check_timestamp(in, out);
    check_session(in, out);
    check_key_id(in, out);
    check_form(in, out);
    check_window(in, out);
    check_key(in, out);
}
