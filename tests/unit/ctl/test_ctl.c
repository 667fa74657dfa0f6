/* test_ctl.c: nouns, options, help and exit statuses; the built program. */
#include "fixture.h"

#include <sys/wait.h>

TestSuite(ctl, .init = set_up, .fini = tear_down);

Test(ctl, wrong_use_is_2_and_names_the_help)
{
    cr_assert_eq(RUN("nonsense"), CTL_WRONG_USE);
    cr_assert_str_eq(errors, "sigpostctl: unknown noun \"nonsense\"; there are: secret, sign, "
                             "verify, explain, doctor, health, spool; see: sigpostctl --help\n");
    cr_assert_eq(RUN("--nonsense"), CTL_WRONG_USE);
    cr_assert_eq(RUN("-c"), CTL_WRONG_USE);
    EXPECT_ERROR("-c needs a file");
    cr_assert_eq(run_words("", (char *const[]){NULL}, (const char *const[]){NULL}), CTL_WRONG_USE);
    EXPECT_ERROR("a noun is missing");
    cr_assert_eq(RUN("sign", "/v1/metrics", "--bogus"), CTL_WRONG_USE);
    cr_assert_str_eq(errors, "sigpostctl: unknown option --bogus; see: sigpostctl sign --help\n");
    cr_assert_eq(RUN("sign", "/v1/metrics", "--session"), CTL_WRONG_USE);
    EXPECT_ERROR("--session needs a value");
    cr_assert_eq(RUN("sign", "/v1/metrics", "--session=a", "--session", "b"), CTL_WRONG_USE);
    EXPECT_ERROR("--session is given twice");
    cr_assert_eq(RUN("secret", "list", "--json=yes"), CTL_WRONG_USE);
    EXPECT_ERROR("--json takes no value");
    cr_assert_eq(RUN("sign", "/v1/metrics", "extra"), CTL_WRONG_USE);
    EXPECT_ERROR("\"extra\" is one operand too many");
    cr_assert_eq(RUN("no\033[2Jun"), CTL_WRONG_USE);
    EXPECT_ERROR("no\\x1b[2Jun");
}

Test(ctl, help_and_version)
{
    static const char *const nouns[] = {"secret", "sign",   "verify", "explain",
                                        "doctor", "health", "spool"};
    cr_assert_eq(RUN("--help"), CTL_DONE);
    for (size_t i = 0; i < 3; i++) {
        EXPECT_OUTPUT(nouns[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        char words[32];
        snprintf(words, sizeof(words), "sigpostctl %s", nouns[i]);
        cr_assert_eq(RUN(nouns[i], "--help"), CTL_DONE);
        EXPECT_OUTPUT(words);
        cr_assert_eq(RUN(nouns[i], "-h"), CTL_DONE);
    }
    cr_assert_eq(RUN("secret", "add", "--help"), CTL_DONE);
    EXPECT_OUTPUT("secret add");
    cr_assert_eq(RUN("--version"), CTL_DONE);
    cr_assert_str_eq(output, "sigpostctl " SIGPOST_VERSION "\n");
}

Test(ctl, a_broken_configuration_is_told)
{
    put_file(config_file, 0644, "nonsense = 1;\n");
    cr_assert_eq(RUN("secret", "list"), CTL_FAILED);
    EXPECT_ERROR(config_file);
    EXPECT_ERROR("nonsense");
}

/* Runs a shell command; its output goes to `text`. */
static int shell(const char *command, char *text, size_t size)
{
    FILE *pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    text[fread(text, 1, size - 1, pipe)] = '\0';
    int status = pclose(pipe);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(ctl, the_built_program)
{
    char command[1200];
    char text[4096];
    clock_fake(-1, 0);
    cr_assert_eq(shell(SIGPOST_BIN_DIR "/sigpostctl --version", text, sizeof(text)), 0);
    cr_assert_str_eq(text, "sigpostctl " SIGPOST_VERSION "\n");
    cr_assert_eq(shell(SIGPOST_BIN_DIR "/sigpostctl nonsense 2>&1", text, sizeof(text)), 2);
    snprintf(command, sizeof(command), SIGPOST_BIN_DIR "/sigpostctl -c %s secret show x 2>&1",
             config_file);
    cr_assert_eq(shell(command, text, sizeof(text)), 1);
    snprintf(command, sizeof(command),
             "cd %s && s() { " SIGPOST_BIN_DIR
             "/sigpostctl -c %s \"$@\"; }; s secret init --id first && "
             "s sign /v1/traces --session abc | s verify --path /v1/traces",
             dir, config_file);
    cr_assert_eq(shell(command, text, sizeof(text)), 0, "%s", text);
    cr_assert_not_null(strstr(text, "ok key=first session=abc\n"), "%s", text);
    cr_assert_eq(
        shell(SIGPOST_BIN_DIR "/sigpostctl --help >/dev/full 2>/dev/null", text, sizeof(text)), 1,
        "output that cannot be written is a failure");
}

/* The printed command, run by a shell whose "curl" prints its arguments. */
Test(ctl, the_curl_command_survives_the_shell)
{
    char script[4096];
    char text[4096];
    put_key();
    char file[300];
    snprintf(file, sizeof(file), "%s/it's $HOME `x`.pb", dir);
    put_file(file, 0600, "x");
    cr_assert_eq(
        RUN("sign", "--curl", "http://h:1/v1/metrics?a='b'&c=$(id)", file, "--session", "s-1"),
        CTL_DONE, "%s", errors);
    char path[300];
    snprintf(path, sizeof(path), "%s/script", dir);
    snprintf(script, sizeof(script), "curl() { for a in \"$@\"; do echo \"[$a]\"; done; }\n%s",
             output);
    put_file(path, 0600, script);
    snprintf(script, sizeof(script), "sh %s", path);
    cr_assert_eq(shell(script, text, sizeof(text)), 0);
    char expected[400];
    snprintf(expected, sizeof(expected), "[--data-binary]\n[@%s]\n", file);
    cr_assert_not_null(strstr(text, expected), "%s", text);
    cr_assert_not_null(strstr(text, "[http://h:1/v1/metrics?a='b'&c=$(id)]\n"), "%s", text);
    cr_assert_not_null(strstr(text, "[-H]\n[Content-Type: application/x-protobuf]\n"));
    cr_assert_not_null(strstr(text, "[-H]\n[X-KMS-Session-ID: s-1]\n"));
    cr_assert_not_null(strstr(text, "[-H]\n[X-KMS-Timestamp: 1712345678]\n"));
}
