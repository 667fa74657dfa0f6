/* export_zip.c: see export_zip.h. */
#include "otlp/export/export_zip.h"

#include <zstd.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

/* Telemetry shrinks to about a tenth; past these levels time doubles for a few percent. */
#define GZIP_LEVEL 4
#define ZSTD_LEVEL 3

#define BODY_MAX ((size_t)1 << 30)

const char *export_zip_name(enum export_zip how)
{
    switch (how) {
    case EXPORT_ZIP_GZIP:
        return "gzip";
    case EXPORT_ZIP_ZSTD:
        return "zstd";
    default:
        return NULL;
    }
}

static bool zip_gzip(struct slice body, struct buf *out)
{
    z_stream z = {0};
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    size_t room = deflateBound(&z, (uLong)body.len);
    char *to = buf_reserve(out, room);
    bool done = false;
    if (to != NULL) {
        z.next_in = (const Bytef *)body.data;
        z.avail_in = (uInt)body.len;
        z.next_out = (Bytef *)to;
        z.avail_out = (uInt)room;
        done = deflate(&z, Z_FINISH) == Z_STREAM_END;
        out->len += done ? room - z.avail_out : 0;
    }
    deflateEnd(&z);
    return done;
}

static bool zip_zstd(struct slice body, struct buf *out)
{
    size_t room = ZSTD_compressBound(body.len);
    char *to = buf_reserve(out, room);
    size_t len = to != NULL ? ZSTD_compress(to, room, body.data, body.len, ZSTD_LEVEL) : 0;
    if (to == NULL || ZSTD_isError(len) != 0) {
        return false;
    }
    out->len += len;
    return true;
}

bool export_zip(enum export_zip how, struct slice body, struct buf *out)
{
    bool done = false;
    if (body.len <= BODY_MAX) {
        done = how == EXPORT_ZIP_ZSTD ? zip_zstd(body, out) : zip_gzip(body, out);
    }
    out->failed = false; /* what is there stays good */
    return done;
}
