/* test_listener.c: what server.listen may say, and sockets that workers share. */
#include "gateway/listener.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static unsigned port_of(const char *text, int family)
{
    struct listen_address address;
    struct result why = RESULT_INIT;
    cr_assert(listener_parse(text, &address, &why), "%s: %s", text, why.text);
    cr_assert_eq(address.storage.ss_family, family, "%s", text);
    return listener_port(&address);
}

Test(listener, parses_each_form)
{
    cr_assert_eq(port_of("127.0.0.1:8080", AF_INET), 8080);
    cr_assert_eq(port_of("0.0.0.0:0", AF_INET), 0);
    cr_assert_eq(port_of(":9", AF_INET), 9);
    cr_assert_eq(port_of("[::1]:65535", AF_INET6), 65535);
    cr_assert_eq(port_of("[::]:80", AF_INET6), 80);
}

Test(listener, refuses_what_is_not_numeric)
{
    static const char *const bad[] = {"",          "8080", "localhost:80", "127.0.0.1:http",
                                      "1.2.3:80x", "[::1]"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct listen_address address;
        struct result why = RESULT_INIT;
        cr_expect_not(listener_parse(bad[i], &address, &why), "%s", bad[i]);
        cr_expect(strstr(why.text, "server.listen") != NULL, "%s", why.text);
    }
}

Test(listener, workers_share_a_chosen_port)
{
    struct listen_address address;
    struct result why = RESULT_INIT;
    cr_assert(listener_parse("127.0.0.1:0", &address, &why));
    int first = listener_open(&address, &why);
    cr_assert_geq(first, 0, "%s", why.text);
    unsigned port = listener_port(&address);
    cr_assert_neq(port, 0);
    int second = listener_open(&address, &why);
    cr_assert_geq(second, 0, "%s", why.text);
    cr_assert_eq(listener_port(&address), port);
    struct result taken = RESULT_INIT;
    cr_assert_not(listener_is_free(&address, &taken));
    cr_assert(strstr(taken.text, "in use") != NULL, "%s", taken.text);
    close(first);
    close(second);
    cr_assert(listener_is_free(&address, &why), "%s", why.text);
}

Test(listener, says_when_the_address_is_not_ours)
{
    struct listen_address address;
    struct result why = RESULT_INIT;
    cr_assert(listener_parse("203.0.113.7:18080", &address, &why));
    cr_assert_eq(listener_open(&address, &why), -1);
    cr_assert(strstr(why.text, "18080") != NULL, "%s", why.text);
}
