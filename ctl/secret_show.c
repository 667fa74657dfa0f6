/* secret_show.c: sigpostctl secret list and show: keys for people and, as JSON, for scripts. No
 * secret leaves without --reveal. */
#include "ctl/secret.h"

#include "base/clock.h"

#include <jansson.h>
#include <string.h>

/* The configured sources as one list; CTL_DONE, or the exit status after a line on err. */
static int load_keys(struct ctl *ctl, struct key_list *list)
{
    struct result why = RESULT_INIT;
    struct config *config = ctl_config(ctl);
    *list = (struct key_list){0};
    if (config == NULL) {
        return CTL_FAILED;
    }
    const struct keyring_sources sources = ctl_sources(config);
    bool ok = keyring_read_sources(&sources, list, &why);
    config_free(config);
    return ok ? CTL_DONE : ctl_fail(ctl, "%s", why.text);
}

static bool is_accepted(const struct key_entry *entry)
{
    return key_entry_stage(entry, clock_wall_s()) == KEY_STAGE_ACCEPTED;
}

static json_t *json_time(int64_t seconds)
{
    char text[KEY_TIME_TEXT_MAX];
    key_time_format(seconds, text);
    return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *json_entry(const struct key_entry *entry)
{
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:n, s:s, s:s}", "id", entry->id, "state",
                     key_state_word(entry->state), "accepted", (int)is_accepted(entry), "created",
                     json_time(entry->created), "not_before", json_time(entry->not_before),
                     "not_after", json_time(entry->not_after), "last_used", "label", entry->label,
                     "note", entry->note);
}

static int print_json(struct ctl *ctl, const struct key_list *list)
{
    json_t *array = json_array();
    bool ok = array != NULL;
    for (size_t i = 0; ok && i < list->n; i++) {
        ok = json_array_append_new(array, json_entry(&list->entries[i])) == 0;
    }
    ok = ok && json_dumpf(array, ctl->out, JSON_INDENT(2)) == 0 && fputc('\n', ctl->out) != EOF;
    json_decref(array);
    return ok ? CTL_DONE : ctl_fail(ctl, "cannot write the list");
}

static const char *time_or_dash(int64_t seconds, char text[KEY_TIME_TEXT_MAX])
{
    key_time_format(seconds, text);
    return text[0] != '\0' ? text : "-";
}

static void print_table(FILE *out, const struct key_list *list)
{
    int width = 2;
    for (size_t i = 0; i < list->n; i++) {
        int len = (int)strlen(list->entries[i].id);
        width = len > width ? len : width;
    }
    fprintf(out, "%-*s  %-8s  %-8s  %-20s  %-20s  %-20s  %s\n", width, "ID", "STATE", "ACCEPTED",
            "CREATED", "NOT BEFORE", "NOT AFTER", "LABEL");
    for (size_t i = 0; i < list->n; i++) {
        const struct key_entry *entry = &list->entries[i];
        char created[KEY_TIME_TEXT_MAX];
        char not_before[KEY_TIME_TEXT_MAX];
        char not_after[KEY_TIME_TEXT_MAX];
        fprintf(out, "%-*s  %-8s  %-8s  %-20s  %-20s  %-20s  %s\n", width, entry->id,
                key_state_word(entry->state), is_accepted(entry) ? "yes" : "no",
                time_or_dash(entry->created, created), time_or_dash(entry->not_before, not_before),
                time_or_dash(entry->not_after, not_after),
                entry->label[0] != '\0' ? entry->label : "-");
    }
}

int secret_print_list(struct ctl *ctl, bool json)
{
    struct key_list list;
    int status = load_keys(ctl, &list);
    if (status == CTL_DONE && json) {
        status = print_json(ctl, &list);
    } else if (status == CTL_DONE && list.n == 0) {
        fputs("there is no key; make one: sigpostctl secret init\n", ctl->out);
    } else if (status == CTL_DONE) {
        print_table(ctl->out, &list);
    }
    key_list_free(&list);
    return status;
}

static void print_entry(FILE *out, const struct key_entry *entry, bool reveal)
{
    char text[KEY_TIME_TEXT_MAX];
    fprintf(out, "id          %s\n", entry->id);
    fprintf(out, "state       %s\n", key_state_word(entry->state));
    fprintf(out, "accepted    %s\n", is_accepted(entry) ? "yes" : "no");
    fprintf(out, "created     %s\n", time_or_dash(entry->created, text));
    fprintf(out, "not before  %s\n", time_or_dash(entry->not_before, text));
    fprintf(out, "not after   %s\n", time_or_dash(entry->not_after, text));
    fprintf(out, "label       %s\n", entry->label[0] != '\0' ? entry->label : "-");
    fprintf(out, "note        %s\n", entry->note[0] != '\0' ? entry->note : "-");
    if (reveal) {
        fprintf(out, "secret      %s\n", entry->secret);
    } else {
        fprintf(out, "secret      %zu bytes; --reveal shows them\n", entry->secret_len);
    }
}

int secret_print_key(struct ctl *ctl, const char *id, bool reveal)
{
    struct key_list list;
    int status = load_keys(ctl, &list);
    if (status == CTL_DONE) {
        const struct key_entry *entry = key_list_find(&list, slice_of(id));
        if (entry != NULL) {
            print_entry(ctl->out, entry, reveal);
        } else {
            status = ctl_fail(ctl, "there is no key \"%s\"; see: sigpostctl secret list", id);
        }
    }
    key_list_free(&list);
    return status;
}
