/* test_config_destinations.c: the list of destinations: names, URLs, headers, and its three forms.
 */
#include "config_fixture.h"

TestSuite(config_destinations, .fini = fixture_no_leaks);

static struct config *with(const char *destinations, char *const *env)
{
    char text[2048];
    snprintf(text, sizeof(text), "export = { destinations = ( %s ); };", destinations);
    return fixture_load(text, env);
}

static void bad(const char *destinations, const char *sentence)
{
    char text[2048];
    snprintf(text, sizeof(text), "export = { destinations = ( %s ); };", destinations);
    fixture_bad_file(text, sentence);
}

static void expect_list(struct config *c, const char *expected)
{
    struct buf out = BUF_INIT;
    cr_assert_not_null(c, "%s", fixture_why.text);
    for (size_t i = 0; i < c->export.n_destinations; i++) {
        const struct config_destination *d = &c->export.destinations[i];
        buf_printf(&out, "%s%s(%s)", i == 0 ? "" : " ", d->name, d->url != NULL ? d->url : "");
        cr_assert_eq(d->type == CONFIG_DESTINATION_FLEET, d->url == NULL);
    }
    cr_assert_str_eq(buf_cstr(&out), expected);
    buf_free(&out);
    config_free(c);
}

Test(config_destinations, all_fields)
{
    struct config *c =
        with("{ type = \"otlp\"; url = \"HTTPS://h:4318/base//\"; name = \"main-1_x\";"
             "  compression = \"gzip\"; ca_file = \"/ca.pem\";"
             "  headers = [\"Authorization: Bearer a:b \", \"X-A:c\"]; },"
             "{ type = \"otlp\"; url = \"http://[::1]:1\"; compression = \"none\";"
             "  headers = { X-B = \"d e\"; }; }",
             NO_ENV);
    cr_assert_not_null(c, "%s", fixture_why.text);
    const struct config_destination *d = c->export.destinations;
    cr_assert_str_eq(d[0].url, "HTTPS://h:4318/base");
    cr_assert_str_eq(d[0].name, "main-1_x");
    cr_assert_eq(d[0].compression, CONFIG_COMPRESSION_GZIP);
    cr_assert_str_eq(d[0].ca_file, "/ca.pem");
    cr_assert_eq(d[0].n_headers, 2);
    cr_assert_str_eq(d[0].headers[0].name, "Authorization");
    cr_assert_str_eq(d[0].headers[0].value, "Bearer a:b");
    cr_assert_str_eq(d[0].headers[1].value, "c");
    cr_assert_str_eq(d[1].name, "otlp");
    cr_assert_eq(d[1].compression, CONFIG_COMPRESSION_NONE);
    cr_assert_null(d[1].ca_file);
    cr_assert_str_eq(d[1].headers[0].name, "X-B");
    cr_assert_str_eq(d[1].headers[0].value, "d e");
    config_free(c);
}

Test(config_destinations, names_are_given_around_those_that_are_taken)
{
    expect_list(with("{type=\"otlp\";url=\"http://a\";},{type=\"otlp\";url=\"http://b\";"
                     "name=\"otlp\";},{type=\"fleet\";},{type=\"otlp\";url=\"http://c\";},"
                     "{type=\"otlp\";url=\"http://d\";name=\"otlp2\";}",
                     NO_ENV),
                "otlp3(http://a) otlp(http://b) fleet() otlp4(http://c) otlp2(http://d)");
    bad("{type=\"otlp\";url=\"http://a\";name=\"x\";},{type=\"fleet\";name=\"x\";}",
        "1: export.destinations: two destinations are named \"x\"; give each its own name");
    static const char *const names[] = {"",    "X",  "a b",
                                        "a/b", "..", "abcdefghijklmnopqrstuvwxyz0123456"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[128];
        char sentence[160];
        snprintf(text, sizeof(text), "{type=\"fleet\"; name=\"%s\";}", names[i]);
        snprintf(sentence, sizeof(sentence),
                 "1: export.destinations.name: \"%s\" is not a name; use 1 to 32 of a-z 0-9 _ -",
                 names[i]);
        bad(text, sentence);
    }
}

