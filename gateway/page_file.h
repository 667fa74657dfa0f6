/* page_file.h: one template file of the operator's: what is there, and whether it may be used.
 *
 * The default directory lies in /tmp, where everybody may make one. Who may write the file or its
 * directory writes our pages: what everybody may write is refused, and what belongs to neither root
 * nor us is used with a warning. The directory is opened once and the file in it, so that what was
 * looked at is what is read.
 */
#ifndef SIGPOST_GATEWAY_PAGE_FILE_H
#define SIGPOST_GATEWAY_PAGE_FILE_H

#include "base/buf.h"
#include "base/result.h"

#include <stdbool.h>
#include <sys/stat.h>

/* Everything by which a change is seen, an edit by rename or in place. All zero: there is no file.
 */
struct page_mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    mode_t mode;
    mode_t dir_mode;
    uid_t owner;
    uid_t dir_owner;
    int error; /* errno of what kept us from looking; 0 when there is no file */
};

/* What is there now. */
void page_file_look(const char *dir, const char *name, struct page_mark *out);
bool page_mark_same(const struct page_mark *a, const struct page_mark *b);

/* Appends the file's text and sets *mark to what was read. False when there is no file (why stays
 * empty) or it may not or cannot be used: a sentence with the path and what would mend it. */
bool page_file_read(const char *dir, const char *name, struct page_mark *mark, struct buf *out,
                    struct result *why);

/* Is what the mark tells of somebody else's, neither root's nor ours? */
bool page_mark_is_foreign(const struct page_mark *mark);

#endif
