/* manual.h: writes manual pages in the macros of man(7), which groff and mandoc read.
 *
 *     manual_head(out, "sigpostctl", 1, "manages the keys of sigpost");
 *     manual_section(out, "DESCRIPTION");
 *     manual_paragraph(out, "...");
 *
 * Texts are plain; what is special to roff is escaped here. `code` in backticks becomes bold,
 * [words](target) becomes the words.
 */
#ifndef SIGPOST_BASE_MANUAL_H
#define SIGPOST_BASE_MANUAL_H

#include "base/buf.h"
#include "base/help_text.h"

void manual_head(struct buf *out, const char *name, int section, const char *brief);
void manual_section(struct buf *out, const char *title);
void manual_subsection(struct buf *out, const char *title);
void manual_paragraph(struct buf *out, struct slice text);

/* A term, options bold and placeholders italic, and its text. */
void manual_item(struct buf *out, struct slice term, struct slice text);

/* Lines that keep their form. */
void manual_example(struct buf *out, const char *lines);

/* The parts of a help text of one kind, in order. */
void manual_help(struct buf *out, const char *help, const char *program, enum help_kind kind);

/* All of a help text but its synopses, in order: a text may announce the items behind it. */
void manual_help_body(struct buf *out, const char *help, const char *program);

/* SEE ALSO: "name(1)", comma-separated. */
void manual_see_also(struct buf *out, const char *pages);

#endif
