/* client_version.h: what a client says of its version, as a name that may be counted, kept and
 * shown. The signature does not cover it: it is the client's own word. Pure.
 */
#ifndef SIGPOST_BASE_CLIENT_VERSION_H
#define SIGPOST_BASE_CLIENT_VERSION_H

#include "base/slice.h"

#define CLIENT_VERSION_MAX 32
#define CLIENT_VERSION_NONE "none"
#define CLIENT_VERSION_OTHER "other"

/* "none" for an absent or empty one, "other" for one that is not 1 to 32 of A-Z a-z 0-9 . _ + -,
 * else the version itself, borrowed. */
struct slice client_version_name(struct slice version);

#endif
