/* fuzz_pasted.c: what a tool reads of others: requests that were pasted (header lines, curl
 * commands) and the file of key usage. Input: a byte that says which (odd: the file, whose checksum
 * is put right), then the text.
 */
#include "ctl/request.h"
#include "secrets/key_usage_table.h"

#include <openssl/sha.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Copies it, so that a slice that leads astray is noticed. */
static void touch(struct slice text)
{
    struct buf copy = BUF_INIT;
    buf_append_slice(&copy, text);
    require(copy.len == text.len);
    buf_free(&copy);
}

static void read_request(const uint8_t *data, size_t size)
{
    struct request request;
    struct result why = RESULT_INIT;
    FILE *in = fmemopen((void *)data, size, "r");
    require(in != NULL);
    bool ok = request_read(in, &request, &why);
    fclose(in);
    require(ok == (why.text[0] == '\0'));
    require(ok || (request.n_headers == 0 && request.headers == NULL));
    for (size_t i = 0; i < request.n_headers; i++) {
        require(request.headers[i].name.len != 0);
        touch(request.headers[i].name);
        touch(request.headers[i].value);
    }
    touch(request.method);
    touch(request.path);
    touch(request.query);
    require(!ok || !request.curl || (request.path.len != 0 && request.path.data[0] == '/'));
    request_free(&request);
}

/* There is one file for each table. */
static void read_usage(const uint8_t *data, size_t size)
{
    static struct usage_table table;
    struct result why = RESULT_INIT;
    struct buf bytes = BUF_INIT;
    struct buf again = BUF_INIT;
    unsigned char sum[SHA256_DIGEST_LENGTH];
    buf_append(&bytes, data, size);
    SHA256(data, size, sum);
    buf_append(&bytes, sum, sizeof(sum));
    usage_table_init(&table);
    if (usage_table_decode(buf_slice(&bytes), &table, &why)) {
        usage_table_encode(&table, &again);
        require(slice_eq(buf_slice(&bytes), buf_slice(&again)));
        usage_table_add(&table, SLICE_LIT("k"), SLICE_LIT("1"), 1, INT64_C(1800000000));
    }
    usage_table_free(&table);
    buf_free(&bytes);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1) {
        (data[0] % 2 != 0 ? read_usage : read_request)(data + 1, size - 1);
    }
    return 0;
}
