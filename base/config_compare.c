/* config_compare.c: freeing and comparing values by their key's type. */
#include "base/config_internal.h"

#include <stdlib.h>
#include <string.h>

static void *field(struct config *config, size_t offset)
{
    return (char *)config + offset;
}

static const void *const_field(const struct config *config, size_t offset)
{
    return (const char *)config + offset;
}

static size_t count_at(const struct config *config, const struct config_key *key)
{
    size_t n;
    memcpy(&n, const_field(config, key->offset_n), sizeof(n));
    return n;
}

static void clear_string(struct config *config, const struct config_key *key)
{
    char *text;
    memcpy(&text, field(config, key->offset), sizeof(text));
    if (key->type == KEY_SECRET && text != NULL) {
        explicit_bzero(text, strlen(text));
    }
    free(text);
    memset(field(config, key->offset), 0, sizeof(text));
}

static void clear_strings(struct config *config, const struct config_key *key)
{
    struct config_strings strings;
    memcpy(&strings, field(config, key->offset), sizeof(strings));
    for (size_t i = 0; i < strings.n; i++) {
        free(strings.items[i]);
    }
    free(strings.items);
    memset(field(config, key->offset), 0, sizeof(strings));
}

void config_clear(struct config *config, const struct config_key *key)
{
    struct cidr *ranges;
    switch (key->type) {
    case KEY_STRING:
    case KEY_SECRET:
        clear_string(config, key);
        break;
    case KEY_CIDRS:
        memcpy(&ranges, field(config, key->offset), sizeof(void *));
        free(ranges);
        memset(field(config, key->offset), 0, sizeof(void *));
        memset(field(config, key->offset_n), 0, sizeof(size_t));
        break;
    case KEY_STRINGS:
        clear_strings(config, key);
        break;
    case KEY_DESTINATIONS:
        config_destinations_clear(config);
        break;
    default:
        break;
    }
}

/* Constant time in the content, for the secret among them. */
static bool same_text(const char *a, const char *b)
{
    if (a == NULL || b == NULL || strlen(a) != strlen(b)) {
        return a == b;
    }
    unsigned char differs = 0;
    for (size_t i = 0; a[i] != '\0'; i++) {
        differs = (unsigned char)(differs | (a[i] ^ b[i]));
    }
    return differs == 0;
}

static bool same_string(const void *a, const void *b)
{
    const char *texts[2];
    memcpy(&texts[0], a, sizeof(texts[0]));
    memcpy(&texts[1], b, sizeof(texts[1]));
    return same_text(texts[0], texts[1]);
}

static bool same_cidrs(const struct config *a, const struct config *b, const struct config_key *key)
{
    const struct cidr *ranges[2];
    size_t n = count_at(a, key);
    memcpy(&ranges[0], const_field(a, key->offset), sizeof(void *));
    memcpy(&ranges[1], const_field(b, key->offset), sizeof(void *));
    bool same = n == count_at(b, key);
    for (size_t i = 0; same && i < n; i++) {
        same = ranges[0][i].bits == ranges[1][i].bits &&
               memcmp(&ranges[0][i].base, &ranges[1][i].base, sizeof(struct ip_addr)) == 0;
    }
    return same;
}

static bool same_strings(const void *a, const void *b)
{
    struct config_strings lists[2];
    memcpy(&lists[0], a, sizeof(lists[0]));
    memcpy(&lists[1], b, sizeof(lists[1]));
    bool same = lists[0].n == lists[1].n;
    for (size_t i = 0; same && i < lists[0].n; i++) {
        same = strcmp(lists[0].items[i], lists[1].items[i]) == 0;
    }
    return same;
}

bool config_equal(const struct config *a, const struct config *b, const struct config_key *key)
{
    const void *left = const_field(a, key->offset);
    const void *right = const_field(b, key->offset);
    switch (key->type) {
    case KEY_STRING:
    case KEY_SECRET:
        return same_string(left, right);
    case KEY_CIDRS:
        return same_cidrs(a, b, key);
    case KEY_STRINGS:
        return same_strings(left, right);
    case KEY_DESTINATIONS:
        return config_destinations_equal(a, b);
    case KEY_SIZE:
    case KEY_DURATION:
        return memcmp(left, right, sizeof(uint64_t)) == 0;
    case KEY_BOOLEAN:
        return memcmp(left, right, sizeof(bool)) == 0;
    case KEY_INTEGER:
    case KEY_ENUM:
        break;
    }
    return memcmp(left, right, sizeof(unsigned)) == 0;
}
