/* test_keyring.c: which key made a signature: order, states and days, sources, reload, signing. */
#include "fixture.h"

#include "base/log.h"

#include <fcntl.h>
#include <math.h>
#include <openssl/crypto.h>

static struct keyring *ring;
static struct keyring_reader *reader;
static struct metrics *metrics;
static struct result why;
static struct keyring_match match;

static void set_up(void)
{
    make_dir();
    log_redirect(open("/dev/null", O_WRONLY | O_CLOEXEC));
    metrics = metrics_create();
}

static void tear_down(void)
{
    keyring_reader_destroy(reader);
    keyring_close(ring);
    metrics_destroy(metrics);
    remove_dir();
}

TestSuite(keyring, .init = set_up, .fini = tear_down);

static bool open_sources(struct keyring_sources sources)
{
    ring = keyring_open(&sources, metrics, &why);
    reader = ring != NULL ? keyring_reader_create(ring) : NULL;
    return ring != NULL;
}

static void open_groups(const char *const *groups)
{
    put_groups(in_dir("ring"), groups);
    cr_assert(open_sources((struct keyring_sources){.ring_file = in_dir("ring")}), "%s", why.text);
}

static void reload_groups(const char *const *groups)
{
    put_groups(in_dir("ring"), groups);
    cr_assert(keyring_reload(ring, &why), "%s", why.text);
}

#define open_ring(...) open_groups(GROUPS(__VA_ARGS__, NULL))
#define reload_ring(...) reload_groups(GROUPS(__VA_ARGS__, NULL))

/* Matches a claim of one path at a time. */
static enum reason match_at(const char *secret, const char *key_id, int64_t now_s)
{
    static const struct slice path = SLICE_LIT("/v1/metrics");
    struct signature_claim claim = claim_of(secret, "/v1/metrics", key_id);
    memset(&match, 0x5a, sizeof(match));
    return keyring_match(reader, &claim, &path, 1, (struct slice){0}, now_s, &match);
}

static enum reason match_now(const char *secret, const char *key_id)
{
    return match_at(secret, key_id, NOW);
}

static bool matched(const char *key_id)
{
    return slice_eq_str(match.key_id, key_id);
}

static double uses(const char *key_id)
{
    return metric_value(metrics_counter(metrics, "sigpost_auth_key_uses_total", "",
                                        METRIC_LABELS("key_id", key_id)));
}

static double end_of(const char *key_id)
{
    return metric_value(metrics_gauge(metrics, "sigpost_key_not_after_seconds", "",
                                      METRIC_LABELS("key_id", key_id)));
}

Test(keyring, the_metric_of_a_keys_last_second_follows_the_ring)
{
    open_ring(KEY("a", SECRET_A, "active", "not_after = \"2030-01-01T00:00:00Z\";"),
              KEY("b", SECRET_B, "active", ""));
    cr_expect_eq(end_of("a"), 1893456000);
    cr_expect_eq(end_of("b"), INFINITY);
    reload_ring(KEY("a", SECRET_A, "retiring", "not_after = \"2029-01-01T00:00:00Z\";"),
                KEY("b", SECRET_B, "active", "not_after = \"2031-01-01T00:00:00Z\";"));
    cr_expect_eq(end_of("a"), 1861920000);
    cr_expect_eq(end_of("b"), 1924992000);
    reload_ring(KEY("b", SECRET_B, "revoked", "not_after = \"2031-01-01T00:00:00Z\";"));
    cr_expect_eq(end_of("a"), INFINITY, "a key that is gone");
    cr_expect_eq(end_of("b"), INFINITY, "a key that is revoked");
    put_file(in_dir("ring"), 0600, "keys = (");
    cr_assert_not(keyring_reload(ring, &why));
    cr_expect_eq(end_of("b"), INFINITY, "a broken file changes nothing");
}

