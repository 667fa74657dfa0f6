/* encoding.h: the content encodings of request bodies, and their bounded inflation.
 *
 * gzip (RFC 1952; several members in a row are one body), deflate (zlib format as HTTP has it,
 * RFC 9110; raw deflate, which some clients send under that name, is taken too) and zstd (RFC 8878;
 * several frames and skippable frames are one body; no dictionaries; windows up to 8 MiB, as
 * RFC 9659 has it for HTTP).
 *
 * Thread: any; no state is kept between bodies. A kept context would save nothing for gzip (0.1 of
 * 4.5 us for 2 KB) and 9 of 12 us for zstd, at the price of a window of up to 8 MiB a worker.
 */
#ifndef SIGPOST_OTLP_ENCODING_H
#define SIGPOST_OTLP_ENCODING_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

#define ENCODING_WINDOW_LOG_MAX 23 /* of zstd: 8 MiB */

enum encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_DEFLATE, ENCODING_ZSTD, ENCODING_COUNT };

enum encoding_result {
    ENCODING_OK,
    ENCODING_TOO_LARGE, /* it would be more than max */
    ENCODING_MALFORMED,
    ENCODING_NO_MEMORY,
};

/* Metric label and token: "identity", "gzip", "deflate", "zstd". Never NULL. */
const char *encoding_name(enum encoding encoding);

/* The encoding that a Content-Encoding header's value names, in any case, blanks around it ignored:
 * absent, empty and "identity" are identity, "x-gzip" is gzip. False for anything else, lists too;
 * *out is identity then. That the header is there once only is the caller's to check. */
bool encoding_of(struct slice content_encoding, enum encoding *out);

/* Appends the decoded body to out: at most max bytes, and no more memory for them than max and what
 * out held before; realloc may need the former half beside it for a moment. The library takes up to
 * 50 KB for gzip and deflate, up to 9 MiB for zstd, until the return.
 *
 * MALFORMED (cut short, bytes behind the end, a checksum that does not match, an empty body that is
 * not identity): *fault is a sentence for the client, a literal; NULL on the other paths. Unless OK
 * out has the content it had. Encoded bodies past 4 GiB are TOO_LARGE. */
enum encoding_result encoding_inflate(enum encoding encoding, struct slice in, size_t max,
                                      struct buf *out, const char **fault);

#endif
