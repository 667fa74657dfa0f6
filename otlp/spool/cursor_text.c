/* cursor_text.c: see cursor_text.h. */
#include "otlp/spool/cursor_text.h"

#include "otlp/spool/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t cursor_text_format(uint64_t sequence, char out[CURSOR_TEXT_MAX])
{
    int len = snprintf(out, CURSOR_TEXT_MAX, "sigpost cursor 1\nsequence %" PRIu64 "\n", sequence);
    uint32_t crc = segment_crc32c(0, out, (size_t)len);
    len += snprintf(out + len, CURSOR_TEXT_MAX - (size_t)len, "crc32c %08" PRIx32 "\n", crc);
    return (size_t)len;
}

/* There is one text for each sequence: read the number, write it again, compare. */
bool cursor_text_parse(const char *text, size_t len, uint64_t *sequence)
{
    static const char start[] = "sigpost cursor 1\nsequence ";
    const size_t start_len = sizeof(start) - 1;
    *sequence = 0;
    if (len < start_len || memcmp(text, start, start_len) != 0) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = start_len; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
        if (value > SEGMENT_SEQUENCE_MAX / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    char again[CURSOR_TEXT_MAX];
    if (cursor_text_format(value, again) != len || memcmp(text, again, len) != 0) {
        return false;
    }
    *sequence = value;
    return true;
}
