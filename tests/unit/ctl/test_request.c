/* test_request.c: requests as they are pasted: header lines and curl commands. */
#include "ctl/request.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct request request;
static struct result why;

static bool read_text(const char *text)
{
    FILE *in = fmemopen((char *)text, strlen(text), "r");
    cr_assert_not_null(in);
    why = RESULT_INIT;
    bool ok = request_read(in, &request, &why);
    fclose(in);
    cr_assert_eq(ok, why.text[0] == '\0', "%s: %s", text, why.text);
    return ok;
}

/* "METHOD path?query" and each header as "|name=value". */
static const char *shown(void)
{
    static char text[2048];
    int len = snprintf(text, sizeof(text), "%.*s %.*s%s%.*s", (int)request.method.len,
                       request.method.data != NULL ? request.method.data : "",
                       (int)request.path.len, request.path.data != NULL ? request.path.data : "",
                       request.query.data != NULL ? "?" : "", (int)request.query.len,
                       request.query.data != NULL ? request.query.data : "");
    for (size_t i = 0; i < request.n_headers; i++) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, "|%.*s=%.*s",
                        (int)request.headers[i].name.len, request.headers[i].name.data,
                        (int)request.headers[i].value.len, request.headers[i].value.data);
    }
    return text;
}

static void expect_all(const char *const cases[][2], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cr_assert(read_text(cases[i][0]), "%s: %s", cases[i][0], why.text);
        cr_assert_str_eq(shown(), cases[i][1], "%s", cases[i][0]);
        request_free(&request);
    }
}

static void expect_refusals(const char *const cases[][2], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        cr_assert_not(read_text(cases[i][0]), "%s", cases[i][0]);
        cr_assert_not_null(strstr(why.text, cases[i][1]), "%s: %s", cases[i][0], why.text);
        cr_assert_eq(request.n_headers, 0);
    }
}
#define COUNT(cases) (sizeof(cases) / sizeof((cases)[0]))

Test(request, header_lines)
{
    static const char *const cases[][2] = {
        {"A: b\nC:d\n", " |A= b|C=d"},
        {"A: b\r\n\r\nbody", " |A= b"},
        {"A: b\n\nno header", " |A= b"},
        {"POST /v1/metrics?x=1#f HTTP/1.1\r\nA: b\r\n", "POST /v1/metrics?x=1|A= b"},
        {"GET / HTTP/1.0\n", "GET /"},
        {"A: b", " |A= b"},
        {"\n\n  A: b \n\tC:d\r\n\nE: f", " |A= b|C=d"},
        {"POST /v1/metrics HTTP/2\nA: b", "POST /v1/metrics|A= b"},
        {"* Connected to h\n> POST /a?b HTTP/1.1\r\n> A: b\r\n>C: d\n> \n< HTTP/1.1 200 OK\n",
         "POST /a?b|A= b|C= d"},
        {"-H 'A: b' \\\n  -H \"C: 'd'\" ^\r\n--header 'E:f'\n-HG:h\n", " |A= b|C= 'd'|E=f|G=h"},
    };
    static const char *const refused[][2] = {
        {"A: b\nno colon\n", "line 2 is no header line: \"no colon\"; write \"Name: value\""},
        {": value\n", "line 1 is no header line"},
        {"A: b\nPOST / HTTP/1.1\n", "line 2 is no header line"},
        {" HTTP/1.1\n", "line 1 is no header line"},
        {"A B / HTTP/1.1: x\n", "line 1 is no header line"},
        {"A b: c\n", "line 1 is no header line: \"A b: c\""},
        {"'A': 'c',\n", "line 1 is no header line"},
        {"A : c\n", "line 1 is no header line"},
        {"A: b\n-H 'C: d\n", "line 2 is no header line"},
        {"{\"X-KMS-Signature\": \"ab\",\n", "line 1 is no header line: \"{\""},
        {"\"X-KMS-Signature\": \"ab\",\n\"u\": \"http://h\"", "line 1 is no header line"},
        {"X\xc3\xa4: b\n", "line 1 is no header line"},
        {"\n", "nothing was read: standard input is to hold header lines"},
        {" \t\r\n\n", "nothing was read"},
        {"123456789012345678901234567890123456789012345678901234567890+more",
         "\"123456789012345678901234567890123456789012345678901234567890...\""},
    };
    expect_all(cases, COUNT(cases));
    expect_refusals(refused, COUNT(refused));
}

Test(request, long_headers_are_refused)
{
    char *text = malloc(300001);
    memset(text, 'x', 300000);
    text[300000] = '\0';
    const char *const whole[][2] = {{text, "longer than 262144 bytes"}};
    expect_refusals(whole, 1);
    text[0] = 'A';
    text[1] = ':';
    text[20000] = '\n';
    const char *const line[][2] = {{text, "line 1 is longer than 16384 bytes"}};
    expect_refusals(line, 1);
    memcpy(text, "curl ", 5);
    const char *const command[][2] = {{text, "command is longer"}};
    expect_refusals(command, 1);
    free(text);
}

