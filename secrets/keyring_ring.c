/* keyring_ring.c: one immutable ring, from the sources to keyed HMAC contexts; see
 * keyring_internal.h. After it is built the secrets are wiped. What remains is the state that
 * OpenSSL's HMAC derives from them; it keeps that on its ordinary heap, and wipes it when freed.
 */
#include "secrets/keyring_internal.h"

#include "base/log.h"

#include <math.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

/* The single secrets rank below the ring file's entries. */
enum { RANK_FILE, RANK_ENV, RANK_RING };

/* Adds a single secret, unless the list holds it already: then the entry there governs. `source`
 * names where it came from, for the sentence. */
static bool add_single(struct key_list *list, const char *id, const struct key_entry *single,
                       const char *source, const char *ring_file, struct result *why)
{
    struct result said = RESULT_INIT;
    for (size_t i = 0; i < list->n; i++) {
        if (key_entry_same_secret(&list->entries[i], single)) {
            return true;
        }
    }
    if (key_list_find(list, slice_of(id)) != NULL) {
        return result_fail(why,
                           "%.200s has a key \"%s\" whose secret is not the one of %.200s; rename "
                           "the key, or make the secrets the same",
                           ring_file != NULL ? ring_file : "the ring", id, source);
    }
    if (list->n >= KEY_LIST_MAX) {
        return result_fail(why,
                           "%.150s: a ring holds at most %d keys, and this is one more; take it "
                           "away, or a key that has ended out of %.150s",
                           source, KEY_LIST_MAX, ring_file != NULL ? ring_file : "the ring");
    }
    if (key_list_add(list, slice_of(id), slice_make(single->secret, single->secret_len), &said) ==
        NULL) {
        return result_fail(why, "%.200s: %.250s", source, said.text);
    }
    return true;
}

static bool add_environment(struct key_list *list, const struct keyring_sources *sources,
                            struct result *why)
{
    static const char source[] = "the environment's signing secret";
    struct result said = RESULT_INIT;
    struct key_entry single = {0};
    const char *text = sources->signing_secret;
    if (text == NULL || text[strspn(text, " \t\r\n\v\f")] == '\0') {
        return true;
    }
    if (!key_entry_set_secret(&single, slice_of(text), &said)) {
        return result_fail(why, "%s: %.400s", source, said.text);
    }
    bool ok = add_single(list, "env", &single, source, sources->ring_file, why);
    key_entry_free(&single);
    return ok;
}

static bool add_secret_file(struct key_list *list, const struct keyring_sources *sources,
                            struct result *why)
{
    struct key_entry single = {0};
    bool missing = false;
    if (sources->secret_file == NULL) {
        return true;
    }
    if (!secret_file_read(sources->secret_file, &single, &missing, why)) {
        return false;
    }
    if (missing) {
        return !sources->secret_file_required ||
               result_fail(why, "%s: no such file; it is named as the file of the signing secret",
                           sources->secret_file);
    }
    bool ok = add_single(list, "file", &single, sources->secret_file, sources->ring_file, why);
    key_entry_free(&single);
    return ok;
}

/* What was read of the ring file: its entries come first in the list, the single ones follow. */
struct ring_part {
    bool had_file;
    size_t n;
};

static bool read_sources(const struct keyring_sources *sources, struct key_list *list,
                         struct ring_part *part, struct result *why)
{
    bool missing = sources->ring_file == NULL;
    *list = (struct key_list){0};
    *part = (struct ring_part){0};
    if (!missing && !keyring_file_read(sources->ring_file, list, &missing, why)) {
        return false;
    }
    if (missing && sources->ring_file_required) {
        return result_fail(why,
                           "%s: the ring file is gone, and its keys stay in force until the "
                           "gateway ends; restore it from the backup",
                           sources->ring_file);
    }
    *part = (struct ring_part){.had_file = !missing, .n = list->n};
    return add_environment(list, sources, why) && add_secret_file(list, sources, why);
}

bool keyring_read_sources(const struct keyring_sources *sources, struct key_list *list,
                          struct result *why)
{
    struct ring_part part;
    bool ok = read_sources(sources, list, &part, why);
    if (!ok) {
        key_list_free(list);
    }
    return ok;
}

static EVP_MAC_CTX *make_mac(EVP_MAC *hmac, const struct key_entry *entry)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
    if (mac != NULL &&
        EVP_MAC_init(mac, (const unsigned char *)entry->secret, entry->secret_len, params) != 1) {
        EVP_MAC_CTX_free(mac);
        mac = NULL;
    }
    return mac;
}

