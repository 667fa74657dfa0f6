/* test_config_file.c: the file: types, ranges, unknown keys, syntax, and junk. */
#include "config_fixture.h"

#include "base/clock.h"

#include <sys/stat.h>

TestSuite(config_file, .fini = fixture_no_leaks);

#define S NS_PER_SECOND

static uint64_t size_of(const char *written)
{
    char text[128];
    snprintf(text, sizeof(text), "spool = { max_bytes = %s; };", written);
    struct config *c = fixture_good(text, NO_ENV);
    uint64_t value = c->spool.max_bytes;
    config_free(c);
    return value;
}

Test(config_file, sizes_in_every_unit)
{
    const uint64_t k = 1024;
    cr_assert_eq(size_of("16777216"), 16 * k * k);
    cr_assert_eq(size_of("\"16777216\""), 16 * k * k);
    cr_assert_eq(size_of("\"16777216B\""), 16 * k * k);
    cr_assert_eq(size_of("\"16384KiB\""), 16 * k * k);
    cr_assert_eq(size_of("\" 16 MiB \""), 16 * k * k);
    cr_assert_eq(size_of("\"2GiB\""), 2 * k * k * k);
    cr_assert_eq(size_of("\"2gib\""), 2 * k * k * k);
    cr_assert_eq(size_of("\"1TiB\""), k * k * k * k);
    cr_assert_eq(size_of("\"20000KB\""), 20000000);
    cr_assert_eq(size_of("\"20MB\""), 20000000);
    cr_assert_eq(size_of("\"2GB\""), 2000000000);
}

Test(config_file, numbers_past_32_bits_are_read_whole)
{
    cr_assert_eq(size_of("2147483647"), 2147483647);
    cr_assert_eq(size_of("2147483648"), 2147483648);
    cr_assert_eq(size_of("4294967296"), 4294967296);
    cr_assert_eq(size_of("4294967296L"), 4294967296);
    cr_assert_eq(size_of("0x100000000"), 4294967296);
    cr_assert_eq(size_of("0xFFFFFFFFL"), 4294967295);
    fixture_bad_file("spool = {\n max_bytes = 9223372036854775808; };",
                     "2: this number is too large; use at most 9223372036854775807");
    fixture_bad_file("spool = { max_bytes = 99999999999999999999999999L; };",
                     "1: this number is too large; use at most 9223372036854775807");
    fixture_bad_file("spool = { max_bytes = 0xFFFFFFFFFFFFFFFF; };",
                     "1: this number is too large; use at most 9223372036854775807");
    fixture_bad_file("session = { max = 4294967297; };",
                     "1: session.max: 4294967297 is out of range; use 1 to 100000");
    fixture_bad_file("session = { max = -4294967295; };",
                     "1: session.max: -4294967295 is out of range; use 1 to 100000");
}

static int64_t window_of(const char *written)
{
    char text[128];
    snprintf(text, sizeof(text), "auth = { window = %s; };", written);
    struct config *c = fixture_good(text, NO_ENV);
    int64_t value = c->auth.window;
    config_free(c);
    return value;
}

Test(config_file, durations_in_every_unit)
{
    cr_assert_eq(window_of("90"), 90 * S);
    cr_assert_eq(window_of("90L"), 90 * S);
    cr_assert_eq(window_of("\"90\""), 90 * S);
    cr_assert_eq(window_of("\"1500ms\""), 1500 * NS_PER_MS);
    cr_assert_eq(window_of("\"5s\""), 5 * S);
    cr_assert_eq(window_of("\"10 m\""), 600 * S);
    cr_assert_eq(window_of("\"2h\""), 7200 * S);
    cr_assert_eq(window_of("\"1d\""), 86400 * S);
}

