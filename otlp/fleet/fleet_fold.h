/* fleet_fold.h: the pure core of the embedded destination: data points of many sessions in, series
 * of the whole fleet out. Knows no thread, no file, no protobuf and no clock.
 *
 *     fleet_resource(f, session, arrived_ns, resource_attributes);
 *       fleet_metric(f, &metric);
 *         fleet_point(f, &point);                       // as often as there are points
 *
 * Of each stream (a session, a resource, a scope, a metric and the full set of a point's
 * attributes) the last cumulative value is kept; what it grew by is added to a series, which has
 * only the labels that are wanted. So identities vanish from the series but never from the sums:
 *
 *     first point of a stream         its whole value
 *     larger value, later time        the difference
 *     newer start time, or smaller    a reset: the whole new value
 *     time not later than the last    late, or a repeat: nothing
 *     delta temporality               its value, guarded by time likewise
 *     up-down sum                     the series is the sum of the last values of live sessions
 *     session that had ended, and a   what came before was added then: nothing, but later points
 *     stream older than its end       add their growth
 *
 * Costs about 1.3 KB a session of ten streams, three of them histograms of 16 buckets. Everything
 * is bounded: sessions, streams a session, bytes of all sessions, metrics, series a metric and in
 * all. What is not folded is counted with its reason. Results depend on the calls alone, not on
 * when they are made. Not thread-safe.
 */
#ifndef SIGPOST_OTLP_FLEET_FOLD_H
#define SIGPOST_OTLP_FLEET_FOLD_H

#include "base/buf.h"
#include "base/slice.h"
#include "otlp/fleet/fleet_hash.h"
#include "otlp/fleet/fleet_labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLEET_SESSION_ID_MAX 255 /* longer ones are cut */
#define FLEET_BOUNDS_MAX 255     /* bounds of a histogram */
#define FLEET_METRICS_MAX 1000
#define FLEET_SERIES_MAX 100000 /* of all metrics, overflow series not counted */
#define FLEET_HELP_MAX 512
#define FLEET_UPDOWN_MAX 0x1p980 /* of one up-down sum, either sign */

struct fleet;

struct fleet_options {
    size_t max_series;   /* per metric, the overflow series not counted */
    size_t max_sessions; /* past it the idlest goes */
    size_t max_streams;  /* of one session; points of further ones are refused */
    size_t max_bytes;    /* of all sessions' state; past it the idlest session goes */
    int64_t session_idle_ns;
    struct fleet_label_rules rules; /* copied */
    uint8_t seed[FLEET_SEED_BYTES]; /* random; kept in the snapshot */
};

/* NULL when out of memory. */
struct fleet *fleet_create(const struct fleet_options *options);
void fleet_destroy(struct fleet *f);

enum fleet_kind { FLEET_COUNTER, FLEET_UPDOWN, FLEET_HISTOGRAM, FLEET_KIND_COUNT };

/* Why a point is not in any series. */
enum fleet_refusal {
    FLEET_ACCEPTED,
    FLEET_GAUGE,       /* a gauge says nothing of a fleet */
    FLEET_SUMMARY,     /* quantiles cannot be added */
    FLEET_EXPONENTIAL, /* exponential histograms are not shown */
    FLEET_TEMPORALITY, /* neither cumulative nor delta */
    FLEET_VALUE,       /* not finite, a negative counter, an up-down sum past FLEET_UPDOWN_MAX, or
                        * more than a series can hold */
    FLEET_MALFORMED,   /* a histogram whose counts and bounds do not fit each other */
    FLEET_BOUNDS,      /* other bounds than the series had first */
    FLEET_NAME,        /* the metric's name is too long or has no letter or digit */
    FLEET_TYPE,        /* the series' name belongs to a metric of another type */
    FLEET_METRICS,     /* more than FLEET_METRICS_MAX metrics */
    FLEET_STREAMS,     /* the session has max_streams streams already */
    FLEET_ATTRIBUTES,  /* more than FLEET_ATTRIBUTES_MAX, or nested too deep */
    FLEET_DECODE,      /* the payload could not be decoded: counts payloads, not points */
    FLEET_MEMORY,
    FLEET_REFUSAL_COUNT
};

/* The metric label. */
const char *fleet_refusal_word(enum fleet_refusal refusal);

/* The points that follow are of this session, which lives on from arrived_ns (of the wall clock;
 * sessions are freed that were silent for session_idle_ns before). Attributes of the resource are
 * borrowed until the next call. Those that a gateway stamps (sigpost.*, deployment.environment,
 * service.namespace) may change in a stream's life. */
void fleet_resource(struct fleet *f, struct slice session, int64_t arrived_ns,
                    struct fleet_attributes attributes);

/* Ends the sessions that are silent for too long at now_ns (of the wall clock). Every
 * fleet_resource does the same for its arrival: this is for when none comes. */
void fleet_expire(struct fleet *f, int64_t now_ns);

struct fleet_metric {
    struct slice name, unit, description;
    struct slice scope_name, scope_version, scope_schema_url;
    struct fleet_attributes scope_attributes; /* past the limit: all its points are refused */
    enum fleet_kind kind;
    bool is_delta;
};

/* The points that follow are of this metric; borrowed until the next call. */
void fleet_metric(struct fleet *f, const struct fleet_metric *metric);

struct fleet_point {
    struct fleet_attributes attributes;
    uint64_t start_ns, time_ns; /* time 0: the time of arrival is taken */
    double value;               /* a sum's value, or a histogram's sum (0 when it has none) */
    uint64_t count;             /* histograms */
    const uint64_t *cells;      /* counts of the buckets, n_bounds + 1 or none at all */
    size_t n_cells;
    const double *bounds; /* ascending, finite */
    size_t n_bounds;
};

/* Folds one point. FLEET_ACCEPTED also for late ones. */
enum fleet_refusal fleet_point(struct fleet *f, const struct fleet_point *point);

/* Counts points that cannot be told by fleet_point. */
void fleet_refuse(struct fleet *f, enum fleet_refusal refusal, uint64_t points);

struct fleet_counts {
    uint64_t folded; /* points, since create */
    uint64_t late;
    uint64_t resumed; /* first points of sessions that came back: kept, not added */
    uint64_t refused[FLEET_REFUSAL_COUNT];
    uint64_t overflowed;                     /* streams that went to an overflow series */
    uint64_t ended_idle;                     /* sessions */
    uint64_t ended_full;                     /* sessions freed for max_sessions or max_bytes */
    size_t sessions, series, metrics, bytes; /* now */
};
const struct fleet_counts *fleet_get_counts(const struct fleet *f);

/* Appends all series as Prometheus text, ordered by name and labels. */
void fleet_render(const struct fleet *f, struct buf *out);

#endif
