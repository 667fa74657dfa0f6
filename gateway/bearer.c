/* bearer.c: see bearer.h. */
#include "gateway/bearer.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/http.h"
#include "gateway/peer.h"
#include "gateway/reply.h"
#include "secrets/secret_text.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#define TOKEN_FILE_MAX 4096
#define TOKEN_SHORT 16
#define SCHEME "Bearer "

struct digest {
    bool set;
    unsigned char bytes[SHA256_DIGEST_LENGTH];
};

struct bearer {
    pthread_mutex_t lock; /* over from_file */
    struct digest own;
    struct digest from_file;
    char *path; /* empty: none */
};

static struct digest digest_of(struct slice token)
{
    struct digest digest = {.set = true};
    SHA256((const unsigned char *)token.data, token.len, digest.bytes);
    return digest;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text = slice_make(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

static void warn_if_short(struct slice token, const char *where)
{
    if (token.len < TOKEN_SHORT) {
        LOG_WARN("the bearer token is short and can be guessed; run: openssl rand -hex 32",
                 LOG_STR("where", where), LOG_INT("length", token.len));
    }
}

static bool read_file(const char *path, struct digest *out, struct result *why)
{
    struct secret_text text = {0};
    bool missing = false;
    *out = (struct digest){0};
    if (path[0] == '\0') {
        return true;
    }
    if (!secret_text_read(path, TOKEN_FILE_MAX, false, &text, &missing, why)) {
        return false;
    }
    struct slice token = trim(slice_make(text.data, text.len));
    bool good = !missing && token.len != 0;
    if (good) {
        *out = digest_of(token);
        warn_if_short(token, path);
    } else {
        result_fail(why, "presence.token_file: %s %s; write the token there", path,
                    missing ? "is missing" : "is empty");
    }
    secret_text_free(&text);
    return good;
}

struct bearer *bearer_open(const struct config *config, struct result *why)
{
    struct bearer *bearer = calloc(1, sizeof(*bearer));
    char *path = strdup(config->presence.token_file);
    if (bearer == NULL || path == NULL) {
        free(bearer);
        free(path);
        result_fail(why, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&bearer->lock, NULL);
    bearer->path = path;
    if (config->presence.token != NULL) {
        bearer->own = digest_of(slice_of(config->presence.token));
        warn_if_short(slice_of(config->presence.token), "presence.token");
    }
    if (!read_file(path, &bearer->from_file, why)) {
        bearer_close(bearer);
        return NULL;
    }
    return bearer;
}

void bearer_close(struct bearer *bearer)
{
    if (bearer != NULL) {
        pthread_mutex_destroy(&bearer->lock);
        free(bearer->path);
        free(bearer);
    }
}

bool bearer_reload(struct bearer *bearer, struct result *why)
{
    struct digest fresh;
    if (!read_file(bearer->path, &fresh, why)) {
        return false;
    }
    pthread_mutex_lock(&bearer->lock);
    bearer->from_file = fresh;
    pthread_mutex_unlock(&bearer->lock);
    return true;
}

static bool same(const struct digest *a, const struct digest *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0 && a->set && b->set;
}

bool bearer_is_token(struct bearer *bearer, struct slice token)
{
    const struct digest sent = digest_of(token);
    pthread_mutex_lock(&bearer->lock);
    const struct digest from_file = bearer->from_file;
    pthread_mutex_unlock(&bearer->lock);
    bool own = same(&sent, &bearer->own);
    bool file = same(&sent, &from_file);
    return token.len != 0 && (own || file);
}

/* Behind the scheme; absent when there is no such header, or several. */
static struct slice token_of(const h2o_req_t *req)
{
    bool repeated;
    const size_t len = sizeof(SCHEME) - 1;
    struct slice value = http_header(req, SLICE_LIT("authorization"), &repeated);
    if (repeated || value.len < len || strncasecmp(value.data, SCHEME, len) != 0) {
        return (struct slice){0};
    }
    return trim(slice_make(value.data + len, value.len - len));
}

bool bearer_came(const h2o_req_t *req)
{
    struct slice values[H2O_MAX_HEADERS];
    const size_t len = sizeof(SCHEME) - 2; /* "Bearer" alone counts: it lacks the token */
    size_t n = http_header_all(req, SLICE_LIT("authorization"), values, H2O_MAX_HEADERS);
    for (size_t i = 0; i < n; i++) {
        if (values[i].len >= len && strncasecmp(values[i].data, SCHEME, len) == 0) {
            return true;
        }
    }
    return false;
}

/* The words of signed requests' refusals, so that one filter of fail2ban serves both. */
static void log_refusal(h2o_req_t *req, const char *reason, const struct ip_addr *client)
{
    char ip[IP_TEXT_MAX];
    LOG_WARN("[AUTH_FAILED]", LOG_STR("reason", reason), LOG_STR("ip", ip_format(client, ip)),
             LOG_SLICE("path", http_path(req)));
}

bool bearer_admit(struct worker *worker, h2o_req_t *req)
{
    struct ip_addr client = peer_client(worker, req);
    unsigned retry_after_s = 0;
    if (!rate_limit_take(worker->gateway->rate_limit, &client, clock_mono_ns(), &retry_after_s)) {
        log_refusal(req, "rate_limited", &client);
        reply_later(req, 429, retry_after_s, "too many requests from this address");
        return false;
    }
    if (bearer_is_token(worker->gateway->bearer, token_of(req))) {
        return true;
    }
    log_refusal(req, "invalid_token", &client);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_WWW_AUTHENTICATE, NULL,
                   H2O_STRLIT("Bearer"));
    reply_json_word(req, 401, "error",
                    "this needs the header Authorization: Bearer TOKEN, with the token of "
                    "presence.token or presence.token_file");
    return false;
}
