/* test_bearer.c: the tokens: from the environment, from a file, read again, compared. */
#include "gateway/bearer.h"

#include "base/log.h"
#include "secrets/keyring.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char path[] = "/tmp/sigpost-token-XXXXXX";
static struct result why;

static void setup(void)
{
    close(mkstemp(path));
    log_redirect(open("/dev/null", O_WRONLY | O_CLOEXEC));
    cr_assert(keyring_init_memory(&why));
    why = RESULT_INIT;
}

static void teardown(void)
{
    unlink(path);
}

TestSuite(bearer, .init = setup, .fini = teardown);

static void write_token(const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static struct bearer *open_with(const char *token, const char *file)
{
    const struct config config = {.presence = {.token = (char *)token, .token_file = (char *)file}};
    return bearer_open(&config, &why);
}

Test(bearer, nobody_without_a_token)
{
    struct bearer *bearer = open_with(NULL, "");
    cr_assert_not_null(bearer);
    cr_expect(!bearer_is_token(bearer, SLICE_LIT("")));
    cr_expect(!bearer_is_token(bearer, (struct slice){0}));
    cr_expect(!bearer_is_token(bearer, SLICE_LIT("x")));
    bearer_close(bearer);
    bearer_close(NULL);
}

Test(bearer, either_of_two_is_good_and_each_byte_counts)
{
    write_token(" \tthe token of the file\r\n");
    struct bearer *bearer = open_with("the token of the environment", path);
    cr_assert_not_null(bearer, "%s", why.text);
    char text[] = "the token of the file";
    cr_expect(bearer_is_token(bearer, SLICE_LIT("the token of the environment")));
    cr_expect(bearer_is_token(bearer, slice_of(text)));
    for (size_t i = 0; i < strlen(text); i++) {
        cr_expect(!bearer_is_token(bearer, slice_make(text, i)), "%zu", i);
        text[i] ^= 1;
        cr_expect(!bearer_is_token(bearer, slice_of(text)), "%zu", i);
        text[i] ^= 1;
    }
    cr_expect(!bearer_is_token(bearer, SLICE_LIT("")));
    bearer_close(bearer);
}

Test(bearer, the_file_is_read_again)
{
    write_token("the first one of the file");
    struct bearer *bearer = open_with(NULL, path);
    write_token("the second one of the file");
    cr_expect(bearer_is_token(bearer, SLICE_LIT("the first one of the file")));
    cr_expect(bearer_reload(bearer, &why));
    cr_expect(bearer_is_token(bearer, SLICE_LIT("the second one of the file")));
    cr_expect(!bearer_is_token(bearer, SLICE_LIT("the first one of the file")));
    write_token("\n");
    cr_expect(!bearer_reload(bearer, &why));
    cr_expect_not_null(strstr(why.text, "is empty"), "%s", why.text);
    cr_expect(bearer_is_token(bearer, SLICE_LIT("the second one of the file")));
    bearer_close(bearer);
}

Test(bearer, a_file_that_cannot_be_used_is_told)
{
    write_token("");
    cr_expect_null(open_with("the token of the environment", path));
    cr_expect_not_null(strstr(why.text, path), "%s", why.text);
    unlink(path);
    cr_expect_null(open_with(NULL, path));
    cr_expect_not_null(strstr(why.text, "is missing"), "%s", why.text);
    cr_expect_null(open_with(NULL, "/tmp"));
}
