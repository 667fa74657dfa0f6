/* fuzz_validate.c: any bytes, as a request of any signal: no crash, and one mind with protobuf-c.
 * What is valid is printed as JSON that is read again; what is not, is not printed. Input: one byte
 * for the signal, then the request.
 */
#include "otlp/json_print.h"
#include "tests/unit/otlp/otlp_samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(enum signal signal, struct slice request, bool valid)
{
    char *text = NULL;
    size_t len = 0;
    struct json_fault fault;
    struct buf again = BUF_INIT;
    FILE *out = open_memstream(&text, &len);
    bool printed = json_print_request(signal, request, JSON_PRINT_LINE, out, &fault);
    if (fclose(out) != 0 || printed != valid ||
        (printed && !json_to_request(signal, slice_make(text, len), &again, &fault))) {
        fprintf(stderr, "printed: %s\n%s\n", fault.text, text);
        abort();
    }
    buf_free(&again);
    free(text);
}

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
    print((enum signal)(data[0] % SIGNAL_PROFILES), slice_make((const char *)data + 1, size - 1),
          out.fault[0] == '\0');
    return 0;
}
