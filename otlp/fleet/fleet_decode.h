/* fleet_decode.h: from a serialised ExportMetricsServiceRequest to calls of the fleet core. */
#ifndef SIGPOST_OTLP_FLEET_DECODE_H
#define SIGPOST_OTLP_FLEET_DECODE_H

#include "otlp/fleet/fleet_fold.h"

struct fleet_decoder;

/* limit: bytes that one decoded payload may take. NULL when out of memory. Not thread-safe. */
struct fleet_decoder *fleet_decoder_create(size_t limit);
void fleet_decoder_destroy(struct fleet_decoder *decoder);

/* Folds all points of a payload, which was validated (otlp/validate.h) before: its depth is bounded
 * and its strings are UTF-8. session: what the signature proved; when empty, a resource's
 * service.instance.id or session.id is taken, else one session without a name.
 * False when it could not be decoded (damaged, past the limit, or with a zero byte in the key of a
 * resource's attribute): FLEET_DECODE is counted. */
bool fleet_decode(struct fleet_decoder *decoder, struct fleet *f, struct slice session,
                  int64_t arrived_ns, struct slice payload);

#endif
