/* Who is asking: tables of peers and X-Forwarded-For headers, most of them from liars. */
#include "gateway/client_addr.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HEADERS_MAX 4

static const char *const trusted[] = {"10.0.0.0/8", "127.0.0.0/8", "fd00::/8", "::1"};

static size_t ranges(struct cidr out[4])
{
    for (size_t i = 0; i < 4; i++) {
        cr_assert(cidr_parse(slice_of(trusted[i]), &out[i]), "%s", trusted[i]);
    }
    return 4;
}

static struct ip_addr address(const char *text)
{
    struct ip_addr out;
    cr_assert(ip_parse(slice_of(text), &out), "%s", text);
    return out;
}

struct row {
    const char *peer;
    const char *headers[HEADERS_MAX]; /* ended by NULL */
    const char *client;
};

static const struct row rows[] = {
    /* no header, no proxy */
    {"198.51.100.1", {NULL}, "198.51.100.1"},
    {"10.0.0.1", {NULL}, "10.0.0.1"},
    {"2001:db8::1", {NULL}, "2001:db8::1"},
    /* a peer who is no proxy may say what he likes */
    {"198.51.100.1", {"203.0.113.7"}, "198.51.100.1"},
    {"198.51.100.1", {"10.0.0.9"}, "198.51.100.1"},
    {"2001:db8::1", {"203.0.113.7", "203.0.113.8"}, "2001:db8::1"},
    /* one proxy, two proxies */
    {"10.0.0.1", {"203.0.113.7"}, "203.0.113.7"},
    {"10.0.0.1", {"203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
    {"10.0.0.1", {"203.0.113.7,10.0.0.2,10.0.0.3"}, "203.0.113.7"},
    {"::1", {"2001:db8::7"}, "2001:db8::7"},
    {"fd00::5", {"2001:db8::7, fd12::1"}, "2001:db8::7"},
    {"127.0.0.1", {"2001:db8::7"}, "2001:db8::7"},
    {"::1", {"203.0.113.7"}, "203.0.113.7"},
    /* what stands left of the first stranger is his word only */
    {"10.0.0.1", {"1.1.1.1, 203.0.113.7"}, "203.0.113.7"},
    {"10.0.0.1", {"10.0.0.9, 203.0.113.7"}, "203.0.113.7"},
    {"10.0.0.1", {"127.0.0.1, 1.1.1.1, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
    {"10.0.0.1", {"junk, 203.0.113.7"}, "203.0.113.7"},
    {"10.0.0.1", {"1.1.1.1, junk, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
    /* everyone trusted: the leftmost */
    {"10.0.0.1", {"10.1.1.1, 10.2.2.2"}, "10.1.1.1"},
    {"10.0.0.1", {"127.0.0.1"}, "127.0.0.1"},
    /* junk where it matters: the nearest good hop on its right, at last the peer */
    {"10.0.0.1", {"junk"}, "10.0.0.1"},
    {"10.0.0.1", {"unknown"}, "10.0.0.1"},
    {"10.0.0.1", {"_hidden"}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113.7, junk"}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113.7, junk, 10.0.0.2"}, "10.0.0.2"},
    {"10.0.0.1", {"203.0.113.7, 300.1.1.1, 10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
    {"10.0.0.1", {"203.0.113.7;10.0.0.2"}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113.7 10.0.0.2"}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113"}, "10.0.0.1"},
    {"10.0.0.1", {"\"203.0.113.7\""}, "10.0.0.1"},
    {"10.0.0.1", {"for=203.0.113.7"}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113.7/32"}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113.7\n"}, "10.0.0.1"},
    {"10.0.0.1", {"fe80::1%eth0"}, "10.0.0.1"},
    /* empty elements are nothing, blanks are trimmed */
    {"10.0.0.1", {""}, "10.0.0.1"},
    {"10.0.0.1", {" \t "}, "10.0.0.1"},
    {"10.0.0.1", {","}, "10.0.0.1"},
    {"10.0.0.1", {", ,, "}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113.7,"}, "203.0.113.7"},
    {"10.0.0.1", {"203.0.113.7, , 10.0.0.2,,"}, "203.0.113.7"},
    {"10.0.0.1", {",203.0.113.7"}, "203.0.113.7"},
    {"10.0.0.1", {"\t 203.0.113.7 \t,\t10.0.0.2"}, "203.0.113.7"},
    /* ports and brackets */
    {"10.0.0.1", {"203.0.113.7:1"}, "203.0.113.7"},
    {"10.0.0.1", {"203.0.113.7:65535, 10.0.0.2:80"}, "203.0.113.7"},
    {"10.0.0.1", {"203.0.113.7:65536"}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113.7:"}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113.7:x"}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113.7:123456"}, "10.0.0.1"},
    {"10.0.0.1", {":80"}, "10.0.0.1"},
    {"10.0.0.1", {":"}, "10.0.0.1"},
    {"10.0.0.1", {"[2001:db8::7]"}, "2001:db8::7"},
    {"10.0.0.1", {"[2001:db8::7]:443"}, "2001:db8::7"},
    {"10.0.0.1", {"[2001:db8::7]:443, [fd00::2]:80"}, "2001:db8::7"},
    {"10.0.0.1", {"2001:db8::7"}, "2001:db8::7"},
    {"10.0.0.1", {"[2001:db8::7]443"}, "10.0.0.1"},
    {"10.0.0.1", {"[2001:db8::7]:"}, "10.0.0.1"},
    {"10.0.0.1", {"[2001:db8::7"}, "10.0.0.1"},
    {"10.0.0.1", {"2001:db8::7]"}, "10.0.0.1"},
    {"10.0.0.1", {"[]"}, "10.0.0.1"},
    {"10.0.0.1", {"["}, "10.0.0.1"},
    {"10.0.0.1", {"[]:80"}, "10.0.0.1"},
    {"10.0.0.1", {"[203.0.113.7]"}, "10.0.0.1"},
    {"10.0.0.1", {"[[2001:db8::7]]"}, "10.0.0.1"},
    /* IPv4 in IPv6 is IPv4 */
    {"10.0.0.1", {"::ffff:203.0.113.7"}, "203.0.113.7"},
    {"10.0.0.1", {"203.0.113.7, ::ffff:10.0.0.2"}, "203.0.113.7"},
    {"::ffff:10.0.0.1", {"[::ffff:203.0.113.7]:80"}, "203.0.113.7"},
    /* several headers are one list */
    {"10.0.0.1", {"1.1.1.1", "203.0.113.7"}, "203.0.113.7"},
    {"10.0.0.1", {"203.0.113.7", "10.0.0.2"}, "203.0.113.7"},
    {"10.0.0.1", {"1.1.1.1", "203.0.113.7, 10.0.0.3", "10.0.0.2"}, "203.0.113.7"},
    {"10.0.0.1", {"203.0.113.7", "", "10.0.0.2", ""}, "203.0.113.7"},
    {"10.0.0.1", {"203.0.113.7", "junk"}, "10.0.0.1"},
    {"10.0.0.1", {"203.0.113.7", "junk", "10.0.0.2"}, "10.0.0.2"},
    {"10.0.0.1", {"", ""}, "10.0.0.1"},
    {"10.0.0.1", {"10.1.1.1", "10.2.2.2"}, "10.1.1.1"},
};

/* Copies end where the heap block ends, so that a byte read too far is seen. */
static struct ip_addr find(const struct row *row, const struct cidr *proxies, size_t n_proxies)
{
    struct slice values[HEADERS_MAX];
    char *copies[HEADERS_MAX];
    size_t n = 0;
    for (; n < HEADERS_MAX && row->headers[n] != NULL; n++) {
        struct slice header = slice_of(row->headers[n]);
        copies[n] = malloc(header.len != 0 ? header.len : 1);
        memcpy(copies[n], header.data, header.len);
        values[n] = slice_make(copies[n], header.len);
    }
    struct ip_addr peer = address(row->peer);
    struct ip_addr client = client_addr_find(proxies, n_proxies, &peer, values, n);
    for (size_t i = 0; i < n; i++) {
        free(copies[i]);
    }
    return client;
}

Test(client_addr, finds_the_first_hop_that_is_not_ours)
{
    struct cidr proxies[4];
    size_t n_proxies = ranges(proxies);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ip_addr client = find(&rows[i], proxies, n_proxies);
        struct ip_addr want = address(rows[i].client);
        char got[IP_TEXT_MAX];
        ip_format(&client, got);
        cr_expect(memcmp(&client, &want, sizeof(want)) == 0, "%s [%s]: got %s, want %s",
                  rows[i].peer, rows[i].headers[0] != NULL ? rows[i].headers[0] : "", got,
                  rows[i].client);
    }
}

Test(client_addr, without_proxies_the_peer_it_is)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ip_addr client = find(&rows[i], NULL, 0);
        struct ip_addr want = address(rows[i].peer);
        cr_expect(memcmp(&client, &want, sizeof(want)) == 0);
    }
}

Test(client_addr, trusts_what_is_in_a_range)
{
    struct cidr proxies[4];
    size_t n_proxies = ranges(proxies);
    static const struct {
        const char *address;
        bool is_trusted;
    } table[] = {{"10.255.255.255", true},
                 {"11.0.0.0", false},
                 {"127.0.0.1", true},
                 {"::1", true},
                 {"::2", false},
                 {"fd00::1", true},
                 {"fdff::1", true},
                 {"fe00::1", false},
                 {"::ffff:10.1.1.1", true},
                 {"::10.1.1.1", false},
                 {"0.0.0.0", false},
                 {"::", false}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct ip_addr peer = address(table[i].address);
        cr_expect_eq(client_addr_trusted(proxies, n_proxies, &peer), table[i].is_trusted, "%s",
                     table[i].address);
        cr_expect(!client_addr_trusted(proxies, 0, &peer));
    }
}

/* A value of `hops` trusted hops behind one stranger. */
static struct ip_addr behind(size_t hops)
{
    struct cidr proxies[4];
    size_t n_proxies = ranges(proxies);
    char text[2048] = "203.0.113.7";
    size_t len = strlen(text);
    for (size_t i = 0; i < hops; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, ", 10.0.1.%zu", hops - i);
    }
    struct slice value = slice_make(text, len);
    struct ip_addr peer = address("10.0.0.1");
    return client_addr_find(proxies, n_proxies, &peer, &value, 1);
}

Test(client_addr, looks_at_32_hops)
{
    struct ip_addr client = behind(31);
    struct ip_addr stranger = address("203.0.113.7");
    cr_expect_arr_eq(&client, &stranger, sizeof(stranger));
    client = behind(32);
    struct ip_addr last = address("10.0.1.32");
    cr_expect_arr_eq(&client, &last, sizeof(last));
}

/* "203.0.113.7" and blanks, so that the element is as long as said. */
static struct ip_addr padded(size_t len)
{
    struct cidr proxies[4];
    size_t n_proxies = ranges(proxies);
    char text[256];
    snprintf(text, sizeof(text), "%-255s", "203.0.113.7");
    struct slice value = slice_make(text, len);
    struct ip_addr peer = address("10.0.0.1");
    return client_addr_find(proxies, n_proxies, &peer, &value, 1);
}

Test(client_addr, an_element_has_128_bytes_at_most)
{
    struct ip_addr client = padded(128);
    struct ip_addr stranger = address("203.0.113.7");
    cr_expect_arr_eq(&client, &stranger, sizeof(stranger));
    client = padded(129);
    struct ip_addr peer = address("10.0.0.1");
    cr_expect_arr_eq(&client, &peer, sizeof(peer));
}

/* 100 KB of anything costs no more than 32 elements: 160,000 of them well within a second
 * even under a sanitizer, which 16 GB of reading would not be. */
Test(client_addr, huge_headers_cost_little)
{
    struct cidr proxies[4];
    size_t n_proxies = ranges(proxies);
    static const char *const fillings[] = {",", "a", " ", "10.0.0.2,", "1.1.1.1 ", "[", ":", ", "};
    struct ip_addr peer = address("10.0.0.1");
    struct timespec begin;
    struct timespec end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (size_t i = 0; i < sizeof(fillings) / sizeof(fillings[0]); i++) {
        size_t len = 100000;
        char *text = malloc(len);
        for (size_t at = 0; at < len; at++) {
            text[at] = fillings[i][at % strlen(fillings[i])];
        }
        struct slice value = slice_make(text, len);
        for (unsigned times = 0; times < 20000; times++) {
            struct ip_addr client = client_addr_find(proxies, n_proxies, &peer, &value, 1);
            cr_assert(client_addr_trusted(proxies, n_proxies, &client), "filled with %s",
                      fillings[i]);
        }
        free(text);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    cr_expect_lt(end.tv_sec - begin.tv_sec, 2);
}

Test(client_addr, an_absent_value_is_an_empty_one)
{
    struct cidr proxies[4];
    size_t n_proxies = ranges(proxies);
    const struct slice values[] = {SLICE_LIT("203.0.113.7"), {0}};
    struct ip_addr peer = address("10.0.0.1");
    struct ip_addr client = client_addr_find(proxies, n_proxies, &peer, values, 2);
    struct ip_addr want = address("203.0.113.7");
    cr_expect_arr_eq(&client, &want, sizeof(want));
}
