/* fleet_names.c: see fleet_names.h. A name is a list of tokens (runs of letters and digits); units
 * and suffixes are tokens that are added unless they are there, and '_' joins them.
 */
#include "otlp/fleet/fleet_names.h"

#include "base/utf8.h"

#include <stddef.h>

/* The name's own (every other byte a separator) and main unit, "per", per unit, suffix. */
#define TOKENS_MAX (FLEET_NAME_MAX / 2 + 1 + 4)

struct tokens {
    struct slice items[TOKENS_MAX];
    size_t n;
};

struct unit {
    struct slice symbol; /* UCUM */
    struct slice word;
};

#define UNIT(symbol, word)              \
    {                                   \
        {(symbol), sizeof(symbol) - 1}, \
        {                               \
            (word), sizeof(word) - 1    \
        }                               \
    }

static const struct unit main_units[] = {
    UNIT("d", "days"),
    UNIT("h", "hours"),
    UNIT("min", "minutes"),
    UNIT("s", "seconds"),
    UNIT("ms", "milliseconds"),
    UNIT("us", "microseconds"),
    UNIT("ns", "nanoseconds"),
    UNIT("By", "bytes"),
    UNIT("KiBy", "kibibytes"),
    UNIT("MiBy", "mebibytes"),
    UNIT("GiBy", "gibibytes"),
    UNIT("TiBy", "tebibytes"),
    UNIT("KBy", "kilobytes"),
    UNIT("MBy", "megabytes"),
    UNIT("GBy", "gigabytes"),
    UNIT("TBy", "terabytes"),
    UNIT("m", "meters"),
    UNIT("V", "volts"),
    UNIT("A", "amperes"),
    UNIT("J", "joules"),
    UNIT("W", "watts"),
    UNIT("g", "grams"),
    UNIT("Cel", "celsius"),
    UNIT("Hz", "hertz"),
    UNIT("1", ""),
    UNIT("%", "percent"),
};

static const struct unit per_units[] = {
    UNIT("s", "second"), UNIT("m", "minute"), UNIT("h", "hour"), UNIT("d", "day"),
    UNIT("w", "week"),   UNIT("mo", "month"), UNIT("y", "year"),
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The next token at or after *at; absent at the end. */
static struct slice next_token(struct slice text, size_t *at)
{
    while (*at < text.len && !is_alnum(text.data[*at])) {
        (*at)++;
    }
    size_t begin = *at;
    while (*at < text.len && is_alnum(text.data[*at])) {
        (*at)++;
    }
    return *at > begin ? slice_make(text.data + begin, *at - begin) : (struct slice){0};
}

static bool has_token(const struct tokens *tokens, struct slice token)
{
    for (size_t i = 0; i < tokens->n; i++) {
        if (slice_eq(tokens->items[i], token)) {
            return true;
        }
    }
    return false;
}

static void add_token(struct tokens *tokens, struct slice token)
{
    if (tokens->n < TOKENS_MAX) {
        tokens->items[tokens->n++] = token;
    }
}

/* Puts the suffix last, wherever it stood before. */
static void move_last(struct tokens *tokens, struct slice suffix)
{
    size_t kept = 0;
    for (size_t i = 0; i < tokens->n; i++) {
        if (!slice_eq(tokens->items[i], suffix)) {
            tokens->items[kept++] = tokens->items[i];
        }
    }
    tokens->n = kept;
    add_token(tokens, suffix);
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.data[0]) != NULL) {
        s = slice_make(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && strchr(" \t\r\n", s.data[s.len - 1]) != NULL) {
        s.len--;
    }
    return s;
}

/* Writes the word of a unit, cleaned ("km h" -> "km_h"), into out and returns it; empty for none
 * and for annotations, which stand in braces. */
static struct slice unit_word(struct slice symbol, const struct unit *table, size_t n,
                              char out[FLEET_UNIT_MAX])
{
    symbol = trim(symbol);
    if (symbol.len == 0 || symbol.len > FLEET_UNIT_MAX ||
        memchr(symbol.data, '{', symbol.len) != NULL ||
        memchr(symbol.data, '}', symbol.len) != NULL) {
        return SLICE_LIT("");
    }
    for (size_t i = 0; i < n; i++) {
        if (slice_eq(symbol, table[i].symbol)) {
            return table[i].word;
        }
    }
    size_t len = 0;
    size_t at = 0;
    for (struct slice token; (token = next_token(symbol, &at)).len > 0;) {
        if (len > 0) {
            out[len++] = '_'; /* never longer than the symbol: a separator stood here */
        }
        memcpy(out + len, token.data, token.len);
        len += token.len;
    }
    return slice_make(out, len);
}

static void join(struct buf *out, const struct tokens *tokens)
{
    if (is_digit(tokens->items[0].data[0])) {
        buf_append_char(out, '_');
    }
    for (size_t i = 0; i < tokens->n; i++) {
        if (i > 0) {
            buf_append_char(out, '_');
        }
        buf_append_slice(out, tokens->items[i]);
    }
}

/* texts: where units that the tables do not know are written; must live as long as tokens. */
static void add_units(struct tokens *tokens, struct slice unit, char texts[2][FLEET_UNIT_MAX])
{
    if (unit.len == 0 || unit.len > FLEET_UNIT_MAX) {
        return;
    }
    const char *slash = memchr(unit.data, '/', unit.len);
    size_t main_len = slash != NULL ? (size_t)(slash - unit.data) : unit.len;
    struct slice word = unit_word(slice_make(unit.data, main_len), main_units,
                                  sizeof(main_units) / sizeof(main_units[0]), texts[0]);
    if (word.len > 0 && !has_token(tokens, word)) {
        add_token(tokens, word);
    }
    if (slash == NULL) {
        return;
    }
    word = unit_word(slice_make(slash + 1, unit.len - main_len - 1), per_units,
                     sizeof(per_units) / sizeof(per_units[0]), texts[1]);
    if (word.len > 0 && !has_token(tokens, word)) {
        add_token(tokens, SLICE_LIT("per"));
        add_token(tokens, word);
    }
}

bool fleet_metric_name(struct buf *out, struct slice name, struct slice unit,
                       enum fleet_name_kind kind)
{
    struct tokens tokens = {.n = 0};
    if (name.len > FLEET_NAME_MAX) {
        return false;
    }
    size_t at = 0;
    for (struct slice token; (token = next_token(name, &at)).len > 0;) {
        add_token(&tokens, token);
    }
    if (tokens.n == 0) {
        return false;
    }
    char texts[2][FLEET_UNIT_MAX];
    add_units(&tokens, unit, texts);
    if (kind == FLEET_NAME_COUNTER) {
        move_last(&tokens, SLICE_LIT("total"));
    } else if (kind == FLEET_NAME_GAUGE && slice_eq_str(unit, "1")) {
        move_last(&tokens, SLICE_LIT("ratio"));
    }
    join(out, &tokens);
    return true;
}

void fleet_label_name(struct buf *out, struct slice key)
{
    if (key.len == 0) {
        return;
    }
    if (is_digit(key.data[0])) {
        buf_append_str(out, "key_");
    } else if (!is_alnum(key.data[0])) {
        buf_append_str(out, "key");
    }
    for (size_t at = 0; at < key.len;) {
        size_t step = utf8_sequence(key.data + at, key.len - at);
        buf_append_char(out, (char)(is_alnum(key.data[at]) ? key.data[at] : '_'));
        at += step > 0 ? step : 1;
    }
}
