/* utf8.h: is this UTF-8? (Unicode 15, table 3-7: no overlong forms, no surrogates, up to U+10FFFF.)
 * Pure.
 */
#ifndef SIGPOST_BASE_UTF8_H
#define SIGPOST_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The length (1 to 4) of the well-formed sequence that begins at s, of which `len` bytes may be
 * read; 0 when it is not well-formed or len is 0. */
size_t utf8_sequence(const char *s, size_t len);

/* Is all of it well-formed? */
bool utf8_valid(const char *s, size_t len);

#endif
