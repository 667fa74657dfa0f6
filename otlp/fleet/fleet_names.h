/* fleet_names.h: from OpenTelemetry names to Prometheus names, by the rules of "Prometheus and
 * OpenMetrics Compatibility" as the Collector's Prometheus exporter applies them:
 *
 *     kotormodsync.operation.duration  ms        histogram   …_operation_duration_milliseconds
 *     kotormodsync.mods.installed      mods      counter     …_mods_installed_total
 *     system.network.io                By/s      up-down     …_io_bytes_per_second
 *
 * Narrower than the Collector in two places: only ASCII letters and digits are kept, and a label
 * that begins with two underscores (Prometheus keeps those for itself) is prefixed like any other.
 * Pure.
 */
#ifndef SIGPOST_OTLP_FLEET_NAMES_H
#define SIGPOST_OTLP_FLEET_NAMES_H

#include "base/buf.h"

#include <stdbool.h>

#define FLEET_NAME_MAX 255 /* OpenTelemetry's limit of an instrument's name */
#define FLEET_UNIT_MAX 63  /* and of its unit */

enum fleet_name_kind {
    FLEET_NAME_COUNTER, /* a monotonic sum: "_total" */
    FLEET_NAME_GAUGE,   /* a gauge: unit 1 is "_ratio" */
    FLEET_NAME_OTHER    /* an up-down sum or a histogram */
};

/* Appends the Prometheus name of an instrument. A unit longer than FLEET_UNIT_MAX is left out.
 * False, and nothing appended, when the name is too long or has no letter or digit in it. */
bool fleet_metric_name(struct buf *out, struct slice name, struct slice unit,
                       enum fleet_name_kind kind);

/* Appends the label name of an attribute: each character that is not a letter, digit or underscore
 * becomes an underscore; a leading digit is prefixed with "key_", a leading underscore with "key".
 * Nothing is appended for an empty key. */
void fleet_label_name(struct buf *out, struct slice key);

#endif
