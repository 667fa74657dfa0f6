/* ctl.c: the table of nouns, and what they share; see ctl.h. */
#include "ctl/ctl.h"

#include "base/log.h"
#include "base/utf8.h"
#include "ctl/manual.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "sigpostctl [-c FILE] NOUN ...   keys and signatures of sigpost\n"
    "\n"
    "  secret VERB                 the keys that the gateway believes: making, rotating, ending\n"
    "  sign PATH                   the headers of a signed request, or a curl command\n"
    "  verify --path PATH          whether the gateway would believe these headers, and why not\n"
    "  explain                     the same rule by rule, also for a pasted curl command\n"
    "  doctor URL                  what is wrong between here and a running gateway\n"
    "  spool VERB                  what waits on disk, what was refused, what is damaged\n"
    "  health [URL]                is it alive? for scripts and containers\n"
    "\n"
    "  -c, --config FILE   the gateway's configuration (" CONFIG_DEFAULT_FILE " if it is there);\n"
    "                      its environment variables count, too\n"
    "  -h, --help          this; also behind each noun\n"
    "      --version\n"
    "\n"
    "Exit status: 0 done, 1 refused or failed, 2 wrong use.\n";

static const struct noun {
    const char *name;
    int (*run)(struct ctl *ctl, int argc, char **argv);
} nouns[] = {{"secret", ctl_secret},   {"sign", ctl_sign},     {"verify", ctl_verify},
             {"explain", ctl_explain}, {"doctor", ctl_doctor}, {"health", ctl_health},
             {"spool", ctl_spool}};
#define NOUN_NAMES "secret, sign, verify, explain, doctor, health, spool"
#define NOUNS (sizeof(nouns) / sizeof(nouns[0]))

__attribute__((format(printf, 3, 0))) static void put_line(struct ctl *ctl, const char *prefix,
                                                           const char *format, va_list args)
{
    char text[RESULT_TEXT_MAX + 128];
    int len = vsnprintf(text, sizeof(text), format, args);
    fputs(prefix, ctl->err);
    ctl_put_text(ctl->err, slice_make(text, len > 0 ? strlen(text) : 0));
}

int ctl_fail(struct ctl *ctl, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(ctl, "sigpostctl: ", format, args);
    va_end(args);
    fputc('\n', ctl->err);
    return CTL_FAILED;
}

const char *ctl_remedy(const struct result *why)
{
    bool refused = why->error == EACCES || why->error == EPERM;
    return refused && geteuid() != 0 ? "; run it as root or as the gateway's user" : "";
}

int ctl_fail_why(struct ctl *ctl, const struct result *why)
{
    return ctl_fail(ctl, "%s%s", why->text, ctl_remedy(why));
}

void ctl_warn(struct ctl *ctl, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(ctl, "sigpostctl: warning: ", format, args);
    va_end(args);
    fputc('\n', ctl->err);
}

int ctl_wrong_use(struct ctl *ctl, const char *help_of, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(ctl, "sigpostctl: ", format, args);
    va_end(args);
    fprintf(ctl->err, "; see: sigpostctl %s%s--help\n", help_of, help_of[0] != '\0' ? " " : "");
    return CTL_WRONG_USE;
}

/* Also those of C1, U+0080 to U+009F, some of which begin a terminal's commands, too. */
static bool is_control(const char *sequence, size_t len)
{
    unsigned char c = (unsigned char)sequence[0];
    return len == 0 || c < 0x20 || c == 0x7f ||
           (len == 2 && c == 0xc2 && (unsigned char)sequence[1] < 0xa0);
}

void ctl_put_text(FILE *out, struct slice text)
{
    for (size_t at = 0; at < text.len;) {
        const char *sequence = text.data + at;
        size_t len = utf8_sequence(sequence, text.len - at);
        bool control = is_control(sequence, len);
        len += len == 0;
        for (size_t i = 0; i < len; i++) {
            fprintf(out, control ? "\\x%02x" : "%c", (unsigned)(unsigned char)sequence[i]);
        }
        at += len;
    }
}

static const struct ctl_option *find_option(const struct ctl_option *options, size_t n,
                                            struct slice name)
{
    for (size_t i = 0; i < n; i++) {
        if (slice_eq_str(name, options[i].name)) {
            return &options[i];
        }
    }
    return NULL;
}

/* Takes the option at argv[*at], and its value; -1 or the exit status. */
static int take_option(struct ctl *ctl, const char *verb, int argc, char **argv, int *at,
                       const struct ctl_option *options, size_t n_options)
{
    const char *text = argv[*at];
    const char *equals = strchr(text, '=');
    struct slice name = slice_make(text, equals != NULL ? (size_t)(equals - text) : strlen(text));
    const struct ctl_option *option = find_option(options, n_options, name);
    if (option == NULL) {
        return ctl_wrong_use(ctl, verb, "unknown option %.*s", (int)name.len, name.data);
    }
    if (option->flag != NULL) {
        if (equals != NULL) {
            return ctl_wrong_use(ctl, verb, "%s takes no value", option->name);
        }
        *option->flag = true;
        return -1;
    }
    if (*option->value != NULL) {
        return ctl_wrong_use(ctl, verb, "%s is given twice", option->name);
    }
    if (equals == NULL && *at + 1 >= argc) {
        return ctl_wrong_use(ctl, verb, "%s needs a value", option->name);
    }
    *option->value = equals != NULL ? equals + 1 : argv[++*at];
    return -1;
}