static bool fill_key(struct ring_key *key, const struct key_entry *entry, EVP_MAC *hmac,
                     struct metrics *metrics, struct result *why)
{
    key->entry = *entry;
    key->entry.secret = NULL;
    key->entry.secret_len = 0;
    key->mac = make_mac(hmac, entry);
    if (key->mac == NULL) {
        return result_fail(why,
                           "key \"%s\": OpenSSL cannot make its HMAC; the secure memory may be "
                           "used up: have fewer keys",
                           entry->id);
    }
    if (metrics != NULL) {
        key->uses =
            metrics_counter(metrics, "sigpost_auth_key_uses_total",
                            "Requests that verified, by key.", METRIC_LABELS("key_id", entry->id));
        key->end = metrics_gauge(metrics, "sigpost_key_not_after_seconds",
                                 "Unix time of the key's last second; +Inf for a key without an "
                                 "end, and for one that is revoked or gone.",
                                 METRIC_LABELS("key_id", entry->id));
    }
    if (entry->secret_len < KEY_SECRET_ADVISED) {
        LOG_WARN("a secret is shorter than advised", LOG_STR("key_id", entry->id),
                 LOG_INT("bytes", entry->secret_len), LOG_INT("advised", KEY_SECRET_ADVISED));
    }
    return true;
}

/* KEY_TIME_NONE is the least int64: a key without `created` comes last. */
static int newest_first(const void *a, const void *b)
{
    const struct ring_key *left = a;
    const struct ring_key *right = b;
    if (left->entry.created != right->entry.created) {
        return left->entry.created > right->entry.created ? -1 : 1;
    }
    return left->rank > right->rank ? -1 : 1;
}

static size_t rank_of(const struct key_list *list, size_t i, size_t of_ring)
{
    if (i < of_ring) {
        return RANK_RING + i;
    }
    return strcmp(list->entries[i].id, "env") == 0 ? RANK_ENV : RANK_FILE;
}

/* Keys of the list; `ring` has room for them. */
static bool fill_ring(struct ring *ring, const struct key_list *list, size_t of_ring, EVP_MAC *hmac,
                      struct metrics *metrics, struct result *why)
{
    for (; ring->n < list->n; ring->n++) {
        struct ring_key *key = &ring->keys[ring->n];
        key->rank = rank_of(list, ring->n, of_ring);
        if (!fill_key(key, &list->entries[ring->n], hmac, metrics, why)) {
            return false;
        }
    }
    if (ring->n != 0) {
        qsort(ring->keys, ring->n, sizeof(ring->keys[0]), newest_first);
    }
    return true;
}

struct ring *ring_build(const struct keyring_sources *sources, EVP_MAC *hmac,
                        struct metrics *metrics, struct result *why)
{
    struct key_list list = {0};
    struct ring_part part;
    struct ring *ring = NULL;
    if (!read_sources(sources, &list, &part, why)) {
        goto cleanup;
    }
    ring = calloc(1, sizeof(*ring) + list.n * sizeof(ring->keys[0]));
    if (ring == NULL) {
        result_fail(why, "out of memory");
        goto cleanup;
    }
    atomic_init(&ring->references, 1);
    ring->had_file = part.had_file;
    if (!fill_ring(ring, &list, part.n, hmac, metrics, why)) {
        ring_release(ring);
        ring = NULL;
    }

cleanup:
    key_list_free(&list);
    return ring;
}

void ring_tell_ends(const struct ring *old, const struct ring *fresh)
{
    for (size_t i = 0; old != NULL && i < old->n; i++) {
        if (old->keys[i].end != NULL) {
            metric_set(old->keys[i].end, INFINITY);
        }
    }
    for (size_t i = 0; i < fresh->n; i++) {
        const struct key_entry *entry = &fresh->keys[i].entry;
        bool ends = entry->not_after != KEY_TIME_NONE && entry->state != KEY_REVOKED;
        if (fresh->keys[i].end != NULL) {
            metric_set(fresh->keys[i].end, ends ? (double)entry->not_after : INFINITY);
        }
    }
}

void ring_release(struct ring *ring)
{
    if (ring == NULL ||
        atomic_fetch_sub_explicit(&ring->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < ring->n; i++) {
        EVP_MAC_CTX_free(ring->keys[i].mac);
    }
    free(ring);
}
