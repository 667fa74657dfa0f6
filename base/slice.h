/* slice.h: bytes that somebody else owns: a pointer and a length, not NUL-terminated.
 *
 * A slice with data == NULL means "absent"; a slice of length 0 with data means "empty".
 */
#ifndef SIGPOST_BASE_SLICE_H
#define SIGPOST_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t len;
};

/* The slice of a string literal, without its NUL. */
#define SLICE_LIT(text) ((struct slice){(text), sizeof(text) - 1})

/* The bytes of a C string; absent when s is NULL. Borrowed. */
static inline struct slice slice_of(const char *s)
{
    return (struct slice){s, s != NULL ? strlen(s) : 0};
}

static inline struct slice slice_make(const void *data, size_t len)
{
    return (struct slice){(const char *)data, len};
}

/* Byte equality, not constant time: never for secrets. Absent equals empty. */
static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
    return slice_eq(a, slice_of(s));
}

#endif
