/* test_keyring_watch.c: changes of the sources are noticed, whichever way they are made. */
#include "fixture.h"

#include "base/clock.h"
#include "base/log.h"
#include "secrets/keyring_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <utime.h>

static struct keyring *ring;

static void set_up(void)
{
    make_dir();
    log_redirect(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static void tear_down(void)
{
    keyring_close(ring);
    remove_dir();
}

TestSuite(keyring_watch, .init = set_up, .fini = tear_down);

static void open_ring(const char *ring_file, const char *secret_file)
{
    struct result why = RESULT_INIT;
    const struct keyring_sources sources = {.ring_file = ring_file, .secret_file = secret_file};
    ring = keyring_open(&sources, NULL, &why);
    cr_assert_not_null(ring, "%s", why.text);
    cr_assert_geq(keyring_watch_fd(ring), 0);
}

static bool is_readable(void)
{
    struct pollfd wait = {.fd = keyring_watch_fd(ring), .events = POLLIN};
    return poll(&wait, 1, 200) == 1;
}

static size_t accepted(void)
{
    struct keyring_counts counts;
    keyring_counts(ring, NOW, &counts);
    return counts.active;
}

/* Expects the watch to speak up, the change to be seen, and the reload to find n keys. */
static void expect_change(size_t n)
{
    cr_assert(is_readable(), "the watch is silent");
    cr_assert(keyring_drain_watch(ring), "no change was seen");
    cr_assert_not(is_readable(), "the watch is not empty");
    struct result why = RESULT_INIT;
    cr_assert(keyring_reload(ring, &why), "%s", why.text);
    cr_assert_eq(accepted(), n);
}

/* The same for a ring file that is not there any more: the n keys of before stay. */
static void expect_refusal_of_nothing(size_t n)
{
    cr_assert(is_readable(), "the watch is silent");
    cr_assert(keyring_drain_watch(ring), "no change was seen");
    struct result why = RESULT_INIT;
    cr_assert_not(keyring_reload(ring, &why), "the ring was emptied");
    cr_assert_not_null(strstr(why.text, "the ring file is gone"), "%s", why.text);
    struct keyring_counts counts;
    keyring_counts(ring, NOW, &counts);
    cr_assert_str_eq(counts.problem, why.text);
    cr_assert_eq(counts.active, n);
}

Test(keyring_watch, a_file_that_comes_changes_and_goes)
{
    open_ring(in_dir("ring"), NULL);
    cr_assert_eq(accepted(), 0);
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    expect_change(1);
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""), KEY("b", SECRET_B, "active", ""));
    expect_change(2);
    put_file(in_dir("ring"), 0600, "keys = (" KEY("c", SECRET_C, "active", "") ");");
    expect_change(1);
    cr_assert_eq(unlink(in_dir("ring")), 0);
    expect_refusal_of_nothing(1);
    struct result why = RESULT_INIT;
    cr_assert_not(keyring_reload(ring, &why), "what was good last is still what counts");
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""), KEY("b", SECRET_B, "active", ""));
    expect_change(2);
}

/* What is gone is the ring file's alone to refuse: other keys do not stand in for it. */
Test(keyring_watch, a_ring_file_that_goes_takes_nothing_with_it_beside_other_sources)
{
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    put_file(in_dir("secret"), 0644, SECRET_B);
    open_ring(in_dir("ring"), in_dir("secret"));
    cr_assert_eq(accepted(), 2);
    cr_assert_eq(unlink(in_dir("ring")), 0);
    expect_refusal_of_nothing(2);
}

Test(keyring_watch, a_revoked_last_key_is_no_missing_file)
{
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    open_ring(in_dir("ring"), NULL);
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "revoked", ""));
    expect_change(0);
    put_file(in_dir("ring"), 0600, "keys = ();");
    expect_change(0);
    cr_assert_eq(unlink(in_dir("ring")), 0);
    expect_refusal_of_nothing(0);
}

