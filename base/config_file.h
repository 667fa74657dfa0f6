/* config_file.h: what the two halves of reading the file share; internal to base/config. */
#ifndef SIGPOST_BASE_CONFIG_FILE_H
#define SIGPOST_BASE_CONFIG_FILE_H

#include "base/config_internal.h"

#include <libconfig.h>

struct config_reading {
    struct config_load *load;
    const char *path;
    struct result *why;
};

/* "file:line" of the setting; of a very long path its beginning. Returns out. */
#define CONFIG_WHERE_MAX 320
const char *config_file_where(const struct config_reading *r, const config_setting_t *setting,
                              char out[CONFIG_WHERE_MAX]);

/* "where: key: a number; write <right>"; false. */
bool config_file_wrong_type(const struct config_reading *r, const config_setting_t *setting,
                            const char *key, const char *right);

/* libconfig's lists and arrays are the same to us. */
bool config_file_is_list(const config_setting_t *setting);

/* Replaces the destinations by those of the setting. */
bool config_file_destinations(const struct config_reading *r, const struct config_key *key,
                              const config_setting_t *setting);

#endif
