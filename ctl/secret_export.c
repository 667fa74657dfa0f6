/* secret_export.c: sigpostctl secret export: a key's secret in the form that another program reads
 * on its standard input. */
#include "ctl/secret.h"

#include "base/clock.h"

#include <string.h>
#include <unistd.h>

#define VARIABLE "KOTORMODSYNC_SIGNING_SECRET"
#define ID_VARIABLE "KOTORMODSYNC_SIGNING_KEY_ID"

static bool is_plain(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("._:/@%+=-", c) != NULL);
}

/* A value of a .env file. Bare where that will do: docker --env-file knows no quotes. Else in
 * single quotes, which nothing is special in; in double ones when it holds a single one. */
static void put_value(FILE *out, const char *text)
{
    bool plain = true;
    for (const char *at = text; *at != '\0'; at++) {
        plain = plain && is_plain(*at);
    }
    if (plain || strchr(text, '\'') == NULL) {
        fprintf(out, plain ? "%s\n" : "'%s'\n", text);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (strchr("\"\\$`", *text) != NULL) {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
    fputs("\"\n", out);
}

static void put_raw(FILE *out, const struct key_entry *entry)
{
    fprintf(out, "%s\n", entry->secret);
}

static void put_docker(FILE *out, const struct key_entry *entry)
{
    fputs(entry->secret, out);
}

static void put_dotenv(FILE *out, const struct key_entry *entry)
{
    fprintf(out, "# key %s of sigpost\n" VARIABLE "=", entry->id);
    put_value(out, entry->secret);
}

static void put_github(FILE *out, const struct key_entry *entry)
{
    fputs(VARIABLE "=", out);
    put_value(out, entry->secret);
    fputs(ID_VARIABLE "=", out);
    put_value(out, entry->id);
}

static const struct format {
    const char *name;
    void (*put)(FILE *out, const struct key_entry *entry);
} formats[] = {
    {"raw", put_raw}, {"dotenv", put_dotenv}, {"docker", put_docker}, {"github", put_github}};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(formats[i].name, name) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}

static int put_key(struct ctl *ctl, const struct config *config, const char *id,
                   const struct format *format)
{
    struct result why = RESULT_INIT;
    struct key_list list = {0};
    const struct keyring_sources sources = ctl_sources(config);
    int status = CTL_DONE;
    if (!keyring_read_sources(&sources, &list, &why)) {
        return ctl_fail_why(ctl, &why);
    }
    const struct key_entry *entry = key_list_find(&list, slice_of(id));
    if (entry == NULL) {
        status = ctl_fail(ctl, "there is no key \"%s\"; see: sigpostctl secret list", id);
    } else if (key_entry_stage(entry, clock_wall_s()) == KEY_STAGE_ENDED) {
        status = ctl_fail(ctl,
                          "key %s has ended: what it signs is refused; see: sigpostctl secret "
                          "list",
                          id);
    } else {
        format->put(ctl->out, entry);
    }
    key_list_free(&list);
    return status;
}

int secret_export(struct ctl *ctl, int argc, char **argv)
{
    const char *id = NULL;
    const char *name = NULL;
    bool reveal = false;
    const struct ctl_option options[] = {{"--format", NULL, &name}, {"--reveal", &reveal, NULL}};
    int status = secret_options_id(ctl, argc, argv, options, 2, &id);
    if (status >= 0) {
        return status;
    }
    const struct format *format = name != NULL ? find_format(name) : NULL;
    if (format == NULL) {
        return ctl_wrong_use(ctl, "secret", "--format takes one of raw, dotenv, docker, github");
    }
    int fd = fileno(ctl->out);
    if (!reveal && fd >= 0 && isatty(fd) == 1) {
        return ctl_fail(ctl, "this would print the secret to a terminal; send it to a program or a "
                             "file, or use --reveal");
    }
    struct config *config = ctl_config(ctl);
    status = config != NULL ? put_key(ctl, config, id, format) : CTL_FAILED;
    config_free(config);
    return status;
}
