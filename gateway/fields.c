/* fields.c: see fields.h. A form is application/x-www-form-urlencoded as browsers and curl -d send
 * it: pairs with "&" between them, "+" a blank, "%41" a byte. */
#include "gateway/fields.h"

#include <jansson.h>
#include <stdio.h>

#define VALUE_MAX 1024 /* decoded; what is longer is too long for any field */

static bool is_blank(char c)
{
    return c == ' ' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text = slice_make(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

static bool set_field(const char *name, struct slice value, struct fields *out, struct result *why)
{
    bool is_user = strcmp(name, "user") == 0;
    bool *has = is_user ? &out->has_user : &out->has_target;
    value = trim(value);
    if (*has) {
        return result_fail(why, "%s comes twice; send it once", name);
    }
    if (is_user ? !presence_is_user(value) : !presence_is_target(value)) {
        return result_fail(why, "%s is not %s to %d bytes of UTF-8 without control characters",
                           name, is_user ? "1" : "0",
                           is_user ? PRESENCE_USER_MAX : PRESENCE_TARGET_MAX);
    }
    memcpy(is_user ? out->user : out->target, value.len != 0 ? value.data : "", value.len);
    *has = true;
    return true;
}

/* --- forms ------------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False when an escape is broken or the value is longer than any may be. */
static bool decode(struct slice text, char out[VALUE_MAX], size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (*len == VALUE_MAX) {
            return false;
        }
        out[(*len)++] = c;
    }
    return true;
}

static bool read_pair(struct slice pair, struct fields *out, struct result *why)
{
    char value[VALUE_MAX];
    size_t len;
    const char *equals = memchr(pair.data, '=', pair.len);
    size_t name_len = equals != NULL ? (size_t)(equals - pair.data) : pair.len;
    struct slice name = slice_make(pair.data, name_len);
    bool is_user = slice_eq_str(name, "user");
    if (!is_user && !slice_eq_str(name, "target")) {
        return true;
    }
    struct slice raw =
        equals != NULL ? slice_make(equals + 1, pair.len - name_len - 1) : slice_make("", 0);
    const char *field = is_user ? "user" : "target";
    if (!decode(raw, value, &len)) {
        return result_fail(why, "%s is too long or has a broken %%-escape", field);
    }
    return set_field(field, slice_make(value, len), out, why);
}

bool fields_from_form(struct slice body, struct fields *out, struct result *why)
{
    *out = (struct fields){0};
    body = trim(body);
    while (body.len != 0) {
        const char *end = memchr(body.data, '&', body.len);
        size_t len = end != NULL ? (size_t)(end - body.data) : body.len;
        if (len != 0 && !read_pair(slice_make(body.data, len), out, why)) {
            return false;
        }
        size_t skip = end != NULL ? len + 1 : len;
        body = slice_make(body.data + skip, body.len - skip);
    }
    return true;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static bool read_member(const json_t *object, const char *name, struct fields *out,
                        struct result *why)
{
    const json_t *value = json_object_get(object, name);
    if (value == NULL) {
        return true;
    }
    if (!json_is_string(value)) {
        return result_fail(why, "%s is not a string", name);
    }
    return set_field(name, slice_make(json_string_value(value), json_string_length(value)), out,
                     why);
}

bool fields_from_json(struct slice body, struct fields *out, struct result *why)
{
    json_error_t error;
    *out = (struct fields){0};
    if (trim(body).len == 0) {
        return true;
    }
    json_t *object = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, &error);
    bool good = false;
    if (object == NULL) {
        result_fail(why, "the body is not JSON: line %d, column %d", error.line, error.column);
    } else if (!json_is_object(object)) {
        result_fail(why, "the body is not a JSON object with user and target");
    } else {
        good = read_member(object, "user", out, why) && read_member(object, "target", out, why);
    }
    json_decref(object);
    return good;
}
