/* Content encodings: their names, every form that is legal, every way to be cut or damaged, and the
 * bound to the byte.
 */
#include "tests/unit/otlp/encoding_forms.h"

#include <stdlib.h>

/* The same bytes in memory of their own length: reading past them is seen by ASan. */
static enum encoding_result inflate_exact(enum encoding encoding, struct slice in, size_t max,
                                          struct buf *out, const char **fault)
{
    char *exact = malloc(in.len != 0 ? in.len : 1);
    if (in.len != 0) {
        memcpy(exact, in.data, in.len);
    }
    enum encoding_result result =
        encoding_inflate(encoding, slice_make(exact, in.len), max, out, fault);
    free(exact);
    return result;
}

static void expect_ok(enum encoding encoding, struct slice in, size_t max, struct slice wanted)
{
    struct buf out = BUF_INIT;
    const char *fault = "unset";
    enum encoding_result result = inflate_exact(encoding, in, max, &out, &fault);
    cr_expect_eq(result, ENCODING_OK, "%s: result %d, %s", encoding_name(encoding), (int)result,
                 fault != NULL ? fault : "no fault");
    cr_expect_null(fault);
    cr_expect(slice_eq(buf_slice(&out), wanted), "%s: %zu bytes, wanted %zu",
              encoding_name(encoding), out.len, wanted.len);
    cr_expect_leq(out.cap, max);
    buf_free(&out);
}

/* Refused, with what the buffer held before still there. */
static void expect_refused(enum encoding encoding, struct slice in, size_t max,
                           enum encoding_result wanted, const char *wanted_fault)
{
    struct buf out = BUF_INIT;
    buf_append_str(&out, "before");
    const char *fault = "unset";
    enum encoding_result result = inflate_exact(encoding, in, max, &out, &fault);
    cr_expect_eq(result, wanted, "%s of %zu bytes: result %d", encoding_name(encoding), in.len,
                 (int)result);
    if (wanted == ENCODING_MALFORMED && wanted_fault != NULL) {
        cr_expect_str_eq(fault, wanted_fault);
    }
    cr_expect_eq(fault != NULL, wanted == ENCODING_MALFORMED);
    cr_expect(slice_eq_str(buf_slice(&out), "before"));
    buf_free(&out);
}

static void expect_malformed(enum encoding encoding, struct buf *in, const char *fault)
{
    expect_refused(encoding, buf_slice(in), MIB, ENCODING_MALFORMED, fault);
    buf_free(in);
}

Test(encoding, names)
{
    static const char *const names[] = {"identity", "gzip", "deflate", "zstd"};
    for (unsigned i = 0; i < ENCODING_COUNT; i++) {
        enum encoding got;
        cr_expect_str_eq(encoding_name((enum encoding)i), names[i]);
        cr_expect(encoding_of(slice_of(names[i]), &got));
        cr_expect_eq(got, i);
    }
    cr_expect_not_null(encoding_name(ENCODING_COUNT));
}

Test(encoding, tokens_of_the_header)
{
    static const struct {
        const char *text;
        enum encoding encoding;
    } good[] = {
        {NULL, ENCODING_IDENTITY},       {"", ENCODING_IDENTITY},     {"  \t", ENCODING_IDENTITY},
        {"Identity", ENCODING_IDENTITY}, {"GZIP", ENCODING_GZIP},     {"x-gzip", ENCODING_GZIP},
        {"X-GZip", ENCODING_GZIP},       {" gzip\t ", ENCODING_GZIP}, {"Deflate", ENCODING_DEFLATE},
        {"zStd", ENCODING_ZSTD},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        enum encoding got = ENCODING_COUNT;
        cr_expect(encoding_of(slice_of(good[i].text), &got), "case %zu", i);
        cr_expect_eq(got, good[i].encoding, "case %zu", i);
    }
    static const char *const bad[] = {"gzip, gzip", "gzip,", "identity, gzip", "gzi",
                                      "gzipp",      "br",    "x-zstd",         "*",
                                      "g zip",      ",",     "gzip;q=1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        enum encoding got = ENCODING_COUNT;
        cr_expect(!encoding_of(slice_of(bad[i]), &got), "%s", bad[i]);
        cr_expect_eq(got, ENCODING_IDENTITY);
    }
    enum encoding got;
    cr_expect(!encoding_of(slice_make("gzip\0", 5), &got));
    cr_expect(encoding_of(slice_make("gzipx", 4), &got), "nothing behind the slice is read");
}

