/* json_number.c: see json_number.h. A number is split into digits and a power of ten, which settles
 * every integer exactly and most doubles: digits below 2^53 and a power of ten up to 10^22 are both
 * exact as doubles, so that one rounded multiplication or division gives the nearest one. The rest
 * is strtod's, which glibc rounds correctly.
 */
#include "otlp/json_number.h"

#include "otlp/json.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

_Static_assert(FLT_EVAL_METHOD == 0, "a double operation must round once");

#define EXPONENT_MAX INT64_C(1000000000000) /* stands for all beyond; no text is so long */

/* digits * 10^exponent; digits does not end with 0 unless it is 0. */
struct decimal {
    uint64_t digits;
    int64_t exponent;
    bool negative;
    bool overflow; /* digits do not fit 64 bits and are not given */
};

/* Appends a digit to the number, `zeros` noughts before it. */
static void append_digit(struct decimal *d, uint64_t zeros, unsigned digit)
{
    for (; zeros > 0 && d->digits != 0 && !d->overflow; zeros--) {
        d->overflow = __builtin_mul_overflow(d->digits, 10, &d->digits);
    }
    d->overflow = d->overflow || __builtin_mul_overflow(d->digits, 10, &d->digits) ||
                  __builtin_add_overflow(d->digits, digit, &d->digits);
}

/* The number behind 'e', from one sign at most to the end. */
static int64_t read_exponent(const char *at, const char *end)
{
    bool negative = *at == '-';
    int64_t value = 0;
    for (at += negative || *at == '+' ? 1 : 0; at != end && value < EXPONENT_MAX; at++) {
        value = value * 10 + (*at - '0');
    }
    return negative ? -value : value;
}

static struct decimal read_decimal(struct slice number)
{
    struct decimal d = {0, 0, false, false};
    const char *at = number.data;
    const char *end = at + number.len;
    uint64_t zeros = 0; /* not yet known to be inside */
    int64_t fraction = 0;
    bool in_fraction = false;
    d.negative = *at == '-';
    for (at += d.negative ? 1 : 0; at != end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            in_fraction = true;
            continue;
        }
        fraction += in_fraction ? 1 : 0;
        if (*at == '0') {
            zeros++;
        } else {
            append_digit(&d, zeros, (unsigned)(*at - '0'));
            zeros = 0;
        }
    }
    d.exponent = (int64_t)zeros - fraction;
    d.exponent += at != end ? read_exponent(at + 1, end) : 0;
    return d;
}

enum json_whole json_whole(struct slice number, bool *negative, uint64_t *magnitude)
{
    struct decimal d = read_decimal(number);
    *negative = d.negative;
    *magnitude = d.overflow ? 0 : d.digits;
    if (d.digits == 0 && !d.overflow) {
        return JSON_WHOLE;
    }
    if (d.exponent < 0) {
        return JSON_FRACTION;
    }
    bool overflow = d.overflow;
    for (; d.exponent > 0 && !overflow; d.exponent--) {
        overflow = __builtin_mul_overflow(*magnitude, 10, magnitude);
    }
    return overflow ? JSON_TOO_LARGE : JSON_WHOLE;
}

static bool exact_double(const struct decimal *d, double *value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->overflow || d->digits >> DBL_MANT_DIG != 0 || d->exponent < -22 || d->exponent > 22) {
        return false;
    }
    double digits = (double)d->digits;
    double size = d->exponent < 0 ? digits / powers[-d->exponent] : digits * powers[d->exponent];
    *value = d->negative ? -size : size;
    return true;
}

bool json_double(struct slice number, double *value)
{
    *value = 0;
    if (number.len > JSON_DOUBLE_MAX) {
        return false;
    }
    struct decimal d = read_decimal(number);
    if (exact_double(&d, value)) {
        return true;
    }
    char text[JSON_DOUBLE_MAX + 1];
    memcpy(text, number.data, number.len);
    text[number.len] = '\0';
    /* LC_NUMERIC is "C", for no part of sigpost calls setlocale; under another, which may want a
     * comma, the number would not be read to its end. */
    char *end;
    *value = strtod(text, &end);
    return *end == '\0' && isfinite(*value);
}