Test(config_file, range_boundaries)
{
    static const struct {
        const char *key;
        const char *least, *most, *under, *over;
    } cases[] = {
        {"server.max_body", "1024", "64MiB", "1023", "67108865"},
        {"server.workers", "0", "256", "-1", "257"},
        {"auth.window", "1s", "86400", "999ms", "86401"},
        {"spool.wait", "0", "1m", "-1", "60001ms"},
        {"export.batch_age", "0ms", "60s", "-1ms", "61s"},
        {"rate.per_address", "0", "1000000", "-1", "1000001"},
        {"rate.burst", "1", "1000000", "0", "99999999999999999999"},
        {"session.idle_timeout", "1s", "30d", "0", "31d"},
        {"server.drain_timeout", "0", "1h", "-5s", "9223372036854775807d"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *dot = strchr(cases[i].key, '.');
        const char *const values[] = {cases[i].least, cases[i].most, cases[i].under, cases[i].over};
        for (size_t v = 0; v < 4; v++) {
            char text[128];
            snprintf(text, sizeof(text), "%.*s = { %s = \"%s\"; };", (int)(dot - cases[i].key),
                     cases[i].key, dot + 1, values[v]);
            struct config *c = fixture_load(text, NO_ENV);
            cr_assert_eq(c != NULL, v < 2, "%s: %s", text, fixture_why.text);
            cr_assert(v < 2 || strstr(fixture_why.text, " is out of range; use ") != NULL, "%s",
                      fixture_why.text);
            config_free(c);
        }
    }
    fixture_bad_file("server = { max_body = 1; };",
                     "1: server.max_body: 1 is out of range; use 1KiB to 64MiB");
    fixture_bad_file("auth = { window = 0; };", "1: auth.window: 0 is out of range; use 1s to 1d");
}

Test(config_file, ill_typed_values)
{
    static const char duration[] = "1: auth.window: \"%s\" is not a duration; write a whole number "
                                   "of seconds, or one with ms, s, m, h or d, such as 30s";
    static const char *const durations[] = {"5x", "s",    "",    "1.5s", "5 s s",
                                            "+5", "0x10", "5ss", "-",    "--5"};
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        char text[128];
        char sentence[256];
        snprintf(text, sizeof(text), "auth = { window = \"%s\"; };", durations[i]);
        snprintf(sentence, sizeof(sentence), duration, durations[i]);
        fixture_bad_file(text, sentence);
    }
    fixture_bad_file("auth = { window = 1.5; };",
                     "1: auth.window: \"1.5\" is not a duration; write a whole number of seconds, "
                     "or one with ms, s, m, h or d, such as 30s");
    fixture_bad_file("spool = { max_bytes = \"4M\"; };",
                     "1: spool.max_bytes: \"4M\" is not a size; write a whole number of bytes, or "
                     "one with B, KiB, MiB, GiB, KB, MB or GB, such as 4MiB");
    fixture_bad_file("session = { max = \"5s\"; };",
                     "1: session.max: \"5s\" is not a whole number");
    fixture_bad_file("session = { max = true; };",
                     "1: session.max: a boolean; write a whole number");
    fixture_bad_file("auth = { required = \"maybe\"; };",
                     "1: auth.required: \"maybe\" is neither true nor false; write true or false");
    fixture_bad_file("auth = { required = 2; };",
                     "1: auth.required: \"2\" is neither true nor false; write true or false");
    fixture_bad_file("auth = { required = [true]; };",
                     "1: auth.required: a list; write true or false");
    fixture_bad_file("auth = { window = { a = 1; }; };",
                     "1: auth.window: a group; write seconds as a number, or a duration such as "
                     "\"30s\"");
    fixture_bad_file("spool = { sync = \"Always\"; };", "1: spool.sync: \"Always\" is not known; "
                                                        "use one of: always, interval, never");
    fixture_bad_file("spool = { sync = 1; };", "1: spool.sync: a number; write a string in quotes");
    fixture_bad_file("state = { dir = 7; };", "1: state.dir: a number; write a string in quotes");
    fixture_bad_file("state = { dir = \"\"; };",
                     "1: state.dir: the path is empty; write one or leave the key out");
    fixture_bad_file("state = { dir = \"a\\nb\"; };",
                     "1: state.dir: the path has a control character; take it out");
}

Test(config_file, booleans)
{
    static const struct {
        const char *written;
        bool value;
    } cases[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false}, {"\"off\"", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "auth = { root_path = %s; };", cases[i].written);
        struct config *c = fixture_good(text, NO_ENV);
        cr_assert_eq(c->auth.root_path, cases[i].value);
        config_free(c);
    }
}

