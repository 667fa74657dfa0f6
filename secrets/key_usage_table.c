/* key_usage_table.c: the bounded table of uses; see key_usage_table.h. */
#include "secrets/key_usage_table.h"

#include "base/client_version.h"

#include <stdlib.h>

void usage_table_init(struct usage_table *table)
{
    *table = (struct usage_table){.since_s = KEY_TIME_NONE, .n_versions = 1};
    memcpy(table->versions[USAGE_OTHER], CLIENT_VERSION_OTHER, sizeof(CLIENT_VERSION_OTHER));
}

void usage_table_free(struct usage_table *table)
{
    free(table->rows);
    usage_table_init(table);
}

bool usage_hour_within(uint32_t hour, int64_t now_hour, int64_t hours)
{
    return hour >= now_hour - hours && hour <= now_hour + 1;
}

static void remove_row(struct usage_table *table, size_t at)
{
    table->n_told -= table->rows[at].version != USAGE_OTHER;
    table->n_rows--;
    memmove(&table->rows[at], &table->rows[at + 1], (table->n_rows - at) * sizeof(table->rows[0]));
}

/* Keeps the rows of the window whose key is not `but_key`. */
static void keep_rows(struct usage_table *table, int64_t now_hour, size_t but_key)
{
    size_t kept = 0;
    table->n_told = 0;
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct usage_row row = table->rows[i];
        if (row.key != but_key && usage_hour_within(row.hour, now_hour, USAGE_HOURS - 1)) {
            table->n_told += row.version != USAGE_OTHER;
            table->rows[kept++] = row;
        }
    }
    table->n_rows = kept;
}

/* A version that no row names any more gives its place back. */
static void free_versions(struct usage_table *table)
{
    bool used[USAGE_VERSIONS] = {[USAGE_OTHER] = true};
    for (size_t i = 0; i < table->n_rows; i++) {
        used[table->rows[i].version] = true;
    }
    for (size_t i = 0; i < table->n_versions; i++) {
        if (!used[i]) {
            table->versions[i][0] = '\0';
        }
    }
}

/* Rows stand in the order of their hours: the first tells whether there is anything to expire, and
 * the last whether the clock was ahead. */
static void expire(struct usage_table *table, int64_t now_hour)
{
    if (table->n_rows != 0 &&
        (!usage_hour_within(table->rows[0].hour, now_hour, USAGE_HOURS - 1) ||
         !usage_hour_within(table->rows[table->n_rows - 1].hour, now_hour, USAGE_HOURS - 1))) {
        keep_rows(table, now_hour, USAGE_KEYS);
        free_versions(table);
    }
}

/* The key's place, made if need be at the expense of the one unused for longest. */
static size_t take_key(struct usage_table *table, struct slice id, int64_t now_hour)
{
    size_t oldest = 0;
    for (size_t i = 0; i < table->n_keys; i++) {
        if (slice_eq_str(id, table->keys[i].id)) {
            return i;
        }
        if (table->keys[i].last_used_s < table->keys[oldest].last_used_s) {
            oldest = i;
        }
    }
    size_t at = oldest;
    if (table->n_keys < USAGE_KEYS) {
        at = table->n_keys++;
    } else {
        keep_rows(table, now_hour, oldest);
        free_versions(table);
    }
    table->keys[at] = (struct usage_key){.last_used_s = KEY_TIME_NONE};
    memcpy(table->keys[at].id, id.data, id.len);
    return at;
}

/* USAGE_OTHER when there is no place left. */
static size_t take_version(struct usage_table *table, struct slice version)
{
    size_t vacant = USAGE_OTHER;
    for (size_t i = 0; i < table->n_versions; i++) {
        if (slice_eq_str(version, table->versions[i])) {
            return i;
        }
        if (table->versions[i][0] == '\0') {
            vacant = i;
        }
    }
    if (vacant == USAGE_OTHER && table->n_versions < USAGE_VERSIONS) {
        vacant = table->n_versions++;
    }
    if (vacant != USAGE_OTHER) {
        memcpy(table->versions[vacant], version.data, version.len);
        table->versions[vacant][version.len] = '\0';
    }
    return vacant;
}

static struct usage_row *find_row(struct usage_table *table, struct usage_row wanted)
{
    for (size_t i = table->n_rows; i-- > 0 && table->rows[i].hour >= wanted.hour;) {
        struct usage_row *row = &table->rows[i];
        if (row->hour == wanted.hour && row->key == wanted.key && row->version == wanted.version) {
            return row;
        }
    }
    return NULL;
}

static struct usage_row *append_row(struct usage_table *table, struct usage_row row)
{
    if (table->n_rows == USAGE_ROWS_MAX) {
        remove_row(table, 0);
    }
    if (table->n_rows == table->cap_rows) {
        size_t cap = table->cap_rows != 0 ? table->cap_rows * 2 : 256;
        cap = cap < USAGE_ROWS_MAX ? cap : USAGE_ROWS_MAX;
        struct usage_row *grown = realloc(table->rows, cap * sizeof(*grown));
        if (grown == NULL) {
            return NULL;
        }
        table->rows = grown;
        table->cap_rows = cap;
    }
    table->n_told += row.version != USAGE_OTHER;
    table->rows[table->n_rows] = row;
    return &table->rows[table->n_rows++];
}

static struct usage_row *take_row(struct usage_table *table, struct usage_row wanted)
{
    struct usage_row *row = find_row(table, wanted);
    if (row == NULL && wanted.version != USAGE_OTHER && table->n_told >= USAGE_ROWS_TOLD) {
        wanted.version = USAGE_OTHER;
        row = find_row(table, wanted);
    }
    return row != NULL ? row : append_row(table, wanted);
}

/* A last use that lies ahead was told by a clock that has since been set back. */
static void set_last_use(struct usage_key *key, int64_t last_s)
{
    if (key->last_used_s < last_s || key->last_used_s > last_s + SECONDS_PER_HOUR) {
        key->last_used_s = last_s;
    }
}

bool usage_table_add(struct usage_table *table, struct slice key_id, struct slice version,
                     uint64_t count, int64_t last_s)
{
    int64_t hour = last_s / SECONDS_PER_HOUR;
    if (hour < 0 || hour > UINT32_MAX) {
        return false;
    }
    expire(table, hour);
    size_t key = take_key(table, key_id, hour);
    struct usage_row wanted = {(uint32_t)hour, (uint16_t)key,
                               (uint16_t)take_version(table, version), 0};
    struct usage_row *row = take_row(table, wanted);
    if (row == NULL) {
        return false;
    }
    row->count = count < UINT32_MAX - row->count ? row->count + (uint32_t)count : UINT32_MAX;
    set_last_use(&table->keys[key], last_s);
    if (table->since_s == KEY_TIME_NONE || table->since_s > last_s) {
        table->since_s = last_s;
    }
    return true;
}
