/* config_manual.c: the manual page sigpost.cfg(5), from the table of keys; see config_reference.c
 * for the same as Markdown. */
#include "base/config_internal.h"

#include "base/manual.h"

#include <string.h>

static const char sample[] = "state = { dir = \"/srv/sigpost\"; };\n"
                             "auth = { window = \"5m\"; };\n"
                             "export = { destinations = ( { type = \"fleet\"; } ); };\n";

/* "server.listen": its default, range and environment, then its help. */
static void put_key(const struct config_key *key, struct buf *out)
{
    char env[CONFIG_ENV_MAX];
    struct buf text = BUF_INIT;
    config_key_env(key, env);
    buf_append_str(&text, key->help);
    if (key->fallback != NULL) {
        buf_printf(&text, " Default: `%s`.", key->fallback[0] != '\0' ? key->fallback : "empty");
    }
    if (key->type == KEY_SIZE || key->type == KEY_DURATION || key->type == KEY_INTEGER) {
        char least[CONFIG_NUMBER_MAX];
        char most[CONFIG_NUMBER_MAX];
        config_format_number(key->type, key->min, least);
        config_format_number(key->type, key->max, most);
        buf_printf(&text, " From %s to %s.", least, most);
    }
    for (size_t i = 0; key->type == KEY_ENUM && key->words[i] != NULL; i++) {
        buf_printf(&text, "%s`%s`%s", i == 0 ? " One of " : ", ", key->words[i],
                   key->words[i + 1] == NULL ? "." : "");
    }
    buf_printf(&text, " Environment: `%s`", env);
    for (size_t i = 0; i < sizeof(key->older) / sizeof(key->older[0]); i++) {
        if (key->older[i] != NULL) {
            buf_printf(&text, ", `%s`", key->older[i]);
        }
    }
    buf_append_str(&text, key->reloadable ? ". Changes while running." : ". Needs a restart.");
    manual_item(out, slice_of(key->name), buf_slice(&text));
    buf_free(&text);
}

static void put_group(const struct config_group *group, struct buf *out)
{
    size_t len = strlen(group->name);
    manual_subsection(out, group->name);
    manual_paragraph(out, slice_of(group->help));
    for (size_t i = 0; i < config_n_keys; i++) {
        const char *name = config_keys[i].name;
        if (strncmp(name, group->name, len) == 0 && name[len] == '.') {
            put_key(&config_keys[i], out);
        }
    }
}

static void put_destinations(struct buf *out)
{
    manual_section(out, "DESTINATIONS");
    manual_paragraph(out, SLICE_LIT("Each entry of `export.destinations` is a group of these:"));
    for (size_t i = 0; i < config_n_destination_keys; i++) {
        const struct config_destination_key *key = &config_destination_keys[i];
        manual_item(out, slice_of(key->name), slice_of(key->help));
    }
}

void config_print_manual(struct buf *out)
{
    manual_head(out, "sigpost.cfg", 5, "configuration of sigpost");
    manual_section(out, "DESCRIPTION");
    manual_paragraph(out, SLICE_LIT("`sigpost` and `sigpostctl` read the file that `-c` names, or "
                                    "else `" CONFIG_DEFAULT_FILE "` if it is there, in the form of "
                                    "libconfig:"));
    manual_example(out, sample);
    manual_paragraph(
        out, SLICE_LIT("An environment variable `SIGPOST_GROUP_NAME` beats the file's "
                       "`group.name`. A size is bytes, or a whole number with `KiB`, `MiB` "
                       "or `GiB`; a duration seconds, or a whole number with `ms`, `s`, "
                       "`m`, `h` or `d`; with a unit they stand in quotes. Unknown keys are "
                       "errors. `sigpost --check` says what is wrong."));
    manual_section(out, "KEYS");
    for (size_t i = 0; i < config_n_groups; i++) {
        put_group(&config_groups[i], out);
    }
    put_destinations(out);
    manual_see_also(out, "`sigpost`(8), `sigpostctl`(1)");
}
