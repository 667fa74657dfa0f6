/* template.h: the Jinja2 subset that operators' pages use, compiled once, rendered many times.
 *
 *     {{ name }}   {{ name|default('x') }}   {{ 'a' if cond else 'b' }}
 *     {% if %} {% elif %} {% else %} {% endif %}   not, and, or, == != < <= > >=, parentheses
 *     {# comment #}   strings in ' or ", whole numbers, true false True False
 *     "-" beside a tag's braces takes the white space on that side: {%- if x -%}
 *
 * What is put in is HTML-escaped, always. An unknown name is empty (and false), as in Jinja2. Names
 * are looked up when rendering. Bounded: 256 KiB of source, 32 levels of {% if %}, 64 of
 * parentheses. The whole language, and where it differs from Jinja2, is in docs/templates.md.
 */
#ifndef SIGPOST_SESSION_TEMPLATE_H
#define SIGPOST_SESSION_TEMPLATE_H

#include "base/buf.h"
#include "base/result.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

#define TEMPLATE_SOURCE_MAX 262144 /* 256 KiB */

struct template;

enum template_type { TEMPLATE_STRING, TEMPLATE_NUMBER, TEMPLATE_BOOL };

struct template_variable {
    const char *name;
    enum template_type type;
    struct slice text;
    int64_t number; /* numbers; 0 or 1 for bools, shown as True and False */
};

/* Compiles a copy of the source, which must be UTF-8. `file` names it in the sentence:
 * "file:line:column: what is wrong; what would be right". NULL then. */
struct template *template_compile(const char *file, struct slice source, struct result *why);
void template_free(struct template *template);

/* Appends the page. Thread-safe on one template: it is immutable. */
void template_render(const struct template *template, const struct template_variable *variables,
                     size_t n, struct buf *out);

#endif
