/* The driver that also runs under ThreadSanitizer, as one test here. */
int spool_threads_main(void);

#define main spool_threads_main
#include "../../../tsan/tsan_spool.c" /* NOLINT(bugprone-suspicious-include) */
#undef main

#include <criterion/criterion.h>

Test(spool_threads, producers_and_readers_together, .timeout = 60)
{
    cr_assert_eq(spool_threads_main(), 0);
}