Test(encoding, every_form_comes_back_and_the_bound_is_exact)
{
    static const size_t lengths[] = {1, 2, 7, 255, 256, 1024, 1025, 4096, 65537, 300000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct buf text = BUF_INIT;
        sample(&text, lengths[i]);
        for (unsigned form = 0; form < FORMS; form++) {
            struct buf in = BUF_INIT;
            enum encoding encoding = encode((enum form)form, &in, buf_slice(&text));
            struct slice bytes = buf_slice(&in);
            expect_ok(encoding, bytes, text.len, buf_slice(&text));
            expect_ok(encoding, bytes, text.len + 1, buf_slice(&text));
            expect_ok(encoding, bytes, 64 * MIB, buf_slice(&text));
            expect_refused(encoding, bytes, text.len - 1, ENCODING_TOO_LARGE, NULL);
            expect_refused(encoding, bytes, 0, ENCODING_TOO_LARGE, NULL);
            buf_free(&in);
        }
        buf_free(&text);
    }
}

Test(encoding, nothing_comes_back_as_nothing)
{
    for (unsigned form = 0; form < FORMS; form++) {
        struct buf in = BUF_INIT;
        enum encoding encoding = encode((enum form)form, &in, SLICE_LIT(""));
        expect_ok(encoding, buf_slice(&in), 0, SLICE_LIT(""));
        expect_ok(encoding, buf_slice(&in), 100, SLICE_LIT(""));
        buf_free(&in);
    }
    expect_ok(ENCODING_IDENTITY, (struct slice){NULL, 0}, 0, SLICE_LIT(""));
}

Test(encoding, an_empty_body_is_no_gzip)
{
    for (unsigned i = ENCODING_GZIP; i < ENCODING_COUNT; i++) {
        expect_refused((enum encoding)i, SLICE_LIT(""), 100, ENCODING_MALFORMED,
                       "the body is empty though it has a Content-Encoding");
        expect_refused((enum encoding)i, (struct slice){NULL, 0}, 100, ENCODING_MALFORMED, NULL);
    }
    expect_refused(ENCODING_COUNT, SLICE_LIT("x"), 100, ENCODING_MALFORMED, NULL);
}

Test(encoding, it_appends_and_uses_the_room_that_is_there)
{
    struct buf in = BUF_INIT;
    deflate_as(&in, GZIP, SLICE_LIT("world"));
    struct buf out = BUF_INIT;
    const char *fault;
    buf_append_str(&out, "hello "); /* cap is 256 */
    const char *where = out.data;
    cr_expect_eq(encoding_inflate(ENCODING_GZIP, buf_slice(&in), 5, &out, &fault), ENCODING_OK);
    cr_expect(slice_eq_str(buf_slice(&out), "hello world"));
    cr_expect_eq(out.data, where);
    cr_expect_eq(encoding_inflate(ENCODING_GZIP, buf_slice(&in), 4, &out, &fault),
                 ENCODING_TOO_LARGE, "though there is room");
    cr_expect(slice_eq_str(buf_slice(&out), "hello world"));
    cr_expect_eq(encoding_inflate(ENCODING_GZIP, buf_slice(&in), SIZE_MAX, &out, &fault),
                 ENCODING_OK);
    cr_expect(slice_eq_str(buf_slice(&out), "hello worldworld"));
    out.failed = true;
    cr_expect_eq(encoding_inflate(ENCODING_GZIP, buf_slice(&in), 5, &out, &fault),
                 ENCODING_NO_MEMORY);
    buf_free(&out);
    buf_free(&in);
}

Test(encoding, every_truncation_is_refused)
{
    struct buf text = BUF_INIT;
    sample(&text, 1200);
    for (unsigned form = FORM_GZIP; form < FORMS; form++) {
        struct buf in = BUF_INIT;
        enum encoding encoding = encode((enum form)form, &in, buf_slice(&text));
        for (size_t len = 0; len < in.len; len++) {
            expect_refused(encoding, slice_make(in.data, len), MIB, ENCODING_MALFORMED, NULL);
            expect_refused(encoding, slice_make(in.data, len), text.len, ENCODING_MALFORMED, NULL);
        }
        buf_free(&in);
    }
    buf_free(&text);
}

Test(encoding, any_trailing_byte_is_refused)
{
    for (unsigned form = FORM_GZIP; form < FORMS; form++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            struct buf in = BUF_INIT;
            enum encoding encoding = encode((enum form)form, &in, SLICE_LIT("some text"));
            buf_append_char(&in, (char)byte);
            expect_malformed(encoding, &in, NULL);
        }
    }
}

/* A flipped bit is found, or in those forms that have no checksum changes the text at most. In a
 * gzip header there are bits that nobody checks (time, system). */
