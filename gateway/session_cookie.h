/* session_cookie.h: the cookie `ksid`, which is all that makes a browser the holder of a slot or of
 * a place in line: 128 random bits as hex, out of reach of scripts (HttpOnly), not sent with other
 * sites' posts (SameSite=Lax), and over https only where the browser came by https (Secure). */
#ifndef SIGPOST_GATEWAY_SESSION_COOKIE_H
#define SIGPOST_GATEWAY_SESSION_COOKIE_H

#include "gateway/gateway.h"

/* The cookie's value, of any form: absent when there is none, or when it came more than once, which
 * is *repeated: then one of them is not ours, and none counts. */
struct slice session_cookie_read(const h2o_req_t *req, bool *repeated);

/* Adds Set-Cookie to the answer. */
void session_cookie_set(struct worker *worker, h2o_req_t *req, const struct lobby_key *key);
void session_cookie_clear(struct worker *worker, h2o_req_t *req);

/* A fresh key. False when there is no randomness. */
bool session_cookie_make(struct lobby_key *key);

#endif