Test(keyring, finds_the_key_and_the_path)
{
    open_ring(KEY("a", SECRET_A, "active", "label = \"production\";"),
              KEY("b", SECRET_B, "active", ""));
    const struct slice paths[] = {SLICE_LIT("/v1/metrics"), SLICE_LIT("/v1/traces"),
                                  SLICE_LIT("/v1/logs")};
    struct signature_claim claim = claim_of(SECRET_A, "/v1/logs", NULL);
    cr_assert_eq(keyring_match(reader, &claim, paths, 3, (struct slice){0}, NOW, &match),
                 REASON_OK);
    cr_assert_eq(match.path, 2);
    cr_assert(matched("a"));
    cr_assert(slice_eq_str(match.label, "production"));
    claim = claim_of(SECRET_B, "/v1/metrics", NULL);
    cr_assert_eq(keyring_match(reader, &claim, paths, 3, (struct slice){0}, NOW, &match),
                 REASON_OK);
    cr_assert_eq(match.path, 0);
    cr_assert(matched("b"));
    cr_assert_not_null(match.label.data);
    cr_assert_eq(match.label.len, 0);
    cr_assert_eq(uses("a"), 1);
    cr_assert_eq(uses("b"), 1);

    claim = claim_of(SECRET_A, "/v1/other", NULL);
    cr_assert_eq(keyring_match(reader, &claim, paths, 3, (struct slice){0}, NOW, &match),
                 REASON_INVALID_SIGNATURE);
    cr_assert_null(match.key_id.data);
    cr_assert_eq(uses("a"), 1, "a refusal is no use");
}

Test(keyring, every_bit_of_the_signature_counts)
{
    open_ring(KEY("a", SECRET_A, "active", ""));
    static const struct slice path = SLICE_LIT("/v1/metrics");
    for (size_t bit = 0; bit < 8 * (size_t)SIGNATURE_BYTES; bit++) {
        struct signature_claim claim = claim_of(SECRET_A, "/v1/metrics", NULL);
        claim.mac[bit / 8] = (uint8_t)(claim.mac[bit / 8] ^ (1U << bit % 8));
        cr_assert_eq(keyring_match(reader, &claim, &path, 1, (struct slice){0}, NOW, &match),
                     REASON_INVALID_SIGNATURE, "bit %zu", bit);
    }
    struct signature_claim claim = claim_of(SECRET_A, "/v1/metrics", NULL);
    claim.session = SLICE_LIT("s-2");
    cr_assert_eq(keyring_match(reader, &claim, &path, 1, (struct slice){0}, NOW, &match),
                 REASON_INVALID_SIGNATURE);
    claim = claim_of(SECRET_A, "/v1/metrics", NULL);
    claim.timestamp_text = SLICE_LIT("1800000001");
    cr_assert_eq(keyring_match(reader, &claim, &path, 1, (struct slice){0}, NOW, &match),
                 REASON_INVALID_SIGNATURE);
}

Test(keyring, paths_are_bounded)
{
    open_ring(KEY("a", SECRET_A, "active", ""));
    char longest[SIGNATURE_PATH_MAX + 2];
    memset(longest, 'p', sizeof(longest));
    longest[0] = '/';
    longest[SIGNATURE_PATH_MAX] = '\0';
    struct slice paths[KEYRING_PATHS_MAX + 1];
    for (size_t i = 0; i <= KEYRING_PATHS_MAX; i++) {
        paths[i] = slice_of(longest);
    }
    struct signature_claim claim = claim_of(SECRET_A, longest, NULL);
    const struct slice none = {0};
    cr_assert_eq(keyring_match(reader, &claim, paths, KEYRING_PATHS_MAX, none, NOW, &match),
                 REASON_OK);
    cr_assert_eq(match.path, 0, "the first of equal paths");
    cr_assert_eq(keyring_match(reader, &claim, paths, KEYRING_PATHS_MAX + 1, none, NOW, &match),
                 REASON_INVALID_SIGNATURE);
    cr_assert_eq(keyring_match(reader, &claim, paths, 0, none, NOW, &match),
                 REASON_INVALID_SIGNATURE);
    longest[SIGNATURE_PATH_MAX] = 'p';
    paths[1].len++;
    cr_assert_eq(keyring_match(reader, &claim, paths, 2, none, NOW, &match),
                 REASON_INVALID_SIGNATURE);
}

