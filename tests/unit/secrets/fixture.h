/* fixture.h: temporary directories, ring files and claims for the tests of the keyring. */
#ifndef SIGPOST_TESTS_SECRETS_FIXTURE_H
#define SIGPOST_TESTS_SECRETS_FIXTURE_H

#include "secrets/keyring.h"
#include "secrets/keyring_file.h"
#include "secrets/signature.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SECRET_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define SECRET_C "cccccccccccccccccccccccccccccccccccccccc"
#define NOW INT64_C(1800000000) /* 2027-01-15T08:00:00Z */

static char dir[256];

static inline void make_dir(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof(dir), "%s/sigpost-secrets-XXXXXX", base != NULL ? base : "/tmp");
    cr_assert_not_null(mkdtemp(dir));
}

static inline int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void remove_dir(void)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* dir/name; a few may be used at once. */
static inline const char *in_dir(const char *name)
{
    static char paths[8][512];
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static inline void put_file(const char *path, mode_t mode, const char *text)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

/* Writes a ring file of the given groups (ended by NULL), through a rename as the tool does it. */
static inline void put_groups(const char *path, const char *const *groups)
{
    char temporary[600];
    char text[4096] = "keys = (\n";
    size_t len = strlen(text);
    for (size_t i = 0; groups[i] != NULL; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i == 0 ? "" : ",\n",
                                groups[i]);
        cr_assert_lt(len, sizeof(text) - 8);
    }
    snprintf(text + len, sizeof(text) - len, "\n);\n");
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    put_file(temporary, 0600, text);
    cr_assert_eq(rename(temporary, path), 0);
}
#define GROUPS(...) ((const char *const[]){__VA_ARGS__})
#define put_ring(path, ...) put_groups((path), GROUPS(__VA_ARGS__, NULL))

#define KEY(id, secret, state, more) \
    "{ id = \"" id "\"; secret = \"" secret "\"; state = \"" state "\"; " more " }"

/* A claim over `path`, made with `secret`. */
static inline struct signature_claim claim_of(const char *secret, const char *path,
                                              const char *key_id)
{
    struct signature_claim claim;
    char message[SIGNATURE_MESSAGE_MAX(SIGNATURE_PATH_MAX)];
    char signature[2 * SIGNATURE_BYTES + 1];
    size_t len = signature_message(slice_of(path), SLICE_LIT("1800000000"), SLICE_LIT("s-1"),
                                   message, sizeof(message));
    cr_assert_neq(len, 0);
    cr_assert(signature_sign(slice_of(secret), slice_make(message, len), signature));
    const struct signature_headers headers = {.signature = slice_of(signature),
                                              .timestamp = SLICE_LIT("1800000000"),
                                              .session = SLICE_LIT("s-1"),
                                              .key_id = slice_of(key_id)};
    cr_assert_eq(signature_parse(&headers, &claim), REASON_OK);
    return claim;
}

#endif
