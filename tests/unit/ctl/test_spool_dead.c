/* test_spool_dead.c: sigpostctl spool dead: letters listed, shown, put back and dropped; hostile
 * ones. */
#include "fixture.h"
#include "otlp/export/dead_letter.h"
#include "otlp/json.h"

#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#define ONE "188fcf05453f4d15-0000000000000001.otlp.dead"
#define TWO "188fcf05453f4d15-0000000000000002.otlp.dead"
#define THREE "188fcf05453f4d15-0000000000000003.otlp.dead"

static char dead_dir[320], retry_dir[330];
static struct dead_letter_box box;

static void begin(void)
{
    char text[600];
    set_up();
    put_key();
    snprintf(
        text, sizeof(text),
        "state = { dir = \"%s/state\"; };\nexport = { destinations = ( { type = \"otlp\"; url = "
        "\"http://localhost:1\"; signals = [\"logs\", \"metrics\"]; } ); };\n",
        dir);
    put_file(config_file, 0644, text);
    snprintf(dead_dir, sizeof(dead_dir), "%s/state/dead", dir);
    snprintf(retry_dir, sizeof(retry_dir), "%s/retry", dead_dir);
    dead_letter_box_init(&box, dead_dir, 1 << 20);
}

static void end(void)
{
    dead_letter_box_destroy(&box);
    tear_down();
}

TestSuite(ctl_spool_dead, .init = begin, .fini = end, .timeout = 60);

static void put_answered(uint64_t sequence, enum signal signal, const char *destination,
                         const char *answer)
{
    struct buf wire = BUF_INIT;
    struct json_fault fault;
    struct result why = RESULT_INIT;
    cr_assert(json_to_request(signal,
                              signal == SIGNAL_LOGS
                                  ? SLICE_LIT("{\"resourceLogs\":[{\"schemaUrl\":\"u\"}]}")
                                  : SLICE_LIT("{}"),
                              &wire, &fault));
    const struct dead_letter letter = {
        .reason = SLICE_LIT("refused"),
        .status = 400,
        .signal = signal,
        .session = SLICE_LIT("session-1"),
        .key_id = SLICE_LIT("k1"),
        .arrived_ns = INT64_C(1769860800123456789),
        .sequence = sequence,
        .items = 3,
        .destination = slice_of(destination),
        .url = SLICE_LIT("http://localhost:1/v1/logs"),
        .answer = slice_of(answer),
        .payload = buf_slice(&wire),
    };
    cr_assert_eq(dead_letter_store(&box, &letter, NULL, &why), DEAD_LETTER_STORED, "%s", why.text);
    buf_free(&wire);
}

static void put(uint64_t sequence, enum signal signal, const char *destination)
{
    put_answered(sequence, signal, destination, "bad \"point\"\nline two \x1b[31m");
}

static bool is_there(const char *directory, const char *name)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static json_t *parsed(void)
{
    json_error_t error;
    json_t *json = json_loads(output, 0, &error);
    cr_assert_not_null(json, "%s: %s", error.text, output);
    return json;
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *value = json_string_value(json_object_get(json, name));
    cr_assert_not_null(value, "%s in %s", name, output);
    return value;
}

Test(ctl_spool_dead, list_shows_one_line_each)
{
    cr_assert_eq(RUN("spool", "dead", "list"), CTL_DONE);
    cr_assert_str_empty(output);
    put(1, SIGNAL_LOGS, "otlp");
    put(2, SIGNAL_METRICS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "list"), CTL_DONE);
    cr_assert_str_eq(output,
                     ONE "  2026-01-31T12:00:00.123Z  logs  400 refused  5 bytes  session "
                         "session-1  http://localhost:1/v1/logs  bad \"point\"\\x0aline two "
                         "\\x1b[31m\n" TWO "  2026-01-31T12:00:00.123Z  metrics  400 "
                         "refused  0 bytes  session session-1  http://localhost:1/v1/logs  bad "
                         "\"point\"\\x0aline two \\x1b[31m\n");
    cr_assert_eq(RUN("spool", "dead", "list", "--json"), CTL_DONE);
    json_t *json = parsed();
    cr_assert_eq(json_array_size(json), 2);
    const json_t *first = json_array_get(json, 0);
    cr_assert_str_eq(text_of(first, "answer"), "bad \"point\"\nline two \x1b[31m");
    cr_assert_str_eq(text_of(first, "name"), ONE);
    cr_assert_str_eq(text_of(first, "destination"), "otlp");
    cr_assert_eq(json_integer_value(json_object_get(first, "items")), 3);
    cr_assert(json_is_false(json_object_get(first, "put_back")));
    json_decref(json);
}

