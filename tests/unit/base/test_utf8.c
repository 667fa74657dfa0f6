/* test_utf8.c: Unicode's table 3-7 against every code point, its near misses, and every alignment
 * of the eight-byte stride. */
#include "base/utf8.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Encodes without asking whether it may be. */
static size_t encode(unsigned cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    unsigned lead = n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (cp & 0x3f));
        cp >>= 6;
    }
    out[0] = (char)(lead | cp);
    return n;
}

Test(utf8, every_code_point)
{
    char s[4];
    for (unsigned cp = 0; cp < 0x120000; cp++) {
        size_t n = encode(cp, s);
        bool scalar = cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff);
        cr_assert_eq(utf8_sequence(s, n), scalar ? n : 0, "U+%04X", cp);
        cr_assert_eq(utf8_sequence(s, n - 1), 0, "U+%04X cut", cp);
    }
}

Test(utf8, every_pair_of_bytes)
{
    for (unsigned a = 0x80; a <= 0xff; a++) {
        for (unsigned b = 0; b <= 0xff; b++) {
            char s[2] = {(char)a, (char)b};
            bool right = a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf;
            cr_assert_eq(utf8_sequence(s, 2), right ? 2 : 0, "%02x %02x", a, b);
        }
    }
}

Test(utf8, overlong_forms_are_refused)
{
    cr_assert_not(utf8_valid("\xc0\x80", 2));
    cr_assert_not(utf8_valid("\xc1\xbf", 2));
    cr_assert_not(utf8_valid("\xe0\x9f\xbf", 3));
    cr_assert_not(utf8_valid("\xf0\x8f\xbf\xbf", 4));
    cr_assert_not(utf8_valid("\xf4\x90\x80\x80", 4));
    cr_assert_not(utf8_valid("\xf8\x88\x80\x80\x80", 5));
}

Test(utf8, a_bad_byte_is_found_wherever_it_is)
{
    for (size_t len = 0; len < 40; len++) {
        char *s = malloc(len + 1); /* its own block: ASan sees a read past the end */
        cr_assert_not_null(s);
        memset(s, 'a', len + 1);
        cr_assert(utf8_valid(s, len));
        for (size_t at = 0; at < len; at++) {
            s[at] = '\x80';
            cr_assert_not(utf8_valid(s, len));
            s[at] = 'a';
        }
        if (len >= 2) {
            s[len - 2] = '\xc3';
            s[len - 1] = '\xa9';
            cr_assert(utf8_valid(s, len));
            cr_assert_not(utf8_valid(s, len - 1));
        }
        free(s);
    }
}
