/* spool_ls.c: sigpostctl spool ls: the segment files. The sequence of a segment's last record is
 * told by the next one's name; of the newest, by a walk over its headers. */
#include "ctl/spool.h"

#include <inttypes.h>
#include <string.h>

static const char help[] = "sigpostctl spool ls [--json] [--dir DIR]\n"
                           "      FILE, its BYTES, its FIRST and LAST sequence, when it was MADE, "
                           "and whose\n"
                           "      cursors are not past it\n";

static bool take_last(void *arg, const struct spool_file *file, const struct segment_frame *frame,
                      uint64_t offset, const uint8_t *bytes)
{
    (void)file;
    (void)offset;
    (void)bytes;
    *(uint64_t *)arg = frame->sequence;
    return true;
}

static uint64_t last_of(const struct spool_files *files, size_t i)
{
    const struct spool_file *file = &files->segments[i];
    uint64_t last = file->first - 1;
    if (!file->newest) {
        return file[1].first - 1;
    }
    const struct spool_walk walk = {.from = file->first,
                                    .until = UINT64_MAX,
                                    .signals = SPOOL_ALL_SIGNALS,
                                    .record = take_last,
                                    .arg = &last};
    spool_files_walk(files, &walk);
    return last;
}

static bool holds(const struct spool_cursor_file *cursor, uint64_t last)
{
    return cursor->sequence < last;
}

static void put_line(FILE *out, const struct spool_files *files, size_t i)
{
    const struct spool_file *file = &files->segments[i];
    char made[SPOOL_TIME_MAX];
    uint64_t last = last_of(files, i);
    fprintf(out, "%s  %10" PRIu64 "  %10" PRIu64 "  %10" PRIu64 "  %-24s", file->name, file->bytes,
            file->first, last, spool_time(spool_file_made(files, file), made));
    for (size_t c = 0; c < files->n_cursors; c++) {
        if (holds(&files->cursors[c], last)) {
            fputc(' ', out);
            ctl_put_text(out, slice_of(files->cursors[c].name));
        }
    }
    fputc('\n', out);
}

static json_t *json_line(const struct spool_files *files, size_t i)
{
    const struct spool_file *file = &files->segments[i];
    char made[SPOOL_TIME_MAX];
    uint64_t last = last_of(files, i);
    json_t *held = json_array();
    for (size_t c = 0; c < files->n_cursors; c++) {
        if (holds(&files->cursors[c], last)) {
            json_array_append_new(held, json_string(files->cursors[c].name));
        }
    }
    return json_pack("{s:s, s:I, s:I, s:I, s:s, s:b, s:o}", "file", file->name, "bytes",
                     (json_int_t)file->bytes, "first", (json_int_t)file->first, "last",
                     (json_int_t)last, "made", spool_time(spool_file_made(files, file), made),
                     "newest", (int)file->newest, "held_by", held);
}

static int put_json(struct ctl *ctl, const struct spool_files *files)
{
    json_t *array = json_array();
    for (size_t i = 0; i < files->n_segments; i++) {
        json_array_append_new(array, json_line(files, i));
    }
    return spool_put_json(ctl, array);
}

int spool_ls(struct ctl *ctl, int argc, char **argv)
{
    bool json = false;
    const char *dir = NULL;
    size_t n_rest;
    struct spool_place place;
    struct spool_files files;
    const struct ctl_option options[] = {{"--json", &json, NULL}, {"--dir", NULL, &dir}};
    int status = ctl_options(ctl, "spool ls", help, argc, argv, options, 2, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    status = spool_open_files(ctl, dir, &place, &files);
    if (status == CTL_DONE && json) {
        status = put_json(ctl, &files);
    } else if (status == CTL_DONE) {
        fprintf(ctl->out, "%-20s  %10s  %10s  %10s  %-24s %s\n", "FILE", "BYTES", "FIRST", "LAST",
                "MADE", "HELD BY");
        for (size_t i = 0; i < files.n_segments; i++) {
            put_line(ctl->out, &files, i);
        }
    }
    spool_files_close(&files);
    return status;
}
