/* fleet_value.c: see fleet_value.h. Recursion stops at FLEET_VALUE_DEPTH. */
#include "otlp/fleet/fleet_value.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CASE(name) OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_##name

char fleet_value_type(const fleet_any *value)
{
    switch (value != NULL ? value->value_case : CASE(_NOT_SET)) {
    case CASE(STRING_VALUE):
        return FLEET_VALUE_STRING;
    case CASE(BOOL_VALUE):
        return 't';
    case CASE(INT_VALUE):
        return 'i';
    case CASE(DOUBLE_VALUE):
        return 'd';
    case CASE(ARRAY_VALUE):
        return 'a';
    case CASE(KVLIST_VALUE):
        return 'm';
    case CASE(BYTES_VALUE):
        return 'b';
    default:
        return 'n';
    }
}

static void append_double(struct buf *out, double value)
{
    char text[40];
    if (isnan(value)) {
        buf_append_str(out, "NaN");
        return;
    }
    if (isinf(value)) {
        buf_append_str(out, value > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    buf_append_str(out, text);
}

static void append_base64(struct buf *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < len; at += 3) {
        size_t n = len - at < 3 ? len - at : 3;
        uint32_t word = (uint32_t)bytes[at] << 16;
        word |= n > 1 ? (uint32_t)bytes[at + 1] << 8 : 0;
        word |= n > 2 ? bytes[at + 2] : 0;
        buf_append_char(out, digits[word >> 18]);
        buf_append_char(out, digits[word >> 12 & 63]);
        buf_append_char(out, (char)(n > 1 ? digits[word >> 6 & 63] : '='));
        buf_append_char(out, (char)(n > 2 ? digits[word & 63] : '='));
    }
}

static void append_quoted(struct buf *out, const char *text)
{
    buf_append_char(out, '"');
    buf_append_json(out, slice_of(text));
    buf_append_char(out, '"');
}

/* Everything but lists and maps; quoted where JSON wants it. */
static void append_scalar(struct buf *out, const fleet_any *value, bool json)
{
    bool quoted = false;
    switch (value->value_case) {
    case CASE(STRING_VALUE):
        if (json) {
            append_quoted(out, value->string_value);
        } else {
            buf_append_str(out, value->string_value);
        }
        break;
    case CASE(BOOL_VALUE):
        buf_append_str(out, value->bool_value ? "true" : "false");
        break;
    case CASE(INT_VALUE):
        buf_printf(out, "%" PRId64, value->int_value);
        break;
    case CASE(DOUBLE_VALUE):
        quoted = json && !isfinite(value->double_value);
        buf_append_str(out, quoted ? "\"" : "");
        append_double(out, value->double_value);
        buf_append_str(out, quoted ? "\"" : "");
        break;
    case CASE(BYTES_VALUE):
        buf_append_str(out, json ? "\"" : "");
        append_base64(out, value->bytes_value.data, value->bytes_value.len);
        buf_append_str(out, json ? "\"" : "");
        break;
    default: /* empty, or an index into a table that metrics do not have */
        buf_append_str(out, json ? "null" : "");
        break;
    }
}

static bool append_json(struct buf *out, size_t begin, const fleet_any *value, unsigned depth);

static bool append_list(struct buf *out, size_t begin,
                        const Opentelemetry__Proto__Common__V1__ArrayValue *list, unsigned depth)
{
    buf_append_char(out, '[');
    for (size_t i = 0; i < list->n_values; i++) {
        buf_append_str(out, i > 0 ? "," : "");
        if (!append_json(out, begin, list->values[i], depth)) {
            return false;
        }
    }
    buf_append_char(out, ']');
    return true;
}

static bool append_map(struct buf *out, size_t begin,
                       const Opentelemetry__Proto__Common__V1__KeyValueList *map, unsigned depth)
{
    buf_append_char(out, '{');
    for (size_t i = 0; i < map->n_values; i++) {
        buf_append_str(out, i > 0 ? "," : "");
        append_quoted(out, map->values[i]->key);
        buf_append_char(out, ':');
        if (!append_json(out, begin, map->values[i]->value, depth)) {
            return false;
        }
    }
    buf_append_char(out, '}');
    return true;
}

/* begin: where the text of the whole value begins in out. */
static bool append_json(struct buf *out, size_t begin, const fleet_any *value, unsigned depth)
{
    if (depth > FLEET_VALUE_DEPTH || out->failed || out->len - begin > FLEET_VALUE_BYTES) {
        return false;
    }
    if (value == NULL) {
        buf_append_str(out, "null");
        return true;
    }
    if (value->value_case == CASE(ARRAY_VALUE)) {
        return append_list(out, begin, value->array_value, depth + 1);
    }
    if (value->value_case == CASE(KVLIST_VALUE)) {
        return append_map(out, begin, value->kvlist_value, depth + 1);
    }
    append_scalar(out, value, true);
    return true;
}

bool fleet_value_text(struct buf *out, const fleet_any *value)
{
    size_t begin = out->len;
    if (value == NULL) {
        return true;
    }
    if (value->value_case == CASE(ARRAY_VALUE) || value->value_case == CASE(KVLIST_VALUE)) {
        return append_json(out, begin, value, 0) && out->len - begin <= FLEET_VALUE_BYTES &&
               !out->failed;
    }
    append_scalar(out, value, false);
    return !out->failed;
}
