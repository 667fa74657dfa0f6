/* keyring_match.c: a thread's reader of the ring: which key made this signature; see keyring.h.
 *
 * The cost of a match is one atomic load, the messages (at most 403 bytes a path), and one HMAC,
 * about 0.7 us, for each path of each key that is tried: one key for a request that names its key
 * or whose session was seen before, all of them for a forged one.
 */
#include "secrets/keyring_internal.h"

#include "base/log.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

struct keyring_reader {
    struct keyring *keyring;
    struct ring *ring;        /* holds a reference; NULL before the first refresh */
    EVP_MAC_CTX **macs;       /* one a key of ring; NULL where memory ran out: it never verifies */
    uint_fast64_t generation; /* of ring; 0: to be refreshed */
};

static void free_macs(EVP_MAC_CTX **macs, size_t n)
{
    for (size_t i = 0; macs != NULL && i < n; i++) {
        EVP_MAC_CTX_free(macs[i]);
    }
    free(macs);
}

/* The contexts of a ring's keys; false when one of them could not be made. */
static bool copy_macs(struct keyring_reader *reader, const struct ring *ring)
{
    bool ok = true;
    reader->macs = calloc(ring->n != 0 ? ring->n : 1, sizeof(EVP_MAC_CTX *));
    for (size_t i = 0; reader->macs != NULL && i < ring->n; i++) {
        reader->macs[i] = EVP_MAC_CTX_dup(ring->keys[i].mac);
        ok = ok && reader->macs[i] != NULL;
    }
    return ok && reader->macs != NULL;
}

/* Takes the current ring. Returns the one that was held, for the caller to release when nothing
 * points into it any more: a hint may. Out of memory, the keys without a context verify nothing,
 * and the next match tries again: a key that was revoked must not live on. */
static struct ring *take_ring(struct keyring_reader *reader)
{
    struct ring *old = reader->ring;
    struct keyring *keyring = reader->keyring;
    free_macs(reader->macs, old != NULL ? old->n : 0);
    pthread_mutex_lock(&keyring->mutex);
    reader->ring = keyring->ring;
    atomic_fetch_add_explicit(&reader->ring->references, 1, memory_order_relaxed);
    reader->generation = atomic_load_explicit(&keyring->generation, memory_order_relaxed);
    bool ok = copy_macs(reader, reader->ring);
    pthread_mutex_unlock(&keyring->mutex);
    if (!ok) {
        reader->generation = 0;
        LOG_ERROR("out of memory for the keys of a thread; requests may be refused");
    }
    return old;
}

static bool is_stale(const struct keyring_reader *reader)
{
    return reader->generation !=
           atomic_load_explicit(&reader->keyring->generation, memory_order_acquire);
}

struct keyring_reader *keyring_reader_create(struct keyring *keyring)
{
    struct keyring_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return NULL;
    }
    reader->keyring = keyring;
    take_ring(reader);
    if (reader->generation == 0) {
        keyring_reader_destroy(reader);
        return NULL;
    }
    return reader;
}

void keyring_reader_destroy(struct keyring_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    free_macs(reader->macs, reader->ring->n);
    ring_release(reader->ring);
    free(reader);
}

/* The messages that the claim may have signed, one a path. */
struct candidates {
    size_t n;
    size_t len[KEYRING_PATHS_MAX];
    char text[KEYRING_PATHS_MAX][SIGNATURE_MESSAGE_MAX(SIGNATURE_PATH_MAX)];
};

static bool fill_candidates(struct candidates *candidates, const struct signature_claim *claim,
                            const struct slice *paths, size_t n_paths)
{
    if (n_paths == 0 || n_paths > KEYRING_PATHS_MAX) {
        return false;
    }
    for (size_t i = 0; i < n_paths; i++) {
        candidates->len[i] =
            paths[i].len > SIGNATURE_PATH_MAX
                ? 0
                : signature_message(paths[i], claim->timestamp_text, claim->session,
                                    candidates->text[i], sizeof(candidates->text[i]));
        if (candidates->len[i] == 0) {
            return false;
        }
    }
    candidates->n = n_paths;
    return true;
}

