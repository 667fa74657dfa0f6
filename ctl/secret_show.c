/* secret_show.c: sigpostctl secret list and show: keys and who uses them, for people and, as JSON,
 * for scripts. No secret leaves without --reveal. */
#include "ctl/secret.h"

#include "base/clock.h"
#include "ctl/when.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#define VERSIONS_SHOWN 3

/* The configured sources as one list, and what was counted of their use. */
struct view {
    struct key_list list;
    struct key_usage_report report;
    int64_t now_s;
    bool lost; /* there is no ring file, where there was one */
};

static void warn_of_lost_ring(struct ctl *ctl, const char *ring_file, struct view *view)
{
    struct result why = RESULT_INIT;
    bool missing = access(ring_file, F_OK) != 0 && errno == ENOENT;
    view->lost = missing && !secret_check_lost(ring_file, &view->report, "", &why);
    if (view->lost) {
        ctl_warn(ctl, "%s", why.text);
    }
}

/* CTL_DONE, or the exit status after a line on err; free with close_view in both cases. */
static int open_view(struct ctl *ctl, struct view *view)
{
    struct result why = RESULT_INIT;
    struct config *config = ctl_config(ctl);
    *view = (struct view){.now_s = clock_wall_s()};
    if (config == NULL) {
        return CTL_FAILED;
    }
    const struct keyring_sources sources = ctl_sources(config);
    int status =
        keyring_read_sources(&sources, &view->list, &why) ? CTL_DONE : ctl_fail_why(ctl, &why);
    if (status == CTL_DONE) {
        secret_read_use(ctl, config, &view->report);
        warn_of_lost_ring(ctl, config->secrets.keyring, view);
    }
    config_free(config);
    return status;
}

static void close_view(struct view *view)
{
    key_usage_report_free(&view->report);
    key_list_free(&view->list);
}

static bool is_accepted(const struct view *view, const struct key_entry *entry)
{
    return key_entry_stage(entry, view->now_s) == KEY_STAGE_ACCEPTED;
}

/* What was counted of a key; zeros when it was never used. */
static struct key_usage_key use_of(const struct view *view, const struct key_entry *entry)
{
    const struct key_usage_key *use = key_usage_find(&view->report, slice_of(entry->id));
    return use != NULL ? *use : (struct key_usage_key){.last_used_s = KEY_TIME_NONE};
}

/* --- for scripts --- */

static json_t *json_time(int64_t seconds)
{
    char text[KEY_TIME_TEXT_MAX];
    key_time_format(seconds, text);
    return text[0] != '\0' ? json_string(text) : json_null();
}

/* Whole days between two times; null when one of them is not known. */
static json_t *json_days(int64_t from_s, int64_t to_s)
{
    return from_s == KEY_TIME_NONE || to_s == KEY_TIME_NONE
               ? json_null()
               : json_integer((to_s - from_s) / WHEN_DAY);
}

/* 0 to 1, or null when there were no requests. */
static json_t *json_share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? json_null() : json_real((double)part / (double)whole);
}

static json_t *json_versions(const struct key_usage_key *use)
{
    json_t *array = json_array();
    for (size_t i = 0; i < use->n_versions; i++) {
        const struct key_usage_version *version = &use->versions[i];
        json_array_append_new(array,
                              json_pack("{s:s, s:I, s:I, s:o}", "version", version->name, "day",
                                        (json_int_t)version->day, "week", (json_int_t)version->week,
                                        "last_hour", json_time(version->last_hour_s)));
    }
    return array;
}

static json_t *json_entry(const struct view *view, const struct key_entry *entry)
{
    const struct key_usage_key use = use_of(view, entry);
    return json_pack(
        "{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:s, s:s}", "id",
        entry->id, "state", key_state_word(entry->state), "accepted", (int)is_accepted(view, entry),
        "created", json_time(entry->created), "not_before", json_time(entry->not_before),
        "not_after", json_time(entry->not_after), "age_days",
        json_days(entry->created, view->now_s), "days_left",
        json_days(view->now_s, entry->not_after), "last_used", json_time(use.last_used_s),
        "requests_day", (json_int_t)use.day, "requests_week", (json_int_t)use.week, "share_day",
        json_share(use.day, view->report.day), "share_week",
        json_share(use.week, view->report.week), "client_versions", json_versions(&use), "label",
        entry->label, "note", entry->note);
}

