/* fleet_labels.c: see fleet_labels.h. */
#include "otlp/fleet/fleet_labels.h"

#include "otlp/fleet/fleet_names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    struct slice name;
    struct slice key;
    struct slice value;
    bool from_resource;
};

struct candidates {
    struct candidate items[FLEET_LABEL_COUNT_MAX];
    size_t n;
};

static bool is_listed(const char *const *list, size_t n, struct slice text)
{
    for (size_t i = 0; i < n; i++) {
        if (slice_eq_str(text, list[i])) {
            return true;
        }
    }
    return false;
}

/* Does name begin with `with`, whose dots are written as the separator? */
static bool begins(struct slice name, const char *with, char separator)
{
    size_t i = 0;
    while (i < name.len && with[i] != '\0' &&
           name.data[i] == (with[i] == '.' ? separator : with[i])) {
        i++;
    }
    return with[i] == '\0';
}

bool fleet_is_stamped(struct slice name, char separator)
{
    static const char *const whole[] = {"deployment.environment", "service.namespace"};
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        if (name.len == strlen(whole[i]) && begins(name, whole[i], separator)) {
            return true;
        }
    }
    return begins(name, "sigpost.", separator);
}

static struct slice cut(struct slice value)
{
    if (value.len <= FLEET_VALUE_MAX) {
        return value;
    }
    size_t len = FLEET_VALUE_MAX;
    while (len > 0 && ((unsigned char)value.data[len] & 0xc0) == 0x80) {
        len--;
    }
    return slice_make(value.data, len);
}

/* names must have room: its bytes are not to move while candidates point at them. */
static void add_candidate(struct candidates *all, struct buf *names,
                          const struct fleet_label_rules *rules,
                          const struct fleet_attribute *attribute, bool from_resource)
{
    if (attribute->value.len == 0 || is_listed(rules->drop, rules->n_drop, attribute->key)) {
        return;
    }
    if (from_resource && !is_listed(rules->resource, rules->n_resource, attribute->key)) {
        return;
    }
    size_t begin = names->len;
    if (slice_eq_str(attribute->key, "le")) {
        buf_append_str(names, "exported_");
    }
    fleet_label_name(names, attribute->key);
    struct slice name = slice_make(names->data + begin, names->len - begin);
    if (name.len == 0 || is_listed(rules->drop, rules->n_drop, name) ||
        (!from_resource && fleet_is_stamped(name, '_'))) {
        return;
    }
    all->items[all->n++] =
        (struct candidate){name, attribute->key, cut(attribute->value), from_resource};
}

static int compare_slices(struct slice a, struct slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;
    int order = compare_slices(a->name, b->name);
    if (order == 0) {
        order = (int)a->from_resource - (int)b->from_resource;
    }
    if (order == 0) {
        order = compare_slices(a->key, b->key);
    }
    return order != 0 ? order : compare_slices(a->value, b->value);
}

static void put_length(char *at, size_t len)
{
    at[0] = (char)(len & 0xff);
    at[1] = (char)(len >> 8);
}

/* Writes the label whose candidates begin at i, and returns where the next label's begin. */
static size_t append_label(struct buf *out, const struct candidates *all, size_t i)
{
    const struct candidate *first = &all->items[i];
    char length[2];
    put_length(length, first->name.len);
    buf_append(out, length, sizeof(length));
    buf_append_slice(out, first->name);
    size_t length_at = out->len;
    buf_append(out, length, sizeof(length));
    size_t begin = out->len;
    for (; i < all->n && slice_eq(all->items[i].name, first->name); i++) {
        if (all->items[i].from_resource != first->from_resource) {
            continue;
        }
        if (out->len > begin) {
            buf_append_char(out, ';');
        }
        buf_append_slice(out, all->items[i].value);
    }
    if (!out->failed) {
        put_length(out->data + length_at, (out->len - begin) & 0xffff);
    }
    return i;
}

static size_t key_bytes(struct fleet_attributes attributes)
{
    size_t sum = 0;
    for (size_t i = 0; i < attributes.n; i++) {
        sum += attributes.items[i].key.len + sizeof("exported_key_");
    }
    return sum;
}

bool fleet_labels_build(struct buf *out, struct buf *names, const struct fleet_label_rules *rules,
                        struct fleet_attributes point, struct fleet_attributes resource)
{
    struct candidates all;
    size_t begin = out->len;
    all.n = 0;
    buf_clear(names);
    if (buf_reserve(names, key_bytes(point) + key_bytes(resource) + 1) == NULL) {
        return false;
    }
    for (size_t i = 0; i < point.n && i < FLEET_ATTRIBUTES_MAX; i++) {
        add_candidate(&all, names, rules, &point.items[i], false);
    }
    for (size_t i = 0; i < resource.n && i < FLEET_ATTRIBUTES_MAX; i++) {
        add_candidate(&all, names, rules, &resource.items[i], true);
    }
    qsort(all.items, all.n, sizeof(all.items[0]), compare_candidates);
    for (size_t i = 0; i < all.n;) {
        if (all.items[i].name.len > FLEET_LABELS_MAX) {
            out->len = begin;
            return false;
        }
        i = append_label(out, &all, i);
        if (out->failed || out->len - begin > FLEET_LABELS_MAX) {
            out->len = begin;
            return false;
        }
    }
    return true;
}

struct slice fleet_labels_overflow(void)
{
    return SLICE_LIT("\x14\0otel_metric_overflow\x04\0true");
}

/* Takes a length and as many bytes from *rest; absent when they are not there. */
static struct slice take(struct slice *rest)
{
    if (rest->len < 2) {
        return (struct slice){0};
    }
    const unsigned char *bytes = (const unsigned char *)rest->data;
    size_t len = bytes[0] | (size_t)bytes[1] << 8;
    if (rest->len - 2 < len) {
        return (struct slice){0};
    }
    struct slice taken = slice_make(rest->data + 2, len);
    *rest = slice_make(rest->data + 2 + len, rest->len - 2 - len);
    return taken;
}

int fleet_labels_compare(struct slice a, struct slice b)
{
    while (a.len > 0 && b.len > 0) {
        struct slice of_a = take(&a);
        struct slice of_b = take(&b);
        int order = compare_slices(of_a, of_b);
        if (order != 0) {
            return order;
        }
    }
    return (a.len > 0) - (b.len > 0);
}

static bool is_label_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return name.len > 0;
}

size_t fleet_labels_split(struct slice set, struct exposition_label *out, size_t max)
{
    size_t n = 0;
    while (set.len > 0) {
        struct slice name = take(&set);
        struct slice value = take(&set);
        if (name.data == NULL || value.data == NULL || n == max || !is_label_name(name) ||
            (n > 0 && compare_slices(out[n - 1].name, name) >= 0)) {
            return SIZE_MAX;
        }
        out[n++] = (struct exposition_label){name, value};
    }
    return n;
}
