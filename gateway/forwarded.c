/* forwarded.c: see forwarded.h. */
#include "gateway/forwarded.h"

#include <stdbool.h>

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool may_stand_in_path(char c)
{
    return is_letter_or_digit(c) || (c != '\0' && strchr("/-._~!$&'()*+,=:@", c) != NULL);
}

/* A query counts for nothing here, but a control byte in it, or a fragment, was put there to be
 * read differently by somebody. */
static bool may_stand_in_query(char c)
{
    return c > ' ' && c <= '~' && c != '#' && c != '\\';
}

static bool is_dot_segment(struct slice segment)
{
    return slice_eq(segment, SLICE_LIT(".")) || slice_eq(segment, SLICE_LIT(".."));
}

/* rest starts with the '/' before the first segment. Only the last segment may be empty. */
static const char *check_segments(struct slice rest)
{
    while (rest.len > 0) {
        const char *segment = rest.data + 1;
        const char *slash = memchr(segment, '/', rest.len - 1);
        size_t len = slash != NULL ? (size_t)(slash - segment) : rest.len - 1;
        if (len == 0 && slash != NULL) {
            return "X-Forwarded-Uri has an empty path segment";
        }
        if (is_dot_segment(slice_make(segment, len))) {
            return "X-Forwarded-Uri has a dot segment";
        }
        rest = slice_make(segment + len, rest.len - 1 - len);
    }
    return NULL;
}

static const char *check_path(struct slice path)
{
    if (path.len == 0 || path.data[0] != '/') {
        return "X-Forwarded-Uri does not begin with a slash";
    }
    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] == '%') {
            return "X-Forwarded-Uri has a percent-encoded byte in its path";
        }
        if (!may_stand_in_path(path.data[i])) {
            return "X-Forwarded-Uri has a byte in its path that may not stand there";
        }
    }
    return check_segments(path);
}

static const char *check_query(struct slice query)
{
    for (size_t i = 0; i < query.len; i++) {
        if (!may_stand_in_query(query.data[i])) {
            return "X-Forwarded-Uri has a byte in its query that may not stand there";
        }
    }
    return NULL;
}

const char *forwarded_path(struct slice method, struct slice uri, struct slice *path)
{
    *path = (struct slice){0};
    if (method.len == 0) {
        return "X-Forwarded-Method is missing";
    }
    if (uri.len == 0) {
        return "X-Forwarded-Uri is missing";
    }
    if (!slice_eq_str(method, "POST")) {
        return "X-Forwarded-Method is not POST, and nothing else is ever signed";
    }
    const char *question = memchr(uri.data, '?', uri.len);
    size_t len = question != NULL ? (size_t)(question - uri.data) : uri.len;
    const char *wrong = check_path(slice_make(uri.data, len));
    if (wrong == NULL) {
        wrong = check_query(slice_make(uri.data + len, uri.len - len));
    }
    if (wrong == NULL) {
        *path = slice_make(uri.data, len);
    }
    return wrong;
}
