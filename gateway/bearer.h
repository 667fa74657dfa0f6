/* bearer.h: the token of those who may say who is present, and of the operator: presence.token, or
 * what presence.token_file holds. Only SHA-256 digests are kept and compared, in constant time; two
 * of equal length whatever was sent. Thread-safe.
 */
#ifndef SIGPOST_GATEWAY_BEARER_H
#define SIGPOST_GATEWAY_BEARER_H

#include "base/config.h"
#include "base/slice.h"

#include <h2o.h>

struct bearer;
struct worker;

/* Reads the configured tokens; without any, nobody is let in. A short one is warned about. NULL and
 * a sentence when the file cannot be used. */
struct bearer *bearer_open(const struct config *config, struct result *why);
void bearer_close(struct bearer *bearer);

/* Reads the file again. False and a sentence when it cannot be used: the old token stays. */
bool bearer_reload(struct bearer *bearer, struct result *why);

/* Is this one of the tokens? */
bool bearer_is_token(struct bearer *bearer, struct slice token);

/* Does the request have an Authorization header with the scheme Bearer? Another scheme is none: a
 * proxy may ask for a password, and browsers send it on. */
bool bearer_came(const h2o_req_t *req);

/* Does it have the token? If not, it has been answered: 401, one log line for fail2ban, and 429
 * when its address has used up rate.per_address. */
bool bearer_admit(struct worker *worker, h2o_req_t *req);

#endif