int ctl_options(struct ctl *ctl, const char *verb, const char *verb_help, int argc, char **argv,
                const struct ctl_option *options, size_t n_options, const char **rest,
                size_t max_rest, size_t *n_rest)
{
    bool ended = false;
    *n_rest = 0;
    if (ctl->list_options) {
        for (size_t i = 0; i < n_options; i++) {
            fprintf(ctl->out, "%s%s\n", options[i].name, options[i].flag != NULL ? "" : "=");
        }
        return CTL_DONE;
    }
    for (int at = 1; at < argc; at++) {
        const char *text = argv[at];
        if (!ended && strcmp(text, "--") == 0) {
            ended = true;
        } else if (!ended && (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0)) {
            fputs(verb_help, ctl->out);
            return CTL_DONE;
        } else if (!ended && text[0] == '-' && text[1] != '\0') {
            int status = take_option(ctl, verb, argc, argv, &at, options, n_options);
            if (status >= 0) {
                return status;
            }
        } else if (*n_rest == max_rest) {
            return ctl_wrong_use(ctl, verb, "\"%s\" is one operand too many", text);
        } else {
            rest[(*n_rest)++] = text;
        }
    }
    return -1;
}

struct config *ctl_config(struct ctl *ctl)
{
    struct result why = RESULT_INIT;
    struct config *config = config_load(ctl->config_path, ctl->environment, &why);
    if (config == NULL) {
        ctl_fail_why(ctl, &why);
    }
    return config;
}

struct keyring_sources ctl_sources(const struct config *config)
{
    return (struct keyring_sources){.ring_file = config->secrets.keyring,
                                    .secret_file = config->secrets.secret_file,
                                    .secret_file_required = config->secrets.secret_file_set,
                                    .signing_secret = config->secrets.signing_secret};
}

int ctl_keys_open(struct ctl *ctl, const struct config *config, struct ctl_keys *keys)
{
    struct result why = RESULT_INIT;
    const struct keyring_sources sources = ctl_sources(config);
    *keys = (struct ctl_keys){NULL, NULL};
    keys->ring = keyring_open(&sources, NULL, &why);
    if (keys->ring == NULL) {
        return ctl_fail_why(ctl, &why);
    }
    keys->reader = keyring_reader_create(keys->ring);
    return keys->reader != NULL ? CTL_DONE : ctl_fail(ctl, "out of memory");
}

void ctl_keys_close(struct ctl_keys *keys)
{
    keyring_reader_destroy(keys->reader);
    keyring_close(keys->ring);
}

const char *ctl_help(void)
{
    return help;
}

const char *ctl_noun_name(size_t i)
{
    return i < NOUNS ? nouns[i].name : NULL;
}

char *ctl_noun_help(const struct ctl *ctl, size_t i)
{
    char *text = NULL;
    size_t len = 0;
    char name[32];
    char option[] = "--help";
    char *argv[] = {name, option, NULL};
    struct ctl aside = *ctl;
    snprintf(name, sizeof(name), "%s", nouns[i].name);
    aside.out = open_memstream(&text, &len);
    if (aside.out == NULL) {
        return NULL;
    }
    int status = nouns[i].run(&aside, 2, argv);
    if (fclose(aside.out) != 0 || status != CTL_DONE) {
        free(text);
        return NULL;
    }
    return text;
}

/* What the build makes files of; see manual.h. */
static int (*find_print(const char *option))(struct ctl *ctl)
{
    static const struct {
        const char *name;
        int (*print)(struct ctl *ctl);
    } prints[] = {{"--print-manual", ctl_print_manual},
                  {"--print-config-manual", ctl_print_config_manual},
                  {"--print-completion", ctl_print_completion}};
    for (size_t i = 0; i < sizeof(prints) / sizeof(prints[0]); i++) {
        if (strcmp(option, prints[i].name) == 0) {
            return prints[i].print;
        }
    }
    return NULL;
}

static int run_noun(struct ctl *ctl, int argc, char **argv)
{
    struct result why = RESULT_INIT;
    for (size_t i = 0; i < NOUNS; i++) {
        if (strcmp(argv[0], nouns[i].name) == 0) {
            log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_WARN);
            /* That memory could not be locked is the daemon's concern: we are gone in a moment. */
            if (!keyring_init_memory(&why)) {
                return ctl_fail(ctl, "%s", why.text);
            }
            return nouns[i].run(ctl, argc, argv);
        }
    }
    return ctl_wrong_use(ctl, "", "unknown noun \"%s\"; there are: " NOUN_NAMES, argv[0]);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-'; at++) {
        const char *text = argv[at];
        if (strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0) {
            fputs(help, ctl->out);
            return CTL_DONE;
        }
        if (strcmp(text, "--version") == 0) {
            fputs("sigpostctl " SIGPOST_VERSION "\n", ctl->out);
            return CTL_DONE;
        }
        if (find_print(text) != NULL) {
            return find_print(text)(ctl);
        }
        if (strncmp(text, "--config=", 9) == 0) {
            ctl->config_path = text + 9;
        } else if (strcmp(text, "-c") != 0 && strcmp(text, "--config") != 0) {
            return ctl_wrong_use(ctl, "", "unknown option %s", text);
        } else if (++at == argc) {
            return ctl_wrong_use(ctl, "", "%s needs a file", text);
        } else {
            ctl->config_path = argv[at];
        }
    }
    if (at >= argc) {
        return ctl_wrong_use(ctl, "", "a noun is missing: " NOUN_NAMES);
    }
    return run_noun(ctl, argc - at, argv + at);
}

int ctl_run(struct ctl *ctl, int argc, char **argv)
{
    int status = run(ctl, argc, argv);
    if (fflush(ctl->out) != 0 || ferror(ctl->out) != 0) {
        return ctl_fail(ctl, "cannot write the output");
    }
    return status;
}