Test(request, curl_commands)
{
    static const char *const cases[][2] = {
        {"curl http://h:1/v1/metrics", "GET /v1/metrics"},
        {"curl http://h", "GET /"},
        {"curl h:8080/a/b?c=d#e", "GET /a/b?c=d"},
        {"curl https://h?x", "GET /?x"},
        {"$ curl -XPOST http://h/a", "POST /a"},
        {"/usr/bin/curl --request PUT --url http://h/a", "PUT /a"},
        {"curl.exe -d @f http://h/a", "POST /a"},
        {"curl -sSfd @f -HA:b http://h/a -H 'C: d'", "POST /a|A=b|C= d"},
        {"curl --header 'A: b' --data-binary @x --header \"C: d\" http://h/a", "POST /a|A= b|C= d"},
        {"curl \\\n  -H 'A: b' \\\r\n  --json '{}' 'http://h/a'", "POST /a|A= b"},
        {"curl -G -d x=1 http://h/a", "GET /a"},
        {"curl -I http://h/a", "HEAD /a"},
        {"curl -T f http://h/a", "PUT /a"},
        {"curl -X POST -T f http://h/a", "POST /a"},
        {"curl -o out -w '%{http_code}' -m 5 -A agent -u a:b -x proxy:1 http://h/a", "GET /a"},
        {"curl --connect-timeout 3 --cacert ca --resolve a:1:b --retry 3 --tls-max 1.2 http://h/a",
         "GET /a"},
        {"curl --compressed --insecure --no-progress-meter http://h/a", "GET /a"},
        {"curl -H 'Expect:' -H 'Empty;' -H 'Blank: ' http://h/a", "GET /a|Empty="},
        {"curl '-- ' '-- proxy' '--proxy ' http://h/a", "GET /a"},
        {"curl --url-query q=1 http://h/a", "GET /a?q=1"},
        {"curl http://h/a -- -H", NULL},
        {"curl http://h/a --next http://h/b", "GET /a"},
        {"curl http://h/a -d x | jq .", "POST /a"},
        {"curl http://h/a -H $'A: b\\'c' > out", "GET /a|A= b'c"},
        {"cat x | curl -d @- http://h/a | jq .", "POST /a"},
        {"echo 'a | curl b' |\n curl http://h/a", "GET /a"},
        {"cd /tmp && sudo -u www-data curl -H A:b http://h/a; echo done", "GET /a|A=b"},
        {"env B=c /usr/bin/curl http://h/a", "GET /a"},
        {"B=c curl http://h/a", "GET /a"},
        {"user@host:~$ curl http://h/a", "GET /a"},
        {"docker exec -it x curl http://h/a", "GET /a"},
        {"date\n# a remark\ncurl http://h/a\n", "GET /a"},
        {"curl -X POST ^\r\n  -H \"A: b\" ^\n  http://h/a", "POST /a|A= b"},
        {"curl http://h/^a", "GET /^a"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (cases[i][1] != NULL) {
            expect_all(&cases[i], 1);
        }
    }
}

Test(request, curl_commands_that_are_refused)
{
    static const char *const cases[][2] = {
        {"curl -X POST", "has no URL"},
        {"curl", "has no URL"},
        {"curl http://h/a http://h/b", "two URLs, http://h/a and http://h/b"},
        {"curl http://h/a -- -H", "two URLs"},
        {"curl http://h/a -H", "curl's -H needs a value"},
        {"curl http://h/a --header", "curl's --header needs a value"},
        {"curl http://h/a --max-time", "curl's --max-time needs a value"},
        {"curl http://h/a -H @file", "reads headers from a file"},
        {"curl http://h/a -H nonsense", "-H \"nonsense\" is not"},
        {"curl http://h/a -H 'A b: c'", "-H \"A b: c\" is not"},
        {"wget --header='A: b' http://h/a", "of commands only curl is read, not wget"},
        {"cat curl\nhttp POST h/a A:b", "of commands only curl is read, not http;"},
        {"cat x | grep curl", "line 1 is no header line: \"cat x | grep curl\""},
        {"cat x | curl", "has no URL"},
        {"curl http://h/a -H \"X-KMS-Signature: $SIG\"", "filled in by the shell"},
        {"curl 'http://h/a", "not closed"},
    };
    expect_refusals(cases, COUNT(cases));
    FILE *in = fmemopen((char[]){"curl a\0b"}, 8, "r");
    cr_assert_not(request_read(in, &request, &why));
    cr_assert_not_null(strstr(why.text, "NUL"));
    fclose(in);
}

/* Not a curl command, though it begins like one. */
Test(request, what_only_looks_like_curl)
{
    cr_assert(read_text("curly: brace\n"));
    cr_assert_not(request.curl);
    cr_assert_str_eq(shown(), " |curly= brace");
    request_free(&request);
}
