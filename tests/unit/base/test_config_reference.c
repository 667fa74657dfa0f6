/* test_config_reference.c: docs/configuration.md and deploy/sigpost.cfg agree with the table. */
#include "config_fixture.h"

#include "base/config_internal.h"

#include <ctype.h>

TestSuite(config_reference, .fini = fixture_no_leaks);

static void read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    size_t got;
    do {
        char *to = buf_reserve(out, 65536);
        cr_assert_not_null(to);
        got = fread(to, 1, 65536, file);
        out->len += got;
    } while (got != 0);
    fclose(file);
}

Test(config_reference, the_page_is_up_to_date)
{
    struct buf page = BUF_INIT;
    struct buf printed = BUF_INIT;
    read_file(SIGPOST_SOURCE_DIR "/docs/configuration.md", &page);
    config_print_reference(&printed);
    cr_assert_not(printed.failed);
    cr_assert(slice_eq(buf_slice(&page), buf_slice(&printed)),
              "docs/configuration.md differs from the table of keys; refresh it with: sigpost "
              "--print-reference > docs/configuration.md");
    buf_free(&page);
    buf_free(&printed);
}

Test(config_reference, the_table_is_sound)
{
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        const char *dot = strchr(key->name, '.');
        bool grouped = false;
        cr_assert_not_null(dot);
        for (size_t g = 0; g < config_n_groups; g++) {
            grouped = grouped || slice_eq_str(slice_make(key->name, (size_t)(dot - key->name)),
                                              config_groups[g].name);
        }
        cr_assert(grouped, "%s", key->name);
        cr_assert_eq(key, config_key_find(slice_of(key->name)), "%s is there twice", key->name);
        cr_assert_lt(strlen(key->name) + strlen("SIGPOST_"), CONFIG_ENV_MAX);
        cr_assert_not_null(key->help);
        cr_assert_null(strchr(key->help, '|'), "%s would break the table", key->name);
        cr_assert_null(strchr(key->help, '\n'));
        cr_assert_eq(key->help[strlen(key->help) - 1], '.', "%s", key->name);
        bool number =
            key->type == KEY_SIZE || key->type == KEY_DURATION || key->type == KEY_INTEGER;
        cr_assert_eq(number, key->max > key->min, "%s", key->name);
        cr_assert_eq(key->type == KEY_ENUM, key->words != NULL, "%s", key->name);
    }
}

Test(config_reference, the_sample_loads)
{
    struct result why = RESULT_INIT;
    struct config *sample = config_load(SIGPOST_SOURCE_DIR "/deploy/sigpost.cfg", NO_ENV, &why);
    cr_assert_not_null(sample, "%s", why.text);
    config_free(sample);
}

/* The sample with its commented keys brought to life: "// key = value" loses its slashes, and so do
 * lines that continue a list. */
static void uncomment(struct slice sample, struct buf *out)
{
    bool in_list = false;
    const char *end = sample.data + sample.len;
    for (const char *line = sample.data; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        const char *next = newline != NULL ? newline + 1 : end;
        const char *at = line;
        while (at < next && *at == ' ') {
            at++;
        }
        if (next - at > 3 && memcmp(at, "// ", 3) == 0) {
            const char *word = at + 3;
            while (word < next && (islower((unsigned char)*word) || *word == '_')) {
                word++;
            }
            bool key = word > at + 3 && next - word > 3 && memcmp(word, " = ", 3) == 0;
            if (key || in_list) {
                at += 3;
                in_list = memchr(at, ';', (size_t)(next - at)) == NULL;
            }
        }
        buf_append(out, at, (size_t)(next - at));
        line = next;
    }
}

Test(config_reference, the_manual_page_has_every_key)
{
    struct buf page = BUF_INIT;
    config_print_manual(&page);
    cr_assert_not(page.failed);
    for (size_t i = 0; i < config_n_keys; i++) {
        char item[120];
        snprintf(item, sizeof(item), "\n.TP\n\\fB%s\\fR\n", config_keys[i].name);
        cr_assert_not_null(strstr(buf_cstr(&page), item), "%s", config_keys[i].name);
    }
    buf_free(&page);
}

Test(config_reference, the_commented_lines_of_the_sample_are_the_defaults)
{
    struct buf sample = BUF_INIT;
    struct buf live = BUF_INIT;
    read_file(SIGPOST_SOURCE_DIR "/deploy/sigpost.cfg", &sample);
    uncomment(buf_slice(&sample), &live);
    struct config *plain = fixture_good("", NO_ENV);
    struct config *c = fixture_load_bytes(live.data, live.len, NO_ENV);
    cr_assert_not_null(c, "%s", fixture_why.text);
    for (size_t i = 0; i < config_n_keys; i++) {
        cr_assert(config_equal(plain, c, &config_keys[i]), "%s", config_keys[i].name);
        const char *last = strchr(config_keys[i].name, '.') + 1;
        char line[80];
        snprintf(line, sizeof(line), "%s = ", last);
        bool shown = strstr(buf_cstr(&live), line) != NULL;
        cr_assert_eq(shown, !config_keys[i].environment_only, "%s", config_keys[i].name);
    }
    config_free(plain);
    config_free(c);
    buf_free(&sample);
    buf_free(&live);
}
