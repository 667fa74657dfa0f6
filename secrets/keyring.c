/* keyring.c: the handle: opening, reloading, counting; see keyring.h and keyring_internal.h. */
#include "secrets/keyring.h"

#include "base/clock.h"
#include "secrets/keyring_internal.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text of the largest ring file, its secrets, and room to spare. */
#define SECURE_HEAP_BYTES ((size_t)1024 * 1024)
#define SECURE_HEAP_BLOCK 64

#define RETRY_SECONDS 5
#define FRESH_PAUSE_NS (100 * NS_PER_MS) /* many ticks of file times */

bool keyring_init_memory(struct result *why)
{
    *why = RESULT_INIT;
    int made = CRYPTO_secure_malloc_initialized() != 0
                   ? 1
                   : CRYPTO_secure_malloc_init(SECURE_HEAP_BYTES, SECURE_HEAP_BLOCK);
    if (made == 0) {
        return result_fail(why, "cannot make OpenSSL's secure heap of %zu bytes for the secrets",
                           SECURE_HEAP_BYTES);
    }
    if (made == 2) {
        /* The sentence is a warning here: the result stays true. */
        result_fail(why,
                    "the memory of the secrets could not be locked and may be swapped out; raise "
                    "the limit of locked memory (ulimit -l, LimitMEMLOCK=) to %zu KiB or more",
                    SECURE_HEAP_BYTES / 1024);
    }
    return true;
}

static bool copy_text(const char *text, char **out, struct result *why)
{
    *out = text != NULL ? strdup(text) : NULL;
    return text == NULL || *out != NULL || result_fail(why, "out of memory");
}

static bool copy_sources(struct ring_sources *to, const struct keyring_sources *from,
                         struct result *why)
{
    to->secret_file_required = from->secret_file_required;
    if (!copy_text(from->ring_file, &to->ring_file, why) ||
        !copy_text(from->secret_file, &to->secret_file, why)) {
        return false;
    }
    if (from->signing_secret != NULL) {
        to->signing_secret = OPENSSL_secure_malloc(strlen(from->signing_secret) + 1);
        if (to->signing_secret == NULL) {
            return result_fail(why, "the environment's signing secret does not fit the secure "
                                    "memory");
        }
        memcpy(to->signing_secret, from->signing_secret, strlen(from->signing_secret) + 1);
    }
    return true;
}

static void free_sources(struct ring_sources *sources)
{
    free(sources->ring_file);
    free(sources->secret_file);
    if (sources->signing_secret != NULL) {
        OPENSSL_secure_clear_free(sources->signing_secret, strlen(sources->signing_secret) + 1);
    }
}

/* The files of the sources, NULL where there is none. */
static void source_files(const struct keyring *keyring, const char *files[KEYRING_FILES])
{
    files[0] = keyring->sources.ring_file;
    files[1] = keyring->sources.secret_file;
}