Test(config_destinations, from_the_environment_in_place_of_the_file)
{
    expect_list(with("{type=\"otlp\";url=\"http://f\";}",
                     ENV("SIGPOST_EXPORT_DESTINATIONS= otlp= http://a/ , fleet,otlp=https://b:1")),
                "otlp(http://a) fleet() otlp2(https://b:1)");
    fixture_bad_env("SIGPOST_EXPORT_DESTINATIONS=fleet,kafka",
                    "environment SIGPOST_EXPORT_DESTINATIONS: export.destinations: \"kafka\" is "
                    "not a destination; write a comma-separated list of fleet and otlp=URL, such "
                    "as fleet,otlp=http://collector:4318");
    fixture_bad_env("SIGPOST_EXPORT_DESTINATIONS=fleet,fleet",
                    "environment SIGPOST_EXPORT_DESTINATIONS: export.destinations: fleet is listed "
                    "twice; list it once");
}

Test(config_destinations, the_collector_url_adds_one)
{
    expect_list(fixture_load("", ENV("SIGPOST_COLLECTOR_URL=http://h:4318/")),
                "fleet() otlp(http://h:4318)");
    expect_list(with("{type=\"otlp\";url=\"http://f\";}", ENV("SIGPOST_COLLECTOR_URL=http://h")),
                "otlp(http://f) otlp2(http://h)");
    expect_list(with("{type=\"otlp\";url=\"http://h/\";}", ENV("SIGPOST_COLLECTOR_URL=http://h")),
                "otlp(http://h)");
    expect_list(fixture_load("", ENV("SIGPOST_COLLECTOR_URL=http://h",
                                     "SIGPOST_EXPORT_DESTINATIONS=fleet,otlp=http://g")),
                "fleet() otlp(http://g) otlp2(http://h)");
    expect_list(fixture_load("", ENV("SIGPOST_COLLECTOR_URL=")), "fleet()");
    fixture_bad_env("SIGPOST_COLLECTOR_URL=h:4318",
                    "environment SIGPOST_COLLECTOR_URL: export.destinations.url: \"h:4318\" is not "
                    "a URL with http:// or https:// and a host; write one such as "
                    "http://collector:4318");
}

Test(config_destinations, urls)
{
    static const char *const good[] = {"http://h",
                                       "https://h:1/a/b",
                                       "http://[fd00::1]",
                                       "http://[::1]:65535/x",
                                       "http://10.0.0.1:4318",
                                       "http://h/a@b:c"};
    static const char *const wrong[] = {"",
                                        "h",
                                        "ftp://h",
                                        "http://",
                                        "http:///x",
                                        "http://:80",
                                        "http://h:",
                                        "http://h:0",
                                        "http://h:x",
                                        "http://h:65536",
                                        "http://::1",
                                        "http://[::1",
                                        "http://[]",
                                        "http://h h",
                                        "http://[h]",
                                        "http://a:1:2",
                                        "http://[::1]x",
                                        "http://h]",
                                        "//h",
                                        "http:/h",
                                        "http://\xc3\xa9"};
    char variable[128];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(variable, sizeof(variable), "SIGPOST_EXPORT_DESTINATIONS=otlp=%s", good[i]);
        struct config *c = fixture_good("", ENV(variable));
        cr_assert_str_eq(c->export.destinations[0].url, good[i]);
        config_free(c);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "{type=\"otlp\"; url=\"%s\";}", wrong[i]);
        cr_assert_null(with(text, NO_ENV), "%s was accepted", wrong[i]);
        cr_assert_not_null(strstr(fixture_why.text, "export.destinations.url: \""), "%s",
                           fixture_why.text);
        cr_assert_not_null(strstr(fixture_why.text, "is not a URL with http:// or https:// and a "
                                                    "host; write one such as"));
    }
    bad("{type=\"otlp\"; url=\"http://h/x?y=1\";}",
        "1: export.destinations.url: \"http://h/x?y=1\" has a query or a fragment; write the base "
        "URL only: /v1/metrics and the like are added to it");
    bad("{type=\"otlp\"; url=\"http://h#x\";}",
        "1: export.destinations.url: \"http://h#x\" has a query or a fragment; write the base URL "
        "only: /v1/metrics and the like are added to it");
    bad("{type=\"otlp\"; url=\"https://user:hush@h\";}",
        "1: export.destinations.url: a user name or password in the URL is not supported; take it "
        "out and use headers, such as \"Authorization: Basic ...\"");
}

