/* log.c: see log.h.
 *
 * A line is put together on the caller's thread and leaves by one write(2); the one lock guards the
 * flood table only and is never held over a write. The table has 128 rows, one a message text; when
 * it is full the row with the oldest second gives way.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define VALUE_MAX 256
#define FLOOD_ROWS 128
#define LINES_A_SECOND 20

struct flood_row {
    const char *message; /* a literal; NULL: the row is free */
    enum log_level level;
    int64_t since; /* monotonic: when its second began */
    unsigned written;
    uint64_t folded;
};

/* What is to be told of a row whose second is over. */
struct folded {
    const char *message; /* NULL: nothing */
    enum log_level level;
    uint64_t count;
};

static atomic_int current_format = LOG_FORMAT_TEXT;
static atomic_int current_level = LOG_LEVEL_INFO;
static atomic_int current_fd = STDERR_FILENO;

static pthread_mutex_t flood_lock = PTHREAD_MUTEX_INITIALIZER;
static struct flood_row flood[FLOOD_ROWS];

void log_setup(enum log_format format, enum log_level level)
{
    atomic_store_explicit(&current_format, (int)format, memory_order_relaxed);
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

void log_redirect(int fd)
{
    atomic_store_explicit(&current_fd, fd, memory_order_relaxed);
}

static bool is_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&current_level, memory_order_relaxed);
}

/* At most VALUE_MAX bytes, not ending inside a well-formed sequence. */
static struct slice cut_value(struct slice text)
{
    if (text.len <= VALUE_MAX) {
        return text;
    }
    size_t len = VALUE_MAX;
    for (size_t back = 1; back < 4; back++) {
        size_t start = VALUE_MAX - back;
        if (start + utf8_sequence(text.data + start, text.len - start) > VALUE_MAX) {
            len = start;
        }
    }
    return slice_make(text.data, len);
}

/* JSON's escapes, and the C1 controls U+0080 to U+009F too: terminals obey them. */
static void append_escaped(struct buf *line, struct slice text)
{
    size_t run = 0;
    for (size_t at = 0; at + 1 < text.len; at++) {
        unsigned char next = (unsigned char)text.data[at + 1];
        if (text.data[at] == '\xc2' && next >= 0x80 && next <= 0x9f) {
            buf_append_json(line, slice_make(text.data + run, at - run));
            buf_printf(line, "\\u%04x", next);
            at++;
            run = at + 1;
        }
    }
    if (run < text.len) {
        buf_append_json(line, slice_make(text.data + run, text.len - run));
    }
}

static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '=' || c == '"' || c == '\\') {
            return false;
        }
    }
    return text.len != 0;
}

static void append_field(struct buf *line, bool json, const struct log_field *field)
{
    if (!field->is_number && field->text.data == NULL) {
        return;
    }
    buf_append_str(line, json ? ",\"" : " ");
    buf_append_str(line, field->name);
    buf_append_str(line, json ? "\":" : "=");
    if (field->is_number) {
        buf_printf(line, "%lld", (long long)field->number);
        return;
    }
    struct slice value = cut_value(field->text);
    bool quoted = json || !is_plain(value);
    if (quoted) {
        buf_append_char(line, '"');
    }
    append_escaped(line, value);
    if (quoted) {
        buf_append_char(line, '"');
    }
}

static void write_line(const struct buf *line)
{
    static const char no_memory[] = "log: out of memory, a line is lost\n";
    struct slice left = line->failed ? SLICE_LIT(no_memory) : buf_slice(line);
    int fd = atomic_load_explicit(&current_fd, memory_order_relaxed);
    while (left.len != 0) {
        ssize_t wrote = write(fd, left.data, left.len);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            break; /* nobody is left to tell */
        }
        left = slice_make(left.data + wrote, left.len - (size_t)wrote);
    }
}

static void emit(enum log_level level, const char *message, const char *suffix,
                 const struct log_field *fields, size_t n)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    int saved_errno = errno;
    bool json = atomic_load_explicit(&current_format, memory_order_relaxed) == (int)LOG_FORMAT_JSON;
    struct buf line = BUF_INIT;
    char time[CLOCK_ISO_MAX];
    clock_format_iso(clock_wall_ns(), time);
    if (json) {
        buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":\"", time, levels[level]);
        append_escaped(&line, slice_of(message));
        buf_printf(&line, "%s\"", suffix);
    } else {
        buf_printf(&line, "%s %-5s %s%s", time, levels[level], message, suffix);
    }
    for (size_t i = 0; i < n; i++) {
        append_field(&line, json, &fields[i]);
    }
    buf_append_str(&line, json ? "}\n" : "\n");
    write_line(&line);
    buf_free(&line);
    errno = saved_errno;
}

static void emit_folded(const struct folded *folded)
{
    if (folded->message != NULL) {
        const struct log_field field = LOG_INT("repeated", folded->count);
        emit(folded->level, folded->message, " repeated", &field, 1);
    }
}

/* Frees the row; what it had folded goes to `out`. Call with the lock held. */
static void row_close(struct flood_row *row, struct folded *out)
{
    *out = (struct folded){row->folded != 0 ? row->message : NULL, row->level, row->folded};
    *row = (struct flood_row){0};
}

static bool is_over(const struct flood_row *row, int64_t now)
{
    return now - row->since >= NS_PER_SECOND || now < row->since;
}

/* The row of this text, a free one, or else the one with the oldest second. A literal that is met
 * again is most often the same one. */
static struct flood_row *row_for(const char *message)
{
    struct flood_row *best = NULL;
    for (size_t i = 0; i < FLOOD_ROWS && flood[i].message != NULL; i++) {
        if (flood[i].message == message) {
            return &flood[i];
        }
    }
    for (size_t i = 0; i < FLOOD_ROWS; i++) {
        struct flood_row *row = &flood[i];
        if (row->message != NULL && strcmp(row->message, message) == 0) {
            return row;
        }
        if (best == NULL ||
            (best->message != NULL && (row->message == NULL || row->since < best->since))) {
            best = row;
        }
    }
    return best;
}

/* May this line be written? What another second folded and has now to be told goes to `before`. */
static bool admit(enum log_level level, const char *message, struct folded *before)
{
    int64_t now = clock_mono_ns();
    *before = (struct folded){0};
    pthread_mutex_lock(&flood_lock);
    struct flood_row *row = row_for(message);
    bool known = row->message != NULL && strcmp(row->message, message) == 0;
    if (row->message != NULL && (!known || is_over(row, now))) {
        row_close(row, before);
    }
    if (row->message == NULL) {
        *row = (struct flood_row){.message = message, .since = now};
    }
    row->level = level;
    bool allowed = row->written < LINES_A_SECOND;
    if (allowed) {
        row->written++;
    } else {
        row->folded++;
    }
    pthread_mutex_unlock(&flood_lock);
    return allowed;
}

bool log_admits(enum log_level level, const char *message)
{
    struct folded before;
    if (!is_enabled(level)) {
        return false;
    }
    bool allowed = admit(level, message, &before);
    emit_folded(&before);
    return allowed;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t n)
{
    emit(level, message, "", fields, n);
}

void log_flush(bool all)
{
    int64_t now = clock_mono_ns();
    for (size_t i = 0; i < FLOOD_ROWS; i++) {
        struct folded folded = {0};
        pthread_mutex_lock(&flood_lock);
        if (flood[i].message != NULL && (all || is_over(&flood[i], now))) {
            row_close(&flood[i], &folded);
        }
        pthread_mutex_unlock(&flood_lock);
        emit_folded(&folded);
    }
}
