/* history.h: how many requests and items came in during the last hour.
 *
 * The totals are noted every ten seconds in a ring of one hour; the growth between two of them is
 * what came meanwhile. Fixed memory (6 KB). One thread notes, any may look.
 */
#ifndef SIGPOST_GATEWAY_HISTORY_H
#define SIGPOST_GATEWAY_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#define HISTORY_MINUTES 60

struct history;

struct history_minute {
    uint64_t requests;
    uint64_t items;
};

/* The minutes that are known, the last one at the end. Each ends a whole number of minutes before
 * the last note. */
struct history_view {
    struct history_minute minutes[HISTORY_MINUTES];
    size_t n; /* with the first, which may have been shorter than a minute */
};

/* The totals are 0 at monotonic now_ns. NULL when out of memory. */
struct history *history_create(int64_t now_ns);
void history_destroy(struct history *history);

/* The totals at monotonic now_ns; noted when ten seconds have begun since the last note. Totals
 * never fall. Where notes are missing (the machine slept), the growth is that of the last ten
 * seconds. */
void history_note(struct history *history, uint64_t requests, uint64_t items, int64_t now_ns);

/* Empty (n is 0) before the first note. */
void history_look(struct history *history, struct history_view *out);

#endif
