/* test_key_usage_table.c: the bounded table of uses, and its bytes. */
#include "fixture.h"
#include "secrets/key_usage_table.h"

#include <openssl/sha.h>

#define HOUR INT64_C(3600)

static struct usage_table table;
static struct result why;

static void init(void)
{
    usage_table_init(&table);
}

static void fini(void)
{
    usage_table_free(&table);
}

TestSuite(key_usage_table, .init = init, .fini = fini);

static void add(const char *key, const char *version, uint64_t count, int64_t at)
{
    cr_assert(usage_table_add(&table, slice_of(key), slice_of(version), count, at));
}

/* All uses of a key that the table holds; of one version when that is not NULL. */
static uint64_t uses(const char *key, const char *version)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < table.n_rows; i++) {
        const struct usage_row *row = &table.rows[i];
        if (strcmp(table.keys[row->key].id, key) == 0 &&
            (version == NULL || strcmp(table.versions[row->version], version) == 0)) {
            sum += row->count;
        }
    }
    return sum;
}

Test(key_usage_table, adds_up_by_hour_key_and_version)
{
    cr_assert_eq(table.since_s, KEY_TIME_NONE);
    add("a", "1.0", 2, NOW);
    add("a", "1.0", 3, NOW + 5);
    add("a", "2.0", 1, NOW + 6);
    add("b", "1.0", 7, NOW + 7);
    add("a", "1.0", 4, NOW + HOUR);
    cr_assert_eq(table.n_rows, 4);
    cr_assert_eq(table.n_keys, 2);
    cr_assert_eq(table.n_versions, 3);
    cr_assert_eq(uses("a", NULL), 10);
    cr_assert_eq(uses("a", "1.0"), 9);
    cr_assert_eq(uses("b", NULL), 7);
    cr_assert_eq(table.since_s, NOW);
    cr_assert_eq(table.keys[0].last_used_s, NOW + HOUR);
    cr_assert_eq(table.keys[1].last_used_s, NOW + 7);
}

Test(key_usage_table, a_count_stays_at_its_maximum)
{
    add("a", "1.0", UINT32_MAX - 1, NOW);
    add("a", "1.0", 1, NOW);
    cr_assert_eq(uses("a", NULL), UINT32_MAX);
    add("a", "1.0", UINT64_MAX, NOW);
    cr_assert_eq(uses("a", NULL), UINT32_MAX);
}

Test(key_usage_table, forgets_after_a_week_but_the_last_use)
{
    add("a", "1.0", 1, NOW);
    add("b", "2.0", 1, NOW + 168 * HOUR);
    cr_assert_eq(uses("a", NULL), 1, "the hour of a week ago is still told");
    add("b", "2.0", 1, NOW + 169 * HOUR);
    cr_assert_eq(uses("a", NULL), 0);
    cr_assert_eq(uses("b", NULL), 2);
    cr_assert_eq(table.keys[0].last_used_s, NOW);
    cr_assert_eq(table.since_s, NOW);
    cr_assert_str_eq(table.versions[1], "", "the place of its version is free");
    add("b", "3.0", 1, NOW + 169 * HOUR);
    cr_assert_str_eq(table.versions[1], "3.0");
    cr_assert_eq(uses("b", "2.0"), 2);
}

/* A clock that was ahead: what it counted goes when the clock is right again. */
Test(key_usage_table, mends_what_a_fast_clock_counted)
{
    add("a", "1.0", 5, NOW + 1000 * HOUR);
    add("a", "1.0", 1, NOW);
    cr_assert_eq(uses("a", NULL), 1);
    cr_assert_eq(table.keys[0].last_used_s, NOW);
    cr_assert_eq(table.since_s, NOW);
    /* A step back by minutes loses nothing. */
    add("a", "1.0", 1, NOW + HOUR);
    add("a", "1.0", 1, NOW + HOUR - 60);
    cr_assert_eq(uses("a", NULL), 3);
    cr_assert_eq(table.keys[0].last_used_s, NOW + HOUR);
    cr_assert_not(usage_table_add(&table, SLICE_LIT("a"), SLICE_LIT("1.0"), 1, -HOUR));
}

Test(key_usage_table, versions_past_the_bound_are_other)
{
    char version[20];
    for (int i = 0; i < 1000; i++) {
        snprintf(version, sizeof(version), "1.%d", i);
        add("a", version, 1, NOW);
        add("b", version, 1, NOW);
    }
    cr_assert_eq(table.n_versions, USAGE_VERSIONS);
    cr_assert_eq(uses("a", NULL), 1000);
    cr_assert_eq(uses("a", "other"), 1000 - (USAGE_VERSIONS - 1));
    cr_assert_eq(uses("b", "1.7"), 1);
}

Test(key_usage_table, the_key_unused_for_longest_makes_room)
{
    char id[20];
    for (int i = 0; i < USAGE_KEYS; i++) {
        snprintf(id, sizeof(id), "k%d", i);
        add(id, "1.0", 1, NOW + i);
    }
    add("k0", "1.0", 1, NOW + 1000);
    add("new", "2.0", 3, NOW + 1001);
    cr_assert_eq(table.n_keys, USAGE_KEYS);
    cr_assert_eq(uses("k0", NULL), 2);
    cr_assert_eq(uses("k1", NULL), 0);
    cr_assert_eq(uses("k2", NULL), 1);
    cr_assert_eq(uses("new", NULL), 3);
    cr_assert_eq(uses("new", "1.0"), 0, "it inherited the uses of the one that went");
}

