/* canary.c: see canary.h. */
#include "gateway/canary.h"

#include "base/clock.h"
#include "gateway/http_call.h"
#include "otlp/export/export_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Between two looks at the destinations: the first ones close together, because the time between
 * them is what the result can be wrong by. */
#define LOOK_NS (2 * NS_PER_MS)
#define LOOK_LATER_NS (20 * NS_PER_MS)

struct canary {
    struct gateway *gateway;
    struct keyring_reader *keys;
    CURL *curl;
    char url[96];
    char instance[65];
    uint64_t sent;
    int64_t start_ns; /* wall time */
};

struct canary *canary_create(struct gateway *gateway, unsigned port, struct result *why)
{
    struct canary *canary = calloc(1, sizeof(*canary));
    char base[64];
    if (canary == NULL) {
        result_fail(why, "out of memory");
        return NULL;
    }
    canary->gateway = gateway;
    canary->start_ns = clock_wall_ns();
    canary->keys = keyring_reader_create(gateway->keyring);
    canary->curl = curl_easy_init();
    if (canary->keys == NULL || canary->curl == NULL) {
        result_fail(why, "out of memory");
        goto failed;
    }
    if (!canary_url(gateway_config(gateway)->server.listen, port, base, sizeof(base), why)) {
        goto failed;
    }
    snprintf(canary->url, sizeof(canary->url), "%s%s", base,
             signal_info(SIGNAL_METRICS)->path.data);
    if (gethostname(canary->instance, sizeof(canary->instance) - 1) != 0) {
        snprintf(canary->instance, sizeof(canary->instance), "sigpost");
    }
    return canary;

failed:
    canary_destroy(canary);
    return NULL;
}

void canary_destroy(struct canary *canary)
{
    if (canary == NULL) {
        return;
    }
    if (canary->keys != NULL) {
        keyring_reader_destroy(canary->keys);
    }
    curl_easy_cleanup(canary->curl);
    free(canary);
}

static bool stuck(struct canary_outcome *out, const char *hop, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool stuck(struct canary_outcome *out, const char *hop, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out->problem, sizeof(out->problem), format, args);
    va_end(args);
    snprintf(out->hop, sizeof(out->hop), "%s", hop);
    return false;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    char line[160];
    snprintf(line, sizeof(line), "%s: %s", name, value);
    struct curl_slist *grown = curl_slist_append(*list, line);
    *list = grown != NULL ? grown : *list;
    return grown != NULL;
}

/* The signing headers; none where nobody has to sign and there is no key to do it with. */
static bool sign(struct canary *canary, struct curl_slist **headers, struct canary_outcome *out)
{
    char timestamp[24];
    char message[SIGNATURE_MESSAGE_MAX(64)];
    char signature[2 * SIGNATURE_BYTES + 1];
    char key_id[SIGNATURE_KEY_ID_MAX + 1];
    struct result why = RESULT_INIT;
    int64_t now_s = clock_wall_s();
    snprintf(timestamp, sizeof(timestamp), "%" PRId64, now_s);
    size_t len = signature_message(signal_info(SIGNAL_METRICS)->path, slice_of(timestamp),
                                   SLICE_LIT(""), message, sizeof(message));
    if (!keyring_sign(canary->keys, slice_make(message, len), (struct slice){0}, now_s, signature,
                      key_id, &why)) {
        return !gateway_config(canary->gateway)->auth.required || stuck(out, "key", "%s", why.text);
    }
    return (add_header(headers, "X-KMS-Signature", signature) &&
            add_header(headers, "X-KMS-Timestamp", timestamp) &&
            add_header(headers, "X-KMS-Key-ID", key_id)) ||
           stuck(out, "key", "out of memory");
}

