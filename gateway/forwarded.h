/* forwarded.h: what a proxy says that its client asked for: from X-Forwarded-Method and
 * X-Forwarded-Uri to the path that the client must have signed. Pure.
 *
 * The verdict is ours, the request goes to somebody else. So only a path that everybody reads the
 * same way is judged: no escape, no dot segment, no empty segment, no byte but those that RFC 3986
 * lets stand in a path (less ';' and '%'). Paths of OTLP have none of them.
 */
#ifndef SIGPOST_GATEWAY_FORWARDED_H
#define SIGPOST_GATEWAY_FORWARDED_H

#include "base/slice.h"

/* The path in uri, query cut off, borrowed from it. Returns NULL, or what is wrong with the method
 * or the uri, to be told to the proxy's keeper (a literal; *path is absent then). */
const char *forwarded_path(struct slice method, struct slice uri, struct slice *path);

#endif
