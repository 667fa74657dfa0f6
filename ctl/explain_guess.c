/* explain_guess.c: which slip made this signature? See explain.h. Each guess is one deviation from
 * the canonical string or from the text of the secret, tried with every key.
 */
#include "ctl/explain.h"

#include "secrets/keyring_file.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>

#define MESSAGE_MAX 2048

struct guess {
    const struct judgement *in;
    struct explanation *out;
    const struct key_list *list;
    char message[MESSAGE_MAX];
    size_t len;
};

void explain_hint(struct explanation *out, const char *format, ...)
{
    char text[RULE_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (size_t i = 0; i < out->n_hints; i++) {
        if (strcmp(out->hints[i], text) == 0) {
            return;
        }
    }
    if (out->n_hints < HINTS_MAX) {
        memcpy(out->hints[out->n_hints++], text, sizeof(text));
    }
}

static bool made_by(const struct guess *guess, struct slice secret)
{
    char hex[2 * SIGNATURE_BYTES + 1];
    char claimed[2 * SIGNATURE_BYTES + 1];
    signature_hex(guess->in->claim.mac, claimed);
    return signature_sign(secret, slice_make(guess->message, guess->len), hex) &&
           CRYPTO_memcmp(hex, claimed, sizeof(hex)) == 0;
}

/* The key that made the signature over the guess's message; NULL: none. */
static const struct key_entry *find_key(const struct guess *guess)
{
    for (size_t i = 0; i < guess->list->n; i++) {
        const struct key_entry *entry = &guess->list->entries[i];
        if (made_by(guess, slice_make(entry->secret, entry->secret_len))) {
            return entry;
        }
    }
    return NULL;
}

static void set_message(struct guess *guess, struct slice method, struct slice path,
                        struct slice session, const char *tail)
{
    int len =
        snprintf(guess->message, sizeof(guess->message), "%.*s|%.*s|%.*s|%.*s%s", (int)method.len,
                 method.data, (int)path.len, path.data, (int)guess->in->claim.timestamp_text.len,
                 guess->in->claim.timestamp_text.data, (int)session.len,
                 session.data != NULL ? session.data : "", tail);
    guess->len = len > 0 && len < (int)sizeof(guess->message) ? (size_t)len : 0;
}

static void try_path(struct guess *guess, struct slice path)
{
    set_message(guess, SLICE_LIT("POST"), path, guess->in->claim.session, "");
    const struct key_entry *entry = find_key(guess);
    if (entry != NULL) {
        explain_hint(guess->out, "key %s signed the path %.*s: sign the path that is sent",
                     entry->id, (int)(path.len < 200 ? path.len : 200), path.data);
    }
}

static void try_paths(struct guess *guess)
{
    static const char *const others[] = {
        "/v1/metrics", "/v1/traces", "/v1/logs", "/v1development/profiles", "/", ""};
    char text[MESSAGE_MAX];
    struct slice path = guess->in->one_path;
    struct slice query = guess->in->request.query;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (!slice_eq_str(path, others[i])) {
            try_path(guess, slice_of(others[i]));
        }
    }
    snprintf(text, sizeof(text), "%.*s/", (int)path.len, path.data);
    try_path(guess, slice_of(text));
    if (path.len > 1 && path.data[path.len - 1] == '/') {
        try_path(guess, slice_make(path.data, path.len - 1));
    }
    if (query.data != NULL) {
        snprintf(text, sizeof(text), "%.*s?%.*s", (int)path.len, path.data, (int)query.len,
                 query.data);
        try_path(guess, slice_of(text));
    }
    for (size_t i = 0; guess->in->request.curl && i < guess->in->request.words.n; i++) {
        const char *word = guess->in->request.words.items[i];
        if (strncmp(word, "http", 4) == 0) {
            try_path(guess, slice_of(word));
        }
    }
}

static void try_methods(struct guess *guess)
{
    static const char *const methods[] = {"GET", "PUT", "post", "Post", "HEAD", ""};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        set_message(guess, slice_of(methods[i]), guess->in->paths[0], guess->in->claim.session, "");
        const struct key_entry *entry = find_key(guess);
        if (entry != NULL) {
            explain_hint(guess->out, "key %s signed the method \"%s\": it is always POST",
                         entry->id, methods[i]);
        }
    }
}

