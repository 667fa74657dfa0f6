/* doctor_gateway.c: what a running gateway answers; see doctor.h.
 *
 * A proxy in front may keep /health to itself. Then its checks are left out, not failed: what
 * counts for clients is the signed export.
 */
#include "ctl/doctor.h"

#include "base/clock.h"
#include "ctl/http.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS 10000L
#define EXPORT_PATH "/v1/metrics"
#define URL_MAX 2048

static bool ask(const struct doctor *doctor, const char *path, struct http_answer *answer,
                struct result *why)
{
    char url[URL_MAX];
    snprintf(url, sizeof(url), "%s%s", doctor->base, path);
    const struct http_call call = {
        .url = url, .ca_file = doctor->ca_file, .timeout_ms = TIMEOUT_MS};
    return http_call(&call, answer, why);
}

/* --- reach ------------------------------------------------------------------------------------ */

static const char *remedy_of_failure(enum http_failure failure, bool ca_file)
{
    switch (failure) {
    case HTTP_NO_TLS:
        return "is TLS spoken at this port? If not, try http://";
    case HTTP_NO_HTTP:
        return "if TLS is spoken at this port, try https://; else look at what listens there";
    case HTTP_UNKNOWN_AUTHORITY:
        return ca_file ? "--ca-file must name the certificate of the authority that signed the "
                         "server's, or that one itself where it is self-signed"
                       : "if it is signed by an authority of your own, or by itself, name that "
                         "certificate with --ca-file FILE";
    case HTTP_OTHER_NAME:
        return "use a name that the certificate is for, or give the server one for this name";
    case HTTP_OUT_OF_DATE:
        return "renew the certificate, or set the clock of this machine if that is what is wrong";
    case HTTP_NO_AUTHORITIES:
        return ca_file ? "--ca-file takes a file of certificates in PEM form"
                       : "install the package ca-certificates, or name a file with --ca-file FILE";
    case HTTP_UNREACHED:
        break;
    }
    return "is the gateway running, and is this its address?";
}

static void add_failure(struct doctor *doctor, const char *name, enum http_failure failure,
                        const struct result *why)
{
    doctor_add(doctor, name, DOCTOR_FIX, "%s: %s; %s", doctor->base, why->text,
               remedy_of_failure(failure, doctor->ca_file != NULL));
}

/* --- clock ------------------------------------------------------------------------------------ */

/* The server's second began somewhere between sending and arrival: half of the way is the guess,
 * and a second of doubt is left. */
static void judge_clock(struct doctor *doctor, const struct http_answer *answer)
{
    int64_t window = doctor->config->auth.window / NS_PER_SECOND;
    int64_t allowed = window / 10 > 2 ? window / 10 : 2;
    if (answer->date_s == INT64_MIN) {
        doctor_add(doctor, "clock", DOCTOR_SKIPPED, "the answer has no Date header");
        return;
    }
    int64_t middle_ns = answer->sent_ns + (answer->arrived_ns - answer->sent_ns) / 2;
    int64_t skew = middle_ns / NS_PER_SECOND - answer->date_s;
    int64_t apart = skew < 0 ? -skew : skew;
    if (apart > allowed) {
        doctor_add(doctor, "clock", DOCTOR_FIX,
                   "this machine is %" PRId64 " s %s the server, and signatures pass up to %" PRId64
                   " s; set the one that is wrong (timedatectl set-ntp true)",
                   apart, skew > 0 ? "ahead of" : "behind", window);
        return;
    }
    doctor_add(doctor, "clock", DOCTOR_GOOD, "%" PRId64 " s apart; up to %" PRId64 " s pass", apart,
               window);
}

/* --- export ----------------------------------------------------------------------------------- */

/* The Status message of a refusal, else the first line of whatever answered. */
static void copy_message(const struct http_answer *answer, char out[256])
{
    json_t *root =
        json_loadb(answer->body.data != NULL ? answer->body.data : "", answer->body.len, 0, NULL);
    const char *message = json_string_value(json_object_get(root, "message"));
    struct slice text = message != NULL ? slice_of(message) : buf_slice(&answer->body);
    size_t len = 0;
    while (len < text.len && len < 255 && text.data[len] != '\n' && text.data[len] != '\r') {
        len++;
    }
    snprintf(out, 256, "%.*s", (int)len, text.data != NULL ? text.data : "");
    json_decref(root);
}