static bool compute(EVP_MAC_CTX *mac, const char *message, size_t len, uint8_t out[SIGNATURE_BYTES])
{
    size_t got = 0;
    return mac != NULL && EVP_MAC_init(mac, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(mac, (const unsigned char *)message, len) == 1 &&
           EVP_MAC_final(mac, out, &got, SIGNATURE_BYTES) == 1 && got == SIGNATURE_BYTES;
}

/* Whether key number `at` made the claim's signature, and over which path. All paths are computed:
 * the time tells nothing about which one it was. */
static bool verifies(struct keyring_reader *reader, size_t at, const struct signature_claim *claim,
                     const struct candidates *candidates, struct keyring_match *match)
{
    bool found = false;
    for (size_t i = 0; i < candidates->n; i++) {
        uint8_t mac[SIGNATURE_BYTES];
        bool same = compute(reader->macs[at], candidates->text[i], candidates->len[i], mac) &&
                    CRYPTO_memcmp(mac, claim->mac, sizeof(mac)) == 0;
        if (same && !found) {
            match->path = i;
            found = true;
        }
    }
    if (found) {
        const struct key_entry *entry = &reader->ring->keys[at].entry;
        match->key_id = slice_of(entry->id);
        match->label = slice_of(entry->label);
    }
    return found;
}

/* The key's place in the ring; ring->n when the id is absent or unknown. */
static size_t find_key(const struct ring *ring, struct slice id)
{
    size_t at = 0;
    while (at < ring->n && (id.len == 0 || !slice_eq_str(id, ring->keys[at].entry.id))) {
        at++;
    }
    return at;
}

/* Tries all keys of one stage, `first` and then `second` before the rest; ring->n when none
 * verifies. */
static size_t try_stage(struct keyring_reader *reader, enum key_stage stage, size_t first,
                        size_t second, int64_t now_s, const struct signature_claim *claim,
                        const struct candidates *candidates, struct keyring_match *match)
{
    const struct ring *ring = reader->ring;
    const size_t favourites[] = {first, second != first ? second : ring->n};
    for (size_t i = 0; i < 2; i++) {
        size_t at = favourites[i];
        if (at < ring->n && key_entry_stage(&ring->keys[at].entry, now_s) == stage &&
            verifies(reader, at, claim, candidates, match)) {
            return at;
        }
    }
    for (size_t at = 0; at < ring->n; at++) {
        if (at != first && at != second && key_entry_stage(&ring->keys[at].entry, now_s) == stage &&
            verifies(reader, at, claim, candidates, match)) {
            return at;
        }
    }
    return ring->n;
}

static enum reason match_ring(struct keyring_reader *reader, const struct signature_claim *claim,
                              const struct candidates *candidates, struct slice hint, int64_t now_s,
                              struct keyring_match *match)
{
    const struct ring *ring = reader->ring;
    size_t claimed = find_key(ring, claim->key_id);
    size_t hinted = find_key(ring, hint);
    if (reader->macs == NULL) {
        return REASON_INVALID_SIGNATURE;
    }
    if (claimed < ring->n &&
        key_entry_stage(&ring->keys[claimed].entry, now_s) == KEY_STAGE_PENDING) {
        return REASON_KEY_NOT_READY;
    }
    size_t at =
        try_stage(reader, KEY_STAGE_ACCEPTED, claimed, hinted, now_s, claim, candidates, match);
    if (at < ring->n) {
        if (ring->keys[at].uses != NULL) {
            metric_add(ring->keys[at].uses, 1);
        }
        return REASON_OK;
    }
    at = try_stage(reader, KEY_STAGE_ENDED, claimed, hinted, now_s, claim, candidates, match);
    return at < ring->n ? REASON_RETIRED_KEY : REASON_INVALID_SIGNATURE;
}

enum reason keyring_match(struct keyring_reader *reader, const struct signature_claim *claim,
                          const struct slice *paths, size_t n_paths, struct slice hint,
                          int64_t now_s, struct keyring_match *match)
{
    struct candidates candidates;
    *match = (struct keyring_match){0};
    if (!fill_candidates(&candidates, claim, paths, n_paths)) {
        return REASON_INVALID_SIGNATURE;
    }
    struct ring *old = is_stale(reader) ? take_ring(reader) : NULL;
    enum reason reason = match_ring(reader, claim, &candidates, hint, now_s, match);
    ring_release(old);
    return reason;
}

/* The key to sign with; ring->n and a sentence when there is none. */
static size_t choose_signer(const struct ring *ring, struct slice key_id, int64_t now_s,
                            struct result *why)
{
    static const char *const stages[] = {"is not valid yet", "", "has ended or is revoked"};
    size_t at = 0;
    if (key_id.data != NULL) {
        at = find_key(ring, key_id);
        if (at == ring->n) {
            result_fail(why, "there is no key \"%.*s\"", (int)(key_id.len < 64 ? key_id.len : 64),
                        key_id.data);
        } else if (key_entry_stage(&ring->keys[at].entry, now_s) != KEY_STAGE_ACCEPTED) {
            result_fail(why, "key \"%s\" %s: what it signs would be refused",
                        ring->keys[at].entry.id,
                        stages[key_entry_stage(&ring->keys[at].entry, now_s)]);
            at = ring->n;
        }
        return at;
    }
    while (at < ring->n && (ring->keys[at].entry.state != KEY_ACTIVE ||
                            key_entry_stage(&ring->keys[at].entry, now_s) != KEY_STAGE_ACCEPTED)) {
        at++;
    }
    if (at == ring->n) {
        result_fail(why, ring->n == 0 ? "there is no key; make one: sigpostctl secret init"
                                      : "no key is active now; see: sigpostctl secret list");
    }
    return at;
}

bool keyring_sign(struct keyring_reader *reader, struct slice message, struct slice key_id,
                  int64_t now_s, char signature[2 * SIGNATURE_BYTES + 1],
                  char used_id[SIGNATURE_KEY_ID_MAX + 1], struct result *why)
{
    uint8_t mac[SIGNATURE_BYTES];
    bool ok = false;
    signature[0] = '\0';
    used_id[0] = '\0';
    struct ring *old = is_stale(reader) ? take_ring(reader) : NULL;
    size_t at = choose_signer(reader->ring, key_id, now_s, why);
    if (at == reader->ring->n) {
        goto cleanup;
    }
    ok = reader->macs != NULL && compute(reader->macs[at], message.data, message.len, mac);
    if (!ok) {
        result_fail(why, "OpenSSL cannot compute the HMAC");
        goto cleanup;
    }
    signature_hex(mac, signature);
    memcpy(used_id, reader->ring->keys[at].entry.id, SIGNATURE_KEY_ID_MAX + 1);

cleanup:
    ring_release(old);
    return ok;
}
