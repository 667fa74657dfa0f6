/* json.h: OTLP/JSON to protobuf, so that one spool and one exporter serve both content types.
 *
 * The text is read once, from front to back, by the protobuf-c descriptors of our schema, and goes
 * straight to wire bytes; no tree is built. The proto3 JSON mapping as OTLP/HTTP changes it:
 *
 *   names      lowerCamelCase; any other name is an unknown field, which must be well-formed JSON
 *              and is ignored. null is the same as absent, but is no element of a list.
 *   ids        traceId 32, spanId and parentSpanId 16 hex digits in either case, or "".
 *   bytes      base64 of the standard or the URL-safe alphabet, padded or not.
 *   enums      numbers only, also those that the schema does not name.
 *   integers   numbers or strings; 1.0 and 1e3 are whole; checked for the field's range.
 *   doubles    numbers or strings, also "NaN", "Infinity", "-Infinity"; correctly rounded; refused
 *              past the largest double, or when longer than JSON_DOUBLE_MAX characters.
 *   strings    UTF-8, every escape, surrogates in pairs only.
 *   presence   what is given is written, be it 0, "" or {}: asInt, sum and the like need it.
 *   refused    a known name twice in one object, two members of one oneof, more than
 *              VALIDATE_DEPTH_MAX messages or JSON_IGNORED_DEPTH_MAX ignored values inside each
 *              other, a byte order mark, anything behind the object.
 *
 * What comes out satisfies validate_request. Specification: OTLP/HTTP, "JSON Protobuf Encoding";
 * the proto3 JSON mapping.
 */
#ifndef SIGPOST_OTLP_JSON_H
#define SIGPOST_OTLP_JSON_H

#include "base/buf.h"
#include "otlp/signal.h"

#include <stdbool.h>

#define JSON_FAULT_MAX 256
#define JSON_TEXT_MAX ((size_t)64 << 20) /* bytes of text; longer is refused */
#define JSON_DOUBLE_MAX 1280             /* longer than any double written out in full */
#define JSON_IGNORED_DEPTH_MAX 64

/* Printable ASCII, NUL-terminated; field names and byte numbers, never bytes of the text:
 * "resourceMetrics[0].scopeMetrics[1].metrics[2].name: expected a string, found a number, at byte
 * 312". */
struct json_fault {
    char text[JSON_FAULT_MAX];
};

/* Appends to out the Export…ServiceRequest that the text means; {} means one of no bytes. false:
 * fault is set and out->len is as it was.
 *
 * Thread: any; pure. Time: linear in the length. Memory: no more than out, which grows by at most
 * four bytes for each byte of text (a list of doubles of one digit: "1," is eight bytes on the
 * wire, and nothing else is worse), so that its capacity grows by at most eight. About 20 KB of
 * stack. */
bool json_to_request(enum signal signal, struct slice json, struct buf *out,
                     struct json_fault *fault);

#endif
