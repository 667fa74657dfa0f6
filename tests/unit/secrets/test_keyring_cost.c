/* test_keyring_cost.c: how many HMACs a match costs, counted where OpenSSL finishes one. */
#include "fixture.h"

#include <dlfcn.h>
#include <openssl/evp.h>

#define KEYS KEY_LIST_MAX

static unsigned hmacs;

/* Stands in front of OpenSSL's. */
int EVP_MAC_final(EVP_MAC_CTX *ctx, unsigned char *out, size_t *outl, size_t outsize)
{
    static int (*real)(EVP_MAC_CTX *, unsigned char *, size_t *, size_t);
    if (real == NULL) {
        void *found = dlsym(RTLD_NEXT, "EVP_MAC_final");
        memcpy(&real, &found, sizeof(real));
        cr_assert_not_null(real);
    }
    hmacs++;
    return real(ctx, out, outl, outsize);
}

static struct result why;
static struct keyring *ring;
static struct keyring_reader *reader;

static void set_up(void)
{
    make_dir();
    cr_assert(keyring_init_memory(&why), "%s", why.text);
}

static void tear_down(void)
{
    keyring_reader_destroy(reader);
    keyring_close(ring);
    remove_dir();
}

TestSuite(keyring_cost, .init = set_up, .fini = tear_down);

static const char *secret_of(size_t i)
{
    static char secret[64];
    snprintf(secret, sizeof(secret), "secret-number-%026zu", i);
    return secret;
}

/* Two may be used at once. */
static const char *id_of(size_t i)
{
    static char ids[2][24];
    static unsigned next;
    char *id = ids[next++ % 2];
    snprintf(id, sizeof(ids[0]), "k%zu", i);
    return id;
}

/* Keys k0 to k(n-1), the last one the newest; every `ended`th of them past its day (0: none). */
static void open_ring(size_t n, size_t ended)
{
    struct key_list list = {0};
    for (size_t i = 0; i < n; i++) {
        struct key_entry *entry =
            key_list_add(&list, slice_of(id_of(i)), slice_of(secret_of(i)), &why);
        cr_assert_not_null(entry, "%s", why.text);
        entry->created = NOW - 1000 + (int64_t)i;
        entry->not_after = ended != 0 && i % ended == 0 ? NOW - 1 : KEY_TIME_NONE;
    }
    cr_assert(keyring_file_write(in_dir("ring"), &list, &why), "%s", why.text);
    key_list_free(&list);
    const struct keyring_sources sources = {.ring_file = in_dir("ring")};
    ring = keyring_open(&sources, NULL, &why);
    cr_assert_not_null(ring, "%s", why.text);
    reader = keyring_reader_create(ring);
    cr_assert_not_null(reader);
}

static void close_ring(void)
{
    keyring_reader_destroy(reader);
    keyring_close(ring);
    reader = NULL;
    ring = NULL;
}

/* The HMACs of one match of a signature by `secret`. */
static unsigned cost(const char *secret, const char *key_id, const char *hint, size_t n_paths,
                     enum reason expected)
{
    const struct slice paths[] = {SLICE_LIT("/v1/metrics"), SLICE_LIT("/v1/traces"),
                                  SLICE_LIT("/v1/logs")};
    struct keyring_match match;
    struct signature_claim claim = claim_of(secret, "/v1/metrics", key_id);
    hmacs = 0;
    cr_assert_eq(keyring_match(reader, &claim, paths, n_paths, slice_of(hint), NOW, &match),
                 expected);
    return hmacs;
}

Test(keyring_cost, a_known_session_or_key_costs_one_whatever_the_ring)
{
    static const size_t sizes[] = {1, 2, 64, KEYS};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        open_ring(sizes[i], 0);
        for (size_t key = 0; key < sizes[i]; key++) {
            cr_assert_eq(cost(secret_of(key), NULL, id_of(key), 1, REASON_OK), 1);
            cr_assert_eq(cost(secret_of(key), id_of(key), NULL, 1, REASON_OK), 1);
        }
        close_ring();
    }
}

/* `POST /` does not say which signal it is: its three paths are tried, all of them always. */
Test(keyring_cost, a_root_post_costs_its_paths)
{
    open_ring(64, 0);
    cr_assert_eq(cost(secret_of(5), NULL, id_of(5), 3, REASON_OK), 3);
    cr_assert_eq(cost(secret_of(5), id_of(5), NULL, 3, REASON_OK), 3);
    cr_assert_eq(cost(secret_of(63), NULL, NULL, 3, REASON_OK), 3);
}

/* Newest first: the n-th newest key costs n. */
Test(keyring_cost, an_unlabelled_new_session_costs_the_keys_newer_than_its_own)
{
    unsigned sum = 0;
    open_ring(64, 0);
    for (size_t key = 0; key < 64; key++) {
        unsigned one = cost(secret_of(key), NULL, NULL, 1, REASON_OK);
        cr_assert_eq(one, 64 - key, "key %zu: %u", key, one);
        sum += one;
    }
    cr_assert_lt(sum / 64, 64);
}

Test(keyring_cost, a_wrong_guess_costs_one_more)
{
    open_ring(64, 0);
    cr_assert_eq(cost(secret_of(63), NULL, id_of(0), 1, REASON_OK), 2);
    cr_assert_eq(cost(secret_of(63), id_of(0), id_of(1), 1, REASON_OK), 3);
    cr_assert_eq(cost(secret_of(63), "unknown", "unknown", 1, REASON_OK), 1);
}

/* A forged one costs each key once and no key twice; ended keys cost only those whom no accepted
 * key knows. */
Test(keyring_cost, a_forged_one_costs_each_key_once)
{
    static const char forged[] = "a secret that is in no ring whatever";
    open_ring(64, 4);
    cr_assert_eq(cost(forged, NULL, NULL, 1, REASON_INVALID_SIGNATURE), 64);
    cr_assert_eq(cost(forged, id_of(3), id_of(3), 1, REASON_INVALID_SIGNATURE), 64);
    cr_assert_eq(cost(forged, id_of(3), id_of(4), 1, REASON_INVALID_SIGNATURE), 64);
    cr_assert_eq(cost(secret_of(1), NULL, NULL, 1, REASON_OK), 48);
    cr_assert_eq(cost(secret_of(0), NULL, NULL, 1, REASON_RETIRED_KEY), 64);
}
