/* fuzz_validate.c: any bytes, as a request of any signal: no crash, and one mind with protobuf-c.
 * Input: one byte for the signal, then the request.
 */
#include "tests/unit/otlp/otlp_samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct validation out;
    const char *wrong =
        disagreement((enum signal)(data[0] % SIGNAL_PROFILES), data + 1, size - 1, &out);
    if (wrong != NULL) {
        fprintf(stderr, "%s: %s\n", wrong, out.fault);
        abort();
    }
    return 0;
}
