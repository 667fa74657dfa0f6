/* test_buf.c: growth, sticky failure, printf at the edges of its first guess, JSON escapes. */
#include "base/buf.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>

Test(buf, starts_empty_and_reads_as_empty)
{
    struct buf b = BUF_INIT;
    cr_assert_eq(buf_slice(&b).len, 0);
    cr_assert_not_null(buf_slice(&b).data);
    cr_assert_str_eq(buf_cstr(&b), "");
    buf_append(&b, NULL, 0);
    cr_assert_eq(b.len, 0);
    cr_assert_not(b.failed);
    buf_free(&b);
    cr_assert_null(b.data);
}

Test(buf, grows_and_keeps_what_was_written)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 100000; i++) {
        buf_append_char(&b, (char)('a' + i % 26));
    }
    cr_assert_eq(b.len, 100000);
    cr_assert_leq(b.len, b.cap);
    for (size_t i = 0; i < b.len; i++) {
        cr_assert_eq(b.data[i], (char)('a' + i % 26));
    }
    buf_clear(&b);
    cr_assert_eq(b.len, 0);
    cr_assert_neq(b.cap, 0);
    buf_free(&b);
}

Test(buf, a_reservation_that_cannot_be_is_sticky_and_harmless)
{
    struct buf b = BUF_INIT;
    buf_append_str(&b, "kept");
    cr_assert_null(buf_reserve(&b, SIZE_MAX));
    cr_assert(b.failed);
    buf_append_str(&b, "lost");
    buf_printf(&b, "%d", 1);
    cr_assert(slice_eq_str(buf_slice(&b), "kept"));
    cr_assert_str_eq(buf_cstr(&b), "");
    buf_clear(&b);
    buf_append_str(&b, "again");
    cr_assert(slice_eq_str(buf_slice(&b), "again"));
    buf_free(&b);
}

Test(buf, cstr_does_not_count_its_nul)
{
    struct buf b = BUF_INIT;
    while (b.len < 256) {
        buf_append_char(&b, 'x'); /* exactly the first capacity */
    }
    cr_assert_eq(strlen(buf_cstr(&b)), 256);
    cr_assert_eq(b.len, 256);
    buf_free(&b);
}

Test(buf, printf_of_every_length_around_its_guess)
{
    for (int width = 0; width < 400; width++) {
        struct buf b = BUF_INIT;
        buf_append_str(&b, ">");
        buf_printf(&b, "%*s", width, "");
        buf_append_str(&b, "<");
        cr_assert_eq(b.len, (size_t)width + 2);
        cr_assert_eq(b.data[b.len - 1], '<');
        cr_assert_not(b.failed);
        buf_free(&b);
    }
}

Test(buf, json_escapes)
{
    struct buf b = BUF_INIT;
    buf_append_json(&b, SLICE_LIT("a\"\\\n\r\t\b\x01\x7f/é\xff\xed\xa0\x80z"));
    cr_assert_str_eq(buf_cstr(&b), "a\\\"\\\\\\n\\r\\t\\u0008\\u0001\\u007f/é\xef\xbf\xbd"
                                   "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
    buf_clear(&b);
    buf_append_json(&b, slice_make("a\0b", 3));
    cr_assert_str_eq(buf_cstr(&b), "a\\u0000b");
    buf_clear(&b);
    buf_append_json(&b, SLICE_LIT("cut \xe2\x82"));
    cr_assert_str_eq(buf_cstr(&b), "cut "
                                   "\xef\xbf\xbd\xef\xbf\xbd");
    buf_free(&b);
}
