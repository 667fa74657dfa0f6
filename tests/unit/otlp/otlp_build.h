/* otlp_build.h: requests built by hand from the inside out, and what is expected of them. For
 * tests.
 */
#ifndef SIGPOST_TESTS_OTLP_BUILD_H
#define SIGPOST_TESTS_OTLP_BUILD_H

#include "base/buf.h"
#include "otlp/validate.h"
#include "otlp/wire.h"

#include <criterion/criterion.h>

/* Wraps what b holds as the length-delimited field `number`. */
static inline void wrap(struct buf *b, uint32_t number)
{
    struct buf outer = BUF_INIT;
    wire_put_bytes(&outer, number, buf_slice(b));
    buf_free(b);
    *b = outer;
}

static inline void put_varint(struct buf *b, uint32_t number, uint64_t value)
{
    wire_put_tag(b, number, WIRE_VARINT);
    wire_put_varint(b, value);
}

static inline void put_fixed64(struct buf *b, uint32_t number, uint64_t value)
{
    wire_put_tag(b, number, WIRE_FIXED64);
    buf_append(b, &value, sizeof(value));
}

/* Request { resource_metrics { scope_metrics { metrics { … } } } } around what b holds. */
static inline void wrap_metric(struct buf *b)
{
    wrap(b, 2);
    wrap(b, 2);
    wrap(b, 1);
}

static inline bool check(enum signal signal, struct slice body, struct validation *out)
{
    return validate_request(signal, (const uint8_t *)body.data, body.len, out);
}

/* Frees b. */
static inline void expect_valid(enum signal signal, struct buf *b, uint64_t items)
{
    struct validation out;
    cr_assert(check(signal, buf_slice(b), &out), "%s", out.fault);
    cr_assert_str_empty(out.fault);
    cr_assert_eq(out.items, items, "%lu items", (unsigned long)out.items);
    buf_free(b);
}

static inline void expect_fault(enum signal signal, struct buf *b, const char *fault)
{
    struct validation out;
    cr_assert_not(check(signal, buf_slice(b), &out));
    cr_assert_str_eq(out.fault, fault);
    cr_assert_eq(out.items, 0);
    buf_free(b);
}

#endif
