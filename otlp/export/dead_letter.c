/* dead_letter.c: the form of a dead letter, see dead_letter.h. The directory is
 * dead_letter_store.c's. */
#include "otlp/export/dead_letter.h"

#include <inttypes.h>

#define MAGIC "sigpost-dead-letter 1\n"

const char *dead_letter_reason(int status)
{
    switch (status) {
    case 413:
        return "too_large";
    default:
        return "refused";
    }
}

static bool parse_u64(struct slice text, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return text.len != 0;
}

static bool parse_signal(struct slice text, enum signal *out)
{
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        if (slice_eq_str(text, signal_info((enum signal)i)->name)) {
            *out = (enum signal)i;
            return true;
        }
    }
    return false;
}

/* Which of the fields that no letter can do without were seen. */
enum { SEEN_SIGNAL = 1, SEEN_SEQUENCE = 2, SEEN_ARRIVED = 4, SEEN_BYTES = 8, SEEN_ALL = 15 };

struct head {
    struct dead_letter *letter;
    uint64_t payload_bytes;
    unsigned seen;
};

/* Numbers and the signal: false when the value does not fit its field. */
static bool take_typed(struct head *head, struct slice name, struct slice value)
{
    uint64_t number = 0;
    if (slice_eq_str(name, "signal")) {
        head->seen |= SEEN_SIGNAL;
        return parse_signal(value, &head->letter->signal);
    }
    if (slice_eq_str(name, "sequence")) {
        head->seen |= SEEN_SEQUENCE;
        return parse_u64(value, &head->letter->sequence);
    }
    if (slice_eq_str(name, "payload-bytes")) {
        head->seen |= SEEN_BYTES;
        return parse_u64(value, &head->payload_bytes);
    }
    if (slice_eq_str(name, "items")) {
        return parse_u64(value, &head->letter->items);
    }
    if (slice_eq_str(name, "arrived-ns")) {
        bool fits = parse_u64(value, &number) && number <= INT64_MAX;
        head->seen |= SEEN_ARRIVED;
        head->letter->arrived_ns = fits ? (int64_t)number : 0;
        return fits;
    }
    if (slice_eq_str(name, "status")) {
        bool fits = parse_u64(value, &number) && number <= 999;
        head->letter->status = fits ? (int)number : 0;
        return fits;
    }
    return true;
}

static bool take_field(struct head *head, struct slice name, struct slice value)
{
    struct dead_letter *l = head->letter;
    const struct {
        const char *name;
        struct slice *to;
    } texts[] = {{"reason", &l->reason}, {"session", &l->session},         {"key-id", &l->key_id},
                 {"url", &l->url},       {"destination", &l->destination}, {"answer", &l->answer}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (slice_eq_str(name, texts[i].name)) {
            *texts[i].to = value;
            return true;
        }
    }
    return take_typed(head, name, value);
}

/* One line off the front of *rest, without its newline; false when there is none. */
static bool next_line(struct slice *rest, struct slice *line)
{
    const char *end = rest->len != 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    if (end == NULL) {
        return false;
    }
    *line = slice_make(rest->data, (size_t)(end - rest->data));
    *rest = slice_make(end + 1, rest->len - line->len - 1);
    return true;
}

bool dead_letter_parse(struct slice file, struct dead_letter *out, struct result *why)
{
    *out = (struct dead_letter){.signal = SIGNAL_COUNT};
    const struct slice magic = SLICE_LIT(MAGIC);
    if (file.len < magic.len || memcmp(file.data, magic.data, magic.len) != 0) {
        return result_fail(why, "not a dead letter: it does not begin with \"sigpost-dead-letter "
                                "1\"");
    }
    struct slice rest = slice_make(file.data + magic.len, file.len - magic.len);
    struct head head = {out, 0, 0};
    struct slice line = {0};
    for (;;) {
        if (!next_line(&rest, &line)) {
            return result_fail(why, "the head of the dead letter does not end: the file is cut");
        }
        if (line.len == 0) {
            break;
        }
        const char *colon = memchr(line.data, ':', line.len);
        size_t name_len = colon != NULL ? (size_t)(colon - line.data) : 0;
        if (colon == NULL || line.len < name_len + 2 || colon[1] != ' ') {
            return result_fail(why, "a head line of the dead letter is not \"name: value\"");
        }
        if (!take_field(&head, slice_make(line.data, name_len),
                        slice_make(colon + 2, line.len - name_len - 2))) {
            return result_fail(why, "the dead letter's %.*s is not valid", (int)name_len,
                               line.data);
        }
    }
    if (head.seen != SEEN_ALL) {
        return result_fail(why, "the dead letter lacks signal, sequence, arrived-ns or "
                                "payload-bytes");
    }
    if (head.payload_bytes != rest.len) {
        return result_fail(
            why, "the dead letter's payload has %zu bytes instead of %" PRIu64 ": the file is cut",
            rest.len, head.payload_bytes);
    }
    out->payload = rest;
    return true;
}