Test(config_file, lists)
{
    struct config *c = fixture_good("fleet = { drop_labels = [\"a\", \" b \"]; resource_labels = "
                                    "(\"c\"); }; server = { trusted_proxies = \"10.0.0.0/8,::1\"; "
                                    "};",
                                    NO_ENV);
    cr_assert_eq(c->fleet.drop_labels.n, 2);
    cr_assert_str_eq(c->fleet.drop_labels.items[1], "b");
    cr_assert_eq(c->fleet.resource_labels.n, 1);
    cr_assert_eq(c->server.n_trusted_proxies, 2);
    config_free(c);
    c = fixture_good("fleet = { drop_labels = []; }; server = { trusted_proxies = (); };", NO_ENV);
    cr_assert_eq(c->fleet.drop_labels.n, 0);
    cr_assert_eq(c->server.n_trusted_proxies, 0);
    config_free(c);
    fixture_bad_file("fleet = { drop_labels = [\"a\", \"\"]; };",
                     "1: fleet.drop_labels: part 2 of the list is empty; take it out");
    fixture_bad_file("fleet = { drop_labels = \"a,,b\"; };",
                     "1: fleet.drop_labels: part 2 of the list is empty; take it out");
    fixture_bad_file("fleet = { drop_labels = [1]; };", "1: fleet.drop_labels: a number; write a "
                                                        "list of strings, such as [\"a\", \"b\"]");
    fixture_bad_file("fleet = { drop_labels = (\"a\",\n{}); };",
                     "2: fleet.drop_labels: a group; write a list of strings, such as [\"a\", "
                     "\"b\"]");
    fixture_bad_file("server = {\n trusted_proxies = [\"10.0.0.1/8\"]; };",
                     "2: server.trusted_proxies: \"10.0.0.1/8\" is not an address range; write one "
                     "such as 10.0.0.0/8 or fd00::/8, with no bits set past the prefix, or a "
                     "single address");
}

Test(config_file, listen_addresses)
{
    static const char *const good[] = {"0.0.0.0:8080", ":8080",       ":0",           "[::]:80",
                                       "127.0.0.1:0",  "[fd00::1]:1", "1.2.3.4:65535"};
    static const char *const bad[] = {
        "",          "8080",    "0.0.0.0",     "0.0.0.0:", ":",          "localhost:1", "::1:80",
        "[::1]",     "[]:80",   "[1.2.3.4]:1", ":65536",   ":-1",        ":+1",         ":8 0",
        "[::1]x:80", "[::1:80", "*:80",        ":000080",  "1.2.3.4:80:"};
    char text[128];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof(text), "server = { listen = \"%s\"; };", good[i]);
        struct config *c = fixture_good(text, NO_ENV);
        cr_assert_str_eq(c->server.listen, good[i]);
        config_free(c);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char sentence[256];
        snprintf(text, sizeof(text), "server = { listen = \"%s\"; };", bad[i]);
        snprintf(sentence, sizeof(sentence),
                 "1: server.listen: \"%s\" is not an address to listen on; write address:port "
                 "with a numeric address, such as 0.0.0.0:8080, [::]:8080 or :8080",
                 bad[i]);
        fixture_bad_file(text, sentence);
    }
}

Test(config_file, places_to_send_a_browser_to)
{
    static const char *const bad[] = {"",         "lobby", "javascript:x", "ftp://x",
                                      "https://", "/a b",  "/a\\r\\nX: y", "http:///x",
                                      "/\xc3\xa9"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "session = { redirect = \"%s\"; };", bad[i]);
        cr_assert_null(fixture_load(text, NO_ENV), "%s", bad[i]);
        cr_assert_not_null(strstr(fixture_why.text, ":1: session.redirect: \""), "%s",
                           fixture_why.text);
    }
}

