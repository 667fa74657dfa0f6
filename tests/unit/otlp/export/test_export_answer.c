/* test_export_answer.c: successes with and without a remark, errors, hostile bodies. */
#include "otlp/export/export_answer.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define PROTOBUF SLICE_LIT("application/x-protobuf")
#define NONE ((struct slice){0})
#define BYTES(text) slice_make(text, sizeof(text) - 1)

static struct export_answer read_as(enum signal signal, int status, struct slice type,
                                    struct slice body)
{
    struct export_answer out;
    export_answer_read(signal, status, type, body, &out);
    return out;
}

Test(export_answer, empty_success_is_whole_success)
{
    for (unsigned s = 0; s < SIGNAL_COUNT; s++) {
        static const char *const types[] = {NULL, "application/x-protobuf", "application/json",
                                            "text/plain"};
        for (size_t i = 0; i < 4; i++) {
            struct export_answer a = read_as((enum signal)s, 200, slice_of(types[i]), BYTES(""));
            cr_expect_eq(a.rejected, 0);
            cr_expect_str_empty(a.message);
            cr_expect_not(a.unclear);
            cr_expect_not(a.foreign);
        }
    }
}

Test(export_answer, partial_success_of_each_signal)
{
    for (unsigned s = 0; s < SIGNAL_COUNT; s++) {
        struct export_answer a =
            read_as((enum signal)s, 200, PROTOBUF, BYTES("\x0a\x08\x08\xac\x02\x12\x03why"));
        cr_expect_eq(a.rejected, 300);
        cr_expect_str_eq(a.message, "why");
        a = read_as((enum signal)s, 200, PROTOBUF, BYTES("\x0a\x05\x12\x03why"));
        cr_expect_eq(a.rejected, 0);
        cr_expect_str_eq(a.message, "why", "a remark without a loss");
    }
}

Test(export_answer, a_negative_count_is_none)
{
    struct export_answer a = read_as(SIGNAL_METRICS, 200, PROTOBUF,
                                     BYTES("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
    cr_expect_eq(a.rejected, 0);
    cr_expect_not(a.unclear);
}

Test(export_answer, the_media_type_decides_how_to_read)
{
    struct slice partial = BYTES("\x0a\x02\x08\x07");
    cr_expect_eq(read_as(SIGNAL_LOGS, 200, NONE, partial).rejected, 7);
    cr_expect_eq(
        read_as(SIGNAL_LOGS, 200, SLICE_LIT("Application/X-Protobuf; v=1"), partial).rejected, 7);
    struct export_answer a = read_as(SIGNAL_LOGS, 200, SLICE_LIT("application/json"), BYTES("{}"));
    cr_expect(a.unclear);
    cr_expect(read_as(SIGNAL_LOGS, 200, SLICE_LIT("application/x-protobuffer"), partial).unclear);
    a = read_as(SIGNAL_LOGS, 200, SLICE_LIT("text/html; charset=utf-8"), BYTES("<html>"));
    cr_expect(a.foreign);
}

Test(export_answer, errors_tell_the_status_message_or_their_text)
{
    struct export_answer a =
        read_as(SIGNAL_TRACES, 400, PROTOBUF, BYTES("\x08\x03\x12\x09point bad"));
    cr_expect_str_eq(a.message, "point bad");
    a = read_as(SIGNAL_TRACES, 503, SLICE_LIT("text/plain"), BYTES("  upstream\r\n\tis  gone\n"));
    cr_expect_str_eq(a.message, "upstream is gone");
    a = read_as(SIGNAL_TRACES, 502, SLICE_LIT("text/html"), BYTES("<html>Bad Gateway"));
    cr_expect(a.foreign);
    cr_expect_str_empty(a.message, "no page of HTML in a log line");
    a = read_as(SIGNAL_TRACES, 400, NONE, BYTES("nul\0and \xff\xc3\xa9\x7f."));
    cr_expect_str_eq(a.message, "nul and \xc3\xa9 .");
}

Test(export_answer, long_messages_are_cut_at_a_whole_character)
{
    static char text[1000];
    for (size_t i = 0; i + 1 < sizeof(text); i += 2) {
        text[i] = '\xc3';
        text[i + 1] = '\xa9';
    }
    struct export_answer a = read_as(SIGNAL_METRICS, 400, NONE, slice_make(text, sizeof(text)));
    cr_expect_eq(strlen(a.message), EXPORT_ANSWER_MESSAGE_MAX - 2);
}

/* Whatever bytes: no crash, no read past the end (exact heap blocks under ASan), no leak. */
Test(export_answer, hostile_bodies_are_harmless)
{
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)(round % 40);
        char *body = malloc(len != 0 ? len : 1);
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1103515245 + 12345;
            body[i] = (char)(i == 0 ? 0x0a : (seed >> 16) & 0xff);
        }
        struct export_answer a = read_as((enum signal)(round % 3), round % 2 ? 200 : 400, PROTOBUF,
                                         slice_make(body, len));
        cr_assert_lt(strlen(a.message), EXPORT_ANSWER_MESSAGE_MAX);
        free(body);
    }
}
