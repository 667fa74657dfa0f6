/* when.c: see when.h. */
#include "ctl/when.h"

#include "base/clock.h"
#include "base/config.h"
#include "secrets/keyring_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX (WHEN_DAY * 366 * WHEN_YEARS_MAX)

bool when_length(const char *name, const char *text, int64_t *seconds, struct result *why)
{
    int64_t ns;
    *seconds = 0;
    if (!config_duration_parse(slice_of(text), &ns)) {
        return result_fail(why, "%s takes a length of time: 30d, 12h, 90s; not \"%.40s\"", name,
                           text);
    }
    int64_t whole = ns / NS_PER_SECOND + (ns % NS_PER_SECOND != 0);
    if (whole > LENGTH_MAX) {
        return result_fail(why, "%s %.40s is more than %d years", name, text, WHEN_YEARS_MAX);
    }
    *seconds = whole;
    return true;
}

bool when_point(const char *name, const char *text, int64_t now_s, int64_t *at, struct result *why)
{
    struct result unused;
    int64_t length;
    *at = KEY_TIME_NONE;
    if (strcmp(text, "now") == 0) {
        *at = now_s;
    } else if (key_time_parse(slice_of(text), at)) {
        if (*at < now_s) {
            return result_fail(why, "%s %.40s is past; a day to come, or \"now\"", name, text);
        }
        if (*at - now_s > LENGTH_MAX) {
            return result_fail(why, "%s %.40s is more than %d years off", name, text,
                               WHEN_YEARS_MAX);
        }
    } else if (when_length(name, text, &length, &unused)) {
        *at = now_s + length;
    } else {
        return result_fail(why,
                           "%s takes a day (2026-12-31), a time (2026-12-31T12:00:00Z), a length "
                           "from now on (30d), or \"now\"; not \"%.40s\"",
                           name, text);
    }
    return true;
}

static const struct unit {
    int64_t seconds;
    const char *word;
    char letter;
} units[] = {{WHEN_DAY, "day", 'd'}, {3600, "hour", 'h'}, {60, "minute", 'm'}, {1, "second", 's'}};

/* The unit in which a length is told: days from two on, hours from two on, … */
static const struct unit *unit_of(int64_t seconds)
{
    const struct unit *unit = units;
    while (unit->seconds > 1 && seconds < 2 * unit->seconds) {
        unit++;
    }
    return unit;
}

const char *when_text(int64_t seconds, char out[WHEN_TEXT_MAX])
{
    int64_t length = llabs(seconds);
    const struct unit *unit = unit_of(length);
    int64_t n = length / unit->seconds;
    snprintf(out, WHEN_TEXT_MAX, "%lld %s%s", (long long)n, unit->word, n == 1 ? "" : "s");
    return out;
}

const char *when_short(int64_t seconds, char out[WHEN_TEXT_MAX])
{
    int64_t length = llabs(seconds);
    const struct unit *unit = unit_of(length);
    snprintf(out, WHEN_TEXT_MAX, "%lld%c", (long long)(length / unit->seconds), unit->letter);
    return out;
}
