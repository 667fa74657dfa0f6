/* config_fixture.h: loads a configuration from a text and a list of NAME=value strings. */
#ifndef SIGPOST_TESTS_CONFIG_FIXTURE_H
#define SIGPOST_TESTS_CONFIG_FIXTURE_H

#include "base/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

/* libconfig 1.5 leaks the string it was reading when it finds a syntax error. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:strbuf_append\n";
}

/* For TestSuite's .fini: a leak ends the test by a signal, which is what Criterion counts at that
 * point; what LeakSanitizer finds at exit it only prints. */
static inline void fixture_no_leaks(void)
{
#ifdef __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check() != 0) {
        abort();
    }
#endif
}

#define ENV(...) ((char *const[]){__VA_ARGS__, NULL})
#define NO_ENV ((char *const[]){NULL})

static struct result fixture_why;
static char fixture_path[64];

/* Writes the text to a file of its own; the name is in fixture_path until the next call. */
static inline void fixture_write(const void *text, size_t len)
{
    snprintf(fixture_path, sizeof(fixture_path), "/tmp/sigpost-config-XXXXXX");
    int fd = mkstemp(fixture_path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, len), (ssize_t)len);
    close(fd);
}

static inline struct config *fixture_load_bytes(const void *text, size_t len, char *const *env)
{
    fixture_write(text, len);
    fixture_why = RESULT_INIT;
    struct config *config = config_load(fixture_path, env, &fixture_why);
    unlink(fixture_path);
    cr_assert_eq(config == NULL, fixture_why.text[0] != '\0', "%s", fixture_why.text);
    return config;
}

/* NULL, with fixture_why set, when the text is refused. */
static inline struct config *fixture_load(const char *text, char *const *env)
{
    return fixture_load_bytes(text, strlen(text), env);
}

/* A configuration that must load. */
static inline struct config *fixture_good(const char *text, char *const *env)
{
    struct config *config = fixture_load(text, env);
    cr_assert_not_null(config, "%s: %s", text, fixture_why.text);
    return config;
}

/* The file is refused with exactly this sentence behind "path:". */
static inline void fixture_bad_file(const char *text, const char *sentence)
{
    struct config *config = fixture_load(text, NO_ENV);
    cr_assert_null(config, "%s was accepted", text);
    size_t len = strlen(fixture_path);
    cr_assert_eq(strncmp(fixture_why.text, fixture_path, len), 0, "%s", fixture_why.text);
    cr_assert_eq(fixture_why.text[len], ':');
    cr_assert_str_eq(fixture_why.text + len + 1, sentence);
}

/* The environment is refused with exactly this sentence. */
static inline void fixture_bad_env(const char *variable, const char *sentence)
{
    char *copy = strdup(variable);
    struct config *config = fixture_load("", ENV(copy));
    free(copy);
    cr_assert_null(config, "%s was accepted", variable);
    cr_assert_str_eq(fixture_why.text, sentence);
}

#endif