Test(ctl_spool_dead, show_names_the_reason_and_the_request)
{
    put(1, SIGNAL_LOGS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "show", ONE), CTL_DONE);
    EXPECT_OUTPUT("status       400\n");
    EXPECT_OUTPUT("url          http://localhost:1/v1/logs\n");
    EXPECT_OUTPUT("\"schemaUrl\": \"u\"\n");
    cr_assert_eq(RUN("spool", "dead", "show", "--json", "188fcf"), CTL_DONE);
    json_t *json = parsed();
    json_t *request = json_object_get(json, "request");
    cr_assert_eq(json_array_size(json_object_get(request, "resourceLogs")), 1);
    json_decref(json);
    cr_assert_eq(RUN("spool", "dead", "show", "--raw", ONE), CTL_DONE);
    cr_assert_str_eq(output, "\x0a\x03\x1a\x01u");
    cr_assert_eq(RUN("spool", "dead", "show", "nothing"), CTL_FAILED);
    EXPECT_ERROR("there is no dead letter \"nothing\"; see: sigpostctl spool dead list");
    put(2, SIGNAL_LOGS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "show", "188fcf"), CTL_FAILED);
    EXPECT_ERROR("is the beginning of several letters");
    cr_assert_eq(RUN("spool", "dead", "show"), CTL_WRONG_USE);
    cr_assert_eq(RUN("spool", "dead", "show", "--raw", "--json", ONE), CTL_WRONG_USE);
    cr_assert_eq(RUN("spool", "dead", "show", "../../keyring.cfg"), CTL_FAILED);
}

Test(ctl_spool_dead, retry_puts_letters_back)
{
    put(1, SIGNAL_LOGS, "otlp");
    put(2, SIGNAL_METRICS, "otlp");
    put(3, SIGNAL_METRICS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "retry", ONE, "188fcf05453f4d15-0000000000000002"), CTL_DONE);
    cr_assert_str_eq(output, "put back " ONE "\nput back " TWO "\n");
    cr_assert(is_there(retry_dir, "logs-" ONE));
    cr_assert(is_there(retry_dir, "metrics-" TWO));
    cr_assert_not(is_there(dead_dir, ONE));
    cr_assert(is_there(dead_dir, THREE));
    cr_assert_eq(RUN("spool", "dead", "list"), CTL_DONE);
    EXPECT_OUTPUT("logs-" ONE);
    EXPECT_OUTPUT("(put back)");
    cr_assert_eq(RUN("spool", "dead", "retry", "--all"), CTL_DONE);
    cr_assert_str_eq(output, "put back " THREE "\n");
    cr_assert_eq(RUN("spool", "dead", "retry", "--all"), CTL_DONE);
    cr_assert_str_empty(output);
}

/* Each way to name one that was put back: as list shows it, by its beginning, as it was called
 * before. */
Test(ctl_spool_dead, a_letter_that_was_put_back_answers_to_its_names)
{
    static const char *const names[] = {"logs-" ONE, "logs-", ONE,
                                        "188fcf05453f4d15-0000000000000001"};
    put(1, SIGNAL_LOGS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "retry", ONE), CTL_DONE);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_assert_eq(RUN("spool", "dead", "show", names[i]), CTL_DONE, "%s", errors);
        EXPECT_OUTPUT("letter       logs-" ONE " (put back)\n");
        cr_assert_eq(RUN("spool", "dead", "retry", names[i]), CTL_DONE, "%s", errors);
        cr_assert_str_eq(output, "already put back logs-" ONE "\n");
        cr_assert(is_there(retry_dir, "logs-" ONE));
        cr_assert_eq(RUN("spool", "dead", "drop", names[i]), CTL_DONE, "%s", errors);
        cr_assert_str_eq(output, "dropped logs-" ONE "\n");
        cr_assert_not(is_there(retry_dir, "logs-" ONE));
        put(1, SIGNAL_LOGS, "otlp");
        cr_assert_eq(RUN("spool", "dead", "retry", "--all"), CTL_DONE);
    }
    cr_assert_eq(RUN("spool", "dead", "show", "--json", "logs-"), CTL_DONE);
    json_t *json = parsed();
    cr_assert(json_is_true(json_object_get(json, "put_back")));
    json_decref(json);
    put(2, SIGNAL_LOGS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "show", "188fcf"), CTL_DONE);
    EXPECT_OUTPUT("letter       " TWO "\n"); /* a former name gives way to one that is shown */
    cr_assert_eq(RUN("spool", "dead", "drop", ""), CTL_FAILED);
    EXPECT_ERROR("there is no dead letter \"\"");
}