struct keyring *keyring_open(const struct keyring_sources *sources, struct metrics *metrics,
                             struct result *why)
{
    const char *files[KEYRING_FILES];
    struct keyring *keyring = calloc(1, sizeof(*keyring));
    if (keyring == NULL) {
        result_fail(why, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&keyring->mutex, NULL);
    keyring->metrics = metrics;
    keyring->watch.fd = -1;
    keyring->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (keyring->hmac == NULL) {
        result_fail(why, "OpenSSL has no HMAC; check its providers (openssl list -mac-algorithms)");
        goto cleanup;
    }
    if (!copy_sources(&keyring->sources, sources, why)) {
        goto cleanup;
    }
    /* The watch comes first: a change between it and the load is seen twice, not never. */
    source_files(keyring, files);
    keyring_watch_open(&keyring->watch);
    keyring_watch_renew(&keyring->watch, files, KEYRING_FILES);
    if (!keyring_reload(keyring, why)) {
        goto cleanup;
    }
    return keyring;

cleanup:
    keyring_close(keyring);
    return NULL;
}

void keyring_close(struct keyring *keyring)
{
    if (keyring == NULL) {
        return;
    }
    keyring_watch_close(&keyring->watch);
    ring_release(keyring->ring);
    EVP_MAC_free(keyring->hmac);
    free_sources(&keyring->sources);
    pthread_mutex_destroy(&keyring->mutex);
    free(keyring);
}

bool keyring_reload(struct keyring *keyring, struct result *why)
{
    const char *files[KEYRING_FILES];
    struct result said = RESULT_INIT;
    source_files(keyring, files);
    keyring->loaded_ns = clock_wall_ns();
    keyring->tried_ns = clock_mono_ns();
    for (size_t i = 0; i < KEYRING_FILES; i++) {
        keyring->prints[i] = file_print_take(files[i]);
    }
    const struct keyring_sources sources = {
        .ring_file = keyring->sources.ring_file,
        .secret_file = keyring->sources.secret_file,
        .secret_file_required = keyring->sources.secret_file_required,
        .signing_secret = keyring->sources.signing_secret,
        .ring_file_required = keyring->ring != NULL && keyring->ring->had_file,
    };
    struct ring *old = NULL;
    struct ring *ring = ring_build(&sources, keyring->hmac, keyring->metrics, &said);
    pthread_mutex_lock(&keyring->mutex);
    if (ring != NULL) {
        old = keyring->ring;
        keyring->ring = ring;
        atomic_fetch_add_explicit(&keyring->generation, 1, memory_order_release);
    }
    snprintf(keyring->problem, sizeof(keyring->problem), "%s", ring != NULL ? "" : said.text);
    pthread_mutex_unlock(&keyring->mutex);
    if (ring != NULL) {
        ring_tell_ends(old, ring); /* no other thread reloads: both are alive */
    }
    ring_release(old);
    return ring != NULL || result_pass(why, &said);
}

int keyring_watch_fd(struct keyring *keyring)
{
    return keyring->watch.fd;
}

/* A fresh file is loaded once more at once, and after that at times: others write beside it. */
static bool load_fresh_again(struct keyring *keyring, int64_t rested_ns)
{
    bool fresh = false;
    for (size_t i = 0; i < KEYRING_FILES; i++) {
        fresh = fresh || file_print_fresh(&keyring->prints[i], keyring->loaded_ns);
    }
    bool again = fresh && (!keyring->loaded_again || rested_ns >= FRESH_PAUSE_NS);
    keyring->loaded_again = keyring->loaded_again || again;
    return again;
}

bool keyring_drain_watch(struct keyring *keyring)
{
    const char *files[KEYRING_FILES];
    int64_t rested_ns = clock_mono_ns() - keyring->tried_ns;
    source_files(keyring, files);
    keyring_watch_renew(&keyring->watch, files, KEYRING_FILES);
    /* A load that failed for want of memory or descriptors is tried again, at times. */
    bool changed = keyring->problem[0] != '\0' && rested_ns > RETRY_SECONDS * NS_PER_SECOND;
    for (size_t i = 0; i < KEYRING_FILES; i++) {
        changed = changed || file_print_changed(&keyring->prints[i], files[i]);
    }
    if (changed) {
        keyring->loaded_again = false;
        return true;
    }
    return load_fresh_again(keyring, rested_ns);
}

static void count_ring(const struct ring *ring, int64_t now_s, struct keyring_counts *out)
{
    for (size_t i = 0; i < ring->n; i++) {
        const struct ring_key *key = &ring->keys[i];
        switch (key_entry_stage(&key->entry, now_s)) {
        case KEY_STAGE_PENDING:
            out->pending++;
            break;
        case KEY_STAGE_ENDED:
            out->ended++;
            break;
        case KEY_STAGE_ACCEPTED:
            out->active++;
            if (key->entry.not_after != KEY_TIME_NONE && key->entry.not_after < out->next_end_s) {
                out->next_end_s = key->entry.not_after;
            }
            break;
        }
    }
}

void keyring_counts(struct keyring *keyring, int64_t now_s, struct keyring_counts *out)
{
    *out = (struct keyring_counts){.next_end_s = INT64_MAX};
    pthread_mutex_lock(&keyring->mutex);
    struct ring *ring = keyring->ring;
    atomic_fetch_add_explicit(&ring->references, 1, memory_order_relaxed);
    memcpy(out->problem, keyring->problem, sizeof(out->problem));
    pthread_mutex_unlock(&keyring->mutex);
    count_ring(ring, now_s, out);
    ring_release(ring);
}
