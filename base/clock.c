/* clock.c: see clock.h. The fake is two atomics: reading the clock takes no lock. */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic int64_t fake_wall = -1;
static _Atomic int64_t fake_mono = 0;

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

int64_t clock_wall_ns(void)
{
    int64_t fake = atomic_load_explicit(&fake_wall, memory_order_relaxed);
    return fake >= 0 ? fake : read_clock(CLOCK_REALTIME);
}

int64_t clock_wall_s(void)
{
    return clock_wall_ns() / NS_PER_SECOND;
}

int64_t clock_mono_ns(void)
{
    if (atomic_load_explicit(&fake_wall, memory_order_relaxed) >= 0) {
        return atomic_load_explicit(&fake_mono, memory_order_relaxed);
    }
    return read_clock(CLOCK_MONOTONIC);
}

void clock_fake(int64_t wall_ns, int64_t mono_ns)
{
    atomic_store(&fake_mono, mono_ns);
    atomic_store(&fake_wall, wall_ns < 0 ? -1 : wall_ns);
}

size_t clock_format_iso(int64_t wall_ns, char out[CLOCK_ISO_MAX])
{
    time_t seconds = (time_t)(wall_ns / NS_PER_SECOND);
    int64_t rest = wall_ns % NS_PER_SECOND;
    if (rest < 0) { /* before 1970: the division rounded up */
        seconds--;
        rest += NS_PER_SECOND;
    }
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(out, CLOCK_ISO_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
    int more = snprintf(out + len, CLOCK_ISO_MAX - len, ".%03dZ", (int)(rest / NS_PER_MS));
    return len + (size_t)more;
}