Test(ctl_spool_dead, drop_all_drops_those_put_back_too)
{
    put(1, SIGNAL_LOGS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "retry", "--all"), CTL_DONE);
    put(2, SIGNAL_LOGS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "list", "--names"), CTL_DONE);
    cr_assert_str_eq(output, TWO "\nlogs-" ONE "\n");
    cr_assert_eq(RUN("spool", "dead", "list", "--names", "--json"), CTL_WRONG_USE);
    cr_assert_eq(RUN("spool", "dead", "drop", "--all"), CTL_DONE);
    cr_assert_str_eq(output, "dropped " TWO "\ndropped logs-" ONE "\n");
    cr_assert_eq(RUN("spool", "dead", "list"), CTL_DONE);
    cr_assert_str_empty(output);
}

/* Put back for a destination that was taken out since: "already put back" would be no comfort. */
Test(ctl_spool_dead, a_letter_put_back_without_a_taker_is_told)
{
    char text[400];
    put(1, SIGNAL_LOGS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "retry", "--all"), CTL_DONE);
    snprintf(text, sizeof(text), "state = { dir = \"%s/state\"; };\n", dir);
    put_file(config_file, 0644, text);
    cr_assert_eq(RUN("spool", "dead", "retry", ONE), CTL_FAILED);
    EXPECT_ERROR("logs-" ONE ": it is for the destination \"otlp\", which is not configured");
    cr_assert_eq(RUN("spool", "dead", "drop", ONE), CTL_DONE);
}

/* Named twice, the second time it is gone, as when the gateway was faster: said, and no failure. */
Test(ctl_spool_dead, a_letter_that_is_gone_meanwhile_is_no_failure)
{
    put(1, SIGNAL_LOGS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "retry", ONE, ONE), CTL_DONE);
    cr_assert_str_eq(output, "put back " ONE "\n");
    EXPECT_ERROR("warning: " ONE " is no longer there: it was dropped or put back meanwhile");
    cr_assert_eq(RUN("spool", "dead", "drop", ONE, "logs-"), CTL_DONE);
    cr_assert_str_eq(output, "dropped logs-" ONE "\n");
    EXPECT_ERROR("warning: logs-" ONE " is no longer there: it was delivered, dropped, or refused");
}

static atomic_bool stop;

/* A gateway that delivers what is put back, and is given more at once. */
static void *deliver(void *arg)
{
    char here[600], there[600];
    (void)arg;
    snprintf(here, sizeof(here), "%s/logs-" ONE, retry_dir);
    snprintf(there, sizeof(there), "%s/.gone", dead_dir);
    while (!atomic_load(&stop)) {
        rename(here, there);
        rename(there, here);
    }
    return NULL;
}

Test(ctl_spool_dead, listing_and_verifying_beside_a_gateway_that_delivers)
{
    pthread_t thread;
    char spool_dir[320];
    put(1, SIGNAL_LOGS, "otlp");
    snprintf(spool_dir, sizeof(spool_dir), "%s/state/spool", dir);
    cr_assert_eq(mkdir(spool_dir, 0700), 0);
    cr_assert_eq(RUN("spool", "dead", "retry", "--all"), CTL_DONE);
    cr_assert_eq(pthread_create(&thread, NULL, deliver, NULL), 0);
    for (int i = 0; i < 300; i++) {
        cr_assert_eq(RUN("spool", "dead", "list"), CTL_DONE, "%s", output);
        cr_assert_eq(RUN("spool", "dead", "list", "--json"), CTL_DONE, "%s", output);
        cr_assert_eq(RUN("spool", "verify"), CTL_DONE, "%s", output);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}

/* What a receiver says is read as it said it, and does nothing to a terminal: not with C1 control
 * characters either. */
Test(ctl_spool_dead, answers_are_readable_and_harmless)
{
    put_answered(1, SIGNAL_LOGS, "otlp",
                 "{\"code\":3,\"message\":\"C:\\\\x \xc3\xa4 \x1b[2J \xc2\x9b"
                 "2J\"}");
    const char *shown = "{\"code\":3,\"message\":\"C:\\\\x \xc3\xa4 \\x1b[2J \\xc2\\x9b2J\"}\n";
    cr_assert_eq(RUN("spool", "dead", "list"), CTL_DONE);
    EXPECT_OUTPUT(shown);
    cr_assert_eq(RUN("spool", "dead", "show", ONE), CTL_DONE);
    EXPECT_OUTPUT(shown);
}

Test(ctl_spool_dead, nothing_is_done_when_one_name_is_wrong)
{
    put(1, SIGNAL_LOGS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "retry", ONE, "typo"), CTL_FAILED);
    cr_assert(is_there(dead_dir, ONE));
    cr_assert_eq(RUN("spool", "dead", "drop", ONE, "typo"), CTL_FAILED);
    cr_assert(is_there(dead_dir, ONE));
}