static int put_json(struct ctl *ctl, json_t *json)
{
    bool ok = json != NULL && json_dumpf(json, ctl->out, JSON_INDENT(2)) == 0 &&
              fputc('\n', ctl->out) != EOF;
    json_decref(json);
    return ok ? CTL_DONE : ctl_fail(ctl, "cannot write the answer");
}

static int list_json(struct ctl *ctl, const struct view *view)
{
    json_t *array = json_array();
    for (size_t i = 0; i < view->list.n; i++) {
        json_array_append_new(array, json_entry(view, &view->list.entries[i]));
    }
    return put_json(ctl, array);
}

/* --- for people --- */

/* "5d", or "-" when one of the two is not known. */
static const char *span(int64_t from_s, int64_t to_s, char out[WHEN_TEXT_MAX])
{
    if (from_s == KEY_TIME_NONE || to_s == KEY_TIME_NONE) {
        return "-";
    }
    return when_short(to_s > from_s ? to_s - from_s : 0, out);
}

/* "2.0.0.0 98 %, 1.9 2 %, 4 more" of the week's requests with this key. */
static void put_versions(FILE *out, const struct key_usage_key *use)
{
    char share[SECRET_SHARE_MAX];
    for (size_t i = 0; i < use->n_versions && i < VERSIONS_SHOWN; i++) {
        fprintf(out, "%s%s %s", i == 0 ? "" : ", ", use->versions[i].name,
                secret_share(use->versions[i].week, use->week, share));
    }
    if (use->n_versions > VERSIONS_SHOWN) {
        fprintf(out, ", %zu more", use->n_versions - VERSIONS_SHOWN);
    }
    if (use->n_versions == 0) {
        fputc('-', out);
    }
}

static void put_row(FILE *out, const struct view *view, const struct key_entry *entry, int width)
{
    char age[WHEN_TEXT_MAX];
    char left[WHEN_TEXT_MAX];
    char used[WHEN_TEXT_MAX];
    char day[SECRET_SHARE_MAX];
    char week[SECRET_SHARE_MAX];
    const struct key_usage_key use = use_of(view, entry);
    fprintf(out, "%-*s  %-8s  %-8s  %-5s  %-5s  %-8s  %-8s  %-8s  %-11s  ", width, entry->id,
            key_state_word(entry->state), is_accepted(view, entry) ? "yes" : "no",
            span(entry->created, view->now_s, age), span(view->now_s, entry->not_after, left),
            span(use.last_used_s, view->now_s, used), secret_share(use.day, view->report.day, day),
            secret_share(use.week, view->report.week, week),
            entry->label[0] != '\0' ? entry->label : "-");
    put_versions(out, &use);
    fputc('\n', out);
}

static void list_table(FILE *out, const struct view *view)
{
    int width = 2;
    if (view->list.n == 0) {
        fputs(view->lost ? "there is no key\n"
                         : "there is no key; make one: sigpostctl secret init\n",
              out);
        return;
    }
    for (size_t i = 0; i < view->list.n; i++) {
        int len = (int)strlen(view->list.entries[i].id);
        width = len > width ? len : width;
    }
    fprintf(out, "%-*s  %-8s  %-8s  %-5s  %-5s  %-8s  %-8s  %-8s  %-11s  %s\n", width, "ID",
            "STATE", "ACCEPTED", "AGE", "LEFT", "LAST USE", "DAY", "WEEK", "LABEL",
            "CLIENT VERSIONS");
    for (size_t i = 0; i < view->list.n; i++) {
        put_row(out, view, &view->list.entries[i], width);
    }
}

static void list_ids(FILE *out, const struct view *view)
{
    for (size_t i = 0; i < view->list.n; i++) {
        fprintf(out, "%s\n", view->list.entries[i].id);
    }
}

static void show_time(FILE *out, const char *name, int64_t seconds)
{
    char text[KEY_TIME_TEXT_MAX];
    key_time_format(seconds, text);
    fprintf(out, "%-15s %s\n", name, text[0] != '\0' ? text : "-");
}

