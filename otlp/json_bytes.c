/* json_bytes.c: see json_bytes.h. Both read ahead of where they write. */
#include "otlp/json_bytes.h"

#include <stdint.h>

int json_hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool json_hex_decode(char *text, size_t *len)
{
    if (*len % 2 != 0) {
        return false;
    }
    for (size_t i = 0; i < *len; i += 2) {
        int high = json_hex_value(text[i]);
        int low = json_hex_value(text[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        text[i / 2] = (char)(high << 4 | low);
    }
    *len /= 2;
    return true;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

bool json_base64_decode(char *text, size_t *len)
{
    size_t digits = *len;
    if (digits % 4 == 0) {
        for (int pads = 0; pads < 2 && digits > 0 && text[digits - 1] == '='; pads++) {
            digits--;
        }
    }
    if (digits % 4 == 1) {
        return false;
    }
    uint32_t bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < digits; i++) {
        int value = base64_value(text[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0) {
            text[n++] = (char)(uint8_t)(bits >> (6 - 2 * (i % 4)));
        }
    }
    *len = n;
    return true;
}
