/* encoding.c: see encoding.h. Both libraries are given room at the end of `out` until it holds max
 * bytes, and from then on one byte beside it: a body that ends without it fits, one that needs it
 * does not.
 */
#include "otlp/encoding.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <strings.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Telemetry shrinks to a half up to a tenth. */
#define FIRST_ROOM_FACTOR 4
#define FIRST_ROOM_MIN 1024

#define WINDOW_BITS 15 /* deflate's largest */
#define GZIP_ONLY 16   /* added to the window bits */
#define GZIP_MAGIC "\x1f\x8b"
#define ZSTD_MAGIC UINT32_C(0xfd2fb528)
#define ZSTD_SKIPPABLE UINT32_C(0x184d2a50) /* to …5f */

const char *encoding_name(enum encoding encoding)
{
    static const char *const names[ENCODING_COUNT] = {"identity", "gzip", "deflate", "zstd"};
    return names[(unsigned)encoding < ENCODING_COUNT ? encoding : ENCODING_IDENTITY];
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool encoding_of(struct slice content_encoding, enum encoding *out)
{
    static const struct {
        struct slice token;
        enum encoding encoding;
    } tokens[] = {
        {{"", 0}, ENCODING_IDENTITY},       {{"identity", 8}, ENCODING_IDENTITY},
        {{"gzip", 4}, ENCODING_GZIP},       {{"x-gzip", 6}, ENCODING_GZIP},
        {{"deflate", 7}, ENCODING_DEFLATE}, {{"zstd", 4}, ENCODING_ZSTD},
    };
    *out = ENCODING_IDENTITY;
    struct slice given = content_encoding;
    while (given.len != 0 && is_blank(given.data[0])) {
        given = slice_make(given.data + 1, given.len - 1);
    }
    while (given.len != 0 && is_blank(given.data[given.len - 1])) {
        given.len--;
    }
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        if (given.len == tokens[i].token.len &&
            (given.len == 0 || strncasecmp(given.data, tokens[i].token.data, given.len) == 0)) {
            *out = tokens[i].encoding;
            return true;
        }
    }
    return false;
}

/* Where decoded bytes go. */
struct sink {
    struct buf *out;
    size_t end;   /* out is full at this length */
    size_t first; /* room to begin with */
    char past;    /* place for the byte too many */
};

static bool sink_grow(struct sink *sink)
{
    struct buf *out = sink->out;
    size_t wanted = out->cap <= SIZE_MAX / 2 ? out->cap * 2 : SIZE_MAX;
    if (wanted - out->len < sink->first) {
        wanted = out->len + sink->first;
    }
    size_t cap = wanted < sink->end ? wanted : sink->end;
    char *grown = realloc(out->data, cap);
    if (grown == NULL) {
        return false;
    }
    out->data = grown;
    out->cap = cap;
    return true;
}

/* The place for the next bytes, and how many: at least one. NULL when out of memory. */
static char *sink_room(struct sink *sink, size_t *room)
{
    struct buf *out = sink->out;
    if (out->len == sink->end) {
        *room = 1;
        return &sink->past;
    }
    if (out->len == out->cap && !sink_grow(sink)) {
        *room = 0;
        return NULL;
    }
    *room = (out->cap < sink->end ? out->cap : sink->end) - out->len;
    return out->data + out->len;
}

/* Takes what was written to the room. False when that was the byte too many. */
static bool sink_take(struct sink *sink, const char *room, size_t wrote)
{
    if (room == &sink->past) {
        return wrote == 0;
    }
    sink->out->len += wrote;
    return true;
}

static enum encoding_result malformed(const char **fault, const char *what)
{
    *fault = what;
    return ENCODING_MALFORMED;
}

static enum encoding_result copy(struct slice in, struct sink *sink)
{
    if (in.len > sink->end - sink->out->len) {
        return ENCODING_TOO_LARGE;
    }
    sink->first = in.len;
    while (in.len != 0) {
        size_t room;
        char *to = sink_room(sink, &room);
        if (to == NULL) {
            return ENCODING_NO_MEMORY;
        }
        size_t n = in.len < room ? in.len : room;
        memcpy(to, in.data, n);
        sink_take(sink, to, n);
        in = slice_make(in.data + n, in.len - n);
    }
    return ENCODING_OK;
}

/* What is said about the three forms of deflated data. */
struct zlib_format {
    int window_bits;
    bool members; /* another stream may follow */
    const char *cut_short;
    const char *trailing;
    const char *damaged;
};

