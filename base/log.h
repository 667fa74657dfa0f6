/* log.h: structured log lines on standard error, as text or JSON.
 *
 *     LOG_WARN("collector answered 503", LOG_STR("destination", name), LOG_INT("status", 503));
 *
 * text:  2026-01-31T12:00:00.000Z warn  collector answered 503 destination=otlp status=503
 * json:  {"time":"…","level":"warn","msg":"collector answered
 * 503","destination":"otlp","status":503}
 *
 * Values may be attacker's text: they are cut at 256 bytes, control bytes and quotes are escaped,
 * what is not UTF-8 is replaced; in text a value with a space, '=' or '"' is quoted. One line is
 * one write(2). Floods are folded: of lines with one message text, the first 20 in a second are
 * written, the rest are counted, and the count follows as one line ("… repeated": field repeated=N)
 * when the second is over or at log_flush. Thread-safe, never blocks on another thread's I/O for
 * longer than its write.
 */
#ifndef SIGPOST_BASE_LOG_H
#define SIGPOST_BASE_LOG_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_field {
    const char *name;  /* a literal of ours: [a-z_]+ */
    struct slice text; /* used when is_number is false; absent is left out of the line */
    int64_t number;
    bool is_number;
};

#define LOG_STR(name, cstr) ((struct log_field){(name), slice_of(cstr), 0, false})
#define LOG_SLICE(name, slice) ((struct log_field){(name), (slice), 0, false})
#define LOG_INT(name, value) ((struct log_field){(name), {0}, (int64_t)(value), true})

/* Takes effect for all threads at once; may be called again (reload). Default: text, info. */
void log_setup(enum log_format format, enum log_level level);

/* Tests: lines go to this file descriptor instead of standard error (borrowed). */
void log_redirect(int fd);

/* May a line with this text be written? Counts it as written or folded; below the level it is
 * neither. The macros ask before they put its fields together: nearly all lines of a busy gateway
 * end here. */
bool log_admits(enum log_level level, const char *message);

/* Writes one line that was admitted. `message` is a literal of ours, `fields` may be NULL when n is
 * 0. */
void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t n);

/* Writes the counts of folded lines whose second is over; `all` writes every one (shutdown).
 * Called by the housekeeper about once a second. */
void log_flush(bool all);

#define LOG_AT(level, message, ...)                                      \
    do {                                                                 \
        if (log_admits((level), (message))) {                            \
            const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__}; \
            log_write((level), (message), log_fields_ + 1,               \
                      sizeof(log_fields_) / sizeof(log_fields_[0]) - 1); \
        }                                                                \
    } while (0)
#define LOG_DEBUG(message, ...) LOG_AT(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)
#define LOG_INFO(message, ...) LOG_AT(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define LOG_WARN(message, ...) LOG_AT(LOG_LEVEL_WARN, message, ##__VA_ARGS__)
#define LOG_ERROR(message, ...) LOG_AT(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)

#endif