/* Every key used in every hour of the week by far more versions than can be told apart: nothing is
 * lost, and the file keeps to its size. */
Test(key_usage_table, keeps_to_its_size_and_loses_no_use, .timeout = 120)
{
    char id[SIGNATURE_KEY_ID_MAX + 1];
    char version[KEY_USAGE_VERSION_MAX + 1];
    for (int hour = 0; hour < USAGE_HOURS; hour++) {
        for (int i = 0; i < USAGE_KEYS * 4; i++) {
            snprintf(id, sizeof(id), "%064d", i % USAGE_KEYS);
            snprintf(version, sizeof(version), "%032d", i % 300);
            add(id, version, 1, NOW + hour * HOUR);
        }
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < table.n_rows; i++) {
        sum += table.rows[i].count;
    }
    cr_assert_eq(sum, (uint64_t)USAGE_HOURS * USAGE_KEYS * 4);
    cr_assert_geq(table.n_told, USAGE_ROWS_TOLD);
    cr_assert_leq(table.n_rows, USAGE_ROWS_MAX);
    struct buf bytes = BUF_INIT;
    usage_table_encode(&table, &bytes);
    cr_assert_gt(bytes.len, 800000);
    cr_assert_leq(bytes.len, KEY_USAGE_FILE_MAX);
    static struct usage_table again;
    usage_table_init(&again);
    cr_assert(usage_table_decode(buf_slice(&bytes), &again, &why), "%s", why.text);
    cr_assert_eq(again.n_told, table.n_told);
    usage_table_free(&again);
    buf_free(&bytes);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void fill_some(void)
{
    add("2026-11", "2.0.0.0", 3, NOW);
    add("env", "none", 9, NOW + HOUR);
    table.saved_s = NOW + HOUR + 1;
}

Test(key_usage_table, reads_back_what_it_wrote)
{
    static struct usage_table again;
    struct buf bytes = BUF_INIT;
    fill_some();
    usage_table_encode(&table, &bytes);
    usage_table_init(&again);
    cr_assert(usage_table_decode(buf_slice(&bytes), &again, &why), "%s", why.text);
    cr_assert_eq(again.since_s, NOW);
    cr_assert_eq(again.saved_s, NOW + HOUR + 1);
    cr_assert_eq(again.n_keys, 2);
    cr_assert_str_eq(again.keys[1].id, "env");
    cr_assert_eq(again.keys[1].last_used_s, NOW + HOUR);
    cr_assert_eq(again.n_versions, 3);
    cr_assert_str_eq(again.versions[1], "2.0.0.0");
    cr_assert_eq(again.n_rows, 2);
    cr_assert_eq(again.rows[1].count, 9);
    usage_table_free(&again);
    buf_free(&bytes);
}

Test(key_usage_table, an_empty_one_too)
{
    static struct usage_table again;
    struct buf bytes = BUF_INIT;
    usage_table_encode(&table, &bytes);
    usage_table_init(&again);
    cr_assert(usage_table_decode(buf_slice(&bytes), &again, &why), "%s", why.text);
    cr_assert_eq(again.since_s, KEY_TIME_NONE);
    cr_assert_eq(again.n_rows, 0);
    usage_table_free(&again);
    buf_free(&bytes);
}

static void expect_damage(const char *bytes, size_t len, const char *what, size_t at)
{
    /* A copy of exactly that length: reading past it is caught. */
    char *copy = malloc(len + 1);
    static struct usage_table again;
    memcpy(copy, bytes, len);
    usage_table_init(&again);
    cr_assert_not(usage_table_decode(slice_make(copy, len), &again, &why), "%s %zu", what, at);
    cr_assert_eq(again.n_rows, 0);
    cr_assert_eq(again.n_keys, 0);
    cr_assert_null(again.rows);
    free(copy);
}

Test(key_usage_table, every_cut_and_every_flipped_bit_is_damage)
{
    struct buf bytes = BUF_INIT;
    fill_some();
    usage_table_encode(&table, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        expect_damage(bytes.data, len, "cut at", len);
    }
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
        expect_damage(bytes.data, bytes.len, "bit", bit);
        bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ 1 << bit % 8);
    }
    buf_append_char(&bytes, 0);
    expect_damage(bytes.data, bytes.len, "one more byte", bytes.len);
    buf_free(&bytes);
}

/* With a checksum that holds, every value of every byte is read without harm, and what is read is
 * within the bounds. */
Test(key_usage_table, survives_any_content_under_a_good_checksum, .timeout = 120)
{
    static struct usage_table again;
    struct buf bytes = BUF_INIT;
    size_t accepted = 0;
    fill_some();
    usage_table_encode(&table, &bytes);
    size_t body = bytes.len - SHA256_DIGEST_LENGTH;
    for (size_t i = 20; i < body * 256; i++) {
        char kept = bytes.data[i / 256];
        bytes.data[i / 256] = (char)(i % 256);
        SHA256((unsigned char *)bytes.data, body, (unsigned char *)bytes.data + body);
        usage_table_init(&again);
        if (usage_table_decode(buf_slice(&bytes), &again, &why)) {
            accepted++;
            for (size_t row = 0; row < again.n_rows; row++) {
                cr_assert_lt(again.rows[row].key, again.n_keys);
                cr_assert_lt(again.rows[row].version, again.n_versions);
            }
        }
        usage_table_free(&again);
        bytes.data[i / 256] = kept;
    }
    cr_assert_gt(accepted, body, "nothing was accepted: the checksum is not renewed");
    buf_free(&bytes);
}
