/* test_health_push.c: the URL that is called, what of it may be shown, and which answers count. */
#include "gateway/health_push.h"

#include "gateway/http_call.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void expect_url(const char *base, const struct canary_outcome *outcome, const char *wanted)
{
    struct buf url = BUF_INIT;
    health_push_url(&url, base, outcome);
    cr_expect_str_eq(buf_cstr(&url), wanted);
    buf_free(&url);
}

Test(health_push, up_tells_whole_milliseconds_rounded_up)
{
    expect_url("http://k/api/push/t", &(struct canary_outcome){true, 12000000, "", ""},
               "http://k/api/push/t?status=up&msg=OK&ping=12");
    expect_url("http://k/api/push/t", &(struct canary_outcome){true, 12000001, "", ""},
               "http://k/api/push/t?status=up&msg=OK&ping=13");
    expect_url("http://k/api/push/t", &(struct canary_outcome){true, 1, "", ""},
               "http://k/api/push/t?status=up&msg=OK&ping=1");
}

Test(health_push, down_names_the_hop_encoded)
{
    expect_url("http://k/api/push/t",
               &(struct canary_outcome){false, 5, "otlp", "http://c:4318: 404 & \"x\"#\n\xc3\xbc"},
               "http://k/api/push/t?status=down&msg=otlp%3A%20http%3A%2F%2Fc%3A4318%3A%20404%20%26"
               "%20%22x%22%23%0A%C3%BC");
}

Test(health_push, what_it_was_pasted_with_is_replaced)
{
    const struct canary_outcome up = {true, 7000000, "", ""};
    expect_url("http://k/api/push/t?status=up&msg=OK&ping=", &up,
               "http://k/api/push/t?status=up&msg=OK&ping=7");
    expect_url("http://k/p?key=1&msg=OK&statusx=2", &up,
               "http://k/p?key=1&statusx=2&status=up&msg=OK&ping=7");
    expect_url("http://k/p?", &up, "http://k/p?status=up&msg=OK&ping=7");
    expect_url("http://k/p?&&msg&ping", &up, "http://k/p?status=up&msg=OK&ping=7");
}

static void expect_shown(const char *url, const char *wanted)
{
    struct buf shown = BUF_INIT;
    health_push_shown_url(&shown, url);
    cr_expect_str_eq(buf_cstr(&shown), wanted);
    buf_free(&shown);
}

Test(health_push, neither_token_nor_password_is_shown)
{
    expect_shown("https://kuma.example.org/api/push/t0k", "https://kuma.example.org/...");
    expect_shown("https://u:p@w@kuma:3001/api/push/t0k?key=s", "https://kuma:3001/...");
    expect_shown("http://kuma?token=s", "http://kuma/...");
}

static bool taken(long status, const char *type, const char *body, const char *said)
{
    struct http_call_answer answer = {.status = status, .body_len = strlen(body)};
    struct result problem = RESULT_INIT;
    snprintf(answer.content_type, sizeof(answer.content_type), "%s", type);
    memcpy(answer.body, body, strlen(body));
    snprintf(answer.problem, sizeof(answer.problem), "no route");
    bool good = health_push_taken(&answer, &problem);
    cr_expect(strstr(problem.text, said) != NULL, "%s", problem.text);
    return good;
}

Test(health_push, which_answers_count)
{
    cr_expect(taken(200, "application/json; charset=utf-8", "{\"ok\":true}", ""));
    cr_expect(taken(204, "", "", ""));
    cr_expect_not(taken(0, "", "", "no route"));
    cr_expect_not(taken(404, "application/json", "{\"ok\":false,\"msg\":\"Monitor not found\"}",
                        "answered 404: {\"ok\":false,\"msg\":\"Monitor not found\"}"));
    cr_expect_not(taken(302, "", "", "answered 302"));
    cr_expect_not(taken(200, "TEXT/html; charset=utf-8", "<html>", "web page"));
}
