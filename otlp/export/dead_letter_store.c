/* dead_letter_store.c: writing dead letters. A letter is written under a hidden name, synced,
 * renamed, and the directory synced, before anybody hears that it is there: the frame is
 * acknowledged on the strength of it.
 *
 * The room is counted under a lock that all writers share. What others do to the directories (the
 * tool removes letters and moves them) is seen by the directories' times, and then everything is
 * counted anew.
 */
#include "otlp/export/dead_letter_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A value that stands on a head line: one line, whatever the bytes. */
static void head_text(struct buf *out, const char *name, struct slice value, size_t max)
{
    size_t take = value.len < max ? value.len : max;
    buf_printf(out, "%s: ", name);
    buf_append_json(out, slice_make(value.data != NULL ? value.data : "", take));
    buf_append_char(out, '\n');
}

static void write_head(struct buf *out, const struct dead_letter *letter)
{
    char arrived[CLOCK_ISO_MAX];
    clock_format_iso(letter->arrived_ns, arrived);
    buf_append_str(out, "sigpost-dead-letter 1\n");
    head_text(out, "reason", letter->reason, DEAD_LETTER_TEXT_MAX);
    buf_printf(out, "status: %d\nsignal: %s\n", letter->status, signal_info(letter->signal)->name);
    head_text(out, "session", letter->session, DEAD_LETTER_TEXT_MAX);
    head_text(out, "key-id", letter->key_id, DEAD_LETTER_TEXT_MAX);
    buf_printf(out, "arrived: %s\narrived-ns: %" PRId64 "\nsequence: %" PRIu64 "\n", arrived,
               letter->arrived_ns, letter->sequence);
    head_text(out, "destination", letter->destination, DEAD_LETTER_TEXT_MAX);
    head_text(out, "url", letter->url, DEAD_LETTER_TEXT_MAX);
    head_text(out, "answer", letter->answer, DEAD_LETTER_ANSWER_MAX);
    buf_printf(out, "items: %" PRIu64 "\npayload-bytes: %zu\n\n", letter->items,
               letter->payload.len);
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.len != 0) {
        ssize_t wrote = write(fd, bytes.data, bytes.len);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        size_t n = wrote > 0 ? (size_t)wrote : 0;
        bytes = slice_make(bytes.data + n, bytes.len - n);
    }
    return true;
}

static bool write_file(int dir_fd, const char *temporary, const char *name, struct slice head,
                       struct slice payload)
{
    int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return false;
    }
    bool written = write_all(fd, head) && write_all(fd, payload) && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && written) {
        error = errno;
        written = false;
    }
    errno = error;
    if (!written || renameat(dir_fd, temporary, dir_fd, name) != 0) {
        error = errno;
        unlinkat(dir_fd, temporary, 0);
        errno = error;
        return false;
    }
    return fsync(dir_fd) == 0;
}

static void name_of(const struct dead_letter *letter, char name[DEAD_LETTER_NAME_MAX])
{
    snprintf(name, DEAD_LETTER_NAME_MAX, "%016" PRIx64 "-%016" PRIx64 ".%.*s%s",
             (uint64_t)letter->arrived_ns, letter->sequence,
             letter->destination.len < 64 ? (int)letter->destination.len : 64,
             letter->destination.data != NULL ? letter->destination.data : "", DEAD_LETTER_SUFFIX);
}

/* --- room ------------------------------------------------------------------------------------- */

void dead_letter_box_init(struct dead_letter_box *box, const char *dir, uint64_t max_bytes)
{
    *box = (struct dead_letter_box){.dir = dir, .max_bytes = max_bytes};
    pthread_mutex_init(&box->lock, NULL);
}

void dead_letter_box_destroy(struct dead_letter_box *box)
{
    pthread_mutex_destroy(&box->lock);
}

/* The directories' times; zero for one that is not there. */
static bool times_of(const struct dead_letter_box *box, struct timespec times[2])
{
    char retry[DEAD_LETTER_PATH_MAX];
    dead_letter_retry_dir(box->dir, retry);
    const char *const paths[] = {box->dir, retry};
    for (size_t i = 0; i < 2; i++) {
        struct stat st;
        times[i] = (struct timespec){0, 0};
        if (stat(paths[i], &st) == 0) {
            times[i] = st.st_mtim;
        } else if (errno != ENOENT) {
            return false;
        }
    }
    return true;
}

struct tally {
    uint64_t letters, bytes;
};

static bool add_size(void *arg, int dir_fd, const char *name)
{
    struct tally *tally = arg;
    tally->bytes += dead_letter_size(dir_fd, name);
    tally->letters++;
    return true;
}

static bool add_directory(struct tally *tally, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT;
    }
    bool done = dead_letter_each(fd, add_size, tally);
    int error = errno;
    close(fd);
    errno = error;
    return done;
}

/* The times are taken first: what changes while it is counted is counted again. What was known
 * stays until all is counted, for those who ask meanwhile. Locked. */
