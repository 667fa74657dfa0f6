/* config_reference.c: docs/configuration.md from the table. */
#include "base/config_internal.h"

#include <string.h>

static const char intro[] =
    "# Configuration\n"
    "\n"
    "This page is printed from the table of keys by `sigpost --print-reference > "
    "docs/configuration.md`; a test compares them. A commented example is `deploy/sigpost.cfg`.\n"
    "\n"
    "## Sources\n"
    "\n"
    "`sigpost` and `sigpostctl` read the same. The later beats the earlier:\n"
    "\n"
    "1. the defaults below;\n"
    "2. the file named by `-c`, or else `" CONFIG_DEFAULT_FILE "` if it is there, in the form of "
    "libconfig: `group = { key = value; };` without `@include`;\n"
    "3. the older environment names of the services that sigpost replaces (`MAX_SESSIONS` ...);\n"
    "4. `SIGPOST_GROUP_NAME` for the key `group.name`.\n"
    "\n"
    "An environment variable that is set but empty counts as unset. "
    "`SIGPOST_COLLECTOR_URL=http://host:4318` adds an `otlp` destination to the list, whatever "
    "source it is from.\n"
    "\n"
    "Unknown keys, in the file or as `SIGPOST_<GROUP>_...`, are errors, as are values of the wrong "
    "type or out of range: `sigpost` says where and ends with code 2, `sigpostctl` with 1. "
    "`sigpost --check` only "
    "looks. On SIGHUP the file is read again; keys marked *yes* under \"running\" take effect, "
    "changes to others are named in the log and wait for a restart.\n"
    "\n"
    "## Values\n"
    "\n"
    "| type | written |\n"
    "| --- | --- |\n"
    "| size | bytes, or a whole number with `B`, `KiB`, `MiB`, `GiB` (powers of 1024) or `KB`, "
    "`MB`, `GB` (powers of 1000): `\"4MiB\"` |\n"
    "| duration | seconds, or a whole number with `ms`, `s`, `m`, `h` or `d`: `\"100ms\"`, "
    "`\"30d\"` |\n"
    "| boolean | `true` or `false`; `1`, `0`, `yes`, `no`, `on`, `off` are understood, too |\n"
    "| list | `[\"a\", \"b\"]`, or one string with commas, which is the form of the environment |\n"
    "\n"
    "In the file, a number with a unit stands in quotes.\n";

static const char destinations_intro[] =
    "\n### A destination\n"
    "\n"
    "```\n"
    "export = {\n"
    "  destinations = (\n"
    "    { type = \"fleet\"; },\n"
    "    { type = \"otlp\"; url = \"https://collector:4318\"; compression = \"gzip\";\n"
    "      headers = [\"Authorization: Bearer abc\"]; }\n"
    "  );\n"
    "};\n"
    "```\n"
    "\n"
    "At most eight, `fleet` at most once.\n"
    "\n"
    "| key | default | |\n"
    "| --- | --- | --- |\n";

static const char *type_word(enum key_type type)
{
    static const char *const words[] = {
        [KEY_STRING] = "string",
        [KEY_SECRET] = "string",
        [KEY_SIZE] = "size",
        [KEY_DURATION] = "duration",
        [KEY_INTEGER] = "integer",
        [KEY_BOOLEAN] = "boolean",
        [KEY_ENUM] = "one of",
        [KEY_CIDRS] = "list of address ranges",
        [KEY_STRINGS] = "list of strings",
        [KEY_DESTINATIONS] = "list",
    };
    return words[type];
}

static void print_type(const struct config_key *key, struct buf *out)
{
    buf_append_str(out, type_word(key->type));
    if (key->type == KEY_SIZE || key->type == KEY_DURATION || key->type == KEY_INTEGER) {
        char least[CONFIG_NUMBER_MAX];
        char most[CONFIG_NUMBER_MAX];
        config_format_number(key->type, key->min, least);
        config_format_number(key->type, key->max, most);
        buf_printf(out, ", %s to %s", least, most);
    }
    for (size_t i = 0; key->type == KEY_ENUM && key->words[i] != NULL; i++) {
        buf_printf(out, "%s`%s`", i == 0 ? " " : ", ", key->words[i]);
    }
}

static void print_key(const struct config_key *key, struct buf *out)
{
    char name[CONFIG_ENV_MAX];
    config_key_env(key, name);
    buf_printf(out, "| `%s` | ", key->name);
    if (key->fallback != NULL) {
        buf_printf(out, "`%s` | ", key->fallback);
    } else {
        buf_append_str(out, "unset | ");
    }
    buf_printf(out, "`%s`", name);
    for (size_t i = 0; i < sizeof(key->older) / sizeof(key->older[0]); i++) {
        if (key->older[i] != NULL) {
            buf_printf(out, ", `%s`", key->older[i]);
        }
    }
    buf_printf(out, " | %s | ", key->reloadable ? "yes" : "no");
    print_type(key, out);
    buf_printf(out, " | %s |\n", key->help);
}

static void print_destinations(struct buf *out)
{
    buf_append_str(out, destinations_intro);
    for (size_t i = 0; i < config_n_destination_keys; i++) {
        const struct config_destination_key *key = &config_destination_keys[i];
        buf_printf(out, "| `%s` | %s | %s |\n", key->name, key->fallback, key->help);
    }
}

void config_print_reference(struct buf *out)
{
    buf_append_str(out, intro);
    for (size_t g = 0; g < config_n_groups; g++) {
        const char *group = config_groups[g].name;
        size_t len = strlen(group);
        buf_printf(out,
                   "\n## %s\n\n%s\n\n| key | default | environment | running | type | |\n"
                   "| --- | --- | --- | --- | --- | --- |\n",
                   group, config_groups[g].help);
        for (size_t i = 0; i < config_n_keys; i++) {
            const char *name = config_keys[i].name;
            if (strncmp(name, group, len) == 0 && name[len] == '.') {
                print_key(&config_keys[i], out);
            }
        }
        if (strcmp(group, "export") == 0) {
            print_destinations(out);
        }
    }
}
