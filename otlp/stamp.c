/* stamp.c: see stamp.h. The cursor runs ahead and the bytes behind it are copied in runs, as long
 * as nothing changes. A message whose content may change is opened (its tag and length are copied
 * as they stand) and closed: then its new length is known and written over the old one. Only where
 * the width of a length changes is content moved, at most twice for any byte: once with its
 * resource, once with what is around it.
 *
 * The way to an attribute is field 1 four times, in all three signals:
 *
 *     request { resource_metrics { resource { attributes { key = 1, value = 2 } } } }
 */
#include "otlp/stamp.h"

#include "otlp/wire.h"

#include <stdint.h>
#include <string.h>

/* Tags of what is written: field 1 (a resource, an attribute, its key, a string value), and a
 * KeyValue's field 2. */
#define TAG_FIRST (1 << 3 | WIRE_BYTES)
#define TAG_VALUE (2 << 3 | WIRE_BYTES)

/* What a resource can grow by besides the stamps: its own tag and a length of up to five bytes, and
 * up to four bytes more for its length and for that of the message around it. */
#define FRAME_GROWTH_MAX (1 + 5 + 4 + 4)

struct splice {
    struct buf *out;
    const uint8_t *from; /* what lies before it is in out, or was left out on purpose */
    const struct stamp_attribute *attributes;
    size_t n;
    size_t stamps; /* bytes that all attributes to be added take on the wire */
};

/* A message whose content is being spliced. */
struct opened {
    const uint8_t *outer_end;
    size_t content_at; /* offset in out; the length as it was stands before */
    size_t width;      /* of that length */
    bool padded;
};

static size_t field_size(size_t content)
{
    return 1 + wire_varint_size(content) + content;
}

/* AnyValue { string_value } */
static size_t any_size(const struct stamp_attribute *attribute)
{
    return field_size(attribute->value.len);
}

/* KeyValue { key, value } */
static size_t pair_size(const struct stamp_attribute *attribute)
{
    return field_size(attribute->key.len) + field_size(any_size(attribute));
}

/* All attributes to be added, as fields of a Resource; SIZE_MAX when one passes the limit. */
static size_t stamps_size(const struct stamp_attribute *attributes, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (attributes[i].value.len == 0) {
            continue;
        }
        if (attributes[i].key.len > WIRE_LENGTH_MAX || attributes[i].value.len > WIRE_LENGTH_MAX) {
            return SIZE_MAX;
        }
        sum += field_size(pair_size(&attributes[i]));
    }
    return sum;
}

static bool is_message_1(struct wire_tag tag)
{
    return tag.number == 1 && tag.type == WIRE_BYTES;
}

/* Cannot overflow: lengths are bounded by WIRE_LENGTH_MAX, so the product is below 2^62. */
static size_t size_max(struct slice request, size_t stamps)
{
    if (request.len > WIRE_LENGTH_MAX || stamps > WIRE_LENGTH_MAX) {
        return SIZE_MAX;
    }
    if (stamps == 0) {
        return request.len;
    }
    size_t resources = 0;
    struct wire w = wire_over(request.data, request.len);
    while (wire_more(&w)) {
        struct wire_tag tag = wire_tag(&w);
        resources += is_message_1(tag) ? 1 : 0;
        wire_skip(&w, tag.type);
    }
    return request.len + resources * (stamps + FRAME_GROWTH_MAX);
}

size_t stamp_size_max(struct slice request, const struct stamp_attribute *attributes, size_t n)
{
    return size_max(request, stamps_size(attributes, n));
}

/* Copies what lies before `to` and has not been. */
static void flush(struct splice *s, const uint8_t *to)
{
    buf_append(s->out, s->from, (size_t)(to - s->from));
    s->from = to;
}

static char *put_varint(char *to, size_t value, size_t width)
{
    for (; width > 1; width--, value >>= 7) {
        *to++ = (char)(value | 0x80);
    }
    *to++ = (char)value;
    return to;
}

static char *put_head(char *to, int tag, size_t len)
{
    *to++ = (char)tag;
    return put_varint(to, len, wire_varint_size(len));
}

static char *put_text(char *to, struct slice text)
{
    to = put_head(to, TAG_FIRST, text.len);
    if (text.len != 0) {
        memcpy(to, text.data, text.len);
    }
    return to + text.len;
}

/* All that is to be added, as fields of the Resource that out ends in. */
static void put_stamps(struct splice *s)
{
    char *to = buf_reserve(s->out, s->stamps);
    for (size_t i = 0; to != NULL && i < s->n; i++) {
        const struct stamp_attribute *attribute = &s->attributes[i];
        if (attribute->value.len != 0) {
            to = put_head(to, TAG_FIRST, pair_size(attribute));
            to = put_text(to, attribute->key);
            to = put_head(to, TAG_VALUE, any_size(attribute));
            to = put_text(to, attribute->value);
        }
    }
    s->out->len += to != NULL ? s->stamps : 0;
}

