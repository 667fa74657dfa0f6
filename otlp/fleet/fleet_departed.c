/* fleet_departed.c: the sessions that ended, so that one that comes back is known again.
 *
 * A laptop that slept, or a session that had to make room, goes on with the cumulative values it
 * had: counted from nothing, all of them would be added a second time. So of an ended session its
 * hash and its last arrival stay: 24 bytes a place, twice as many places as there may be sessions,
 * in buckets of eight, so that next to none is lost before the table is half full (one place for
 * each hash would lose a fifth by then). In a full bucket a session takes the place of the one that
 * arrived first; what falls out is counted anew if it ever returns.
 */
#include "otlp/fleet/fleet_internal.h"

#include <stdlib.h>

#define PLACES_MIN ((size_t)64)
#define PLACES_MAX ((size_t)1 << 20)
#define BUCKET 8 /* places; a power of two */

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

/* The first of the places where it can be. */
static struct fleet_departed *bucket_of(const struct fleet *f, struct fleet_hash id)
{
    return &f->departed[id.low & (f->n_departed - 1) & ~(uint64_t)(BUCKET - 1)];
}

static bool is_empty(const struct fleet_departed *place)
{
    return (place->id.low | place->id.high) == 0;
}

void fleet_departed_put(struct fleet *f, struct fleet_hash id, int64_t arrived_ns)
{
    struct fleet_departed *bucket = bucket_of(f, id);
    struct fleet_departed *place = &bucket[0];
    for (size_t i = 0; i < BUCKET; i++) {
        if (is_empty(&bucket[i])) {
            place = &bucket[i];
            break;
        }
        if (bucket[i].arrived_ns < place->arrived_ns) {
            place = &bucket[i];
        }
    }
    *place = (struct fleet_departed){id, arrived_ns};
}

int64_t fleet_departed_take(struct fleet *f, struct fleet_hash id)
{
    struct fleet_departed *bucket = bucket_of(f, id);
    for (size_t i = 0; i < BUCKET; i++) {
        if (!is_empty(&bucket[i]) && fleet_hash_compare(bucket[i].id, id) == 0) {
            int64_t arrived_ns = bucket[i].arrived_ns;
            bucket[i] = (struct fleet_departed){{0, 0}, 0};
            return arrived_ns;
        }
    }
    return 0;
}
