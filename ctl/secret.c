/* secret.c: sigpostctl secret: the verbs, and those that change the ring. The ones that show it are
 * in secret_show.c. */
#include "ctl/secret.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "sigpostctl secret init [--id ID] [--label L] [--note N] [--reveal]\n"
    "      makes the ring file with one active key: 32 random bytes in hex\n"
    "sigpostctl secret list [--json]\n"
    "      all keys, those of the environment and of the secret file as well\n"
    "sigpostctl secret add [--id ID] [--label L] [--note N] [--state S] [--stdin] [--reveal]\n"
    "      one more key, random or read from standard input; S is one of\n"
    "      " KEY_STATE_WORDS " (active)\n"
    "sigpostctl secret show ID [--reveal]\n"
    "      one key; its secret only with --reveal\n"
    "\n"
    "  --id ID     1 to 64 of A-Z a-z 0-9 . _ - (today's date)\n"
    "  --label L   becomes deployment.environment on what the key's clients send\n"
    "  --note N    for people\n"
    "\n"
    "The ring file is secrets.keyring of the configuration. A running gateway picks it up by\n"
    "itself.\n";

#define RANDOM_BYTES 32
#define STDIN_MAX (2 * (size_t)KEY_SECRET_MAX) /* room for white space around the secret */

/* A key to be made, and what the edit did. */
struct wish {
    bool only_new; /* init: there must be no ring yet */
    const char *id;
    const char *label;
    const char *note;
    enum key_state state;
    bool reveal;
    char *secret; /* secure heap; owned */
    size_t secret_len;
    char made_id[SIGNATURE_KEY_ID_MAX + 1];
};

static bool make_random(struct wish *wish, struct result *why)
{
    uint8_t bytes[RANDOM_BYTES];
    _Static_assert(RANDOM_BYTES == SIGNATURE_BYTES, "signature_hex writes as many digits");
    wish->secret_len = 2 * (size_t)RANDOM_BYTES;
    wish->secret = OPENSSL_secure_malloc(STDIN_MAX + 1);
    if (wish->secret == NULL) {
        return result_fail(why, "no secure memory for the secret");
    }
    bool ok = RAND_bytes(bytes, sizeof(bytes)) == 1 ||
              result_fail(why, "OpenSSL has no random bytes to give");
    if (ok) {
        signature_hex(bytes, wish->secret);
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return ok;
}

/* Unbuffered, so that the secret does not stay behind in the stream. */
static bool read_secret(struct wish *wish, FILE *in, struct result *why)
{
    wish->secret = OPENSSL_secure_malloc(STDIN_MAX + 1);
    if (wish->secret == NULL) {
        return result_fail(why, "no secure memory for the secret");
    }
    setvbuf(in, NULL, _IONBF, 0);
    wish->secret_len = fread(wish->secret, 1, STDIN_MAX + 1, in);
    if (ferror(in) != 0) {
        return result_fail(why, "cannot read the secret from standard input");
    }
    return wish->secret_len <= STDIN_MAX ||
           result_fail(why, "standard input holds more than one secret: over %zu bytes", STDIN_MAX);
}

/* Today's date, with "-2" and so on behind it while that id is taken. */
static void choose_id(const struct key_list *list, char id[SIGNATURE_KEY_ID_MAX + 1])
{
    char today[CLOCK_ISO_MAX];
    clock_format_iso(clock_wall_ns(), today);
    snprintf(id, SIGNATURE_KEY_ID_MAX + 1, "%.10s", today);
    for (unsigned n = 2; key_list_find(list, slice_of(id)) != NULL; n++) {
        snprintf(id, SIGNATURE_KEY_ID_MAX + 1, "%.10s-%u", today, n);
    }
}

static bool add_key(struct key_list *list, bool missing, void *arg, struct result *why)
{
    struct wish *wish = arg;
    if (wish->only_new && !missing) {
        return result_fail(why,
                           "there is a ring already, with %zu keys; add one with: sigpostctl "
                           "secret add",
                           list->n);
    }
    if (wish->id != NULL) {
        snprintf(wish->made_id, sizeof(wish->made_id), "%s", wish->id);
    } else {
        choose_id(list, wish->made_id);
    }
    struct key_entry *entry = key_list_add(list, slice_of(wish->made_id),
                                           slice_make(wish->secret, wish->secret_len), why);
    if (entry == NULL) {
        return false;
    }
    entry->state = wish->state;
    entry->created = clock_wall_s();
    return key_entry_set_label(entry, slice_of(wish->label), why) &&
           key_entry_set_note(entry, slice_of(wish->note), why);
}

/* Makes the state directory, not its parents: a wrong path should be noticed. */
static bool make_directory(const char *path, struct result *why)
{
    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST ||
               result_fail_errno(why, errno, "%s: cannot make the directory", path);
    }
    char parent[PATH_MAX];
    if (snprintf(parent, sizeof(parent), "%s/..", path) < (int)sizeof(parent)) {
        int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            (void)fsync(fd); /* the ring file's own sync follows; a lost directory is made again */
            close(fd);
        }
    }
    return true;
}

static bool write_key(const struct config *config, struct wish *wish, struct result *why)
{
    return make_directory(config->state.dir, why) &&
           keyring_file_edit(config->secrets.keyring, add_key, wish, why);
}

