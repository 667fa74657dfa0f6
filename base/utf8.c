/* utf8.c: see utf8.h. ASCII runs are skipped eight bytes at a time. */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t utf8_sequence(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    if (len == 0) {
        return 0;
    }
    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] < 0xc2) {
        return 0;
    }
    if (s[0] < 0xe0) {
        return len >= 2 && is_tail(s[1]) ? 2 : 0;
    }
    if (s[0] < 0xf0) {
        unsigned char low = s[0] == 0xe0 ? 0xa0 : 0x80;
        unsigned char high = s[0] == 0xed ? 0x9f : 0xbf;
        return len >= 3 && s[1] >= low && s[1] <= high && is_tail(s[2]) ? 3 : 0;
    }
    if (s[0] < 0xf5) {
        unsigned char low = s[0] == 0xf0 ? 0x90 : 0x80;
        unsigned char high = s[0] == 0xf4 ? 0x8f : 0xbf;
        return len >= 4 && s[1] >= low && s[1] <= high && is_tail(s[2]) && is_tail(s[3]) ? 4 : 0;
    }
    return 0;
}

bool utf8_valid(const char *s, size_t len)
{
    size_t at = 0;
    while (at < len) {
        uint64_t eight;
        if (len - at >= sizeof(eight)) {
            memcpy(&eight, s + at, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(eight);
                continue;
            }
        }
        size_t n = utf8_sequence(s + at, len - at);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}