/* What to do about an export that was answered with something else than 200. */
static const char *remedy_of(int status)
{
    switch (status) {
    case 401:
        return "if this is about the timestamp, set the clock; else the proxy takes headers away";
    case 400:
        return "something changes the request on the way; or TLS is spoken at this port: try "
               "https://";
    case 403:
        return "the key here is not one of the gateway's: give both the same configuration and "
               "secrets (sigpostctl secret list)";
    case 404:
        return "the path does not lead to the gateway: check the URL and the proxy's rule";
    case 405:
        return "something changes the method on the way: check the proxy";
    case 413:
    case 415:
        return "something changes the request on the way: check the proxy";
    case 429:
        return "wait a little; see rate.per_address, and server.trusted_proxies if all clients "
               "look like one";
    case 500:
    case 502:
    case 504:
        return "the proxy cannot reach the gateway: is it running, and where the proxy thinks?";
    case 503:
        return "the gateway, or a proxy before it, takes nothing now; see the lines below and its "
               "log";
    default:
        return "this is no answer of a gateway: check the URL";
    }
}

static void judge_export(struct doctor *doctor, const struct http_answer *answer, const char *key)
{
    char message[256];
    copy_message(answer, message);
    if (answer->status == 200) {
        doctor_add(doctor, "export", DOCTOR_GOOD,
                   "key %s is accepted, an empty export of metrics was answered 200", key);
    } else if (answer->status >= 300 && answer->status < 400) {
        doctor_add(doctor, "export", DOCTOR_FIX,
                   "answered %d, a redirect%s%s; exporters do not follow: give them that address",
                   answer->status, answer->location[0] != '\0' ? " to " : "", answer->location);
    } else {
        doctor_add(doctor, "export", DOCTOR_FIX, "signed with key %s, answered %d%s%s; %s", key,
                   answer->status, message[0] != '\0' ? ": " : "", message,
                   remedy_of(answer->status));
    }
}

static bool sign_export(struct doctor *doctor, char headers[3][160],
                        char key[SIGNATURE_KEY_ID_MAX + 1], struct result *why)
{
    char message[SIGNATURE_MESSAGE_MAX(SIGNATURE_PATH_MAX)];
    char signature[2 * SIGNATURE_BYTES + 1];
    char timestamp[24];
    int64_t now_s = clock_wall_s();
    snprintf(timestamp, sizeof(timestamp), "%" PRId64, now_s);
    size_t len = signature_message(SLICE_LIT(EXPORT_PATH), slice_of(timestamp),
                                   (struct slice){NULL, 0}, message, sizeof(message));
    if (!keyring_sign(doctor->keys.reader, slice_make(message, len), slice_of(doctor->key_id),
                      now_s, signature, key, why)) {
        return false;
    }
    snprintf(headers[0], 160, "X-KMS-Signature: %s", signature);
    snprintf(headers[1], 160, "X-KMS-Timestamp: %s", timestamp);
    snprintf(headers[2], 160, "X-KMS-Key-ID: %s", key);
    return true;
}

static void try_export(struct doctor *doctor)
{
    char headers[3][160];
    char key[SIGNATURE_KEY_ID_MAX + 1];
    char url[URL_MAX];
    struct result why = RESULT_INIT;
    struct http_answer answer;
    if (doctor->keys.reader == NULL) {
        doctor_add(doctor, "export", DOCTOR_SKIPPED,
                   "the keys cannot be read here (see keyring): there is none to sign with");
        return;
    }
    if (!sign_export(doctor, headers, key, &why)) {
        doctor_add(doctor, "export", DOCTOR_FIX, "%s", why.text);
        return;
    }
    snprintf(url, sizeof(url), "%s" EXPORT_PATH, doctor->base);
    const struct http_call call = {
        .url = url,
        .headers = {headers[0], headers[1], headers[2], "Content-Type: application/json", NULL},
        .body = "{}",
        .ca_file = doctor->ca_file,
        .timeout_ms = TIMEOUT_MS};
    if (http_call(&call, &answer, &why)) {
        judge_export(doctor, &answer, key);
    } else {
        add_failure(doctor, "export", answer.failure, &why);
    }
    http_answer_free(&answer);
}

/* --- health ----------------------------------------------------------------------------------- */

