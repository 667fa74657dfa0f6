/* key_usage_file.c: the table's form on disk; see key_usage_table.h. The checksum is looked at
 * before anything else is; what it vouches for is checked all the same, since another version of
 * the program may have written it.
 */
#include "base/durable_file.h"
#include "secrets/key_usage_table.h"

#include <openssl/evp.h>
#include <stdlib.h>

static const char magic[] = "sigpost key usage 1\n";
#define MAGIC_LEN (sizeof(magic) - 1)
#define DIGEST_LEN 32
#define ROW_LEN 12

static void put_number(struct buf *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        buf_append_char(out, (char)(unsigned char)(value >> 8 * i));
    }
}

static void put_text(struct buf *out, const char *text)
{
    put_number(out, strlen(text), 1);
    buf_append_str(out, text);
}

static bool digest(const void *bytes, size_t len, unsigned char out[DIGEST_LEN])
{
    size_t got = 0;
    return EVP_Q_digest(NULL, "SHA256", NULL, bytes, len, out, &got) == 1 && got == DIGEST_LEN;
}

void usage_table_encode(const struct usage_table *table, struct buf *out)
{
    unsigned char sum[DIGEST_LEN];
    size_t start = out->len;
    buf_append(out, magic, MAGIC_LEN);
    put_number(out, (uint64_t)table->since_s, 8);
    put_number(out, (uint64_t)table->saved_s, 8);
    put_number(out, table->n_keys, 4);
    put_number(out, table->n_versions, 4);
    put_number(out, table->n_rows, 4);
    for (size_t i = 0; i < table->n_keys; i++) {
        put_text(out, table->keys[i].id);
        put_number(out, (uint64_t)table->keys[i].last_used_s, 8);
    }
    for (size_t i = 0; i < table->n_versions; i++) {
        put_text(out, table->versions[i]);
    }
    for (size_t i = 0; i < table->n_rows; i++) {
        put_number(out, table->rows[i].hour, 4);
        put_number(out, table->rows[i].key, 2);
        put_number(out, table->rows[i].version, 2);
        put_number(out, table->rows[i].count, 4);
    }
    if (!out->failed && digest(out->data + start, out->len - start, sum)) {
        buf_append(out, sum, sizeof(sum));
    } else {
        out->failed = true;
    }
}

/* The sticky reader: past the end everything is 0 and `bad` stays set. */
struct in {
    struct slice rest;
    bool bad;
};

static struct slice take_bytes(struct in *in, size_t len)
{
    if (in->bad || len > in->rest.len) {
        in->bad = true;
        return (struct slice){NULL, 0};
    }
    struct slice taken = slice_make(in->rest.data, len);
    in->rest = slice_make(in->rest.data + len, in->rest.len - len);
    return taken;
}

static uint64_t take_number(struct in *in, unsigned bytes)
{
    struct slice from = take_bytes(in, bytes);
    uint64_t value = 0;
    for (unsigned i = 0; i < from.len; i++) {
        value |= (uint64_t)(unsigned char)from.data[i] << 8 * i;
    }
    return value;
}

static size_t take_count(struct in *in, size_t max)
{
    uint64_t n = take_number(in, 4);
    in->bad = in->bad || n > max;
    return in->bad ? 0 : (size_t)n;
}

/* A key id or a version into a zeroed text with room for it. */
static void take_text(struct in *in, char *to, size_t max, bool (*fits)(struct slice text))
{
    struct slice text = take_bytes(in, (size_t)take_number(in, 1));
    in->bad = in->bad || text.len > max || !fits(text);
    if (!in->bad && text.len != 0) {
        memcpy(to, text.data, text.len);
    }
}

static bool is_version(struct slice text)
{
    return text.len == 0 || client_version_name(text).data == text.data;
}

static void take_rows(struct in *in, struct usage_table *table, size_t n)
{
    table->rows = n != 0 && !in->bad ? calloc(n, sizeof(*table->rows)) : NULL;
    in->bad = in->bad || (n != 0 && table->rows == NULL);
    table->cap_rows = in->bad ? 0 : n;
    for (; !in->bad && table->n_rows < n; table->n_rows++) {
        struct usage_row *row = &table->rows[table->n_rows];
        row->hour = (uint32_t)take_number(in, 4);
        row->key = (uint16_t)take_number(in, 2);
        row->version = (uint16_t)take_number(in, 2);
        row->count = (uint32_t)take_number(in, 4);
        in->bad = in->bad || row->key >= table->n_keys || row->version >= table->n_versions;
        table->n_told += row->version != USAGE_OTHER;
    }
}

static bool take_table(struct in *in, struct usage_table *table)
{
    table->since_s = (int64_t)take_number(in, 8);
    table->saved_s = (int64_t)take_number(in, 8);
    table->n_keys = take_count(in, USAGE_KEYS);
    table->n_versions = take_count(in, USAGE_VERSIONS);
    size_t n_rows = take_count(in, USAGE_ROWS_MAX);
    for (size_t i = 0; !in->bad && i < table->n_keys; i++) {
        take_text(in, table->keys[i].id, SIGNATURE_KEY_ID_MAX, signature_key_id_valid);
        table->keys[i].last_used_s = (int64_t)take_number(in, 8);
    }
    struct slice other = slice_of("other");
    for (size_t i = 0; !in->bad && i < table->n_versions; i++) {
        table->versions[i][0] = '\0';
        take_text(in, table->versions[i], KEY_USAGE_VERSION_MAX, is_version);
    }
    in->bad = in->bad || table->n_versions == 0 ||
              !slice_eq_str(other, table->versions[USAGE_OTHER]) ||
              in->rest.len != n_rows * ROW_LEN;
    take_rows(in, table, n_rows);
    return !in->bad;
}

bool usage_table_decode(struct slice bytes, struct usage_table *table, struct result *why)
{
    unsigned char sum[DIGEST_LEN];
    if (bytes.len < MAGIC_LEN + DIGEST_LEN || memcmp(bytes.data, magic, MAGIC_LEN) != 0) {
        return result_fail(why, "it is no file of key usage, or one of another version");
    }
    size_t len = bytes.len - DIGEST_LEN;
    if (!digest(bytes.data, len, sum) || memcmp(sum, bytes.data + len, DIGEST_LEN) != 0) {
        return result_fail(why, "its checksum is wrong: it is damaged");
    }
    struct in in = {.rest = slice_make(bytes.data + MAGIC_LEN, len - MAGIC_LEN)};
    if (!take_table(&in, table)) {
        usage_table_free(table);
        return result_fail(why, "its content makes no sense, or there is no memory for it");
    }
    return true;
}

bool usage_table_read(const char *path, struct usage_table *table, bool *missing,
                      struct result *why)
{
    struct buf bytes = BUF_INIT;
    struct result said = RESULT_INIT;
    usage_table_init(table);
    bool ok = durable_file_read(path, KEY_USAGE_FILE_MAX, &bytes, missing, why);
    if (ok && !*missing && !usage_table_decode(buf_slice(&bytes), table, &said)) {
        ok = result_fail(why, "%.300s: %.150s", path, said.text);
    }
    buf_free(&bytes);
    return ok;
}
