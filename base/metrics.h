/* metrics.h: counters, gauges and histograms, counted per thread and summed on scrape.
 *
 *     struct metric *ok = metrics_counter(m, "sigpost_auth_requests_total", "Verdicts.",
 *                                         METRIC_LABELS("result", "ok"));
 *     metric_add(ok, 1);                         // hot path: one relaxed add on this thread's cell
 *
 * Asking twice for one name and the same labels gives the same handle, so that a handle may be
 * looked up by whoever needs it. Look-ups take a lock: keep the handle on hot paths. Handles live
 * as long as the registry.
 */
#ifndef SIGPOST_BASE_METRICS_H
#define SIGPOST_BASE_METRICS_H

#include "base/buf.h"

#include <stdint.h>

struct metrics; /* the registry */
struct metric;  /* one series */

/* Label names and values in turn, ended by NULL; copied by the registry. */
#define METRIC_LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define METRIC_NO_LABELS ((const char *const *)NULL)

/* NULL when out of memory. */
struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *m);

/* Each returns the series of that name and labels, made on first use. Never NULL: when memory runs
 * out or the family has 1000 series already, a series that is counted but not shown. All series of
 * one name have one type and help: the first caller's. Thread-safe. */
struct metric *metrics_counter(struct metrics *m, const char *name, const char *help,
                               const char *const *labels);
struct metric *metrics_gauge(struct metrics *m, const char *name, const char *help,
                             const char *const *labels);
/* bounds: ascending upper bounds, copied; without +Inf. */
struct metric *metrics_histogram(struct metrics *m, const char *name, const char *help,
                                 const char *const *labels, const double *bounds, size_t n_bounds);

void metric_add(struct metric *counter, uint64_t n);
void metric_set(struct metric *gauge, double value);
void metric_observe(struct metric *histogram, double value);

/* The sum over all threads of a counter, or a gauge's value; for tests and health pages. */
double metric_value(const struct metric *series);

/* Registers a function that is called before each rendering, on the rendering thread, to set
 * gauges. */
void metrics_on_scrape(struct metrics *m, void (*hook)(void *arg), void *arg);

/* Appends all families in the order of their first registration. Thread-safe. */
void metrics_render(struct metrics *m, struct buf *out);

#endif
