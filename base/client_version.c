/* client_version.c: see client_version.h. */
#include "base/client_version.h"

static bool is_version_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '+' || c == '-';
}

struct slice client_version_name(struct slice version)
{
    if (version.len == 0) {
        return SLICE_LIT(CLIENT_VERSION_NONE);
    }
    bool fine = version.len <= CLIENT_VERSION_MAX;
    for (size_t i = 0; fine && i < version.len; i++) {
        fine = is_version_char(version.data[i]);
    }
    return fine ? version : SLICE_LIT(CLIENT_VERSION_OTHER);
}