/* Opens the message at the cursor, which has passed the tag. */
static struct opened open_message(struct splice *s, struct wire *w)
{
    const uint8_t *length_at = w->at;
    const uint8_t *outer_end = wire_enter(w);
    flush(s, w->at);
    size_t width = (size_t)(w->at - length_at);
    return (struct opened){.outer_end = outer_end,
                           .content_at = s->out->len,
                           .width = width,
                           .padded = width > wire_varint_size((size_t)(w->end - w->at))};
}

/* Closes it; the cursor stands at its end. */
static void close_message(struct splice *s, struct wire *w, const struct opened *opened)
{
    flush(s, w->at);
    wire_leave(w, opened->outer_end);
    size_t len = s->out->len - opened->content_at;
    size_t width = wire_varint_size(len);
    if (opened->padded && width < opened->width) {
        width = opened->width;
    }
    if (buf_reserve(s->out, width > opened->width ? width - opened->width : 0) == NULL) {
        return;
    }
    char *length = s->out->data + opened->content_at - opened->width;
    if (width != opened->width) {
        memmove(length + width, length + opened->width, len);
        s->out->len += width - opened->width;
    }
    put_varint(length, len, width);
}

/* Does this KeyValue bear one of the names? Its key is the last that is given; none is "". */
static bool is_claim(const struct splice *s, struct slice pair)
{
    struct slice key = SLICE_LIT("");
    struct wire w = wire_over(pair.data, pair.len);
    while (wire_more(&w)) {
        struct wire_tag tag = wire_tag(&w);
        if (tag.number == 1 && tag.type == WIRE_BYTES) {
            key = wire_bytes(&w);
        } else {
            wire_skip(&w, tag.type);
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        if (slice_eq(s->attributes[i].key, key)) {
            return true;
        }
    }
    return false;
}

/* The Resource at the cursor, without claims; with the stamps if it is the last piece. */
static void stamp_resource(struct splice *s, struct wire *w, bool last)
{
    struct opened opened = open_message(s, w);
    while (wire_more(w)) {
        const uint8_t *tag_at = w->at;
        struct wire_tag tag = wire_tag(w);
        if (!is_message_1(tag)) {
            wire_skip(w, tag.type);
        } else if (is_claim(s, wire_bytes(w))) {
            flush(s, tag_at);
            s->from = w->at;
        }
    }
    flush(s, w->at);
    if (last) {
        put_stamps(s);
    }
    close_message(s, w, &opened);
}

/* The content of the last field 1 in the message that the cursor is in, or NULL. */
static const uint8_t *find_last(struct wire w)
{
    const uint8_t *last = NULL;
    while (wire_more(&w)) {
        struct wire_tag tag = wire_tag(&w);
        last = is_message_1(tag) ? w.at : last;
        wire_skip(&w, tag.type);
    }
    return last;
}

static void put_resource(struct splice *s)
{
    size_t head = field_size(s->stamps) - s->stamps;
    char *to = buf_reserve(s->out, head);
    if (to != NULL) {
        put_head(to, TAG_FIRST, s->stamps);
        s->out->len += head;
        put_stamps(s);
    }
}

/* The ResourceMetrics, ResourceSpans or ResourceLogs at the cursor. */
static void stamp_envelope(struct splice *s, struct wire *w)
{
    struct opened opened = open_message(s, w);
    const uint8_t *last = find_last(*w);
    if (last == NULL && s->stamps != 0) {
        put_resource(s);
    }
    while (wire_more(w)) {
        struct wire_tag tag = wire_tag(w);
        if (is_message_1(tag)) {
            stamp_resource(s, w, last != NULL && w->at == last);
        } else {
            wire_skip(w, tag.type);
        }
    }
    close_message(s, w, &opened);
}

bool stamp_request(enum signal signal, struct slice request,
                   const struct stamp_attribute *attributes, size_t n, struct buf *out)
{
    (void)signal; /* the way to the attributes is the same in all of them */
    size_t start = out->len;
    struct splice s = {
        .out = out, .attributes = attributes, .n = n, .stamps = stamps_size(attributes, n)};
    size_t bound = size_max(request, s.stamps);
    if (bound > WIRE_LENGTH_MAX || buf_reserve(out, bound) == NULL) {
        out->failed = true;
        return false;
    }
    struct wire w = wire_over(request.data, request.len);
    s.from = w.at;
    while (wire_more(&w)) {
        struct wire_tag tag = wire_tag(&w);
        if (is_message_1(tag)) {
            stamp_envelope(&s, &w);
        } else {
            wire_skip(&w, tag.type);
        }
    }
    flush(&s, w.at);
    if (w.fault != WIRE_OK || out->failed) {
        out->len = start;
        out->failed = true;
        return false;
    }
    return true;
}