/* A refusal, told by what refused. */
static bool tell_refusal(struct canary *canary, const struct http_call_answer *answer,
                         struct canary_outcome *out)
{
    struct spool_stats spool;
    struct export_answer said;
    spool_get_stats(canary->gateway->spool, &spool);
    if (spool.failed) {
        return stuck(out, "spool", "the disk failed: no data is taken until a restart");
    }
    if (spool.full) {
        return stuck(out, "spool", "full: data is being refused");
    }
    export_answer_read(SIGNAL_METRICS, (int)answer->status, slice_of(answer->content_type),
                       slice_make(answer->body, answer->body_len), &said);
    return stuck(out, "gateway", "answered %ld: %s", answer->status, said.message);
}

static bool post(struct canary *canary, int64_t wait_ns, const atomic_bool *stopping,
                 struct canary_outcome *out)
{
    struct buf body = BUF_INIT;
    struct curl_slist *headers = NULL;
    struct http_call_answer answer;
    bool taken = false;
    canary_payload(&body, canary->instance, ++canary->sent, canary->start_ns, clock_wall_ns());
    if (body.failed || !add_header(&headers, "Content-Type", "application/x-protobuf") ||
        !add_header(&headers, "X-KMS-Client-Version", "canary") ||
        !add_header(&headers, CANARY_HEADER, canary->gateway->canary_token)) {
        stuck(out, "gateway", "out of memory");
        goto cleanup;
    }
    if (!sign(canary, &headers, out)) {
        goto cleanup;
    }
    const struct http_call call = {canary->url, headers, buf_slice(&body), wait_ns, stopping};
    if (!http_call(canary->curl, &call, &answer)) {
        stuck(out, "listener", "%s", answer.problem);
        goto cleanup;
    }
    taken = answer.status == 200 || tell_refusal(canary, &answer, out);

cleanup:
    curl_slist_free_all(headers);
    buf_free(&body);
    return taken;
}

/* Waits until `destination` has everything up to `last`. One that refused metrics between `before`
 * and `last` for good refused ours, or some that came at the same moment. */
static bool await(struct destination *destination, uint64_t before, uint64_t last,
                  int64_t deadline_ns, const atomic_bool *stopping, struct canary_outcome *out)
{
    const char *name = destination->ops->name(destination);
    struct destination_status status;
    int64_t begin_ns = clock_mono_ns();
    while (destination->ops->arrived(destination, SIGNAL_METRICS) < last) {
        int64_t now_ns = clock_mono_ns();
        if (atomic_load(stopping) || now_ns >= deadline_ns) {
            destination->ops->status(destination, &status);
            return status.ok ? stuck(out, name, "did not arrive in time; %" PRIu64 " requests wait",
                                     last - destination->ops->arrived(destination, SIGNAL_METRICS))
                             : stuck(out, name, "%s", status.problem);
        }
        bool young = now_ns - begin_ns < 50 * LOOK_NS;
        const struct timespec pause = {0, young ? LOOK_NS : LOOK_LATER_NS};
        nanosleep(&pause, NULL);
    }
    bool refused = destination->ops->refused != NULL &&
                   destination->ops->refused(destination, SIGNAL_METRICS, before, last);
    return !refused || stuck(out, name, "refused it for good: it is a dead letter");
}

void canary_send(struct canary *canary, int64_t wait_ns, const atomic_bool *stopping,
                 struct canary_outcome *out)
{
    struct gateway *gateway = canary->gateway;
    int64_t begin_ns = clock_mono_ns();
    uint64_t before = spool_last_sequence(gateway->spool);
    *out = (struct canary_outcome){0};
    bool on_its_way = post(canary, wait_ns, stopping, out);
    uint64_t last = spool_last_sequence(gateway->spool);
    for (size_t i = 0; on_its_way && i < gateway->n_destinations; i++) {
        on_its_way =
            await(gateway->destinations[i], before, last, begin_ns + wait_ns, stopping, out);
    }
    out->arrived = on_its_way;
    out->took_ns = clock_mono_ns() - begin_ns;
}
