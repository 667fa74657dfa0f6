/* test_secret_import.c: sigpostctl secret import and export: secrets in and out. */
#include "fixture.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>

TestSuite(secret_import, .init = set_up, .fini = tear_down);

static char file[300];

static void put_import(const char *text)
{
    snprintf(file, sizeof(file), "%s/secret", dir);
    put_file(file, 0644, text);
}

/* Imports a file of that text into an empty ring; the secret that the ring has then. */
static const char *imported(const char *text)
{
    put_import(text);
    (void)unlink(ring_file);
    cr_assert_eq(RUN("secret", "import", file, "--id", "k"), CTL_DONE, "%s: %s", text, errors);
    cr_assert_null(strstr(output, "0123456789"), "%s", output);
    read_ring(1);
    return ring.entries[0].secret;
}

Test(secret_import, forms_of_files)
{
    cr_assert_str_eq(imported(SECRET), SECRET);
    cr_assert_str_eq(imported("  " SECRET "\r\n\n"), SECRET);
    cr_assert_str_eq(imported("KOTORMODSYNC_SIGNING_SECRET=" SECRET "\n"), SECRET);
    cr_assert_str_eq(imported("# a comment\nMAX_SESSIONS=5\n\n"
                              "export KOTORMODSYNC_SIGNING_SECRET=\"" SECRET "\" \r\nX=1"),
                     SECRET);
    cr_assert_str_eq(imported("KOTORMODSYNC_SIGNING_SECRET='it is $0123456789 \\ x'"),
                     "it is $0123456789 \\ x");
    cr_assert_str_eq(imported("KOTORMODSYNC_SIGNING_SECRET=\"a \\\"b\\\" \\$0123456789\""),
                     "a \"b\" $0123456789");
    /* base64 ends in "=", and a secret may look like a variable. */
    cr_assert_str_eq(imported("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0123456789=="),
                     "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0123456789==");
    cr_assert_str_eq(imported("'quoted-secret-0123456789'"), "'quoted-secret-0123456789'",
                     "a bare secret is taken as it is");
}

Test(secret_import, a_short_secret_is_warned_about)
{
    (void)imported("exactly-16-bytes");
    EXPECT_ERROR("warning: the secret of key k has 16 bytes; 32 or more are advised");
    (void)imported(SECRET);
    cr_assert_str_eq(errors, "");
}

Test(secret_import, options_and_standard_input)
{
    cr_assert_eq(RUN_WITH(SECRET "\n", "secret", "import", "-", "--id", "old", "--label", "dev",
                          "--note", "from the env", "--state", "pending"),
                 CTL_DONE, "%s", errors);
    read_ring(1);
    cr_assert_str_eq(ring_key("old")->secret, SECRET);
    cr_assert_str_eq(ring_key("old")->label, "dev");
    cr_assert_str_eq(ring_key("old")->note, "from the env");
    cr_assert_eq(ring_key("old")->state, KEY_PENDING);
    cr_assert_eq(ring_key("old")->created, NOW);
}

Test(secret_import, refusals_never_quote_the_secret)
{
    static char longest[4096];
    memset(longest, 'x', 3000);
    put_import("two-lines-0123456789\nof-0123456789-something\n");
    cr_assert_eq(RUN("secret", "import", file), CTL_FAILED);
    EXPECT_ERROR("a secret is one line of text");
    cr_assert_null(strstr(errors, "0123456789"));
    put_import("KOTORMODSYNC_SIGNING_SECRET=\n");
    cr_assert_eq(RUN("secret", "import", file), CTL_FAILED);
    EXPECT_ERROR("empty");
    put_import("KOTORMODSYNC_SIGNING_SECRET=\"");
    cr_assert_eq(RUN("secret", "import", file), CTL_FAILED);
    put_import(longest);
    cr_assert_eq(RUN("secret", "import", file), CTL_FAILED);
    EXPECT_ERROR("over 2048 bytes");
    cr_assert_eq(RUN("secret", "import", "/nonexistent/file"), CTL_FAILED);
    EXPECT_ERROR("/nonexistent/file: cannot open: ");
    cr_assert_eq(RUN("secret", "import", dir), CTL_FAILED);
    EXPECT_ERROR("cannot read the secret");
    cr_assert_eq(RUN("secret", "add", SECRET), CTL_WRONG_USE);
    EXPECT_ERROR("1 operand is too many; secrets are read from standard input or files only");
    cr_assert_eq(RUN("secret", "import", file, SECRET, SECRET), CTL_WRONG_USE);
    EXPECT_ERROR("2 operands are too many");
    cr_assert_null(strstr(errors, SECRET));
    cr_assert_eq(RUN("secret", "import"), CTL_WRONG_USE);
    EXPECT_ERROR("the file is missing; \"-\" is standard input");
    cr_assert_eq(RUN("secret", "import", file, "--state", "gone"), CTL_WRONG_USE);
    cr_assert_eq(access(ring_file, F_OK), -1);
    put_key();
    put_import(SECRET);
    cr_assert_eq(RUN("secret", "import", file), CTL_FAILED);
    EXPECT_ERROR("hold the same secret");
}

