/* exposition.h: the one writer of the Prometheus text format, version 0.0.4.
 *
 * Both the gateway's own metrics (base/metrics) and the fleet series (otlp/destination_fleet) are
 * written by it. Pure; errors are sticky in the buf.
 */
#ifndef SIGPOST_BASE_EXPOSITION_H
#define SIGPOST_BASE_EXPOSITION_H

#include "base/buf.h"

#include <stdint.h>

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct exposition_label {
    struct slice name;  /* [a-zA-Z_][a-zA-Z0-9_]*, the caller's duty */
    struct slice value; /* any bytes: escaped, and what is not UTF-8 is replaced */
};

/* Writes "# HELP" (left out when help is absent) and "# TYPE"; type is "counter", "gauge",
 * "histogram". */
void exposition_family(struct buf *out, struct slice name, struct slice help, const char *type);

/* Writes one sample line: name, suffix ("" or "_bucket"…), labels, value. Whole numbers up to 2^53
 * are written without a point; NaN, +Inf, -Inf as the format spells them. */
void exposition_sample(struct buf *out, struct slice name, const char *suffix,
                       const struct exposition_label *labels, size_t n_labels, double value);

/* Writes a whole histogram: `counts` holds n_bounds + 1 cells, each the number of observations in
 * its own bucket (not cumulative), the last one for +Inf. A label "le" is added behind `labels`. */
void exposition_histogram(struct buf *out, struct slice name, const struct exposition_label *labels,
                          size_t n_labels, const double *bounds, const uint64_t *counts,
                          size_t n_bounds, double sum);

#endif