static json_t *parse_health(const struct http_answer *answer)
{
    json_t *root =
        json_loadb(answer->body.data != NULL ? answer->body.data : "", answer->body.len, 0, NULL);
    if (json_string_value(json_object_get(root, "status")) == NULL) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

static void judge_ready(struct doctor *doctor, const json_t *ready)
{
    const char *status = json_string_value(json_object_get(ready, "status"));
    const char *reason = json_string_value(json_object_get(ready, "reason"));
    if (strcmp(status, "healthy") == 0) {
        doctor_add(doctor, "ready", DOCTOR_GOOD, "the gateway is ready for data");
    } else {
        doctor_add(doctor, "ready", DOCTOR_FIX,
                   "the gateway says: %.300s; docs/operations.md says what to do",
                   reason != NULL ? reason : status);
    }
}

static void judge_auth(struct doctor *doctor, const json_t *ready)
{
    const char *warning = json_string_value(json_object_get(ready, "warning"));
    if (warning != NULL) {
        doctor_add(doctor, "auth", DOCTOR_FIX,
                   "the gateway warns: %.300s; set auth.required = true", warning);
    } else {
        doctor_add(doctor, "auth", DOCTOR_GOOD, "unsigned requests are refused");
    }
}

/* The reason of readiness is the worst one: that of a destination when nothing is worse. How those
 * begin is what docs/operations.md goes by, too. */
static const char *remedy_of_reason(const char *reason)
{
    if (strncmp(reason, "http://", 7) == 0 || strncmp(reason, "https://", 8) == 0) {
        return "look after what answers, or should, at that address";
    }
    if (strstr(reason, "dead letter") != NULL) {
        return "see sigpostctl spool dead list, then retry or drop what is there";
    }
    if (strncmp(reason, "the spool cannot be read", 24) == 0 ||
        strncmp(reason, "fleet: ", 7) == 0) {
        return "look at the spool's disk and who owns its files";
    }
    if (strstr(reason, ".snapshot") != NULL) {
        return "the gateway's user must be able to write that file, and its disk have room";
    }
    return "the gateway's log names the destination and what is wrong with it";
}

static void judge_delivery(struct doctor *doctor, const json_t *ready)
{
    int64_t letters = json_integer_value(json_object_get(ready, "dead_letters"));
    int64_t oldest = json_integer_value(json_object_get(ready, "spool_oldest_seconds"));
    int64_t records = json_integer_value(json_object_get(ready, "spool_records"));
    const char *reason = json_string_value(json_object_get(ready, "reason"));
    if (!json_is_true(json_object_get(ready, "collector_ok"))) {
        doctor_add(doctor, "collector", DOCTOR_FIX,
                   "a destination does not take its data (see ready); %" PRId64
                   " requests wait on disk, the oldest for %" PRId64 " s: %s",
                   records, oldest, remedy_of_reason(reason != NULL ? reason : ""));
    } else {
        doctor_add(doctor, "collector", DOCTOR_GOOD,
                   "each destination takes its data; %" PRId64 " requests wait on disk, %" PRId64
                   " dead letters",
                   records, letters);
    }
}

static void ask_ready(struct doctor *doctor)
{
    struct http_answer answer;
    struct result why = RESULT_INIT;
    bool answered = ask(doctor, "/health/ready", &answer, &why);
    json_t *ready = answered ? parse_health(&answer) : NULL;
    if (ready != NULL) {
        judge_ready(doctor, ready);
        judge_auth(doctor, ready);
        judge_delivery(doctor, ready);
    } else {
        doctor_add(doctor, "ready", DOCTOR_SKIPPED,
                   "%s/health/ready is not the gateway's (%s%d): behind a proxy that does not "
                   "route it, ask the gateway's own port",
                   doctor->base, answered ? "answered " : "no answer, ", answer.status);
    }
    json_decref(ready);
    http_answer_free(&answer);
}

void doctor_ask_gateway(struct doctor *doctor)
{
    struct http_answer answer;
    struct result why = RESULT_INIT;
    bool reached = ask(doctor, "/health", &answer, &why);
    if (!reached) {
        add_failure(doctor, "reach", answer.failure, &why);
    } else {
        doctor_add(doctor, "reach", DOCTOR_GOOD, "%s answers in %" PRId64 " ms", doctor->base,
                   (answer.arrived_ns - answer.sent_ns) / NS_PER_MS);
        judge_clock(doctor, &answer);
    }
    http_answer_free(&answer);
    if (reached) {
        try_export(doctor);
        ask_ready(doctor);
    }
}
