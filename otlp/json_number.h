/* json_number.h: what a JSON number means: an exact integer, or the nearest double.
 *
 * The text given is a number by the grammar of JSON (json_lex.h). Internal to otlp/json. Thread:
 * any; pure.
 */
#ifndef SIGPOST_OTLP_JSON_NUMBER_H
#define SIGPOST_OTLP_JSON_NUMBER_H

#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum json_whole { JSON_WHOLE, JSON_FRACTION, JSON_TOO_LARGE };

/* The number as sign and magnitude when it is whole (1.0 and 1e3 are) and fits 64 bits. */
enum json_whole json_whole(struct slice number, bool *negative, uint64_t *magnitude);

/* The nearest double; false when it is longer than JSON_DOUBLE_MAX or past the largest one. */
bool json_double(struct slice number, double *value);

#endif