Test(keyring, key_id_and_hint_only_choose_the_order)
{
    open_ring(KEY("a", SECRET_A, "active", ""), KEY("b", SECRET_B, "active", ""));
    cr_assert_eq(match_now(SECRET_A, "a"), REASON_OK);
    cr_assert_eq(match_now(SECRET_A, "b"), REASON_OK, "the wrong id is no reason to refuse");
    cr_assert(matched("a"));
    cr_assert_eq(match_now(SECRET_A, "unknown"), REASON_OK);
    cr_assert_eq(match_now(SECRET_C, "a"), REASON_INVALID_SIGNATURE);

    static const struct slice path = SLICE_LIT("/v1/metrics");
    static const char *const hints[] = {"a", "b", "gone", "", NULL};
    static const char *const ids[] = {"a", "b", "gone", NULL};
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 4; k++) {
            struct signature_claim claim = claim_of(SECRET_A, "/v1/metrics", ids[k]);
            cr_assert_eq(keyring_match(reader, &claim, &path, 1, slice_of(hints[i]), NOW, &match),
                         REASON_OK);
            cr_assert(matched("a"));
        }
    }
}

/* The border days: NOW is 2027-01-15T08:00:00Z. */
Test(keyring, a_key_verifies_within_its_days)
{
    open_ring(KEY("a", SECRET_A, "active",
                  "not_before = \"2027-01-15T07:00:00Z\"; not_after = \"2027-01-15T09:00:00Z\";"));
    cr_assert_eq(match_at(SECRET_A, NULL, NOW - 3601), REASON_INVALID_SIGNATURE);
    cr_assert_eq(match_at(SECRET_A, "a", NOW - 3601), REASON_KEY_NOT_READY);
    cr_assert_eq(match_at(SECRET_A, "a", NOW - 3600), REASON_OK);
    cr_assert_eq(match_at(SECRET_A, NULL, NOW + 3600), REASON_OK);
    cr_assert_eq(match_at(SECRET_A, NULL, NOW + 3601), REASON_RETIRED_KEY);
    cr_assert(matched("a"));
    cr_assert_eq(match_at(SECRET_C, NULL, NOW + 3601), REASON_INVALID_SIGNATURE);
    cr_assert_eq(uses("a"), 2);
}

Test(keyring, states)
{
    open_ring(KEY("p", SECRET_A, "pending", ""), KEY("r", SECRET_B, "retiring", ""),
              KEY("x", SECRET_C, "revoked", ""));
    cr_assert_eq(match_now(SECRET_A, NULL), REASON_INVALID_SIGNATURE, "pending never verifies");
    cr_assert_eq(match_now(SECRET_A, "p"), REASON_KEY_NOT_READY);
    cr_assert_eq(match_now(SECRET_B, "p"), REASON_KEY_NOT_READY);
    cr_assert_eq(match_now(SECRET_B, NULL), REASON_OK);
    cr_assert_eq(match_now(SECRET_C, NULL), REASON_RETIRED_KEY);
    cr_assert(matched("x"));
    cr_assert_eq(match_now(SECRET_C, "x"), REASON_RETIRED_KEY);
    cr_assert_eq(match_now(SECRET_B, "x"), REASON_OK, "an ended id does not hide a good key");
    cr_assert(matched("r"));

    reload_ring(KEY("p", SECRET_A, "pending", "not_after = \"2027-01-01\";"));
    cr_assert_eq(match_now(SECRET_A, "p"), REASON_RETIRED_KEY, "it will never be ready");
}

