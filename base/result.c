/* result.c: see result.h. */
#include "base/result.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool result_fail(struct result *why, const char *format, ...)
{
    if (why != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(why->text, sizeof(why->text), format, args);
        va_end(args);
        why->error = 0;
    }
    return false;
}

bool result_fail_errno(struct result *why, int error, const char *format, ...)
{
    if (why != NULL) {
        va_list args;
        va_start(args, format);
        int len = vsnprintf(why->text, sizeof(why->text), format, args);
        va_end(args);
        char text[128];
        const char *errno_text = strerror_r(error, text, sizeof(text));
        if (len >= 0 && (size_t)len < sizeof(why->text)) {
            snprintf(why->text + len, sizeof(why->text) - (size_t)len, ": %s", errno_text);
        }
        why->error = error;
    }
    errno = error;
    return false;
}

bool result_pass(struct result *why, const struct result *said)
{
    if (why != NULL) {
        *why = *said;
    }
    return false;
}
