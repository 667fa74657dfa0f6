/* verify.c: sigpostctl verify: what the gateway would say to these headers, and to an operator,
 * why. Names the true reason, also the one that a client is not told. */
#include "ctl/judgement.h"

#include <stdlib.h>

static const char help[] =
    "sigpostctl verify --path PATH [--at N]   check the signing headers on standard input\n"
    "\n"
    "  --path PATH   the request's path as it was sent, without a query; \"/\" is tried as\n"
    "                /v1/metrics, /v1/traces and /v1/logs, as the gateway does\n"
    "  --at N        as if it were Unix second N (now)\n"
    "\n"
    "Headers are lines \"Name: value\"; a request line before them is skipped, and reading ends "
    "at\n"
    "the first empty line. Prints \"ok key=... session=...\", or the reason and its remedy.\n"
    "`sigpostctl explain` says more.\n";

/* One of the two or both; signature_parse tells them as one. */
static void put_malformed(FILE *out, const struct signature_headers *headers)
{
    struct signature_headers without = *headers;
    struct signature_claim claim;
    without.key_id = (struct slice){NULL, 0};
    if (signature_parse(&without, &claim) != REASON_OK) {
        fputs("X-KMS-Signature is not 64 hex digits\n", out);
    }
    if (headers->key_id.data != NULL && !signature_key_id_valid(headers->key_id)) {
        fprintf(out, "X-KMS-Key-ID is not 1 to %d of A-Z a-z 0-9 . _ -\n", SIGNATURE_KEY_ID_MAX);
    }
}

static void put_detail(FILE *out, const struct judgement *judgement)
{
    enum reason reason = judgement->reason;
    if (reason == REASON_TIMESTAMP_DRIFT) {
        fprintf(out, "the timestamp is %lld s %s the clock (%lld); the window is %lld s\n",
                (long long)llabs(judgement->skew), judgement->skew > 0 ? "behind" : "ahead of",
                (long long)judgement->now, (long long)judgement->window);
    } else if (reason == REASON_RETIRED_KEY) {
        fprintf(out, "it verifies with key %s\n", judgement->match.key_id.data);
    } else if (reason == REASON_INVALID_SIGNATURE && judgement->form != REASON_OK) {
        put_malformed(out, &judgement->headers);
    } else if (reason == REASON_REPEATED_HEADER) {
        ctl_put_text(out, judgement->headers.repeated_name);
        fputs(" came twice, or with another value than under its other name\n", out);
    }
}

static int put_verdict(struct ctl *ctl, const struct judgement *judgement)
{
    if (judgement->reason == REASON_OK) {
        struct slice session = judgement->claim.session;
        fprintf(ctl->out, "ok key=%s session=%.*s", judgement->match.key_id.data,
                session.len != 0 ? (int)session.len : 1, session.len != 0 ? session.data : "-");
        if (judgement->n_paths > 1) {
            fprintf(ctl->out, " path=%s", judgement->paths[judgement->match.path].data);
        }
        fputc('\n', ctl->out);
        return CTL_DONE;
    }
    const struct reason_info *info = reason_info(judgement->reason);
    fprintf(ctl->out, "%s: %s. %s\n", info->word, info->title, info->remedy);
    put_detail(ctl->out, judgement);
    return CTL_FAILED;
}

int ctl_verify(struct ctl *ctl, int argc, char **argv)
{
    struct judgement_options given = {NULL, NULL};
    struct judgement judgement;
    size_t n_rest;
    const struct ctl_option options[] = {{"--path", NULL, &given.path}, {"--at", NULL, &given.at}};
    int status = ctl_options(ctl, "verify", help, argc, argv, options, 2, NULL, 0, &n_rest);
    if (status >= 0) {
        return status;
    }
    if (given.path == NULL) {
        return ctl_wrong_use(ctl, "verify", "--path is missing: the path as it was sent");
    }
    status = judge(ctl, "verify", &given, &judgement);
    status = status == CTL_DONE ? put_verdict(ctl, &judgement) : status;
    judgement_free(&judgement);
    return status;
}