static const struct zlib_format gzip_format = {
    .window_bits = WINDOW_BITS + GZIP_ONLY,
    .members = true,
    .cut_short = "gzip: the body ends in the middle of the data",
    .trailing = "gzip: bytes follow the end of the data that are not another gzip member",
    .damaged = "gzip: the data is damaged, or its checksum or length does not match",
};

static const struct zlib_format deflate_format = {
    .window_bits = WINDOW_BITS,
    .cut_short = "deflate: the body ends in the middle of the data",
    .trailing = "deflate: bytes follow the end of the data",
    .damaged = "deflate: the data is damaged, or its checksum does not match",
};

static const struct zlib_format raw_deflate_format = {
    .window_bits = -WINDOW_BITS,
    .cut_short = "deflate: the body has no zlib header, and as raw deflate it ends in the middle",
    .trailing = "deflate: the body has no zlib header, and bytes follow it as raw deflate",
    .damaged = "deflate: the body is neither zlib data (RFC 1950) nor raw deflate (RFC 1951)",
};

static bool starts_gzip(const Bytef *bytes, size_t len)
{
    return len >= 2 && memcmp(bytes, GZIP_MAGIC, 2) == 0;
}

/* Raw deflate with such a beginning would be a stored block whose padding bits are not zero; no
 * encoder writes that. */
static bool starts_zlib(const Bytef *bytes, size_t len)
{
    return len >= 2 && (bytes[0] & 0x0f) == Z_DEFLATED && bytes[0] >> 4 <= WINDOW_BITS - 8 &&
           (bytes[0] * 256U + bytes[1]) % 31 == 0;
}

/* What inflate's answer means; *more when it is to be called again. */
static enum encoding_result judge_zlib(z_stream *z, int answer, const struct zlib_format *format,
                                       bool *more, const char **fault)
{
    *more = false;
    switch (answer) {
    case Z_STREAM_END:
        if (z->avail_in == 0) {
            return ENCODING_OK;
        }
        if (!format->members || !starts_gzip(z->next_in, z->avail_in)) {
            return malformed(fault, format->trailing);
        }
        *more = inflateReset(z) == Z_OK;
        return *more ? ENCODING_OK : malformed(fault, format->damaged);
    case Z_OK:
    case Z_BUF_ERROR:
        *more = z->avail_out == 0;
        return *more ? ENCODING_OK : malformed(fault, format->cut_short);
    case Z_NEED_DICT:
        return malformed(fault, "deflate: the data needs a preset dictionary; send it without");
    case Z_MEM_ERROR:
        return ENCODING_NO_MEMORY;
    default:
        return malformed(fault, format->damaged);
    }
}

static enum encoding_result inflate_zlib(const struct zlib_format *format, struct slice in,
                                         struct sink *sink, const char **fault)
{
    z_stream z = {.next_in = (const Bytef *)in.data, .avail_in = (uInt)in.len};
    if (inflateInit2(&z, format->window_bits) != Z_OK) {
        return ENCODING_NO_MEMORY;
    }
    enum encoding_result result;
    bool more;
    do {
        size_t room;
        char *to = sink_room(sink, &room);
        if (to == NULL) {
            result = ENCODING_NO_MEMORY;
            break;
        }
        uInt given = room < UINT_MAX ? (uInt)room : UINT_MAX;
        z.next_out = (Bytef *)to;
        z.avail_out = given;
        /* Z_FINISH spares the window when all comes at once; it may be said again and again. */
        int answer = inflate(&z, Z_FINISH);
        if (!sink_take(sink, to, given - z.avail_out)) {
            result = ENCODING_TOO_LARGE;
            break;
        }
        result = judge_zlib(&z, answer, format, &more, fault);
    } while (more);
    inflateEnd(&z);
    return result;
}

static enum encoding_result inflate_gzip(struct slice in, struct sink *sink, const char **fault)
{
    if (!starts_gzip((const Bytef *)in.data, in.len)) {
        return malformed(fault, "gzip: the body does not begin with a gzip header (1f 8b)");
    }
    return inflate_zlib(&gzip_format, in, sink, fault);
}

static enum encoding_result inflate_deflate(struct slice in, struct sink *sink, const char **fault)
{
    bool zlib = starts_zlib((const Bytef *)in.data, in.len);
    return inflate_zlib(zlib ? &deflate_format : &raw_deflate_format, in, sink, fault);
}