Test(secret_import, a_fifo_without_a_writer_does_not_hang)
{
    snprintf(file, sizeof(file), "%s/fifo", dir);
    cr_assert_eq(mkfifo(file, 0600), 0);
    cr_assert_eq(RUN("secret", "import", file), CTL_FAILED);
    EXPECT_ERROR("empty");
}

Test(secret_import, exports)
{
    put_key();
    cr_assert_eq(RUN("secret", "export", "k", "--format", "raw"), CTL_DONE);
    cr_assert_str_eq(output, SECRET "\n");
    cr_assert_eq(RUN("secret", "export", "k", "--format", "docker"), CTL_DONE);
    cr_assert_str_eq(output, SECRET);
    cr_assert_eq(RUN("secret", "export", "k", "--format=dotenv"), CTL_DONE);
    cr_assert_str_eq(output, "# key k of sigpost\nKOTORMODSYNC_SIGNING_SECRET=" SECRET "\n");
    cr_assert_eq(RUN("secret", "export", "k", "--format", "github"), CTL_DONE);
    cr_assert_str_eq(output,
                     "KOTORMODSYNC_SIGNING_SECRET=" SECRET "\nKOTORMODSYNC_SIGNING_KEY_ID=k\n");
}

/* What a shell, whose quoting .env files borrow, makes of the exported line is the secret. */
Test(secret_import, dotenv_survives_a_shell_and_an_import)
{
    static const char *const hard[] = {"plain-0123456789ABCDEF", "with blanks # and $HOME `id`",
                                       "it's \"both\" \\ $HOME `id` 0123",
                                       "\"double quoted only\""};
    char command[700];
    char text[200];
    for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++) {
        (void)unlink(ring_file);
        cr_assert_eq(RUN_WITH(hard[i], "secret", "add", "--stdin", "--id", "k"), CTL_DONE, "%s",
                     errors);
        cr_assert_eq(RUN("secret", "export", "k", "--format", "dotenv"), CTL_DONE);
        put_import(output);
        snprintf(command, sizeof(command), ". %s && printf %%s \"$KOTORMODSYNC_SIGNING_SECRET\"",
                 file);
        FILE *pipe = popen(command, "r");
        text[fread(text, 1, sizeof(text) - 1, pipe)] = '\0';
        cr_assert_eq(pclose(pipe), 0);
        cr_assert_str_eq(text, hard[i]);
        (void)unlink(ring_file);
        cr_assert_eq(RUN("secret", "import", file, "--id", "k"), CTL_DONE, "%s", errors);
        read_ring(1);
        cr_assert_str_eq(ring_key("k")->secret, hard[i]);
    }
}

Test(secret_import, export_refuses)
{
    put_ring(KEY("a", "active", "") ", " KEY("r", "revoked", ""));
    cr_assert_eq(RUN("secret", "export", "a"), CTL_WRONG_USE);
    EXPECT_ERROR("--format takes one of raw, dotenv, docker, github");
    cr_assert_eq(RUN("secret", "export", "a", "--format", "json"), CTL_WRONG_USE);
    cr_assert_eq(RUN("secret", "export", "--format", "raw"), CTL_WRONG_USE);
    EXPECT_ERROR("the id of the key is missing");
    cr_assert_eq(RUN("secret", "export", "x", "--format", "raw"), CTL_FAILED);
    EXPECT_ERROR("there is no key \"x\"");
    cr_assert_eq(RUN("secret", "export", "r", "--format", "raw"), CTL_FAILED);
    EXPECT_ERROR("key r has ended");
}

/* Runs the built program on a terminal of its own; its whole output. */
static int on_terminal(const char *const *words, char *text, size_t size)
{
    int master;
    size_t len = 0;
    pid_t pid = forkpty(&master, NULL, NULL, NULL);
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        execv(SIGPOST_BIN_DIR "/sigpostctl", (char *const *)words);
        _exit(127);
    }
    for (ssize_t got = 1; got > 0 && len<size - 1; len += got> 0 ? (size_t)got : 0) {
        got = read(master, text + len, size - 1 - len);
    }
    text[len] = '\0';
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    close(master);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(secret_import, a_terminal_gets_a_secret_only_with_reveal)
{
    char text[4096];
    const char *words[] = {"sigpostctl", "-c",       config_file, "secret", "export",
                           "k",          "--format", "raw",       NULL,     NULL};
    put_key();
    cr_assert_eq(on_terminal(words, text, sizeof(text)), CTL_FAILED, "%s", text);
    cr_assert_not_null(strstr(text, "or use --reveal"), "%s", text);
    cr_assert_null(strstr(text, SECRET));
    words[8] = "--reveal";
    cr_assert_eq(on_terminal(words, text, sizeof(text)), CTL_DONE, "%s", text);
    cr_assert_not_null(strstr(text, SECRET));
}
