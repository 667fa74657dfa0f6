/* page_policy.h: what a browser may do for our pages: their Content-Security-Policy.
 *
 * A built-in page may do what stands in it and nothing else: its own <style> and <script>, known by
 * their SHA-256, questions to this server, its form. An operator's page may hold scripts and styles
 * of any kind, so that pages that are in use keep working; it may not be framed by others.
 */
#ifndef SIGPOST_GATEWAY_PAGE_POLICY_H
#define SIGPOST_GATEWAY_PAGE_POLICY_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>

/* Of the operators' own pages. */
#define PAGE_POLICY_OWN "object-src 'none'; base-uri 'self'; frame-ancestors 'self'"

/* Appends the policy of a built-in page with this source. False, and nothing usable, when a <style>
 * or <script> of it is not the same in every rendering (it holds a template's tag) or is not
 * closed, or memory ran out. */
bool page_policy_builtin(struct slice source, struct buf *out);

/* Appends the part that depends on where the form of a built-in page leads in the end: browsers
 * hold the redirects behind a form against it, too. redirect: session.redirect. */
void page_policy_form(const char *redirect, struct buf *out);

#endif
