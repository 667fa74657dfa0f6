/* clock.h: wall and monotonic time, replaceable in tests.
 *
 * Wall time is for what others see (signatures, logs, arrival times); monotonic time is for
 * durations and deadlines. Both in nanoseconds as int64_t. Thread-safe.
 */
#ifndef SIGPOST_BASE_CLOCK_H
#define SIGPOST_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* Nanoseconds since the Unix epoch (CLOCK_REALTIME), or the test's wall time. */
int64_t clock_wall_ns(void);

/* Whole Unix seconds of clock_wall_ns. */
int64_t clock_wall_s(void);

/* Nanoseconds of CLOCK_MONOTONIC, or the test's. */
int64_t clock_mono_ns(void);

/* Tests only: from now on both clocks stand still at these values; wall_ns < 0 gives the real
 * clocks back. */
void clock_fake(int64_t wall_ns, int64_t mono_ns);

#define CLOCK_ISO_MAX 32

/* Writes wall time as ISO 8601 UTC with milliseconds, "2026-01-31T12:00:00.000Z", and returns the
 * length without the NUL. */
size_t clock_format_iso(int64_t wall_ns, char out[CLOCK_ISO_MAX]);

#endif
