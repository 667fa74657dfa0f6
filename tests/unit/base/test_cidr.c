/* test_cidr.c: addresses, ranges, and every prefix length. */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

static struct ip_addr ip(const char *text)
{
    struct ip_addr addr;
    cr_assert(ip_parse(slice_of(text), &addr), "%s", text);
    return addr;
}

static struct cidr range(const char *text)
{
    struct cidr parsed;
    cr_assert(cidr_parse(slice_of(text), &parsed), "%s", text);
    return parsed;
}

Test(cidr, text_and_back)
{
    static const char *const texts[] = {"0.0.0.0",
                                        "10.1.2.3",
                                        "255.255.255.255",
                                        "::",
                                        "::1",
                                        "fd00::1",
                                        "2001:db8::1:0:0:ffff",
                                        "fe80::1",
                                        "1:2:3:4:5:6:7:8"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char out[IP_TEXT_MAX];
        struct ip_addr addr = ip(texts[i]);
        ip_format(&addr, out);
        cr_assert_str_eq(out, texts[i]);
    }
    struct ip_addr mapped = ip("::ffff:10.1.2.3");
    struct ip_addr plain = ip("10.1.2.3");
    cr_assert_eq(memcmp(&mapped, &plain, sizeof(plain)), 0);
    char longest[IP_TEXT_MAX];
    struct ip_addr wide = ip("1111:2222:3333:4444:5555:6666:7777:8888");
    ip_format(&wide, longest);
    cr_assert_str_eq(longest, "1111:2222:3333:4444:5555:6666:7777:8888");
}

Test(cidr, what_is_no_address)
{
    static const char *const texts[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3.4:80",
        "[::1]",
        "::1%lo",
        "fe80::1%eth0",
        ":::",
        "g::1",
        "localhost",
        "0x7f.1",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd"};
    struct ip_addr addr;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cr_assert_not(ip_parse(slice_of(texts[i]), &addr), "%s", texts[i]);
    }
    cr_assert_not(ip_parse(slice_make("1.2.3.4\0x", 9), &addr));
    cr_assert_not(ip_parse((struct slice){0}, &addr));
    cr_assert(ip_parse(slice_make("1.2.3.4XX", 7), &addr), "only the slice counts");
}

Test(cidr, from_sockaddr)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr unix_socket = {.sa_family = AF_UNIX};
    struct ip_addr addr;
    char out[IP_TEXT_MAX];
    inet_pton(AF_INET, "10.9.8.7", &v4.sin_addr);
    inet_pton(AF_INET6, "::ffff:10.9.8.7", &v6.sin6_addr);
    cr_assert(ip_from_sockaddr((const struct sockaddr *)&v4, &addr));
    ip_format(&addr, out);
    cr_assert_str_eq(out, "10.9.8.7");
    cr_assert(ip_from_sockaddr((const struct sockaddr *)&v6, &addr));
    ip_format(&addr, out);
    cr_assert_str_eq(out, "10.9.8.7");
    cr_assert_not(ip_from_sockaddr(&unix_socket, &addr));
    ip_format(&addr, out);
    cr_assert_str_eq(out, "::");
}

Test(cidr, ranges_that_are_refused)
{
    static const char *const texts[] = {"",
                                        "/8",
                                        "10.0.0.0/",
                                        "10.0.0.0/33",
                                        "10.0.0.0/-1",
                                        "10.0.0.0/08",
                                        "10.0.0.0/8 ",
                                        "10.0.0.1/8",
                                        "10.0.0.0/8/8",
                                        "::/129",
                                        "::1/127",
                                        "::/0x8",
                                        "10.128.0.0/8",
                                        "fd00::/7",
                                        "10.0.0.0/999",
                                        "10/8",
                                        "::/00",
                                        "0.0.0.1/0"};
    struct cidr parsed;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cr_assert_not(cidr_parse(slice_of(texts[i]), &parsed), "%s", texts[i]);
    }
    cr_assert_not(cidr_parse((struct slice){0}, &parsed));
}

static void expect(const char *in, const char *addr_text, bool contained)
{
    struct cidr parsed = range(in);
    struct ip_addr addr = ip(addr_text);
    cr_assert_eq(cidr_contains(&parsed, &addr), contained, "%s in %s", addr_text, in);
}

Test(cidr, what_ranges_hold)
{
    expect("10.0.0.0/8", "10.255.255.255", true);
    expect("10.0.0.0/8", "11.0.0.0", false);
    expect("10.0.0.0/8", "::ffff:10.1.1.1", true);
    expect("10.0.0.0/8", "a00::", false);
    expect("172.16.0.0/12", "172.31.255.255", true);
    expect("172.16.0.0/12", "172.32.0.0", false);
    expect("0.0.0.0/0", "255.1.1.1", true);
    expect("0.0.0.0/0", "::1", false);
    expect("::/0", "1.2.3.4", true);
    expect("::/0", "ffff::", true);
    expect("::ffff:0:0/96", "1.2.3.4", true);
    expect("fc00::/7", "fdff::1", true);
    expect("fc00::/7", "fe00::1", false);
    expect("127.0.0.1", "127.0.0.1", true);
    expect("127.0.0.1", "127.0.0.2", false);
    expect("::1/128", "::1", true);
    expect("::1", "::", false);
    cr_assert_eq(range("10.0.0.0/8").bits, 104);
}

Test(cidr, every_prefix_length_splits_at_its_bit)
{
    for (unsigned bits = 1; bits <= 128; bits++) {
        struct cidr all_ones = {{{0}}, bits};
        for (unsigned bit = 0; bit < bits; bit++) {
            all_ones.base.bytes[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
        }
        struct ip_addr addr = all_ones.base;
        for (unsigned bit = 0; bit < 128; bit++) {
            addr.bytes[bit / 8] ^= (uint8_t)(0x80 >> (bit % 8));
            cr_assert_eq(cidr_contains(&all_ones, &addr), bit >= bits, "/%u bit %u", bits, bit);
            addr.bytes[bit / 8] ^= (uint8_t)(0x80 >> (bit % 8));
        }
    }
}
