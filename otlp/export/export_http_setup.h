/* export_http_setup.h: the checked parts of an exporter's configuration that libcurl is given.
 * Internal to export_http. */
#ifndef SIGPOST_OTLP_EXPORT_HTTP_SETUP_H
#define SIGPOST_OTLP_EXPORT_HTTP_SETUP_H

#include "otlp/export/export_http.h"

#include <curl/curl.h>

struct export_http_urls {
    char *real[SIGNAL_COUNT];  /* owned */
    char *shown[SIGNAL_COUNT]; /* owned; without user name and password */
};

/* base + the signal's path. False and a sentence when base is no http or https URL without query
 * and fragment. *urls is then as zeroed. */
bool export_http_make_urls(struct export_http_urls *urls, const char *base, struct result *why);
void export_http_free_urls(struct export_http_urls *urls);

/* Ours and the configured ones. False and a sentence that never holds a header's value. */
bool export_http_make_headers(struct curl_slist **list, const struct export_http_options *options,
                              struct result *why);
/* Wipes the values, which may be credentials. */
void export_http_free_headers(struct curl_slist *list);

/* Can it be read, and does it hold a certificate? NULL is fine. */
bool export_http_check_ca_file(const char *path, struct result *why);

#endif