Test(config_file, base_paths)
{
    static const char *const good[][2] = {
        {"", ""}, {"/", ""}, {"/a", "/a"}, {"/ost_status/", "/ost_status"}, {"/a/b-c.d~e", NULL}};
    static const char *const bad[] = {"a",     "/a//b",  "/a b", "/a?b", "/../a",
                                      "/a/.b", "/a%2fb", "/{x}", "/<a>", "//a"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "server = { base_path = \"%s\"; };", good[i][0]);
        struct config *c = fixture_good(text, NO_ENV);
        cr_assert_str_eq(c->server.base_path, good[i][1] != NULL ? good[i][1] : good[i][0]);
        config_free(c);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "server = { base_path = \"%s\"; };", bad[i]);
        cr_assert_null(fixture_load(text, NO_ENV), "%s", bad[i]);
        cr_assert_not_null(strstr(fixture_why.text, "is not a base path"), "%s", fixture_why.text);
    }
}

Test(config_file, unknown_keys)
{
    fixture_bad_file("auth = {\n\n windw = 3; };",
                     "3: auth.windw: unknown key; did you mean auth.window?");
    fixture_bad_file("auth = { Window = 3; };",
                     "1: auth.Window: unknown key; did you mean auth.window?");
    fixture_bad_file("server = { required = true; };",
                     "1: server.required: unknown key; did you mean auth.required?");
    fixture_bad_file("auth = { frobnicate = 1; };", "1: auth.frobnicate: unknown key; "
                                                    "docs/configuration.md lists those there are");
    fixture_bad_file("\nsever = { listen = \":1\"; };",
                     "2: sever: unknown group; did you mean server?");
    fixture_bad_file("listen = \":1\";", "1: listen: unknown key; did you mean server.listen?");
    fixture_bad_file("zzzzz = 1;",
                     "1: zzzzz: unknown key; docs/configuration.md lists those there are");
    fixture_bad_file("zzzzz = {};",
                     "1: zzzzz: unknown group; docs/configuration.md lists those there are");
    fixture_bad_file("auth = 5;", "1: auth: a number; write a group { key = value; }");
    fixture_bad_file("auth = ({ window = 1; });",
                     "1: auth: a list; write a group { key = value; }");
}

Test(config_file, syntax)
{
    static const char group[] = "syntax error; write key = value; inside group = { ... };";
    char sentence[128];
    snprintf(sentence, sizeof(sentence), "3: %s", group);
    fixture_bad_file("auth = {\n window = 1;\n required 2; };", sentence);
    fixture_bad_file("auth = { window = 1; };\nauth = { window = 2; };",
                     "2: duplicate setting name; write each key and each group once, and lists of "
                     "one type");
    fixture_bad_file("auth = {\n window = 5m; };",
                     "2: a number with a unit must stand in quotes, such as \"30s\" or \"4MiB\"");
    fixture_bad_file("\n/* auth = {};\n\n", "2: this comment is not closed; end it with */");
    fixture_bad_file("/*/", "1: this comment is not closed; end it with */");
    fixture_bad_file("state = {\n dir = \"/x; };\n\n",
                     "2: this string is not closed; end it with \" on its line");
    fixture_bad_file("state = { dir = \"/x\\\"",
                     "1: this string is not closed; end it with \" on its line");
    fixture_bad_file("state = {\n dir = \"/x;\n};\nauth = { window = \"5m\"; };",
                     "2: this string is not closed; end it with \" on its line");
    fixture_bad_file("auth = {\n window = '5m'; };",
                     "2: text stands in double quotes, such as \"5m\"");
    fixture_bad_file("\n@include \"/tmp\"\n",
                     "2: @include is not supported; put all keys in this one file");
    cr_assert_null(fixture_load_bytes("auth\0 = {};", 11, NO_ENV));
    cr_assert_not_null(strstr(fixture_why.text, ":1: a NUL byte; the file must be plain text"));
}

Test(config_file, what_is_in_strings_and_comments_is_left_alone)
{
    struct config *c = fixture_good("# @include 5s 99999999999999999999 \"\n"
                                    "// /* \"\n"
                                    "/* # 5s\n @include \" */\n"
                                    "state : { dir = \"/a#b//c/*\\\"4294967296 5s@\"; }\n"
                                    "auth = { window = 7, root_path : false };",
                                    NO_ENV);
    cr_assert_str_eq(c->state.dir, "/a#b//c/*\"4294967296 5s@");
    cr_assert_eq(c->auth.window, 7 * S);
    config_free(c);
    config_free(fixture_good("# no newline at the end", NO_ENV));
    config_free(fixture_good("/**/", NO_ENV));
}

