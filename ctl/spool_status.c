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

struct waiting {
    uint64_t records, bytes;
    int64_t oldest_ns;
};

struct state {
    struct spool_files files;
    struct waiting *waiting; /* one for each cursor */
    uint64_t bytes, last;
    uint64_t letters, letter_bytes;
    size_t put_back;
};

static bool count_record(void *arg, const struct spool_file *file,
                         const struct segment_frame *frame, uint64_t offset, const uint8_t *bytes)
{
    struct state *state = arg;
    (void)file;
    (void)offset;
    (void)bytes;
    for (size_t i = 0; i < state->files.n_cursors; i++) {
        const struct spool_cursor_file *cursor = &state->files.cursors[i];
        struct waiting *waiting = &state->waiting[i];
        if (frame->sequence <= cursor->sequence ||
            (SPOOL_SIGNAL(frame->signal) & cursor->signals) == 0) {
            continue;
        }
        if (waiting->records++ == 0) {
            waiting->oldest_ns = frame->arrived_ns;
        }
        waiting->bytes += frame->payload_len;
    }
    state->last = frame->sequence;
    return true;
}

static bool count_waiting(struct state *state)
{
    struct spool_walk walk = {.from = UINT64_MAX,
                              .until = UINT64_MAX,
                              .signals = SPOOL_ALL_SIGNALS,
                              .record = count_record,
                              .arg = state};
    const struct spool_files *files = &state->files;
    state->waiting = calloc(files->n_cursors + 1, sizeof(*state->waiting));
    if (state->waiting == NULL) {
        return false;
    }
    for (size_t i = 0; i < files->n_segments; i++) {
        state->bytes += files->segments[i].bytes;
    }
    for (size_t i = 0; i < files->n_cursors; i++) {
        uint64_t next = files->cursors[i].sequence + 1;
        walk.from = next < walk.from ? next : walk.from;
    }
    if (files->n_segments != 0) {
        const struct spool_file *newest = &files->segments[files->n_segments - 1];
        state->last = newest->first - 1;
        walk.from = newest->first < walk.from ? newest->first : walk.from;
    }
    spool_files_walk(files, &walk);
    return true;
}

static void count_letters(struct state *state, const char *dead)
{
    char retry[DEAD_LETTER_PATH_MAX];
    char(*names)[DEAD_LETTER_NAME_MAX] = NULL;
    struct dead_letter_box box;
    dead_letter_box_init(&box, dead, 0);
    dead_letter_count(&box, &state->letters, &state->letter_bytes);
    dead_letter_box_destroy(&box);
    dead_letter_retry_dir(dead, retry);
    dead_letter_list(retry, &names, &state->put_back, NULL);
    free(names);
}

static void put_text(struct ctl *ctl, const struct spool_place *place, const struct state *state)
{
    const struct spool_files *files = &state->files;
    FILE *out = ctl->out;
    char since[SPOOL_TIME_MAX];
    fprintf(out,
            "spool %s: %zu segments, %" PRIu64 " bytes, last sequence %" PRIu64
            "; the gateway is %s\n",
            place->spool, files->n_segments, state->bytes, state->last,
            files->running ? "running" : "not running");
    fprintf(out, "%-30s  %12s  %10s  %12s  %s\n", "CURSOR", "DONE", "RECORDS", "BYTES", "OLDEST");
    for (size_t i = 0; i < files->n_cursors; i++) {
        const struct spool_cursor_file *cursor = &files->cursors[i];
        const struct waiting *waiting = &state->waiting[i];
        uint64_t done = waiting->records == 0 && state->last > cursor->sequence ? state->last
                                                                                : cursor->sequence;
        int width = 30 - (int)strlen(cursor->name);
        ctl_put_text(out, slice_of(cursor->name));
        fprintf(out, "%*s  %12" PRIu64 "  %10" PRIu64 "  %12" PRIu64 "  %s%s\n",
                width > 0 ? width : 0, "", done, waiting->records, waiting->bytes,
                spool_time(waiting->oldest_ns, since),
                cursor->sound ? "" : " (the cursor's file makes no sense)");
    }
    fprintf(out,
            "dead letters: %" PRIu64 ", %" PRIu64 " bytes; %zu of them wait to be sent again\n",
            state->letters, state->letter_bytes, state->put_back);
    fprintf(out, "damage set aside: %" PRIu64 " files, %" PRIu64 " bytes\n",
            files->quarantine_files, files->quarantine_bytes);
}

static json_t *json_cursors(const struct state *state)
{
    json_t *array = json_array();
    for (size_t i = 0; i < state->files.n_cursors; i++) {
        const struct spool_cursor_file *cursor = &state->files.cursors[i];
        const struct waiting *waiting = &state->waiting[i];
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

static int put_json(struct ctl *ctl, const struct spool_place *place, const struct state *state)
{
    const struct spool_files *files = &state->files;
    return spool_put_json(
        ctl, json_pack("{s:s, s:b, s:I, s:I, s:I, s:o, s:{s:I, s:I, s:I}, s:{s:I, s:I}}", "dir",
                       place->spool, "running", (int)files->running, "segments",
                       (json_int_t)files->n_segments, "bytes", (json_int_t)state->bytes,
                       "last_sequence", (json_int_t)state->last, "cursors", json_cursors(state),
                       "dead_letters", "letters", (json_int_t)state->letters, "bytes",
                       (json_int_t)state->letter_bytes, "put_back", (json_int_t)state->put_back,
                       "quarantine", "files", (json_int_t)files->quarantine_files, "bytes",
                       (json_int_t)files->quarantine_bytes));
}

int spool_status(struct ctl *ctl, int argc, char **argv)
{
    bool json = false;
    const char *dir = NULL;
    size_t n_rest;
    struct spool_place place;
    struct state state = {0};
    const struct ctl_option options[] = {{"--json", &json, NULL}, {"--dir", NULL, &dir}};
    int status = ctl_options(ctl, "spool status", help, argc, argv, options, 2, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    status = spool_open_files(ctl, dir, &place, &state.files);
    if (status == CTL_DONE && !count_waiting(&state)) {
        status = ctl_fail(ctl, "out of memory");
    }
    if (status == CTL_DONE) {
        count_letters(&state, place.dead);
        if (json) {
            status = put_json(ctl, &place, &state);
        } else {
            put_text(ctl, &place, &state);
        }
    }
    free(state.waiting);
    spool_files_close(&state.files);
    return status;
}