Test(keyring_watch, other_files_in_the_directory_are_no_change)
{
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    const struct timespec old[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = 1000000000}};
    cr_assert_eq(utimensat(AT_FDCWD, in_dir("ring"), old, 0), 0);
    /* A file changed within a second of its load counts as changed once more. */
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 50000000}, NULL);
    open_ring(in_dir("ring"), NULL);
    put_file(in_dir("other"), 0600, "x");
    cr_assert(is_readable());
    cr_assert_not(keyring_drain_watch(ring));
    cr_assert_not(is_readable());
    cr_assert_eq(chmod(in_dir("ring"), 0400), 0);
    expect_change(1);
}

Test(keyring_watch, a_fresh_file_counts_as_changed_once_more)
{
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    open_ring(in_dir("ring"), NULL);
    cr_assert(keyring_drain_watch(ring));
}

Test(keyring_watch, a_directory_that_does_not_exist_yet)
{
    open_ring(in_dir("one/two/ring"), in_dir("three/secret"));
    cr_assert_eq(mkdir(in_dir("one"), 0700), 0);
    cr_assert(is_readable());
    cr_assert_not(keyring_drain_watch(ring));
    cr_assert_eq(mkdir(in_dir("one/two"), 0700), 0);
    cr_assert(is_readable());
    cr_assert_not(keyring_drain_watch(ring));
    put_ring(in_dir("one/two/ring"), KEY("a", SECRET_A, "active", ""));
    expect_change(1);
    /* All at once, before the watch could be renewed. */
    cr_assert_eq(mkdir(in_dir("three"), 0700), 0);
    put_file(in_dir("three/secret"), 0644, SECRET_B);
    expect_change(2);
    put_file(in_dir("three/secret"), 0644, SECRET_A);
    expect_change(1);
}

Test(keyring_watch, a_directory_that_is_replaced)
{
    cr_assert_eq(mkdir(in_dir("d"), 0700), 0);
    put_ring(in_dir("d/ring"), KEY("a", SECRET_A, "active", ""));
    open_ring(in_dir("d/ring"), NULL);
    cr_assert_eq(rename(in_dir("d"), in_dir("gone")), 0);
    expect_refusal_of_nothing(1);
    cr_assert_eq(mkdir(in_dir("d"), 0700), 0);
    put_ring(in_dir("d/ring"), KEY("a", SECRET_A, "active", ""), KEY("b", SECRET_B, "active", ""));
    expect_change(2);
}

/* As Kubernetes mounts secrets: file -> ..data/file, ..data -> ..1; an update makes ..2 and renames
 * a new link over ..data. */
Test(keyring_watch, a_swapped_symlink_of_the_directory)
{
    cr_assert_eq(mkdir(in_dir("..1"), 0755), 0);
    put_file(in_dir("..1/secret"), 0644, SECRET_A);
    cr_assert_eq(symlink("..1", in_dir("..data")), 0);
    cr_assert_eq(symlink("..data/secret", in_dir("secret")), 0);
    open_ring(NULL, in_dir("secret"));
    cr_assert_eq(accepted(), 1);
    for (int i = 2; i < 6; i++) {
        char name[32];
        char file[48];
        snprintf(name, sizeof(name), "..%d", i);
        snprintf(file, sizeof(file), "%s/secret", name);
        cr_assert_eq(mkdir(in_dir(name), 0755), 0);
        put_file(in_dir(file), 0644, i % 2 == 0 ? SECRET_B : SECRET_A);
        cr_assert_eq(symlink(name, in_dir("..tmp")), 0);
        cr_assert_eq(rename(in_dir("..tmp"), in_dir("..data")), 0);
        expect_change(1);
        struct keyring_reader *reader = keyring_reader_create(ring);
        struct keyring_match match;
        static const struct slice path = SLICE_LIT("/p");
        struct signature_claim claim = claim_of(i % 2 == 0 ? SECRET_B : SECRET_A, "/p", NULL);
        cr_assert_eq(keyring_match(reader, &claim, &path, 1, (struct slice){0}, NOW, &match),
                     REASON_OK);
        keyring_reader_destroy(reader);
    }
}

