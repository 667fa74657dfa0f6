/* What proxies say, and what their clients would like them to say. */
#include "gateway/forwarded.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *judge(const char *method, const char *uri, struct slice *path)
{
    return forwarded_path(slice_of(method), slice_of(uri), path);
}

Test(forwarded, plain_paths_are_taken_as_they_are)
{
    static const struct {
        const char *uri;
        const char *path;
    } rows[] = {
        {"/", "/"},
        {"/?", "/"},
        {"/v1/metrics", "/v1/metrics"},
        {"/v1/metrics?a=b", "/v1/metrics"},
        {"/v1/metrics?a=%2f..%2e/../?x", "/v1/metrics"},
        {"/v1/metrics?a|b\"<>", "/v1/metrics"},
        {"/v1/metrics/", "/v1/metrics/"},
        {"/V1/Metrics", "/V1/Metrics"},
        {"/opentelemetry.proto.collector.trace.v1.TraceService/Export",
         "/opentelemetry.proto.collector.trace.v1.TraceService/Export"},
        {"/a-b_c.d~e/!$&'()*+,=:@", "/a-b_c.d~e/!$&'()*+,=:@"},
        {"/.hidden/...", "/.hidden/..."},
        {"/a..b/.c", "/a..b/.c"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice path;
        cr_expect_null(judge("POST", rows[i].uri, &path), "%s", rows[i].uri);
        cr_expect(slice_eq_str(path, rows[i].path), "%s", rows[i].uri);
    }
}

Test(forwarded, whatever_could_be_read_in_two_ways_is_refused)
{
    static const struct {
        const char *uri;
        const char *wrong;
    } rows[] = {
        {"", "missing"},
        {"v1/metrics", "slash"},
        {"*", "slash"},
        {"?x", "slash"},
        {"http://127.0.0.1/v1/metrics", "slash"},
        {"//evil.example/v1/metrics", "empty"},
        {"/v1//metrics", "empty"},
        {"//", "empty"},
        {"/.", "dot"},
        {"/..", "dot"},
        {"/./v1/metrics", "dot"},
        {"/v1/../v1/metrics", "dot"},
        {"/v1/metrics/.", "dot"},
        {"/v1/metrics/..", "dot"},
        {"/v1/metrics/..?x", "dot"},
        {"/v1%2fmetrics", "percent"},
        {"/v1%2Fmetrics", "percent"},
        {"/v1%5cmetrics", "percent"},
        {"/v1/metrics%00", "percent"},
        {"/%2e%2e/v1/metrics", "percent"},
        {"/v1/metric%73", "percent"},
        {"/v1/metrics%", "percent"},
        {"/v1\\metrics", "byte"},
        {"/v1/metrics;x=1", "byte"},
        {"/v1/metrics#x", "byte"},
        {"/v1/metrics|1712345678|", "byte"},
        {"/v1/metrics /", "byte"},
        {"/v1/metrics\t", "byte"},
        {"/v1/metrics\r\nX-Auth-Status: valid", "byte"},
        {"/v1/metrics\x7f", "byte"},
        {"/v1/metr\xc3\xaf"
         "cs",
         "byte"},
        {"/v1/metrics, /v1/traces b", "byte"},
        {"/v1/metrics?a\nb", "query"},
        {"/v1/metrics?a b", "query"},
        {"/v1/metrics?a#b", "query"},
        {"/v1/metrics?a\\b", "query"},
        {"/v1/metrics?\x80", "query"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice path = SLICE_LIT("untouched");
        const char *wrong = judge("POST", rows[i].uri, &path);
        cr_assert_not_null(wrong, "%s", rows[i].uri);
        cr_expect_not_null(strstr(wrong, rows[i].wrong), "%s: %s", rows[i].uri, wrong);
        cr_expect_null(path.data, "%s", rows[i].uri);
    }
}

Test(forwarded, a_nul_ends_nothing)
{
    struct slice path;
    cr_expect_not_null(forwarded_path(SLICE_LIT("POST"), SLICE_LIT("/v1/metrics\0"), &path));
    cr_expect_not_null(forwarded_path(SLICE_LIT("POST"), SLICE_LIT("/v1/metrics\0/x"), &path));
    cr_expect_not_null(forwarded_path(SLICE_LIT("POST"), SLICE_LIT("/v1/metrics?\0"), &path));
    cr_expect_not_null(forwarded_path(SLICE_LIT("POST\0"), SLICE_LIT("/v1/metrics"), &path));
}

Test(forwarded, only_post_is_ever_signed)
{
    static const char *const methods[] = {"",     "GET",     "post",   "Post",       "POSTS",
                                          "POS",  "POST,",   "PUT",    "POST, POST", " POST",
                                          "HEAD", "CONNECT", "OPTIONS"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct slice path;
        cr_expect_not_null(judge(methods[i], "/v1/metrics", &path), "%s", methods[i]);
        cr_expect_null(path.data);
    }
    struct slice path;
    cr_expect_not_null(forwarded_path((struct slice){0}, SLICE_LIT("/v1/metrics"), &path));
    cr_expect_not_null(forwarded_path(SLICE_LIT("POST"), (struct slice){0}, &path));
}

/* Every byte at every place: what passes begins with a slash and has none but plain bytes, and
 * nothing behind the value's end is read. */
Test(forwarded, every_byte_everywhere)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    cr_assert_eq(mprotect(memory + page, page, PROT_NONE), 0);
    static const char base[] = "/a/.b?q";
    size_t len = sizeof(base) - 1;
    char *uri = memory + page - len;
    unsigned passed = 0;
    for (size_t at = 0; at < len; at++) {
        for (int byte = 0; byte < 256; byte++) {
            memcpy(uri, base, len);
            uri[at] = (char)byte;
            struct slice path;
            if (forwarded_path(SLICE_LIT("POST"), slice_make(uri, len), &path) != NULL) {
                continue;
            }
            passed++;
            cr_assert_eq(uri[0], '/');
            cr_assert(path.data == uri && path.len <= len);
            cr_assert_null(memmem(path.data, path.len, "/./", 3));
            cr_assert_null(memmem(path.data, path.len, "//", 2));
            for (size_t i = 0; i < path.len; i++) {
                cr_assert_null(memchr("%\\;#?|\"<>^`{} ", path.data[i], 15), "%zu %d", at, byte);
                cr_assert(path.data[i] > ' ' && path.data[i] < 0x7f);
            }
        }
    }
    cr_expect_gt(passed, 300);
    munmap(memory, 2 * page);
}
