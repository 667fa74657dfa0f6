/* fleet_internal.h: the tables of the fleet core, shared by fleet_fold, fleet_series,
 * fleet_sessions, fleet_render and the snapshot. Not for others. */
#ifndef SIGPOST_OTLP_FLEET_INTERNAL_H
#define SIGPOST_OTLP_FLEET_INTERNAL_H

#include "otlp/fleet/fleet_fold.h"

/* A running sum that keeps what rounding lost (Neumaier), so that millions of small steps count
 * beside a large total, and what up-down sums take back leaves no dust. */
struct fleet_total {
    double sum;
    double lost;
};

struct fleet_family;

struct fleet_series {
    struct fleet_family *family;
    uint32_t id;              /* index into fleet.series; ids are given in order and never freed */
    uint32_t n_bounds;        /* histograms; else 0 */
    struct fleet_total total; /* a counter, an up-down sum, or a histogram's sum */
    uint64_t count;           /* histograms: of all cells */
    uint64_t *cells;          /* histograms: n_bounds + 1, else NULL; one block with bounds */
    double *bounds;
    size_t labels_len;
    char labels[]; /* encoded, see fleet_labels.h */
};

/* One Prometheus metric. */
struct fleet_family {
    char *name;
    char *help;
    enum fleet_kind kind;
    struct fleet_series **series; /* ordered by labels; without the overflow series */
    size_t n, cap;
    struct fleet_series *overflow; /* NULL until the cap is met */
};

struct fleet_stream {
    struct fleet_hash hash;
    struct fleet_series *series;
    uint64_t start_ns, time_ns; /* of the last point */
    double last;                /* the last value, or a histogram's last sum */
    uint64_t cells[];           /* histograms: the last counts, n_bounds + 1 */
};

struct fleet_session {
    struct fleet_session *chain;         /* of its bucket */
    struct fleet_session *newer, *older; /* the order of last arrival */
    struct fleet_stream **streams;       /* ordered by hash */
    int64_t arrived_ns;                  /* the last */
    int64_t returned_ns; /* of one that had ended: its last arrival before; else 0 */
    size_t bytes;        /* of it all */
    uint32_t n, cap;
    uint8_t id_len;
    char id[];
};

/* A session that ended: enough to know it again. */
struct fleet_departed {
    struct fleet_hash id; /* both 0: an empty place */
    int64_t arrived_ns;   /* the last */
};

struct fleet {
    struct fleet_options options;
    char **resource_labels, **drop_labels; /* owned: the lists of options.rules */
    struct fleet_counts counts;

    struct fleet_family **families; /* ordered by name */
    size_t families_cap;            /* their number is counts.metrics */
    struct fleet_series **series;   /* by id */
    size_t n_series, series_cap;    /* n_series: overflow series included */

    struct fleet_session **buckets; /* a power of two */
    size_t n_buckets;
    struct fleet_session *newest, *idlest;

    struct fleet_departed *departed; /* n_departed places, a power of two */
    size_t n_departed;

    /* Where fleet_resource and fleet_metric stand. */
    struct fleet_session *session; /* NULL while refused */
    enum fleet_refusal refused;    /* why no point of this resource or metric can be folded */
    int64_t arrived_ns;
    struct fleet_attributes resource;
    struct fleet_hash resource_hash, stream_hash;
    struct fleet_metric metric;

    struct buf scratch, names, labels;
};

/* --- fleet_series.c --- */

/* Finds or makes the series of a new stream; bounds are copied into a new one. *out is NULL unless
 * FLEET_ACCEPTED. */
enum fleet_refusal fleet_series_find(struct fleet *f, const struct fleet_point *point,
                                     struct fleet_series **out);

/* Finds the family, or makes it. *out is NULL unless FLEET_ACCEPTED. */
enum fleet_refusal fleet_family_open(struct fleet *f, struct slice name, struct slice help,
                                     enum fleet_kind kind, struct fleet_family **out);

/* Adds a series that is not there yet. NULL when out of memory. */
struct fleet_series *fleet_series_add(struct fleet *f, struct fleet_family *family,
                                      struct slice labels, const double *bounds, size_t n_bounds);

void fleet_total_add(struct fleet_total *total, double step);
static inline double fleet_total_value(const struct fleet_total *total)
{
    return total->sum + total->lost;
}

void fleet_series_free_all(struct fleet *f);

/* --- fleet_sessions.c --- */

/* Finds or makes the session and puts it first; makes room for it. NULL when out of memory. */
struct fleet_session *fleet_session_touch(struct fleet *f, struct slice id, int64_t arrived_ns);

/* Ends the sessions that were silent for too long at now_ns. */
void fleet_sessions_expire(struct fleet *f, int64_t now_ns);

/* Ends idlest sessions, but never `keep`, until the limits hold. */
void fleet_sessions_trim(struct fleet *f, const struct fleet_session *keep);

struct fleet_stream *fleet_stream_find(const struct fleet_session *session, struct fleet_hash hash);

/* Adds a stream that is not there yet; its values are zero. NULL when out of memory. */
struct fleet_stream *fleet_stream_add(struct fleet *f, struct fleet_session *session,
                                      struct fleet_hash hash, struct fleet_series *series);

void fleet_sessions_free_all(struct fleet *f);

/* --- fleet_departed.c --- */

/* Makes the table; false when out of memory. */
bool fleet_departed_open(struct fleet *f);

/* Remembers a session that ended and is not remembered, in place of an earlier one if need be. */
void fleet_departed_put(struct fleet *f, struct fleet_hash id, int64_t arrived_ns);

/* The last arrival of the session before it ended, and forgets it; 0 for one not remembered. */
int64_t fleet_departed_take(struct fleet *f, struct fleet_hash id);

#endif