static void show_use(FILE *out, const struct view *view, const struct key_entry *entry)
{
    char share[SECRET_SHARE_MAX];
    const struct key_usage_key use = use_of(view, entry);
    show_time(out, "last used", use.last_used_s);
    fprintf(out, "%-15s %" PRIu64 " of %" PRIu64 " requests, %s\n", "last day", use.day,
            view->report.day, secret_share(use.day, view->report.day, share));
    fprintf(out, "%-15s %" PRIu64 " of %" PRIu64 " requests, %s\n", "last week", use.week,
            view->report.week, secret_share(use.week, view->report.week, share));
    for (size_t i = 0; i < use.n_versions; i++) {
        const struct key_usage_version *version = &use.versions[i];
        char hour[KEY_TIME_TEXT_MAX];
        key_time_format(version->last_hour_s, hour);
        fprintf(out, "%-15s %s: %" PRIu64 " in the week, last in the hour of %s\n",
                i == 0 ? "client versions" : "", version->name, version->week, hour);
    }
}

static void show_entry(FILE *out, const struct view *view, const struct key_entry *entry,
                       bool reveal)
{
    fprintf(out, "%-15s %s\n", "id", entry->id);
    fprintf(out, "%-15s %s\n", "state", key_state_word(entry->state));
    fprintf(out, "%-15s %s\n", "accepted", is_accepted(view, entry) ? "yes" : "no");
    show_time(out, "created", entry->created);
    show_time(out, "not before", entry->not_before);
    show_time(out, "not after", entry->not_after);
    fprintf(out, "%-15s %s\n", "label", entry->label[0] != '\0' ? entry->label : "-");
    fprintf(out, "%-15s %s\n", "note", entry->note[0] != '\0' ? entry->note : "-");
    show_use(out, view, entry);
    if (reveal) {
        fprintf(out, "%-15s %s\n", "secret", entry->secret);
    } else {
        fprintf(out, "%-15s %zu bytes; --reveal shows them\n", "secret", entry->secret_len);
    }
}

static int show_json(struct ctl *ctl, const struct view *view, const struct key_entry *entry,
                     bool reveal)
{
    json_t *object = json_entry(view, entry);
    if (reveal && object != NULL &&
        json_object_set_new(object, "secret", json_stringn(entry->secret, entry->secret_len)) !=
            0) {
        json_decref(object);
        object = NULL;
    }
    return put_json(ctl, object);
}

int secret_list(struct ctl *ctl, int argc, char **argv)
{
    struct view view;
    bool json = false;
    bool ids = false;
    const struct ctl_option options[] = {{"--json", &json, NULL}, {"--ids", &ids, NULL}};
    int status = secret_options(ctl, argc, argv, options, 2, NULL);
    if (status >= 0) {
        return status;
    }
    if (json && ids) {
        return ctl_wrong_use(ctl, "secret", "--json or --ids, not both");
    }
    status = open_view(ctl, &view);
    if (status == CTL_DONE && json) {
        status = list_json(ctl, &view);
    } else if (status == CTL_DONE && ids) {
        list_ids(ctl->out, &view);
    } else if (status == CTL_DONE) {
        list_table(ctl->out, &view);
    }
    close_view(&view);
    return status;
}

int secret_show(struct ctl *ctl, int argc, char **argv)
{
    struct view view;
    const char *id = NULL;
    bool reveal = false;
    bool json = false;
    const struct ctl_option options[] = {{"--reveal", &reveal, NULL}, {"--json", &json, NULL}};
    int status = secret_options_id(ctl, argc, argv, options, 2, &id);
    if (status >= 0) {
        return status;
    }
    status = open_view(ctl, &view);
    const struct key_entry *entry =
        status == CTL_DONE ? key_list_find(&view.list, slice_of(id)) : NULL;
    if (status == CTL_DONE && entry == NULL) {
        status = ctl_fail(ctl, "there is no key \"%s\"; see: sigpostctl secret list", id);
    } else if (status == CTL_DONE && json) {
        status = show_json(ctl, &view, entry, reveal);
    } else if (status == CTL_DONE) {
        show_entry(ctl->out, &view, entry, reveal);
    }
    close_view(&view);
    return status;
}
