/* fuzz_stamp.c: whatever validates, stamped, validates again with the same items, has every stamp
 * once in every resource, is what decode, edit and encode would give, and stays the same when
 * stamped again; whatever does not is not misread.
 * Input: one byte for the signal and how to read the rest (the request itself, or the tape of
 * otlp_generate.h for one by the schema or one that is hard to stamp), then the rest. What
 * fuzz_validate has learnt is input of the first kind, with all stamps.
 */
#include "tests/unit/otlp/otlp_stamp_hard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    enum signal signal = (enum signal)(data[0] % SIGNAL_PROFILES);
    size_t n = STAMP_SAMPLE_COUNT - data[0] / 4 % (STAMP_SAMPLE_COUNT + 1);
    unsigned way = data[0] / 64;
    struct buf b = BUF_INIT;
    uint64_t items = 0;
    generator.tape = data + 1;
    generator.tape_len = size - 1;
    if (way < 2) {
        buf_append(&b, data + 1, size - 1);
    } else if (way == 2) {
        generate(&b, signal_info(signal)->request, 1, &items);
    } else {
        generate_hard(&b, signal, &items);
    }
    /* A copy of its own size, so that a read past its end is seen. */
    uint8_t *request = malloc(b.len);
    if (b.failed || (request == NULL && b.len != 0)) {
        abort();
    }
    memcpy(request, buf_slice(&b).data, b.len);
    const char *wrong = stamp_disagreement(signal, request, b.len, n != 0 ? stamp_sample : NULL, n);
    if (wrong != NULL) {
        fprintf(stderr, "%s\n", wrong);
        abort();
    }
    free(request);
    buf_free(&b);
    return 0;
}
