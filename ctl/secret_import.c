/* secret_import.c: sigpostctl secret import: a secret that was made elsewhere, such as the one file
 * of a Docker secret or a .env file, becomes a key of the ring. */
#include "ctl/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE "KOTORMODSYNC_SIGNING_SECRET"

/* Cuts one pair of quotes; inside of double ones a backslash takes the next character as it is.
 * Returns the length that is left, moved to the front of `text`. */
static size_t unquote(char *text, size_t len)
{
    char quote = text[0]; /* the buffer is never empty */
    if (len < 2 || (quote != '"' && quote != '\'') || text[len - 1] != quote) {
        return len;
    }
    size_t out = 0;
    for (size_t at = 1; at < len - 1; at++) {
        if (quote == '"' && text[at] == '\\' && at + 1 < len - 1) {
            at++;
        }
        text[out++] = text[at];
    }
    return out;
}

/* Where the value of "[export ]VARIABLE=value" begins in a line, or NULL. */
static char *value_of(char *line, const char *end)
{
    static const char export[] = "export ";
    static const char name[] = VARIABLE "=";
    while (line < end && (*line == ' ' || *line == '\t')) {
        line++;
    }
    if ((size_t)(end - line) >= sizeof(export) - 1 &&
        memcmp(line, export, sizeof(export) - 1) == 0) {
        line += sizeof(export) - 1;
    }
    bool found =
        (size_t)(end - line) >= sizeof(name) - 1 && memcmp(line, name, sizeof(name) - 1) == 0;
    return found ? line + sizeof(name) - 1 : NULL;
}

/* A file with a line VARIABLE=value holds the value; any other one is the secret. */
static void take_value(struct secret_wish *wish)
{
    char *end = wish->secret + wish->secret_len;
    for (char *line = wish->secret; line < end;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *stop = newline != NULL ? newline : end;
        char *value = value_of(line, stop);
        if (value != NULL) {
            while (stop > value && strchr(" \t\r", stop[-1]) != NULL) {
                stop--;
            }
            size_t len = (size_t)(stop - value);
            memmove(wish->secret, value, len);
            wish->secret_len = unquote(wish->secret, len);
            return;
        }
        line = stop + (newline != NULL);
    }
}

static bool read_file(struct ctl *ctl, struct secret_wish *wish, const char *path,
                      struct result *why)
{
    if (strcmp(path, "-") == 0) {
        return secret_wish_read(wish, ctl->in, "standard input", why);
    }
    /* O_NONBLOCK: a FIFO that nobody writes must not hang us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return result_fail_errno(why, error, "%s: cannot open", path);
    }
    bool ok = secret_wish_read(wish, file, path, why);
    fclose(file);
    return ok;
}

static bool add_key(struct key_list *list, bool missing, void *arg, struct result *why)
{
    (void)missing;
    return secret_wish_add(arg, list, why) != NULL;
}

static int run(struct ctl *ctl, struct secret_wish *wish, const char *path)
{
    struct result why = RESULT_INIT;
    struct config *config = ctl_config(ctl);
    if (config == NULL) {
        return CTL_FAILED;
    }
    wish->config = config;
    int status = CTL_DONE;
    if (!read_file(ctl, wish, path, &why)) {
        status = ctl_fail_why(ctl, &why);
    } else {
        take_value(wish);
        status = secret_edit(ctl, config, add_key, wish);
    }
    if (status == CTL_DONE) {
        secret_wish_say(ctl, wish);
        status = secret_await_and_say(ctl, config);
    }
    secret_wish_free(wish);
    config_free(config);
    return status;
}

int secret_import(struct ctl *ctl, int argc, char **argv)
{
    const char *path = NULL;
    const char *state = NULL;
    struct secret_wish wish = {.state = KEY_ACTIVE};
    const struct ctl_option options[] = {{"--id", NULL, &wish.id},
                                         {"--label", NULL, &wish.label},
                                         {"--note", NULL, &wish.note},
                                         {"--state", NULL, &state}};
    int status = secret_options(ctl, argc, argv, options, 4, &path);
    if (status >= 0) {
        return status;
    }
    if (path == NULL) {
        return ctl_wrong_use(ctl, "secret", "the file is missing; \"-\" is standard input");
    }
    status = secret_wish_check(ctl, &wish, state);
    return status == CTL_DONE ? run(ctl, &wish, path) : status;
}