Test(keyring, counts)
{
    open_ring(
        KEY("p", SECRET_A, "pending", ""),
        KEY("r", SECRET_B, "retiring", "not_after = \"2027-02-01\";"),
        KEY("x", SECRET_C, "revoked", ""),
        KEY("n", "dddddddddddddddddddddddddddddddd", "active", "not_before = \"2028-01-01\";"),
        KEY("o",
            "eeeeeeeeeeeeeeeeeeeeeeeeeee"
            "eeeee",
            "active",
            "not_after = "
            "\"2026-01-01\";"),
        KEY("m", "ffffffffffffffffffffffffffffffff", "active", "not_after = \"2027-03-01\";"));
    struct keyring_counts counts;
    keyring_counts(ring, NOW, &counts);
    cr_assert_eq(counts.active, 2);
    cr_assert_eq(counts.pending, 2);
    cr_assert_eq(counts.ended, 2);
    cr_assert_eq(counts.next_end_s, 1801440000);
    cr_assert_str_empty(counts.problem);
    keyring_counts(ring, 1801440001, &counts);
    cr_assert_eq(counts.active, 1);
    cr_assert_eq(counts.ended, 3);
}

static const char *signer(const char *key_id)
{
    static char used[SIGNATURE_KEY_ID_MAX + 1];
    char signature[2 * SIGNATURE_BYTES + 1];
    why = RESULT_INIT;
    bool ok = keyring_sign(reader, SLICE_LIT("m"), slice_of(key_id), NOW, signature, used, &why);
    cr_assert_eq(strlen(signature), ok ? 64 : 0);
    cr_assert_eq(why.text[0] == '\0', ok);
    return used;
}

Test(keyring, signs_with_the_newest_active_key)
{
    open_ring(
        KEY("old", SECRET_A, "active", "created = \"2026-01-01\";"),
        KEY("none", SECRET_B, "active", ""),
        KEY("new", SECRET_C, "active", "created = \"2026-02-01\";"),
        KEY("twin", "dddddddddddddddddddddddddddddddd", "active", "created = \"2026-02-01\";"),
        KEY("ret",
            "eeeeeeeeeeee"
            "eeeeeeeeeeee"
            "eeeeeeee",
            "retiring",
            "created = "
            "\"2026-12-"
            "01\";"),
        KEY("pend", "ffffffffffffffffffffffffffffffff", "pending", ""),
        KEY("rev", "gggggggggggggggggggggggggggggggg", "revoked", ""));
    cr_assert_str_eq(signer(NULL), "twin", "the later in the file of equally new ones");
    cr_assert_str_eq(signer("old"), "old");
    cr_assert_str_eq(signer("ret"), "ret", "a retiring key is still believed");
    cr_assert_str_empty(signer("pend"));
    cr_assert_not_null(strstr(why.text, "not valid yet"));
    cr_assert_str_empty(signer("rev"));
    cr_assert_not_null(strstr(why.text, "revoked"));
    cr_assert_str_empty(signer("nobody"));
    cr_assert_str_eq(why.text, "there is no key \"nobody\"");
    cr_assert_str_empty(signer(""));

    reload_ring(KEY("none", SECRET_B, "active", ""), KEY("last", SECRET_A, "active", ""));
    cr_assert_str_eq(signer(NULL), "last", "without days the last one is the newest");
    reload_ring(KEY("ret", SECRET_B, "retiring", ""));
    cr_assert_str_empty(signer(NULL));
    cr_assert_not_null(strstr(why.text, "secret list"));
    reload_groups(GROUPS(NULL));
    cr_assert_str_empty(signer(NULL));
    cr_assert_not_null(strstr(why.text, "secret init"));
}

