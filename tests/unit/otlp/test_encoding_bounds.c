/* What inflating takes: bombs stop at the bound, small bodies stay small. */
#include "base/clock.h"
#include "tests/unit/otlp/encoding_forms.h"
#include "tests/unit/otlp/heap_peak.h"

#include <stdio.h>

/* A stream of many MiB of zeros that costs little to make: a stretch that ends at a byte and refers
 * to nothing before it, again and again, behind the header. The end is never reached. */
static void deflate_bomb(struct buf *bomb, int window_bits, unsigned mib)
{
    char *zeros = calloc(1, MIB);
    struct buf stretch = BUF_INIT;
    deflate_flush(&stretch, RAW, slice_make(zeros, MIB), Z_FULL_FLUSH);
    if (window_bits == GZIP) {
        buf_append(bomb, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
    } else if (window_bits == ZLIB) {
        buf_append(bomb, "\x78\x9c", 2);
    }
    for (unsigned i = 0; i < mib; i++) {
        buf_append_slice(bomb, buf_slice(&stretch));
    }
    buf_append(bomb, "\3\0", 2);
    buf_free(&stretch);
    free(zeros);
}

/* Blocks of 128 KiB of one byte each, in a window of 8 MiB. */
static void zstd_bomb(struct buf *bomb)
{
    buf_append(bomb, "\x28\xb5\x2f\xfd\x00\x68", 6);
    for (unsigned i = 0; i < 8192; i++) {
        unsigned head = 131072U << 3 | 1U << 1 | (i == 8191);
        buf_append_char(bomb, (char)(head & 0xff));
        buf_append_char(bomb, (char)(head >> 8 & 0xff));
        buf_append_char(bomb, (char)(head >> 16 & 0xff));
        buf_append_char(bomb, 0);
    }
}

/* The bound is realloc's worst case, in which both copies are there, and the library's need. */
static void expect_defused(enum encoding encoding, const struct buf *bomb, size_t max,
                           size_t library)
{
    struct buf out = BUF_INIT;
    const char *fault;
    int64_t began = clock_mono_ns();
    heap_peak_start();
    enum encoding_result result = encoding_inflate(encoding, buf_slice(bomb), max, &out, &fault);
    size_t peak = heap_peak_stop();
    int64_t took = clock_mono_ns() - began;
    cr_expect_eq(result, ENCODING_TOO_LARGE, "%s: %d", encoding_name(encoding), (int)result);
    cr_expect_leq(out.cap, max);
    cr_expect_leq(peak, max + max / 2 + 65536 + library, "%s: peak of %zu", encoding_name(encoding),
                  peak);
    cr_expect_geq(peak, max, "the measure works");
    cr_expect_lt(took, NS_PER_SECOND);
    fprintf(stderr, "%s bomb of %zu bytes, max %zu: peak %zu, %.1f ms\n", encoding_name(encoding),
            bomb->len, max, peak, (double)took / 1e6);
    buf_free(&out);
}

Test(encoding_bounds, bombs_stop_at_the_bound)
{
    static const size_t bounds[] = {4 * MIB, 3 * MIB + 12345};
    for (size_t i = 0; i < 2; i++) {
        struct buf bomb = BUF_INIT;
        deflate_bomb(&bomb, GZIP, 1024);
        expect_defused(ENCODING_GZIP, &bomb, bounds[i], 50000);
        buf_clear(&bomb);
        deflate_bomb(&bomb, ZLIB, 1024);
        expect_defused(ENCODING_DEFLATE, &bomb, bounds[i], 50000);
        buf_clear(&bomb);
        deflate_bomb(&bomb, RAW, 1024);
        expect_defused(ENCODING_DEFLATE, &bomb, bounds[i], 50000);
        buf_clear(&bomb);
        zstd_bomb(&bomb);
        expect_defused(ENCODING_ZSTD, &bomb, bounds[i], 9 * MIB);
        buf_free(&bomb);
    }
}

/* The bombs are what they claim to be, a MiB a stretch; but for the checksum. */
Test(encoding_bounds, bombs_hold_what_they_claim)
{
    struct buf bomb = BUF_INIT;
    deflate_bomb(&bomb, RAW, 20);
    z_stream z = {.next_in = (const Bytef *)bomb.data, .avail_in = (uInt)bomb.len};
    cr_assert_eq(inflateInit2(&z, RAW), Z_OK);
    static Bytef room[1 << 20];
    int answer;
    do {
        z.next_out = room;
        z.avail_out = sizeof(room);
        answer = inflate(&z, Z_NO_FLUSH);
    } while (answer == Z_OK);
    cr_expect_eq(answer, Z_STREAM_END);
    cr_expect_eq(z.total_out, 20 * MIB);
    inflateEnd(&z);
    buf_free(&bomb);
}

/* A small body does not take much because max is large. */
Test(encoding_bounds, small_bodies_take_little)
{
    static const size_t limits[FORMS] = {
        [FORM_IDENTITY] = 4096,   [FORM_GZIP] = 60000,   [FORM_ZLIB] = 60000,
        [FORM_RAW] = 60000,       [FORM_ZSTD] = 3 * MIB, /* its window, as the encoder chose it */
        [FORM_ZSTD_ONE] = 300000,
    };
    struct buf text = BUF_INIT;
    sample(&text, 2000);
    for (unsigned form = FORM_IDENTITY; form < FORMS; form++) {
        struct buf in = BUF_INIT;
        enum encoding encoding = encode((enum form)form, &in, buf_slice(&text));
        struct buf out = BUF_INIT;
        const char *fault;
        heap_peak_start();
        cr_expect_eq(encoding_inflate(encoding, buf_slice(&in), 64 * MIB, &out, &fault),
                     ENCODING_OK);
        size_t peak = heap_peak_stop();
        cr_expect_leq(peak, limits[form], "form %u: %zu", form, peak);
        buf_free(&out);
        buf_free(&in);
    }
    buf_free(&text);
}

#ifndef __SANITIZE_ADDRESS__
/* Each allocation in turn fails: the body is refused, what was there stays, nothing is left over.
 */
Test(encoding_bounds, memory_that_is_short)
{
    struct buf text = BUF_INIT;
    sample(&text, 30000); /* out grows on the way */
    for (unsigned form = FORM_IDENTITY; form < FORMS; form++) {
        struct buf in = BUF_INIT;
        enum encoding encoding = encode((enum form)form, &in, buf_slice(&text));
        enum encoding_result result;
        long failing = 0;
        do {
            struct buf out = BUF_INIT;
            const char *fault;
            heap_peak_start();
            heap_peak.failing = ++failing;
            result = encoding_inflate(encoding, buf_slice(&in), MIB, &out, &fault);
            bool failed = heap_peak.failing == 0;
            heap_peak.failing = 0;
            cr_assert_eq(result, failed ? ENCODING_NO_MEMORY : ENCODING_OK, "form %u, %ld: %d",
                         form, failing, (int)result);
            cr_expect_null(fault);
            cr_expect_eq(out.len, failed ? 0 : text.len);
            buf_free(&out);
            heap_peak_stop();
            cr_expect_eq(heap_peak.now, 0, "form %u, %ld: %ld bytes lost", form, failing,
                         heap_peak.now);
        } while (result != ENCODING_OK);
        cr_expect_gt(failing, 1);
        buf_free(&in);
    }
    buf_free(&text);
}
#endif
