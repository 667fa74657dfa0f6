/* retry_after.c: Retry-After, as seconds or as an HTTP-date (RFC 9110, 5.6.7).
 *
 *     120                               seconds
 *     Sun, 06 Nov 1994 08:49:37 GMT     IMF-fixdate
 *     Sunday, 06-Nov-94 08:49:37 GMT    RFC 850
 *     Sun Nov  6 08:49:37 1994          asctime
 *
 * A cursor with a sticky error walks the value; the weekday is read but not compared.
 */
#include "otlp/export/retry.h"

#include "base/clock.h"

struct cursor {
    const char *at;
    const char *end;
    bool bad;
};

static bool skip(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted) {
        c->bad = true;
        return false;
    }
    c->at++;
    return true;
}

/* Exactly `digits` digits; asctime pads the day with a space. */
static int number(struct cursor *c, int digits, bool space_padded)
{
    int value = 0;
    for (int i = 0; i < digits && !c->bad; i++) {
        if (i == 0 && space_padded && c->at != c->end && *c->at == ' ') {
            c->at++;
        } else if (c->at == c->end || *c->at < '0' || *c->at > '9') {
            c->bad = true;
        } else {
            value = value * 10 + (*c->at++ - '0');
        }
    }
    return value;
}

static size_t word(struct cursor *c)
{
    const char *start = c->at;
    while (c->at != c->end &&
           ((*c->at >= 'a' && *c->at <= 'z') || (*c->at >= 'A' && *c->at <= 'Z'))) {
        c->at++;
    }
    return (size_t)(c->at - start);
}

/* 1 to 12. */
static int month(struct cursor *c)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const char *start = c->at;
    if (word(c) == 3) {
        for (int i = 0; i < 12; i++) {
            if (memcmp(&names[(size_t)i * 3], start, 3) == 0) {
                return i + 1;
            }
        }
    }
    c->bad = true;
    return 1;
}

struct date {
    int year, month, day, hour, minute, second;
};

static void time_of_day(struct cursor *c, struct date *d)
{
    d->hour = number(c, 2, false);
    skip(c, ':');
    d->minute = number(c, 2, false);
    skip(c, ':');
    d->second = number(c, 2, false);
}

static void zone(struct cursor *c)
{
    const char *start = c->at;
    if (word(c) != 3 || memcmp(start, "GMT", 3) != 0) {
        c->bad = true;
    }
}

/* Behind the weekday and the comma: "06 Nov 1994 …" or "06-Nov-94 …". */
static void date_with_comma(struct cursor *c, struct date *d, int now_year)
{
    skip(c, ' ');
    d->day = number(c, 2, false);
    bool rfc850 = c->at != c->end && *c->at == '-';
    char dash = rfc850 ? '-' : ' ';
    skip(c, dash);
    d->month = month(c);
    skip(c, dash);
    d->year = number(c, rfc850 ? 2 : 4, false);
    if (rfc850) {
        /* Two digits: the year with this ending that is not over 50 years ahead. */
        d->year += now_year - now_year % 100;
        d->year += d->year > now_year + 50 ? -100 : (d->year <= now_year - 50 ? 100 : 0);
    }
    skip(c, ' ');
    time_of_day(c, d);
    skip(c, ' ');
    zone(c);
}

static void date_asctime(struct cursor *c, struct date *d)
{
    skip(c, ' ');
    d->month = month(c);
    skip(c, ' ');
    d->day = number(c, 2, true);
    skip(c, ' ');
    time_of_day(c, d);
    skip(c, ' ');
    d->year = number(c, 4, false);
}

/* Days from 1970-01-01, proleptic Gregorian (the civil-from-days method run backwards). */
static int64_t days_of(int year, int mon, int day)
{
    int64_t y = mon <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (mon + (mon > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int days_in_month(int year, int mon)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[mon - 1] + (mon == 2 && leap ? 1 : 0);
}

static int year_of(int64_t unix_s)
{
    /* The mean length of a Gregorian year is exact enough to place two digits in a century. */
    return 1970 + (int)(unix_s / 31556952);
}

static bool parse_date(struct slice value, int64_t now_wall_s, int64_t *unix_s)
{
    struct cursor c = {value.data, value.data + value.len, false};
    struct date d = {1970, 1, 1, 0, 0, 0};
    if (word(&c) < 3) {
        return false;
    }
    if (c.at != c.end && *c.at == ',') {
        c.at++;
        date_with_comma(&c, &d, year_of(now_wall_s));
    } else {
        date_asctime(&c, &d);
    }
    if (c.bad || c.at != c.end || d.day < 1 || d.day > days_in_month(d.year, d.month) ||
        d.hour > 23 || d.minute > 59 || d.second > 60) {
        return false;
    }
    *unix_s = days_of(d.year, d.month, d.day) * 86400 + INT64_C(3600) * d.hour +
              INT64_C(60) * d.minute + d.second;
    return true;
}

static bool parse_seconds(struct slice value, int64_t *seconds)
{
    int64_t total = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return false;
        }
        total = total > INT32_MAX ? total : total * 10 + (value.data[i] - '0');
    }
    *seconds = total;
    return value.len != 0;
}

bool retry_after_parse(struct slice value, int64_t now_wall_s, int64_t *delay_ns)
{
    const int64_t longest = RETRY_AFTER_MAX_NS / NS_PER_SECOND;
    *delay_ns = 0;
    while (value.len != 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value = slice_make(value.data + 1, value.len - 1);
    }
    while (value.len != 0 &&
           (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t')) {
        value.len--;
    }
    int64_t seconds = 0;
    if (!parse_seconds(value, &seconds)) {
        int64_t then = 0;
        if (value.len == 0 || !parse_date(value, now_wall_s, &then)) {
            return false;
        }
        seconds = then > now_wall_s ? then - now_wall_s : 0;
    }
    *delay_ns = (seconds < longest ? seconds : longest) * NS_PER_SECOND;
    return true;
}