Test(encoding, every_flipped_bit)
{
    struct buf text = BUF_INIT;
    sample(&text, 400);
    for (unsigned form = FORM_GZIP; form < FORMS; form++) {
        struct buf in = BUF_INIT;
        enum encoding encoding = encode((enum form)form, &in, buf_slice(&text));
        bool checked = form == FORM_GZIP || form == FORM_ZLIB || form == FORM_ZSTD;
        for (size_t bit = 0; bit < in.len * 8; bit++) {
            struct buf out = BUF_INIT;
            const char *fault;
            in.data[bit / 8] = (char)(in.data[bit / 8] ^ 1 << bit % 8);
            enum encoding_result result =
                inflate_exact(encoding, buf_slice(&in), MIB, &out, &fault);
            if (result == ENCODING_OK && checked) {
                cr_expect(slice_eq(buf_slice(&out), buf_slice(&text)), "form %u, bit %zu", form,
                          bit);
            } else {
                cr_expect_neq(result, ENCODING_NO_MEMORY);
            }
            in.data[bit / 8] = (char)(in.data[bit / 8] ^ 1 << bit % 8);
            buf_free(&out);
        }
        buf_free(&in);
    }
    buf_free(&text);
}

static void damage(struct buf *in, size_t from_end)
{
    in->data[in->len - from_end] = (char)(in->data[in->len - from_end] ^ 0x10);
}

Test(encoding, wrong_checksums_and_lengths)
{
    struct buf in = BUF_INIT;
    static const char gzip[] =
        "gzip: the data is damaged, or its checksum or length does not match";
    deflate_as(&in, GZIP, SLICE_LIT("some text"));
    damage(&in, 8);
    expect_malformed(ENCODING_GZIP, &in, gzip);
    deflate_as(&in, GZIP, SLICE_LIT("some text"));
    damage(&in, 1);
    expect_malformed(ENCODING_GZIP, &in, gzip);
    deflate_as(&in, ZLIB, SLICE_LIT("some text"));
    damage(&in, 1);
    expect_malformed(ENCODING_DEFLATE, &in,
                     "deflate: the data is damaged, or its checksum does not match");
    zstd_as(&in, SLICE_LIT("some text"), 1, 0);
    damage(&in, 1);
    expect_malformed(ENCODING_ZSTD, &in, "zstd: the checksum does not match");
}

Test(encoding, what_is_something_else_is_named)
{
    struct buf in = BUF_INIT;
    buf_append_str(&in, "{\"resourceMetrics\":[]}");
    expect_malformed(ENCODING_GZIP, &in,
                     "gzip: the body does not begin with a gzip header (1f 8b)");
    buf_append_str(&in, "{\"resourceMetrics\":[]}");
    expect_malformed(ENCODING_ZSTD, &in,
                     "zstd: the body does not begin with a zstd frame (28 b5 2f fd)");
    buf_append(&in, "\xff\xff\xff", 3);
    expect_malformed(
        ENCODING_DEFLATE, &in,
        "deflate: the body is neither zlib data (RFC 1950) nor raw deflate (RFC 1951)");
    deflate_as(&in, GZIP, SLICE_LIT("gzip data sent as deflate"));
    expect_malformed(ENCODING_DEFLATE, &in, NULL);
    deflate_as(&in, ZLIB, SLICE_LIT("zlib data sent as gzip"));
    expect_malformed(ENCODING_GZIP, &in, NULL);
}

Test(encoding, gzip_members_in_a_row)
{
    struct buf in = BUF_INIT;
    deflate_as(&in, GZIP, SLICE_LIT("one, "));
    deflate_as(&in, GZIP, SLICE_LIT(""));
    deflate_as(&in, GZIP, SLICE_LIT("two"));
    expect_ok(ENCODING_GZIP, buf_slice(&in), 8, SLICE_LIT("one, two"));
    expect_refused(ENCODING_GZIP, buf_slice(&in), 7, ENCODING_TOO_LARGE, NULL);
    expect_refused(ENCODING_GZIP, slice_make(in.data, in.len - 1), 8, ENCODING_MALFORMED,
                   "gzip: the body ends in the middle of the data");
    /* An empty member when all is full. */
    deflate_as(&in, GZIP, SLICE_LIT(""));
    expect_ok(ENCODING_GZIP, buf_slice(&in), 8, SLICE_LIT("one, two"));
    buf_append_str(&in, "zz");
    expect_malformed(ENCODING_GZIP, &in,
                     "gzip: bytes follow the end of the data that are not another gzip member");
}

Test(encoding, deflate_has_no_members)
{
    struct buf in = BUF_INIT;
    deflate_as(&in, ZLIB, SLICE_LIT("one"));
    deflate_as(&in, ZLIB, SLICE_LIT("two"));
    expect_malformed(ENCODING_DEFLATE, &in, "deflate: bytes follow the end of the data");
}

