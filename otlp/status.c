/* status.c: see status.h. Two fields (proto/status.proto), written without a message in between. */
#include "otlp/status.h"

#include "base/utf8.h"
#include "otlp/wire.h"

#define FIELD_CODE 1
#define FIELD_MESSAGE 2

/* Appends what is UTF-8 as it is, and U+FFFD for each byte that is not. */
static void append_text(struct buf *out, struct slice text)
{
    size_t at = 0;
    while (at < text.len) {
        size_t n = utf8_sequence(text.data + at, text.len - at);
        if (n == 0) {
            buf_append_str(out, UTF8_REPLACEMENT);
            at++;
        } else {
            buf_append(out, text.data + at, n);
            at += n;
        }
    }
}

static void put_message(struct buf *out, struct slice message)
{
    if (utf8_valid(message.data, message.len)) {
        wire_put_bytes(out, FIELD_MESSAGE, message);
        return;
    }
    struct buf mended = BUF_INIT;
    append_text(&mended, message);
    wire_put_bytes(out, FIELD_MESSAGE, buf_slice(&mended));
    out->failed = out->failed || mended.failed;
    buf_free(&mended);
}

void status_encode(struct buf *out, int grpc_code, struct slice message)
{
    if (grpc_code != 0) {
        wire_put_tag(out, FIELD_CODE, WIRE_VARINT);
        wire_put_varint(out, (uint64_t)(int64_t)grpc_code); /* an int32 is sign-extended */
    }
    if (message.len != 0) {
        put_message(out, message);
    }
}

void status_encode_json(struct buf *out, int grpc_code, struct slice message)
{
    buf_printf(out, "{\"code\":%d,\"message\":\"", grpc_code);
    buf_append_json(out, message);
    buf_append_str(out, "\"}");
}
