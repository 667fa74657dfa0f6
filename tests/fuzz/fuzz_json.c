/* fuzz_json.c: any bytes, as the OTLP/JSON of any signal: no crash, and what is taken is a valid
 * request, no larger than promised, that protobuf-c decodes.
 *
 * Input: one byte for the signal, then the text. Half of the mutations put in a word of OTLP/JSON,
 * which flipped bits alone would hardly ever spell.
 */
#include "otlp/json.h"
#include "otlp/validate.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WAY_DEPTH_MAX 10
#define WAY_MAX 1024

static const char *const punctuation[] = {"{}",
                                          "[]",
                                          "{",
                                          "}",
                                          "[",
                                          "]",
                                          ",",
                                          ":",
                                          "null",
                                          "true",
                                          "false",
                                          "0",
                                          "-1",
                                          "1.5e-7",
                                          "1e3",
                                          "\"1e400\"",
                                          "\"NaN\"",
                                          "\"-Infinity\"",
                                          "\"18446744073709551615\"",
                                          "\"\\ud83d\\udcee\"",
                                          "\"\\u0000\"",
                                          "\"AP8=\"",
                                          "\"00112233445566ff\"",
                                          "\"00112233445566778899aabbccddeeff\"",
                                          "\"\""};

static const char *pick_punctuation(unsigned seed)
{
    return punctuation[seed % (sizeof(punctuation) / sizeof(punctuation[0]))];
}

/* "resourceSpans":[{"scopeSpans":[{"schemaUrl":""}]}] and the like: a random way down from the
 * request, closed again. */
static void write_way(const ProtobufCMessageDescriptor *type, unsigned seed, char out[WAY_MAX])
{
    char close[2 * WAY_DEPTH_MAX];
    size_t closes = 0;
    size_t n = 0;
    for (unsigned depth = 1 + seed % WAY_DEPTH_MAX; depth > 0; depth--) {
        seed = seed * 1103515245 + 12345;
        const ProtobufCFieldDescriptor *field = &type->fields[seed / 65536 % type->n_fields];
        bool list = field->label == PROTOBUF_C_LABEL_REPEATED;
        bool object = field->type == PROTOBUF_C_TYPE_MESSAGE;
        out[n++] = '"';
        for (const char *c = field->name; *c != '\0'; c++) {
            bool upper = *c == '_';
            c += upper ? 1 : 0;
            out[n++] = (char)(upper ? *c - 0x20 : *c);
        }
        n += (size_t)snprintf(out + n, WAY_MAX - n, "\":%s%s", list ? "[" : "",
                              object ? "{" : pick_punctuation(seed / 256));
        close[closes] = ']';
        closes += list ? 1 : 0;
        close[closes] = '}';
        closes += object ? 1 : 0;
        if (!object) {
            break;
        }
        type = field->descriptor;
    }
    while (closes > 0) {
        out[n++] = close[--closes];
    }
    out[n] = '\0';
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    char way[WAY_MAX];
    const char *word = pick_punctuation(seed / 8);
    if (seed % 2 == 0 || size == 0) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    if (seed % 4 == 1) {
        write_way(signal_info((enum signal)(data[0] % SIGNAL_PROFILES))->request, seed / 4, way);
        word = way;
    }
    size_t len = strlen(word);
    if (size + len > max_size) {
        return size;
    }
    size_t at = 1 + (seed / 256) % size;
    memmove(data + at + len, data + at, size - at);
    memcpy(data + at, word, len);
    return size + len;
}

static void check(bool holds, const char *what, const char *fault)
{
    if (!holds) {
        fprintf(stderr, "%s: %s\n", what, fault);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    enum signal signal = (enum signal)(data[0] % SIGNAL_PROFILES);
    struct buf out = BUF_INIT;
    struct json_fault fault;
    struct validation validation;
    bool taken = json_to_request(signal, slice_make(data + 1, size - 1), &out, &fault);
    check(taken == (fault.text[0] == '\0'), "a fault without a refusal, or none with", fault.text);
    check(taken || out.len == 0, "something is left of a refused text", fault.text);
    if (taken) {
        const uint8_t *bytes = (const uint8_t *)buf_slice(&out).data;
        check(out.len <= 4 * (size - 1), "larger than promised", "");
        check(validate_request(signal, bytes, out.len, &validation), "invalid", validation.fault);
        ProtobufCMessage *message =
            protobuf_c_message_unpack(signal_info(signal)->request, NULL, out.len, bytes);
        check(message != NULL, "protobuf-c refuses it", "");
        protobuf_c_message_free_unpacked(message, NULL);
    }
    buf_free(&out);
    return 0;
}
