/* fuzz_wire.c: any sequence of reads over any bytes keeps the cursor's promises: it stays between
 * its bounds, only moves on, and after a fault gives zero for ever. Input: a count, so many
 * operations, then the bytes.
 */
#include "otlp/wire.h"

#include <stdlib.h>

#define OPERATIONS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* What was read must be written again in no more bytes than it took. */
static void check_rewrite(uint64_t value, size_t taken)
{
    struct buf out = BUF_INIT;
    wire_put_varint(&out, value);
    require(out.len == wire_varint_size(value) && out.len <= taken);
    struct wire again = wire_over(out.data, out.len);
    require(wire_varint(&again) == value && again.fault == WIRE_OK && !wire_more(&again));
    buf_free(&out);
}

static void operate(struct wire *w, uint8_t operation)
{
    const uint8_t *before = w->at;
    static const enum wire_type types[] = {WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32};
    switch (operation % 8) {
    case 0: {
        struct wire_tag tag = wire_tag(w);
        require((tag.number == 0) == (w->fault != WIRE_OK) && tag.number < 1U << 29);
        break;
    }
    case 1: {
        uint64_t value = wire_varint(w);
        if (w->fault == WIRE_OK) {
            check_rewrite(value, (size_t)(w->at - before));
        }
        break;
    }
    case 2: {
        struct slice content = wire_bytes(w);
        require((content.data == NULL) == (w->fault != WIRE_OK));
        break;
    }
    case 3:
        wire_fixed64(w);
        break;
    case 4:
        wire_fixed32(w);
        break;
    case 5:
        wire_skip(w, types[operation / 8 % 4]);
        break;
    case 6:
        wire_take(w, operation / 8);
        break;
    default: {
        const uint8_t *outer = wire_enter(w);
        wire_skip(w, types[operation / 8 % 4]);
        wire_leave(w, outer);
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size - 1 < data[0] % OPERATIONS_MAX) {
        return 0;
    }
    size_t operations = data[0] % OPERATIONS_MAX;
    const uint8_t *bytes = data + 1 + operations;
    const uint8_t *end = data + size;
    struct wire w = wire_over(bytes, (size_t)(end - bytes));
    for (size_t i = 0; i < operations; i++) {
        struct wire was = w;
        operate(&w, data[1 + i]);
        require(w.at >= was.at && w.at <= w.end && w.end <= end);
        if (was.fault != WIRE_OK) {
            require(w.fault == was.fault && w.at == was.at && w.left == was.left);
        }
        require(w.fault == WIRE_OK ? w.end == end : !wire_more(&w));
        char text[WIRE_EXPLAIN_MAX];
        wire_explain(&w, text);
        require((text[0] == '\0') == (w.fault == WIRE_OK));
    }
    return 0;
}
