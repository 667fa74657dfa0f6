/* when.h: points in time and lengths of time as an operator writes and reads them. Pure: `now_s` is
 * given. Internal to ctl/. */
#ifndef SIGPOST_CTL_WHEN_H
#define SIGPOST_CTL_WHEN_H

#include "base/result.h"

#include <stdbool.h>
#include <stdint.h>

#define WHEN_DAY INT64_C(86400)
#define WHEN_YEARS_MAX 10 /* no date or length further off is believed to be meant */

/* "30d", "12h", "90s", "0": a length up to WHEN_YEARS_MAX in whole seconds (rounded up). False and
 * a sentence that begins with `name` ("--grace"). */
bool when_length(const char *name, const char *text, int64_t *seconds, struct result *why);

/* "2026-12-31" (its first second), "2026-12-31T12:00:00Z", "now", or a length from now on: Unix
 * seconds. A point that is past is refused. */
bool when_point(const char *name, const char *text, int64_t now_s, int64_t *at, struct result *why);

#define WHEN_TEXT_MAX 32

/* A length for people, one unit: "29 days", "1 day", "5 hours", "12 minutes", "0 seconds". The sign
 * is left out. */
const char *when_text(int64_t seconds, char out[WHEN_TEXT_MAX]);

/* The same in a column: "29d", "5h", "12m", "3s". */
const char *when_short(int64_t seconds, char out[WHEN_TEXT_MAX]);

#endif
