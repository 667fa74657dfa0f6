/* key_usage_report.c: what the counts say to a tool: sums by key and version; see key_usage.h. */
#include "secrets/key_usage_table.h"

#include <stdlib.h>

#define HOURS_OF_DAY 24
#define HOURS_OF_WEEK (USAGE_HOURS - 1)

struct sums {
    uint64_t day, week;
    uint32_t last_hour;
};

/* sums: USAGE_VERSIONS a key. */
static void sum_rows(const struct usage_table *table, int64_t now_hour, struct sums *sums)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct usage_row *row = &table->rows[i];
        struct sums *to = &sums[row->key * (size_t)USAGE_VERSIONS + row->version];
        if (usage_hour_within(row->hour, now_hour, HOURS_OF_WEEK)) {
            bool today = usage_hour_within(row->hour, now_hour, HOURS_OF_DAY);
            to->week += row->count;
            to->day += today ? row->count : 0;
            to->last_hour = row->hour > to->last_hour ? row->hour : to->last_hour;
        }
    }
}

static int most_used_first(const void *a, const void *b)
{
    const struct key_usage_version *left = a;
    const struct key_usage_version *right = b;
    if (left->week != right->week) {
        return left->week > right->week ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

static int last_used_first(const void *a, const void *b)
{
    const struct key_usage_key *left = a;
    const struct key_usage_key *right = b;
    if (left->last_used_s != right->last_used_s) {
        return left->last_used_s > right->last_used_s ? -1 : 1;
    }
    return strcmp(left->id, right->id);
}

static void add_version(struct key_usage_key *key, const char *name, const struct sums *sums)
{
    struct key_usage_version *version = &key->versions[key->n_versions++];
    memcpy(version->name, name, sizeof(version->name));
    version->last_hour_s = (int64_t)sums->last_hour * SECONDS_PER_HOUR;
    version->day = sums->day;
    version->week = sums->week;
    key->day += sums->day;
    key->week += sums->week;
}

static bool fill_key(struct key_usage_key *key, const struct usage_table *table, size_t at,
                     const struct sums *sums)
{
    size_t n = 0;
    *key = (struct key_usage_key){.last_used_s = table->keys[at].last_used_s};
    memcpy(key->id, table->keys[at].id, sizeof(key->id));
    for (size_t i = 0; i < table->n_versions; i++) {
        n += sums[i].week != 0;
    }
    key->versions = calloc(n + 1, sizeof(*key->versions));
    if (key->versions == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->n_versions; i++) {
        if (sums[i].week != 0) {
            add_version(key, table->versions[i], &sums[i]);
        }
    }
    qsort(key->versions, key->n_versions, sizeof(key->versions[0]), most_used_first);
    return true;
}

static bool fill_report(const struct usage_table *table, int64_t now_s,
                        struct key_usage_report *report)
{
    struct sums *sums = calloc(USAGE_KEYS * (size_t)USAGE_VERSIONS, sizeof(*sums));
    bool ok = sums != NULL;
    report->since_s = table->since_s;
    report->saved_s = table->saved_s;
    report->keys = calloc(table->n_keys + 1, sizeof(*report->keys));
    ok = ok && report->keys != NULL;
    if (ok) {
        sum_rows(table, now_s / SECONDS_PER_HOUR, sums);
    }
    for (size_t i = 0; ok && i < table->n_keys; i++) {
        struct key_usage_key *key = &report->keys[report->n++];
        ok = fill_key(key, table, i, &sums[i * USAGE_VERSIONS]);
        report->day += key->day;
        report->week += key->week;
    }
    if (ok) {
        qsort(report->keys, report->n, sizeof(report->keys[0]), last_used_first);
    }
    free(sums);
    return ok;
}

bool key_usage_read(const char *path, int64_t now_s, struct key_usage_report *report,
                    struct result *why)
{
    bool missing = false;
    *report = (struct key_usage_report){.since_s = KEY_TIME_NONE, .saved_s = KEY_TIME_NONE};
    struct usage_table *table = malloc(sizeof(*table));
    if (table == NULL) {
        return result_fail(why, "out of memory");
    }
    bool ok = usage_table_read(path, table, &missing, why);
    if (ok && !missing && !fill_report(table, now_s, report)) {
        key_usage_report_free(report);
        ok = result_fail(why, "out of memory");
    }
    usage_table_free(table);
    free(table);
    return ok;
}

void key_usage_report_free(struct key_usage_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        free(report->keys[i].versions);
    }
    free(report->keys);
    *report = (struct key_usage_report){.since_s = KEY_TIME_NONE, .saved_s = KEY_TIME_NONE};
}

const struct key_usage_key *key_usage_find(const struct key_usage_report *report, struct slice id)
{
    for (size_t i = 0; i < report->n; i++) {
        if (slice_eq_str(id, report->keys[i].id)) {
            return &report->keys[i];
        }
    }
    return NULL;
}