Test(keyring, signs_as_signature_sign_does)
{
    char expected[2 * SIGNATURE_BYTES + 1];
    char signature[2 * SIGNATURE_BYTES + 1];
    char used[SIGNATURE_KEY_ID_MAX + 1];
    open_ring(KEY("a", SECRET_A, "active", ""));
    for (int i = 0; i < 3; i++) {
        cr_assert(keyring_sign(reader, SLICE_LIT("message"), (struct slice){0}, NOW, signature,
                               used, &why));
        cr_assert(signature_sign(SLICE_LIT(SECRET_A), SLICE_LIT("message"), expected));
        cr_assert_str_eq(signature, expected, "the kept context starts anew each time");
    }
}

Test(keyring, single_secrets_are_keys)
{
    put_file(in_dir("secret"), 0444, SECRET_B "\n");
    cr_assert(open_sources((struct keyring_sources){.ring_file = in_dir("none"),
                                                    .secret_file = in_dir("secret"),
                                                    .secret_file_required = true,
                                                    .signing_secret = " " SECRET_A "\n"}),
              "%s", why.text);
    cr_assert_eq(match_now(SECRET_A, NULL), REASON_OK);
    cr_assert(matched("env"));
    cr_assert_eq(match_now(SECRET_B, NULL), REASON_OK);
    cr_assert(matched("file"));
    cr_assert_str_eq(signer(NULL), "env", "the environment beats the file");
}

Test(keyring, equal_single_secrets_are_one_key)
{
    struct keyring_counts counts;
    put_file(in_dir("secret"), 0444, SECRET_A "\n");
    cr_assert(open_sources(
        (struct keyring_sources){.secret_file = in_dir("secret"), .signing_secret = SECRET_A}));
    keyring_counts(ring, NOW, &counts);
    cr_assert_eq(counts.active, 1);
    cr_assert_eq(match_now(SECRET_A, NULL), REASON_OK);
    cr_assert(matched("env"));
}

Test(keyring, a_single_secret_too_many)
{
    struct key_list list = {0};
    char id[16];
    char secret[32];
    for (int i = 0; i < KEY_LIST_MAX; i++) {
        snprintf(id, sizeof(id), "k%d", i);
        snprintf(secret, sizeof(secret), "secret-%020d", i);
        cr_assert_not_null(key_list_add(&list, slice_of(id), slice_of(secret), &why));
    }
    cr_assert(keyring_file_write(in_dir("ring"), &list, &why), "%s", why.text);
    key_list_free(&list);
    const struct keyring_sources sources = {.ring_file = in_dir("ring"),
                                            .signing_secret = SECRET_A};
    cr_assert_not(open_sources(sources));
    cr_assert_not_null(strstr(why.text, "the environment's signing secret: a ring holds at most "
                                        "128 keys, and this is one more; take it away, or a key "
                                        "that has ended out of "),
                       "%s", why.text);
}

Test(keyring, the_ring_file_governs_a_secret_it_holds)
{
    put_file(in_dir("secret"), 0444, SECRET_B);
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "revoked", ""),
             KEY("file", SECRET_B, "active", "not_after = \"2027-01-01\";"));
    cr_assert(open_sources((struct keyring_sources){.ring_file = in_dir("ring"),
                                                    .secret_file = in_dir("secret"),
                                                    .signing_secret = SECRET_A}),
              "%s", why.text);
    cr_assert_eq(match_now(SECRET_A, NULL), REASON_RETIRED_KEY);
    cr_assert(matched("a"));
    cr_assert_eq(match_now(SECRET_B, NULL), REASON_RETIRED_KEY);
    cr_assert(matched("file"));
}

Test(keyring, keys_of_the_ring_come_before_single_secrets)
{
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    cr_assert(open_sources(
        (struct keyring_sources){.ring_file = in_dir("ring"), .signing_secret = SECRET_B}));
    cr_assert_str_eq(signer(NULL), "a");
}

