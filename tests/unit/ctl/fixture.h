/* fixture.h: sigpostctl driven as a function: a state directory of its own, text in, text out. */
#ifndef SIGPOST_TESTS_CTL_FIXTURE_H
#define SIGPOST_TESTS_CTL_FIXTURE_H

#include "base/clock.h"
#include "ctl/ctl.h"
#include "secrets/key_usage.h"
#include "secrets/keyring_file.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW INT64_C(1712345678)
#define SECRET "super-secret-of-the-tests-0123456789"

static char dir[256];
static char config_file[300];
static char ring_file[300];
static char *output; /* of the last run */
static char *errors;
static struct key_list ring; /* of the last read_ring */

static inline void put_file(const char *path, mode_t mode, const char *text)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

static inline void set_up(void)
{
    const char *base = getenv("TMPDIR");
    char text[400];
    snprintf(dir, sizeof(dir), "%s/sigpost-ctl-XXXXXX", base != NULL ? base : "/tmp");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(config_file, sizeof(config_file), "%s/sigpost.cfg", dir);
    snprintf(ring_file, sizeof(ring_file), "%s/state/keyring.cfg", dir);
    snprintf(text, sizeof(text), "state = { dir = \"%s/state\"; };\n", dir);
    put_file(config_file, 0644, text);
    clock_fake(NOW * NS_PER_SECOND, 0);
}

static inline int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void tear_down(void)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    key_list_free(&ring);
    free(output);
    free(errors);
    clock_fake(-1, 0);
}

/* Makes the ring of one key "k" with SECRET. */
static inline void put_key(void)
{
    char state[300];
    snprintf(state, sizeof(state), "%s/state", dir);
    (void)mkdir(state, 0700); /* or it is there */
    put_file(ring_file, 0600,
             "keys = ( { id = \"k\"; secret = \"" SECRET "\"; state = \"active\"; } );");
}

/* Text that follows the head of a ring file: groups for put_ring. */
#define KEY(id, state, more)                                                                \
    "{ id = \"" id "\"; secret = \"secret-of-the-key-" id "-0123456789\"; state = \"" state \
    "\"; " more " }"

static inline void put_ring(const char *groups)
{
    char text[8192];
    char state[300];
    snprintf(state, sizeof(state), "%s/state", dir);
    (void)mkdir(state, 0700);
    snprintf(text, sizeof(text), "keys = ( %s );\n", groups);
    put_file(ring_file, 0600, text);
}

/* Reads the ring as it is in the file into `ring`. */
static inline void read_ring(size_t n)
{
    struct result why = RESULT_INIT;
    bool missing;
    key_list_free(&ring);
    cr_assert(keyring_file_read(ring_file, &ring, &missing, &why), "%s", why.text);
    cr_assert_eq(ring.n, n, "%zu keys", ring.n);
}

static inline const struct key_entry *ring_key(const char *id)
{
    const struct key_entry *entry = key_list_find(&ring, slice_of(id));
    cr_assert_not_null(entry, "%s", id);
    return entry;
}

/* The bytes of the ring file, for "it was not touched". The caller frees them. */
static inline char *ring_text(void)
{
    size_t len = 0;
    char *text = NULL;
    FILE *file = fopen(ring_file, "rb");
    cr_assert_not_null(file);
    ssize_t got = getdelim(&text, &len, '\0', file);
    cr_assert_gt(got, 0);
    fclose(file);
    return text;
}

/* As a gateway counts it: `n` requests with a key at a time, which never goes back. */
static inline void put_use(const char *id, const char *version, unsigned n, int64_t at_s)
{
    char path[400];
    struct result why = RESULT_INIT;
    snprintf(path, sizeof(path), "%s/state/" KEY_USAGE_FILE_NAME, dir);
    struct key_usage *usage = key_usage_open(path, &why);
    cr_assert_not_null(usage, "%s", why.text);
    struct key_usage_counter *counter = key_usage_counter_create(usage);
    for (unsigned i = 0; i < n; i++) {
        key_usage_count(counter, slice_of(id), slice_of(version), at_s);
    }
    key_usage_counter_destroy(counter);
    cr_assert(key_usage_save(usage, at_s, &why), "%s", why.text);
    key_usage_close(usage);
}

/* Runs the words behind "sigpostctl -c FILE"; NULL ends them. */
static inline int run_words(const char *input, char *const *environment, const char *const *words)
{
    char *argv[32] = {(char[]){"sigpostctl"}, (char[]){"-c"}, config_file};
    int argc = 3;
    for (; *words != NULL; words++) {
        argv[argc++] = strdup(*words);
    }
    size_t sizes[2];
    free(output);
    free(errors);
    struct ctl ctl = {.environment = environment};
    char *text = strdup(input[0] != '\0' ? input : "\n"); /* fmemopen refuses an empty text */
    ctl.in = fmemopen(text, strlen(text), "r");
    ctl.out = open_memstream(&output, &sizes[0]);
    ctl.err = open_memstream(&errors, &sizes[1]);
    int status = ctl_run(&ctl, argc, argv);
    fclose(ctl.in);
    free(text);
    fclose(ctl.out);
    fclose(ctl.err);
    while (argc > 3) {
        free(argv[--argc]);
    }
    static const char warning[] = "sigpostctl: warning: ";
    size_t lines = 0;
    for (const char *at = errors; *at != '\0'; at = strchr(at, '\n') + 1) {
        lines += strncmp(at, warning, strlen(warning)) != 0;
    }
    cr_assert_eq(lines, status == CTL_DONE || output[0] != '\0' ? 0 : 1,
                 "a failure is one line on stderr: %s%s", errors, output);
    return status;
}

#define RUN_WITH(input, ...) \
    run_words((input), (char *const[]){NULL}, (const char *const[]){__VA_ARGS__, NULL})
#define RUN(...) RUN_WITH("", __VA_ARGS__)

#define EXPECT_OUTPUT(words) \
    cr_assert_not_null(strstr(output, (words)), "\"%s\" is not in: %s", (words), output)
#define EXPECT_ERROR(words) \
    cr_assert_not_null(strstr(errors, (words)), "\"%s\" is not in: %s", (words), errors)

#endif
