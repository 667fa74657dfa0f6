/* buf.c: see buf.h. Growth doubles, so that n appends cost O(n). */
#include "base/buf.h"

#include "base/utf8.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

char *buf_reserve(struct buf *b, size_t more)
{
    if (b->failed || more > SIZE_MAX / 2 - b->len) {
        b->failed = true;
        return NULL;
    }
    if (b->cap - b->len < more || b->data == NULL) {
        size_t cap = b->cap != 0 ? b->cap : 256;
        while (cap - b->len < more) {
            cap *= 2;
        }
        char *grown = realloc(b->data, cap);
        if (grown == NULL) {
            b->failed = true;
            return NULL;
        }
        b->data = grown;
        b->cap = cap;
    }
    return b->data + b->len;
}

void buf_append(struct buf *b, const void *bytes, size_t len)
{
    char *to = buf_reserve(b, len);
    if (to != NULL && len != 0) {
        memcpy(to, bytes, len);
        b->len += len;
    }
}

void buf_append_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.data, s.len);
}

void buf_append_str(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_append_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    enum { GUESS = 128 };
    va_list again;
    va_copy(again, args);
    char *to = buf_reserve(b, GUESS);
    int wrote = to != NULL ? vsnprintf(to, GUESS, format, args) : -1;
    if (wrote >= GUESS) {
        to = buf_reserve(b, (size_t)wrote + 1);
        if (to != NULL) {
            vsnprintf(to, (size_t)wrote + 1, format, again);
        }
    }
    va_end(again);
    if (wrote < 0) {
        b->failed = true;
    } else if (to != NULL) {
        b->len += (size_t)wrote;
    }
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

static void append_json_ascii(struct buf *b, unsigned char c)
{
    switch (c) {
    case '"':
        buf_append_str(b, "\\\"");
        break;
    case '\\':
        buf_append_str(b, "\\\\");
        break;
    case '\n':
        buf_append_str(b, "\\n");
        break;
    case '\r':
        buf_append_str(b, "\\r");
        break;
    case '\t':
        buf_append_str(b, "\\t");
        break;
    default:
        if (c < 0x20 || c == 0x7f) {
            buf_printf(b, "\\u%04x", c);
        } else {
            buf_append_char(b, (char)c);
        }
    }
}

void buf_append_json(struct buf *b, struct slice s)
{
    size_t at = 0;
    while (at < s.len) {
        unsigned char c = (unsigned char)s.data[at];
        if (c < 0x80) {
            append_json_ascii(b, c);
            at++;
            continue;
        }
        size_t n = utf8_sequence(s.data + at, s.len - at);
        if (n == 0) {
            buf_append_str(b, UTF8_REPLACEMENT);
            at++;
        } else {
            buf_append(b, s.data + at, n);
            at += n;
        }
    }
}

const char *buf_cstr(struct buf *b)
{
    char *end = buf_reserve(b, 1);
    if (end == NULL) {
        return "";
    }
    *end = '\0';
    return b->data;
}

struct slice buf_slice(const struct buf *b)
{
    return slice_make(b->data != NULL ? b->data : "", b->len);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT;
}
