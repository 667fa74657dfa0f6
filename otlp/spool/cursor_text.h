/* cursor_text.h: what a cursor's file says, three lines of text.
 *
 *     sigpost cursor 1
 *     sequence 1234
 *     crc32c 0123abcd         of the two lines before
 *
 * Pure. Thread: any.
 */
#ifndef SIGPOST_OTLP_CURSOR_TEXT_H
#define SIGPOST_OTLP_CURSOR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CURSOR_TEXT_MAX 128

/* Returns the length; `out` ends in NUL. */
size_t cursor_text_format(uint64_t sequence, char out[CURSOR_TEXT_MAX]);

/* False, and 0, when it is anything but what cursor_text_format makes. */
bool cursor_text_parse(const char *text, size_t len, uint64_t *sequence);

#endif