static void try_sessions_and_ends(struct guess *guess)
{
    static const char *const tails[] = {"\n", "\r\n", " ", "|"};
    struct slice path = guess->in->paths[0];
    if (guess->in->claim.session.len != 0) {
        set_message(guess, SLICE_LIT("POST"), path, (struct slice){NULL, 0}, "");
        const struct key_entry *entry = find_key(guess);
        if (entry != NULL) {
            explain_hint(guess->out,
                         "key %s signed no session: sign the X-KMS-Session-ID that is sent",
                         entry->id);
        }
    }
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        set_message(guess, SLICE_LIT("POST"), path, guess->in->claim.session, tails[i]);
        const struct key_entry *entry = find_key(guess);
        if (entry != NULL) {
            explain_hint(guess->out, "key %s signed the string with %s at its end: sign it bare",
                         entry->id,
                         i < 2    ? "a line break"
                         : i == 2 ? "a blank"
                                  : "one more |");
        }
    }
}

/* The secret read as hex or base64; 0 when it is neither. out is of the secure heap's size. */
static size_t decode_secret(const struct key_entry *entry, bool hex, unsigned char *out,
                            size_t room)
{
    size_t len = 0;
    if (hex) {
        return OPENSSL_hexstr2buf_ex(out, room, &len, entry->secret, '\0') == 1 ? len : 0;
    }
    if (entry->secret_len % 4 != 0 || entry->secret_len > room) {
        return 0;
    }
    int got = EVP_DecodeBlock(out, (const unsigned char *)entry->secret, (int)entry->secret_len);
    for (size_t i = entry->secret_len; got > 0 && i > 0 && entry->secret[i - 1] == '='; i--) {
        got--;
    }
    return got > 0 ? (size_t)got : 0;
}

static void try_readings(struct guess *guess, const struct key_entry *entry, unsigned char *bytes)
{
    for (int hex = 0; hex < 2; hex++) {
        size_t len = decode_secret(entry, hex != 0, bytes, KEY_SECRET_MAX + 2);
        if (len != 0 && made_by(guess, slice_make(bytes, len))) {
            explain_hint(guess->out,
                         "the secret of key %s was decoded from %s: use its text as it is",
                         entry->id, hex != 0 ? "hex" : "base64");
        }
    }
    memcpy(bytes, entry->secret, entry->secret_len);
    bytes[entry->secret_len] = '\n';
    if (made_by(guess, slice_make(bytes, entry->secret_len + 1))) {
        explain_hint(guess->out,
                     "the secret of key %s was used with a line break behind it: cut the white "
                     "space at its ends",
                     entry->id);
    }
}

static void try_secrets(struct guess *guess)
{
    unsigned char *bytes = OPENSSL_secure_malloc(KEY_SECRET_MAX + 2);
    if (bytes == NULL) {
        return;
    }
    set_message(guess, SLICE_LIT("POST"), guess->in->paths[0], guess->in->claim.session, "");
    const struct key_entry *entry = find_key(guess);
    if (entry != NULL && key_entry_stage(entry, guess->in->now) == KEY_STAGE_PENDING) {
        explain_hint(guess->out, "key %s made it, and is not valid yet: see sigpostctl secret show",
                     entry->id);
    }
    for (size_t i = 0; i < guess->list->n; i++) {
        try_readings(guess, &guess->list->entries[i], bytes);
    }
    OPENSSL_secure_clear_free(bytes, KEY_SECRET_MAX + 2);
}

void explain_guess(const struct judgement *in, struct explanation *out)
{
    struct key_list list = {0};
    struct result why = RESULT_INIT;
    const struct keyring_sources sources = ctl_sources(in->config);
    if (in->key != REASON_INVALID_SIGNATURE || !keyring_read_sources(&sources, &list, &why)) {
        return;
    }
    struct guess guess = {.in = in, .out = out, .list = &list};
    try_secrets(&guess);
    try_paths(&guess);
    try_sessions_and_ends(&guess);
    try_methods(&guess);
    key_list_free(&list);
}