/* The library also reads formats older than RFC 8878, and those without heed to the window's bound:
 * no other magic number may come to it. */
static bool starts_zstd(const char *bytes, size_t len)
{
    if (len < 4) {
        return false;
    }
    uint32_t magic = 0;
    for (unsigned i = 0; i < 4; i++) {
        magic |= (uint32_t)(unsigned char)bytes[i] << (8 * i);
    }
    return magic == ZSTD_MAGIC || (magic & ~UINT32_C(15)) == ZSTD_SKIPPABLE;
}

static enum encoding_result judge_zstd_error(size_t code, const char **fault)
{
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return ENCODING_NO_MEMORY;
    case ZSTD_error_frameParameter_windowTooLarge:
        return malformed(fault, "zstd: the window is larger than 8 MiB; use windowLog 23 or less");
    case ZSTD_error_dictionary_wrong:
        return malformed(fault, "zstd: the data needs a dictionary; send it without");
    case ZSTD_error_checksum_wrong:
        return malformed(fault, "zstd: the checksum does not match");
    default:
        return malformed(fault, "zstd: the data is damaged");
    }
}

static enum encoding_result stream_zstd(ZSTD_DCtx *context, struct slice in, struct sink *sink,
                                        const char **fault)
{
    ZSTD_inBuffer from = {in.data, in.len, 0};
    size_t wants = 0; /* of this frame; 0: between two */
    while (wants != 0 || from.pos < from.size) {
        if (wants == 0 && !starts_zstd(in.data + from.pos, from.size - from.pos)) {
            return malformed(fault,
                             from.pos == 0
                                 ? "zstd: the body does not begin with a zstd frame (28 b5 2f fd)"
                                 : "zstd: bytes follow the end of the data that are not a frame");
        }
        size_t room;
        char *place = sink_room(sink, &room);
        if (place == NULL) {
            return ENCODING_NO_MEMORY;
        }
        ZSTD_outBuffer to = {place, room, 0};
        wants = ZSTD_decompressStream(context, &to, &from);
        if (ZSTD_isError(wants)) {
            return judge_zstd_error(wants, fault);
        }
        if (!sink_take(sink, place, to.pos)) {
            return ENCODING_TOO_LARGE;
        }
        if (wants != 0 && from.pos == from.size && to.pos < to.size) {
            return malformed(fault, "zstd: the body ends in the middle of the data");
        }
    }
    return ENCODING_OK;
}

static enum encoding_result inflate_zstd(struct slice in, struct sink *sink, const char **fault)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL) {
        return ENCODING_NO_MEMORY;
    }
    enum encoding_result result = ENCODING_NO_MEMORY;
    if (!ZSTD_isError(
            ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ENCODING_WINDOW_LOG_MAX))) {
        result = stream_zstd(context, in, sink, fault);
    }
    ZSTD_freeDCtx(context);
    return result;
}

static enum encoding_result inflate_any(enum encoding encoding, struct slice in, struct sink *sink,
                                        const char **fault)
{
    if (encoding == ENCODING_IDENTITY) {
        return copy(in, sink);
    }
    if (in.len > UINT_MAX) {
        return ENCODING_TOO_LARGE;
    }
    if (in.len == 0) {
        return malformed(fault, "the body is empty though it has a Content-Encoding");
    }
    switch (encoding) {
    case ENCODING_GZIP:
        return inflate_gzip(in, sink, fault);
    case ENCODING_DEFLATE:
        return inflate_deflate(in, sink, fault);
    case ENCODING_ZSTD:
        return inflate_zstd(in, sink, fault);
    case ENCODING_IDENTITY:
    case ENCODING_COUNT:
        break;
    }
    return malformed(fault, "the encoding is not known");
}

enum encoding_result encoding_inflate(enum encoding encoding, struct slice in, size_t max,
                                      struct buf *out, const char **fault)
{
    *fault = NULL;
    if (out->failed) {
        return ENCODING_NO_MEMORY;
    }
    size_t before = out->len;
    struct sink sink = {
        .out = out,
        .end = max < SIZE_MAX - before ? before + max : SIZE_MAX,
        .first = in.len < SIZE_MAX / 16 ? in.len * FIRST_ROOM_FACTOR + FIRST_ROOM_MIN : in.len,
    };
    enum encoding_result result = inflate_any(encoding, in, &sink, fault);
    if (result != ENCODING_OK) {
        out->len = before;
    }
    return result;
}
