/* fleet_value.h: the text of an attribute's value, as the Collector writes it into labels: strings
 * as they are, true and false, numbers in their shortest form, bytes in base64, lists and maps as
 * JSON. Pure.
 */
#ifndef SIGPOST_OTLP_FLEET_VALUE_H
#define SIGPOST_OTLP_FLEET_VALUE_H

#include "base/buf.h"

#include <otlp/proto/common.pb-c.h>
#include <stdbool.h>

#define FLEET_VALUE_DEPTH 16                  /* of lists and maps in each other */
#define FLEET_VALUE_BYTES ((size_t)64 * 1024) /* of their JSON */
#define FLEET_VALUE_STRING 's'                /* the type of a string, see fleet_value_type */

typedef Opentelemetry__Proto__Common__V1__AnyValue fleet_any;

/* A letter for each type of value. value may be NULL: an empty one. */
char fleet_value_type(const fleet_any *value);

/* Appends the text. False when it is nested too deep, too long as JSON, or memory ran out. */
bool fleet_value_text(struct buf *out, const fleet_any *value);

#endif
