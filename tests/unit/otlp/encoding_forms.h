/* encoding_forms.h: bodies in every form that clients send, for the tests of the encodings. */
#ifndef SIGPOST_TESTS_ENCODING_FORMS_H
#define SIGPOST_TESTS_ENCODING_FORMS_H

#include "otlp/encoding.h"

#include <criterion/criterion.h>
#include <stdint.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#define GZIP 31
#define ZLIB 15
#define RAW (-15)
#define MIB ((size_t)1024 * 1024)

/* Text that shrinks, but not to nothing. */
static inline void sample(struct buf *b, size_t len)
{
    uint32_t state = 1;
    while (b->len < len) {
        state = state * 1664525 + 1013904223;
        buf_printf(b, "kotormodsync.events{event=%u} %u\n", state >> 28, state >> 20);
    }
    b->len = len;
}

static inline void deflate_flush(struct buf *out, int window_bits, struct slice in, int flush)
{
    z_stream z = {.next_in = (const Bytef *)in.data, .avail_in = (uInt)in.len};
    cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, in.len) + 64;
    z.next_out = (Bytef *)buf_reserve(out, room);
    z.avail_out = (uInt)room;
    cr_assert_eq(deflate(&z, flush), flush == Z_FINISH ? Z_STREAM_END : Z_OK);
    out->len += room - z.avail_out;
    deflateEnd(&z);
}

static inline void deflate_as(struct buf *out, int window_bits, struct slice in)
{
    deflate_flush(out, window_bits, in, Z_FINISH);
}

static inline void zstd_as(struct buf *out, struct slice in, int checksum, int window_log)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checksum);
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
    size_t room = ZSTD_compressBound(in.len);
    char *to = buf_reserve(out, room);
    /* As a stream of unknown length, so that the window is what was asked for. */
    ZSTD_inBuffer from = {in.data, in.len, 0};
    ZSTD_outBuffer into = {to, room, 0};
    while (from.pos < from.size) {
        cr_assert(!ZSTD_isError(ZSTD_compressStream2(c, &into, &from, ZSTD_e_continue)));
    }
    cr_assert_eq(ZSTD_compressStream2(c, &into, &from, ZSTD_e_end), 0);
    out->len += into.pos;
    ZSTD_freeCCtx(c);
}

enum form { FORM_IDENTITY, FORM_GZIP, FORM_ZLIB, FORM_RAW, FORM_ZSTD, FORM_ZSTD_ONE, FORMS };

static inline enum encoding encode(enum form form, struct buf *out, struct slice in)
{
    switch (form) {
    case FORM_GZIP:
        deflate_as(out, GZIP, in);
        return ENCODING_GZIP;
    case FORM_ZLIB:
        deflate_as(out, ZLIB, in);
        return ENCODING_DEFLATE;
    case FORM_RAW:
        deflate_as(out, RAW, in);
        return ENCODING_DEFLATE;
    case FORM_ZSTD:
        zstd_as(out, in, 1, 0);
        return ENCODING_ZSTD;
    case FORM_ZSTD_ONE: { /* one call: the frame tells its length */
        size_t room = ZSTD_compressBound(in.len);
        out->len += ZSTD_compress(buf_reserve(out, room), room, in.data, in.len, 3);
        return ENCODING_ZSTD;
    }
    case FORM_IDENTITY:
    case FORMS:
        break;
    }
    buf_append_slice(out, in);
    return ENCODING_IDENTITY;
}

#endif
