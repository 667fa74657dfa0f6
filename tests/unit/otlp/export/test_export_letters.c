/* Letters that were put back beside others, and such as somebody drops while they are in trouble.
 */
#include "tests/export_world.h"

#include <criterion/criterion.h>
#include <curl/curl.h>

static struct world w;

static void setup(void)
{
    cr_assert_eq(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
    world_open(&w);
}

static void teardown(void)
{
    world_close(&w);
    curl_global_cleanup();
}

TestSuite(export_letters, .init = setup, .fini = teardown, .timeout = 60);

/* What ids up to `last` are answered; the others are taken. */
static struct {
    atomic_int status;
    atomic_uint last;
} script;

static void take_least(void *arg, unsigned id)
{
    unsigned *least = arg;
    *least = id < *least ? id : *least;
}

static struct fake_answer answer(void *arg, const struct fake_request *request)
{
    (void)arg;
    unsigned least = UINT_MAX;
    world_ids(request, take_least, &least);
    return (struct fake_answer){.status = least <= script.last ? script.status : 200};
}

/* n letters, of the ids 1 to n. */
static void bury(unsigned n)
{
    script.status = 400;
    script.last = n;
    world_listen(&w, 0, answer, NULL);
    world_append(&w, 1, n, 1);
    world_start(&w);
    for (int i = 0; i < 2000 && world_status(&w).dead_letters < n; i++) {
        usleep(5000);
    }
    cr_assert_eq(world_status(&w).dead_letters, n);
}

static void put_back_all(void)
{
    char(*names)[DEAD_LETTER_NAME_MAX];
    size_t n;
    struct result why = RESULT_INIT;
    cr_assert(dead_letter_list(w.dead_dir, &names, &n, &why), "%s", why.text);
    for (size_t i = 0; i < n; i++) {
        cr_assert(dead_letter_put_back(w.dead_dir, names[i], &why), "%s", why.text);
    }
    free(names);
}

static void drop_what_was_put_back(void)
{
    char retry[DEAD_LETTER_PATH_MAX];
    char(*names)[DEAD_LETTER_NAME_MAX];
    size_t n;
    struct result why = RESULT_INIT;
    dead_letter_retry_dir(w.dead_dir, retry);
    cr_assert(dead_letter_list(retry, &names, &n, &why), "%s", why.text);
    cr_assert_gt(n, 0);
    for (size_t i = 0; i < n; i++) {
        cr_assert(dead_letter_remove(retry, names[i], &why), "%s", why.text);
    }
    free(names);
}

static bool becomes(bool ok)
{
    for (int i = 0; i < 2000 && world_status(&w).ok != ok; i++) {
        usleep(5000);
    }
    return world_status(&w).ok == ok;
}

Test(export_letters, those_that_fail_for_now_hold_up_no_others)
{
    bury(40); /* more than one look lists */
    script.status = 503;
    script.last = 35;
    put_back_all();
    cr_assert(world_wait(&w, 36, 5));
    cr_assert_eq(world_arrived(&w, 1, 35), 0);
    script.status = 200;
    cr_assert(world_wait(&w, 1, 35));
    cr_assert(becomes(true));
}

Test(export_letters, dropped_in_trouble_they_leave_none)
{
    bury(2);
    script.status = 500;
    put_back_all();
    cr_assert(becomes(false));
    drop_what_was_put_back();
    cr_assert(becomes(true), "%s", world_status(&w).problem);
    char log[1 << 16];
    ssize_t len = pread(w.log_fd, log, sizeof(log) - 1, 0);
    log[len > 0 ? len : 0] = '\0';
    cr_assert_null(strstr(log, "cannot be sent again"), "%s", log);
}

Test(export_letters, dropped_without_room_for_them_they_leave_no_trouble)
{
    bury(2);
    script.status = 413;
    w.dead.max_bytes = 10;
    put_back_all();
    cr_assert(becomes(false));
    drop_what_was_put_back();
    cr_assert(becomes(true), "%s", world_status(&w).problem);
}