Test(keyring_watch, a_ring_file_behind_a_swapped_symlink_is_never_gone)
{
    cr_assert_eq(mkdir(in_dir("..1"), 0755), 0);
    cr_assert_eq(mkdir(in_dir("..2"), 0755), 0);
    put_ring(in_dir("..1/ring"), KEY("a", SECRET_A, "active", ""));
    put_ring(in_dir("..2/ring"), KEY("a", SECRET_A, "active", ""),
             KEY("b", SECRET_B, "active", ""));
    cr_assert_eq(symlink("..1", in_dir("..data")), 0);
    cr_assert_eq(symlink("..data/ring", in_dir("ring")), 0);
    open_ring(in_dir("ring"), NULL);
    cr_assert_eq(accepted(), 1);
    cr_assert_eq(symlink("..2", in_dir("..tmp")), 0);
    cr_assert_eq(rename(in_dir("..tmp"), in_dir("..data")), 0);
    cr_assert_eq(unlink(in_dir("..1/ring")), 0);
    expect_change(2);
}

/* A clock that was set back a day must not make the gateway reload until it has caught up. */
Test(keyring_watch, what_was_written_by_a_clock_ahead_is_not_fresh)
{
    put_file(in_dir("secret"), 0644, SECRET_A);
    const struct file_print print = file_print_take(in_dir("secret"));
    const int64_t written_ns =
        print.info.st_ctim.tv_sec * NS_PER_SECOND + print.info.st_ctim.tv_nsec;
    const int64_t day_ns = NS_PER_SECOND * 86400;
    cr_assert(file_print_fresh(&print, written_ns));
    cr_assert(file_print_fresh(&print, written_ns - NS_PER_MS));
    cr_assert_not(file_print_fresh(&print, written_ns + NS_PER_SECOND));
    cr_assert_not(file_print_fresh(&print, written_ns - day_ns));
}

/* The state directory holds more than keys: what is written beside them is no reason to load. */
Test(keyring_watch, files_beside_a_fresh_one_load_it_once_more_and_not_each_time)
{
    put_file(in_dir("secret"), 0644, SECRET_A);
    open_ring(NULL, in_dir("secret"));
    struct result why = RESULT_INIT;
    int loads = 0;
    const int64_t end_ns = clock_mono_ns() + 1500 * NS_PER_MS;
    for (unsigned i = 0; clock_mono_ns() < end_ns; i++) {
        put_file(in_dir("beside"), 0644, i % 2 == 0 ? SECRET_A : SECRET_B);
        if (keyring_drain_watch(ring)) {
            cr_assert(keyring_reload(ring, &why), "%s", why.text);
            loads++;
        }
    }
    cr_expect_geq(loads, 1);
    cr_expect_leq(loads, 12);
}

Test(keyring_watch, a_symlink_into_another_directory)
{
    cr_assert_eq(mkdir(in_dir("a"), 0755), 0);
    cr_assert_eq(mkdir(in_dir("b"), 0755), 0);
    put_file(in_dir("b/secret"), 0644, SECRET_A);
    cr_assert_eq(symlink(in_dir("b/secret"), in_dir("a/link")), 0);
    open_ring(NULL, in_dir("a/link"));
    cr_assert_eq(unlink(in_dir("b/secret")), 0);
    expect_change(0);
    put_file(in_dir("b/secret"), 0644, SECRET_B);
    expect_change(1);
}

Test(keyring_watch, links_in_a_circle_end)
{
    cr_assert_eq(symlink("y", in_dir("x")), 0);
    cr_assert_eq(symlink("x", in_dir("y")), 0);
    const struct keyring_sources sources = {.secret_file = in_dir("x")};
    struct result why = RESULT_INIT;
    cr_assert_null(keyring_open(&sources, NULL, &why));
    cr_assert_not_null(strstr(why.text, "symbolic links"), "%s", why.text);
}