Test(encoding, gzip_headers_with_everything)
{
    struct buf plain = BUF_INIT;
    deflate_as(&plain, GZIP, SLICE_LIT("text"));
    struct buf in = BUF_INIT;
    buf_append(&in, "\x1f\x8b\x08\x1c\1\2\3\4\0\3", 10); /* extra, name, comment */
    buf_append(&in, "\3\0xyz", 5);
    buf_append(&in, "name\0comment\0", 13);
    buf_append(&in, plain.data + 10, plain.len - 10);
    expect_ok(ENCODING_GZIP, buf_slice(&in), 4, SLICE_LIT("text"));
    in.data[3] = (char)0xe0; /* reserved flags */
    expect_malformed(ENCODING_GZIP, &in, NULL);
    buf_free(&plain);
}

Test(encoding, preset_dictionaries_are_refused)
{
    struct buf in = BUF_INIT;
    z_stream z = {.next_in = (const Bytef *)"dictionary text", .avail_in = 15};
    deflateInit(&z, 6);
    deflateSetDictionary(&z, (const Bytef *)"dictionary", 10);
    z.next_out = (Bytef *)buf_reserve(&in, 200);
    z.avail_out = 200;
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    in.len = 200 - z.avail_out;
    deflateEnd(&z);
    expect_malformed(ENCODING_DEFLATE, &in,
                     "deflate: the data needs a preset dictionary; send it without");
    /* magic, one segment with a one-byte dictionary id 5 and length 1, last raw block of 1 byte */
    buf_append(&in, "\x28\xb5\x2f\xfd\x21\x05\x01\x09\0\0x", 11);
    expect_malformed(ENCODING_ZSTD, &in, "zstd: the data needs a dictionary; send it without");
    buf_append(&in, "\x28\xb5\x2f\xfd\x20\x01\x09\0\0x", 10);
    expect_ok(ENCODING_ZSTD, buf_slice(&in), 1, SLICE_LIT("x"));
    buf_free(&in);
}

Test(encoding, zstd_frames_in_a_row_and_skippable_ones)
{
    struct buf in = BUF_INIT;
    buf_append(&in, "\x50\x2a\x4d\x18\3\0\0\0abc", 11);
    expect_ok(ENCODING_ZSTD, buf_slice(&in), 0, SLICE_LIT(""));
    zstd_as(&in, SLICE_LIT("one, "), 1, 0);
    buf_append(&in, "\x5f\x2a\x4d\x18\0\0\0\0", 8);
    zstd_as(&in, SLICE_LIT("two"), 0, 0);
    buf_append(&in, "\x5a\x2a\x4d\x18\1\0\0\0x", 9);
    expect_ok(ENCODING_ZSTD, buf_slice(&in), 8, SLICE_LIT("one, two"));
    expect_refused(ENCODING_ZSTD, buf_slice(&in), 7, ENCODING_TOO_LARGE, NULL);
    expect_refused(ENCODING_ZSTD, slice_make(in.data, in.len - 1), 8, ENCODING_MALFORMED,
                   "zstd: the body ends in the middle of the data");
    buf_append(&in, "\x60\x2a\x4d\x18\0\0\0\0", 8);
    expect_malformed(ENCODING_ZSTD, &in,
                     "zstd: bytes follow the end of the data that are not a frame");
    buf_append(&in, "\x50\x2a\x4d\x18\xff\xff\xff\xff", 8); /* 4 GiB to skip, none there */
    expect_malformed(ENCODING_ZSTD, &in, NULL);
}

Test(encoding, zstd_of_before_the_standard_is_refused)
{
    for (unsigned char version = 0x1e; version <= 0x27; version++) {
        struct buf in = BUF_INIT;
        buf_append_char(&in, (char)version);
        buf_append(&in, "\xb5\x2f\xfd\0\0\0\0\0\0\0\0\0\0\0", 14);
        expect_malformed(ENCODING_ZSTD, &in,
                         "zstd: the body does not begin with a zstd frame (28 b5 2f fd)");
    }
}

Test(encoding, zstd_windows_up_to_8_mib)
{
    struct buf text = BUF_INIT;
    sample(&text, 100000);
    struct buf in = BUF_INIT;
    zstd_as(&in, buf_slice(&text), 1, 23);
    expect_ok(ENCODING_ZSTD, buf_slice(&in), text.len, buf_slice(&text));
    buf_clear(&in);
    zstd_as(&in, buf_slice(&text), 1, 24);
    expect_malformed(ENCODING_ZSTD, &in,
                     "zstd: the window is larger than 8 MiB; use windowLog 23 or less");
    buf_free(&text);
}
