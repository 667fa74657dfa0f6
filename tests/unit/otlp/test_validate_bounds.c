/* test_validate_bounds.c: depth, length and time are bounded whatever is sent. */
#include "otlp_build.h"

#include <time.h>

/* A log request of `levels` messages in all, the innermost an empty one. */
static struct buf nested(unsigned levels)
{
    struct buf b = BUF_INIT;
    /* request, resource_logs, scope_logs, log_records, body are five; then array and value. */
    for (unsigned i = levels - 5; i > 0; i--) {
        wrap(&b, i % 2 == 1 ? 5 : 1); /* AnyValue.array_value, ArrayValue.values */
    }
    wrap(&b, 5);
    wrap(&b, 2);
    wrap(&b, 2);
    wrap(&b, 1);
    return b;
}

Test(validate_bounds, depth_is_bounded)
{
    struct buf b = nested(VALIDATE_DEPTH_MAX);
    expect_valid(SIGNAL_LOGS, &b, 1);
    b = nested(VALIDATE_DEPTH_MAX + 1);
    struct validation out;
    cr_assert_not(check(SIGNAL_LOGS, buf_slice(&b), &out));
    cr_assert_str_eq(out.fault, "resource_logs[0].scope_logs[0].log_records[0].body...values[0]"
                                ".array_value.values[0].array_value.values[0]"
                                ": nested deeper than 64 messages");
    buf_free(&b);
}

/* A million levels in 6 MB, each length being all the bytes that follow it. */
Test(validate_bounds, a_bomb_of_nesting_is_refused_at_once)
{
    enum { levels = 1 << 20, size = 6 };
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < levels; i++) {
        uint64_t rest = (uint64_t)(levels - 1 - i) * size;
        bool value = i == 3 || (i > 3 && i % 2 == 0); /* body, array_value; else values */
        char head[size] = {(char)(value ? 0x2a : i == 1 || i == 2 ? 0x12 : 0x0a)};
        for (int k = 1; k < size; k++, rest >>= 7) {
            head[k] = (char)((rest & 0x7f) | (k < size - 1 ? 0x80 : 0));
        }
        buf_append(&b, head, size);
    }
    struct validation out;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    cr_assert_not(check(SIGNAL_LOGS, buf_slice(&b), &out));
    clock_gettime(CLOCK_MONOTONIC, &to);
    cr_assert_not_null(strstr(out.fault, "nested deeper than 64 messages"), "%s", out.fault);
    cr_assert_lt((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000, 100);
    buf_free(&b);
}

Test(validate_bounds, many_siblings_stay_linear)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 1 << 20; i++) {
        buf_append(&b, "\x0a\x00", 2);
    }
    buf_append(&b, "\x08", 1);
    struct validation out;
    cr_assert_not(check(SIGNAL_LOGS, buf_slice(&b), &out));
    cr_assert_eq(strncmp(out.fault, "resource_logs[1048576]: ", 24), 0, "%s", out.fault);
    buf_free(&b);
}

Test(validate_bounds, a_request_past_two_gigabytes_is_not_even_read)
{
    struct validation out;
    uint8_t byte = 0;
    cr_assert_not(validate_request(SIGNAL_LOGS, &byte, (size_t)WIRE_LENGTH_MAX + 1, &out));
    cr_assert_str_eq(out.fault, "ExportLogsServiceRequest: 2147483648 bytes are past the protobuf "
                                "limit of 2147483647");
}
