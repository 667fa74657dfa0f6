/* json_bytes.h: the two ways in which OTLP/JSON writes bytes, decoded in place.
 *
 * Internal to otlp/json. Thread: any; pure.
 */
#ifndef SIGPOST_OTLP_JSON_BYTES_H
#define SIGPOST_OTLP_JSON_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* 0 to 15, or -1 for what is no hex digit of either case. */
int json_hex_value(char c);

/* Hex digits of either case, an even number of them. Leaves *len / 2 bytes at text and says so in
 * *len; false, *len as it was, when it is something else. */
bool json_hex_decode(char *text, size_t *len);

/* Base64 (RFC 4648) in the standard or the URL-safe alphabet. Padding may be left out; where it is
 * there, it is right. Bits of the last digit that make no byte are not looked at. As above. */
bool json_base64_decode(char *text, size_t *len);

#endif
