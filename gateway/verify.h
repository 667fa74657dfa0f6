/* verify.h: who signed this request, and for which signal? From the headers to the key. */
#ifndef SIGPOST_GATEWAY_VERIFY_H
#define SIGPOST_GATEWAY_VERIFY_H

#include "gateway/gateway.h"

struct verification {
    enum reason verdict; /* REASON_OK, REASON_LEASED, or why not */
    enum signal signal;  /* SIGNAL_COUNT when it cannot be told, or is none of OTLP's */
    struct signature_headers headers; /* as found, also when refused: for the log */
    struct signature_claim claim;     /* all absent for an unsigned request that was let in */
    struct keyring_match key;         /* good until the worker's next request */
    bool canary; /* signed by ourselves: says nothing of clients and their clocks */
    unsigned retry_after_s;
    char detail[160]; /* for the client, behind the verdict's own words; may be empty */
};

/* Judges the request in this order: count and grammar of the headers, window, HMAC; then the
 * session lease. path is what the client asked for, in the very bytes: of this request, or of the
 * one that a proxy asks about. With auth.required = false what fails is let in unsigned, unless
 * only the signature could tell the signal. True when it may go on. wall_ns and mono_ns are now; on
 * the request's loop. */
bool verify_request(struct worker *worker, h2o_req_t *req, struct slice path, int64_t wall_ns,
                    int64_t mono_ns, struct verification *out);

/* The line [AUTH_SUCCESS] or [AUTH_FAILED] on what became of it. detail may be empty. */
void verify_log(const struct verification *proof, enum reason verdict, const struct ip_addr *client,
                const char *detail);

#endif