Test(keyring, a_clash_of_ids_is_named)
{
    put_ring(in_dir("ring"), KEY("env", SECRET_A, "active", ""));
    cr_assert_not(open_sources(
        (struct keyring_sources){.ring_file = in_dir("ring"), .signing_secret = SECRET_B}));
    cr_assert_not_null(strstr(why.text, "key \"env\""), "%s", why.text);
    cr_assert_not_null(strstr(why.text, in_dir("ring")));
    cr_assert_null(strstr(why.text, SECRET_B));
    put_ring(in_dir("ring"), KEY("file", SECRET_A, "active", ""));
    put_file(in_dir("secret"), 0444, SECRET_B);
    cr_assert_not(open_sources(
        (struct keyring_sources){.ring_file = in_dir("ring"), .secret_file = in_dir("secret")}));
    cr_assert_not_null(strstr(why.text, "key \"file\""), "%s", why.text);
}

Test(keyring, broken_sources_do_not_open)
{
    cr_assert_not(open_sources(
        (struct keyring_sources){.secret_file = in_dir("none"), .secret_file_required = true}));
    cr_assert_not_null(strstr(why.text, "no such file"), "%s", why.text);
    cr_assert_not(open_sources((struct keyring_sources){.signing_secret = "too short"}));
    cr_assert_not_null(strstr(why.text, "9 bytes"), "%s", why.text);
    cr_assert_null(strstr(why.text, "too short"));
    put_file(in_dir("ring"), 0644, "keys = ();");
    cr_assert_not(open_sources((struct keyring_sources){.ring_file = in_dir("ring")}));
    cr_assert_not_null(strstr(why.text, "chmod 600"), "%s", why.text);
}

Test(keyring, a_ring_without_keys_opens)
{
    struct keyring_counts counts;
    cr_assert(open_sources((struct keyring_sources){.ring_file = in_dir("none"),
                                                    .secret_file = in_dir("none"),
                                                    .signing_secret = " \n"}),
              "%s", why.text);
    keyring_counts(ring, NOW, &counts);
    cr_assert_eq(counts.active + counts.pending + counts.ended, 0);
    cr_assert_eq(counts.next_end_s, INT64_MAX);
    cr_assert_eq(match_now(SECRET_A, "a"), REASON_INVALID_SIGNATURE);
}

Test(keyring, a_reload_swaps_the_ring_whole)
{
    open_ring(KEY("a", SECRET_A, "active", ""));
    cr_assert_eq(match_now(SECRET_A, NULL), REASON_OK);
    struct slice held = match.key_id;
    reload_ring(KEY("b", SECRET_B, "active", ""));
    cr_assert(slice_eq_str(held, "a"), "it holds until this reader's next match");
    /* That slice may also be the hint of the next match. */
    struct signature_claim claim = claim_of(SECRET_B, "/v1/metrics", NULL);
    static const struct slice path = SLICE_LIT("/v1/metrics");
    cr_assert_eq(keyring_match(reader, &claim, &path, 1, held, NOW, &match), REASON_OK);
    cr_assert(matched("b"));
    cr_assert_eq(match_now(SECRET_A, NULL), REASON_INVALID_SIGNATURE);
    for (int i = 0; i < 3; i++) {
        cr_assert(keyring_reload(ring, &why));
        cr_assert_eq(match_now(SECRET_B, NULL), REASON_OK);
    }
}

Test(keyring, a_broken_file_leaves_the_old_ring)
{
    struct keyring_counts counts;
    open_ring(KEY("a", SECRET_A, "active", ""));
    put_ring(in_dir("ring"), KEY("b", SECRET_B, "activ", ""));
    cr_assert_not(keyring_reload(ring, &why));
    cr_assert_not_null(strstr(why.text, "activ"));
    keyring_counts(ring, NOW, &counts);
    cr_assert_str_eq(counts.problem, why.text);
    cr_assert_eq(counts.active, 1);
    cr_assert_eq(match_now(SECRET_A, NULL), REASON_OK);
    cr_assert_eq(match_now(SECRET_B, NULL), REASON_INVALID_SIGNATURE);
    reload_ring(KEY("b", SECRET_B, "active", ""));
    keyring_counts(ring, NOW, &counts);
    cr_assert_str_empty(counts.problem);
    cr_assert_eq(match_now(SECRET_B, NULL), REASON_OK);
}

