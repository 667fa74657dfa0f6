/* fuzz_encoding.c: any bytes in any encoding: no crash, never more than the bound, and the bound is
 * exact: what comes to n bytes passes with max n, and is too large with max n - 1.
 * Input: one byte for the encoding, two for max, then the body.
 */
#include "otlp/encoding.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static enum encoding_result inflate(enum encoding encoding, struct slice in, size_t max,
                                    struct buf *out)
{
    const char *fault = "unset";
    enum encoding_result result = encoding_inflate(encoding, in, max, out, &fault);
    require(result != ENCODING_NO_MEMORY, "out of memory");
    require((fault != NULL) == (result == ENCODING_MALFORMED), "fault and result differ");
    require(out->len <= max && out->cap <= max, "more than max");
    require(result == ENCODING_OK || out->len == 0, "leavings of a failure");
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    enum encoding encoding = (enum encoding)(data[0] % ENCODING_COUNT);
    size_t max = (size_t)data[1] << 8 | data[2];
    struct slice in = slice_make(data + 3, size - 3);
    struct buf first = BUF_INIT;
    struct buf again = BUF_INIT;
    if (inflate(encoding, in, max, &first) == ENCODING_OK) {
        require(inflate(encoding, in, first.len, &again) == ENCODING_OK, "max n refused");
        require(slice_eq(buf_slice(&first), buf_slice(&again)), "not the same twice");
        if (first.len != 0) {
            buf_free(&again);
            require(inflate(encoding, in, first.len - 1, &again) == ENCODING_TOO_LARGE,
                    "max n - 1 taken");
        }
    }
    buf_free(&first);
    buf_free(&again);
    return 0;
}
