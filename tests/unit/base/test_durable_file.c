/* test_durable_file.c: files replaced whole: what stands there afterwards, and after each failure.
 */
#include "base/durable_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[256];
static char path[300];
static char temporary[310];
static struct result why;

static void make_dir(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof(dir), "%s/sigpost-durable-XXXXXX", base != NULL ? base : "/tmp");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/file", dir);
    snprintf(temporary, sizeof(temporary), "%s.tmp", path);
}

static int remove_one(const char *name, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(name);
}

static void remove_dir(void)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TestSuite(durable_file, .init = make_dir, .fini = remove_dir);

static void expect_content(const char *text)
{
    struct buf got = BUF_INIT;
    bool missing = true;
    cr_assert(durable_file_read(path, 1000, &got, &missing, &why), "%s", why.text);
    cr_assert_not(missing);
    cr_assert_str_eq(buf_cstr(&got), text);
    buf_free(&got);
}

static bool exists(const char *name)
{
    struct stat info;
    return lstat(name, &info) == 0;
}

Test(durable_file, replaces_whole_and_for_its_owner_alone)
{
    struct stat info;
    cr_assert(durable_file_write(path, "first and longer", 16, &why), "%s", why.text);
    expect_content("first and longer");
    cr_assert(durable_file_write(path, "second", 6, &why), "%s", why.text);
    expect_content("second");
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0600);
    cr_assert_not(exists(temporary));
}

Test(durable_file, takes_its_bytes_in_pieces)
{
    struct durable_file file;
    cr_assert(durable_file_begin(&file, path, &why), "%s", why.text);
    durable_file_put(&file, "a", 1);
    durable_file_put(&file, "", 0);
    durable_file_put(&file, "bc", 2);
    cr_assert_not(exists(path), "the name is there before the commit");
    cr_assert(durable_file_commit(&file, &why), "%s", why.text);
    cr_assert_eq(file.fd, -1);
    expect_content("abc");
}

Test(durable_file, abandons)
{
    struct durable_file file;
    cr_assert(durable_file_write(path, "old", 3, &why));
    cr_assert(durable_file_begin(&file, path, &why));
    durable_file_put(&file, "new", 3);
    durable_file_abandon(&file);
    expect_content("old");
    cr_assert_not(exists(temporary));
    durable_file_abandon(&file);
}

Test(durable_file, takes_a_path_without_a_directory)
{
    cr_assert_eq(chdir(dir), 0);
    cr_assert(durable_file_write("file", "here", 4, &why), "%s", why.text);
    expect_content("here");
}

/* What a kill left is neither followed nor appended to, and its mode does not live on. */
Test(durable_file, replaces_what_a_kill_left)
{
    struct stat info;
    char victim[300];
    snprintf(victim, sizeof(victim), "%s/victim", dir);
    cr_assert(durable_file_write(victim, "mine", 4, &why));
    cr_assert_eq(symlink(victim, temporary), 0);
    cr_assert(durable_file_write(path, "new", 3, &why), "%s", why.text);
    expect_content("new");
    cr_assert_eq(stat(victim, &info), 0);
    cr_assert_eq(info.st_size, 4);

    int fd = open(temporary, O_CREAT | O_WRONLY, 0644);
    cr_assert_eq(write(fd, "much longer than new", 20), 20);
    close(fd);
    cr_assert(durable_file_write(path, "newer", 5, &why), "%s", why.text);
    expect_content("newer");
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0600);
}

/* A write that fails half way leaves the old file and no other. */
Test(durable_file, keeps_the_old_file_when_the_disk_is_full)
{
    static char bytes[64 * 1024];
    cr_assert(durable_file_write(path, "old", 3, &why));
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {10000, RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_not(durable_file_write(path, bytes, sizeof(bytes), &why));
    cr_assert_not_null(strstr(why.text, "/file: cannot write: File too large"), "%s", why.text);
    expect_content("old");
    cr_assert_not(exists(temporary));
}

Test(durable_file, says_what_it_cannot_do)
{
    char lost[320];
    snprintf(lost, sizeof(lost), "%s/none/file", dir);
    cr_assert_not(durable_file_write(lost, "x", 1, &why));
    cr_assert_not_null(strstr(why.text, "/none/file.tmp: cannot make the file: No such file"), "%s",
                       why.text);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_not(durable_file_write(path, "x", 1, &why));
    cr_assert_not_null(strstr(why.text, "/file: cannot write: Is a directory"), "%s", why.text);
    cr_assert_not(exists(temporary));
    cr_assert_eq(mkdir(temporary, 0700), 0);
    cr_assert_not(durable_file_write(path, "x", 1, &why));
    cr_assert_not_null(strstr(why.text, "cannot make the file"), "%s", why.text);
}

static void expect_unreadable(size_t max, const char *words)
{
    struct buf got = BUF_INIT;
    bool missing = true;
    buf_append_str(&got, "before");
    cr_assert_not(durable_file_read(path, max, &got, &missing, &why));
    cr_assert_not(missing);
    cr_assert_not_null(strstr(why.text, words), "\"%s\" is not in: %s", words, why.text);
    cr_assert_str_eq(buf_cstr(&got), "before");
    buf_free(&got);
}

Test(durable_file, reads_up_to_its_bound)
{
    static char bytes[10000];
    struct buf got = BUF_INIT;
    bool missing = false;
    memset(bytes, 'x', sizeof(bytes));
    cr_assert(durable_file_read(path, 10, &got, &missing, &why));
    cr_assert(missing);
    cr_assert_eq(got.len, 0);

    cr_assert(durable_file_write(path, bytes, sizeof(bytes), &why));
    cr_assert(durable_file_read(path, sizeof(bytes), &got, &missing, &why), "%s", why.text);
    cr_assert_not(missing);
    cr_assert_eq(got.len, sizeof(bytes));
    cr_assert_eq(memcmp(got.data, bytes, sizeof(bytes)), 0);
    buf_free(&got);
    expect_unreadable(sizeof(bytes) - 1, "/file: has more than 9999 bytes");
    expect_unreadable(0, "more than 0 bytes");
}

Test(durable_file, reads_regular_files_only, .timeout = 10)
{
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect_unreadable(10, "not a regular file");
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_unreadable(10, "not a regular file");
    cr_assert_eq(rmdir(path), 0);
    cr_assert_eq(symlink("elsewhere", path), 0);
    expect_unreadable(10, "cannot open");
}

Test(durable_file, sets_aside_over_an_earlier_one)
{
    char aside[320];
    snprintf(aside, sizeof(aside), "%s.damaged", path);
    cr_expect_not(durable_file_set_aside(path));
    cr_expect_eq(errno, ENOENT);
    for (int round = 0; round < 2; round++) {
        const char *text = round == 0 ? "one" : "two";
        cr_assert(durable_file_write(path, text, 3, &why), "%s", why.text);
        cr_assert(durable_file_set_aside(path));
        cr_expect_neq(access(path, F_OK), 0);
        cr_assert_eq(rename(aside, path), 0);
        expect_content(text);
        cr_assert_eq(rename(path, aside), 0);
    }
}
