/* spool_view.c: what waits for whom, by a walk over the headers behind the slowest cursor. */
#include "ctl/spool.h"

#include <stdlib.h>

static bool count_record(void *arg, const struct spool_file *file,
                         const struct segment_frame *frame, uint64_t offset, const uint8_t *bytes)
{
    struct spool_view *view = arg;
    (void)bytes;
    for (size_t i = 0; i < view->files.n_cursors; i++) {
        const struct spool_cursor_file *cursor = &view->files.cursors[i];
        struct spool_waiting *waiting = &view->waiting[i];
        if (frame->sequence <= cursor->sequence ||
            (SPOOL_SIGNAL(frame->signal) & cursor->signals) == 0) {
            continue;
        }
        if (waiting->records++ == 0) {
            waiting->first = frame->sequence;
            waiting->oldest_ns = frame->arrived_ns;
        }
        waiting->bytes += frame->payload_len;
    }
    view->last = frame->sequence;
    if (file->newest) {
        struct spool_file *newest = &view->files.segments[view->files.n_segments - 1];
        newest->bytes = offset + frame->total;
    }
    return true;
}

/* The newest segment is walked whole: its size tells nothing while it is written. */
static void count_waiting(struct spool_view *view)
{
    const struct spool_files *files = &view->files;
    struct spool_walk walk = {.from = UINT64_MAX,
                              .until = UINT64_MAX,
                              .signals = SPOOL_ALL_SIGNALS,
                              .record = count_record,
                              .arg = view};
    for (size_t i = 0; i < files->n_cursors; i++) {
        uint64_t next = files->cursors[i].sequence + 1;
        walk.from = next < walk.from ? next : walk.from;
    }
    if (files->n_segments != 0) {
        struct spool_file *newest = &files->segments[files->n_segments - 1];
        walk.from = newest->first < walk.from ? newest->first : walk.from;
        view->last = newest->first - 1;
        newest->bytes = newest->bytes < SEGMENT_HEADER_LEN ? newest->bytes : SEGMENT_HEADER_LEN;
    }
    spool_files_walk(files, &walk);
    for (size_t i = 0; i < files->n_segments; i++) {
        view->bytes += files->segments[i].bytes;
    }
}

int spool_open_view(struct ctl *ctl, const char *dir, struct spool_place *place,
                    struct spool_view *view)
{
    *view = (struct spool_view){.waiting = NULL};
    int status = spool_open_files(ctl, dir, place, &view->files);
    if (status != CTL_DONE) {
        return status;
    }
    view->waiting = calloc(view->files.n_cursors + 1, sizeof(*view->waiting));
    if (view->waiting == NULL) {
        return ctl_fail(ctl, "out of memory");
    }
    count_waiting(view);
    return CTL_DONE;
}

void spool_close_view(struct spool_view *view)
{
    free(view->waiting);
    spool_files_close(&view->files);
}