Test(config_destinations, what_is_refused)
{
    bad("", "1: export.destinations: the list is empty; list at least one, such as { type = "
            "\"fleet\"; }");
    bad("\"fleet\"", "1: export.destinations: a string; write a group such as { type = \"otlp\"; "
                     "url = \"http://host:4318\"; }");
    bad("{}", "1: export.destinations.type: missing, or not a string; use one of: fleet, otlp");
    bad("{type=1;}",
        "1: export.destinations.type: missing, or not a string; use one of: fleet, otlp");
    bad("{type=\"kafka\";}",
        "1: export.destinations.type: this type is not known; use one of: fleet, otlp");
    bad("{type=\"otlp\";}",
        "1: export.destinations.url: missing; add url = \"http://collector:4318\"");
    bad("{type=\"fleet\";\n url=\"http://h\";}",
        "2: export.destinations.url: only for type \"otlp\"; take it out of this \"fleet\"");
    bad("{type=\"fleet\"; headers=[\"A: b\"];}",
        "1: export.destinations.headers: only for type \"otlp\"; take it out of this \"fleet\"");
    bad("{type=\"fleet\";},{type=\"fleet\";}",
        "1: export.destinations: fleet is listed twice; list it once");
    bad("{type=\"otlp\"; url=1;}",
        "1: export.destinations.url: a number; write a string in quotes");
    bad("{type=\"otlp\"; url=\"http://h\"; compression=\"lz4\";}",
        "1: export.destinations.compression: \"lz4\" is not known; use one of: none, gzip, "
        "zstd");
    bad("{type=\"otlp\"; url=\"http://h\"; compresion=\"gzip\";}",
        "1: export.destinations.compresion: unknown key; did you mean compression?");
    bad("{type=\"otlp\"; url=\"http://h\"; zzzzzzz=\"gzip\";}",
        "1: export.destinations.zzzzzzz: unknown key; a destination has type, name, url, "
        "signals, compression, headers and ca_file");
    bad("{type=\"otlp\"; url=\"http://h\"; ca_file=\"\";}",
        "1: export.destinations.ca_file: the path is empty; write one or leave the key out");
    fixture_bad_file("export = { destinations = \"fleet\"; };",
                     "1: export.destinations: a string; write a list such as ( { type = "
                     "\"fleet\"; } )");
}

Test(config_destinations, signals)
{
    struct config *c = with("{type=\"otlp\"; url=\"http://a\"; compression=\"zstd\";"
                            " signals=[\"logs\", \"metrics\", \"logs\"];},"
                            "{type=\"otlp\"; url=\"http://b\"; signals=(\"profiles\");},"
                            "{type=\"otlp\"; url=\"http://c\";}, {type=\"fleet\";}",
                            NO_ENV);
    cr_assert_not_null(c, "%s", fixture_why.text);
    const struct config_destination *d = c->export.destinations;
    cr_assert_eq(d[0].compression, CONFIG_COMPRESSION_ZSTD);
    cr_assert_eq(d[0].signals, CONFIG_SIGNAL_METRICS | CONFIG_SIGNAL_LOGS);
    cr_assert_eq(d[1].signals, CONFIG_SIGNAL_PROFILES);
    cr_assert_eq(d[2].signals, CONFIG_SIGNALS_ALL);
    cr_assert_eq(d[3].signals, CONFIG_SIGNAL_METRICS);
    config_free(c);
    bad("{type=\"otlp\"; url=\"http://a\"; signals=[];}",
        "1: export.destinations.signals: the list is empty; list at least one, or leave the key "
        "out for all");
    bad("{type=\"otlp\"; url=\"http://a\"; signals=\"metrics\";}",
        "1: export.destinations.signals: a string; write a list such as [\"metrics\", "
        "\"traces\"]");
    bad("{type=\"otlp\"; url=\"http://a\"; signals=[1];}",
        "1: export.destinations.signals: a number; write a list such as [\"metrics\", "
        "\"traces\"]");
    bad("{type=\"otlp\"; url=\"http://a\"; signals=[\"metrics\", \"Traces\"];}",
        "1: export.destinations.signals: \"Traces\" is not known; use some of: metrics, traces, "
        "logs, profiles");
    bad("{type=\"fleet\"; signals=[\"traces\"];}",
        "1: export.destinations.signals: only for type \"otlp\"; take it out of this \"fleet\", "
        "which takes metrics");
}