Test(config_file, files_that_are_none)
{
    struct result why = RESULT_INIT;
    cr_assert_null(config_load("/nonexistent/x.cfg", NO_ENV, &why));
    cr_assert_str_eq(why.text, "/nonexistent/x.cfg: the configuration cannot be read: No such file "
                               "or directory");
    cr_assert_null(config_load("/tmp", NO_ENV, &why));
    cr_assert_str_eq(why.text, "/tmp: not a regular file; name the configuration file");
    cr_assert_null(config_load("/dev/zero", NO_ENV, NULL));
    char path[] = "/tmp/sigpost-fifo-XXXXXX";
    cr_assert_not_null(mkdtemp(path));
    char fifo[64];
    snprintf(fifo, sizeof(fifo), "%s/fifo", path);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_null(config_load(fifo, NO_ENV, &why));
    unlink(fifo);
    rmdir(path);
    char *large = malloc(2 << 20);
    cr_assert_not_null(large);
    memset(large, '\n', 2 << 20);
    cr_assert_null(fixture_load_bytes(large, 2 << 20, NO_ENV));
    cr_assert_not_null(strstr(fixture_why.text, "over 1 MiB"));
    free(large);
}

/* A small generator of its own: the same junk on every run. */
static unsigned next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(*state >> 33);
}

Test(config_file, every_cut_of_a_good_file_is_read_or_refused_in_a_sentence)
{
    static const char good[] =
        "server = { listen = \"[::1]:80\"; trusted_proxies = [\"::1\"]; /* x */ };\n"
        "export = { destinations = ( { type = \"otlp\"; url = \"http://h\"; headers = "
        "[\"A: b\"]; }, { type = \"fleet\"; } ); batch_bytes = 4096; }; # end\n";
    for (size_t len = 0; len < sizeof(good); len++) {
        config_free(fixture_load_bytes(good, len, NO_ENV));
    }
    for (size_t at = 0; at + 1 < sizeof(good); at++) {
        char copy[sizeof(good)];
        memcpy(copy, good, sizeof(good));
        uint64_t state = at;
        for (int round = 0; round < 4; round++) {
            copy[at] = (char)next_random(&state);
            config_free(fixture_load_bytes(copy, sizeof(good) - 1, NO_ENV));
        }
    }
}

Test(config_file, junk_is_refused_in_a_sentence)
{
    static const char *const words[] = {"auth",        "export", "destinations",
                                        "=",           ":",      "{",
                                        "}",           "(",      ")",
                                        "[",           "]",      ";",
                                        ",",           "\"a\"",  "1",
                                        "99999999999", "1.5",    "true",
                                        "\n",          "#",      "/*",
                                        "*/",          "-",      "type",
                                        "\"otlp\"",    "url",    "\"http://h\"",
                                        "headers",     "0x",     "1e9",
                                        "L",           "\\",     "\xff",
                                        "window"};
    uint64_t state = 1;
    for (int round = 0; round < 1500; round++) {
        struct buf text = BUF_INIT;
        unsigned n = next_random(&state) % 40;
        for (unsigned i = 0; i < n; i++) {
            buf_append_str(&text, words[next_random(&state) % (sizeof(words) / sizeof(words[0]))]);
            buf_append_char(&text, ' ');
        }
        config_free(fixture_load_bytes(buf_slice(&text).data, text.len, NO_ENV));
        buf_free(&text);
    }
    for (size_t depth = 10; depth <= 100000; depth *= 10) {
        struct buf text = BUF_INIT;
        buf_append_str(&text, "export = { destinations = ");
        for (size_t i = 0; i < depth; i++) {
            buf_append_char(&text, '(');
        }
        cr_assert_null(fixture_load_bytes(text.data, text.len, NO_ENV));
        buf_free(&text);
    }
}