static int change_ring(struct ctl *ctl, struct wish *wish, bool from_stdin)
{
    struct result why = RESULT_INIT;
    struct config *config = ctl_config(ctl);
    if (config == NULL) {
        return CTL_FAILED;
    }
    bool ok = (from_stdin ? read_secret(wish, ctl->in, &why) : make_random(wish, &why)) &&
              write_key(config, wish, &why);
    if (!ok) {
        ctl_fail(ctl, "%s", why.text);
    } else {
        fprintf(ctl->out, "key %s is %s in %s\n", wish->made_id, key_state_word(wish->state),
                config->secrets.keyring);
        if (wish->reveal) {
            fprintf(ctl->out, "secret %.*s\n", (int)wish->secret_len, wish->secret);
        }
    }
    if (wish->secret != NULL) {
        OPENSSL_secure_clear_free(wish->secret, STDIN_MAX + 1);
    }
    config_free(config);
    return ok ? CTL_DONE : CTL_FAILED;
}

static int check_wish(struct ctl *ctl, struct wish *wish, const char *state)
{
    struct result why = RESULT_INIT;
    struct key_entry scratch = {.secret = NULL};
    if (wish->id != NULL && !signature_key_id_valid(slice_of(wish->id))) {
        return ctl_wrong_use(ctl, "secret", "--id takes 1 to %d of A-Z a-z 0-9 . _ -",
                             SIGNATURE_KEY_ID_MAX);
    }
    if (wish->id != NULL && (strcmp(wish->id, "env") == 0 || strcmp(wish->id, "file") == 0)) {
        return ctl_wrong_use(ctl, "secret",
                             "the id \"%s\" is the one of the %s's secret; choose another",
                             wish->id, wish->id[0] == 'e' ? "environment" : "secret file");
    }
    if (!key_entry_set_label(&scratch, slice_of(wish->label), &why) ||
        !key_entry_set_note(&scratch, slice_of(wish->note), &why)) {
        return ctl_wrong_use(ctl, "secret", "%s", why.text);
    }
    if (state != NULL && !key_state_parse(slice_of(state), &wish->state)) {
        return ctl_wrong_use(ctl, "secret", "--state takes one of " KEY_STATE_WORDS);
    }
    return CTL_DONE;
}

static int secret_init(struct ctl *ctl, int argc, char **argv)
{
    size_t n_rest;
    struct wish wish = {.only_new = true, .state = KEY_ACTIVE};
    const struct ctl_option options[] = {{"--id", NULL, &wish.id},
                                         {"--label", NULL, &wish.label},
                                         {"--note", NULL, &wish.note},
                                         {"--reveal", &wish.reveal, NULL}};
    int status = ctl_options(ctl, "secret", help, argc, argv, options, 4, NULL, 0, &n_rest);
    if (status < 0) {
        status = check_wish(ctl, &wish, NULL);
        status = status == CTL_DONE ? change_ring(ctl, &wish, false) : status;
    }
    return status;
}

static int secret_add(struct ctl *ctl, int argc, char **argv)
{
    size_t n_rest;
    bool from_stdin = false;
    const char *state = NULL;
    struct wish wish = {.state = KEY_ACTIVE};
    const struct ctl_option options[] = {
        {"--id", NULL, &wish.id},     {"--label", NULL, &wish.label},
        {"--note", NULL, &wish.note}, {"--reveal", &wish.reveal, NULL},
        {"--state", NULL, &state},    {"--stdin", &from_stdin, NULL}};
    int status = ctl_options(ctl, "secret", help, argc, argv, options, 6, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    if (from_stdin && wish.reveal) {
        return ctl_wrong_use(ctl, "secret",
                             "--reveal shows a new random secret; --stdin gives one");
    }
    status = check_wish(ctl, &wish, state);
    return status == CTL_DONE ? change_ring(ctl, &wish, from_stdin) : status;
}

static int secret_list(struct ctl *ctl, int argc, char **argv)
{
    size_t n_rest;
    bool json = false;
    const struct ctl_option options[] = {{"--json", &json, NULL}};
    int status = ctl_options(ctl, "secret", help, argc, argv, options, 1, NULL, 0, &n_rest);
    return status >= 0 ? status : secret_print_list(ctl, json);
}

static int secret_show(struct ctl *ctl, int argc, char **argv)
{
    size_t n_rest;
    bool reveal = false;
    const char *id[1];
    const struct ctl_option options[] = {{"--reveal", &reveal, NULL}};
    int status = ctl_options(ctl, "secret", help, argc, argv, options, 1, id, 1, &n_rest);
    if (status >= 0) {
        return status;
    }
    return n_rest == 1 ? secret_print_key(ctl, id[0], reveal)
                       : ctl_wrong_use(ctl, "secret", "the id of the key is missing");
}

static const struct verb {
    const char *name;
    int (*run)(struct ctl *ctl, int argc, char **argv);
} verbs[] = {
    {"init", secret_init}, {"list", secret_list}, {"add", secret_add}, {"show", secret_show}};

int ctl_secret(struct ctl *ctl, int argc, char **argv)
{
    if (argc < 2) {
        return ctl_wrong_use(ctl, "secret", "a verb is missing: init, list, add or show");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(help, ctl->out);
        return CTL_DONE;
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0) {
            return verbs[i].run(ctl, argc - 1, argv + 1);
        }
    }
    return ctl_wrong_use(ctl, "secret", "unknown verb \"%s\"; there are: init, list, add, show",
                         argv[1]);
}
