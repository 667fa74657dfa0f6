/* test_keyring_receipt.c: a tool is told which ring the daemon has in force. */
#include "fixture.h"

#include "base/log.h"
#include "secrets/keyring_receipt.h"

#include <fcntl.h>

static struct keyring *ring;
static struct keyring_receipt *receipt;

static void set_up(void)
{
    make_dir();
    log_redirect(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static void tear_down(void)
{
    keyring_receipt_close(receipt);
    keyring_close(ring);
    remove_dir();
}

TestSuite(keyring_receipt, .init = set_up, .fini = tear_down);

static void start_daemon(void)
{
    struct result why = RESULT_INIT;
    const struct keyring_sources sources = {.ring_file = in_dir("ring")};
    ring = keyring_open(&sources, NULL, &why);
    cr_assert_not_null(ring, "%s", why.text);
    receipt = keyring_receipt_open(dir);
    cr_assert_not_null(receipt);
    cr_assert(keyring_receipt_write(receipt, ring, &why), "%s", why.text);
}

static bool reload(void)
{
    struct result why = RESULT_INIT;
    bool good = keyring_reload(ring, &why);
    cr_assert(keyring_receipt_write(receipt, ring, &why), "%s", why.text);
    return good;
}

static enum keyring_answer look(void)
{
    return keyring_receipt_look(dir, in_dir("ring"), NULL);
}

Test(keyring_receipt, from_a_change_to_its_answer)
{
    struct result why = RESULT_INIT;
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    cr_assert_eq(look(), KEYRING_NOBODY);
    start_daemon();
    cr_assert_eq(look(), KEYRING_TAKEN);
    put_ring(in_dir("ring"), KEY("b", SECRET_A, "active", ""));
    cr_assert_eq(look(), KEYRING_WAITING, "the same size, another file");
    cr_assert(reload());
    cr_assert_eq(look(), KEYRING_TAKEN);

    put_file(in_dir("ring"), 0600, "keys = ( broken");
    cr_assert_eq(look(), KEYRING_WAITING);
    cr_assert_not(reload());
    cr_assert_eq(keyring_receipt_look(dir, in_dir("ring"), &why), KEYRING_REFUSED);
    cr_assert_not_null(strstr(why.text, "/ring:1: syntax error"), "%s", why.text);
    cr_assert_eq(unlink(in_dir("ring")), 0);
    cr_assert_eq(look(), KEYRING_WAITING);
    cr_assert_not(reload());
    cr_assert_eq(keyring_receipt_look(dir, in_dir("ring"), &why), KEYRING_REFUSED);
    cr_assert_not_null(strstr(why.text, "the ring file is gone"), "%s", why.text);
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    cr_assert(reload());
    cr_assert_eq(look(), KEYRING_TAKEN);
}

Test(keyring_receipt, what_a_dead_daemon_left_behind_is_nobody)
{
    char text[200] = "";
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    start_daemon();
    FILE *file = fopen(in_dir("keyring.loaded"), "r");
    cr_assert_not_null(file);
    cr_assert_gt(fread(text, 1, sizeof(text) - 1, file), 0);
    fclose(file);
    cr_assert_eq(strncmp(text, "taken ", 6), 0, "%s", text);
    keyring_receipt_close(receipt);
    receipt = NULL;
    cr_assert_eq(access(in_dir("keyring.loaded"), F_OK), -1);
    put_file(in_dir("keyring.loaded"), 0600, text);
    cr_assert_eq(look(), KEYRING_NOBODY, "right, but nobody holds its lock");
}

Test(keyring_receipt, is_written_when_there_is_news_only)
{
    struct stat first;
    struct stat second;
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    start_daemon();
    cr_assert_eq(stat(in_dir("keyring.loaded"), &first), 0);
    cr_assert_eq(first.st_mode & 0777, 0600);
    cr_assert(reload());
    cr_assert_eq(stat(in_dir("keyring.loaded"), &second), 0);
    cr_assert_eq(first.st_ino, second.st_ino,
                 "the receipt may lie in a watched directory: writing it again would go on and on");
}

Test(keyring_receipt, waits_and_gives_up)
{
    put_ring(in_dir("ring"), KEY("a", SECRET_A, "active", ""));
    start_daemon();
    put_ring(in_dir("ring"), KEY("b", SECRET_A, "active", ""));
    cr_assert_eq(keyring_receipt_wait(dir, in_dir("ring"), 20, NULL), KEYRING_WAITING);
    cr_assert_eq(keyring_receipt_wait(in_dir("nowhere"), in_dir("ring"), 60000, NULL),
                 KEYRING_NOBODY, "at once");
}

Test(keyring_receipt, cannot_be_written)
{
    struct result why = RESULT_INIT;
    const struct keyring_sources sources = {.ring_file = in_dir("ring")};
    ring = keyring_open(&sources, NULL, &why);
    receipt = keyring_receipt_open(in_dir("nowhere"));
    cr_assert_not(keyring_receipt_write(receipt, ring, &why));
    cr_assert_not_null(strstr(why.text, "nowhere/keyring.loaded: cannot write: "), "%s", why.text);
}
