/* status.h: google.rpc.Status, the body of every refusal on OTLP/HTTP paths.
 *
 * Code and message; details are never set. Pure; errors are sticky in the buf.
 */
#ifndef SIGPOST_OTLP_STATUS_H
#define SIGPOST_OTLP_STATUS_H

#include "base/buf.h"

/* google.rpc.Code, as far as refusals need it. */
#define STATUS_INVALID_ARGUMENT 3
#define STATUS_PERMISSION_DENIED 7
#define STATUS_RESOURCE_EXHAUSTED 8
#define STATUS_INTERNAL 13
#define STATUS_UNAVAILABLE 14
#define STATUS_UNAUTHENTICATED 16

/* Appends the protobuf message. A code of 0 and an empty message are left out, as proto3 has it;
 * bytes of the message that are not UTF-8 become U+FFFD. */
void status_encode(struct buf *out, int grpc_code, struct slice message);

/* Appends its JSON mapping, {"code":3,"message":"..."}; both members are always there. */
void status_encode_json(struct buf *out, int grpc_code, struct slice message);

#endif
