/* buf.h: a growing byte buffer.
 *
 *     struct buf b = BUF_INIT;
 *     buf_printf(&b, "%d points", n);
 *     if (b.failed) ...            // sticky: checked once, at the end
 *     buf_free(&b);
 *
 * Invariants: len <= cap; data is NULL when cap is 0. After an allocation failure `failed` stays
 * set, further writes do nothing, and what was written before remains readable. Not thread-safe.
 */
#ifndef SIGPOST_BASE_BUF_H
#define SIGPOST_BASE_BUF_H

#include "base/slice.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* owned; not NUL-terminated unless buf_cstr was called */
    size_t len;
    size_t cap;
    bool failed;
};

#define BUF_INIT ((struct buf){NULL, 0, 0, false})

/* Makes room for `more` bytes after len and returns where they go; NULL on failure (sticky).
 * The caller adds what it wrote to len. */
char *buf_reserve(struct buf *b, size_t more);

void buf_append(struct buf *b, const void *bytes, size_t len);
void buf_append_slice(struct buf *b, struct slice s);
void buf_append_str(struct buf *b, const char *s);
void buf_append_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Appends s as the inside of a JSON string (RFC 8259): quotes, backslashes and control bytes are
 * escaped, bytes that are not UTF-8 become U+FFFD. The surrounding quotes are the caller's. */
void buf_append_json(struct buf *b, struct slice s);

/* The content with a NUL behind it (not counted in len); "" after a failure. Owned by b. */
const char *buf_cstr(struct buf *b);

/* The content, borrowed until the next write. */
struct slice buf_slice(const struct buf *b);

/* Forgets the content and the failure, keeps the memory. */
void buf_clear(struct buf *b);

/* Frees the memory; b is as after BUF_INIT. */
void buf_free(struct buf *b);

#endif
