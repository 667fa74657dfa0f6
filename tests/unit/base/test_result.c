/* test_result.c: the sentence, its cut, and errno's text behind it. */
#include "base/result.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(result, fail_writes_and_is_false)
{
    struct result why = RESULT_INIT;
    cr_assert_str_empty(why.text);
    cr_assert_not(result_fail(&why, "%s: line %d", "f", 3));
    cr_assert_str_eq(why.text, "f: line 3");
    cr_assert_not(result_fail(NULL, "%d", 1));
    cr_assert_not(result_fail_errno(NULL, ENOENT, "%d", 1));
}

Test(result, long_text_is_cut)
{
    struct result why = RESULT_INIT;
    char text[2 * RESULT_TEXT_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    cr_assert_not(result_fail(&why, "%s", text));
    cr_assert_eq(strlen(why.text), RESULT_TEXT_MAX - 1);
    cr_assert_not(result_fail_errno(&why, ENOENT, "%s", text));
    cr_assert_eq(strlen(why.text), RESULT_TEXT_MAX - 1);
    cr_assert_not(result_fail_errno(&why, ENOENT, "%.*s", RESULT_TEXT_MAX - 4, text));
    cr_assert_eq(strlen(why.text), RESULT_TEXT_MAX - 1);
}

Test(result, errno_is_spelled_out)
{
    struct result why = RESULT_INIT;
    errno = 0;
    cr_assert_not(result_fail_errno(&why, ENOENT, "%s", "/x"));
    cr_assert_eq(errno, ENOENT, "a caller may ask which");
    cr_assert_str_eq(why.text, "/x: No such file or directory");
    cr_assert_eq(why.error, ENOENT);
    cr_assert_not(result_fail(&why, "%s", "another"));
    cr_assert_eq(why.error, 0, "the error is that of this sentence");
}

Test(result, passed_on_whole)
{
    struct result why = RESULT_INIT;
    struct result said = RESULT_INIT;
    result_fail_errno(&said, EACCES, "%s", "/x");
    cr_assert_not(result_pass(&why, &said));
    cr_assert_str_eq(why.text, "/x: Permission denied");
    cr_assert_eq(why.error, EACCES);
    cr_assert_not(result_pass(NULL, &said));
}