static bool count_anew(struct dead_letter_box *box)
{
    char retry[DEAD_LETTER_PATH_MAX];
    struct tally tally = {0, 0};
    dead_letter_retry_dir(box->dir, retry);
    box->counted = times_of(box, box->changed) && add_directory(&tally, box->dir) &&
                   add_directory(&tally, retry);
    if (box->counted) {
        box->letters = tally.letters;
        box->bytes = tally.bytes;
    }
    return box->counted;
}

/* Locked. */
static bool count_if_changed(struct dead_letter_box *box)
{
    struct timespec now[2];
    if (!box->counted || !times_of(box, now) || memcmp(now, box->changed, sizeof(now)) != 0) {
        return count_anew(box);
    }
    return true;
}

bool dead_letter_count(struct dead_letter_box *box, uint64_t *letters, uint64_t *bytes)
{
    bool counted = true;
    if (pthread_mutex_trylock(&box->lock) == 0) {
        counted = count_if_changed(box);
        pthread_mutex_unlock(&box->lock);
    }
    *letters = box->letters;
    *bytes = box->bytes;
    return counted;
}

/* Is there room for `size` bytes, of which `replaced` are given back? Locked. */
static bool fits(const struct dead_letter_box *box, uint64_t size, uint64_t replaced)
{
    uint64_t used = box->bytes > replaced ? box->bytes - replaced : 0;
    return used <= box->max_bytes && size <= box->max_bytes - used;
}

/* --- storing ---------------------------------------------------------------------------------- */

static uint64_t size_of_returned(const struct dead_letter_box *box, const char *returned)
{
    char retry[DEAD_LETTER_PATH_MAX];
    if (returned == NULL) {
        return 0;
    }
    dead_letter_retry_dir(box->dir, retry);
    int fd = open(retry, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t size = fd >= 0 ? dead_letter_size(fd, returned) : 0;
    if (fd >= 0) {
        close(fd);
    }
    return size;
}

static void remove_returned(const struct dead_letter_box *box, const char *returned)
{
    char retry[DEAD_LETTER_PATH_MAX];
    struct result why = RESULT_INIT;
    dead_letter_retry_dir(box->dir, retry);
    if (!dead_letter_remove(retry, returned, &why) && errno != ENOENT) {
        LOG_WARN("dead letter: it was refused again, and its copy stays behind",
                 LOG_STR("problem", why.text));
    }
}

/* Locked. */
static enum dead_letter_outcome store_in(struct dead_letter_box *box, int dir_fd,
                                         const struct dead_letter *letter, struct slice head,
                                         const char *returned, struct result *why)
{
    char name[DEAD_LETTER_NAME_MAX];
    char temporary[DEAD_LETTER_NAME_MAX + 1];
    uint64_t size = head.len + letter->payload.len;
    name_of(letter, name);
    snprintf(temporary, sizeof(temporary), ".%s", name);
    uint64_t own = dead_letter_size(dir_fd, name);
    uint64_t replaced = own + size_of_returned(box, returned);
    if (!count_if_changed(box) || (!fits(box, size, replaced) && !count_anew(box))) {
        result_fail_errno(why, errno, "cannot read the dead letter directory %s", box->dir);
        return DEAD_LETTER_FAILED;
    }
    if (!fits(box, size, replaced)) {
        result_fail(why,
                    "the dead letter directory %s is full (%" PRIu64 " of %" PRIu64
                    " bytes used, %" PRIu64 " more needed); look at the letters and retry or drop "
                    "them (sigpostctl spool dead), or raise export.dead_letters_max",
                    box->dir, box->bytes, box->max_bytes, size);
        return DEAD_LETTER_FULL;
    }
    if (!write_file(dir_fd, temporary, name, head, letter->payload)) {
        result_fail_errno(why, errno, "cannot write the dead letter %s/%s", box->dir, name);
        return DEAD_LETTER_FAILED;
    }
    if (returned != NULL) {
        remove_returned(box, returned);
        count_anew(box);
    } else {
        box->bytes = box->bytes + size - own;
        box->letters += own == 0;
        box->counted = times_of(box, box->changed);
    }
    return DEAD_LETTER_STORED;
}

enum dead_letter_outcome dead_letter_store(struct dead_letter_box *box,
                                           const struct dead_letter *letter, const char *returned,
                                           struct result *why)
{
    enum dead_letter_outcome outcome = DEAD_LETTER_FAILED;
    struct buf head = BUF_INIT;
    int dir_fd = -1;
    write_head(&head, letter);
    pthread_mutex_lock(&box->lock);
    if (head.failed) {
        result_fail(why, "out of memory while setting a dead letter aside");
    } else {
        dir_fd = dead_letter_open_dir(box->dir, why);
    }
    if (dir_fd >= 0) {
        outcome = store_in(box, dir_fd, letter, buf_slice(&head), returned, why);
        close(dir_fd);
    }
    pthread_mutex_unlock(&box->lock);
    buf_free(&head);
    return outcome;
}
