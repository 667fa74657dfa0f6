/* request.h: a request as somebody pasted it on standard input: header lines, with or without the
 * request line before them, or a curl command, maybe behind sudo, a pipe or other commands.
 *
 * Header lines may be as curl -v shows them ("> Name: value"), or as options of curl ("-H 'Name:
 * value'").
 */
#ifndef SIGPOST_CTL_REQUEST_H
#define SIGPOST_CTL_REQUEST_H

#include "base/buf.h"
#include "ctl/ctl.h"
#include "ctl/shell_words.h"

struct request_header {
    struct slice name, value; /* the value with the blanks around it */
};

struct request {
    struct slice method; /* absent when it is not told */
    struct slice path;   /* as sent, without query and fragment; absent when it is not told */
    struct slice query;  /* without "?"; absent when there is none */
    struct request_header *headers;
    size_t n_headers;
    bool curl;                /* it was a curl command */
    struct buf text;          /* what the slices point into: */
    struct shell_words words; /* this or that */
};

/* Reads one from `in`, up to the empty line that ends its headers. False and a sentence, and
 * *request empty, when it makes no sense. Free with request_free. */
bool request_read(FILE *in, struct request *request, struct result *why);
void request_free(struct request *request);

/* Appends a header; false when out of memory. The slices are borrowed. */
bool request_add_header(struct request *request, struct slice name, struct slice value);

/* Whether text can be the name of a header. */
bool request_is_name(struct slice text);

/* Cuts "/path?query#fragment" into request->path and ->query. */
void request_set_target(struct request *request, struct slice target);

/* Takes method, target and headers from the words of a curl command, the first of which is curl;
 * request->words owns them. */
bool curl_command_read(struct request *request, struct result *why);

#endif
