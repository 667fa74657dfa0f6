/* fleet_snapshot.h: the state of the fleet core as a file, together with the sequence number it
 * stands for: what was folded up to there is in it, nothing else is. With the spool behind it a
 * restart counts nothing twice and loses nothing.
 *
 * The file, numbers little-endian, doubles as their bits, texts with their length before them:
 *
 *     "SIGFLEET", version (32 bits), sequence (64), latest arrival (64), seed (16 bytes)
 *     numbers of metrics, of series (overflow ones too), of sessions and of departed sessions (32
 *     each)
 *     per metric    name (16), help (16), kind (8), number of series (32), and per series
 *                   id (32), labels (16), sum, lost; histograms: number of bounds (16), bounds,
 *                   counts (64 each)
 *     per session   id (8), last arrival (64), arrival before its return (64), number of streams
 *                   (32), the idlest first, and per stream: hash (128), series id (32), start,
 *                   time, last; histograms: counts
 *     per departed  hash of its id (128), last arrival (64)
 *     CRC32C of all before it (32)
 *
 * It is written to "<path>.tmp", synced, renamed, and the directory synced.
 */
#ifndef SIGPOST_OTLP_FLEET_SNAPSHOT_H
#define SIGPOST_OTLP_FLEET_SNAPSHOT_H

#include "base/result.h"
#include "otlp/fleet/fleet_fold.h"

#define FLEET_SNAPSHOT_MAGIC "SIGFLEET"
#define FLEET_SNAPSHOT_VERSION 1

/* What a snapshot stands for. */
struct fleet_position {
    uint64_t sequence;  /* of the last record of the spool that is in it */
    int64_t arrived_ns; /* the latest arrival of all that are; tells a spool that began anew */
};

/* Writes the snapshot; it is durable when true is returned. False and a sentence: the old file is
 * in place then. Takes about a second for 200 MB. */
bool fleet_snapshot_write(const struct fleet *f, struct fleet_position position, const char *path,
                          struct result *why);

enum fleet_snapshot_outcome {
    FLEET_SNAPSHOT_READ,
    FLEET_SNAPSHOT_MISSING, /* no such file */
    FLEET_SNAPSHOT_DAMAGED, /* not, or not wholly, what fleet_snapshot_write wrote */
    FLEET_SNAPSHOT_FAILED   /* it could not be read (rights, disk, memory): says nothing of it */
};

/* Makes a core with these options (but the seed, which is the file's) from a snapshot. *out and
 * *position are NULL and 0, with a sentence, unless it was READ. */
enum fleet_snapshot_outcome fleet_snapshot_read(const char *path,
                                                const struct fleet_options *options,
                                                struct fleet **out, struct fleet_position *position,
                                                struct result *why);

#endif
