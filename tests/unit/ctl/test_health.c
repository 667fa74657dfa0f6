/* test_health.c: sigpostctl health without a gateway. What one answers is tested end to end. */
#include "fixture.h"

TestSuite(health, .init = set_up, .fini = tear_down);

Test(health, nobody_answers)
{
    cr_assert_eq(RUN("health", "http://127.0.0.1:1"), CTL_FAILED);
    EXPECT_ERROR("http://127.0.0.1:1/health/live");
    cr_assert_eq(RUN("health", "--ready", "http://127.0.0.1:1//"), CTL_FAILED);
    EXPECT_ERROR("http://127.0.0.1:1/health/ready");
}

Test(health, wrong_use)
{
    char url[1300];
    memset(url, 'x', sizeof(url) - 1);
    url[sizeof(url) - 1] = '\0';
    cr_assert_eq(RUN("health", url), CTL_WRONG_USE);
    EXPECT_ERROR("too long");
    cr_assert_eq(RUN("health", "a", "b"), CTL_WRONG_USE);
    cr_assert_eq(RUN("health", "--wrong"), CTL_WRONG_USE);
}
