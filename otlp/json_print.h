/* json_print.h: protobuf to OTLP/JSON, for people and scripts that look into the spool; the other
 * way than json.h, whose mapping it is.
 *
 * Names in lowerCamelCase, ids in hex, other bytes in base64, enums as numbers, 64-bit integers as
 * strings, doubles in the shortest form that reads back as the same, or "NaN", "Infinity",
 * "-Infinity". Printed is what is on the wire, zeros included; unknown fields are left out. What a
 * decoder would merge is merged: a list in several places, a message given twice, the last member
 * of a oneof.
 *
 * Thread: any; state is on the stack (about 600 bytes a level, VALIDATE_DEPTH_MAX levels). Memory:
 * none, but for a message that is given twice, whose parts are laid end to end.
 */
#ifndef SIGPOST_OTLP_JSON_PRINT_H
#define SIGPOST_OTLP_JSON_PRINT_H

#include "otlp/json.h"

#include <stdio.h>

#define JSON_PRINT_LINE (-1)

/* Writes the Export…ServiceRequest to out: in one line, or with each member on a line of its own,
 * indented by `indent` levels of two spaces and more. No newline at the end. A request without
 * schema (profiles) is a JSON string of its base64. False: nothing is written and fault says what
 * is wrong with the bytes, or that memory ran out. That out can be written is the caller's to
 * check. */
bool json_print_request(enum signal signal, struct slice request, int indent, FILE *out,
                        struct json_fault *fault);

/* Writes text as a JSON string, quotes included; what is not UTF-8 becomes U+FFFD. */
void json_print_string(FILE *out, struct slice text);

#endif
