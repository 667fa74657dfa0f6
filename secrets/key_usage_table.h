/* key_usage_table.h: the counts of all threads in one bounded table, and its form on disk. Pure
 * but for usage_table_read. Internal to the key_usage rooms, whose header has the
 * idea.
 *
 * A row is the number of uses in one hour of one key by one version. Rows whose version is told
 * apart are at most USAGE_ROWS_TOLD; past that the uses go to the row of "other", for which there
 * is always room: USAGE_KEYS x USAGE_HOURS rows. Rows stand in the order of their hours, but for
 * steps of the clock.
 *
 * On disk, integers little-endian, at most 963 920 bytes:
 *
 *     "sigpost key usage 1\n"
 *     since u64, saved u64                           Unix seconds
 *     keys u32, versions u32, rows u32
 *     keys      length u8, id, last use i64
 *     versions  length u8, text                      the first is "other"
 *     rows      hour u32, key u16, version u16, count u32
 *     SHA-256 of all before                          32 bytes
 */
#ifndef SIGPOST_SECRETS_KEY_USAGE_TABLE_H
#define SIGPOST_SECRETS_KEY_USAGE_TABLE_H

#include "base/buf.h"
#include "secrets/key_usage.h"

#define USAGE_KEYS 192
#define USAGE_VERSIONS 256
#define USAGE_HOURS 169
#define USAGE_ROWS_TOLD 46000
#define USAGE_ROWS_MAX (USAGE_ROWS_TOLD + USAGE_KEYS * USAGE_HOURS)
#define USAGE_OTHER 0 /* the version that stands for those not told apart */

#define SECONDS_PER_HOUR 3600

struct usage_key {
    char id[SIGNATURE_KEY_ID_MAX + 1];
    int64_t last_used_s;
};

struct usage_row {
    uint32_t hour; /* since the epoch */
    uint16_t key, version;
    uint32_t count; /* stays at its maximum */
};

struct usage_table {
    int64_t since_s; /* KEY_TIME_NONE while nothing was counted */
    int64_t saved_s;
    size_t n_keys, n_versions, n_rows, n_told;
    size_t cap_rows;
    struct usage_key keys[USAGE_KEYS];
    char versions[USAGE_VERSIONS][KEY_USAGE_VERSION_MAX + 1]; /* "" but for the first: free */
    struct usage_row *rows;                                   /* owned */
};

void usage_table_init(struct usage_table *table);
void usage_table_free(struct usage_table *table);

/* Adds `count` uses, the last of them at last_s. key_id is one of the grammar; version is a name as
 * client_version_name makes them. False when out of memory: the count is lost then. */
bool usage_table_add(struct usage_table *table, struct slice key_id, struct slice version,
                     uint64_t count, int64_t last_s);

/* Whether hour counts at `now_hour` among the last `hours` before it; one of a clock that was ahead
 * by up to a day does. */
bool usage_hour_within(uint32_t hour, int64_t now_hour, int64_t hours);

void usage_table_encode(const struct usage_table *table, struct buf *out);

/* Fills an initialised table. False and a sentence, and *table as initialised, when the bytes are
 * not what encode made. */
bool usage_table_decode(struct slice bytes, struct usage_table *table, struct result *why);

/* Fills a table from the file; *missing: there is none. False and a sentence when it is too large
 * or damaged. The table is initialised in every case. */
bool usage_table_read(const char *path, struct usage_table *table, bool *missing,
                      struct result *why);

#endif
