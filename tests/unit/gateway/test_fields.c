/* test_fields.c: user and target as a form and as JSON, and everything that is neither. */
#include "gateway/fields.h"

#include "base/buf.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct fields fields;
static struct result why;

/* From a copy that ends where the body ends, so that reading past it is seen. */
static bool read(bool (*from)(struct slice body, struct fields *out, struct result *why),
                 struct slice body)
{
    char *copy = malloc(body.len != 0 ? body.len : 1);
    memcpy(copy, body.data, body.len);
    why = RESULT_INIT;
    bool good = from(slice_make(copy, body.len), &fields, &why);
    cr_assert_eq(good, why.text[0] == '\0');
    free(copy);
    return good;
}

#define FORM(text) read(fields_from_form, SLICE_LIT(text))
#define JSON(text) read(fields_from_json, SLICE_LIT(text))

static void expect(const char *user, const char *target)
{
    cr_expect_eq(fields.has_user, user != NULL);
    cr_expect_eq(fields.has_target, target != NULL);
    cr_expect_str_eq(fields.user, user != NULL ? user : "");
    cr_expect_str_eq(fields.target, target != NULL ? target : "");
}

Test(fields, forms)
{
    cr_expect(FORM(""));
    expect(NULL, NULL);
    cr_expect(FORM("user=Vera&target=M+31"));
    expect("Vera", "M 31");
    cr_expect(FORM("target=%4d%2031&&x=%zz&user=%56era\r\n"));
    expect("Vera", "M 31");
    cr_expect(FORM("user=+Vera%0A&target="));
    expect("Vera", "");
    cr_expect(FORM("user=a%26b%3dc&userx=1&User=2&target"));
    expect("a&b=c", "");
    cr_expect(FORM("user=%C3%A9"));
    expect("\xc3\xa9", NULL);
    cr_expect(FORM("&&&"));
    expect(NULL, NULL);
}

Test(fields, bad_forms)
{
    static const char *const bad[] = {"user",          "user=",        "user=%",    "user=%4",
                                      "user=%4g",      "user=%g4",     "user=a%",   "user=a%00",
                                      "user=a&user=a", "user=a&user=", "user=%ff",  "user=%c2%85",
                                      "target=a%09b",  "user=%0a",     "target=%7f"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect(!read(fields_from_form, slice_of(bad[i])), "%s", bad[i]);
    }
    cr_expect(!FORM("target=x&target=x"));
    cr_expect_str_eq(why.text, "target comes twice; send it once");
    cr_expect(!FORM("user=%zz"));
    cr_expect_str_eq(why.text, "user is too long or has a broken %-escape");
}

Test(fields, json)
{
    cr_expect(JSON(""));
    expect(NULL, NULL);
    cr_expect(JSON("  \n"));
    cr_expect(JSON("{}"));
    expect(NULL, NULL);
    cr_expect(
        JSON("{\"user\": \"Vera\", \"target\": \"M\\u00a031\", \"more\": [1, {\"user\": 2}]}"));
    expect("Vera", "M\xc2\xa0"
                   "31");
    cr_expect(JSON("{\"target\": \"\"}"));
    expect(NULL, "");
}

Test(fields, bad_json)
{
    static const char *const bad[] = {"{",
                                      "[]",
                                      "\"user\"",
                                      "1",
                                      "null",
                                      "{} x",
                                      "{'user': 'a'}",
                                      "{\"user\": null}",
                                      "{\"user\": [\"a\"]}",
                                      "{\"user\": \"\"}",
                                      "{\"user\": \"a\", \"user\": \"b\"}",
                                      "{\"user\": \"\\u0000\"}",
                                      "{\"user\": \"\\ud800\"}",
                                      "{\"user\": \"\xff\"}",
                                      "{\"target\": \"\\u0007\"}",
                                      "{\"target\": 1}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect(!read(fields_from_json, slice_of(bad[i])), "%s", bad[i]);
    }
}

static bool takes_length(const char *name, size_t len)
{
    struct buf body = BUF_INIT;
    buf_printf(&body, "%s=", name);
    for (size_t i = 0; i < len; i++) {
        buf_append_char(&body, 'x');
    }
    bool good = read(fields_from_form, buf_slice(&body));
    buf_free(&body);
    return good;
}

Test(fields, lengths)
{
    for (size_t len = 0; len <= 1100; len++) {
        cr_expect_eq(takes_length("user", len), len >= 1 && len <= PRESENCE_USER_MAX, "%zu", len);
        cr_expect_eq(takes_length("target", len), len <= PRESENCE_TARGET_MAX, "%zu", len);
    }
}

Test(fields, random_bytes_break_nothing)
{
    static const char alphabet[] = "user=target&%+0aF{}\":,[]\\u \n";
    char body[64];
    uint32_t random = 7;
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = round % sizeof(body);
        for (size_t i = 0; i < len; i++) {
            random = random * 1664525 + 1013904223;
            body[i] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
        }
        read(fields_from_form, slice_make(body, len));
        read(fields_from_json, slice_make(body, len));
    }
}
