/* spool_status.c: sigpostctl spool status: what waits for whom. Counted by a walk over the headers
 * of the records behind the slowest cursor, for a cursor's file may be older than what its
 * destination has passed: it is not written for records of other signals. */
#include "ctl/spool.h"
#include "otlp/export/dead_letter.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "sigpostctl spool status [--json] [--dir DIR]\n"
    "      for each cursor how many records wait (RECORDS, BYTES) and since when (OLDEST); a\n"
    "      running gateway writes a cursor's file up to a second after it moved\n";

struct letters {
    bool known; /* where they are */
    uint64_t n, bytes;
    size_t put_back;
};

static struct letters count_letters(const char *dead)
{
    char retry[DEAD_LETTER_PATH_MAX];
    char(*names)[DEAD_LETTER_NAME_MAX] = NULL;
    struct letters letters = {.known = dead[0] != '\0'};
    struct dead_letter_box box;
    if (!letters.known) {
        return letters;
    }
    dead_letter_box_init(&box, dead, 0);
    dead_letter_count(&box, &letters.n, &letters.bytes);
    dead_letter_box_destroy(&box);
    dead_letter_retry_dir(dead, retry);
    dead_letter_list(retry, &names, &letters.put_back, NULL);
    free(names);
    return letters;
}

static void put_text(struct ctl *ctl, const struct spool_place *place,
                     const struct spool_view *view, const struct letters *letters)
{
    const struct spool_files *files = &view->files;
    FILE *out = ctl->out;
    char since[SPOOL_TIME_MAX];
    fprintf(out,
            "spool %s: %zu segments, %" PRIu64 " bytes, last sequence %" PRIu64
            "; the gateway is %s\n",
            place->spool, files->n_segments, view->bytes, view->last,
            files->running ? "running" : "not running");
    fprintf(out, "%-30s  %12s  %10s  %12s  %s\n", "CURSOR", "DONE", "RECORDS", "BYTES", "OLDEST");
    for (size_t i = 0; i < files->n_cursors; i++) {
        const struct spool_cursor_file *cursor = &files->cursors[i];
        const struct spool_waiting *waiting = &view->waiting[i];
        uint64_t done =
            waiting->records == 0 && view->last > cursor->sequence ? view->last : cursor->sequence;
        int width = 30 - (int)strlen(cursor->name);
        ctl_put_text(out, slice_of(cursor->name));
        fprintf(out, "%*s  %12" PRIu64 "  %10" PRIu64 "  %12" PRIu64 "  %s%s\n",
                width > 0 ? width : 0, "", done, waiting->records, waiting->bytes,
                spool_time(waiting->oldest_ns, since),
                cursor->sound ? "" : " (the cursor's file makes no sense)");
    }
    if (letters->known) {
        fprintf(out,
                "dead letters: %" PRIu64 ", %" PRIu64 " bytes; %zu of them wait to be sent again\n",
                letters->n, letters->bytes, letters->put_back);
    } else {
        fputs("dead letters: " SPOOL_NO_LETTERS "\n", out);
    }
    fprintf(out, "damage set aside: %" PRIu64 " files, %" PRIu64 " bytes\n",
            files->quarantine_files, files->quarantine_bytes);
}

static json_t *json_cursors(const struct spool_view *view)
{
    json_t *array = json_array();
    for (size_t i = 0; i < view->files.n_cursors; i++) {
        const struct spool_cursor_file *cursor = &view->files.cursors[i];
        const struct spool_waiting *waiting = &view->waiting[i];
        char since[SPOOL_TIME_MAX];
        spool_time(waiting->oldest_ns, since);
        json_array_append_new(
            array,
            json_pack("{s:s, s:I, s:b, s:I, s:I, s:o}", "name", cursor->name, "sequence",
                      (json_int_t)cursor->sequence, "sound", (int)cursor->sound, "waiting_records",
                      (json_int_t)waiting->records, "waiting_bytes", (json_int_t)waiting->bytes,
                      "oldest", waiting->records != 0 ? json_string(since) : json_null()));
    }
    return array;
}

static json_t *json_letters(const struct letters *letters)
{
    if (!letters->known) {
        return json_null();
    }
    return json_pack("{s:I, s:I, s:I}", "letters", (json_int_t)letters->n, "bytes",
                     (json_int_t)letters->bytes, "put_back", (json_int_t)letters->put_back);
}

static int put_json(struct ctl *ctl, const struct spool_place *place, const struct spool_view *view,
                    const struct letters *letters)
{
    const struct spool_files *files = &view->files;
    return spool_put_json(
        ctl, json_pack("{s:s, s:b, s:I, s:I, s:I, s:o, s:o, s:{s:I, s:I}}", "dir", place->spool,
                       "running", (int)files->running, "segments", (json_int_t)files->n_segments,
                       "bytes", (json_int_t)view->bytes, "last_sequence", (json_int_t)view->last,
                       "cursors", json_cursors(view), "dead_letters", json_letters(letters),
                       "quarantine", "files", (json_int_t)files->quarantine_files, "bytes",
                       (json_int_t)files->quarantine_bytes));
}

int spool_status(struct ctl *ctl, int argc, char **argv)
{
    bool json = false;
    const char *dir = NULL;
    size_t n_rest;
    struct spool_place place;
    struct spool_view view;
    const struct ctl_option options[] = {{"--json", &json, NULL}, {"--dir", NULL, &dir}};
    int status = ctl_options(ctl, "spool status", help, argc, argv, options, 2, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    status = spool_open_view(ctl, dir, &place, &view);
    if (status == CTL_DONE) {
        const struct letters letters = count_letters(place.dead);
        if (json) {
            status = put_json(ctl, &place, &view, &letters);
        } else {
            put_text(ctl, &place, &view, &letters);
        }
    }
    spool_close_view(&view);
    return status;
}
