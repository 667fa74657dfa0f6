/* builtin_pages.h: templates/NAME.html as compiled in: what is shown where the operator has none.
 */
#ifndef SIGPOST_GATEWAY_BUILTIN_PAGES_H
#define SIGPOST_GATEWAY_BUILTIN_PAGES_H

#include "base/slice.h"

extern const char builtin_index_html[];
extern const size_t builtin_index_html_len;
extern const char builtin_waiting_html[];
extern const size_t builtin_waiting_html_len;
extern const char builtin_status_html[];
extern const size_t builtin_status_html_len;

#endif