/* A letter that nobody would pick up stays where it is seen. */
Test(ctl_spool_dead, a_letter_without_a_taker_is_not_put_back)
{
    put(1, SIGNAL_TRACES, "otlp"); /* not among its signals */
    cr_assert_eq(RUN("spool", "dead", "retry", "--all"), CTL_FAILED);
    EXPECT_ERROR("it is for the destination \"otlp\", which is not configured, or takes no traces");
    EXPECT_ERROR("no letter was put back");
    put(2, SIGNAL_LOGS, "gone");
    put(3, SIGNAL_LOGS, "otlp");
    cr_assert_eq(RUN("spool", "dead", "retry", "--all"), CTL_FAILED);
    cr_assert_str_eq(output, "put back " THREE "\n");
    cr_assert(is_there(dead_dir, ONE));
}

Test(ctl_spool_dead, drop_throws_letters_away)
{
    put(1, SIGNAL_LOGS, "otlp");
    put(2, SIGNAL_LOGS, "otlp");
    put(3, SIGNAL_TRACES, "gone");
    cr_assert_eq(RUN("spool", "dead", "drop", ONE), CTL_DONE);
    cr_assert_str_eq(output, "dropped " ONE "\n");
    cr_assert_not(is_there(dead_dir, ONE));
    cr_assert_eq(RUN("spool", "dead", "drop", "--all"), CTL_DONE);
    cr_assert_not(is_there(dead_dir, TWO));
    cr_assert_eq(RUN("spool", "dead", "list"), CTL_DONE);
    cr_assert_str_empty(output);
}

/* Whatever stands in the files: no byte of it reaches a terminal as a command, and --json is JSON.
 */
Test(ctl_spool_dead, hostile_letters_are_survived)
{
    static const char *const heads[] = {
        "",
        "junk",
        "sigpost-dead-letter 1\n",
        "sigpost-dead-letter 1\nsignal: logs\nsequence: 1\narrived-ns: 1\npayload-bytes: 99\n\nx",
        "sigpost-dead-letter 1\nreason: \x1b[2J\"\nsession: \xff\xfe\\\nanswer: \\u12\"}\n"
        "signal: logs\nsequence: 1\narrived-ns: 1\nstatus: 400\npayload-bytes: 1\n\nx",
        "sigpost-dead-letter 1\nurl: \\\n"
        "signal: profiles\nsequence: 1\narrived-ns: 1\npayload-bytes: 2\n\n\x1b\xff",
    };
    char path[600];
    put(1, SIGNAL_LOGS, "otlp");
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        snprintf(path, sizeof(path), "%s/%zu.dead", dead_dir, i);
        put_file(path, 0600, heads[i]);
    }
    snprintf(path, sizeof(path), "%s/\x1b[31m\xff.dead", dead_dir);
    put_file(path, 0600, "junk");
    snprintf(path, sizeof(path), "%s/fifo.dead", dead_dir);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(RUN("spool", "dead", "list"), CTL_FAILED);
    EXPECT_OUTPUT(ONE);
    EXPECT_OUTPUT("3.dead  (unreadable: the dead letter's payload has 1 bytes instead of 99");
    cr_assert_null(strchr(output, 0x1b));
    cr_assert_eq(RUN("spool", "dead", "list", "--json"), CTL_FAILED);
    json_t *json = parsed();
    cr_assert_eq(json_array_size(json), 9);
    json_decref(json);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        char name[16];
        snprintf(name, sizeof(name), "%zu.dead", i);
        RUN("spool", "dead", "show", name);
        cr_assert_null(strchr(output, 0x1b));
        if (RUN("spool", "dead", "show", "--json", name) == CTL_DONE) {
            json_decref(parsed());
        }
    }
    cr_assert_eq(RUN("spool", "dead", "retry", "0.dead"), CTL_FAILED);
    cr_assert_eq(RUN("spool", "dead", "drop", "--all"), CTL_DONE);
    cr_assert_eq(RUN("spool", "dead", "list"), CTL_DONE);
    cr_assert_str_empty(output);
}
