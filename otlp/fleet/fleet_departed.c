/* fleet_departed.c: the sessions that ended, so that one that comes back is known again.
 *
 * A laptop that slept, or a session that had to make room, goes on with the cumulative values it
 * had: counted from nothing, all of them would be added a second time. So of an ended session its
 * hash and its last arrival stay, in a table with one place for each hash: 24 bytes a place, twice
 * as many places as there may be sessions. A later session takes the place of an earlier one; what
 * falls out is counted anew if it ever returns.
 */
#include "otlp/fleet/fleet_internal.h"

#include <stdlib.h>

#define PLACES_MIN ((size_t)64)
#define PLACES_MAX ((size_t)1 << 20)

bool fleet_departed_open(struct fleet *f)
{
    size_t n = PLACES_MIN;
    while (n < PLACES_MAX && n / 2 < f->options.max_sessions) {
        n *= 2;
    }
    f->departed = calloc(n, sizeof(f->departed[0]));
    f->n_departed = n;
    return f->departed != NULL;
}

void fleet_departed_put(struct fleet *f, struct fleet_hash id, int64_t arrived_ns)
{
    f->departed[id.low & (f->n_departed - 1)] = (struct fleet_departed){id, arrived_ns};
}

int64_t fleet_departed_take(struct fleet *f, struct fleet_hash id)
{
    struct fleet_departed *place = &f->departed[id.low & (f->n_departed - 1)];
    if (fleet_hash_compare(place->id, id) != 0) {
        return 0;
    }
    int64_t arrived_ns = place->arrived_ns;
    *place = (struct fleet_departed){{0, 0}, 0};
    return arrived_ns;
}