static void expect_orphans(const char *destinations, const char *sentence)
{
    struct buf out = BUF_INIT;
    struct config *c = with(destinations, NO_ENV);
    cr_assert_not_null(c, "%s", fixture_why.text);
    config_warnings(c, NO_ENV, &out);
    cr_assert_eq(strstr(buf_cstr(&out), "thrown away") != NULL, sentence != NULL, "%s",
                 buf_cstr(&out));
    cr_assert(sentence == NULL || strstr(buf_cstr(&out), sentence) != NULL, "%s", buf_cstr(&out));
    buf_free(&out);
    config_free(c);
}

Test(config_destinations, signals_that_have_nowhere_to_go_are_warned_of)
{
    expect_orphans("{type=\"fleet\";}", "export.destinations: none takes traces and logs; what "
                                        "clients send of that is answered 200 and thrown away\n");
    expect_orphans("{type=\"otlp\"; url=\"http://a\";}", NULL);
    expect_orphans("{type=\"fleet\";}, {type=\"otlp\"; url=\"http://a\"; signals=[\"logs\"];}",
                   "none takes traces; what");
    expect_orphans("{type=\"otlp\"; url=\"http://a\"; signals=[\"profiles\"];}",
                   "none takes metrics, traces and logs; what");
}

Test(config_destinations, at_most_eight)
{
    struct buf list = BUF_INIT;
    for (int i = 0; i < 8; i++) {
        buf_printf(&list, "%s{type=\"otlp\";url=\"http://h%d\";}", i == 0 ? "" : ",", i);
    }
    struct config *c = with(buf_cstr(&list), NO_ENV);
    cr_assert_not_null(c);
    cr_assert_str_eq(c->export.destinations[7].name, "otlp8");
    config_free(c);
    cr_assert_null(with(buf_cstr(&list), ENV("SIGPOST_COLLECTOR_URL=http://z")));
    cr_assert_str_eq(fixture_why.text, "environment SIGPOST_COLLECTOR_URL: export.destinations: "
                                       "more than 8 destinations");
    buf_append_str(&list, ",{type=\"fleet\";}");
    bad(buf_cstr(&list), "1: export.destinations: more than 8 destinations");
    buf_free(&list);
}

static void bad_header(const char *headers, const char *sentence)
{
    char text[512];
    char full[512];
    snprintf(text, sizeof(text), "{type=\"otlp\"; url=\"http://h\"; headers=%s;}", headers);
    snprintf(full, sizeof(full), "1: export.destinations.headers: %s", sentence);
    bad(text, full);
}

Test(config_destinations, headers)
{
    static const char no_name[] = "a header's name is missing or has a character that is not "
                                  "allowed; write \"Name: value\"";
    static const char no_value[] = "the value of A is empty, too long or has a control character; "
                                   "write \"Name: value\"";
    bad_header("[\": b\"]", no_name);
    bad_header("[\"\"]", no_name);
    bad_header("[\"A b: c\"]", no_name);
    bad_header("[\"A\\r\\nB: c\"]", no_name);
    bad_header("[\"A\"]", no_value);
    bad_header("[\"A:  \"]", no_value);
    bad_header("[\"A: b\\r\\nC: d\"]", no_value);
    bad_header("[\"content-TYPE: b\"]", "content-TYPE is set by sigpost itself; take it out");
    bad_header("[1]", "a number; write strings \"Name: value\"");
    bad_header("\"A: b\"", "a string; write a list of strings \"Name: value\"");
    bad_header("{ A = 1; }", "a number; write Name = \"value\"");
    bad_header("{ A = \"\"; }", no_value);
    struct buf many = BUF_INIT;
    buf_append_str(&many, "[\"A: b\"");
    for (int i = 0; i < 32; i++) {
        buf_append_str(&many, ",\"A: b\"");
    }
    buf_append_str(&many, "]");
    bad_header(buf_cstr(&many), "more than 32 headers");
    buf_free(&many);
}