Test(keyring, short_secrets_are_warned_about_without_being_shown)
{
    char text[4096] = {0};
    int log = open(in_dir("log"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    log_redirect(log);
    open_ring(KEY("s", "0123456789abcdef0123456789abcde", "active", ""),
              KEY("l", "0123456789abcdef0123456789abcdef", "active", ""));
    cr_assert_gt(pread(log, text, sizeof(text) - 1, 0), 0);
    cr_assert_not_null(strstr(text, "key_id=s"), "%s", text);
    cr_assert_null(strstr(text, "key_id=l"));
    cr_assert_null(strstr(text, "0123456789"));
}

Test(keyring, secure_memory_that_runs_out_is_a_sentence)
{
    cr_assert(keyring_init_memory(&why));
    cr_assert_eq(CRYPTO_secure_malloc_initialized(), 1);
    cr_assert(keyring_init_memory(&why), "again does nothing");
    open_ring(KEY("a", SECRET_A, "active", ""));
    cr_assert_eq(match_now(SECRET_A, NULL), REASON_OK);

    static void *taken[20000];
    size_t n = 0;
    while (n < 20000 && (taken[n] = OPENSSL_secure_malloc(64)) != NULL) {
        n++;
    }
    cr_assert_lt(n, 20000);
    put_ring(in_dir("ring"), KEY("b", SECRET_B, "active", ""));
    cr_assert_not(keyring_reload(ring, &why));
    cr_assert_not_null(strstr(why.text, "secure memory"), "%s", why.text);
    cr_assert_eq(match_now(SECRET_A, NULL), REASON_OK, "the old ring goes on");
    while (n != 0) {
        OPENSSL_secure_free(taken[--n]);
    }
    cr_assert(keyring_reload(ring, &why), "%s", why.text);
    cr_assert_eq(match_now(SECRET_B, NULL), REASON_OK);
}

/* The recorded requests of a real client, at their time, over the three paths of a POST to "/". */
Test(keyring, recorded_requests_verify)
{
    static const struct {
        const char *timestamp;
        const char *signature;
        size_t path;
    } captures[] = {
        {"1795229701", "7ca74c1ac3186f8cd65ba25c9cc664cf3d4db593050046ff807585229c2d024c", 0},
        {"1795229701", "916d90c2dde7c880310877f6a1ff7c17be6989b67bfdb38393934161a5f95df1", 1},
        {"1795229702", "7b998877fe79ce6debcc79440eb29bc560efc3b50741ffb9442edf89cab711e5", 0},
        {"1795229702", "68a1d9a879f0686b77dd060b1a082d6f112edf4acc616cb65a3522f76d5d9c1c", 1}};
    const struct slice paths[] = {SLICE_LIT("/v1/metrics"), SLICE_LIT("/v1/traces"),
                                  SLICE_LIT("/v1/logs")};
    cr_assert(open_sources(
        (struct keyring_sources){.signing_secret = "capture-secret-0123456789abcdef0123456789"}));
    for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
        const struct signature_headers headers = {
            .signature = slice_of(captures[i].signature),
            .timestamp = slice_of(captures[i].timestamp),
            .session = SLICE_LIT("5f0c1c9e-7f0e-4a53-9a55-0d4a5a8f7a11")};
        struct signature_claim claim;
        int64_t skew;
        cr_assert_eq(signature_parse(&headers, &claim), REASON_OK);
        cr_assert_eq(signature_check_window(&claim, 1795229701, 300, &skew), REASON_OK);
        cr_assert_eq(keyring_match(reader, &claim, paths, 3, (struct slice){0}, 1795229701, &match),
                     REASON_OK);
        cr_assert_eq(match.path, captures[i].path);
    }
}
