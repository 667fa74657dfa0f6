/* Client versions as names: what strangers may say, and what is made of it. */
#include "base/client_version.h"

#include <criterion/criterion.h>

Test(client_version, is_a_name_or_counts_as_other)
{
    static const struct {
        const char *said, *name;
    } cases[] = {
        {NULL, "none"},
        {"", "none"},
        {"2.0.0.0", "2.0.0.0"},
        {"1.0+build-7_x", "1.0+build-7_x"},
        {"two words", "other"},
        {"a/b", "other"},
        {"\xc3\xbc", "other"},
        {"12345678901234567890123456789012", "12345678901234567890123456789012"},
        {"123456789012345678901234567890123", "other"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice name = client_version_name(slice_of(cases[i].said));
        cr_assert(slice_eq_str(name, cases[i].name), "%s", cases[i].said);
    }
    cr_assert(slice_eq_str(client_version_name(slice_make("a\0b", 3)), "other"));
}
