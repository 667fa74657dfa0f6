/* test_status.c: what is written is read back by the generated code. */
#include "otlp/status.h"

#include <criterion/criterion.h>
#include <otlp/proto/status.pb-c.h>

/* Encodes, decodes with the generated code and compares. */
static void expect_status(int code, struct slice message, const char *text)
{
    struct buf out = BUF_INIT;
    status_encode(&out, code, message);
    cr_assert_not(out.failed);
    Google__Rpc__Status *status =
        google__rpc__status__unpack(NULL, out.len, (const uint8_t *)buf_slice(&out).data);
    cr_assert_not_null(status);
    cr_assert_eq(status->code, code);
    cr_assert_str_eq(status->message, text);
    cr_assert_eq(out.len, google__rpc__status__get_packed_size(status), "the shortest form");
    google__rpc__status__free_unpacked(status, NULL);
    buf_free(&out);
}

Test(status, the_generated_code_reads_it)
{
    static char longer[] =
        "resource_metrics[0].scope_metrics[2].metrics[5].name: invalid UTF-8, and "
        "so long a sentence that its length takes two bytes on the wire";
    expect_status(0, SLICE_LIT(""), "");
    expect_status(0, slice_make(NULL, 0), "");
    expect_status(STATUS_INVALID_ARGUMENT, SLICE_LIT("invalid UTF-8"), "invalid UTF-8");
    expect_status(STATUS_UNAUTHENTICATED, slice_of(longer), longer);
    expect_status(STATUS_UNAVAILABLE, SLICE_LIT("caf\xc3\xa9"), "caf\xc3\xa9");
    expect_status(-1, SLICE_LIT("a negative code takes ten bytes"),
                  "a negative code takes ten bytes");
}

Test(status, what_is_not_utf8_is_replaced)
{
    expect_status(3, SLICE_LIT("a\xff\xfe\xc3\xa9\xe2\x82"),
                  "a\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd");
}

Test(status, it_appends)
{
    struct buf out = BUF_INIT;
    buf_append_str(&out, "x");
    status_encode(&out, 3, SLICE_LIT("no"));
    cr_assert(slice_eq(buf_slice(&out), slice_make("x\x08\x03\x12\x02no", 7)));
    buf_free(&out);
}

static void expect_json(int code, struct slice message, const char *text)
{
    struct buf out = BUF_INIT;
    status_encode_json(&out, code, message);
    cr_assert_str_eq(buf_cstr(&out), text);
    buf_free(&out);
}

Test(status, json)
{
    expect_json(3, SLICE_LIT("no"), "{\"code\":3,\"message\":\"no\"}");
    expect_json(0, slice_make(NULL, 0), "{\"code\":0,\"message\":\"\"}");
    expect_json(14, SLICE_LIT("say \"later\"\n\\\x01\xff"),
                "{\"code\":14,\"message\":\"say \\\"later\\\"\\n\\\\\\u0001\xef\xbf\xbd\"}");
}

Test(status, failures_stick)
{
    struct buf out = BUF_INIT;
    out.failed = true;
    status_encode(&out, 3, SLICE_LIT("no\xff"));
    status_encode_json(&out, 3, SLICE_LIT("no"));
    cr_assert(out.failed);
    cr_assert_eq(out.len, 0);
}
