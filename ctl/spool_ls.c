/* spool_ls.c: sigpostctl spool ls: the segment files. The sequence of a segment's last record is
 * told by the next one's name. */
#include "ctl/spool.h"

#include <inttypes.h>
#include <string.h>

static const char help[] = "sigpostctl spool ls [--json] [--dir DIR]\n"
                           "      FILE, its BYTES, its FIRST and LAST sequence, when it was MADE, "
                           "and which\n"
                           "      cursors wait for something in it, or before it\n";

/* The last sequence that is, or could be, in it. */
static uint64_t last_of(const struct spool_view *view, const struct spool_file *file)
{
    return file->newest ? view->last : file[1].first - 1;
}

/* Is something in it, or before it, that this cursor waits for? */
static bool holds(const struct spool_view *view, size_t cursor, uint64_t last)
{
    return view->waiting[cursor].records != 0 && view->waiting[cursor].first <= last;
}

static void put_line(FILE *out, const struct spool_view *view, size_t i)
{
    const struct spool_file *file = &view->files.segments[i];
    char made[SPOOL_TIME_MAX];
    uint64_t last = last_of(view, file);
    fprintf(out, "%s  %10" PRIu64 "  %10" PRIu64 "  %10" PRIu64 "  %-24s", file->name, file->bytes,
            file->first, last, spool_time(spool_file_made(&view->files, file), made));
    for (size_t c = 0; c < view->files.n_cursors; c++) {
        if (holds(view, c, last)) {
            fputc(' ', out);
            ctl_put_text(out, slice_of(view->files.cursors[c].name));
        }
    }
    fputc('\n', out);
}

static json_t *json_line(const struct spool_view *view, size_t i)
{
    const struct spool_file *file = &view->files.segments[i];
    char made[SPOOL_TIME_MAX];
    uint64_t last = last_of(view, file);
    json_t *held = json_array();
    for (size_t c = 0; c < view->files.n_cursors; c++) {
        if (holds(view, c, last)) {
            json_array_append_new(held, json_string(view->files.cursors[c].name));
        }
    }
    return json_pack("{s:s, s:I, s:I, s:I, s:s, s:b, s:o}", "file", file->name, "bytes",
                     (json_int_t)file->bytes, "first", (json_int_t)file->first, "last",
                     (json_int_t)last, "made",
                     spool_time(spool_file_made(&view->files, file), made), "newest",
                     (int)file->newest, "held_by", held);
}

static int put_json(struct ctl *ctl, const struct spool_view *view)
{
    json_t *array = json_array();
    for (size_t i = 0; i < view->files.n_segments; i++) {
        json_array_append_new(array, json_line(view, i));
    }
    return spool_put_json(ctl, array);
}

int spool_ls(struct ctl *ctl, int argc, char **argv)
{
    bool json = false;
    const char *dir = NULL;
    size_t n_rest;
    struct spool_place place;
    struct spool_view view;
    const struct ctl_option options[] = {{"--json", &json, NULL}, {"--dir", NULL, &dir}};
    int status = ctl_options(ctl, "spool ls", help, argc, argv, options, 2, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    status = spool_open_view(ctl, dir, &place, &view);
    if (status == CTL_DONE && json) {
        status = put_json(ctl, &view);
    } else if (status == CTL_DONE) {
        fprintf(ctl->out, "%-20s  %10s  %10s  %10s  %-24s %s\n", "FILE", "BYTES", "FIRST", "LAST",
                "MADE", "HELD BY");
        for (size_t i = 0; i < view.files.n_segments; i++) {
            put_line(ctl->out, &view, i);
        }
    }
    spool_close_view(&view);
    return status;
}
