/* fields.h: the body of a presence request: `user` and `target`, as a form or as JSON. Strict: what
 * is there must be right; other fields are passed over. Pure. */
#ifndef SIGPOST_GATEWAY_FIELDS_H
#define SIGPOST_GATEWAY_FIELDS_H

#include "base/result.h"
#include "session/presence.h"

#define FIELDS_BODY_MAX 4096

/* Blanks around the values are taken off. */
struct fields {
    bool has_user;
    bool has_target;
    char user[PRESENCE_USER_MAX + 1];
    char target[PRESENCE_TARGET_MAX + 1];
};

/* False and a sentence when a field is repeated, malformed, too long, or no text. */
bool fields_from_form(struct slice body, struct fields *out, struct result *why);
bool fields_from_json(struct slice body, struct fields *out, struct result *why);

#endif
