/* reply.h: the answers: OTLP responses and google.rpc.Status in the request's type, JSON, HTML,
 * text. Each ends the request: neither req nor anything in its pool may be touched afterwards. No
 * byte of a client's is ever put into a header. Only on the request's loop.
 */
#ifndef SIGPOST_GATEWAY_REPLY_H
#define SIGPOST_GATEWAY_REPLY_H

#include "base/buf.h"
#include "base/reason.h"

#include <h2o.h>

/* One body of any type. content_type must live for ever. Adds Cache-Control: no-store. */
void reply_body(h2o_req_t *req, int status, struct slice content_type, struct slice body);

/* A flat {"status": word} or {"error": text} body. text is a literal of ours. */
void reply_json_word(h2o_req_t *req, int status, const char *name, const char *text);

/* 405, with the methods in Allow (a literal). */
void reply_method_not_allowed(h2o_req_t *req, const char *allow);

/* 404 as JSON. */
void reply_not_found(h2o_req_t *req);

/* 302 or 303 to a location made of the operator's words; copied. */
void reply_redirect(h2o_req_t *req, int status, struct slice location);

/* Adds Retry-After. */
void reply_add_retry_after(h2o_req_t *req, unsigned seconds);

/* 429 or 503 as JSON {"error": text}, with Retry-After. */
void reply_later(h2o_req_t *req, int status, unsigned retry_after_s, const char *text);

/* 204, without a body. */
void reply_no_content(h2o_req_t *req);

/* 200 with an empty Export…ServiceResponse in the request's type. */
void reply_export_ok(h2o_req_t *req);

/* The verdict as a Status in the request's type, with Retry-After when retry_after_s is not 0.
 * detail is appended to the verdict's own words; it may be empty. */
void reply_verdict(h2o_req_t *req, enum reason reason, const char *detail, unsigned retry_after_s);

/* A Status in the request's type for what is wrong with the request itself (404, 405 on OTLP
 * paths). */
void reply_status(h2o_req_t *req, int http_status, int grpc_code, struct slice message);

/* libh2o answers some requests itself, in plain text, before any handler runs (413, 400, 417). The
 * filter gives those answers a Status body in the request's type, and calls `refused` for each,
 * which may add headers. */
void reply_install_filter(h2o_pathconf_t *pathconf, void (*refused)(h2o_req_t *req, int status));

#endif
