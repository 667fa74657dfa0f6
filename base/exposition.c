/* exposition.c: see exposition.h. Escaping copies whole runs, so that plain text costs one append.
 */
#include "base/exposition.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LARGEST_WHOLE 9007199254740992.0 /* 2^53 */

/* Label values escape the quote, HELP texts do not (text format 0.0.4). */
static const char *escape_of(char c, bool quotes)
{
    switch (c) {
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '"':
        return quotes ? "\\\"" : NULL;
    default:
        return NULL;
    }
}

static void append_escaped(struct buf *out, struct slice text, bool quotes)
{
    size_t run = 0;
    size_t at = 0;
    while (at < text.len) {
        const char *escape = escape_of(text.data[at], quotes);
        size_t n = utf8_sequence(text.data + at, text.len - at);
        if (escape == NULL && n != 0) {
            at += n;
            continue;
        }
        buf_append(out, text.data + run, at - run);
        buf_append_str(out, escape != NULL ? escape : UTF8_REPLACEMENT);
        at++;
        run = at;
    }
    if (run < text.len) {
        buf_append(out, text.data + run, text.len - run);
    }
}

/* The shortest of 15 to 17 digits that reads back as the same double. */
static void format_double(char out[40], double value)
{
    if (isnan(value)) {
        snprintf(out, 40, "NaN");
    } else if (isinf(value)) {
        snprintf(out, 40, value > 0 ? "+Inf" : "-Inf");
    } else if (fabs(value) <= LARGEST_WHOLE && value == floor(value)) {
        snprintf(out, 40, "%lld", (long long)value);
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(out, 40, "%.*g", digits, value);
            if (strtod(out, NULL) == value) {
                break;
            }
        }
    }
}

void exposition_family(struct buf *out, struct slice name, struct slice help, const char *type)
{
    if (help.data != NULL) {
        buf_append_str(out, "# HELP ");
        buf_append_slice(out, name);
        buf_append_char(out, ' ');
        append_escaped(out, help, false);
        buf_append_char(out, '\n');
    }
    buf_append_str(out, "# TYPE ");
    buf_append_slice(out, name);
    buf_append_char(out, ' ');
    buf_append_str(out, type);
    buf_append_char(out, '\n');
}

static void append_label(struct buf *out, bool first, struct slice name, struct slice value)
{
    buf_append_char(out, first ? '{' : ',');
    buf_append_slice(out, name);
    buf_append_str(out, "=\"");
    append_escaped(out, value, true);
    buf_append_char(out, '"');
}

/* le: the text of that label, or NULL for none. */
static void append_sample(struct buf *out, struct slice name, const char *suffix,
                          const struct exposition_label *labels, size_t n_labels, const char *le,
                          double value)
{
    char number[40];
    buf_append_slice(out, name);
    buf_append_str(out, suffix);
    for (size_t i = 0; i < n_labels; i++) {
        append_label(out, i == 0, labels[i].name, labels[i].value);
    }
    if (le != NULL) {
        append_label(out, n_labels == 0, SLICE_LIT("le"), slice_of(le));
    }
    if (n_labels != 0 || le != NULL) {
        buf_append_char(out, '}');
    }
    format_double(number, value);
    buf_append_char(out, ' ');
    buf_append_str(out, number);
    buf_append_char(out, '\n');
}

void exposition_sample(struct buf *out, struct slice name, const char *suffix,
                       const struct exposition_label *labels, size_t n_labels, double value)
{
    append_sample(out, name, suffix, labels, n_labels, NULL, value);
}

void exposition_histogram(struct buf *out, struct slice name, const struct exposition_label *labels,
                          size_t n_labels, const double *bounds, const uint64_t *counts,
                          size_t n_bounds, double sum)
{
    uint64_t total = 0;
    char le[40];
    for (size_t i = 0; i <= n_bounds; i++) {
        total += counts[i];
        format_double(le, i < n_bounds ? bounds[i] : (double)INFINITY);
        append_sample(out, name, "_bucket", labels, n_labels, le, (double)total);
    }
    append_sample(out, name, "_sum", labels, n_labels, NULL, sum);
    append_sample(out, name, "_count", labels, n_labels, NULL, (double)total);
}
