/* judgement.h: what the gateway would say to the signing headers of a request that was pasted, and
 * what verify and explain need to say why.
 */
#ifndef SIGPOST_CTL_JUDGEMENT_H
#define SIGPOST_CTL_JUDGEMENT_H

#include "ctl/ctl.h"
#include "ctl/request.h"

struct judgement {
    struct request request;
    struct config *config; /* owned */
    struct ctl_keys keys;
    struct signature_headers headers;
    struct signature_claim claim; /* all absent when the headers are not in form */
    struct slice one_path;
    const struct slice *paths; /* the one, or for "/" those that are tried */
    size_t n_paths;
    int64_t now;    /* Unix seconds */
    int64_t window; /* seconds */
    int64_t skew;   /* positive: the timestamp is behind */
    struct keyring_match match;
    enum reason form;   /* of the headers alone */
    enum reason key;    /* of the signature alone, whatever the window; REASON_COUNT: not in form */
    enum reason reason; /* the gateway's */
};

#define JUDGEMENT_INIT ((struct judgement){.request = {.text = BUF_INIT}})

/* The options that both have. */
struct judgement_options {
    const char *path; /* --path; NULL: as the request tells */
    const char *at;   /* --at; NULL: now */
};

/* Reads the request from ctl->in and judges it. path may be NULL when the request tells it.
 * CTL_DONE when there is a judgement, of whatever kind; else the exit status after a line on err.
 * `noun` names the caller in sentences. Free with judgement_free in every case. */
int judge(struct ctl *ctl, const char *noun, const struct judgement_options *options,
          struct judgement *out);
void judgement_free(struct judgement *judgement);

#endif
