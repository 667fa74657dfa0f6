/* config_suggest.c: "did you mean": the known name with the smallest edit distance, when it is near
 * enough to be a slip of the finger. */
#include "base/config_internal.h"

#include <stdint.h>
#include <string.h>

#define NAME_MAX_LEN 63

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance; UINT_MAX-like for names too long to be a slip. */
static unsigned distance(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN) {
        return NAME_MAX_LEN;
    }
    unsigned row[NAME_MAX_LEN + 1];
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = (unsigned)j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned above = row[j];
            unsigned replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = min3(above + 1, row[j - 1] + 1, replaced);
            diagonal = above;
        }
    }
    return row[b_len];
}

struct best {
    const char *wanted;
    const char *name; /* NULL: none is near */
    unsigned distance;
};

static struct best best_init(const char *wanted)
{
    unsigned most = (unsigned)strlen(wanted) / 3;
    return (struct best){wanted, NULL, (most > 4 ? 4 : most < 1 ? 1 : most) + 1};
}

/* Weighs `candidate`, standing for `name`. */
static void weigh(struct best *best, const char *candidate, const char *name)
{
    unsigned d = distance(best->wanted, candidate);
    if (d < best->distance) {
        best->distance = d;
        best->name = name;
    }
}

/* The part of "group.name" behind the dot. */
static const char *last_part(const struct config_key *key)
{
    return strchr(key->name, '.') + 1;
}

static bool in_group(const struct config_key *key, const char *group)
{
    size_t len = strlen(group);
    return strncmp(key->name, group, len) == 0 && key->name[len] == '.';
}

const char *config_suggest_key(const char *group, const char *name)
{
    struct best best = best_init(name);
    for (size_t i = 0; i < config_n_keys; i++) {
        if (!config_keys[i].environment_only && in_group(&config_keys[i], group)) {
            weigh(&best, last_part(&config_keys[i]), config_keys[i].name);
        }
    }
    /* The right key in the wrong group, or in none. */
    for (size_t i = 0; best.name == NULL && i < config_n_keys; i++) {
        if (!config_keys[i].environment_only && strcmp(last_part(&config_keys[i]), name) == 0) {
            best.name = config_keys[i].name;
        }
    }
    return best.name;
}

const char *config_suggest_group(const char *name)
{
    struct best best = best_init(name);
    for (size_t i = 0; i < config_n_groups; i++) {
        weigh(&best, config_groups[i].name, config_groups[i].name);
    }
    return best.name;
}

const char *config_suggest_destination_key(const char *name)
{
    struct best best = best_init(name);
    for (size_t i = 0; i < config_n_destination_keys; i++) {
        weigh(&best, config_destination_keys[i].name, config_destination_keys[i].name);
    }
    return best.name;
}

bool config_suggest_env(const char *name, char out[CONFIG_ENV_MAX])
{
    struct best best = best_init(name);
    for (size_t i = 0; i < config_n_keys; i++) {
        char candidate[CONFIG_ENV_MAX];
        config_key_env(&config_keys[i], candidate);
        weigh(&best, candidate, config_keys[i].name);
    }
    out[0] = '\0';
    if (best.name != NULL) {
        config_key_env(config_key_find(slice_of(best.name)), out);
    }
    return best.name != NULL;
}
