/* test_spool.c: sigpostctl spool: what it says of sound spools, of damaged and hostile files, and
 * of one that a gateway writes. */
#include "base/log.h"
#include "fixture.h"
#include "otlp/export/dead_letter.h"
#include "otlp/json.h"
#include "otlp/spool/segment.h"
#include "otlp/spool/spool.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>

static char state_dir[300], spool_dir[320], dead_dir[320];
static struct metrics *metrics;
static struct spool *spool;

static void begin(void)
{
    set_up();
    log_setup(LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
    clock_fake(-1, 0); /* the spool's threads wait by the clock */
    snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
    snprintf(spool_dir, sizeof(spool_dir), "%s/spool", state_dir);
    snprintf(dead_dir, sizeof(dead_dir), "%s/dead", state_dir);
    cr_assert_eq(mkdir(state_dir, 0700), 0);
    put_key();
}

TestSuite(ctl_spool, .init = begin, .fini = tear_down, .timeout = 60);

/* --- making ----------------------------------------------------------------------------------- */

static void open_spool(void)
{
    struct result why = RESULT_INIT;
    const struct spool_options options = {.dir = spool_dir,
                                          .max_bytes = 4 << 20,
                                          .segment_bytes = 16 << 10,
                                          .max_payload = 4096,
                                          .wait_ns = NS_PER_SECOND,
                                          .sync = SPOOL_SYNC_NEVER};
    metrics = metrics_create();
    spool = spool_open(&options, metrics, &why);
    cr_assert_not_null(spool, "%s", why.text);
}

static void close_spool(void)
{
    spool_close(spool);
    metrics_destroy(metrics);
}

static void durable(void *arg, enum spool_outcome outcome)
{
    cr_assert_eq(outcome, SPOOL_DURABLE);
    atomic_store((atomic_bool *)arg, true);
}

static void append_bytes(enum signal signal, const char *session, struct slice payload)
{
    atomic_bool done = false;
    const struct spool_record record = {
        signal, INT64_C(1769860800000000000), slice_of(session), SLICE_LIT("k1"), payload, 1};
    spool_append(spool, &record, durable, &done);
    while (!atomic_load(&done)) {
        usleep(100);
    }
}

static void append(enum signal signal, const char *session, const char *json)
{
    struct buf wire = BUF_INIT;
    struct json_fault fault;
    cr_assert(json_to_request(signal, slice_of(json), &wire, &fault), "%s", fault.text);
    append_bytes(signal, session, buf_slice(&wire));
    buf_free(&wire);
}

#define GAUGE                                                                           \
    "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"m\",\"gauge\":" \
    "{\"dataPoints\":[{\"asInt\":\"7\"}]}}]}]}]}"
#define SPAN                                                                \
    "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"        \
    "\"000102030405060708090a0b0c0d0e0f\",\"spanId\":\"0001020304050607\"," \
    "\"name\":\"s\"}]}]}]}"
#define LOG                                                                           \
    "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{\"stringValue\":" \
    "\"hello\"}}]}]}]}"

/* Three records of each of three signals, in turn. */
static void fill(void)
{
    open_spool();
    for (int i = 0; i < 3; i++) {
        append(SIGNAL_METRICS, "a", GAUGE);
        append(SIGNAL_TRACES, "b", SPAN);
        append(SIGNAL_LOGS, "a", LOG);
    }
}

static struct spool_reader *reader(const char *name, unsigned signals)
{
    struct result why = RESULT_INIT;
    struct spool_reader *r = spool_reader_open_for(spool, name, signals, NULL, &why);
    cr_assert_not_null(r, "%s", why.text);
    return r;
}

static json_t *parsed(void)
{
    json_error_t error;
    json_t *json = json_loads(output, 0, &error);
    cr_assert_not_null(json, "%s: %s", error.text, output);
    return json;
}

static json_int_t number(const json_t *json, const char *name)
{
    json_t *value = json_object_get(json, name);
    cr_assert(json_is_integer(value), "%s in %s", name, output);
    return json_integer_value(value);
}

static const char *text(const json_t *json, const char *name)
{
    json_t *value = json_object_get(json, name);
    cr_assert(json_is_string(value), "%s in %s", name, output);
    return json_string_value(value);
}

/* --- status and ls ---------------------------------------------------------------------------- */

Test(ctl_spool, status_counts_what_waits_for_each_cursor)
{
    fill();
    struct spool_reader *m = reader("otlp.metrics", SPOOL_SIGNAL(SIGNAL_METRICS));
    struct spool_reader *l = reader("otlp.logs", SPOOL_SIGNAL(SIGNAL_LOGS));
    spool_reader_ack(m, 4);
    spool_reader_ack(l, 9);
    spool_reader_close(m);
    spool_reader_close(l);
    cr_assert_eq(RUN("spool", "status"), CTL_DONE);
    EXPECT_OUTPUT("last sequence 9; the gateway is running");
    EXPECT_OUTPUT("2026-01-31T12:00:00.000Z");
    close_spool();
    cr_assert_eq(RUN("spool", "status"), CTL_DONE);
    EXPECT_OUTPUT("the gateway is not running");
    cr_assert_eq(RUN("spool", "status", "--json"), CTL_DONE);
    json_t *json = parsed();
    cr_assert_eq(number(json, "last_sequence"), 9);
    json_t *cursors = json_object_get(json, "cursors");
    cr_assert_eq(json_array_size(cursors), 2);
    json_t *logs = json_array_get(cursors, 0), *points = json_array_get(cursors, 1);
    cr_assert_str_eq(text(logs, "name"), "otlp.logs");
    cr_assert_eq(number(logs, "waiting_records"), 0);
    cr_assert(json_is_null(json_object_get(logs, "oldest")));
    cr_assert_eq(number(points, "sequence"), 4);
    cr_assert_eq(number(points, "waiting_records"), 1, "of its own signal");
    cr_assert_str_eq(text(points, "oldest"), "2026-01-31T12:00:00.000Z");
    json_decref(json);
}

Test(ctl_spool, ls_shows_segments_and_who_holds_them)
{
    static char payload[3000];
    fill();
    struct spool_reader *m = reader("otlp.metrics", SPOOL_SIGNAL(SIGNAL_METRICS));
    struct spool_reader *p = reader("otlp.profiles", SPOOL_SIGNAL(SIGNAL_PROFILES));
    for (int i = 0; i < 12; i++) {
        append_bytes(SIGNAL_PROFILES, "p", slice_make(payload, sizeof(payload)));
    }
    spool_reader_ack(m, 9);
    spool_reader_ack(p, 15);
    spool_reader_close(m);
    spool_reader_close(p);
    close_spool();
    cr_assert_eq(RUN("spool", "ls"), CTL_DONE);
    EXPECT_OUTPUT("0000000000000001.seg");
    EXPECT_OUTPUT(" otlp.profiles\n");
    cr_assert_null(strstr(output, "otlp.metrics"), "it is behind, and waits for nothing");
    cr_assert_eq(RUN("spool", "ls", "--json"), CTL_DONE);
    json_t *json = parsed();
    size_t n = json_array_size(json);
    cr_assert_geq(n, 3);
    for (size_t i = 0; i + 1 < n; i++) {
        cr_assert_eq(number(json_array_get(json, i), "last") + 1,
                     number(json_array_get(json, i + 1), "first"));
    }
    cr_assert_eq(number(json_array_get(json, n - 1), "last"), 21);
    for (size_t i = 0; i < n; i++) {
        const json_t *file = json_array_get(json, i);
        cr_assert_eq(json_array_size(json_object_get(file, "held_by")),
                     number(file, "last") >= 16 ? 1 : 0);
    }
    json_decref(json);
}

/* --- dump ------------------------------------------------------------------------------------- */

Test(ctl_spool, dump_shows_requests)
{
    fill();
    cr_assert_eq(RUN("spool", "dump", "--json"), CTL_DONE); /* while the gateway runs */
    close_spool();
    char *first_line = strndup(output, strcspn(output, "\n"));
    cr_assert_str_eq(first_line,
                     "{\"sequence\": 1, \"arrived\": \"2026-01-31T12:00:00.000Z\", \"signal\": "
                     "\"metrics\", \"session\": \"a\", \"keyId\": \"k1\", \"items\": 1, \"bytes\": "
                     "22, \"request\": " GAUGE "}");
    free(first_line);
    unsigned lines = 0;
    for (const char *at = output; *at != '\0'; at = strchr(at, '\n') + 1) {
        json_t *json = json_loadb(at, strcspn(at, "\n"), 0, NULL);
        cr_assert_not_null(json);
        cr_assert_eq(number(json, "sequence"), ++lines);
        json_decref(json);
    }
    cr_assert_eq(lines, 9);
    cr_assert_eq(RUN("spool", "dump"), CTL_DONE);
    EXPECT_OUTPUT("# 2  2026-01-31T12:00:00.000Z  traces  1 items  ");
    EXPECT_OUTPUT("  session b  key k1\n{\n  \"resourceSpans\": [\n");
}

static unsigned count_lines(void)
{
    unsigned n = 0;
    for (const char *at = output; *at != '\0'; at++) {
        n += *at == '\n';
    }
    return n;
}

Test(ctl_spool, dump_picks_records)
{
    fill();
    close_spool();
    cr_assert_eq(RUN("spool", "dump", "--json", "--signal", "traces"), CTL_DONE);
    cr_assert_eq(count_lines(), 3);
    cr_assert_eq(RUN("spool", "dump", "--json", "--session", "a"), CTL_DONE);
    cr_assert_eq(count_lines(), 6);
    cr_assert_eq(RUN("spool", "dump", "--json", "--from", "3", "--to", "7"), CTL_DONE);
    cr_assert_eq(count_lines(), 5);
    cr_assert_eq(RUN("spool", "dump", "--json", "--from", "3", "--limit", "2"), CTL_DONE);
    cr_assert_eq(count_lines(), 2);
    cr_assert_eq(strncmp(output, "{\"sequence\": 3,", 15), 0);
    cr_assert_eq(RUN("spool", "dump", "--limit", "0"), CTL_DONE);
    cr_assert_eq(count_lines(), 0);
    cr_assert_eq(RUN("spool", "dump", "--from", "10"), CTL_DONE);
    cr_assert_eq(count_lines(), 0);
    cr_assert_eq(RUN("spool", "dump", "--from", "x"), CTL_WRONG_USE);
    EXPECT_ERROR("--from takes a whole number, not \"x\"");
    cr_assert_eq(RUN("spool", "dump", "--limit", "18446744073709551616"), CTL_WRONG_USE);
    cr_assert_eq(RUN("spool", "dump", "--limit="), CTL_WRONG_USE);
    cr_assert_eq(RUN("spool", "dump", "--signal", "dreams"), CTL_WRONG_USE);
    EXPECT_ERROR("--signal takes one of metrics, traces, logs, profiles");
}

Test(ctl_spool, dump_shows_what_is_no_request_and_no_text)
{
    open_spool();
    append_bytes(SIGNAL_METRICS, "\x1b[31m", SLICE_LIT("\x0a\xff"));
    append_bytes(SIGNAL_PROFILES, "\xff\"", SLICE_LIT("abc"));
    close_spool();
    cr_assert_eq(RUN("spool", "dump", "--json"), CTL_DONE);
    EXPECT_OUTPUT("\"session\": \"\\u001b[31m\"");
    EXPECT_OUTPUT("\"request\": null, \"fault\": \"");
    EXPECT_OUTPUT("\"session\": \"\xef\xbf\xbd\\\"\"");
    EXPECT_OUTPUT("\"request\": \"YWJj\"}");
    cr_assert_eq(RUN("spool", "dump"), CTL_DONE);
    EXPECT_OUTPUT("session \\x1b[31m");
    cr_assert_null(strchr(output, 0x1b));
    EXPECT_OUTPUT("(no request: ");
}

/* --- verify ----------------------------------------------------------------------------------- */

static char *segment(size_t *len, char path[400])
{
    snprintf(path, 400, "%s/0000000000000001.seg", spool_dir);
    int fd = open(path, O_RDONLY);
    struct stat st;
    cr_assert_eq(fstat(fd, &st), 0);
    char *bytes = malloc((size_t)st.st_size);
    *len = (size_t)read(fd, bytes, (size_t)st.st_size);
    cr_assert_eq(*len, (size_t)st.st_size);
    close(fd);
    return bytes;
}

static void put_bytes(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

Test(ctl_spool, verify_of_a_sound_spool)
{
    fill();
    cr_assert_eq(RUN("spool", "verify"), CTL_DONE); /* with the zeros of what is still to come */
    EXPECT_OUTPUT("9 records in 1 segments and 0 dead letters: all sound");
    close_spool();
    cr_assert_eq(RUN("spool", "verify", "--json"), CTL_DONE);
    json_t *json = parsed();
    cr_assert(json_is_true(json_object_get(json, "sound")));
    cr_assert_eq(number(json, "records"), 9);
    json_decref(json);
}

/* Each flipped bit is told, with the file, and what is behind it is still counted. */
Test(ctl_spool, verify_finds_every_flipped_bit)
{
    size_t len;
    char path[400];
    fill();
    close_spool();
    open_spool();
    append(SIGNAL_LOGS, "z", LOG); /* so that the damaged segment is not the newest */
    close_spool();
    char *bytes = segment(&len, path);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        if (bit / 8 > 200 && bit % 8 != 3) {
            continue; /* all bits of header and first records, one of each byte after that */
        }
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        put_bytes(path, bytes, len);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        cr_assert_eq(RUN("spool", "verify", "--json"), CTL_FAILED, "bit %zu", bit);
        json_t *json = parsed();
        json_t *fault = json_array_get(json_object_get(json, "faults"), 0);
        cr_assert_str_eq(text(fault, "file"), "0000000000000001.seg");
        json_int_t from = number(fault, "from"), to = number(fault, "to");
        cr_assert(from <= (json_int_t)(bit / 8) && (json_int_t)(bit / 8) < to, "bit %zu: %d to %d",
                  bit, (int)from, (int)to);
        cr_assert_geq(number(json, "records"), bit / 8 < 48 ? 10 : 9, "bit %zu", bit);
        json_decref(json);
    }
    free(bytes);
    cr_assert_eq(RUN("spool", "dump"), CTL_FAILED);
    EXPECT_ERROR("sigpostctl: warning: 0000000000000001.seg: bytes ");
}

Test(ctl_spool, every_cut_segment_is_survived)
{
    size_t len;
    char path[400];
    fill();
    close_spool();
    char *bytes = segment(&len, path);
    for (size_t cut = 0; cut < len; cut += cut < 300 ? 1 : 7) {
        put_bytes(path, bytes, cut);
        int status = RUN("spool", "verify");
        cr_assert(status == CTL_DONE || cut < SEGMENT_HEADER_LEN, "%zu: %s", cut, output);
        RUN("spool", "dump", "--json");
        RUN("spool", "status");
        RUN("spool", "ls");
    }
    put_bytes(path, bytes, len - 1);
    cr_assert_eq(RUN("spool", "verify"), CTL_DONE);
    EXPECT_OUTPUT("8 records in 1 segments");
    EXPECT_OUTPUT("a write that a crash tore");
    free(bytes);
}

Test(ctl_spool, verify_looks_at_cursors_and_letters)
{
    char path[400];
    fill();
    spool_reader_close(reader("otlp.logs", SPOOL_SIGNAL(SIGNAL_LOGS)));
    close_spool();
    snprintf(path, sizeof(path), "%s/cursor.otlp.logs", spool_dir);
    put_bytes(path, "sigpost cursor 1\nsequence 7\ncrc32c 00000000\n", 44);
    cr_assert_eq(mkdir(dead_dir, 0700), 0);
    snprintf(path, sizeof(path), "%s/x.dead", dead_dir);
    put_bytes(path, "junk", 4);
    cr_assert_eq(RUN("spool", "verify"), CTL_FAILED);
    EXPECT_OUTPUT("cursor.otlp.logs: makes no sense");
    EXPECT_OUTPUT("x.dead: not a dead letter");
    EXPECT_OUTPUT("9 records in 1 segments and 1 dead letters: 2 damaged places");
    cr_assert_eq(RUN("spool", "status"), CTL_DONE);
    EXPECT_OUTPUT("(the cursor's file makes no sense)");
}

/* Names that stand for something else than a file of ours. */
Test(ctl_spool, odd_files_are_survived)
{
    char path[400];
    fill();
    close_spool();
    snprintf(path, sizeof(path), "%s/0000000000000100.seg", spool_dir);
    cr_assert_eq(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/0000000000000101.seg", spool_dir);
    cr_assert_eq(symlink("/etc/passwd", path), 0);
    snprintf(path, sizeof(path), "%s/0000000000000102.seg", spool_dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/cursor.fifo", spool_dir);
    cr_assert_eq(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/cursor.\x1b[31m", spool_dir);
    put_bytes(path, "", 0);
    cr_assert_eq(RUN("spool", "verify"), CTL_FAILED);
    EXPECT_OUTPUT("9 records in 1 segments");
    cr_assert_null(strchr(output, 0x1b));
    cr_assert_eq(RUN("spool", "status"), CTL_DONE);
    cr_assert_null(strchr(output, 0x1b));
    cr_assert_eq(RUN("spool", "status", "--json"), CTL_DONE);
}

/* --- places ----------------------------------------------------------------------------------- */

Test(ctl_spool, a_copied_directory)
{
    char copy[400], command[900];
    fill();
    close_spool();
    snprintf(copy, sizeof(copy), "%s/copy", dir);
    snprintf(command, sizeof(command), "cp -a %s %s", state_dir, copy);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(RUN("spool", "verify", "--dir", copy), CTL_DONE);
    EXPECT_OUTPUT("9 records");
    snprintf(command, sizeof(command), "%s/spool", copy);
    cr_assert_eq(RUN("spool", "verify", "--dir", command), CTL_DONE);
    EXPECT_OUTPUT("9 records");
    cr_assert_eq(RUN("spool", "ls", "--dir", "/nowhere"), CTL_FAILED);
    EXPECT_ERROR("/nowhere is no directory");
    cr_assert_eq(RUN("spool", "ls"), CTL_DONE);
}

Test(ctl_spool, a_missing_spool_is_said)
{
    cr_assert_eq(RUN("spool", "status"), CTL_FAILED);
    EXPECT_ERROR("cannot open the spool directory");
    EXPECT_ERROR(spool_dir);
    EXPECT_ERROR("; the gateway makes it when it starts\n");
    cr_assert_eq(mkdir(dead_dir, 0700), 0);
    cr_assert_eq(RUN("spool", "status", "--dir", state_dir), CTL_FAILED);
    EXPECT_ERROR("No such file or directory\n"); /* no gateway makes it in a copy */
}

/* "All sound" of something else would be believed. */
Test(ctl_spool, a_directory_that_is_no_gateways_is_refused)
{
    static const char *const verbs[] = {"status", "ls", "dump", "verify"};
    char var[320], var_spool[330];
    snprintf(var, sizeof(var), "%s/var", dir);
    snprintf(var_spool, sizeof(var_spool), "%s/spool", var);
    cr_assert_eq(mkdir(var, 0700), 0);
    for (int with_spool = 0; with_spool < 2; with_spool++) {
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
            cr_assert_eq(RUN("spool", verbs[i], "--dir", var), CTL_FAILED, "%s: %s", verbs[i],
                         output);
            cr_assert_str_empty(output);
            EXPECT_ERROR(var);
            EXPECT_ERROR("is no state directory of a gateway, nor a part of one: a state directory "
                         "has spool/ in it (segments, *.seg, and cursors)");
        }
        cr_assert_eq(RUN("spool", "dead", "list", "--json", "--dir", var), CTL_FAILED);
        cr_assert_str_empty(output);
        cr_assert_eq(RUN("spool", "dead", "drop", "--all", "--dir", var), CTL_FAILED);
        EXPECT_ERROR("is no state directory of a gateway");
        mkdir(var_spool, 0700); /* as in /var, and below it nothing of ours */
    }
    cr_assert_eq(mkdir(dead_dir, 0700), 0);
    cr_assert_eq(mkdir(spool_dir, 0700), 0);
    cr_assert_eq(RUN("spool", "verify", "--dir", state_dir), CTL_FAILED);
    EXPECT_ERROR("has neither segments (*.seg) nor cursors: it is no spool");
}

Test(ctl_spool, a_spools_own_directory_has_no_dead_letters)
{
    fill();
    close_spool();
    cr_assert_eq(RUN("spool", "verify", "--dir", spool_dir), CTL_DONE);
    cr_assert_str_eq(output,
                     "9 records in 1 segments: all sound\ndead letters: not looked at: this "
                     "is a spool's own directory, they lie in dead/ beside it\n");
    cr_assert_eq(RUN("spool", "verify", "--json", "--dir", spool_dir), CTL_DONE);
    json_t *json = parsed();
    cr_assert(json_is_null(json_object_get(json, "dead_letters")));
    json_decref(json);
    cr_assert_eq(RUN("spool", "status", "--dir", spool_dir), CTL_DONE);
    EXPECT_OUTPUT("\ndead letters: not looked at: ");
    cr_assert_eq(RUN("spool", "status", "--json", "--dir", spool_dir), CTL_DONE);
    json = parsed();
    cr_assert(json_is_null(json_object_get(json, "dead_letters")));
    json_decref(json);
    cr_assert_eq(RUN("spool", "dead", "list", "--dir", spool_dir), CTL_FAILED);
    EXPECT_ERROR("is a spool's own directory, without dead letters; they lie in dead/ beside it");
}

Test(ctl_spool, a_directory_of_dead_letters_has_no_spool)
{
    char path[400];
    cr_assert_eq(mkdir(dead_dir, 0700), 0);
    snprintf(path, sizeof(path), "%s/x.dead", dead_dir);
    put_bytes(path, "junk", 4);
    cr_assert_eq(RUN("spool", "dead", "list", "--dir", dead_dir), CTL_FAILED);
    EXPECT_OUTPUT("x.dead  (unreadable: not a dead letter");
    cr_assert_eq(RUN("spool", "verify", "--dir", dead_dir), CTL_FAILED);
    EXPECT_ERROR("is a directory of dead letters; the spool lies in spool/ beside it");
    cr_assert_str_empty(output);
}

Test(ctl_spool, a_gateway_that_has_received_nothing)
{
    open_spool();
    close_spool();
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(RUN("spool", "verify", "--dir", i == 0 ? state_dir : spool_dir), CTL_DONE);
        EXPECT_OUTPUT("0 records in 0 segments");
        EXPECT_OUTPUT(": nothing to check\n");
        cr_assert_eq(RUN("spool", "status", "--dir", i == 0 ? state_dir : spool_dir), CTL_DONE);
    }
}

Test(ctl_spool, wrong_use)
{
    cr_assert_eq(RUN("spool"), CTL_WRONG_USE);
    EXPECT_ERROR("a verb is missing: status, ls, dump, verify, dead");
    cr_assert_eq(RUN("spool", "eat"), CTL_WRONG_USE);
    cr_assert_eq(RUN("spool", "dead"), CTL_WRONG_USE);
    cr_assert_eq(RUN("spool", "dead", "eat"), CTL_WRONG_USE);
    EXPECT_ERROR("there are: list, show, retry, drop");
    cr_assert_eq(RUN("spool", "dead", "retry"), CTL_WRONG_USE);
    EXPECT_ERROR("retry takes names of letters, or --all");
    cr_assert_eq(RUN("spool", "dead", "drop", "x", "--all"), CTL_WRONG_USE);
    cr_assert_eq(RUN("spool", "--help"), CTL_DONE);
    EXPECT_OUTPUT("sigpostctl spool verify");
    cr_assert_eq(RUN("spool", "dead", "--help"), CTL_DONE);
    EXPECT_OUTPUT("sigpostctl spool dead retry");
}
