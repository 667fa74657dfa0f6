/* fleet_labels.h: from attributes to the label set that names a series, and its encoding.
 *
 * A label set is encoded as its labels in the order of their names, each as
 *
 *     name length (16 bits, little-endian), name, value length (16 bits), value
 *
 * so that equal sets are equal bytes. Labels without a value are left out: to Prometheus they are
 * the same as none. Pure.
 */
#ifndef SIGPOST_OTLP_FLEET_LABELS_H
#define SIGPOST_OTLP_FLEET_LABELS_H

#include "base/buf.h"
#include "base/exposition.h"

#include <stdbool.h>
#include <stddef.h>

#define FLEET_ATTRIBUTES_MAX 128 /* of a data point, and of a resource */
#define FLEET_VALUE_MAX 256      /* a label value is cut there, between characters */
#define FLEET_LABELS_MAX 4096    /* bytes of an encoded set */
#define FLEET_LABEL_COUNT_MAX ((size_t)2 * FLEET_ATTRIBUTES_MAX)

struct fleet_attribute {
    struct slice key;
    struct slice value; /* as text */
    char type;          /* tells "1" from 1 */
};

struct fleet_label_rules {
    const char *const *resource; /* resource attributes that become labels */
    size_t n_resource;
    const char *const *drop; /* attributes that never do; by key or by label name */
    size_t n_drop;
};

struct fleet_attributes {
    const struct fleet_attribute *items;
    size_t n; /* at most FLEET_ATTRIBUTES_MAX */
};

/* Is it an attribute that a gateway stamps into resources (sigpost.*, deployment.environment,
 * service.namespace)? separator: '.' when name is a key, '_' when it is a label's name. */
bool fleet_is_stamped(struct slice name, char separator);

/* Appends the encoded set: the point's attributes and the resource's chosen ones, without the
 * dropped. Of a name that both have, the point's holds; but the names of what is stamped are the
 * resource's alone, for a point's attributes are a mere claim of the client's. Values of several
 * keys that become one name are joined with ';' in the order of their keys. A label "le" is called
 * "exported_le", for histograms own the name. names: scratch, overwritten. False when the set is
 * longer than FLEET_LABELS_MAX or memory ran out; out is as before then. */
bool fleet_labels_build(struct buf *out, struct buf *names, const struct fleet_label_rules *rules,
                        struct fleet_attributes point, struct fleet_attributes resource);

/* The set of the one series that takes what is past a cap: otel_metric_overflow="true". */
struct slice fleet_labels_overflow(void);

/* Orders sets by their labels' names and values. Negative, zero, positive. */
int fleet_labels_compare(struct slice a, struct slice b);

/* Splits a set into at most max labels, borrowed from it, and returns how many; SIZE_MAX when it is
 * not an encoded set in order with valid names, or has more. */
size_t fleet_labels_split(struct slice set, struct exposition_label *out, size_t max);

#endif
