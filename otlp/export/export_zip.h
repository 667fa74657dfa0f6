/* export_zip.h: the content encodings in which bodies are sent. Each body is one stream; no state
 * is kept between two. Thread: any. */
#ifndef SIGPOST_OTLP_EXPORT_ZIP_H
#define SIGPOST_OTLP_EXPORT_ZIP_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>

enum export_zip { EXPORT_ZIP_NONE, EXPORT_ZIP_GZIP, EXPORT_ZIP_ZSTD };

/* The value of Content-Encoding; NULL for none. */
const char *export_zip_name(enum export_zip how);

/* Appends the body to out, compressed; not for none. False when out of memory or past
 * 1 GiB: out has the content it had. */
bool export_zip(enum export_zip how, struct slice body, struct buf *out);

#endif
